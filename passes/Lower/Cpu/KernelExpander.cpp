// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The frame of an expanded kernel: its function, the loop over the grid, sizes.
#include "passes/Lower/Cpu/KernelExpander.h"

#include "dialects/Tile/IndexExpr.h"
#include "dialects/Tile/MatmulScheduleAttr.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <functional>

using namespace mlir;
using namespace bessemer;

KernelExpander::KernelExpander(tile::KernelOp kernel, const CpuSchedule &schedule)
    : kernel(kernel), schedule(schedule), b(kernel.getLoc(), kernel.getContext()) {}

FailureOr<func::FuncOp> KernelExpander::expand(ModuleOp kernels) {
  FailureOr<MatmulSchedule> products = tile::readMatmulSchedule(kernel, schedule);
  if (failed(products))
    return failure();
  dots = *products;
  b.setInsertionPointToEnd(kernels.getBody());
  auto pointer = LLVM::LLVMPointerType::get(b.getContext());
  Type i64 = b.getI64Type();
  auto function =
      func::FuncOp::create(b, kernel.getSymName(), b.getFunctionType({pointer, pointer, i64, i64, pointer}, {}));
  Block *entry = function.addEntryBlock();
  b.setInsertionPointToStart(entry);
  auto toIndex = [&](Value v) { return Value(arith::IndexCastOp::create(b, b.getIndexType(), v)); };
  auto element = [&](Value base, Type type, int64_t i) -> Value {
    Value place = LLVM::GEPOp::create(b, pointer, type, base, ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(i)});
    return LLVM::LoadOp::create(b, type, place);
  };
  for (int64_t i = 0; i < int64_t(kernel.getViews()); ++i)
    bufferPointers.push_back(element(entry->getArgument(0), pointer, i));
  for (int64_t i = 0; i < int64_t(kernel.getSymbols()); ++i)
    mapping.map(kernel.getSymbolArgument(i), toIndex(element(entry->getArgument(1), i64, i)));
  workspace = entry->getArgument(4);
  scratchOffset = index(0);

  // The points of the grid that are ours, each taken apart into its indices.
  auto grid = bess::parseDims(kernel.getGrid());
  SmallVector<Value> extents;
  for (const SymbolicExpr &dim : grid)
    extents.push_back(fromExpr(dim));
  Value begin = toIndex(entry->getArgument(2)), end = toIndex(entry->getArgument(3));
  auto loop = scf::ForOp::create(b, begin, end, index(1));
  func::ReturnOp::create(b);
  b.setInsertionPointToStart(loop.getBody());
  Value rest = loop.getInductionVar();
  point = rest;
  for (int64_t i = grid.size() - 1; i >= 0; --i) {
    Value id = rest;
    if (i > 0) {
      id = arith::RemUIOp::create(b, rest, extents[i]);
      rest = arith::DivUIOp::create(b, rest, extents[i]);
    }
    mapping.map(kernel.getGridId(i), id);
  }
  planMaterialization();
  if (failed(expandBlock(kernel.getBody().front())))
    return failure();

  auto text = [&](const SymbolicExpr &e) { return b.getStringAttr(e.str()); };
  function->setAttr("bess.grid", kernel.getGrid());
  function->setAttr("bess.workspace", text(workspaceBytes));
  function->setAttr("bess.flops", kernel.getFlopsAttr());
  function->setAttr("bess.bytes", kernel.getBytesAttr());
  function->setAttr("bess.kind", kernel.getKindAttr());
  function->setAttr("bess.reason", kernel.getReasonAttr());
  return function;
}

// ---- extents --------------------------------------------------------------------

Value KernelExpander::original(Value tile, unsigned dim) { return tileSizeOperand(tile, dim); }

Value KernelExpander::extent(Value tile, unsigned dim) {
  auto type = cast<RankedTensorType>(tile.getType());
  if (!type.isDynamicDim(dim))
    return index(type.getDimSize(dim));
  Value size = original(tile, dim);
  return size ? mapped(size) : index(0);
}

SymbolicExpr KernelExpander::extentBound(Value tile, unsigned dim) {
  auto type = cast<RankedTensorType>(tile.getType());
  if (!type.isDynamicDim(dim))
    return type.getDimSize(dim);
  Value size = original(tile, dim);
  return size ? bound(size) : SymbolicExpr::invalid();
}

SymbolicExpr KernelExpander::bound(Value value) { return indexBound(kernel, value); }

// ---- small arithmetic, folded as it is made ---------------------------------------

Value KernelExpander::index(int64_t value) { return arith::ConstantIndexOp::create(b, value); }
Value KernelExpander::add(Value x, Value y) { return b.createOrFold<arith::AddIOp>(x, y); }
Value KernelExpander::sub(Value x, Value y) { return b.createOrFold<arith::SubIOp>(x, y); }
Value KernelExpander::mul(Value x, Value y) { return b.createOrFold<arith::MulIOp>(x, y); }
Value KernelExpander::div(Value x, Value y) { return b.createOrFold<arith::DivUIOp>(x, y); }

Value KernelExpander::laneIndices(int64_t width) {
  SmallVector<Attribute> lanes;
  for (int64_t i = 0; i < width; ++i)
    lanes.push_back(b.getIndexAttr(i));
  return arith::ConstantOp::create(b, DenseElementsAttr::get(VectorType::get({width}, b.getIndexType()), lanes));
}

/// Lanes of `column`.. that lie before `columns`. Compared in 32 bits, which
/// is what the machine's mask registers are made from most cheaply.
Value KernelExpander::tailMask(Value column, Value columns, int64_t width) {
  Type i32 = b.getI32Type();
  Value left = arith::IndexCastOp::create(b, i32, arith::MinSIOp::create(b, sub(columns, column), index(width)));
  auto lanes = llvm::to_vector(llvm::seq<int32_t>(0, width));
  auto type = VectorType::get({width}, i32);
  Value steps = arith::ConstantOp::create(b, DenseElementsAttr::get(type, ArrayRef<int32_t>(lanes)));
  return arith::CmpIOp::create(b, arith::CmpIPredicate::slt, steps, vector::BroadcastOp::create(b, type, left));
}

Value KernelExpander::combine(tile::ReductionKind kind, Value x, Value y) { return combineValues(b, kind, x, y); }
Value KernelExpander::neutral(tile::ReductionKind kind, Type type) { return neutralValue(b, kind, type); }

/// Code that computes an expression over s0, s1, …
Value KernelExpander::fromExpr(const SymbolicExpr &expr) { return indexFromExpr(b, kernel, mapping, expr); }
