// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Simplify/Match.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace bessemer::simplify {
#define GEN_PASS_DEF_BESSEMERRAISE
#include "passes/Simplify/Passes.h.inc"
} // namespace bessemer::simplify

using namespace mlir;
using namespace bessemer;
using namespace bessemer::simplify;

namespace {
struct Raise : bessemer::simplify::impl::BessemerRaiseBase<Raise> {
  Raise() = default;
  explicit Raise(const SimplifyContext &context) : context(context) {}

  using AddPatterns = void (*)(RewritePatternSet &, Matcher &);

  LogicalResult apply(Matcher &matcher, std::initializer_list<AddPatterns> groups) {
    RewritePatternSet patterns(&getContext());
    for (AddPatterns add : groups)
      add(patterns, matcher);
    return applyPatternsGreedily(getOperation(), std::move(patterns));
  }

  void runOnOperation() override {
    Matcher matcher(context);
    // Attention is built on softmax, and what it reads may be a rope: small ones first.
    if (failed(apply(matcher, {addNormPatterns, addGeluPatterns, addSoftmaxPatterns, addRopePatterns})) ||
        failed(apply(matcher, {addAttentionPatterns})))
      return signalPassFailure();
  }

  SimplifyContext context;
};
} // namespace

std::unique_ptr<Pass> simplify::createRaisePass(const SimplifyContext &context) {
  return std::make_unique<Raise>(context);
}
