// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// lower: tile programs -> the LLVM dialect.
#pragma once

#include "bessemer/Support/CompileOptions.h"
#include "dialects/Tile/Tile.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

namespace bessemer {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Lower/Passes.h.inc"

/// The phase: tile programs -> the LLVM dialect in a nested module @kernels.
/// `target`: as MachineInfo has it, "cpu" or "cuda".
void addLowerPasses(mlir::OpPassManager &manager, llvm::StringRef target = "cpu", const Numerics &numerics = {});
} // namespace bessemer
