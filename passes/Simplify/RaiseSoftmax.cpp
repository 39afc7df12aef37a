// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// exp(x - max(x)) / sum(exp(x - max(x))), and the same without the maximum.
#include "passes/Simplify/Match.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::simplify;

namespace {
/// A reduction along one axis that is kept as 1.
bess::ReduceOp matchReduce(Value value, StringRef kind) {
  auto reduce = value.getDefiningOp<bess::ReduceOp>();
  return reduce && reduce.getKind() == kind && reduce.getKeepdims() && reduce.getAxes().size() == 1 ? reduce
                                                                                                    : bess::ReduceOp();
}

struct RaiseSoftmax : MatchPattern<bess::DivOp> {
  using MatchPattern::MatchPattern;
  LogicalResult matchAndRewrite(bess::DivOp op, PatternRewriter &rewriter) const override {
    Value x = operandOf<bess::ExpOp>(op.getA());
    bess::ReduceOp sum = matchReduce(op.getB(), "sum");
    if (!x || !sum)
      return failure();
    if (sum.getX() != op.getA())
      return matcher.miss(op, "softmax", "expected the sum to be of the exponentials above it");
    int64_t axis = sum.getAxes()[0];
    if (auto sub = x.getDefiningOp<bess::SubOp>())
      if (bess::ReduceOp max = matchReduce(sub.getB(), "max");
          max && max.getX() == sub.getA() && max.getAxes()[0] == axis)
        x = sub.getA();
    if (x.getType() != op.getType())
      return failure();
    Location loc = locationOf(op, x);
    auto softmax = bess::SoftmaxOp::create(rewriter, loc, op.getType(), x, static_cast<uint64_t>(axis), /*log=*/false);
    rewriter.replaceOp(op, softmax);
    return success();
  }
};

/// log(softmax(x)) without the loss of small probabilities.
struct RaiseLogSoftmax : MatchPattern<bess::LogOp> {
  using MatchPattern::MatchPattern;
  LogicalResult matchAndRewrite(bess::LogOp op, PatternRewriter &rewriter) const override {
    auto softmax = op.getX().getDefiningOp<bess::SoftmaxOp>();
    if (!softmax || softmax.getLog() || !softmax->hasOneUse())
      return failure();
    Location loc = locationOf(op, softmax.getX());
    rewriter.replaceOp(
        op, bess::SoftmaxOp::create(rewriter, loc, op.getType(), softmax.getX(), softmax.getAxis(), /*log=*/true));
    return success();
  }
};
} // namespace

void simplify::addSoftmaxPatterns(RewritePatternSet &patterns, Matcher &matcher) {
  patterns.add<RaiseSoftmax, RaiseLogSoftmax>(patterns.getContext(), matcher, /*benefit=*/1);
}
