// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Legalize/DataAxes.h"

#include <cmath>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

bool legalize::axesFromData(Node &n, Value axes) {
  if (!axes || n.failed() || n.constInts(axes) || n.rank(axes) != 1)
    return false;
  auto length = n.staticDim(axes, 0);
  return length && *length > 0 && *length <= 16;
}

/// Axes counted from the front, as i64.
static Value normalAxes(Node &n, Value axes, int64_t rank) {
  Type i64 = n.b.getI64Type();
  axes = n.cast(axes, i64);
  return n.where(n.less(axes, n.scalar(0, i64)), n.add(axes, n.scalar(double(rank), i64)), axes);
}

Value legalize::scatterByAxes(Node &n, Value rest, Value axes, Value values, int64_t rank) {
  return n.make<bess::ScatterElementsOp>({rest, normalAxes(n, axes, rank), values},
                                         n.attrs().i("axis", 0).s("reduction", "none"));
}

/// i1 [rank]: is the axis among `axes`?
static Value axisMask(Node &n, Value axes, int64_t rank) {
  Type i64 = n.b.getI64Type();
  Ints zeros(rank, 0);
  Value ones = n.splat(n.dims(axes), 1, i64);
  return n.equal(scatterByAxes(n, n.intVector(zeros), axes, ones, rank), n.scalar(1, i64));
}

/// i64 [count]: the positions at which the mask is false, in order.
static Value otherPositions(Node &n, Value mask, int64_t rank, int64_t count) {
  Type i64 = n.b.getI64Type();
  Value position = n.iota(SymbolicExpr(rank), 0, i64);
  Value key = n.where(mask, n.scalar(double(rank), i64), position);
  Type type = RankedTensorType::get(count, i64);
  return n.makeAll("bess.topk", {key}, n.attrs().i("axis", 0).flag("largest", false).flag("sorted", true),
                   {type, type})[0];
}

/// The dimensions of x outside of `axes`, `fewer` less than it has.
static Dims remainingDims(Node &n, Value x, Value mask, int64_t fewer) {
  int64_t rank = n.rank(x), count = rank - fewer;
  if (count <= 0) {
    if (count < 0)
      n.fail("expected at most " + Twine(rank) + " axes, got " + Twine(fewer));
    return {};
  }
  Value extents = n.fromDims(n.dims(x), rank, n.b.getI64Type());
  return n.elements(n.gather(extents, otherPositions(n, mask, rank, count), 0), "kept");
}

Value legalize::squeezeByData(Node &n, Value x, Value axes) {
  return n.reshape(x, remainingDims(n, x, axisMask(n, axes, n.rank(x)), *n.staticDim(axes, 0)));
}

Value legalize::unsqueezeByData(Node &n, Value x, Value axes) {
  Type i64 = n.b.getI64Type();
  int64_t rank = n.rank(x), to = rank + *n.staticDim(axes, 0);
  Ints ones(to, 1);
  Value extents = n.intVector(ones);
  if (rank > 0) {
    Value positions = otherPositions(n, axisMask(n, axes, to), to, rank);
    extents = n.make<bess::ScatterElementsOp>({extents, positions, n.fromDims(n.dims(x), rank, i64)},
                                              n.attrs().i("axis", 0).s("reduction", "none"));
  }
  return n.reshape(x, n.elements(extents, "unsqueeze"));
}

/// A scatter: each element goes to the place that its coordinates outside of
/// the axes name.
Value legalize::reduceByData(Node &n, Value x, StringRef kind, Value axes, bool keepdims) {
  Type i64 = n.b.getI64Type(), element = n.elt(x);
  int64_t rank = n.rank(x);
  if (rank == 0 || element.isInteger(1)) {
    n.fail("expected a constant axes operand");
    return {};
  }
  Value mask = axisMask(n, axes, rank);
  Value one = n.scalar(1, i64);
  Value extents = n.where(mask, one, n.fromDims(n.dims(x), rank, i64));
  Dims kept = n.elements(extents, "kept");
  if (n.failed())
    return {};
  // The flat index of each element's place.
  Value index, stride = one;
  for (int64_t axis = rank; axis-- > 0;) {
    auto at = [&](Value v) { return n.reshape(n.sliceAxis(v, 0, axis, 1), {}); };
    Dims along(rank, SymbolicExpr(1));
    along[axis] = n.dim(x, axis);
    Value factor = n.where(at(mask), n.scalar(0, i64), stride);
    Value part = n.mul(n.iota(along, axis, i64), factor);
    index = index ? n.add(index, part) : part;
    stride = n.mul(stride, at(extents));
  }
  SymbolicExpr total = n.count(kept);
  Value places = n.reshape(n.broadcast(index, n.dims(x)), n.count(n.dims(x)));
  auto scatter = [&](Value values, StringRef how, double start) {
    Value flat = n.reshape(values, n.count(n.dims(values)));
    return n.make<bess::ScatterElementsOp>({n.splat(total, start, element), places, flat},
                                           n.attrs().i("axis", 0).s("reduction", how));
  };
  auto sum = [&](Value values) { return scatter(values, "add", 0); };
  auto extreme = [&](bool largest) {
    if (isa<FloatType>(element))
      return scatter(x, largest ? "max" : "min", largest ? -INFINITY : INFINITY);
    // Any element will do to begin with: it is one of its own place.
    Value first =
        n.make<bess::ScatterElementsOp>({n.splat(total, 0, element), places, n.reshape(x, n.count(n.dims(x)))},
                                        n.attrs().i("axis", 0).s("reduction", "none"));
    return n.make<bess::ScatterElementsOp>({first, places, n.reshape(x, n.count(n.dims(x)))},
                                           n.attrs().i("axis", 0).s("reduction", largest ? "max" : "min"));
  };
  Value y;
  if (kind == "sum" || kind == "mean" || kind == "log_sum")
    y = sum(x);
  else if (kind == "l1")
    y = sum(n.make<bess::AbsOp>({x}));
  else if (kind == "l2" || kind == "sum_square")
    y = sum(n.mul(x, x));
  else if (kind == "prod")
    y = scatter(x, "mul", 1);
  else if (kind == "max" || kind == "min")
    y = extreme(kind == "max");
  else { // log_sum_exp
    Value top = extreme(true);
    Value shifted = n.sub(n.reshape(x, n.count(n.dims(x))), n.gather(top, places, 0));
    y = n.add(n.make<bess::LogOp>({sum(n.exp(shifted))}), top);
  }
  if (kind == "mean") {
    Value count = n.div(n.fromDims(n.count(n.dims(x)), ArrayRef<int64_t>(), i64),
                        n.max(n.fromDims(total, ArrayRef<int64_t>(), i64), one));
    y = n.div(y, n.cast(count, element));
  }
  if (kind == "l2")
    y = n.sqrt(y);
  if (kind == "log_sum")
    y = n.make<bess::LogOp>({y});
  return n.reshape(y, keepdims ? kept : remainingDims(n, x, mask, *n.staticDim(axes, 0)));
}
