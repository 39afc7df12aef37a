// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Layer norm and RMS norm. Both are matched at the op that multiplies by
// 1 / sqrt(variance + epsilon); scale and bias are then looked for behind it.
#include "passes/Simplify/Match.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::simplify;

namespace {
/// x * 1/sqrt(v), however it is written.
struct Normalized {
  Value x, variance; ///< variance: what the root is taken of
};

/// v of 1 / sqrt(v).
Value matchRsqrt(Matcher &matcher, Value value) {
  if (Value x = operandOf<bess::RsqrtOp>(value))
    return x;
  if (Value x = operandOf<bess::ReciprocalOp>(value))
    return operandOf<bess::SqrtOp>(x);
  if (auto div = value.getDefiningOp<bess::DivOp>())
    return matcher.isSplat(div.getA(), 1) ? operandOf<bess::SqrtOp>(div.getB()) : Value();
  if (auto pow = value.getDefiningOp<bess::PowOp>())
    return matcher.isSplat(pow.getB(), -0.5) ? pow.getA() : Value();
  return {};
}

std::optional<Normalized> matchNormalized(Matcher &matcher, Operation *op) {
  if (auto div = dyn_cast<bess::DivOp>(op)) {
    if (Value variance = operandOf<bess::SqrtOp>(div.getB()))
      return Normalized{div.getA(), variance};
    if (auto pow = div.getB().getDefiningOp<bess::PowOp>())
      if (matcher.isSplat(pow.getB(), 0.5))
        return Normalized{div.getA(), pow.getA()};
    return std::nullopt;
  }
  auto mul = dyn_cast<bess::MulOp>(op);
  if (!mul)
    return std::nullopt;
  for (auto [x, factor] : {std::pair<Value, Value>{mul.getA(), mul.getB()}, {mul.getB(), mul.getA()}})
    if (Value variance = matchRsqrt(matcher, factor))
      return Normalized{x, variance};
  return std::nullopt;
}

/// The mean over the dimensions from some axis on, which are kept as 1.
struct Mean {
  Value of;
  int64_t axis;
};
std::optional<Mean> matchMean(Value value) {
  auto reduce = value.getDefiningOp<bess::ReduceOp>();
  if (!reduce || reduce.getKind() != "mean" || !reduce.getKeepdims() || reduce.getAxes().empty())
    return std::nullopt;
  int64_t first = *llvm::min_element(reduce.getAxes());
  if (first + static_cast<int64_t>(reduce.getAxes().size()) != rankOf(reduce.getX()))
    return std::nullopt;
  return Mean{reduce.getX(), first};
}

/// x of x - mean(x).
std::optional<Mean> matchCentered(Value value) {
  auto sub = value.getDefiningOp<bess::SubOp>();
  if (!sub)
    return std::nullopt;
  std::optional<Mean> mean = matchMean(sub.getB());
  if (!mean || mean->of != sub.getA())
    return std::nullopt;
  return mean;
}

/// The one op that reads `value`, if it is an OpTy.
template <class OpTy> OpTy onlyUser(Value value) {
  return value.hasOneUse() ? dyn_cast<OpTy>(*value.user_begin()) : OpTy();
}

/// The operand of a binary op that is not `value`.
template <class OpTy> Value otherOperand(OpTy op, Value value) { return op.getA() == value ? op.getB() : op.getA(); }

struct RaiseNorm : RewritePattern {
  RaiseNorm(MLIRContext *context, Matcher &matcher, StringRef root)
      : RewritePattern(root, /*benefit=*/2, context), matcher(matcher) {}

  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    std::optional<Normalized> normalized = matchNormalized(matcher, op);
    if (!normalized || !isa<FloatType>(typeOf(op->getResult(0)).getElementType()))
      return failure();
    auto withEpsilon = matcher.withConstant<bess::AddOp>(normalized->variance);
    if (!withEpsilon)
      return failure();
    auto [variance, epsilon] = *withEpsilon;
    auto reduce = variance.getDefiningOp<bess::ReduceOp>();
    if (!reduce || reduce.getKind() != "mean")
      return failure();
    std::optional<Mean> mean = matchMean(variance);
    if (!mean)
      return matcher.miss(op, "layer_norm", "expected the variance over the last dimensions, kept as 1");
    Value squared = matcher.powerOf(mean->of, 2);
    if (!squared)
      return matcher.miss(op, "layer_norm", "expected the variance to be a mean of squares");
    if (std::optional<Mean> centered = matchCentered(normalized->x)) {
      std::optional<Mean> other = matchCentered(squared);
      if (other && other->of == centered->of && other->axis == centered->axis && mean->axis == centered->axis)
        return raiseLayerNorm(op, centered->of, mean->axis, epsilon, rewriter);
    }
    if (squared == normalized->x)
      return raiseRmsNorm(op, squared, mean->axis, epsilon, rewriter);
    return matcher.miss(op, "layer_norm", "expected what is normalized to be what the variance is of");
  }

private:
  /// A splat for the missing scale, or null when the extents are not known.
  Value makeOnes(Value x, int64_t axis, Location loc, PatternRewriter &rewriter) const {
    RankedTensorType type = typeOf(x);
    ArrayRef<int64_t> shape = type.getShape().drop_front(axis);
    if (llvm::any_of(shape, ShapedType::isDynamic))
      shape = ArrayRef<int64_t>(); // a scalar broadcasts as well
    auto constantType = RankedTensorType::get(shape, type.getElementType());
    auto ones = DenseElementsAttr::get(constantType, rewriter.getFloatAttr(type.getElementType(), 1.0).getValue());
    return bess::ConstantOp::create(rewriter, loc, constantType, ones);
  }

