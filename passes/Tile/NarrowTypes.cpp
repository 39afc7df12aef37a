// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The formats are those of bessemer/Kernels/FloatFormat.h, which names the
// sources; here they are code, free of branches and of denormal numbers, which
// count as zero in kernels.
#include "passes/Tile/NarrowTypes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cmath>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::tilegen;

namespace {
enum class Specials {
  Ieee,      ///< infinities and NaNs
  OneNan,    ///< all ones is NaN, no infinities (e4m3fn)
  MinusZero, ///< the code of -0 is NaN, no infinities (fnuz)
  None,      ///< every code is finite (e2m1): NaN becomes -0, as ONNX has it
};

struct Format {
  int exponentBits, mantissaBits, bias;
  Specials specials;

  int64_t signBit() const { return int64_t(1) << (exponentBits + mantissaBits); }
  int64_t infinity() const { return signBit() - (int64_t(1) << mantissaBits); }
  int64_t largest() const {
    return specials == Specials::Ieee ? infinity() - 1 : signBit() - (specials == Specials::OneNan ? 2 : 1);
  }
  int smallestExponent() const { return 1 - bias; }
};

Format formatOf(Type type) {
  if (isa<Float8E5M2Type>(type))
    return {5, 2, 15, Specials::Ieee};
  if (isa<Float8E4M3FNType>(type))
    return {4, 3, 7, Specials::OneNan};
  if (isa<Float8E4M3FNUZType>(type))
    return {4, 3, 8, Specials::MinusZero};
  if (isa<Float8E5M2FNUZType>(type))
    return {5, 2, 16, Specials::MinusZero};
  return {2, 1, 1, Specials::None}; // Float4E2M1FNType
}

/// Arithmetic on the bits of f32 or f64.
struct Bits {
  ProgramBuilder &p;
  ArrayRef<Extent> extents;
  FloatType type;
  IntegerType integer;
  int mantissaBits, bias;

  Bits(ProgramBuilder &p, FloatType type, ArrayRef<Extent> extents)
      : p(p), extents(extents), type(type), integer(IntegerType::get(type.getContext(), type.getWidth())),
        mantissaBits(type.getFPMantissaWidth() - 1), bias(type.isF64() ? 1023 : 127) {}

