// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Losses (inference only): NegativeLogLikelihoodLoss, SoftmaxCrossEntropyLoss.
#include "passes/Legalize/Handlers.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

/// The loss of log probabilities [N, C, d..] at targets [N, d..].
static void lossOf(Node &n, Value logs, Value target, Value weight) {
  if (!n.rankAtLeast(logs, 2, "an operand") || !n.rankIs(target, n.rank(logs) - 1, "target"))
    return;
  std::string reduction = n.s("reduction", "mean");
  if (reduction != "none" && reduction != "sum" && reduction != "mean")
    return n.fail("expected reduction none, sum or mean, got \"" + reduction + "\"");
  Type i64 = n.b.getI64Type();
  target = n.cast(target, i64);
  Value ignored;
  if (n.hasAttr("ignore_index")) {
    ignored = n.equal(target, n.scalar(double(n.i("ignore_index")), i64));
    target = n.where(ignored, n.scalar(0, i64), target);
  }
  Value picked = n.make<bess::GatherElementsOp>({logs, n.unsqueeze(target, {1})}, n.attrs().i("axis", 1));
  Value loss = n.neg(n.squeeze(picked, {1}));
  Value factors = weight ? n.gather(weight, target, 0) : Value();
  if (ignored) {
    if (!factors)
      factors = n.where(ignored, n.like(loss, 0), n.like(loss, 1));
    else
      factors = n.where(ignored, n.like(loss, 0), factors);
    factors = n.broadcast(factors, n.dims(loss));
  }
  if (factors)
    loss = n.mul(loss, factors);
  if (reduction == "none")
    return n.out(0, loss);
  Ints all;
  for (int64_t i = 0; i < n.rank(loss); ++i)
    all.push_back(i);
  if (reduction == "mean" && !factors)
    return n.out(0, n.reduce(loss, "mean", all, false));
  Value total = n.reduce(loss, "sum", all, false);
  n.out(0, reduction == "sum" ? total : n.div(total, n.reduce(factors, "sum", all, false)));
}

void handlers::negativeLogLikelihoodLoss(Node &n) { lossOf(n, n.in(0), n.in(1), n.in(2)); }

void handlers::softmaxCrossEntropyLoss(Node &n) {
  Value logs = n.softmax(n.in(0), 1, true);
  lossOf(n, logs, n.in(1), n.in(2));
  n.out(1, logs);
}
