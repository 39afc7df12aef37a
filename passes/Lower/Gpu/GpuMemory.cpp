// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Loads and stores of tiles: as wide as the layout allows, guarded where the
// tile or the view ends.
#include "passes/Lower/Gpu/GpuExpander.h"

#include "passes/Lower/TileParts.h"
#include "passes/Lower/ViewStrides.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::gpu;

Value GpuExpander::below(Value x, Value limit) { return arith::CmpIOp::create(b, arith::CmpIPredicate::ult, x, limit); }

Value GpuExpander::isInside(Value tile, const TileLayout &layout, ArrayRef<Value> at) {
  auto type = cast<RankedTensorType>(tile.getType());
  std::vector<int64_t> shape = layout.shape();
  Value inside;
  for (int64_t d = 0; d < type.getRank(); ++d) {
    if (type.isDynamicDim(d))
      inside = both(inside, below(at[d], mapped(tileSizeOperand(tile, d))));
    else if (shape[d] != type.getDimSize(d))
      inside = both(inside, below(at[d], index(type.getDimSize(d))));
  }
  return inside;
}

void GpuExpander::guarded(Value condition, llvm::function_ref<void()> body) {
  if (!condition)
    return body();
  auto branch = scf::IfOp::create(b, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  body();
}

Value GpuExpander::isInView(Value view, ValueRange offsets, ArrayRef<int64_t> dims, ArrayRef<Value> at) {
  auto extents = bess::parseDims(cast<tile::ViewType>(view.getType()).getDims());
  Value inside;
  for (auto [dim, coordinate] : llvm::zip(dims, at))
    inside = both(inside, below(add(mapped(offsets[dim]), coordinate), fromExpr(extents[dim])));
  return inside;
}

/// True for the first of the lanes and warps that hold the same elements.
Value GpuExpander::isOwner(const TileLayout &layout) {
  Value owner;
  for (auto [name, id] : {std::pair("lane", lane), std::pair("warp", warp)}) {
    uint64_t copies = layout.atom().redundantBits(name);
    if (copies)
      owner = both(owner, arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                                                arith::AndIOp::create(b, id, index(copies)), index(0)));
  }
  return owner;
}

Value GpuExpander::pointer(Value view, ValueRange offsets, ArrayRef<int64_t> dims, ArrayRef<Value> at) {
  auto type = cast<tile::ViewType>(view.getType());
  SmallVector<SymbolicExpr> strides = viewStrideExprs(kernel, view);
  Value linear = index(0);
  for (int64_t d = strides.size() - 1; d >= 0; --d) {
    Value place = mapped(offsets[d]);
    for (auto [dim, coordinate] : llvm::zip(dims, at))
      if (dim == d)
        place = add(place, coordinate);
    linear = add(linear, mul(place, fromExpr(strides[d])));
  }
  Value offset = arith::IndexCastOp::create(b, b.getI64Type(), linear);
  Value base = buffers[view];
  return LLVM::GEPOp::create(b, base.getType(), storageType(type.getElementType()), base,
                             ArrayRef<LLVM::GEPArg>{offset});
}

