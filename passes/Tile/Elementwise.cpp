// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Elementwise bess ops as arith and math on tiles.
#include "passes/Tile/ProgramBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tilegen;

Value ProgramBuilder::sigmoid(Value x, ArrayRef<Extent> extents) {
  Type element = getElementTypeOrSelf(x.getType());
  Value one = constant(1, element, extents);
  Value e = math::ExpOp::create(b, arith::NegFOp::create(b, x));
  return arith::DivFOp::create(b, one, arith::AddFOp::create(b, one, e));
}

Value ProgramBuilder::gelu(Value x, StringRef approximate, ArrayRef<Extent> extents) {
  Type element = getElementTypeOrSelf(x.getType());
  auto c = [&](double value) { return constant(value, element, extents); };
  auto times = [&](Value l, Value r) -> Value { return arith::MulFOp::create(b, l, r); };
  auto plus = [&](Value l, Value r) -> Value { return arith::AddFOp::create(b, l, r); };
  if (approximate == "sigmoid")
    return times(x, sigmoid(times(x, c(1.702)), extents));
  Value inner;
  if (approximate == "tanh") {
    // sqrt(2/pi) (x + 0.044715 x^3)
    Value cube = times(times(x, x), times(x, c(0.044715)));
    inner = math::TanhOp::create(b, times(plus(x, cube), c(std::sqrt(2 / M_PI))));
  } else {
    inner = math::ErfOp::create(b, times(x, c(M_SQRT1_2)));
  }
  return times(times(x, c(0.5)), plus(inner, c(1)));
}

static arith::CmpFPredicate floatPredicate(Operation *op) {
  return llvm::TypeSwitch<Operation *, arith::CmpFPredicate>(op)
      .Case<EqualOp>([](auto) { return arith::CmpFPredicate::OEQ; })
      .Case<NotEqualOp>([](auto) { return arith::CmpFPredicate::UNE; })
      .Case<LessOp>([](auto) { return arith::CmpFPredicate::OLT; })
      .Case<LessEqualOp>([](auto) { return arith::CmpFPredicate::OLE; })
      .Case<GreaterOp>([](auto) { return arith::CmpFPredicate::OGT; })
      .Default([](auto) { return arith::CmpFPredicate::OGE; });
}

static arith::CmpIPredicate integerPredicate(Operation *op, bool isUnsigned) {
  using P = arith::CmpIPredicate;
  return llvm::TypeSwitch<Operation *, P>(op)
      .Case<EqualOp>([](auto) { return P::eq; })
      .Case<NotEqualOp>([](auto) { return P::ne; })
      .Case<LessOp>([&](auto) { return isUnsigned ? P::ult : P::slt; })
      .Case<LessEqualOp>([&](auto) { return isUnsigned ? P::ule : P::sle; })
      .Case<GreaterOp>([&](auto) { return isUnsigned ? P::ugt : P::sgt; })
      .Default([&](auto) { return isUnsigned ? P::uge : P::sge; });
}

/// The exponent of a pow that is a product or a square root.
static std::optional<double> knownExponent(Operation *op) {
  auto pow = dyn_cast<PowOp>(op);
  auto constant = pow ? pow.getB().getDefiningOp<ConstantOp>() : ConstantOp();
  auto splat = constant ? dyn_cast<SplatElementsAttr>(constant.getValue()) : SplatElementsAttr();
  if (!splat || !isa<FloatType>(splat.getElementType()))
    return std::nullopt;
  double value = splat.getSplatValue<APFloat>().convertToDouble();
  return llvm::is_contained({1.0, 2.0, 3.0, -1.0, 0.5, -0.5}, value) ? std::optional<double>(value) : std::nullopt;
}

