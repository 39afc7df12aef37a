// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GELU in its three forms. All are products of x, a constant and one more
// factor; products are flattened, so that the order in which an exporter
// multiplies does not matter:
//
//   erf      0.5 * x * (1 + erf(x * 0.7071))
//   tanh     0.5 * x * (1 + tanh(0.79788 * (x + 0.044715 * x^3)))
//   sigmoid  x * sigmoid(1.702 * x)
#include "passes/Simplify/Match.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::simplify;

namespace {
constexpr double sqrtHalf = 0.70710678118654752, sqrtTwoOverPi = 0.79788456080286536, cubic = 0.044715;

struct RaiseGelu : MatchPattern<bess::MulOp> {
  using MatchPattern::MatchPattern;

  LogicalResult matchAndRewrite(bess::MulOp op, PatternRewriter &rewriter) const override {
    if (!isa<FloatType>(typeOf(op).getElementType()))
      return failure();
    // The factor that is no x: found first, since it says what x is.
    for (Value factor : matcher.product(op).factors)
      if (Gate gate = matchGate(factor); gate.x)
        if (succeeded(raise(op, factor, gate, rewriter)))
          return success();
    return failure();
  }

private:
  struct Gate {
    Value x;
    double constant = 0; ///< that the product must have besides
    StringRef form;
  };

  Gate matchGate(Value value) const {
    if (Value t = operandOf<bess::SigmoidOp>(value)) {
      Matcher::Product inner = matcher.product(t);
      if (inner.factors.size() == 1 && isClose(inner.constant, 1.702))
        return {inner.factors[0], 1, "sigmoid"};
      return {};
    }
    auto plusOne = matcher.withConstant<bess::AddOp>(value);
    if (!plusOne || plusOne->second != 1)
      return {};
    if (Value t = operandOf<bess::ErfOp>(plusOne->first))
      return matchErf(t);
    if (Value t = operandOf<bess::TanhOp>(plusOne->first))
      return {matchTanh(t), 0.5, "tanh"};
    return {};
  }

  /// t = x / sqrt(2); x may be a product itself.
  Gate matchErf(Value t) const {
    if (auto scaled = matcher.withConstant<bess::MulOp>(t); scaled && isClose(scaled->second, sqrtHalf))
      return {scaled->first, 0.5, "none"};
    auto div = t.getDefiningOp<bess::DivOp>();
    std::optional<double> divisor = div ? matcher.splat(div.getB()) : std::nullopt;
    if (divisor && isClose(*divisor, 2 * sqrtHalf))
      return {div.getA(), 0.5, "none"};
    Operation *op = t.getDefiningOp() ? t.getDefiningOp() : t.getParentBlock()->getParentOp();
    matcher.note(op, "gelu", "expected the operand of erf to be x / sqrt(2)");
    return {};
  }

  /// x of sqrt(2/pi) * (x + 0.044715 x^3) or sqrt(2/pi) * x * (1 + 0.044715 x^2).
  Value matchTanh(Value t) const {
    Matcher::Product product = matcher.product(t);
    if (!isClose(product.constant, sqrtTwoOverPi))
      return {};
    if (product.factors.size() == 1) {
      auto sum = product.factors[0].getDefiningOp<bess::AddOp>();
      if (!sum)
        return {};
      for (auto [x, term] : {std::pair<Value, Value>{sum.getA(), sum.getB()}, {sum.getB(), sum.getA()}})
        if (isPower(term, x, 3))
          return x;
      return {};
    }
    if (product.factors.size() != 2)
      return {};
    for (auto [x, sum] :
         {std::pair<Value, Value>{product.factors[0], product.factors[1]}, {product.factors[1], product.factors[0]}})
      if (auto plusOne = matcher.withConstant<bess::AddOp>(sum);
          plusOne && plusOne->second == 1 && isPower(plusOne->first, x, 2))
        return x;
    return {};
  }

  /// Is `value` 0.044715 * x^exponent?
  bool isPower(Value value, Value x, int exponent) const {
    Matcher::Product product = matcher.product(value, x);
    int found = 0;
    for (Value factor : product.factors) {
      if (factor == x)
        found += 1;
      else if (auto pow = factor.getDefiningOp<bess::PowOp>(); pow && pow.getA() == x)
        found += static_cast<int>(matcher.splat(pow.getB()).value_or(99));
      else
        return false;
    }
    return found == exponent && isClose(product.constant, cubic);
  }

  LogicalResult raise(bess::MulOp op, Value factor, const Gate &gate, PatternRewriter &rewriter) const {
    Matcher::Product product = matcher.product(op, gate.x);
    bool others = product.factors.size() == 2 && llvm::is_contained(product.factors, gate.x) &&
                  llvm::is_contained(product.factors, factor);
    if (!others || !isClose(product.constant, gate.constant) || gate.x.getType() != op.getType())
      return failure();
    Location loc = locationOf(op, gate.x);
    rewriter.replaceOp(op, bess::GeluOp::create(rewriter, loc, op.getType(), gate.x, gate.form));
    return success();
  }
};
} // namespace

void simplify::addGeluPatterns(RewritePatternSet &patterns, Matcher &matcher) {
  patterns.add<RaiseGelu>(patterns.getContext(), matcher, /*benefit=*/1);
}
