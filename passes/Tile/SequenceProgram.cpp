// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Programs whose steps follow one another: running sums, selection of the k
// largest, and writing by indices (later updates of one place come later).
// Points of the grid are what does not depend on each other.
#include "passes/Tile/ProgramBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tilegen;

using Dims = SmallVector<SymbolicExpr>;

static bool isUnsigned(Type graph) { return graph.isUnsignedInteger() || graph.isInteger(1); }

/// `body(i)` for i in [from, to).
static void emitLoop(ProgramBuilder &p, Value from, Value to, llvm::function_ref<void(Value)> body) {
  auto loop = scf::ForOp::create(p.b, from, to, p.index(1));
  OpBuilder::InsertionGuard guard(p.b);
  p.b.setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVar());
}

/// The operand as [outer, extent of `axis`, inner].
static Dims aroundAxis(Type tensor, int64_t axis) {
  auto dims = getDims(tensor);
  ArrayRef<SymbolicExpr> all(dims);
  return {product(all.take_front(axis)), all[axis], product(all.drop_front(axis + 1))};
}

tile::KernelOp tilegen::writeCumulateProgram(ProgramBuilder &p) {
  Block &body = p.fusion.getBody().front();
  auto op = dyn_cast<CumulateOp>(body.front());
  if (!op || body.getOperations().size() != 2)
    return {};
  int64_t rank = getDims(op.getX().getType()).size(), axis = op.getAxis();
  Dims dims = aroundAxis(op.getX().getType(), axis < 0 ? axis + rank : axis);
  int64_t width = 2 * p.schedule.lanes();
  std::optional<int64_t> inner = dims[2].isConstant();
  if (inner)
    width = std::min<int64_t>(width, llvm::PowerOf2Ceil(std::max<int64_t>(*inner, 1)));
  bool whole = inner && *inner % width == 0;
  p.begin({dims, dims}, {dims[0], SymbolicExpr::ceilDiv(dims[2], width)});
  ImplicitLocOpBuilder &b = p.b;
  SmallVector<Extent> shape = {Extent::of(width)};
  Type element = computeType(getElementTypeOrSelf(op.getX().getType()));
  bool isFloat = isa<FloatType>(element), isSum = op.getKind() == "sum";
  Value column = p.mul(p.gridId(1), p.index(width)), count = p.indexOf(dims[1]);
  auto loop =
      scf::ForOp::create(b, p.index(0), count, p.index(1), ValueRange{p.constant(isSum ? 0 : 1, element, shape)});
  b.setInsertionPointToStart(loop.getBody());
  Value i = loop.getInductionVar(), before = loop.getRegionIterArgs()[0];
  if (op.getReverse())
    i = p.sub(p.sub(count, p.index(1)), i);
  SmallVector<Value> at = {p.gridId(0), i, column};
  Value x = p.load(p.view(0), at, {2}, shape, whole), next;
  if (isFloat)
    next = isSum ? Value(arith::AddFOp::create(b, before, x)) : Value(arith::MulFOp::create(b, before, x));
  else
    next = isSum ? Value(arith::AddIOp::create(b, before, x)) : Value(arith::MulIOp::create(b, before, x));
  p.store(op.getExclusive() ? before : next, p.view(1), at, {2}, whole);
  scf::YieldOp::create(b, next);
  b.setInsertionPointAfter(loop);
  return p.finish(product(dims));
}

// ---- topk -------------------------------------------------------------------------

/// Integers in the order of the elements, the wanted ones largest. NaN is larger
/// than all numbers, both zeros are equal.
static Value orderedKeys(ProgramBuilder &p, Value x, Type graph, bool largest, ArrayRef<Extent> extents) {
  ImplicitLocOpBuilder &b = p.b;
  Type element = getElementTypeOrSelf(x.getType());
  Value key;
  if (auto floating = dyn_cast<FloatType>(element)) {
    unsigned bits = floating.getWidth();
    Type integer = b.getIntegerType(bits);
    RankedTensorType type = tileType(extents, integer);
    Value zero = p.constant(0, element, extents);
    Value isNumber = arith::CmpFOp::create(b, arith::CmpFPredicate::ORD, x, x);
    Value isZero = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, x, zero);
    Value raw = arith::BitcastOp::create(b, type, arith::SelectOp::create(b, isZero, zero, x));
    // Negative numbers grow with smaller bit patterns.
    auto splat = [&](const APInt &value) {
      return p.splat(arith::ConstantOp::create(b, b.getIntegerAttr(integer, value)), extents);
    };
    Value sign = arith::ShRSIOp::create(b, raw, splat(APInt(bits, bits - 1)));
    key = arith::XOrIOp::create(b, raw, arith::AndIOp::create(b, sign, splat(APInt::getSignedMaxValue(bits))));
    key = arith::SelectOp::create(b, isNumber, key, splat(APInt::getSignedMaxValue(bits)));
  } else {
    RankedTensorType type = tileType(extents, b.getI64Type());
    key = x;
    if (!element.isInteger(64))
      key = isUnsigned(graph) ? Value(arith::ExtUIOp::create(b, type, x)) : Value(arith::ExtSIOp::create(b, type, x));
    else if (graph.isUnsignedInteger())
      key = arith::XOrIOp::create(
          b, x,
          p.splat(arith::ConstantOp::create(b, b.getIntegerAttr(element, APInt::getSignedMinValue(64))), extents));
  }
  if (largest)
    return key;
  Type integer = getElementTypeOrSelf(key.getType());
  return arith::XOrIOp::create(b, key, p.splat(arith::ConstantOp::create(b, b.getIntegerAttr(integer, -1)), extents));
}

