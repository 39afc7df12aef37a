// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The methods are the usual ones (Muller, "Elementary Functions"): reduce the
// argument, sum a series, undo the reduction.
#include "passes/Lower/Gpu/DeviceMath.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <cmath>
#include <limits>

using namespace mlir;

namespace {
/// Expressions of f64 values.
struct Expressions {
  ImplicitLocOpBuilder &b;
  using V = Value;

  V c(double value) { return arith::ConstantOp::create(b, b.getF64FloatAttr(value)); }
  V i(int64_t value) { return arith::ConstantOp::create(b, b.getI64IntegerAttr(value)); }
  V add(V x, V y) { return arith::AddFOp::create(b, x, y); }
  V sub(V x, V y) { return arith::SubFOp::create(b, x, y); }
  V mul(V x, V y) { return arith::MulFOp::create(b, x, y); }
  V div(V x, V y) { return arith::DivFOp::create(b, x, y); }
  V fma(V x, V y, V z) { return math::FmaOp::create(b, x, y, z); }
  V neg(V x) { return arith::NegFOp::create(b, x); }
  V abs(V x) { return math::AbsFOp::create(b, x); }
  V sqrt(V x) { return math::SqrtOp::create(b, x); }
  V round(V x) { return math::RoundEvenOp::create(b, x); }
  V withSign(V x, V sign) { return math::CopySignOp::create(b, x, sign); }
  V select(V condition, V x, V y) { return arith::SelectOp::create(b, condition, x, y); }
  V less(V x, V y) { return arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, x, y); }
  V equal(V x, V y) { return arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, x, y); }
  V isNan(V x) { return arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, x, x); }
  V both(V x, V y) { return arith::AndIOp::create(b, x, y); }
  V toInt(V x) { return arith::FPToSIOp::create(b, b.getI64Type(), x); }
  V fromInt(V x) { return arith::SIToFPOp::create(b, b.getF64Type(), x); }
  V bits(V x) { return arith::BitcastOp::create(b, b.getI64Type(), x); }
  V fromBits(V x) { return arith::BitcastOp::create(b, b.getF64Type(), x); }
  V infinity() { return c(std::numeric_limits<double>::infinity()); }
  V nan() { return c(std::numeric_limits<double>::quiet_NaN()); }
  V isBit(V x, int64_t bit) {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, arith::AndIOp::create(b, x, i(bit)), i(0));
  }

  /// a0 + x * (a1 + x * ...)
  V polynomial(V x, ArrayRef<double> coefficients) {
    V sum = c(coefficients.back());
    for (double a : llvm::reverse(coefficients.drop_back()))
      sum = fma(sum, x, c(a));
    return sum;
  }
  /// Coefficients sign^k / (2k + first)!.
  static SmallVector<double> factorials(int first, int step, int count, double sign) {
    SmallVector<double> list;
    double value = 1;
    for (int n = 2; n <= first; ++n)
      value /= n;
    for (int k = 0; k < count; ++k) {
      list.push_back(value);
      for (int n = 1; n <= step; ++n)
        value /= first + k * step + n;
      value *= sign;
    }
    return list;
  }
  static SmallVector<double> odds(int count, double sign) {
    SmallVector<double> list;
    for (int k = 0; k < count; ++k)
      list.push_back((k % 2 ? sign : 1) / (2 * k + 1));
    return list;
  }

  /// 2^k for a whole k between -1022 and 1023.
  V power2(V k) {
    V shifted = arith::ShLIOp::create(b, arith::AddIOp::create(b, k, i(1023)), i(52));
    return fromBits(shifted);
  }

  /// x = k ln2 + r; e^r by its series; times 2^k in two steps, for results below the normal range.
  V exp(V x) {
    V clamped = arith::MaximumFOp::create(b, arith::MinimumFOp::create(b, x, c(720)), c(-760));
    clamped = select(isNan(x), c(0), clamped);
    V k = round(mul(clamped, c(M_LOG2E)));
    V r = fma(k, c(-0x1.62e42fefa39efp-1), clamped);
    r = fma(k, c(-0x1.abc9e3b39803fp-56), r);
    V series = polynomial(r, factorials(0, 1, 15, 1));
    V whole = toInt(k), half = arith::ShRSIOp::create(b, whole, i(1));
    V result = mul(mul(series, power2(half)), power2(arith::SubIOp::create(b, whole, half)));
    return select(isNan(x), x, result);
  }
  V expm1(V x) {
    V small = mul(x, polynomial(x, factorials(1, 1, 18, 1)));
    return select(less(abs(x), c(0.5)), small, sub(exp(x), c(1)));
  }

  /// x = 2^e m with m about 1; log m = 2 artanh((m - 1) / (m + 1)).
  V log(V x) {
    V tiny = less(x, c(0x1p-1022));
    V scaled = select(tiny, mul(x, c(0x1p54)), x);
    V raw = bits(scaled);
    // The exponent of m, taken so that m lies between sqrt(1/2) and sqrt(2).
    V moved = arith::SubIOp::create(b, raw, i(0x3fe6a09e667f3bcd));
    V e = arith::ShRSIOp::create(b, moved, i(52));
    V m = fromBits(arith::SubIOp::create(b, raw, arith::ShLIOp::create(b, e, i(52))));
    V f = div(sub(m, c(1)), add(m, c(1))), s = mul(f, f);
    V logM = mul(mul(c(2), f), polynomial(s, odds(14, 1)));
    V k = sub(fromInt(e), select(tiny, c(54), c(0)));
    V result = add(mul(k, c(0x1.62e42fefa3800p-1)), fma(k, c(0x1.ef35793c76730p-45), logM));
    result = select(equal(x, infinity()), x, result);
    result = select(equal(x, c(0)), neg(infinity()), result);
    return select(arith::CmpFOp::create(b, arith::CmpFPredicate::ULT, x, c(0)), nan(), result);
  }
  /// Kahan's correction for what 1 + x has lost.
  V log1p(V x) {
    V u = add(c(1), x);
    V corrected = mul(log(u), div(x, sub(u, c(1))));
    V result = select(equal(u, c(1)), x, corrected);
    result = select(equal(x, infinity()), x, result);
    return select(equal(x, c(-1)), neg(infinity()), result);
  }

  /// The sine of x, or with `shift` 1 its cosine: x = k pi/2 + r.
  V sine(V x, int64_t shift) {
    V finite = less(abs(x), infinity());
    V safe = select(finite, x, c(0));
    V k = round(mul(safe, c(M_2_PI)));
    V r = fma(k, c(-0x1.921fb54400000p+0), safe);
    r = fma(k, c(-0x1.0b4611a600000p-34), r);
    r = fma(k, c(-0x1.3198a2e037073p-69), r);
    V s = mul(r, r);
    V sinR = mul(r, polynomial(s, factorials(1, 2, 10, -1))), cosR = polynomial(s, factorials(0, 2, 11, -1));
    V quadrant = arith::AddIOp::create(b, toInt(k), i(shift));
    V value = select(isBit(quadrant, 1), cosR, sinR);
    value = select(isBit(quadrant, 2), neg(value), value);
    return select(finite, value, nan());
  }

  /// Twice: atan x = 2 atan(x / (1 + sqrt(1 + x^2))); large x by pi/2 - atan(1/x).
  V atan(V x) {
    V a = abs(x), large = less(c(1), a);
    V t = select(large, div(c(1), a), a);
    for (int halving = 0; halving < 2; ++halving)
      t = div(t, add(c(1), sqrt(fma(t, t, c(1)))));
    V result = mul(mul(c(4), t), polynomial(mul(t, t), odds(12, -1)));
    result = select(large, sub(c(M_PI_2), result), result);
    return withSign(result, x);
  }
  V atan2(V y, V x) {
    V result = atan(div(abs(y), abs(x)));
    result = select(both(equal(y, c(0)), equal(x, c(0))), c(0), result);
    result = select(both(equal(abs(y), infinity()), equal(abs(x), infinity())), c(M_PI_4), result);
    V negative = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, bits(x), i(0));
    result = select(negative, sub(c(M_PI), result), result);
    result = withSign(result, y);
    return select(isNan(x), x, select(isNan(y), y, result));
  }
  V asin(V x) { return atan(div(x, sqrt(mul(sub(c(1), x), add(c(1), x))))); }
  V acos(V x) { return mul(c(2), atan(sqrt(div(sub(c(1), x), add(c(1), x))))); }

  V tanh(V x) {
    V a = abs(x), t = expm1(mul(c(2), arith::MinimumFOp::create(b, a, c(25))));
    V result = withSign(div(t, add(t, c(2))), x);
    return select(isNan(x), x, result);
  }
  V sinh(V x) {
    V t = expm1(abs(x));
    // (t + t / (t + 1)) / 2; of large x half of e^x in two factors.
    V half = exp(mul(c(0.5), abs(x)));
    V result = select(less(abs(x), c(20)), mul(c(0.5), add(t, div(t, add(t, c(1))))), mul(mul(c(0.5), half), half));
    return withSign(result, x);
  }
  V cosh(V x) {
    V half = exp(mul(c(0.5), abs(x))), e = mul(half, half);
    return select(less(abs(x), c(20)), mul(c(0.5), add(e, div(c(1), e))), mul(mul(c(0.5), half), half));
  }
  V asinh(V x) {
    V a = abs(x), square = mul(a, a);
    V small = log1p(add(a, div(square, add(c(1), sqrt(add(square, c(1)))))));
    V large = add(log(a), c(M_LN2));
    return withSign(select(less(a, c(1e8)), small, large), x);
  }
  V acosh(V x) {
    V t = sub(x, c(1));
    V small = log1p(add(t, sqrt(mul(t, add(t, c(2))))));
    return select(less(x, c(1e8)), small, add(log(x), c(M_LN2)));
  }
  V atanh(V x) {
    V a = abs(x);
    return withSign(mul(c(0.5), log1p(div(mul(c(2), a), sub(c(1), a)))), x);
  }

  /// All terms of erf x = 2/sqrt(pi) e^(-x^2) x sum (2 x^2)^n / (1 3 5 .. (2n + 1)) are positive.
  V erf(V x) {
    V a = arith::MinimumFOp::create(b, abs(x), c(6)), square = mul(a, a), twice = add(square, square);
    Value first = arith::ConstantIndexOp::create(b, 0), last = arith::ConstantIndexOp::create(b, 130),
          one = arith::ConstantIndexOp::create(b, 1);
    auto loop = scf::ForOp::create(b, first, last, one, ValueRange{c(1), c(1), c(3)});
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(loop.getBody());
      V term = div(mul(loop.getRegionIterArgs()[0], twice), loop.getRegionIterArgs()[2]);
      scf::YieldOp::create(
          b, ValueRange{term, add(loop.getRegionIterArgs()[1], term), add(loop.getRegionIterArgs()[2], c(2))});
    }
    V result = mul(mul(c(M_2_SQRTPI), mul(exp(neg(square)), a)), loop.getResult(1));
    result = select(less(c(5.95), a), c(1), result);
    return select(isNan(x), x, withSign(result, x));
  }
  V cbrt(V x) {
    V a = abs(x), special = arith::OrIOp::create(b, equal(a, c(0)), equal(a, infinity()));
    V root = exp(div(log(a), c(3)));
    // One step of Newton's.
    root = sub(root, div(sub(root, div(a, mul(root, root))), c(3)));
    return withSign(select(special, a, root), x);
  }

  V pow(V x, V y) {
    V a = abs(x);
    V result = exp(mul(y, log(a)));
    // Whole and odd exponents keep the sign of a negative base; others have no value.
    V huge = less(c(0x1p53), abs(y)), safe = select(huge, c(0), y);
    V whole = arith::OrIOp::create(b, huge, equal(math::FloorOp::create(b, y), y));
    V odd = both(equal(math::FloorOp::create(b, safe), safe),
                 isBit(toInt(select(less(abs(safe), c(0x1p53)), safe, c(0))), 1));
    V negative = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, bits(x), i(0));
    V isNegative = less(x, c(0));
    V signedResult = select(both(negative, odd), neg(result), result);
    signedResult = select(both(both(isNegative, less(a, infinity())),
                               arith::XOrIOp::create(b, whole, arith::ConstantOp::create(b, b.getBoolAttr(true)))),
                          nan(), signedResult);
    signedResult = select(both(equal(a, c(1)), equal(abs(y), infinity())), c(1), signedResult);
    signedResult = select(isNan(x), x, signedResult);
    signedResult = select(isNan(y), y, signedResult);
    return select(arith::OrIOp::create(b, equal(y, c(0)), equal(x, c(1))), c(1), signedResult);
  }
};