Value ProgramBuilder::elementwise(Operation *op, ValueRange operands, ArrayRef<Extent> extents) {
  Type graphElement = getElementTypeOrSelf(op->getOperand(op->getNumOperands() - 1).getType());
  bool isFloat = isa<FloatType>(graphElement);
  bool isUnsigned = graphElement.isUnsignedInteger() || graphElement.isInteger(1);
  Type element = computeType(graphElement);
  Value x = operands[0];
  auto c = [&](double value) { return constant(value, element, extents); };
  auto unary = [&]<typename Op>(std::type_identity<Op>) -> Value { return Op::create(b, x); };
  auto either = [&]<typename F, typename I>(std::type_identity<F>, std::type_identity<I>) -> Value {
    return isFloat ? Value(F::create(b, x, operands[1])) : Value(I::create(b, x, operands[1]));
  };
  auto bits = [&]<typename Op>(std::type_identity<Op>) -> Value { return Op::create(b, x, operands[1]); };
#define OP(T) std::type_identity<T>()

  if (isa<EqualOp, NotEqualOp, LessOp, LessEqualOp, GreaterOp, GreaterEqualOp>(op))
    return isFloat ? Value(arith::CmpFOp::create(b, floatPredicate(op), x, operands[1]))
                   : Value(arith::CmpIOp::create(b, integerPredicate(op, isUnsigned), x, operands[1]));
  if (isa<AddOp>(op))
    return either(OP(arith::AddFOp), OP(arith::AddIOp));
  if (isa<SubOp>(op))
    return either(OP(arith::SubFOp), OP(arith::SubIOp));
  if (isa<MulOp>(op))
    return either(OP(arith::MulFOp), OP(arith::MulIOp));
  if (isa<DivOp>(op) && isFloat)
    return arith::DivFOp::create(b, x, operands[1]);
  if (isa<MinOp>(op))
    return isUnsigned ? bits(OP(arith::MinUIOp)) : either(OP(arith::MinimumFOp), OP(arith::MinSIOp));
  if (isa<MaxOp>(op))
    return isUnsigned ? bits(OP(arith::MaxUIOp)) : either(OP(arith::MaximumFOp), OP(arith::MaxSIOp));
  if (isa<AndOp, BitwiseAndOp>(op))
    return bits(OP(arith::AndIOp));
  if (isa<OrOp, BitwiseOrOp>(op))
    return bits(OP(arith::OrIOp));
  if (isa<XorOp, BitwiseXorOp>(op))
    return bits(OP(arith::XOrIOp));
  if (isa<NotOp, BitwiseNotOp>(op))
    return arith::XOrIOp::create(b, x, c(-1));
  if (isa<WhereOp>(op))
    return arith::SelectOp::create(b, x, operands[1], operands[2]);
  if (isa<AbsOp>(op)) {
    if (isFloat)
      return unary(OP(math::AbsFOp));
    return isUnsigned ? x : unary(OP(math::AbsIOp));
  }
  if (isa<NegOp>(op))
    return isFloat ? unary(OP(arith::NegFOp)) : Value(arith::SubIOp::create(b, c(0), x));
  if (isa<ReluOp>(op))
    return isFloat      ? Value(arith::MaximumFOp::create(b, x, c(0)))
           : isUnsigned ? x
                        : Value(arith::MaxSIOp::create(b, x, c(0)));
  if (isa<SignOp>(op) && isFloat) {
    Value positive = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, x, c(0));
    Value negative = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, x, c(0));
    // Neither: zero or NaN, which stay what they are.
    return arith::SelectOp::create(b, positive, c(1), arith::SelectOp::create(b, negative, c(-1), x));
  }
  bool onFloats = isa<IsNanOp, ExpOp, LogOp, SqrtOp, RsqrtOp, ReciprocalOp, TanhOp, ErfOp, SinOp, CosOp, SigmoidOp,
                      SoftplusOp, GeluOp>(op);
  if (onFloats && !isFloat)
    return {};
  if (isa<IsNanOp>(op))
    return arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, x, x);
  if (isa<ExpOp>(op))
    return unary(OP(math::ExpOp));
  if (isa<LogOp>(op))
    return unary(OP(math::LogOp));
  if (isa<SqrtOp>(op))
    return unary(OP(math::SqrtOp));
  if (isa<RsqrtOp>(op))
    return arith::DivFOp::create(b, c(1), math::SqrtOp::create(b, x));
  if (isa<ReciprocalOp>(op))
    return arith::DivFOp::create(b, c(1), x);
  if (isa<TanhOp>(op))
    return unary(OP(math::TanhOp));
  if (isa<ErfOp>(op))
    return unary(OP(math::ErfOp));
  if (isa<SinOp>(op))
    return unary(OP(math::SinOp));
  if (isa<CosOp>(op))
    return unary(OP(math::CosOp));
  if (isa<FloorOp>(op))
    return isFloat ? unary(OP(math::FloorOp)) : x;
  if (isa<CeilOp>(op))
    return isFloat ? unary(OP(math::CeilOp)) : x;
  if (isa<RoundOp>(op))
    return isFloat ? unary(OP(math::RoundEvenOp)) : x;
  if (isa<SigmoidOp>(op))
    return sigmoid(x, extents);
  if (isa<SoftplusOp>(op)) {
    // max(x, 0) + log1p(exp(-|x|)) does not overflow.
    Value e = math::ExpOp::create(b, arith::NegFOp::create(b, math::AbsFOp::create(b, x)));
    return arith::AddFOp::create(b, arith::MaximumFOp::create(b, x, c(0)), math::Log1pOp::create(b, e));
  }
  if (auto geluOp = dyn_cast<GeluOp>(op))
    return gelu(x, geluOp.getApproximate(), extents);
  std::optional<double> exponent = isFloat ? knownExponent(op) : std::nullopt;
  if (exponent) {
    double value = *exponent;
    if (value == 1)
      return x;
    if (value == 2)
      return arith::MulFOp::create(b, x, x);
    if (value == 3)
      return arith::MulFOp::create(b, arith::MulFOp::create(b, x, x), x);
    if (value == -1)
      return arith::DivFOp::create(b, c(1), x);
    Value root = math::SqrtOp::create(b, x);
    return value == 0.5 ? root : Value(arith::DivFOp::create(b, c(1), root));
  }
  if (auto castOp = dyn_cast<CastOp>(op))
    return convert(castOp, x, extents);
  if (auto bitcastOp = dyn_cast<BitcastOp>(op))
    return bitcast(bitcastOp, x, extents);
  return arithmetic(op, operands, extents);
#undef OP
}
