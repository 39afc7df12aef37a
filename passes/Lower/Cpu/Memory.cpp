// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Addresses, loads, stores and scratch memory of an expanded kernel.
#include "passes/Lower/Cpu/KernelExpander.h"
#include "passes/Lower/ViewStrides.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/SmallVectorExtras.h"

using namespace mlir;
using namespace bessemer;

static int64_t storageBytes(Type element) {
  if (element.isIndex())
    return 8;
  return (storageType(element).getIntOrFloatBitWidth() + 7) / 8;
}

Value KernelExpander::viewExtent(Value view, unsigned dim) {
  auto type = cast<tile::ViewType>(view.getType());
  return fromExpr(bess::parseDims(type.getDims())[dim]);
}

SmallVector<Value> KernelExpander::viewStrides(Value view) {
  return llvm::map_to_vector(viewStrideExprs(kernel, view),
                             [&](const SymbolicExpr &stride) { return fromExpr(stride); });
}

/// The tile that starts at `offsets` and walks along the view's `dims`.
MemoryTile KernelExpander::viewTile(Value view, ValueRange offsets, ArrayRef<int64_t> dims, bool inBounds) {
  auto type = cast<tile::ViewType>(view.getType());
  SmallVector<Value> strides = viewStrides(view);
  Value linear = index(0);
  for (auto [offset, stride] : llvm::zip(offsets, strides))
    linear = add(linear, mul(mapped(offset), stride));

  MemoryTile result;
  result.element = type.getElementType();
  result.base = address({bufferPointers[cast<BlockArgument>(view).getArgNumber()], result.element, index(0), {}},
                        index(0), linear);
  auto isUnit = [](Value v) { return matchPattern(v, m_One()); };
  auto stride = [&](size_t dim) { return isUnit(strides[dim]) ? Value() : strides[dim]; };
  auto valid = [&](size_t dim) { return sub(viewExtent(view, dim), mapped(offsets[dim])); };
  size_t rank = dims.size();
  result.rowStride = index(0);
  if (rank >= 1) {
    result.columnStride = stride(dims[rank - 1]);
    if (!inBounds)
      result.validColumns = valid(dims[rank - 1]);
  }
  if (rank >= 2) {
    result.rowStride = strides[dims[rank - 2]];
    if (!inBounds)
      result.validRows = valid(dims[rank - 2]);
  }
  if (rank == 3)
    result.panelStride = strides[dims[0]];
  return result;
}

void KernelExpander::bindLoad(tile::LoadOp op) {
  MemoryTile tile = viewTile(op.getView(), op.getOffsets(), op.getDims(), op->hasAttr("in_bounds"));
  if (op.getCondition()) {
    // Where it is false the start of the view is read, which exists, and what
    // was read is dropped: cheaper than a masked read.
    tile.condition = mapped(op.getCondition());
    Value start = bufferPointers[cast<BlockArgument>(op.getView()).getArgNumber()];
    tile.base = arith::SelectOp::create(b, tile.condition, tile.base, start);
  }
  memory[op.getTile()] = tile;
}

Value KernelExpander::address(const MemoryTile &tile, Value row, Value column, Value panel) {
  Value linear = mul(row, tile.rowStride);
  linear = add(linear, tile.columnStride ? mul(column, tile.columnStride) : column);
  if (panel && tile.panelStride)
    linear = add(linear, mul(panel, tile.panelStride));
  if (matchPattern(linear, m_Zero()))
    return tile.base;
  auto pointer = LLVM::LLVMPointerType::get(b.getContext());
  Value offset = arith::IndexCastOp::create(b, b.getI64Type(), linear);
  return LLVM::GEPOp::create(b, pointer, storageType(tile.element), tile.base, ArrayRef<LLVM::GEPArg>{offset});
}

/// A vector (width 0: a scalar) of `element` from consecutive memory.
Value KernelExpander::loadVector(Value pointer, Type element, int64_t width, Value mask) {
  Type storage = storageType(element);
  unsigned alignment = storageBytes(element);
  Value value;
  if (width == 0) {
    value = LLVM::LoadOp::create(b, storage, pointer, alignment);
  } else {
    auto type = VectorType::get({width}, storage);
    if (mask) {
      Value zero = arith::ConstantOp::create(b, b.getZeroAttr(type));
      value = LLVM::MaskedLoadOp::create(b, type, pointer, mask, zero, alignment);
    } else {
      value = LLVM::LoadOp::create(b, type, pointer, alignment);
    }
  }
  if (element.isInteger(1)) {
    Value zero = arith::ConstantOp::create(b, b.getZeroAttr(value.getType()));
    value = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, value, zero);
  }
  return value;
}

/// The point's mask, and what of it lies inside of the tile's view.
Value KernelExpander::restrictMask(const MemoryTile &tile, Point &point) {
  Value mask = point.mask;
  if (point.width == 0)
    return mask;
  auto both = [&](Value other) { mask = mask ? Value(arith::AndIOp::create(b, mask, other)) : other; };
  if (tile.validColumns)
    both(tailMask(point.column, tile.validColumns, point.width));
  if (tile.validRows) {
    Value inside = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, point.row, tile.validRows);
    both(vector::BroadcastOp::create(b, VectorType::get({point.width}, b.getI1Type()), inside));
  }
  return mask;
}

