// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Point programs of the ops that move elements: where in the operands an
// element of the result comes from.
#include "passes/Tile/Point/PointWriter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tilegen;

Value PointWriter::move(Operation *op, ArrayRef<Index> place) {
  int64_t rank = place.size();
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case<BroadcastOp>([&](auto broadcast) {
        return at(broadcast.getX(), broadcastPlace(broadcast.getX(), broadcast.getY(), place));
      })
      .Case<TransposeOp>([&](auto transpose) {
        Place own(rank);
        for (auto [i, from] : llvm::enumerate(transpose.getPermutation()))
          own[from] = place[i];
        return at(transpose.getX(), own);
      })
      .Case<SliceOp>([&](auto slice) {
        Place own;
        for (auto [index, offset, step] : llvm::zip(place, parseDims(slice.getOffsets()), slice.getSteps()))
          own.push_back(plus(uniform(offset), times(index, step)));
        return at(slice.getX(), own);
      })
      .Case<ReverseOp>([&](auto reverse) {
        Place own(place);
        for (int64_t axis : reverse.getAxes())
          own[axis] = minus(uniform(getDims(reverse.getX().getType())[axis] - 1), place[axis]);
        return at(reverse.getX(), own);
      })
      .Case<RepeatOp>([&](auto repeat) {
        auto from = getDims(repeat.getX().getType()), to = getDims(repeat.getY().getType());
        Place own;
        for (int64_t i = 0; i < rank; ++i)
          own.push_back(from[i] == to[i] ? place[i] : modulo(place[i], from[i]));
        return at(repeat.getX(), own);
      })
      .Case<IotaOp>([&](auto iota) -> Value {
        Value tile = toTile(place[iota.getAxis()]);
        Type element = elementType(iota.getY());
        Type type = tileType(extents, element);
        if (isa<FloatType>(element))
          return arith::SIToFPOp::create(b, type, tile);
        return element.isInteger(64) ? tile : Value(arith::TruncIOp::create(b, type, tile));
      })
      .Case<TriluOp>([&](auto trilu) -> Value {
        std::optional<SymbolicExpr> k = SymbolicExpr::parse(trilu.getK());
        if (!k)
          return {};
        Value row = toTile(plus(place[rank - 2], uniform(*k))), column = toTile(place[rank - 1]);
        auto predicate = trilu.getUpper() ? arith::CmpIPredicate::sge : arith::CmpIPredicate::sle;
        Value keep = arith::CmpIOp::create(b, predicate, column, row);
        Value x = at(trilu.getX(), place);
        return x ? selectNew(keep, x, constant(0, elementType(trilu.getX()))) : Value();
      })
      .Case<GatherElementsOp>([&](auto gatherOp) -> Value {
        int64_t axis = gatherOp.getAxis();
        Place own(place);
        own[axis] = fromData(gatherOp.getIndices(), place, getDims(gatherOp.getX().getType())[axis]);
        return own[axis].base || own[axis].lanes ? at(gatherOp.getX(), own) : Value();
      })
      .Case<ConcatOp>([&](auto concatOp) { return concat(concatOp, place); })
      .Case<PadOp>([&](auto padOp) { return pad(padOp, place); })
      .Case<GatherOp>([&](auto gatherOp) { return gather(gatherOp, place); })
      .Case<GatherNdOp>([&](auto gatherOp) { return gatherNd(gatherOp, place); })
      .Case<OneHotOp>([&](auto oneHotOp) { return oneHot(oneHotOp, place); })
      .Case<ReverseSequenceOp>([&](auto reverse) { return reverseSequence(reverse, place); })
      .Case<TensorScatterOp>([&](auto scatter) { return tensorScatter(scatter, place); })
      .Case<RangeOp>([&](auto rangeOp) { return range(rangeOp, place); })
      .Default([](Operation *) { return Value(); });
}

/// Each operand where the index along the axis is its own.
Value PointWriter::concat(ConcatOp op, ArrayRef<Index> place) {
  int64_t axis = op.getAxis();
  SymbolicExpr offset = 0;
  Value result;
  for (Value x : op.getXs()) {
    SymbolicExpr extent = getDims(x.getType())[axis];
    Place own(place);
    own[axis] = minus(place[axis], uniform(offset));
    Value here = inside(own[axis], extent);
    Value part = under(here, [&] { return at(x, own); });
    if (!part)
      return {};
    result = result ? selectNew(here, part, result) : part;
    offset += extent;
  }
  return result;
}

Value PointWriter::pad(PadOp op, ArrayRef<Index> place) {
  auto from = getDims(op.getX().getType()), to = getDims(op.getY().getType()), low = parseDims(op.getLow());
  StringRef mode = op.getMode();
  Place own;
  Value inner;
  for (auto [i, index] : llvm::enumerate(place)) {
    Index x = minus(index, uniform(low[i]));
    if (low[i] == SymbolicExpr(0) && from[i] == to[i]) {
      own.push_back(x);
      continue;
    }
    if (mode == "constant") {
      inner = both(inner, inside(x, from[i]));
    } else if (mode == "edge") {
      x = clamped(x, from[i]);
    } else if (mode == "wrap") {
      x = modulo(x, from[i]);
    } else {
      // There and back again: a period of 2 (n - 1), at least 1.
      SymbolicExpr period = SymbolicExpr::max(from[i] * 2 - 2, SymbolicExpr(1));
      Index way = modulo(x, period), back = minus(uniform(from[i] * 2 - 2), way);
      Value nearer = arith::MinSIOp::create(b, toTile(way), toTile(back));
      x = way.isUniform() ? uniform(p.minimum(way.base, back.base)) : lanesOf(nearer);
      x = clamped(x, from[i]);
    }
    own.push_back(x);
  }
  Value x = under(inner, [&] { return at(op.getX(), own); });
  if (!x || !inner)
    return x;
  Value filler = constant(0, elementType(op.getX()));
  if (op.getValue())
    filler = at(op.getValue(), Place(getDims(op.getValue().getType()).size(), uniform(int64_t(0))));
  return filler ? selectNew(inner, x, filler) : Value();
}

