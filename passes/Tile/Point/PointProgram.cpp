// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The frame of a point program, reads, and elementwise ops.
#include "passes/Tile/Point/PointWriter.h"

#include "passes/Tile/NarrowTypes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/SaveAndRestore.h"

#include <cmath>
#include <functional>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tilegen;

/// Elements of the lane dimension that a point of the grid computes.
static constexpr int64_t blockElements = 4096;

tile::KernelOp PointWriter::write() {
  auto yield = cast<YieldOp>(p.fusion.getBody().front().getTerminator());
  SmallVector<SmallVector<SymbolicExpr>> views;
  auto viewOf = [](Type type) {
    auto dims = getDims(type);
    if (int64_t shared = elementsPerByte(getElementTypeOrSelf(type)); shared > 1)
      dims = {SymbolicExpr::ceilDiv(product(dims), shared)};
    if (dims.empty())
      dims.push_back(1);
    return dims;
  };
  for (Value input : p.fusion.getInputs())
    views.push_back(viewOf(input.getType()));
  for (Value output : yield.getValues())
    views.push_back(viewOf(output.getType()));
  if (yield.getNumOperands() != 1)
    return {};
  Value root = yield.getValues()[0];
  if (elementsPerByte(getElementTypeOrSelf(root.getType())) > 1)
    return writePacked(root, views);
  auto dims = getDims(root.getType());
  int64_t rank = dims.size(), lane = rank - 1;
  while (lane > 0 && dims[lane] == SymbolicExpr(1))
    --lane;
  SymbolicExpr count = rank ? dims[lane] : SymbolicExpr(1);
  SmallVector<SymbolicExpr> grid;
  for (int64_t i = 0; i < rank; ++i)
    if (i != lane)
      grid.push_back(dims[i]);
  grid.push_back(SymbolicExpr::ceilDiv(count, blockElements));
  p.begin(views, grid);

  // Two registers of 32-bit elements: their indices take four of 64 bits.
  int64_t width = 2 * p.schedule.lanes();
  std::optional<int64_t> known = count.isConstant();
  if (known)
    width = std::min<int64_t>(width, llvm::PowerOf2Ceil(std::max<int64_t>(*known, 1)));
  whole = known && *known % width == 0;
  extents = {Extent::of(width)};

  Value first = p.mul(p.gridId(grid.size() - 1), p.index(blockElements));
  Value end = p.minimum(p.add(first, p.index(blockElements)), p.indexOf(count));
  auto body = [&](Value start) -> LogicalResult {
    Place place;
    for (int64_t i = 0, next = 0; i < rank; ++i)
      place.push_back(i == lane ? Index{start, width == 1 ? 0 : 1, {}} : uniform(p.gridId(next++)));
    if (!whole) {
      Value column = toTile({start, 1, {}});
      laneMask = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, column,
                                       splat(b.createOrFold<arith::IndexCastOp>(b.getI64Type(), p.indexOf(count))));
      mask = laneMask;
    }
    Value tile = at(root, place);
    if (!tile)
      return failure();
    SmallVector<Value> offsets;
    for (const Index &index : place)
      offsets.push_back(index.base);
    if (offsets.empty())
      offsets.push_back(p.index(0));
    b.setLoc(p.fusion.getLoc());
    p.store(tile, p.view(views.size() - 1), offsets, {std::max<int64_t>(lane, 0)}, whole);
    return success();
  };
  if (known && *known <= width) {
    if (failed(body(p.index(0))))
      return {};
  } else {
    auto loop = scf::ForOp::create(b, first, end, p.index(width));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    if (failed(body(loop.getInductionVar())))
      return {};
  }
  SymbolicExpr flops = product(dims) * static_cast<int64_t>(p.fusion.getBody().front().getOperations().size() - 1);
  return p.finish(flops);
}

// ---- values ---------------------------------------------------------------------

static bool same(const Index &x, const Index &y) { return x.base == y.base && x.step == y.step && x.lanes == y.lanes; }

