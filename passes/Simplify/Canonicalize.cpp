// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Simplify/Match.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace bessemer::simplify {
#define GEN_PASS_DEF_BESSEMERCANONICALIZEBESS
#include "passes/Simplify/Passes.h.inc"
} // namespace bessemer::simplify

using namespace mlir;
using namespace bessemer;
using namespace bessemer::simplify;

namespace {
struct CanonicalizeBess : bessemer::simplify::impl::BessemerCanonicalizeBessBase<CanonicalizeBess> {
  CanonicalizeBess() = default;
  explicit CanonicalizeBess(const SimplifyContext &context) : context(context) {}

  void runOnOperation() override {
    Matcher matcher(context);
    RewritePatternSet patterns(&getContext());
    addElementwisePatterns(patterns, matcher);
    addMovePatterns(patterns, matcher);
    addMatmulPatterns(patterns, matcher);
    addConvPatterns(patterns, matcher);
    addAttentionLayoutPatterns(patterns, matcher);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      return signalPassFailure();
  }

  SimplifyContext context;
};
} // namespace

std::unique_ptr<Pass> simplify::createCanonicalizeBessPass(const SimplifyContext &context) {
  return std::make_unique<CanonicalizeBess>(context);
}