using Unary = Value (*)(Expressions &, Value);
using Binary = Value (*)(Expressions &, Value, Value);

bool isWide(Type type) { return type.isF64(); }
bool isAny(Type type) { return type.isF64() || type.isF32() || type.isF16() || type.isBF16(); }

/// `narrowToo`: of f32 and less as well, for which upstream has no polynomial.
template <class Op> struct Expand : OpRewritePattern<Op> {
  Expand(MLIRContext *context, bool narrowToo, std::function<Value(Expressions &, ValueRange)> make)
      : OpRewritePattern<Op>(context, /*benefit=*/10), narrowToo(narrowToo), make(std::move(make)) {}

  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    Type type = op.getType();
    if (!(narrowToo ? isAny(type) : isWide(type)))
      return failure();
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    SmallVector<Value> operands;
    for (Value operand : op->getOperands())
      operands.push_back(type.isF64() ? operand : Value(arith::ExtFOp::create(b, b.getF64Type(), operand)));
    Expressions expressions{b};
    Value result = make(expressions, operands);
    if (!type.isF64())
      result = arith::TruncFOp::create(b, type, result);
    rewriter.replaceOp(op, result);
    return success();
  }

  bool narrowToo;
  std::function<Value(Expressions &, ValueRange)> make;
};

/// exp(x) = 2^t (1 + r ln 2), t = x log2(e) as f32 has it and r what that lost: eight instructions, within 4 ulp (those
/// of the instruction are 2). Beyond the bounds it is 0 and infinity already; a NaN passes both.
struct ExpByInstruction : OpRewritePattern<math::ExpOp> {
  ExpByInstruction(MLIRContext *context) : OpRewritePattern(context, /*benefit=*/10) {}

