// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reductions, running sums, and the choice of extreme elements.
#include "passes/Legalize/DataAxes.h"
#include "passes/Legalize/Handlers.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

void handlers::reduce(Node &n) {
  Value x = n.in(0);
  if (!x)
    return n.fail("expected an operand");
  StringRef kind = llvm::StringSwitch<StringRef>(n.op.getOpType())
                       .Case("ReduceSum", "sum")
                       .Case("ReduceMean", "mean")
                       .Case("ReduceProd", "prod")
                       .Case("ReduceMax", "max")
                       .Case("ReduceMin", "min")
                       .Case("ReduceL1", "l1")
                       .Case("ReduceL2", "l2")
                       .Case("ReduceSumSquare", "sum_square")
                       .Case("ReduceLogSum", "log_sum")
                       .Default("log_sum_exp");
  if (n.isBool(x))
    kind = kind == "max" ? "or" : kind == "min" ? "and" : kind;
  Ints axes;
  if (axesFromData(n, n.in(1)))
    return n.out(0, reduceByData(n, x, kind, n.in(1), n.i("keepdims", 1) != 0));
  if (n.has(1) && n.dims(n.in(1)) == Dims{SymbolicExpr(0)})
    axes = {};
  else if (n.has(1))
    axes = n.needInts(n.in(1), "axes operand");
  else
    axes = n.ints("axes");
  axes = n.axes(axes, n.rank(x));
  if (n.failed())
    return;
  llvm::sort(axes);
  axes.erase(std::unique(axes.begin(), axes.end()), axes.end());
  bool keepdims = n.i("keepdims", 1) != 0;
  if (axes.empty()) {
    if (n.i("noop_with_empty_axes", 0)) {
      bool identity = kind == "sum" || kind == "mean" || kind == "prod" || kind == "max" || kind == "min" ||
                      kind == "or" || kind == "and";
      return n.out(0, identity ? x : n.reduce(x, kind, {}, true));
    }
    for (int64_t i = 0; i < n.rank(x); ++i)
      axes.push_back(i);
  }
  n.out(0, n.reduce(x, kind, axes, keepdims));
}

void handlers::argReduce(Node &n) {
  Value x = n.in(0);
  if (!n.rankAtLeast(x, 1, "an operand"))
    return;
  int64_t axis = n.axis(n.i("axis", 0), n.rank(x));
  n.out(0, n.make<bess::ArgReduceOp>({x}, n.attrs()
                                              .s("kind", n.op.getOpType() == "ArgMax" ? "max" : "min")
                                              .i("axis", axis)
                                              .flag("keepdims", n.i("keepdims", 1) != 0)
                                              .flag("select_last", n.i("select_last_index", 0) != 0)));
}

void handlers::topK(Node &n) {
  Value x = n.in(0);
  if (!n.rankAtLeast(x, 1, "an operand"))
    return;
  int64_t axis = n.axis(n.i("axis", -1), n.rank(x));
  SymbolicExpr k = n.i("k", 0);
  if (n.version >= 10) {
    Dims elements = n.elements(n.in(1), "k");
    if (elements.size() != 1)
      return n.fail("expected k of one element");
    k = elements[0];
  }
  if (n.failed())
    return;
  if (SymbolicExpr::knownLessEqual(n.dim(x, axis) + 1, k, n.lz.symbolBounds()))
    return n.fail("expected k of at most " + n.dim(x, axis).str() + ", got " + k.str());
  Dims dims = n.dims(x);
  dims[axis] = k;
  SmallVector<Value> results =
      n.makeAll("bess.topk", {x},
                n.attrs().i("axis", axis).flag("largest", n.i("largest", 1) != 0).flag("sorted", n.i("sorted", 1) != 0),
                {n.tensor(dims, n.elt(x)), n.tensor(dims, n.b.getI64Type())});
  n.out(0, results[0]);
  n.out(1, results[1]);
}

void handlers::cumulate(Node &n) {
  Value x = n.in(0);
  auto along = [&](int64_t axis) {
    return n.make<bess::CumulateOp>({x}, n.attrs()
                                             .s("kind", n.op.getOpType() == "CumSum" ? "sum" : "prod")
                                             .i("axis", axis)
                                             .flag("exclusive", n.i("exclusive", 0) != 0)
                                             .flag("reverse", n.i("reverse", 0) != 0));
  };
  if (std::optional<Ints> axis = n.constInts(n.in(1)); axis && axis->size() == 1)
    return n.out(0, along(n.axis((*axis)[0], n.rank(x))));
  if (!n.rankAtLeast(x, 1, "an operand") || !n.in(1) || n.count(n.dims(n.in(1))) != SymbolicExpr(1) || n.rank(x) > 4)
    return n.fail("expected one axis");
  // Only the data tells: all axes, and a choice.
  Type i64 = n.b.getI64Type();
  Value wanted = n.reshape(n.cast(n.in(1), i64), {});
  wanted = n.where(n.less(wanted, n.scalar(0, i64)), n.add(wanted, n.scalar(double(n.rank(x)), i64)), wanted);
  Value y = along(0);
  for (int64_t axis = 1; axis < n.rank(x); ++axis)
    y = n.where(n.equal(wanted, n.scalar(double(axis), i64)), along(axis), y);
  n.out(0, y);
}
