// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Elementwise ops whose meaning needs more than one op of arith or math:
// division, remainders and shifts of integers, powers.
#include "passes/Tile/ProgramBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tilegen;

/// `x` as a float of type `to`; `graph` says whether an integer is signed.
static Value asFloat(ProgramBuilder &p, Value x, Type graph, Type to, ArrayRef<Extent> extents) {
  Type from = getElementTypeOrSelf(x.getType());
  RankedTensorType type = tileType(extents, to);
  if (from == to)
    return x;
  if (isa<FloatType>(from))
    return from.getIntOrFloatBitWidth() < to.getIntOrFloatBitWidth() ? Value(arith::ExtFOp::create(p.b, type, x))
                                                                     : Value(arith::TruncFOp::create(p.b, type, x));
  bool isUnsigned = graph.isUnsignedInteger() || graph.isInteger(1);
  return isUnsigned ? Value(arith::UIToFPOp::create(p.b, type, x)) : Value(arith::SIToFPOp::create(p.b, type, x));
}

/// The divisor, 1 where it is 0: that stops the run.
Value ProgramBuilder::safeDivisor(Value divisor, ArrayRef<Extent> extents) {
  Type element = getElementTypeOrSelf(divisor.getType());
  Value isZero = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, divisor, constant(0, element, extents));
  Value ok = arith::XOrIOp::create(b, isZero, constant(1, b.getI1Type(), extents));
  if (existing)
    ok = arith::OrIOp::create(b, ok, arith::XOrIOp::create(b, existing, constant(1, b.getI1Type(), extents)));
  tile::CheckOp::create(b, ok, "divisor");
  return arith::SelectOp::create(b, isZero, constant(1, element, extents), divisor);
}

Value ProgramBuilder::arithmetic(Operation *op, ValueRange operands, ArrayRef<Extent> extents) {
  Type graph = getElementTypeOrSelf(op->getOperand(0).getType()), element = getElementTypeOrSelf(operands[0].getType());
  Type graphResult = getElementTypeOrSelf(op->getResult(0).getType());
  bool isFloat = isa<FloatType>(element), isUnsigned = graph.isUnsignedInteger() || graph.isInteger(1);
  Value x = operands[0], y = operands.size() > 1 ? operands[1] : Value();
  auto c = [&](double value) { return constant(value, element, extents); };
  auto compare = [&](arith::CmpIPredicate predicate, Value l, Value r) -> Value {
    return arith::CmpIOp::create(b, predicate, l, r);
  };

  if (isa<DivOp, ModOp>(op) && !isFloat) {
    bool isDiv = isa<DivOp>(op);
    y = safeDivisor(y, extents);
    if (isUnsigned)
      return isDiv ? Value(arith::DivUIOp::create(b, x, y)) : Value(arith::RemUIOp::create(b, x, y));
    // The smallest number by -1 has no quotient: it is its own negative.
    Value minusOne = compare(arith::CmpIPredicate::eq, y, c(-1));
    Value divisor = arith::SelectOp::create(b, minusOne, c(1), y);
    if (isDiv)
      return arith::SelectOp::create(b, minusOne, arith::SubIOp::create(b, c(0), x),
                                     arith::DivSIOp::create(b, x, divisor));
    Value rest = arith::RemSIOp::create(b, x, divisor);
    if (cast<ModOp>(op).getFmod())
      return rest;
    Value differs = compare(arith::CmpIPredicate::slt, arith::XOrIOp::create(b, rest, y), c(0));
    Value wrong = arith::AndIOp::create(b, differs, compare(arith::CmpIPredicate::ne, rest, c(0)));
    return arith::SelectOp::create(b, wrong, arith::AddIOp::create(b, rest, y), rest);
  }
  if (auto mod = dyn_cast<ModOp>(op)) {
    Value rest = arith::RemFOp::create(b, x, y);
    if (mod.getFmod())
      return rest;
    Value restNegative = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, rest, c(0));
    Value divisorNegative = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, y, c(0));
    Value nonZero = arith::CmpFOp::create(b, arith::CmpFPredicate::UNE, rest, c(0));
    Value wrong = arith::AndIOp::create(b, nonZero, arith::XOrIOp::create(b, restNegative, divisorNegative));
    return arith::SelectOp::create(b, wrong, arith::AddFOp::create(b, rest, y), rest);
  }
  if (isa<ShiftLeftOp, ShiftRightOp>(op)) {
    // A shift by all bits or more leaves 0, or the sign.
    unsigned bits = element.getIntOrFloatBitWidth();
    Value fits = compare(arith::CmpIPredicate::ult, y, c(bits)),
          amount = arith::SelectOp::create(b, fits, y, c(bits - 1));
    if (isa<ShiftRightOp>(op) && !isUnsigned)
      return arith::ShRSIOp::create(b, x, amount);
    Value shifted =
        isa<ShiftLeftOp>(op) ? Value(arith::ShLIOp::create(b, x, amount)) : Value(arith::ShRUIOp::create(b, x, amount));
    return arith::SelectOp::create(b, fits, shifted, c(0));
  }
  if (auto inf = dyn_cast<IsInfOp>(op)) {
    if (!isFloat)
      return {};
    double infinity = std::numeric_limits<double>::infinity();
    Value high = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, x, c(infinity));
    Value low = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, x, c(-infinity));
    if (inf.getDetectNegative() && inf.getDetectPositive())
      return arith::OrIOp::create(b, high, low);
    Value none = constant(0, b.getI1Type(), extents);
    return inf.getDetectNegative() ? low : inf.getDetectPositive() ? high : none;
  }
  if (isa<SignOp>(op)) {
    if (isUnsigned)
      return arith::SelectOp::create(b, compare(arith::CmpIPredicate::ne, x, c(0)), c(1), c(0));
    Value negative = arith::SelectOp::create(b, compare(arith::CmpIPredicate::slt, x, c(0)), c(-1), c(0));
    return arith::SelectOp::create(b, compare(arith::CmpIPredicate::sgt, x, c(0)), c(1), negative);
  }
  if (auto pow = dyn_cast<PowOp>(op)) {
    Type graphB = getElementTypeOrSelf(pow.getB().getType());
    bool whole = isa<IntegerType>(graph) && isa<IntegerType>(graphB);
    if (whole)
      return {};
    // An integer to a float power needs the digits of f64.
    Type type = isFloat ? element : Type(b.getF64Type());
    Value power =
        math::PowFOp::create(b, asFloat(*this, x, graph, type, extents), asFloat(*this, y, graphB, type, extents));
    return isFloat ? power : floatToInteger(power, graphResult, extents);
  }
  if (!isFloat)
    return {};
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case<TanOp>([&](auto) { return math::TanOp::create(b, x); })
      .Case<AsinOp>([&](auto) { return math::AsinOp::create(b, x); })
      .Case<AcosOp>([&](auto) { return math::AcosOp::create(b, x); })
      .Case<AtanOp>([&](auto) { return math::AtanOp::create(b, x); })
      .Case<SinhOp>([&](auto) { return math::SinhOp::create(b, x); })
      .Case<CoshOp>([&](auto) { return math::CoshOp::create(b, x); })
      .Case<AsinhOp>([&](auto) { return math::AsinhOp::create(b, x); })
      .Case<AcoshOp>([&](auto) { return math::AcoshOp::create(b, x); })
      .Case<AtanhOp>([&](auto) { return math::AtanhOp::create(b, x); })
      .Default([](Operation *) { return Value(); });
}
