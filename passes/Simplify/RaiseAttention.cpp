// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention from its two products, the softmax between them, and what exporters
// write around them.
#include "passes/Simplify/Attention.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::simplify;

namespace {
struct RaiseAttention : MatchPattern<bess::MatmulOp> {
  using MatchPattern::MatchPattern;

  LogicalResult matchAndRewrite(bess::MatmulOp op, PatternRewriter &rewriter) const override {
    std::optional<AttentionMatch> match = matchAttention(matcher, op);
    if (!match)
      return failure();
    if (!masksFit(*match))
      return matcher.miss(op, "attention", "expected a mask that broadcasts to the scores");
    Location loc = locationOf(op, {match->q, match->k, match->v});
    rewriter.setInsertionPoint(op);
    bool isRank3 = rankOf(op.getY()) == 3;
    Value q = match->q, k = match->k, v = match->v;
    if (isRank3)
      for (Value *operand : {&q, &k, &v})
        *operand = insertHeads(*operand, rewriter);
    Value mask = buildMask(*match, op.getLoc(), isRank3, rewriter);

    // The transpose back to [B, S, H, D] is part of the attention when it is all that reads it.
    Operation *last = op;
    StringRef yLayout = "bhsd";
    if (op->hasOneUse() && !isRank3)
      if (auto transpose = dyn_cast<bess::TransposeOp>(*op->user_begin()))
        if (transpose.getPermutation() == ArrayRef<int64_t>({0, 2, 1, 3})) {
          last = transpose;
          yLayout = "bshd";
          loc = rewriter.getFusedLoc({loc, transpose.getLoc()});
          rewriter.setInsertionPoint(last);
        }
    Type type = last->getResult(0).getType();
    if (isRank3)
      type = withHeads(op.getY());
    auto attention = bess::AttentionOp::create(
        rewriter, loc, type, q, k, v, mask, /*valid=*/Value(), APFloat(match->scale), match->causal,
        match->causalBottomRight, APFloat(match->softcap), match->qLayout, match->kLayout, match->vLayout, yLayout);
    Value result = attention.getY();
    if (isRank3)
      result = bess::ReshapeOp::create(rewriter, loc, op.getType(), result);
    rewriter.replaceOp(last, result);
    return success();
  }

private:
  /// [N, S, D] as [N, 1, S, D].
  static RankedTensorType withHeads(Value value) {
    Dims dims = dimsOf(value);
    dims.insert(dims.begin() + 1, SymbolicExpr(1));
    return bess::getTensorType(dims, typeOf(value).getElementType());
  }
  static Value insertHeads(Value value, PatternRewriter &rewriter) {
    return bess::ReshapeOp::create(rewriter, value.getLoc(), withHeads(value), value);
  }

  static bool masksFit(AttentionMatch &match) {
    Value scores = match.scores.getY();
    return llvm::all_of(match.masks, [&](const MaskTerm &term) {
      return rankOf(term.value) <= rankOf(scores) && isTrailing(term.value, scores, 0) &&
             (term.isCondition || isa<FloatType>(typeOf(term.value).getElementType()));
    });
  }

  static Value constant(double value, Type element, Location loc, PatternRewriter &rewriter) {
    auto type = RankedTensorType::get({}, element);
    // The largest magnitude stays finite in a narrower type.
    APFloat number(value);
    const llvm::fltSemantics &semantics = cast<FloatType>(element).getFloatSemantics();
    APFloat largest = APFloat::getLargest(semantics, /*Negative=*/value < 0);
    bool lossy;
    number.convert(semantics, APFloat::rmTowardZero, &lossy);
    if (std::isfinite(value) && number.isInfinity())
      number = largest;
    return bess::ConstantOp::create(rewriter, loc, type, DenseElementsAttr::get(type, number));
  }

  /// All terms as one: a condition when it is alone and hides with -inf, else
  /// a sum of what is added to the scores.
  static Value buildMask(AttentionMatch &match, Location loc, bool isRank3, PatternRewriter &rewriter) {
    Value mask;
    if (match.masks.size() == 1 && match.masks[0].isCondition &&
        match.masks[0].fill == -std::numeric_limits<double>::infinity()) {
      mask = match.masks[0].value;
      if (!match.masks[0].keepsWhereTrue)
        mask = bess::NotOp::create(rewriter, loc, mask.getType(), mask);
    } else {
      Type element = typeOf(match.scores.getY()).getElementType();
      for (const MaskTerm &term : match.masks) {
        Value added = term.value;
        if (term.isCondition) {
          Value zero = constant(0, element, loc, rewriter), fill = constant(term.fill, element, loc, rewriter);
          auto type = bess::getTensorType(dimsOf(term.value), element);
          added = bess::WhereOp::create(rewriter, loc, type, term.value, term.keepsWhereTrue ? zero : fill,
                                        term.keepsWhereTrue ? fill : zero);
        }
        mask = mask ? addMasks(mask, added, loc, rewriter) : added;
      }
    }
    return mask && isRank3 && rankOf(mask) == 3 ? insertHeads(mask, rewriter) : mask;
  }

  static Value addMasks(Value a, Value b, Location loc, PatternRewriter &rewriter) {
    if (typeOf(a).getElementType() != typeOf(b).getElementType())
      b = bess::CastOp::create(rewriter, loc, bess::getTensorType(dimsOf(b), typeOf(a).getElementType()), b,
                               typeOf(a).getElementType());
    // They broadcast to the scores, so they broadcast with each other.
    FailureOr<Dims> dims = bess::broadcastDims({dimsOf(a), dimsOf(b)});
    return bess::AddOp::create(rewriter, loc, bess::getTensorType(*dims, typeOf(a).getElementType()), a, b);
  }
};
} // namespace

void simplify::addAttentionPatterns(RewritePatternSet &patterns, Matcher &matcher) {
  patterns.add<RaiseAttention>(patterns.getContext(), matcher, /*benefit=*/1);
}