/// One after the other: the largest of those behind the last one.
tile::KernelOp tilegen::writeTopKProgram(ProgramBuilder &p) {
  Block &body = p.fusion.getBody().front();
  auto op = dyn_cast<TopKOp>(body.front());
  if (!op || body.getOperations().size() != 2 || p.fusion.getNumResults() != 2)
    return {};
  int64_t rank = getDims(op.getX().getType()).size(), axis = op.getAxis();
  axis = axis < 0 ? axis + rank : axis;
  Dims x = aroundAxis(op.getX().getType(), axis), y = aroundAxis(op.getValues().getType(), axis);
  p.begin({x, y, y}, {x[0], x[2]});
  ImplicitLocOpBuilder &b = p.b;
  Type graph = getElementTypeOrSelf(op.getX().getType()),
       stored = cast<tile::ViewType>(p.view(0).getType()).getElementType();
  Value outer = p.gridId(0), inner = p.gridId(1), zero = p.index(0);
  SmallVector<Extent> row = {p.extentOf(x[1])}, one = {Extent::of(1)};
  Value values = p.load(p.view(0), {outer, zero, inner}, {1}, row, true);
  Value keys = orderedKeys(p, values, graph, op.getLargest(), row);
  Type keyType = getElementTypeOrSelf(keys.getType()), i64 = b.getI64Type();
  unsigned bits = keyType.getIntOrFloatBitWidth();
  auto splat = [&](const APInt &value, Type type, ArrayRef<Extent> extents) {
    return p.splat(arith::ConstantOp::create(b, b.getIntegerAttr(type, value)), extents);
  };
  Value places = p.iota(zero, 0, row);
  SmallVector<Value> initial = {splat(APInt::getSignedMaxValue(bits), keyType, one),
                                splat(APInt(64, -1, true), i64, one)};
  auto loop = scf::ForOp::create(b, zero, p.indexOf(y[1]), p.index(1), initial);
  b.setInsertionPointToStart(loop.getBody());
  auto compare = [&](arith::CmpIPredicate predicate, Value l, Value r) -> Value {
    return arith::CmpIOp::create(b, predicate, l, r);
  };
  Value lastKey = p.broadcast(loop.getRegionIterArgs()[0], row),
        lastPlace = p.broadcast(loop.getRegionIterArgs()[1], row);
  Value behind = arith::AndIOp::create(b, compare(arith::CmpIPredicate::eq, keys, lastKey),
                                       compare(arith::CmpIPredicate::sgt, places, lastPlace));
  behind = arith::OrIOp::create(b, behind, compare(arith::CmpIPredicate::slt, keys, lastKey));
  Value best =
      p.reduce("max", arith::SelectOp::create(b, behind, keys, splat(APInt::getSignedMinValue(bits), keyType, row)), 0);
  Value hit = arith::AndIOp::create(b, behind, compare(arith::CmpIPredicate::eq, keys, p.broadcast(best, row)));
  Value place =
      p.reduce("min", arith::SelectOp::create(b, hit, places, splat(APInt::getSignedMaxValue(64), i64, row)), 0);
  // The element itself, whatever its bits are.
  auto wide = [&](Value index) { return p.splat(b.createOrFold<arith::IndexCastOp>(i64, index), one); };
  Value linear = arith::AddIOp::create(b, wide(p.mul(outer, p.indexOf(x[1]))), place);
  linear = arith::AddIOp::create(b, arith::MulIOp::create(b, linear, wide(p.indexOf(x[2]))), wide(inner));
  Type loaded = stored.isInteger() ? computeType(stored) : stored;
  Value chosen = tile::GatherOp::create(b, tileType(one, loaded), p.view(0), linear, Value());
  SmallVector<Value> at = {outer, loop.getInductionVar(), inner};
  tile::StoreOp::create(b, chosen, p.view(1), at, ArrayRef<int64_t>{1})->setAttr("in_bounds", b.getUnitAttr());
  p.store(place, p.view(2), at, {1}, true);
  scf::YieldOp::create(b, ValueRange{best, place});
  b.setInsertionPointAfter(loop);
  return p.finish(product(x) * y[1]);
}

