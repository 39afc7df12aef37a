// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Normalizations and softmax.
#include "passes/Legalize/Handlers.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

/// A vector over channels, for an operand [N, C, spatial..].
static Value perChannel(Node &n, Value v, int64_t rank) {
  if (n.failed() || !v)
    return {};
  Dims dims(rank - 1, SymbolicExpr(1));
  dims[0] = n.count(n.dims(v));
  return n.reshape(v, dims);
}

void handlers::batchNormalization(Node &n) {
  Value x = n.in(0), scale = n.in(1), bias = n.in(2), mean = n.in(3), variance = n.in(4);
  if (!n.rankAtLeast(x, 2, "an operand") || !mean || !variance)
    return n.fail("expected five operands");
  Type element = n.elt(x);
  double epsilon = n.f("epsilon", 1e-5);
  int64_t rank = n.rank(x);
  if (n.i("training_mode", 0) != 0) {
    // Statistics of this batch, and the running ones.
    double momentum = n.f("momentum", 0.9);
    Ints axes;
    for (int64_t i = 0; i < rank; ++i)
      if (i != 1)
        axes.push_back(i);
    Value now = n.reduce(x, "mean", axes, true);
    Value centered = n.sub(x, now);
    Value spread = n.reduce(n.mul(centered, centered), "mean", axes, true);
    Value normal = n.div(centered, n.sqrt(n.add(spread, n.like(x, epsilon))));
    n.out(0, n.add(n.mul(normal, perChannel(n, n.cast(scale, element), rank)),
                   perChannel(n, n.cast(bias, element), rank)));
    auto running = [&](Value old, Value fresh) {
      Type type = n.elt(old);
      fresh = n.cast(n.reshape(fresh, n.dims(old)), type);
      return n.add(n.mul(old, n.scalar(momentum, type)), n.mul(fresh, n.scalar(1 - momentum, type)));
    };
    n.out(1, running(mean, now));
    n.out(2, running(variance, spread));
    return;
  }
  // Per-channel factor and offset: computed once, from vectors.
  Type wide = n.elt(variance);
  Value factor = n.div(n.cast(scale, wide), n.sqrt(n.add(variance, n.scalar(epsilon, wide))));
  Value offset = n.sub(n.cast(bias, wide), n.mul(mean, factor));
  n.out(0, n.add(n.mul(x, perChannel(n, n.cast(factor, element), rank)), perChannel(n, n.cast(offset, element), rank)));
}

/// (x - mean) / sqrt(variance + epsilon) over `axes`.
static Value normalized(Node &n, Value x, ArrayRef<int64_t> axes, double epsilon) {
  Value centered = n.sub(x, n.reduce(x, "mean", axes, true));
  Value variance = n.reduce(n.mul(centered, centered), "mean", axes, true);
  return n.div(centered, n.sqrt(n.add(variance, n.like(x, epsilon))));
}

void handlers::instanceNormalization(Node &n) {
  Value x = n.in(0);
  if (!n.rankAtLeast(x, 3, "an operand"))
    return;
  Ints axes;
  for (int64_t i = 2; i < n.rank(x); ++i)
    axes.push_back(i);
  Value y = normalized(n, x, axes, n.f("epsilon", 1e-5));
  n.out(0, n.add(n.mul(y, perChannel(n, n.in(1), n.rank(x))), perChannel(n, n.in(2), n.rank(x))));
}

void handlers::groupNormalization(Node &n) {
  Value x = n.in(0), scale = n.in(1), bias = n.in(2);
  int64_t groups = n.i("num_groups", 0);
  if (!n.rankAtLeast(x, 2, "an operand"))
    return;
  auto each = groups > 0 ? SymbolicExpr::exactDivide(n.dim(x, 1), groups) : std::nullopt;
  if (!each)
    return n.fail("expected channels that are a multiple of num_groups, got " + n.dim(x, 1).str());
  Dims dims = n.dims(x);
  SymbolicExpr rest = n.count(ArrayRef<SymbolicExpr>(dims).drop_front(2));
  Type wide = n.version < 21 || n.i("stash_type", 1) != 1 ? n.elt(x) : Type(n.b.getF32Type());
  Value grouped = n.cast(n.reshape(x, {dims[0], groups, *each * rest}), wide);
  Value y = normalized(n, grouped, {2}, n.f("epsilon", 1e-5));
  if (n.version < 21) { // scale and bias of each group
    auto spread = [&](Value v) { return n.reshape(v, {SymbolicExpr(1), SymbolicExpr(groups), SymbolicExpr(1)}); };
    return n.out(0, n.reshape(n.add(n.mul(y, spread(scale)), spread(bias)), dims));
  }
  y = n.reshape(n.cast(y, n.elt(x)), dims);
  n.out(0, n.add(n.mul(y, perChannel(n, scale, n.rank(x))), perChannel(n, bias, n.rank(x))));
}