Value KernelExpander::loadAt(const MemoryTile &tile, Point &point, Type element) {
  Value mask = restrictMask(tile, point);
  Value pointer = address(tile, point.row, point.column);
  auto guarded = [&](Value value) -> Value {
    if (!tile.condition)
      return value;
    Value holds = tile.condition;
    if (auto vector = dyn_cast<VectorType>(value.getType()))
      holds = vector::BroadcastOp::create(b, VectorType::get(vector.getShape(), b.getI1Type()), holds);
    return arith::SelectOp::create(b, holds, value, arith::ConstantOp::create(b, b.getZeroAttr(value.getType())));
  };
  if (point.width == 0 || !tile.columnStride)
    return guarded(loadVector(pointer, tile.element, point.width, mask));

  // Strided: a gather.
  auto pointers = VectorType::get({point.width}, LLVM::LLVMPointerType::get(b.getContext()));
  auto lanes = VectorType::get({point.width}, b.getIndexType());
  Value steps =
      arith::MulIOp::create(b, laneIndices(point.width), vector::BroadcastOp::create(b, lanes, tile.columnStride));
  Value offsets = arith::IndexCastOp::create(b, VectorType::get({point.width}, b.getI64Type()), steps);
  Value addresses =
      LLVM::GEPOp::create(b, pointers, storageType(tile.element), pointer, ArrayRef<LLVM::GEPArg>{offsets});
  if (!mask)
    mask = arith::ConstantOp::create(b, DenseElementsAttr::get(VectorType::get({point.width}, b.getI1Type()), true));
  auto type = VectorType::get({point.width}, storageType(tile.element));
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(type));
  Value value = LLVM::masked_gather::create(b, type, addresses, mask, ValueRange{zero}, storageBytes(tile.element));
  if (tile.element.isInteger(1))
    value = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, value, zero);
  return guarded(value);
}

void KernelExpander::storeAt(const MemoryTile &tile, Point &point, Value value) {
  OpBuilder::InsertionGuard outer(b);
  if (tile.condition) {
    auto branch = scf::IfOp::create(b, tile.condition, /*withElseRegion=*/false);
    b.setInsertionPointToStart(branch.thenBlock());
  }
  Type storage = storageType(tile.element);
  unsigned alignment = storageBytes(tile.element);
  if (tile.element.isInteger(1)) {
    Type wide = point.width ? Type(VectorType::get({point.width}, storage)) : storage;
    value = arith::ExtUIOp::create(b, wide, value);
  }
  Value mask = restrictMask(tile, point);
  if (point.width == 0 || !tile.columnStride) {
    Value pointer = address(tile, point.row, point.column);
    if (mask)
      LLVM::MaskedStoreOp::create(b, value, pointer, mask, alignment);
    else
      LLVM::StoreOp::create(b, value, pointer, alignment);
    return;
  }
  // Strided: element by element.
  for (int64_t lane = 0; lane < point.width; ++lane) {
    Value pointer = address(tile, point.row, add(point.column, index(lane)));
    Value element = vector::ExtractOp::create(b, value, lane);
    if (!mask) {
      LLVM::StoreOp::create(b, element, pointer, alignment);
      continue;
    }
    Value inside = vector::ExtractOp::create(b, mask, lane);
    auto branch = scf::IfOp::create(b, inside, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    LLVM::StoreOp::create(b, element, pointer, alignment);
  }
}

// ---- scratch ------------------------------------------------------------------

/// A stretch of the workspace that lives to the end of the block being expanded.
Value KernelExpander::scratch(Value bytes, const SymbolicExpr &bound) {
  Value start = scratchOffset;
  auto roundUp = [&](Value v) { return mul(div(add(v, index(63)), index(64)), index(64)); };
  scratchOffset = add(start, roundUp(bytes));
  scratchBound = scratchBound + SymbolicExpr::floorDiv(bound + 63, 64) * 64;
  workspaceBytes = SymbolicExpr::max(workspaceBytes, scratchBound);
  auto pointer = LLVM::LLVMPointerType::get(b.getContext());
  Value offset = arith::IndexCastOp::create(b, b.getI64Type(), start);
  return LLVM::GEPOp::create(b, pointer, b.getI8Type(), workspace, ArrayRef<LLVM::GEPArg>{offset});
}

/// Scratch for a tile of rank 1 or 2, rows padded to 16 elements so that the
/// lanes of a last, partial vector may be written.
MemoryTile KernelExpander::allocate(Value tile) {
  auto type = cast<RankedTensorType>(tile.getType());
  unsigned last = type.getRank() - 1;
  Value rows = last == 0 ? index(1) : extent(tile, 0);
  SymbolicExpr rowsBound = last == 0 ? SymbolicExpr(1) : extentBound(tile, 0);
  int64_t pad = 4 * schedule.lanes();
  Value columns = mul(div(add(extent(tile, last), index(pad - 1)), index(pad)), index(pad));
  SymbolicExpr columnsBound = SymbolicExpr::floorDiv(extentBound(tile, last) + (pad - 1), pad) * pad;
  int64_t bytes = storageBytes(type.getElementType());
  MemoryTile result;
  result.element = type.getElementType();
  result.rowStride = columns;
  result.base = scratch(mul(mul(rows, columns), index(bytes)), rowsBound * columnsBound * bytes);
  return result;
}

MemoryTile KernelExpander::allocatePanels(Value rows, Value columns, SymbolicExpr rowsBound, SymbolicExpr columnsBound,
                                          int64_t block, Type element) {
  int64_t bytes = storageBytes(element);
  Value panels = div(add(columns, index(block - 1)), index(block));
  SymbolicExpr panelsBound = SymbolicExpr::floorDiv(columnsBound + (block - 1), block);
  MemoryTile result;
  result.element = element;
  result.rowStride = index(block);
  result.panelStride = mul(rows, index(block));
  result.base = scratch(mul(mul(panels, result.panelStride), index(bytes)), panelsBound * rowsBound * (block * bytes));
  return result;
}