  LogicalResult matchAndRewrite(math::ExpOp op, PatternRewriter &rewriter) const override {
    if (!op.getType().isF32())
      return failure();
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto c = [&](float value) -> Value { return arith::ConstantOp::create(b, b.getF32FloatAttr(value)); };
    Value x = arith::MaximumFOp::create(b, arith::MinimumFOp::create(b, op.getOperand(), c(89)), c(-104));
    Value t = arith::MulFOp::create(b, x, c(0x1.715476p+0f));
    Value r = math::FmaOp::create(b, x, c(0x1.715476p+0f), arith::NegFOp::create(b, t));
    r = math::FmaOp::create(b, x, c(0x1.4ae0cp-26f), r);
    Value power = bessemer::gpu::exp2ByInstruction(b, op.getLoc(), t);
    rewriter.replaceOpWithNewOp<arith::MulFOp>(op, power, math::FmaOp::create(b, r, c(0x1.62e43p-1f), c(1)));
    return success();
  }
};
} // namespace

Value bessemer::gpu::exp2ByInstruction(OpBuilder &b, Location loc, Value x) {
  // The text is in bessemer/Support/InlinePtx.def.
  return LLVM::InlineAsmOp::create(b, loc, x.getType(), x, "ex2.approx.ftz.f32 $0, $1;", "=f,f",
                                   /*has_side_effects=*/false, /*is_align_stack=*/false, LLVM::TailCallKind::None,
                                   LLVM::AsmDialectAttr(), ArrayAttr())
      .getRes();
}

