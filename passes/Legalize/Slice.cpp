// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Slice. Bounds known over symbols give `bess.slice`; bounds that only the
// data tells are clamped by ops on the data and then bound to symbols.
#include "passes/Legalize/Handlers.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

namespace {

struct Bound {
  SymbolicExpr offset, size;
};

/// `position` counted from the front and clamped to [low, high].
/// Of a `table` (a constant) nobody takes more than there is: instead of a
/// minimum, which would be a new dimension to all that follows, a guard.
SymbolicExpr clampIndex(Node &n, SymbolicExpr position, const SymbolicExpr &extent, const SymbolicExpr &low,
                        const SymbolicExpr &high, bool table) {
  const SymbolicExpr::Bounds &bounds = n.lz.symbolBounds();
  auto value = position.isConstant();
  if (value && *value >= INT64_MAX / 2)
    return high;
  if (value && *value <= INT64_MIN / 2)
    return low;
  if (!SymbolicExpr::knownLessEqual(0, position, bounds)) {
    if (SymbolicExpr::knownLessEqual(position, -1, bounds))
      position += extent;
    else
      n.lz.guardLessEqual(0, position, n.loc, "a slice bound of unknown sign is taken as not negative");
  }
  bool fits = SymbolicExpr::knownLessEqual(position, high, bounds);
  if (!fits && table && !position.isConstant() && low == SymbolicExpr(0)) {
    n.lz.guardLessEqual(position, high, n.loc, "a slice of a constant stays within it");
    return position;
  }
  if (!fits)
    position = SymbolicExpr::min(position, high);
  if (!SymbolicExpr::knownLessEqual(low, position, bounds))
    position = SymbolicExpr::max(position, low);
  return position;
}

Bound boundsOf(Node &n, const SymbolicExpr &start, const SymbolicExpr &end, int64_t step, const SymbolicExpr &extent,
               bool table) {
  const SymbolicExpr::Bounds &known = n.lz.symbolBounds();
  SymbolicExpr from, span;
  if (step > 0) {
    from = clampIndex(n, start, extent, 0, extent, table);
    span = clampIndex(n, end, extent, 0, extent, table) - from;
  } else {
    from = clampIndex(n, start, extent, 0, extent - 1, false);
    span = from - clampIndex(n, end, extent, -1, extent - 1, false);
  }
  if (!SymbolicExpr::knownLessEqual(0, span, known))
    span = SymbolicExpr::max(span, 0);
  return {from, SymbolicExpr::ceilDiv(span, std::abs(step))};
}

/// Slices by gathers with indices start + i * step, everything from data.
/// Each operand is a vector over `axes`.
Value sliceByData(Node &n, Value x, Value starts, Value ends, ArrayRef<int64_t> axes, Value steps) {
  Type i64 = n.b.getI64Type();
  int64_t count = axes.size();
  Dims extents;
  for (int64_t axis : axes)
    extents.push_back(n.dim(x, axis));
  auto number = [&](double value) { return n.scalar(value, i64); };
  Value extent = n.fromDims(extents, count, i64);
  starts = n.cast(starts, i64);
  ends = n.cast(ends, i64);
  Value step = steps ? n.cast(steps, i64) : number(1);
  Value backwards = n.less(step, number(0));
  Value last = n.sub(extent, number(1));
  auto clamp = [&](Value index, Value low, Value high) {
    Value front =
        n.where(n.less(index, number(0)), n.add(n.max(index, n.neg(n.add(extent, number(1)))), extent), index);
    return n.max(n.min(front, high), low);
  };
  Value lowest = n.where(backwards, number(-1), number(0));
  Value highest = n.where(backwards, last, extent);
  Value from = clamp(starts, number(0), highest), to = clamp(ends, lowest, highest);
  Value span = n.where(backwards, n.sub(from, to), n.sub(to, from));
  Value stride = n.make<bess::AbsOp>({step});
  Value sizes = n.div(n.add(n.max(span, number(0)), n.sub(stride, number(1))), stride);
  Dims bound = n.elements(n.reshape(sizes, SymbolicExpr(count)), "slice");
  if (n.failed())
    return {};
  for (auto [k, axis] : llvm::enumerate(axes)) {
    auto pick = [&](Value v) {
      if (n.rank(v) == 0)
        return v;
      return n.reshape(n.sliceAxis(v, 0, int64_t(k), 1), {});
    };
    Value indices = n.make<bess::RangeOp>({pick(from), pick(step)}, n.attrs(), n.tensor(bound[k], i64));
    x = n.gather(x, indices, axis);
  }
  return x;
}

} // namespace