// ---- scatter ------------------------------------------------------------------------

/// What an update makes of the element that is there.
static Value combined(ProgramBuilder &p, StringRef how, Value old, Value update, Type graph) {
  ImplicitLocOpBuilder &b = p.b;
  bool isFloat = isa<FloatType>(getElementTypeOrSelf(old.getType()));
  if (how == "add")
    return isFloat ? Value(arith::AddFOp::create(b, old, update)) : Value(arith::AddIOp::create(b, old, update));
  if (how == "mul")
    return isFloat ? Value(arith::MulFOp::create(b, old, update)) : Value(arith::MulIOp::create(b, old, update));
  if (how == "max")
    return isFloat             ? Value(arith::MaximumFOp::create(b, old, update))
           : isUnsigned(graph) ? Value(arith::MaxUIOp::create(b, old, update))
                               : Value(arith::MaxSIOp::create(b, old, update));
  return isFloat             ? Value(arith::MinimumFOp::create(b, old, update))
         : isUnsigned(graph) ? Value(arith::MinUIOp::create(b, old, update))
                             : Value(arith::MinSIOp::create(b, old, update));
}

/// An index that memory says; negative ones count from the end, what is outside stops the run.
static Value indexAt(ProgramBuilder &p, Value view, ValueRange at, Type graph, const SymbolicExpr &extent) {
  ImplicitLocOpBuilder &b = p.b;
  Value raw =
      arith::IndexCastOp::create(b, b.getIndexType(), tile::LoadScalarOp::create(b, computeType(graph), view, at));
  Value size = p.indexOf(extent);
  Value negative = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, raw, p.index(0));
  Value wrapped = arith::SelectOp::create(b, negative, p.add(raw, size), raw);
  Value ok = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, wrapped, size);
  tile::CheckOp::create(b, ok, "index");
  return arith::SelectOp::create(b, ok, wrapped, p.index(0));
}

/// A point of the grid owns all elements along the axis.
tile::KernelOp tilegen::writeScatterElementsProgram(ProgramBuilder &p) {
  Block &body = p.fusion.getBody().front();
  auto op = dyn_cast<ScatterElementsOp>(body.front());
  if (!op || body.getOperations().size() != 2)
    return {};
  auto x = getDims(op.getX().getType()), indices = getDims(op.getIndices().getType());
  int64_t rank = x.size(), axis = op.getAxis() < 0 ? op.getAxis() + rank : op.getAxis();
  SmallVector<Dims> views;
  for (BlockArgument argument : body.getArguments())
    views.push_back(getDims(argument.getType()));
  views.push_back(x);
  Dims grid;
  for (int64_t i = 0; i < rank; ++i)
    if (i != axis)
      grid.push_back(x[i]);
  if (grid.empty())
    grid.push_back(1);
  p.begin(views, grid);
  ImplicitLocOpBuilder &b = p.b;
  Value zero = p.index(0), out = p.view(views.size() - 1);
  auto view = [&](Value operand) { return p.view(cast<BlockArgument>(operand).getArgNumber()); };
  SmallVector<Extent> one = {Extent::of(1)};
  auto at = [&](Value along) {
    SmallVector<Value> place;
    for (int64_t i = 0, next = 0; i < rank; ++i)
      place.push_back(i == axis ? along : p.gridId(next++));
    return place;
  };
  Value exists = arith::ConstantOp::create(b, b.getBoolAttr(true));
  for (int64_t i = 0, next = 0; i < rank; ++i)
    if (i != axis) {
      Value here = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, p.gridId(next++), p.indexOf(indices[i]));
      exists = arith::AndIOp::create(b, exists, here);
    }
  SmallVector<Extent> line = {p.extentOf(x[axis])};
  p.store(p.load(view(op.getX()), at(zero), {axis}, line, true), out, at(zero), {axis}, true);
  auto branch = scf::IfOp::create(b, exists, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  emitLoop(p, zero, p.indexOf(indices[axis]), [&](Value i) {
    Value to = indexAt(p, view(op.getIndices()), at(i), getElementTypeOrSelf(op.getIndices().getType()), x[axis]);
    Value update = p.load(view(op.getUpdates()), at(i), {axis}, one, true);
    if (op.getReduction() != "none")
      update = combined(p, op.getReduction(), p.load(out, at(to), {axis}, one, true), update,
                        getElementTypeOrSelf(op.getX().getType()));
    p.store(update, out, at(to), {axis}, true);
  });
  b.setInsertionPointAfter(branch);
  return p.finish(product(indices));
}

