// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Upstream's polynomials choose between ranges and handle infinities by
// selects: some thirty (exp) and sixty (erf) instructions. These have 15 and 19,
// without a branch or a division, on vectors of any width. Coefficients are
// minimax fits in double, rounded; the bounds were measured over all
// floats of the range by test/python/test_math_accuracy.py.
#include "passes/Lower/MathApproximation.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;

namespace {
/// Arithmetic on values of one type: f32 or vectors of it.
class Floats {
public:
  Floats(ImplicitLocOpBuilder &b, Type type) : b(b), type(type) {}

  Value constant(float value) { return of(b.getF32FloatAttr(value), type); }
  Value integer(int32_t value) { return of(b.getI32IntegerAttr(value), integers()); }
  Value multiplyAdd(Value x, Value y, Value z) { return math::FmaOp::create(b, x, y, z); }
  Value polynomial(Value x, ArrayRef<float> coefficients) {
    Value result = constant(coefficients.back());
    for (float c : llvm::reverse(coefficients.drop_back()))
      result = multiplyAdd(result, x, constant(c));
    return result;
  }
  /// A NaN in `x` stays one: the comparison is false.
  Value atMost(Value x, float limit) { return bounded(x, limit, arith::CmpFPredicate::OGT); }
  Value atLeast(Value x, float limit) { return bounded(x, limit, arith::CmpFPredicate::OLT); }
  Type integers() {
    Type i32 = b.getI32Type();
    auto shaped = dyn_cast<ShapedType>(type);
    return shaped ? Type(shaped.clone(i32)) : i32;
  }

private:
  Value bounded(Value x, float limit, arith::CmpFPredicate beyond) {
    Value bound = constant(limit);
    return arith::SelectOp::create(b, arith::CmpFOp::create(b, beyond, x, bound), bound, x);
  }
  Value of(TypedAttr value, Type wanted) {
    if (auto shaped = dyn_cast<ShapedType>(wanted))
      return arith::ConstantOp::create(b, DenseElementsAttr::get(shaped, Attribute(value)));
    return arith::ConstantOp::create(b, value);
  }

  ImplicitLocOpBuilder &b;
  Type type;
};

/// exp(x) = 2^n * exp(r), n = round(x / ln 2), r = x - n ln 2 in two parts. Adding 1.5 * 2^23 rounds to an integer,
/// which then is in the low bits. 2^(n - 1) is multiplied, so that n = 128 still has an exponent, and what
/// overflows becomes infinity; the polynomial is of 2 exp(r).
struct ExpToPolynomial : OpRewritePattern<math::ExpOp> {
  ExpToPolynomial(MLIRContext *context) : OpRewritePattern(context, /*benefit=*/2) {}

  LogicalResult matchAndRewrite(math::ExpOp op, PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getType()).isF32())
      return failure();
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Floats f(b, op.getType());
    constexpr float smallest = -86.98f, largest = 89.0f, toInteger = 12582912.0f;
    Value x = f.atMost(op.getOperand(), largest);
    Value shifted = f.multiplyAdd(x, f.constant(1.44269504f), f.constant(toInteger));
    Value n = arith::SubFOp::create(b, shifted, f.constant(toInteger));
    Value r = f.multiplyAdd(n, f.constant(-0.693359375f), x);
    r = f.multiplyAdd(n, f.constant(2.12194440e-4f), r);
    Value p = f.polynomial(r, {2.0f, 2.0f, 2 * 0.4999999403953552f, 2 * 0.166665181517601f, 2 * 0.041668422520160675f,
                               2 * 0.008369063027203083f, 2 * 0.0013813880505040288f});
    Value exponent = arith::ShLIOp::create(b, arith::BitcastOp::create(b, f.integers(), shifted), f.integer(23));
    exponent = arith::AddIOp::create(b, exponent, f.integer(126 << 23));
    Value result = arith::MulFOp::create(b, p, arith::BitcastOp::create(b, op.getType(), exponent));
    // Below, n has no exponent and what was computed is nothing; a NaN stays.
    Value inRange = arith::CmpFOp::create(b, arith::CmpFPredicate::UGE, op.getOperand(), f.constant(smallest));
    rewriter.replaceOpWithNewOp<arith::SelectOp>(op, inRange, result, f.constant(0));
    return success();
  }
};

/// erf(x) = x * P(x^2) up to where it rounds to 1. P is in s = 2 x^2 / 3.84^2 - 1, for in x^2 itself its terms would
/// cancel; its last bits are such that the product is exactly 1 at the end.
struct ErfToPolynomial : OpRewritePattern<math::ErfOp> {
  ErfToPolynomial(MLIRContext *context) : OpRewritePattern(context, /*benefit=*/2) {}

  LogicalResult matchAndRewrite(math::ErfOp op, PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getType()).isF32())
      return failure();
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Floats f(b, op.getType());
    constexpr float end = 0x1.eb851ep+1f;
    Value x = f.atMost(f.atLeast(op.getOperand(), -end), end);
    Value s = f.multiplyAdd(arith::MulFOp::create(b, x, x), f.constant(0x1.15c71ep-3f), f.constant(-1));
    Value p = f.polynomial(s, {0x1.7913c6p-2f, -0x1.785a36p-3f, 0x1.179654p-3f, -0x1.c4c298p-4f, 0x1.740172p-4f,
                               -0x1.2bd28cp-4f, 0x1.cc7376p-5f, -0x1.478d2p-5f, 0x1.c73328p-6f, -0x1.48dbcp-6f,
                               0x1.6ff8c4p-7f, -0x1.9e05bp-9f, 0x1.287b14p-9f, -0x1.abe0ecp-9f, 0x1.5e9304p-10f});
    rewriter.replaceOpWithNewOp<arith::MulFOp>(op, x, p);
    return success();
  }
};
} // namespace

void bessemer::addExpPattern(RewritePatternSet &patterns) { patterns.add<ExpToPolynomial>(patterns.getContext()); }
void bessemer::addErfPattern(RewritePatternSet &patterns) { patterns.add<ErfToPolynomial>(patterns.getContext()); }
