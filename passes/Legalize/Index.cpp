// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ops that read or write by index, and those whose result's size only the
// data tells.
#include "passes/Legalize/Handlers.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

void handlers::gather(Node &n) {
  Value x = n.in(0);
  if (n.rankAtLeast(x, 1, "an operand"))
    n.out(0, n.gather(x, n.in(1), n.axis(n.i("axis", 0), n.rank(x))));
}

void handlers::gatherElements(Node &n) {
  Value x = n.in(0);
  n.out(0, n.make<bess::GatherElementsOp>({x, n.in(1)}, n.attrs().i("axis", n.axis(n.i("axis", 0), n.rank(x)))));
}

void handlers::gatherNd(Node &n) {
  n.out(0, n.make<bess::GatherNdOp>({n.in(0), n.in(1)}, n.attrs().i("batch_dims", n.i("batch_dims", 0))));
}

static std::optional<std::string> reduction(Node &n) {
  std::string kind = n.s("reduction", "none");
  if (llvm::is_contained({"none", "add", "mul", "max", "min"}, kind))
    return kind;
  n.fail("expected reduction none, add, mul, max or min, got \"" + kind + "\"");
  return std::nullopt;
}

void handlers::scatterElements(Node &n) {
  Value x = n.in(0);
  if (auto kind = reduction(n))
    n.out(0, n.make<bess::ScatterElementsOp>(
                 {x, n.in(1), n.in(2)}, n.attrs().i("axis", n.axis(n.i("axis", 0), n.rank(x))).s("reduction", *kind)));
}

void handlers::scatterNd(Node &n) {
  if (auto kind = reduction(n))
    n.out(0, n.make<bess::ScatterNdOp>({n.in(0), n.in(1), n.in(2)}, n.attrs().s("reduction", *kind)));
}

void handlers::tensorScatter(Node &n) {
  Value x = n.in(0);
  std::string mode = n.s("mode", "linear");
  if (mode != "linear" && mode != "circular")
    return n.fail("expected mode linear or circular, got \"" + mode + "\"");
  n.out(0, n.make<bess::TensorScatterOp>(
               {x, n.in(1), n.in(2)},
               n.attrs().i("axis", n.axis(n.i("axis", -2), n.rank(x))).flag("circular", mode == "circular")));
}

void handlers::oneHot(Node &n) {
  Value indices = n.in(0), values = n.in(2);
  if (!values || !n.in(1))
    return n.fail("expected three operands");
  Type i64 = n.b.getI64Type();
  Value depthOperand = n.in(1);
  if (n.isFloat(depthOperand)) {
    if (auto known = n.constFloats(depthOperand); known && known->size() == 1)
      depthOperand = n.scalar((*known)[0], i64);
    else
      depthOperand = n.cast(depthOperand, i64);
  } else if (!n.elt(depthOperand).isInteger(64) && !n.elt(depthOperand).isInteger(32)) {
    depthOperand = n.cast(depthOperand, i64);
  }
  Dims depth = n.elements(depthOperand, "depth");
  if (n.failed() || depth.size() != 1)
    return n.fail("expected depth of one element");
  int64_t axis = n.axis(n.i("axis", -1), n.rank(indices) + 1);
  Dims dims = n.dims(indices);
  dims.insert(dims.begin() + axis, depth[0]);
  // Indices of any number type; the kernel wants integers.
  n.out(0, n.make<bess::OneHotOp>({n.isFloat(indices) ? n.cast(indices, i64) : indices, values},
                                  n.attrs().i("axis", axis), n.tensor(dims, n.elt(values))));
}

// ---- sizes that only the data tells ---------------------------------------------------

void handlers::nonZero(Node &n) {
  Value x = n.in(0);
  if (!x)
    return n.fail("expected an operand");
  Dims dims = {n.rank(x), n.lz.freshSymbol("nonzero")};
  n.out(0, n.make<bess::NonZeroOp>({x}, n.attrs(), n.tensor(dims, n.b.getI64Type())));
}

void handlers::unique(Node &n) {
  Value x = n.in(0);
  if (!x)
    return n.fail("expected an operand");
  SymbolicExpr count = n.lz.freshSymbol("unique");
  Attrs attributes = n.attrs().flag("sorted", n.i("sorted", 1) != 0);
  Dims dims = {count}, all = {n.count(n.dims(x))};
  if (n.hasAttr("axis")) {
    int64_t axis = n.axis(n.i("axis"), n.rank(x));
    if (n.failed())
      return;
    attributes.i("axis", axis);
    dims = n.dims(x);
    all = {n.dim(x, axis)};
    dims[axis] = count;
  }
  Type i64 = n.b.getI64Type();
  SmallVector<Value> results =
      n.makeAll("bess.unique", {x}, attributes,
                {n.tensor(dims, n.elt(x)), n.tensor(count, i64), n.tensor(all, i64), n.tensor(count, i64)});
  for (size_t i = 0; i < 4; ++i)
    n.out(i, results[i]);
}

void handlers::compress(Node &n) {
  Value x = n.in(0);
  if (!x)
    return n.fail("expected an operand");
  SymbolicExpr count = n.lz.freshSymbol("compress");
  Attrs attributes = n.attrs();
  Dims dims = {count};
  if (n.hasAttr("axis")) {
    int64_t axis = n.axis(n.i("axis"), n.rank(x));
    if (n.failed())
      return;
    attributes.i("axis", axis);
    dims = n.dims(x);
    dims[axis] = count;
  }
  n.out(0, n.make<bess::CompressOp>({x, n.in(1)}, attributes, n.tensor(dims, n.elt(x))));
}

void handlers::nonMaxSuppression(Node &n) {
  if (!n.in(0) || !n.in(1))
    return n.fail("expected boxes and scores");
  Dims dims = {n.lz.freshSymbol("selected"), 3};
  n.out(0, n.make<bess::NonMaxSuppressionOp>({n.in(0), n.in(1), n.in(2), n.in(3), n.in(4)},
                                             n.attrs().flag("center_point_box", n.i("center_point_box", 0) != 0),
                                             n.tensor(dims, n.b.getI64Type())));
}

void handlers::reverseSequence(Node &n) {
  n.out(0,
        n.make<bess::ReverseSequenceOp>(
            {n.in(0), n.in(1)}, n.attrs().i("batch_axis", n.i("batch_axis", 1)).i("time_axis", n.i("time_axis", 0))));
}

void handlers::arrayFeatureExtractor(Node &n) {
  Value x = n.in(0), indices = n.in(1);
  if (!n.rankAtLeast(x, 1, "an operand") || !indices)
    return n.fail("expected two operands");
  Value y = n.gather(x, n.reshape(indices, n.count(n.dims(indices))), n.rank(x) - 1);
  n.out(0, n.rank(x) == 1 ? n.unsqueeze(y, {0}) : y);
}
