// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Kernels/FloatFormat.h"
#include "lib/Driver/Commands/TensorFile.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace bessemer::commands {

namespace {

template <class T> T load(const uint8_t *data, int64_t i) {
  T value;
  std::memcpy(&value, data + i * sizeof(T), sizeof(T));
  return value;
}

/// Element i of a type whose values are exact in a double.
double element(DType dtype, const uint8_t *data, int64_t i) {
  switch (dtype) {
  case DType::F32: return load<float>(data, i);
  case DType::F64: return load<double>(data, i);
  case DType::I8: return load<int8_t>(data, i);
  case DType::U8: return load<uint8_t>(data, i);
  case DType::I16: return load<int16_t>(data, i);
  case DType::U16: return load<uint16_t>(data, i);
  case DType::I32: return load<int32_t>(data, i);
  case DType::U32: return load<uint32_t>(data, i);
  case DType::Bool: return load<uint8_t>(data, i) != 0;
  case DType::F16:
  case DType::BF16: return kernels::decodeFloat(dtype, load<uint16_t>(data, i));
  default: break;
  }
  unsigned bits = bitWidth(dtype);
  if (bits > 8 || bits == 0)
    return NAN;
  unsigned value = (data[i * bits / 8] >> (i * bits % 8)) & ((1u << bits) - 1);
  if (isSignedInteger(dtype))
    return int(value) - (value >> (bits - 1) ? 1 << bits : 0);
  return isUnsignedInteger(dtype) ? value : kernels::decodeFloat(dtype, value);
}

bool near(double expected, double actual, Tolerance tolerance) {
  if (expected == actual || (std::isnan(expected) && std::isnan(actual)))
    return true;
  return std::abs(actual - expected) <= tolerance.absolute + tolerance.relative * std::abs(expected) &&
         std::isfinite(expected);
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

std::string indexText(int64_t flat, const std::vector<int64_t> &shape) {
  std::string text;
  for (size_t d = shape.size(); d-- > 0;) {
    text = std::to_string(flat % shape[d]) + (text.empty() ? "" : ", ") + text;
    flat /= shape[d];
  }
  return "[" + text + "]";
}

} // namespace

std::string compareTensors(const DataTensor &expected, const DataTensor &actual, Tolerance tolerance) {
  // Eight bits of precision: one more or less in the last is no error.
  if (expected.dtype == DType::BF16)
    tolerance.relative = std::max(tolerance.relative, 1.0 / 128);
  if (expected.dtype != actual.dtype || expected.shape != actual.shape)
    return "expected " + typeText(expected.dtype, expected.shape) + ", got " + typeText(actual.dtype, actual.shape);
  int64_t count = expected.elementCount(), wrong = 0, first = -1;
  DType dtype = expected.dtype;
  bool wide = dtype == DType::I64 || dtype == DType::U64;
  bool isPair = isComplex(dtype);
  DType part = dtype == DType::Complex64 ? DType::F32 : dtype == DType::Complex128 ? DType::F64 : dtype;
  for (int64_t i = 0; i < (isPair ? 2 * count : count); ++i) {
    bool same = wide ? load<uint64_t>(expected.data(), i) == load<uint64_t>(actual.data(), i)
                     : near(element(part, expected.data(), i), element(part, actual.data(), i), tolerance);
    if (same)
      continue;
    ++wrong;
    if (first < 0)
      first = i;
  }
  if (!wrong)
    return "";
  int64_t at = isPair ? first / 2 : first;
  std::string have, want;
  if (wide) {
    bool isSigned = dtype == DType::I64;
    auto text = [&](const uint8_t *data) {
      return isSigned ? std::to_string(load<int64_t>(data, first)) : std::to_string(load<uint64_t>(data, first));
    };
    want = text(expected.data());
    have = text(actual.data());
  } else {
    want = number(element(part, expected.data(), first));
    have = number(element(part, actual.data(), first));
  }
  return std::to_string(wrong) + " of " + std::to_string(count) + " elements differ; at " +
         indexText(at, expected.shape) + " expected " + want + ", got " + have;
}

} // namespace bessemer::commands