  /// x in the type in which it was before a cast to a wider float, when the
  /// result `last` is cast back to that type; `last` then moves to that cast.
  static Value narrow(Value x, Operation *&last) {
    auto widening = x.getDefiningOp<bess::CastOp>();
    auto narrowing = onlyUser<bess::CastOp>(last->getResult(0));
    if (!widening || !narrowing || typeOf(widening.getX()) != typeOf(narrowing.getY()))
      return x;
    last = narrowing;
    return widening.getX();
  }

  LogicalResult raiseLayerNorm(Operation *core, Value x, int64_t axis, double epsilon,
                               PatternRewriter &rewriter) const {
    Operation *last = core;
    Value scale, bias;
    x = narrow(x, last);
    if (auto mul = onlyUser<bess::MulOp>(last->getResult(0))) {
      Value other = otherOperand(mul, last->getResult(0));
      if (isTrailing(other, x, axis) && mul.getType() == last->getResult(0).getType()) {
        scale = other;
        last = mul;
      }
    }
    if (auto add = onlyUser<bess::AddOp>(last->getResult(0))) {
      Value other = otherOperand(add, last->getResult(0));
      if (isTrailing(other, x, axis) && add.getType() == last->getResult(0).getType()) {
        bias = other;
        last = add;
      }
    }
    Value leaves[] = {x, scale, bias};
    Location loc = locationOf(last, leaves);
    rewriter.setInsertionPoint(last);
    if (!scale)
      scale = makeOnes(x, axis, loc, rewriter);
    auto norm = bess::LayerNormOp::create(rewriter, loc, x.getType(), x, scale, bias, static_cast<uint64_t>(axis),
                                          APFloat(epsilon));
    return replaceKeepingType(rewriter, last, norm);
  }

  LogicalResult raiseRmsNorm(Operation *core, Value x, int64_t axis, double epsilon, PatternRewriter &rewriter) const {
    Operation *last = core;
    Value scale;
    x = narrow(x, last);
    if (auto mul = onlyUser<bess::MulOp>(last->getResult(0))) {
      Value other = otherOperand(mul, last->getResult(0));
      if (isTrailing(other, x, axis) && mul.getType() == last->getResult(0).getType()) {
        scale = other;
        last = mul;
      }
    }
    Value leaves[] = {x, scale};
    Location loc = locationOf(last, leaves);
    rewriter.setInsertionPoint(last);
    if (!scale)
      scale = makeOnes(x, axis, loc, rewriter);
    auto norm =
        bess::RmsNormOp::create(rewriter, loc, x.getType(), x, scale, static_cast<uint64_t>(axis), APFloat(epsilon));
    return replaceKeepingType(rewriter, last, norm);
  }

  Matcher &matcher;
};
} // namespace

void simplify::addNormPatterns(RewritePatternSet &patterns, Matcher &matcher) {
  patterns.add<RaiseNorm>(patterns.getContext(), matcher, bess::DivOp::getOperationName());
  patterns.add<RaiseNorm>(patterns.getContext(), matcher, bess::MulOp::getOperationName());
}