Value PointWriter::at(Value value, ArrayRef<Index> place) {
  for (Answer &answer : answers)
    if (answer.value == value && answer.mask == mask && answer.place.size() == place.size() &&
        llvm::all_of(llvm::zip(answer.place, place),
                     [](auto pair) { return same(std::get<0>(pair), std::get<1>(pair)); }))
      return answer.tile;
  Value tile;
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    tile = read(argument, place);
  } else {
    Location saved = b.getLoc();
    b.setLoc(value.getLoc());
    tile = compute(value.getDefiningOp(), cast<OpResult>(value).getResultNumber(), place);
    b.setLoc(saved);
  }
  if (tile)
    answers.push_back({value, Place(place), mask, tile});
  return tile;
}

static bool isComputedIn(Type tensor) {
  Type element = getElementTypeOrSelf(tensor);
  return !isNarrowFloat(element) && elementsPerByte(element) == 1;
}

Value PointWriter::compute(Operation *op, unsigned result, ArrayRef<Index> place) {
  if (op->getNumResults() != 1)
    return {};
  if (auto constantOp = dyn_cast<ConstantOp>(op))
    return p.constant(constantOp, extents);
  if (auto quantizeOp = dyn_cast<QuantizeOp>(op))
    return quantize(quantizeOp, place);
  if (auto dequantizeOp = dyn_cast<DequantizeOp>(op))
    return dequantize(dequantizeOp, place);
  if (isa<CastOp, BitcastOp, WhereOp>(op))
    return elementwise(op, place);
  // What is narrower than any arithmetic is moved and converted only.
  bool computable =
      llvm::all_of(op->getOperandTypes(), isComputedIn) && llvm::all_of(op->getResultTypes(), isComputedIn);
  if (auto pow = dyn_cast<PowOp>(op); pow && llvm::all_of(op->getOperandTypes(), [](Type type) {
                                        return isa<IntegerType>(getElementTypeOrSelf(type));
                                      }))
    return integerPower(pow, place);
  if (op->hasTrait<Elementwise>())
    return computable ? elementwise(op, place) : Value();
  if (Value moved = move(op, place))
    return moved;
  return computable ? combine(op, place) : Value();
}

Index PointWriter::linearIndex(ArrayRef<SymbolicExpr> dims, ArrayRef<Index> place) {
  Index linear = uniform(int64_t(0));
  for (auto [dim, index] : llvm::zip(dims, place))
    linear = plus(times(linear, dim), index);
  return linear;
}

Value PointWriter::read(BlockArgument argument, ArrayRef<Index> place) {
  Value view = p.view(argument.getArgNumber());
  auto dims = getDims(argument.getType());
  if (elementsPerByte(getElementTypeOrSelf(argument.getType())) > 1)
    return readPacked(argument, place);
  Type stored = cast<tile::ViewType>(view.getType()).getElementType();
  Type wanted = computeType(stored), loaded = isNarrowFloat(stored) || stored.isInteger() ? wanted : stored;
  auto widen = [&](Value v) -> Value {
    if (loaded == wanted)
      return v;
    Type type = isa<RankedTensorType>(v.getType()) ? Type(tileType(extents, wanted)) : wanted;
    return arith::ExtFOp::create(b, type, v);
  };
  SmallVector<Value> offsets;
  int64_t moving = -1, count = 0;
  bool apart = false;
  for (auto [i, index] : llvm::enumerate(place)) {
    offsets.push_back(index.base);
    if (index.isUniform())
      continue;
    moving = i;
    ++count;
    apart |= index.lanes || index.step != 1;
  }
  // Lanes that do not exist read what lies behind, inside of the view.
  bool masked = mask != laneMask;
  if (count == 0 && !masked) {
    if (offsets.empty())
      offsets.push_back(p.index(0));
    return splat(widen(tile::LoadScalarOp::create(b, loaded, view, offsets)));
  }
  if (count == 1 && !apart && !masked)
    return p.load(view, offsets, {moving}, extents, whole);
  Value linear = toTile(linearIndex(dims, place));
  return widen(tile::GatherOp::create(b, tileType(extents, loaded), view, linear, mask));
}

Place PointWriter::broadcastPlace(Value from, Value to, ArrayRef<Index> place) {
  auto fromDims = getDims(from.getType()), toDims = getDims(to.getType());
  size_t shift = toDims.size() - fromDims.size();
  Place own;
  for (size_t i = 0; i < fromDims.size(); ++i)
    own.push_back(fromDims[i] == SymbolicExpr(1) ? uniform(int64_t(0)) : place[i + shift]);
  return own;
}