Value PointWriter::gather(GatherOp op, ArrayRef<Index> place) {
  int64_t axis = op.getAxis(), indexRank = getDims(op.getIndices().getType()).size();
  auto dims = getDims(op.getX().getType());
  Index chosen = fromData(op.getIndices(), place.slice(axis, indexRank), dims[axis]);
  if (!chosen.base && !chosen.lanes)
    return {};
  Place own(place.take_front(axis));
  own.push_back(chosen);
  llvm::append_range(own, place.drop_front(axis + indexRank));
  return at(op.getX(), own);
}

Value PointWriter::gatherNd(GatherNdOp op, ArrayRef<Index> place) {
  auto x = getDims(op.getX().getType()), indices = getDims(op.getIndices().getType());
  int64_t batch = op.getBatchDims(), tupleRank = indices.size() - 1;
  std::optional<int64_t> depth = indices.back().isConstant();
  if (!depth)
    return {};
  Place own(place.take_front(batch));
  for (int64_t i = 0; i < *depth; ++i) {
    Place tuple(place.take_front(tupleRank));
    tuple.push_back(uniform(i));
    Index chosen = fromData(op.getIndices(), tuple, x[batch + i]);
    if (!chosen.base && !chosen.lanes)
      return {};
    own.push_back(chosen);
  }
  llvm::append_range(own, place.drop_front(tupleRank));
  return at(op.getX(), own);
}

/// An index outside of the depth gives a row of `off`.
Value PointWriter::oneHot(OneHotOp op, ArrayRef<Index> place) {
  int64_t axis = op.getAxis();
  Place own(place);
  own.erase(own.begin() + axis);
  if (!isa<IntegerType>(getElementTypeOrSelf(op.getIndices().getType())))
    return {};
  Index chosen = fromData(op.getIndices(), own, getDims(op.getY().getType())[axis], /*check=*/false);
  if (!chosen.base && !chosen.lanes)
    return {};
  Value hit = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, toTile(chosen), toTile(place[axis]));
  Value off = at(op.getValues(), {uniform(int64_t(0))}), on = at(op.getValues(), {uniform(int64_t(1))});
  return off && on ? selectNew(hit, on, off) : Value();
}

Value PointWriter::reverseSequence(ReverseSequenceOp op, ArrayRef<Index> place) {
  int64_t time = op.getTimeAxis();
  SymbolicExpr extent = getDims(op.getX().getType())[time];
  Index length = rawFromData(op.getLengths(), {place[op.getBatchAxis()]});
  if (!length.base && !length.lanes)
    return {};
  // A length outside of [0, extent] stops the run.
  Value fits = inside(length, extent + 1);
  if (mask)
    fits = arith::OrIOp::create(b, fits, arith::XOrIOp::create(b, mask, constant(1, b.getI1Type())));
  tile::CheckOp::create(b, fits, "length");
  length = clamped(length, extent + 1);
  Index turned = minus(plus(length, -1), place[time]);
  Value before = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, toTile(place[time]), toTile(length));
  Place own(place);
  own[time] = lanesOf(selectNew(before, toTile(turned), toTile(place[time])));
  return at(op.getX(), own);
}

/// The update where its stretch of the axis lies, else the operand.
Value PointWriter::tensorScatter(TensorScatterOp op, ArrayRef<Index> place) {
  auto dims = getDims(op.getX().getType());
  int64_t rank = dims.size(), axis = op.getAxis() < 0 ? op.getAxis() + rank : op.getAxis();
  SymbolicExpr written = getDims(op.getUpdate().getType())[axis];
  Index start = uniform(int64_t(0));
  if (op.getWriteIndices()) {
    start = rawFromData(op.getWriteIndices(), {place[0]});
    if (!start.base && !start.lanes)
      return {};
    SymbolicExpr most = op.getCircular() ? dims[axis] : dims[axis] - written;
    Value fits = inside(start, most + 1);
    if (mask)
      fits = arith::OrIOp::create(b, fits, arith::XOrIOp::create(b, mask, constant(1, b.getI1Type())));
    tile::CheckOp::create(b, fits, "index");
    start = clamped(start, most + 1);
  }
  Place own(place);
  own[axis] = minus(place[axis], start);
  if (op.getCircular())
    own[axis] = modulo(own[axis], dims[axis]);
  Value updated = inside(own[axis], written);
  Value update = under(updated, [&] { return at(op.getUpdate(), own); }), x = at(op.getX(), place);
  return update && x ? selectNew(updated, update, x) : Value();
}

Value PointWriter::range(RangeOp op, ArrayRef<Index> place) {
  auto scalar = [&](Value v) { return at(v, Place(getDims(v.getType()).size(), uniform(int64_t(0)))); };
  Value start = scalar(op.getStart()), delta = scalar(op.getDelta()), steps = toTile(place[0]);
  if (!start || !delta)
    return {};
  Type element = getElementTypeOrSelf(start.getType()), type = tileType(extents, element);
  if (isa<FloatType>(element)) {
    steps = arith::SIToFPOp::create(b, type, steps);
    return arith::AddFOp::create(b, start, arith::MulFOp::create(b, steps, delta));
  }
  if (!element.isInteger(64))
    steps = arith::TruncIOp::create(b, type, steps);
  return arith::AddIOp::create(b, start, arith::MulIOp::create(b, steps, delta));
}
