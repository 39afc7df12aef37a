// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Kernels/FloatFormat.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace bessemer::kernels {
namespace {

// What the codes with the largest exponent mean.
enum class Specials {
  Ieee,      // infinities and NaNs
  OneNan,    // all ones is NaN, no infinities (e4m3fn)
  MinusZero, // the code of -0 is NaN, no infinities (fnuz)
  None,      // every code is finite (e2m1)
};

struct Format {
  int exponentBits = 0, mantissaBits = 0, bias = 0;
  Specials specials = Specials::None;

  uint32_t signBit() const { return 1u << (exponentBits + mantissaBits); }
  uint32_t infinity() const { return signBit() - (1u << mantissaBits); }
  uint32_t largest() const {
    if (specials == Specials::Ieee)
      return infinity() - 1;
    return signBit() - (specials == Specials::OneNan ? 2 : 1);
  }
  uint32_t nan(uint32_t sign) const {
    switch (specials) {
    case Specials::Ieee: return sign | infinity() | (1u << (mantissaBits - 1));
    case Specials::OneNan: return sign | (signBit() - 1);
    case Specials::MinusZero: return signBit();
    case Specials::None: // no NaN to give: ONNX's tests want -0
      return signBit();
    }
    return 0;
  }
};

Format formatOf(DType type) {
  switch (type) {
  case DType::F16: return {5, 10, 15, Specials::Ieee};
  case DType::BF16: return {8, 7, 127, Specials::Ieee};
  case DType::F8E5M2: return {5, 2, 15, Specials::Ieee};
  case DType::F8E4M3FN: return {4, 3, 7, Specials::OneNan};
  case DType::F8E4M3FNUZ: return {4, 3, 8, Specials::MinusZero};
  case DType::F8E5M2FNUZ: return {5, 2, 16, Specials::MinusZero};
  case DType::F4E2M1: return {2, 1, 1, Specials::None};
  default: return {};
  }
}

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr uint32_t scaleNan = 0xFF;

uint32_t encodeScale(double value, bool saturate, ScaleRounding rounding) {
  if (std::isnan(value))
    return scaleNan;
  value = std::fabs(value);
  if (value < 0x1p-127)
    return saturate ? 0 : scaleNan;
  if (std::isinf(value))
    return saturate ? 254 : scaleNan;
  int exponent = std::ilogb(value);
  double fraction = std::ldexp(value, -exponent); // in [1, 2)
  if ((rounding == ScaleRounding::Up && fraction > 1) || (rounding == ScaleRounding::Nearest && fraction >= 1.5))
    ++exponent;
  if (exponent > 127)
    return saturate ? 254 : scaleNan;
  return static_cast<uint32_t>(exponent + 127);
}
} // namespace

double decodeFloat(DType type, uint32_t bits) {
  if (type == DType::BF16)
    return std::bit_cast<float>(bits << 16);
  if (type == DType::F8E8M0)
    return (bits & 0xFF) == scaleNan ? nan : std::ldexp(1.0, int(bits & 0xFF) - 127);
  Format format = formatOf(type);
  if (format.exponentBits == 0)
    return nan;
  bits &= 2 * format.signBit() - 1;
  uint32_t magnitude = bits & (format.signBit() - 1);
  if (format.specials == Specials::MinusZero && bits == format.signBit())
    return nan;
  bool negative = bits & format.signBit();
  double value;
  if (magnitude > format.largest()) {
    bool infinite = format.specials == Specials::Ieee && magnitude == format.infinity();
    value = infinite ? std::numeric_limits<double>::infinity() : nan;
  } else {
    int exponent = static_cast<int>(magnitude >> format.mantissaBits);
    uint32_t mantissa = magnitude & ((1u << format.mantissaBits) - 1);
    if (exponent > 0)
      mantissa += 1u << format.mantissaBits;
    value = std::ldexp(mantissa, (exponent > 0 ? exponent : 1) - format.bias - format.mantissaBits);
  }
  return negative ? -value : value;
}

uint32_t encodeFloat(DType type, double value, bool saturate, ScaleRounding rounding) {
  if (type == DType::F8E8M0)
    return encodeScale(value, saturate, rounding);
  Format format = formatOf(type);
  if (format.exponentBits == 0)
    return 0;
  uint32_t sign = std::signbit(value) ? format.signBit() : 0;
  if (std::isnan(value))
    return format.nan(sign);
  if (type == DType::F16 || type == DType::BF16)
    saturate = false;
  else if (type == DType::F4E2M1)
    saturate = true;

  uint32_t code = format.largest() + 1;
  double magnitude = std::fabs(value);
  if (magnitude == 0) {
    code = 0;
  } else if (!std::isinf(magnitude)) {
    int smallest = 1 - format.bias; // exponent of the smallest normal number
    int exponent = std::max(std::ilogb(magnitude), smallest);
    if (exponent <= format.bias + 2) {
      // Below the smallest normal number the spacing stays the same, and a
      // mantissa that rounds up to 2^(m+1) carries into the exponent by itself.
      double steps = std::nearbyint(std::ldexp(magnitude, format.mantissaBits - exponent));
      code = (static_cast<uint32_t>(exponent - smallest) << format.mantissaBits) + static_cast<uint32_t>(steps);
    }
  }
  if (code > format.largest()) {
    if (saturate)
      code = format.largest();
    else if (format.specials == Specials::Ieee)
      code = format.infinity();
    else
      return format.nan(sign);
  }
  if (code == 0 && format.specials == Specials::MinusZero)
    return 0;
  return sign | code;
}

} // namespace bessemer::kernels
