// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Lower/Gpu/Faults.h"

#include "bessemer/Support/KernelFault.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

void bessemer::gpu::recordFault(ImplicitLocOpBuilder &b, Value wrong, Value faults, StringRef what) {
  auto branch = scf::IfOp::create(b, wrong, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  Value number = arith::ConstantOp::create(b, b.getI64IntegerAttr(kernelFaultNumber(what.str())));
  LLVM::AtomicRMWOp::create(b, LLVM::AtomicBinOp::umax, faults, number, LLVM::AtomicOrdering::monotonic);
}

Value bessemer::gpu::negated(ImplicitLocOpBuilder &b, Value ok) {
  return arith::XOrIOp::create(b, ok, arith::ConstantOp::create(b, b.getBoolAttr(true)));
}