void bessemer::gpu::addExpByInstruction(RewritePatternSet &patterns) {
  patterns.add<ExpByInstruction>(patterns.getContext());
}

void bessemer::gpu::populateDeviceMath(RewritePatternSet &patterns) {
  MLIRContext *context = patterns.getContext();
  using E = Expressions;
  using R = ValueRange;
  // Upstream has no polynomial of these, or one that loses digits far from zero.
  patterns.add<Expand<math::SinOp>>(context, true, [](E &e, R x) { return e.sine(x[0], 0); });
  patterns.add<Expand<math::CosOp>>(context, true, [](E &e, R x) { return e.sine(x[0], 1); });
  patterns.add<Expand<math::TanOp>>(context, true, [](E &e, R x) { return e.div(e.sine(x[0], 0), e.sine(x[0], 1)); });
  patterns.add<Expand<math::PowFOp>>(context, true, [](E &e, R x) { return e.pow(x[0], x[1]); });
  patterns.add<Expand<math::SinhOp>>(context, true, [](E &e, R x) { return e.sinh(x[0]); });
  patterns.add<Expand<math::CoshOp>>(context, true, [](E &e, R x) { return e.cosh(x[0]); });
  patterns.add<Expand<math::AsinOp>>(context, true, [](E &e, R x) { return e.asin(x[0]); });
  patterns.add<Expand<math::AcosOp>>(context, true, [](E &e, R x) { return e.acos(x[0]); });
  patterns.add<Expand<math::AsinhOp>>(context, true, [](E &e, R x) { return e.asinh(x[0]); });
  patterns.add<Expand<math::AcoshOp>>(context, true, [](E &e, R x) { return e.acosh(x[0]); });
  patterns.add<Expand<math::AtanhOp>>(context, true, [](E &e, R x) { return e.atanh(x[0]); });
  patterns.add<Expand<math::CbrtOp>>(context, true, [](E &e, R x) { return e.cbrt(x[0]); });
  // Of f64 there is nothing upstream.
  patterns.add<Expand<math::ExpOp>>(context, false, [](E &e, R x) { return e.exp(x[0]); });
  patterns.add<Expand<math::Exp2Op>>(context, false, [](E &e, R x) { return e.exp(e.mul(x[0], e.c(M_LN2))); });
  patterns.add<Expand<math::ExpM1Op>>(context, false, [](E &e, R x) { return e.expm1(x[0]); });
  patterns.add<Expand<math::LogOp>>(context, false, [](E &e, R x) { return e.log(x[0]); });
  patterns.add<Expand<math::Log2Op>>(context, false, [](E &e, R x) { return e.mul(e.log(x[0]), e.c(M_LOG2E)); });
  patterns.add<Expand<math::Log10Op>>(context, false, [](E &e, R x) { return e.mul(e.log(x[0]), e.c(M_LOG10E)); });
  patterns.add<Expand<math::Log1pOp>>(context, false, [](E &e, R x) { return e.log1p(x[0]); });
  patterns.add<Expand<math::TanhOp>>(context, false, [](E &e, R x) { return e.tanh(x[0]); });
  patterns.add<Expand<math::ErfOp>>(context, false, [](E &e, R x) { return e.erf(x[0]); });
  patterns.add<Expand<math::AtanOp>>(context, true, [](E &e, R x) { return e.atan(x[0]); });
  patterns.add<Expand<math::Atan2Op>>(context, true, [](E &e, R x) { return e.atan2(x[0], x[1]); });
}