GpuExpander::Registers GpuExpander::read(Value pointer, Type element, int64_t count, Value guard) {
  Type stored = storageType(element), type = count > 1 ? Type(VectorType::get({count}, stored)) : stored;
  unsigned alignment = count * ((stored.getIntOrFloatBitWidth() + 7) / 8);
  Value value;
  if (!guard) {
    value = LLVM::LoadOp::create(b, type, pointer, alignment);
  } else {
    auto branch = scf::IfOp::create(b, TypeRange{type}, guard, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard insertion(b);
    b.setInsertionPointToStart(branch.thenBlock());
    scf::YieldOp::create(b, ValueRange{LLVM::LoadOp::create(b, type, pointer, alignment)});
    b.setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(b, ValueRange{arith::ConstantOp::create(b, b.getZeroAttr(type))});
    value = branch.getResult(0);
  }
  Registers result;
  for (int64_t i = 0; i < count; ++i) {
    Value one = count > 1 ? Value(vector::ExtractOp::create(b, value, i)) : value;
    if (element.isInteger(1))
      one =
          arith::CmpIOp::create(b, arith::CmpIPredicate::ne, one, arith::ConstantOp::create(b, b.getZeroAttr(stored)));
    result.push_back(one);
  }
  return result;
}

int64_t GpuExpander::loadWidth(tile::LoadOp op, const TileLayout &layout) {
  return accessWidth(op.getView(), op.getOffsets(), op.getDims(), contiguousRegisters(layout));
}

GpuExpander::Registers GpuExpander::loadRegisters(tile::LoadOp op, const TileLayout &layout, int64_t first,
                                                  int64_t width) {
  Type element = cast<tile::ViewType>(op.getView().getType()).getElementType();
  Registers at = coordinates(layout, first);
  Value guard = isInside(op.getTile(), layout, at);
  if (!op->hasAttr("in_bounds"))
    guard = both(guard, isInView(op.getView(), op.getOffsets(), op.getDims(), at));
  if (op.getCondition())
    guard = both(guard, mapped(op.getCondition()));
  return read(pointer(op.getView(), op.getOffsets(), op.getDims(), at), element, width, guard);
}

LogicalResult GpuExpander::expandLoad(tile::LoadOp op) {
  FailureOr<TileLayout> layout = layoutOf(op, op.getTile());
  if (failed(layout))
    return failure();
  if (keptRing && op->hasAttr(keptName)) {
    tiles[op.getTile()] = readKept(op, *layout);
    return success();
  }
  int64_t width = loadWidth(op, *layout);
  Registers results;
  for (int64_t reg = 0; reg < layout->registers(); reg += width)
    llvm::append_range(results, loadRegisters(op, *layout, reg, width));
  tiles[op.getTile()] = std::move(results);
  return success();
}

LogicalResult GpuExpander::expandLoadScalar(tile::LoadScalarOp op) {
  Type element = cast<tile::ViewType>(op.getView().getType()).getElementType();
  mapping.map(op.getValue(), read(pointer(op.getView(), op.getOffsets(), {}, {}), element, 1, {})[0]);
  return success();
}

LogicalResult GpuExpander::expandGather(tile::GatherOp op) {
  FailureOr<TileLayout> layout = layoutOf(op, op.getTile());
  if (failed(layout))
    return failure();
  Type element = cast<tile::ViewType>(op.getView().getType()).getElementType();
  Value base = buffers[op.getView()];
  Registers results;
  for (int64_t reg = 0; reg < layout->registers(); ++reg) {
    Value guard = isInside(op.getTile(), *layout, coordinates(*layout, reg));
    if (op.getMask())
      guard = both(guard, tiles[op.getMask()][reg]);
    Value place = LLVM::GEPOp::create(b, base.getType(), storageType(element), base,
                                      ArrayRef<LLVM::GEPArg>{tiles[op.getLinear()][reg]});
    results.push_back(read(place, element, 1, guard)[0]);
  }
  tiles[op.getTile()] = std::move(results);
  return success();
}

LogicalResult GpuExpander::expandStore(tile::StoreOp op) {
  FailureOr<TileLayout> layout = layoutOf(op, op.getTile());
  if (failed(layout))
    return failure();
  Type element = cast<tile::ViewType>(op.getView().getType()).getElementType(), stored = storageType(element);
  int64_t width = accessWidth(op.getView(), op.getOffsets(), op.getDims(), contiguousRegisters(*layout));
  uint64_t copies = layout->atom().redundantBits("register");
  Value owner = isOwner(*layout);
  // The result may lie on an operand: the lanes that hold copies must have read it.
  if (owner)
    blockBarrier();
  for (int64_t reg = 0; reg < layout->registers(); reg += width) {
    if (reg % layout->atom().inputSize("register") & copies)
      continue;
    Registers at = coordinates(*layout, reg);
    Value guard = both(owner, isInside(op.getTile(), *layout, at));
    if (!op->hasAttr("in_bounds"))
      guard = both(guard, isInView(op.getView(), op.getOffsets(), op.getDims(), at));
    if (op.getCondition())
      guard = both(guard, mapped(op.getCondition()));
    Value place = pointer(op.getView(), op.getOffsets(), op.getDims(), at);
    SmallVector<Value> values;
    for (Value value : ArrayRef<Value>(tiles[op.getTile()]).slice(reg, width))
      values.push_back(element.isInteger(1) ? Value(arith::ExtUIOp::create(b, stored, value)) : value);
    Value whole =
        width > 1 ? Value(vector::FromElementsOp::create(b, VectorType::get({width}, stored), values)) : values[0];
    unsigned alignment = width * ((stored.getIntOrFloatBitWidth() + 7) / 8);
    if (!guard) {
      LLVM::StoreOp::create(b, whole, place, alignment);
      continue;
    }
    auto branch = scf::IfOp::create(b, guard, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard insertion(b);
    b.setInsertionPointToStart(branch.thenBlock());
    LLVM::StoreOp::create(b, whole, place, alignment);
  }
  return success();
}