  Value constant(int64_t value) {
    return p.splat(arith::ConstantOp::create(p.b, p.b.getIntegerAttr(integer, value)), extents);
  }
  Value real(double value) { return p.constant(value, type, extents); }
  template <typename Op> Value apply(Value x, int64_t y) { return Op::create(p.b, x, constant(y)); }
  Value add(Value x, int64_t y) { return apply<arith::AddIOp>(x, y); }
  Value add(Value x, Value y) { return arith::AddIOp::create(p.b, x, y); }
  Value both(Value x, int64_t y) { return apply<arith::AndIOp>(x, y); }
  Value left(Value x, int64_t y) { return apply<arith::ShLIOp>(x, y); }
  Value right(Value x, int64_t y) { return apply<arith::ShRUIOp>(x, y); }
  Value compare(arith::CmpIPredicate predicate, Value x, int64_t y) {
    return arith::CmpIOp::create(p.b, predicate, x, constant(y));
  }
  Value choose(Value condition, Value x, Value y) { return arith::SelectOp::create(p.b, condition, x, y); }
  Value choose(Value condition, int64_t x, Value y) { return choose(condition, constant(x), y); }
  Value asReal(Value bits) { return arith::BitcastOp::create(p.b, tileType(extents, type), bits); }
  Value asBits(Value x) { return arith::BitcastOp::create(p.b, tileType(extents, integer), x); }
  Value widen(Value x) { return arith::ExtUIOp::create(p.b, tileType(extents, integer), x); }
  Value toByte(Value x) { return arith::TruncIOp::create(p.b, tileType(extents, p.b.getI8Type()), x); }
  int64_t sign() const { return int64_t(1) << (integer.getWidth() - 1); }
  int64_t infinity() const { return int64_t(2 * bias + 1) << mantissaBits; }
};

using Predicate = arith::CmpIPredicate;

/// 2^(code - 127); the lowest is a denormal number of f32, made of its bits.
Value decodeScale(Bits &w, Value code) {
  Value bits = w.left(w.add(code, w.bias - 127), w.mantissaBits);
  if (w.type.isF32())
    bits = w.choose(w.compare(Predicate::eq, code, 0), int64_t(1) << (w.mantissaBits - 1), bits);
  bits = w.choose(w.compare(Predicate::eq, code, 255), w.infinity() | (int64_t(1) << (w.mantissaBits - 1)), bits);
  return w.asReal(bits);
}

Value encodeScale(Bits &w, Value x, bool saturate, StringRef roundMode) {
  constexpr int64_t nan = 255;
  int64_t one = int64_t(1) << w.mantissaBits, outside = saturate ? 254 : nan;
  Value magnitude = w.both(w.asBits(x), ~w.sign()), fraction = w.both(magnitude, one - 1);
  Value code = w.add(w.right(magnitude, w.mantissaBits), 127 - w.bias);
  // 2^-127 and what lies between it and 2^-126: denormal numbers of f32.
  int64_t smallest = w.type.isF32() ? one / 2 : int64_t(w.bias - 127) << w.mantissaBits;
  if (w.type.isF32())
    fraction = w.choose(w.compare(Predicate::ult, magnitude, one), w.both(w.left(fraction, 1), one - 1), fraction);
  if (roundMode != "down") {
    Value up = roundMode == "up" ? w.compare(Predicate::ne, fraction, 0) : w.compare(Predicate::uge, fraction, one / 2);
    code = w.choose(up, w.add(code, 1), code);
  }
  code = w.choose(w.compare(Predicate::sgt, code, 254), outside, code);
  code = w.choose(w.compare(Predicate::ult, magnitude, smallest), saturate ? 0 : nan, code);
  return w.toByte(w.choose(w.compare(Predicate::ugt, magnitude, w.infinity()), nan, code));
}
} // namespace

bool tilegen::isNarrowFloat(Type element) { return isa<FloatType>(element) && element.getIntOrFloatBitWidth() <= 8; }

int64_t tilegen::elementsPerByte(Type element) {
  unsigned bits = element.isIntOrFloat() && !element.isInteger(1) ? element.getIntOrFloatBitWidth() : 8;
  return bits < 8 ? 8 / bits : 1;
}

Value tilegen::decodeNarrowFloat(ProgramBuilder &p, Value bits, Type type, FloatType to, ArrayRef<Extent> extents) {
  Bits w(p, to, extents);
  Value code = w.widen(bits);
  if (isa<Float8E8M0FNUType>(type))
    return decodeScale(w, code);
  Format format = formatOf(type);
  Value magnitude = w.both(code, format.signBit() - 1);
  int shift = w.mantissaBits - format.mantissaBits;
  Value normal = w.asReal(w.add(w.left(magnitude, shift), int64_t(w.bias - format.bias) << w.mantissaBits));
  Value steps = arith::UIToFPOp::create(p.b, tileType(extents, to), magnitude);
  Value small =
      arith::MulFOp::create(p.b, steps, w.real(std::ldexp(1.0, format.smallestExponent() - format.mantissaBits)));
  Value value =
      w.asBits(w.choose(w.compare(Predicate::ult, magnitude, int64_t(1) << format.mantissaBits), small, normal));
  int64_t quietNan = w.infinity() | (int64_t(1) << (w.mantissaBits - 1));
  if (format.specials == Specials::Ieee)
    value = w.choose(w.compare(Predicate::eq, magnitude, format.infinity()), w.infinity(), value);
  if (format.specials == Specials::Ieee || format.specials == Specials::OneNan) {
    int64_t last = format.specials == Specials::Ieee ? format.infinity() : format.largest();
    value = w.choose(w.compare(Predicate::ugt, magnitude, last), quietNan, value);
  }
  Value sign =
      w.left(w.both(code, format.signBit()), w.integer.getWidth() - 1 - format.exponentBits - format.mantissaBits);
  value = arith::OrIOp::create(p.b, value, sign);
  if (format.specials == Specials::MinusZero)
    value = w.choose(w.compare(Predicate::eq, code, format.signBit()), quietNan, value);
  return w.asReal(value);
}