void handlers::layerNormalization(Node &n) {
  Value x = n.in(0), scale = n.in(1), bias = n.in(2);
  if (!n.rankAtLeast(x, 1, "an operand") || !scale)
    return n.fail("expected an operand and a scale");
  int64_t axis = n.axis(n.i("axis", -1), n.rank(x));
  double epsilon = n.f("epsilon", 1e-5);
  n.out(0, n.make<bess::LayerNormOp>({x, scale, bias}, n.attrs().i("axis", axis).f("epsilon", epsilon)));
  if (!n.wants(1) && !n.wants(2))
    return;
  Ints axes;
  for (int64_t i = axis; i < n.rank(x); ++i)
    axes.push_back(i);
  Value wide = n.i("stash_type", 1) == 1 ? n.cast(x, n.b.getF32Type()) : x;
  Value mean = n.reduce(wide, "mean", axes, true), centered = n.sub(wide, mean);
  Value variance = n.reduce(n.mul(centered, centered), "mean", axes, true);
  n.out(1, mean);
  n.out(2, n.make<bess::ReciprocalOp>({n.sqrt(n.add(variance, n.like(variance, epsilon)))}));
}

void handlers::rmsNormalization(Node &n) {
  Value x = n.in(0), scale = n.in(1);
  if (!n.rankAtLeast(x, 1, "an operand") || !scale)
    return n.fail("expected an operand and a scale");
  int64_t axis = n.axis(n.i("axis", -1), n.rank(x));
  double epsilon = n.f("epsilon", 1e-5);
  n.out(0, n.make<bess::RmsNormOp>({x, scale}, n.attrs().i("axis", axis).f("epsilon", epsilon)));
  if (!n.wants(1))
    return;
  Ints axes;
  for (int64_t i = axis; i < n.rank(x); ++i)
    axes.push_back(i);
  Value wide = n.cast(x, n.b.getF32Type());
  Value square = n.reduce(n.mul(wide, wide), "mean", axes, true);
  n.out(1, n.make<bess::ReciprocalOp>({n.sqrt(n.add(square, n.like(square, epsilon)))}));
}

void handlers::lrn(Node &n) {
  n.out(0, n.make<bess::LrnOp>({n.in(0)}, n.attrs()
                                              .f("alpha", n.f("alpha", 1e-4))
                                              .f("beta", n.f("beta", 0.75))
                                              .f("bias", n.f("bias", 1.0))
                                              .i("size", n.i("size", 1))));
}

void handlers::lpNormalization(Node &n) {
  Value x = n.in(0);
  int64_t axis = n.axis(n.i("axis", -1), n.rank(x)), p = n.i("p", 2);
  if (p != 1 && p != 2)
    return n.fail("expected p 1 or 2, got " + Twine(p));
  Value norm = n.reduce(x, p == 1 ? "l1" : "l2", axis, true);
  // A row of zeros stays zero.
  Value zero = n.equal(norm, n.like(norm, 0));
  n.out(0, n.div(x, n.where(zero, n.like(norm, 1), norm)));
}

void handlers::meanVarianceNormalization(Node &n) {
  Value x = n.in(0);
  Ints axes = n.axes(n.ints("axes", {0, 2, 3}), n.rank(x));
  Value centered = n.sub(x, n.reduce(x, "mean", axes, true));
  Value deviation = n.sqrt(n.reduce(n.mul(centered, centered), "mean", axes, true));
  n.out(0, n.div(centered, n.add(deviation, n.like(x, 1e-9))));
}

// ---- softmax ------------------------------------------------------------------------

/// Before opset 13 the operand is flattened to two dimensions at `axis`, and
/// the second is normalized.
template <typename Fn> static void alongAxis(Node &n, Fn fn) {
  Value x = n.in(0);
  int64_t rank = n.rank(x);
  if (!n.rankAtLeast(x, 1, "an operand"))
    return;
  int64_t axis = n.axis(n.i("axis", n.version < 13 ? 1 : -1), std::max<int64_t>(rank, n.version < 13 ? 2 : 1));
  if (n.failed())
    return;
  if (n.version >= 13 || axis == rank - 1)
    return n.out(0, fn(x, axis));
  Dims dims = n.dims(x);
  ArrayRef<SymbolicExpr> all = dims;
  axis = std::min(axis, rank);
  Value flat = n.reshape(x, {n.count(all.take_front(axis)), n.count(all.drop_front(axis))});
  n.out(0, n.reshape(fn(flat, 1), dims));
}

void handlers::softmax(Node &n) {
  bool log = n.op.getOpType() == "LogSoftmax";
  alongAxis(n, [&](Value x, int64_t axis) { return n.softmax(x, axis, log); });
}

void handlers::hardmax(Node &n) {
  alongAxis(n, [&](Value x, int64_t axis) {
    Value best = n.make<bess::ArgReduceOp>(
        {x}, n.attrs().s("kind", "max").i("axis", axis).flag("keepdims", true).flag("select_last", false));
    Dims along(n.rank(x), SymbolicExpr(1));
    along[axis] = n.dim(x, axis);
    return n.cast(n.equal(n.iota(along, axis, n.b.getI64Type()), best), n.elt(x));
  });
}