Value PointWriter::elementwise(Operation *op, ArrayRef<Index> place) {
  SmallVector<Value> operands;
  for (Value operand : op->getOperands()) {
    Value tile = at(operand, broadcastPlace(operand, op->getResult(0), place));
    if (!tile)
      return {};
    operands.push_back(tile);
  }
  p.existing = mask;
  Value tile = p.elementwise(op, operands, extents);
  p.existing = {};
  return tile;
}

// ---- indices --------------------------------------------------------------------

Value PointWriter::toTile(const Index &index) {
  if (index.lanes)
    return index.lanes;
  if (index.step == 1)
    return p.iota(index.base, 0, extents);
  Value base = splat(b.createOrFold<arith::IndexCastOp>(b.getI64Type(), index.base));
  if (index.step == 0)
    return base;
  Value steps = arith::MulIOp::create(b, p.iota(p.index(0), 0, extents), constant(index.step, b.getI64Type()));
  return arith::AddIOp::create(b, base, steps);
}

Value PointWriter::real(const Index &x) {
  if (x.isUniform())
    return arith::SIToFPOp::create(b, f64(), b.createOrFold<arith::IndexCastOp>(b.getI64Type(), x.base));
  return arith::SIToFPOp::create(b, tileType(extents, f64()), toTile(x));
}

Index PointWriter::plus(const Index &x, const Index &y) {
  if (!x.lanes && !y.lanes)
    return {p.add(x.base, y.base), x.step + y.step, {}};
  return lanesOf(arith::AddIOp::create(b, toTile(x), toTile(y)));
}

Index PointWriter::minus(const Index &x, const Index &y) {
  if (!x.lanes && !y.lanes)
    return {p.sub(x.base, y.base), x.step - y.step, {}};
  return lanesOf(arith::SubIOp::create(b, toTile(x), toTile(y)));
}

Index PointWriter::times(const Index &x, const SymbolicExpr &factor) {
  std::optional<int64_t> constantFactor = factor.isConstant();
  if (constantFactor == 1)
    return x;
  if (x.isUniform() || (!x.lanes && constantFactor))
    return {p.mul(x.base, p.indexOf(factor)), x.step * constantFactor.value_or(0), {}};
  return lanesOf(arith::MulIOp::create(b, toTile(x), toTile(uniform(factor))));
}

Index PointWriter::divide(const Index &x, const SymbolicExpr &by) {
  if (by.isConstant() == 1)
    return x;
  if (x.isUniform())
    return uniform(b.createOrFold<arith::FloorDivSIOp>(x.base, p.indexOf(by)));
  return lanesOf(arith::FloorDivSIOp::create(b, toTile(x), toTile(uniform(by))));
}

/// Of the divisor's sign, as floor division leaves it.
Index PointWriter::modulo(const Index &x, const SymbolicExpr &by) { return minus(x, times(divide(x, by), by)); }

Value PointWriter::inside(const Index &x, const SymbolicExpr &extent) {
  // One unsigned comparison covers both ends.
  if (x.isUniform())
    return splat(arith::CmpIOp::create(b, arith::CmpIPredicate::ult, x.base, p.indexOf(extent)));
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ult, toTile(x), toTile(uniform(extent)));
}

Index PointWriter::clamped(const Index &x, const SymbolicExpr &extent) {
  Index last = uniform(extent - 1);
  if (x.isUniform())
    return uniform(b.createOrFold<arith::MaxSIOp>(p.minimum(x.base, last.base), p.index(0)));
  Value upper = arith::MinSIOp::create(b, toTile(x), toTile(last));
  return lanesOf(arith::MaxSIOp::create(b, upper, constant(0, b.getI64Type())));
}