Value tilegen::encodeNarrowFloat(ProgramBuilder &p, Value x, Type type, bool saturate, StringRef roundMode,
                                 ArrayRef<Extent> extents) {
  Bits w(p, cast<FloatType>(getElementTypeOrSelf(x.getType())), extents);
  if (isa<Float8E8M0FNUType>(type))
    return encodeScale(w, x, saturate, roundMode);
  Format format = formatOf(type);
  saturate |= isa<Float4E2M1FNType>(type);
  Value bits = w.asBits(x), magnitude = w.both(bits, ~w.sign());
  Value sign = w.right(w.both(bits, w.sign()), w.integer.getWidth() - 1 - format.exponentBits - format.mantissaBits);
  // Half of a step less one, and one more where the last bit that stays is odd;
  // a mantissa that overflows carries into the exponent by itself.
  int shift = w.mantissaBits - format.mantissaBits;
  Value odd = w.both(w.right(magnitude, shift), 1);
  Value rounded = w.right(w.add(w.add(magnitude, odd), (int64_t(1) << (shift - 1)) - 1), shift);
  Value normal = w.add(rounded, -(int64_t(w.bias - format.bias) << format.mantissaBits));
  // Below the smallest normal number steps are equal: those of a sum with a
  // number whose last bit is worth one.
  double anchor = std::ldexp(1.0, format.smallestExponent() + shift);
  Value sum = arith::AddFOp::create(p.b, w.asReal(magnitude), w.real(anchor));
  int64_t anchorBits = int64_t(format.smallestExponent() + shift + w.bias) << w.mantissaBits;
  Value small = w.add(w.asBits(sum), -anchorBits);
  int64_t smallestNormal = int64_t(format.smallestExponent() + w.bias) << w.mantissaBits;
  Value code = w.choose(w.compare(Predicate::ult, magnitude, smallestNormal), small, normal);

  int64_t nan = format.specials == Specials::Ieee     ? format.infinity() | (1 << (format.mantissaBits - 1))
                : format.specials == Specials::OneNan ? format.signBit() - 1
                                                      : format.signBit();
  bool hasSignedNan = format.specials == Specials::Ieee || format.specials == Specials::OneNan;
  Value tooLarge = w.compare(Predicate::sgt, code, format.largest());
  Value isNan = w.compare(Predicate::ugt, magnitude, w.infinity());
  Value isZero = w.compare(Predicate::eq, code, 0);
  if (saturate)
    code = w.choose(tooLarge, format.largest(), code);
  else if (format.specials == Specials::Ieee)
    code = w.choose(tooLarge, format.infinity(), code);
  else if (hasSignedNan)
    code = w.choose(tooLarge, nan, code);
  if (hasSignedNan)
    code = w.choose(isNan, nan, code);
  code = arith::OrIOp::create(p.b, code, sign);
  if (!hasSignedNan) {
    // One code for NaN; no -0 beside it, except of float4.
    if (format.specials == Specials::MinusZero)
      code = w.choose(isZero, 0, code);
    code = w.choose(saturate ? isNan : Value(arith::OrIOp::create(p.b, isNan, tooLarge)), nan, code);
  }
  return w.toByte(code);
}

Value tilegen::wrapNarrowInteger(ProgramBuilder &p, Value x, Type graph, ArrayRef<Extent> extents) {
  if (!isa<IntegerType>(graph) || elementsPerByte(graph) == 1)
    return x;
  int64_t bits = graph.getIntOrFloatBitWidth();
  auto c = [&](int64_t value) { return p.constant(value, p.b.getI8Type(), extents); };
  if (graph.isUnsignedInteger())
    return arith::AndIOp::create(p.b, x, c((1 << bits) - 1));
  return arith::ShRSIOp::create(p.b, arith::ShLIOp::create(p.b, x, c(8 - bits)), c(8 - bits));
}