void handlers::slice(Node &n) {
  Value x = n.in(0);
  if (!n.rankAtLeast(x, 1, "an operand"))
    return;
  int64_t rank = n.rank(x);
  std::optional<Dims> starts, ends;
  Ints axes, steps;
  if (n.version < 10) {
    auto toDims = [](ArrayRef<int64_t> values) { return Dims(values.begin(), values.end()); };
    starts = toDims(n.ints("starts"));
    ends = toDims(n.ints("ends"));
    axes = n.ints("axes");
  } else {
    // Exporters write "from the first" as the smallest int64_t, which is no expression.
    auto bounds = [&](Value v) -> std::optional<Dims> {
      std::optional<Ints> known = n.constInts(v);
      if (!known)
        return n.contents(v);
      return llvm::map_to_vector(*known, [](int64_t value) { return SymbolicExpr(std::max(value, -INT64_MAX)); });
    };
    starts = bounds(n.in(1));
    ends = bounds(n.in(2));
    if (!n.in(1) || !n.in(2))
      return n.fail("expected starts and ends");
  }
  int64_t count = starts ? int64_t(starts->size()) : n.staticDim(n.in(1), 0).value_or(-1);
  if (count < 0 || n.failed())
    return n.fail("expected starts of constant length");
  bool fromData = !starts || !ends;
  Value axesOperand = n.version < 10 ? Value() : n.in(3), stepsOperand = n.version < 10 ? Value() : n.in(4);
  if (axesOperand) {
    std::optional<Ints> known = n.constInts(axesOperand);
    if (!known && count == rank) {
      // The axes are a permutation that only the data tells: sort by it.
      Type i64 = n.b.getI64Type();
      Value position = n.cast(axesOperand, i64);
      position = n.where(n.less(position, n.scalar(0, i64)), n.add(position, n.scalar(double(rank), i64)), position);
      auto sorted = [&](Value v) {
        if (!v)
          return v;
        v = n.cast(v, i64);
        return n.make<bess::ScatterElementsOp>({v, position, v}, n.attrs().i("axis", 0).s("reduction", "none"));
      };
      Ints all;
      for (int64_t i = 0; i < rank; ++i)
        all.push_back(i);
      return n.out(0, sliceByData(n, x, sorted(n.in(1)), sorted(n.in(2)), all, sorted(stepsOperand)));
    }
    if (!known && stepsOperand == Value()) {
      return n.fail("expected constant axes");
    }
    if (!known) {
      // Fill in for all axes: starts 0, ends all, steps 1.
      Type i64 = n.b.getI64Type();
      Value position = n.cast(axesOperand, i64);
      position = n.where(n.less(position, n.scalar(0, i64)), n.add(position, n.scalar(double(rank), i64)), position);
      auto filled = [&](Value v, Value base) {
        return n.make<bess::ScatterElementsOp>({base, position, n.cast(v, i64)},
                                               n.attrs().i("axis", 0).s("reduction", "none"));
      };
      Ints zeros(rank, 0), ones(rank, 1), all;
      for (int64_t i = 0; i < rank; ++i)
        all.push_back(i);
      return n.out(0, sliceByData(n, x, filled(n.in(1), n.intVector(zeros)),
                                  filled(n.in(2), n.fromDims(n.dims(x), rank, i64)), all,
                                  filled(stepsOperand, n.intVector(ones))));
    }
    axes = *known;
  }
  if (axes.empty())
    for (int64_t i = 0; i < count; ++i)
      axes.push_back(i);
  axes = n.axes(axes, rank);
  if (n.failed())
    return;
  steps.assign(axes.size(), 1);
  if (stepsOperand) {
    if (std::optional<Ints> known = n.constInts(stepsOperand))
      steps = *known;
    else
      fromData = true;
  }
  if (int64_t(axes.size()) != count || int64_t(steps.size()) != count || (ends && int64_t(ends->size()) != count) ||
      llvm::is_contained(steps, 0))
    return n.fail("expected starts, ends, axes and steps of one length, and steps other than 0");
  if (fromData)
    return n.out(0, sliceByData(n, x, n.in(1), n.in(2), axes, stepsOperand));
  Dims offsets(rank, SymbolicExpr(0)), sizes = n.dims(x);
  Ints strides(rank, 1);
  Operation *source = x.getDefiningOp();
  bool table = isa_and_nonnull<bess::WeightOp, bess::ConstantOp, bess::SliceOp>(source);
  if (auto inner = dyn_cast_or_null<bess::SliceOp>(source))
    table = isa_and_nonnull<bess::WeightOp, bess::ConstantOp>(inner.getX().getDefiningOp());
  for (int64_t i = 0; i < count; ++i) {
    Bound bound = boundsOf(n, (*starts)[i], (*ends)[i], steps[i], n.dim(x, axes[i]), table);
    offsets[axes[i]] = bound.offset;
    sizes[axes[i]] = bound.size;
    strides[axes[i]] = steps[i];
    if (bound.size == SymbolicExpr(0)) {
      offsets[axes[i]] = 0;
      strides[axes[i]] = 1;
    }
  }
  n.out(0, n.slice(x, offsets, sizes, strides));
}