Index PointWriter::rawFromData(Value indices, ArrayRef<Index> place) {
  bool isUniform = mask == laneMask && llvm::all_of(place, [](const Index &index) { return index.isUniform(); });
  auto argument = dyn_cast<BlockArgument>(indices);
  auto graph = getElementTypeOrSelf(indices.getType());
  if (isUniform && argument) {
    Value view = p.view(argument.getArgNumber());
    SmallVector<Value> offsets;
    for (const Index &index : place)
      offsets.push_back(index.base);
    if (offsets.empty())
      offsets.push_back(p.index(0));
    Value raw = tile::LoadScalarOp::create(b, computeType(graph), view, offsets);
    return uniform(graph.isUnsignedInteger() ? Value(arith::IndexCastUIOp::create(b, b.getIndexType(), raw))
                                             : Value(arith::IndexCastOp::create(b, b.getIndexType(), raw)));
  }
  if (auto constantOp = indices.getDefiningOp<ConstantOp>())
    if (auto dense = dyn_cast<SplatElementsAttr>(constantOp.getValue()))
      return uniform(graph.isUnsignedInteger() ? int64_t(dense.getSplatValue<APInt>().getZExtValue())
                                               : dense.getSplatValue<APInt>().getSExtValue());
  Value tile = at(indices, place);
  if (!tile)
    return {};
  Type i64s = tileType(extents, b.getI64Type());
  if (tile.getType() == i64s)
    return lanesOf(tile);
  return lanesOf(graph.isUnsignedInteger() ? Value(arith::ExtUIOp::create(b, i64s, tile))
                                           : Value(arith::ExtSIOp::create(b, i64s, tile)));
}

Index PointWriter::fromData(Value indices, ArrayRef<Index> place, const SymbolicExpr &extent, bool check) {
  Index raw = rawFromData(indices, place);
  if (!raw.base && !raw.lanes)
    return {};
  Index wrapped;
  if (raw.isUniform()) {
    Value negative = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, raw.base, p.index(0));
    wrapped = uniform(arith::SelectOp::create(b, negative, p.add(raw.base, p.indexOf(extent)), raw.base));
  } else {
    Value negative = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, raw.lanes, constant(0, b.getI64Type()));
    Value moved = arith::AddIOp::create(b, raw.lanes, toTile(uniform(extent)));
    wrapped = lanesOf(arith::SelectOp::create(b, negative, moved, raw.lanes));
  }
  if (!check)
    return wrapped;
  if (wrapped.isUniform()) {
    Value ok = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, wrapped.base, p.indexOf(extent));
    tile::CheckOp::create(b, ok, "index");
  } else {
    Value ok = inside(wrapped, extent);
    if (mask)
      ok = arith::OrIOp::create(b, ok, arith::XOrIOp::create(b, mask, constant(1, b.getI1Type())));
    tile::CheckOp::create(b, ok, "index");
  }
  return clamped(wrapped, extent);
}

// ---- tiles ------------------------------------------------------------------------

Value PointWriter::both(Value x, Value y) { return !x ? y : !y ? x : Value(arith::AndIOp::create(b, x, y)); }

Value PointWriter::selectNew(Value condition, Value x, Value y) { return arith::SelectOp::create(b, condition, x, y); }

Value PointWriter::under(Value condition, llvm::function_ref<Value()> fn) {
  llvm::SaveAndRestore<Value> saved(mask, both(mask, condition));
  return fn();
}

SmallVector<Value> PointWriter::loop(const SymbolicExpr &count, ValueRange initial,
                                     llvm::function_ref<SmallVector<Value>(Value, ValueRange)> step) {
  size_t known = answers.size();
  if (count.isConstant() == 1)
    return step(p.index(0), initial);
  auto loop = scf::ForOp::create(b, p.index(0), p.indexOf(count), p.index(1), initial);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  SmallVector<Value> next = step(loop.getInductionVar(), loop.getRegionIterArgs());
  // What was computed in the loop is not there after it.
  answers.truncate(known);
  if (next.empty())
    return {};
  scf::YieldOp::create(b, next);
  return SmallVector<Value>(loop.getResults());
}

SmallVector<Value> PointWriter::loops(ArrayRef<SymbolicExpr> counts, ValueRange initial,
                                      llvm::function_ref<SmallVector<Value>(ArrayRef<Value>, ValueRange)> step) {
  SmallVector<Value> indices;
  std::function<SmallVector<Value>(ValueRange)> nest = [&](ValueRange carried) -> SmallVector<Value> {
    if (indices.size() == counts.size())
      return step(indices, carried);
    return loop(counts[indices.size()], carried, [&](Value i, ValueRange inner) {
      indices.push_back(i);
      SmallVector<Value> next = nest(inner);
      indices.pop_back();
      return next;
    });
  };
  return nest(initial);
}

tile::KernelOp tilegen::writePointProgram(ProgramBuilder &p) { return PointWriter(p).write(); }