/// A point of the grid owns a stretch of every slice.
tile::KernelOp tilegen::writeScatterNdProgram(ProgramBuilder &p) {
  constexpr int64_t block = 1024;
  Block &body = p.fusion.getBody().front();
  auto op = dyn_cast<ScatterNdOp>(body.front());
  if (!op || body.getOperations().size() != 2)
    return {};
  auto x = getDims(op.getX().getType()), indices = getDims(op.getIndices().getType());
  std::optional<int64_t> depth = indices.back().isConstant();
  if (!depth || *depth > int64_t(x.size()))
    return {};
  ArrayRef<SymbolicExpr> all(x);
  SymbolicExpr places = product(all.take_front(*depth)), slice = product(all.drop_front(*depth));
  SymbolicExpr tuples = product(ArrayRef<SymbolicExpr>(indices).drop_back());
  SmallVector<Dims> views;
  for (BlockArgument argument : body.getArguments()) {
    if (argument == op.getIndices())
      views.push_back({tuples, indices.back()});
    else if (argument == op.getUpdates())
      views.push_back({tuples, slice});
    else
      views.push_back({places, slice});
  }
  views.push_back({places, slice});
  // One tensor in two roles cannot have two shapes.
  if (op.getX() == op.getUpdates() || op.getX() == op.getIndices() || op.getIndices() == op.getUpdates())
    return {};
  p.begin(views, {SymbolicExpr::ceilDiv(slice, block)});
  Value zero = p.index(0), out = p.view(views.size() - 1), column = p.mul(p.gridId(0), p.index(block));
  auto view = [&](Value operand) { return p.view(cast<BlockArgument>(operand).getArgNumber()); };
  std::optional<int64_t> known = slice.isConstant();
  SmallVector<Extent> line = {known && *known <= block
                                  ? Extent::of(*known)
                                  : Extent{-1, p.minimum(p.index(block), p.sub(p.indexOf(slice), column))}};
  emitLoop(p, zero, p.indexOf(places), [&](Value row) {
    p.store(p.load(view(op.getX()), {row, column}, {1}, line, true), out, {row, column}, {1}, true);
  });
  emitLoop(p, zero, p.indexOf(tuples), [&](Value tuple) {
    Value to = zero;
    for (int64_t i = 0; i < *depth; ++i) {
      Value index =
          indexAt(p, view(op.getIndices()), {tuple, p.index(i)}, getElementTypeOrSelf(op.getIndices().getType()), x[i]);
      to = p.add(p.mul(to, p.indexOf(x[i])), index);
    }
    Value update = p.load(view(op.getUpdates()), {tuple, column}, {1}, line, true);
    if (op.getReduction() != "none")
      update = combined(p, op.getReduction(), p.load(out, {to, column}, {1}, line, true), update,
                        getElementTypeOrSelf(op.getX().getType()));
    p.store(update, out, {to, column}, {1}, true);
  });
  return p.finish(tuples * slice);
}

/// Zeros, then each element where its index says; an image's whole tensor is one point of the grid.
tile::KernelOp tilegen::writeMaxUnpoolProgram(ProgramBuilder &p) {
  Block &body = p.fusion.getBody().front();
  auto op = dyn_cast<MaxUnpoolOp>(body.front());
  if (!op || body.getOperations().size() != 2 || op.getX() == op.getIndices())
    return {};
  SymbolicExpr count = product(getDims(op.getX().getType())), total = product(getDims(op.getY().getType()));
  SmallVector<Dims> views = {{count}, {count}, {total}};
  p.begin(views, {SymbolicExpr(1)});
  Value zero = p.index(0), out = p.view(2);
  auto view = [&](Value operand) { return p.view(cast<BlockArgument>(operand).getArgNumber()); };
  SmallVector<Extent> one = {Extent::of(1)}, all = {p.extentOf(total)};
  p.store(p.constant(0, computeType(getElementTypeOrSelf(op.getX().getType())), all), out, {zero}, {0}, true);
  emitLoop(p, zero, p.indexOf(count), [&](Value i) {
    Value to = indexAt(p, view(op.getIndices()), {i}, getElementTypeOrSelf(op.getIndices().getType()), total);
    p.store(p.load(view(op.getX()), {i}, {0}, one, true), out, {to}, {0}, true);
  });
  return p.finish(count);
}
