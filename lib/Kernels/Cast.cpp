// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// cast and bitcast.
#include "bessemer/Kernels/FloatFormat.h"

#include "Convert.h"
#include "Loops.h"

#include <charconv>
#include <cmath>
#include <limits>

namespace bessemer::kernels {
namespace {

constexpr int64_t blockSize = 512;

bool equalsNoCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return (x >= 'A' && x <= 'Z' ? x + 32 : x) == y; });
}

double parseNumber(std::string_view text) {
  std::string_view digits = text;
  bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+'))
    digits.remove_prefix(1);
  double value = 0;
  if (equalsNoCase(digits, "inf") || equalsNoCase(digits, "infinity")) {
    value = std::numeric_limits<double>::infinity();
  } else if (equalsNoCase(digits, "nan")) {
    value = std::numeric_limits<double>::quiet_NaN();
  } else {
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error == std::errc::result_out_of_range)
      value = digits.find("e-") == std::string_view::npos && digits.find("E-") == std::string_view::npos
                  ? std::numeric_limits<double>::infinity()
                  : 0.0;
    else if (error != std::errc() || end != digits.data() + digits.size())
      fail("expected a number, got '" + std::string(text) + "'");
  }
  return negative ? -value : value;
}

/// A whole number in all of its 64 bits, else by way of a double.
int64_t parseInt(std::string_view text, DType target) {
  std::string_view digits = text;
  if (digits.starts_with('+'))
    digits.remove_prefix(1);
  const char *end = digits.data() + digits.size();
  int64_t value = 0;
  if (auto [stop, error] = std::from_chars(digits.data(), end, value); error == std::errc() && stop == end)
    return value;
  uint64_t large = 0;
  if (auto [stop, error] = std::from_chars(digits.data(), end, large); error == std::errc() && stop == end)
    return static_cast<int64_t>(large);
  return truncateToInt(parseNumber(text), target);
}

void fromStrings(const Tensor &x, const Tensor &y) {
  for (int64_t i = 0, count = x.count(); i < count; ++i) {
    const std::string &text = x.as<std::string>()[i];
    if (isInteger(y.dtype)) {
      int64_t value = parseInt(text, y.dtype);
      storeInts(y, i, 1, &value);
    } else {
      double value = parseNumber(text);
      storeDoubles(y, i, 1, &value);
    }
  }
}

void toStrings(const Tensor &x, const Tensor &y) {
  char text[64];
  for (int64_t i = 0, count = x.count(); i < count; ++i) {
    char *end = text;
    if (isFloat(x.dtype)) {
      double value;
      loadDoubles(x, i, 1, &value);
      if (std::isnan(value) || std::isinf(value)) {
        y.as<std::string>()[i] = std::isnan(value) ? "NaN" : value > 0 ? "INF" : "-INF";
        continue;
      }
      // The shortest text that reads back as the same number.
      end = x.dtype == DType::F64 ? std::to_chars(text, text + sizeof text, value).ptr
                                  : std::to_chars(text, text + sizeof text, static_cast<float>(value)).ptr;
    } else {
      int64_t value;
      loadInts(x, i, 1, &value);
      end = x.dtype == DType::U64 ? std::to_chars(text, text + sizeof text, static_cast<uint64_t>(value)).ptr
                                  : std::to_chars(text, text + sizeof text, value).ptr;
    }
    y.as<std::string>()[i].assign(text, end);
  }
}

void toFloat8(const Tensor &x, const Tensor &y, bool saturate, ScaleRounding rounding) {
  std::vector<double> values = doubles(x);
  for (size_t i = 0; i < values.size(); ++i)
    y.as<uint8_t>()[i] = static_cast<uint8_t>(encodeFloat(y.dtype, values[i], saturate, rounding));
}

ScaleRounding roundingOf(const std::string &text) {
  if (text == "up")
    return ScaleRounding::Up;
  if (text == "down")
    return ScaleRounding::Down;
  if (text == "nearest")
    return ScaleRounding::Nearest;
  fail("expected round_mode to be up, down or nearest, got '" + text + "'");
}

void castComplex(const Tensor &x, const Tensor &y) {
  // Parts as a twice as long tensor of floats.
  auto parts = [](const Tensor &t) {
    return Tensor{t.dtype == DType::Complex64 ? DType::F32 : DType::F64, {2 * t.count()}, t.data};
  };
  std::vector<double> values = doubles(parts(x));
  storeDoubles(parts(y), 0, static_cast<int64_t>(values.size()), values.data());
}

void checkTarget(Context &c, DType dtype) {
  DType to = parseDType(c.text("to"));
  if (to != dtype)
    fail("expected a result of type " + c.text("to") + ", got " + std::string(name(dtype)));
}

void runCast(Context &c) {
  const Tensor &x = c.in(0);
  Tensor &y = c.out(0, x.shape);
  checkTarget(c, y.dtype);
  int64_t count = x.count();
  if (x.dtype == y.dtype)
    return copyRange(x.dtype, y.data, 0, x.data, 0, count);
  if (isComplex(x.dtype) && isComplex(y.dtype))
    return castComplex(x, y);
  if (x.dtype == DType::String && isNumber(y.dtype))
    return fromStrings(x, y);
  if (y.dtype == DType::String && isNumber(x.dtype))
    return toStrings(x, y);
  if (!isNumber(x.dtype) || !isNumber(y.dtype))
    fail("expected types that convert, got " + std::string(name(x.dtype)) + " and " + std::string(name(y.dtype)));
  if (isFloat(y.dtype) && bitWidth(y.dtype) == 8)
    return toFloat8(x, y, c.flag("saturate", true), roundingOf(c.text("round_mode", "up")));
  double floats[blockSize];
  int64_t wholes[blockSize];
  for (int64_t i = 0; i < count; i += blockSize) {
    int64_t n = std::min(blockSize, count - i);
    if (!isWhole(x.dtype)) {
      loadDoubles(x, i, n, floats);
      storeDoubles(y, i, n, floats);
      continue;
    }
    loadInts(x, i, n, wholes);
    if (isWhole(y.dtype)) {
      storeInts(y, i, n, wholes);
      continue;
    }
    for (int64_t j = 0; j < n; ++j)
      floats[j] = intToDouble(wholes[j], x.dtype == DType::U64, y.dtype);
    storeDoubles(y, i, n, floats);
  }
}

void runBitcast(Context &c) {
  const Tensor &x = c.in(0);
  Tensor &y = c.out(0, x.shape);
  checkTarget(c, y.dtype);
  if (bitWidth(x.dtype) == 0 || bitWidth(x.dtype) != bitWidth(y.dtype))
    fail("expected types of one width, got " + std::string(name(x.dtype)) + " and " + std::string(name(y.dtype)));
  copyRange(x.dtype, y.data, 0, x.data, 0, x.count());
}

} // namespace

std::span<const KernelEntry> castKernels() {
  static const KernelEntry list[] = {{"cast", runCast}, {"bitcast", runBitcast}};
  return list;
}

} // namespace bessemer::kernels
