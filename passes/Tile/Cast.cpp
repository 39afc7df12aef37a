// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Conversions between element types. By way of the types that programs compute
// in: a float that none computes in is decoded first and encoded last.
#include "passes/Tile/NarrowTypes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <limits>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tilegen;

/// Truncated to 64 bits, with saturation; NaN is 0. Then the low bits.
Value ProgramBuilder::floatToInteger(Value x, Type graphTo, ArrayRef<Extent> extents) {
  Type from = getElementTypeOrSelf(x.getType()), i64 = b.getI64Type(), to = computeType(graphTo);
  double largest = from.isF64() ? 0x1.fffffffffffffp62 : 0x1.fffffep62;
  auto compare = [&](arith::CmpFPredicate predicate, double value) -> Value {
    return arith::CmpFOp::create(b, predicate, x, constant(value, from, extents));
  };
  auto toSigned = [&](Value value) -> Value {
    Value safe = arith::MaximumFOp::create(b, arith::MinimumFOp::create(b, value, constant(largest, from, extents)),
                                           constant(-0x1p63, from, extents));
    return arith::FPToSIOp::create(b, tileType(extents, i64), safe);
  };
  auto whole = [&](int64_t value) {
    return splat(arith::ConstantOp::create(b, b.getIntegerAttr(i64, value)), extents);
  };
  Value isNumber = arith::CmpFOp::create(b, arith::CmpFPredicate::ORD, x, x);
  x = arith::SelectOp::create(b, isNumber, x, constant(0, from, extents));
  Value wide = toSigned(x), isLarge = compare(arith::CmpFPredicate::OGE, 0x1p63);
  Value most = whole(std::numeric_limits<int64_t>::max());
  if (graphTo.isUnsignedInteger(64)) {
    Value rest = toSigned(arith::SubFOp::create(b, x, constant(0x1p63, from, extents)));
    rest = arith::XOrIOp::create(b, rest, whole(std::numeric_limits<int64_t>::min()));
    most = arith::SelectOp::create(b, compare(arith::CmpFPredicate::OGE, 0x1p64), whole(-1), rest);
  }
  wide = arith::SelectOp::create(b, isLarge, most, wide);
  if (to == i64)
    return wide;
  return wrapNarrowInteger(*this, arith::TruncIOp::create(b, tileType(extents, to), wide), graphTo, extents);
}

Value ProgramBuilder::convert(CastOp op, Value x, ArrayRef<Extent> extents) {
  Type graphFrom = getElementTypeOrSelf(op.getX().getType()), graphTo = getElementTypeOrSelf(op.getY().getType());
  Type from = getElementTypeOrSelf(x.getType()), to = computeType(graphTo);
  RankedTensorType type = tileType(extents, to);
  if (graphFrom == graphTo)
    return x;
  if (isNarrowFloat(graphFrom)) {
    from = to.isF64() ? Type(b.getF64Type()) : Type(b.getF32Type());
    x = decodeNarrowFloat(*this, x, graphFrom, cast<FloatType>(from), extents);
  }
  bool isFloat = isa<FloatType>(from), isUnsigned = graphFrom.isUnsignedInteger() || graphFrom.isInteger(1);
  if (graphTo.isInteger(1))
    return isFloat ? Value(arith::CmpFOp::create(b, arith::CmpFPredicate::UNE, x, constant(0, from, extents)))
                   : Value(arith::CmpIOp::create(b, arith::CmpIPredicate::ne, x, constant(0, from, extents)));
  auto toFloat = [&](Type wanted) -> Value {
    RankedTensorType floats = tileType(extents, wanted);
    return isUnsigned ? Value(arith::UIToFPOp::create(b, floats, x)) : Value(arith::SIToFPOp::create(b, floats, x));
  };
  if (isNarrowFloat(graphTo)) {
    // All digits of an integer.
    if (!isFloat)
      x = toFloat(from.getIntOrFloatBitWidth() > 16 ? Type(b.getF64Type()) : Type(b.getF32Type()));
    return encodeNarrowFloat(*this, x, graphTo, op.getSaturate(), op.getRoundMode(), extents);
  }
  if (isFloat && isa<FloatType>(to)) {
    // A detour through a narrower float rounds.
    if (graphTo != to)
      return arith::ExtFOp::create(b, type, arith::TruncFOp::create(b, tileType(extents, graphTo), x).getResult());
    if (from == to)
      return x;
    return from.getIntOrFloatBitWidth() < to.getIntOrFloatBitWidth() ? Value(arith::ExtFOp::create(b, type, x))
                                                                     : Value(arith::TruncFOp::create(b, type, x));
  }
  if (isa<FloatType>(to))
    return toFloat(to);
  if (isFloat)
    return floatToInteger(x, graphTo, extents);
  if (from.getIntOrFloatBitWidth() > to.getIntOrFloatBitWidth())
    x = arith::TruncIOp::create(b, type, x);
  else if (from != to)
    x = isUnsigned ? Value(arith::ExtUIOp::create(b, type, x)) : Value(arith::ExtSIOp::create(b, type, x));
  return wrapNarrowInteger(*this, x, graphTo, extents);
}

/// The same bits: not of what is computed in another width than it is stored, but for float16 and bfloat16.
Value ProgramBuilder::bitcast(BitcastOp op, Value x, ArrayRef<Extent> extents) {
  Type graphFrom = getElementTypeOrSelf(op.getX().getType()), graphTo = getElementTypeOrSelf(op.getY().getType());
  Type to = computeType(graphTo);
  if (graphFrom == graphTo)
    return x;
  if (graphFrom.isInteger(1) || graphTo.isInteger(1))
    return graphTo.isInteger(1)
               ? Value(arith::CmpIOp::create(b, arith::CmpIPredicate::ne, x, constant(0, b.getI8Type(), extents)))
               : Value(arith::ExtUIOp::create(b, tileType(extents, to), x));
  if (graphFrom.isF16() || graphFrom.isBF16())
    x = arith::TruncFOp::create(b, tileType(extents, graphFrom), x);
  if (graphTo.isF16() || graphTo.isBF16()) {
    Value bits = arith::BitcastOp::create(b, tileType(extents, graphTo), x);
    return arith::ExtFOp::create(b, tileType(extents, to), bits);
  }
  if (to != getElementTypeOrSelf(x.getType()))
    x = arith::BitcastOp::create(b, tileType(extents, to), x);
  return wrapNarrowInteger(*this, x, graphTo, extents);
}
