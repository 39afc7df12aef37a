// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Elementwise ops of one operand.
#include "Convert.h"

#include <cmath>
#include <numbers>

namespace bessemer::kernels {
namespace {

// Elements are converted, computed and stored in blocks that stay in cache.
constexpr int64_t blockSize = 512;

struct Unary {
  std::string_view name;
  double (*onFloat)(double);      ///< null: no floats
  int64_t (*onSigned)(int64_t);   ///< null: computed as floats
  int64_t (*onUnsigned)(int64_t); ///< null: as onSigned
};

int64_t same(int64_t x) { return x; }

double sign(double x) { return std::isnan(x) ? x : (x > 0) - (x < 0); }
double softplus(double x) { return std::fmax(x, 0) + std::log1p(std::exp(-std::fabs(x))); }
double sigmoid(double x) {
  // exp of a negative number only, so that it cannot overflow.
  double e = std::exp(-std::fabs(x));
  return (x >= 0 ? 1 : e) / (1 + e);
}

int64_t negate(int64_t x) { return static_cast<int64_t>(0 - static_cast<uint64_t>(x)); }

const Unary unaries[] = {
    {"abs", [](double x) { return std::fabs(x); }, [](int64_t x) { return x < 0 ? negate(x) : x; }, same},
    {"neg", [](double x) { return -x; }, negate, nullptr},
    {"exp", [](double x) { return std::exp(x); }, nullptr, nullptr},
    {"log", [](double x) { return std::log(x); }, nullptr, nullptr},
    {"sqrt", [](double x) { return std::sqrt(x); }, nullptr, nullptr},
    {"rsqrt", [](double x) { return 1 / std::sqrt(x); }, nullptr, nullptr},
    {"reciprocal", [](double x) { return 1 / x; }, nullptr, nullptr},
    {"sin", [](double x) { return std::sin(x); }, nullptr, nullptr},
    {"cos", [](double x) { return std::cos(x); }, nullptr, nullptr},
    {"tan", [](double x) { return std::tan(x); }, nullptr, nullptr},
    {"asin", [](double x) { return std::asin(x); }, nullptr, nullptr},
    {"acos", [](double x) { return std::acos(x); }, nullptr, nullptr},
    {"atan", [](double x) { return std::atan(x); }, nullptr, nullptr},
    {"sinh", [](double x) { return std::sinh(x); }, nullptr, nullptr},
    {"cosh", [](double x) { return std::cosh(x); }, nullptr, nullptr},
    {"tanh", [](double x) { return std::tanh(x); }, nullptr, nullptr},
    {"asinh", [](double x) { return std::asinh(x); }, nullptr, nullptr},
    {"acosh", [](double x) { return std::acosh(x); }, nullptr, nullptr},
    {"atanh", [](double x) { return std::atanh(x); }, nullptr, nullptr},
    {"erf", [](double x) { return std::erf(x); }, nullptr, nullptr},
    {"sigmoid", sigmoid, nullptr, nullptr},
    {"softplus", softplus, nullptr, nullptr},
    {"floor", [](double x) { return std::floor(x); }, same, nullptr},
    {"ceil", [](double x) { return std::ceil(x); }, same, nullptr},
    {"round", [](double x) { return std::nearbyint(x); }, same, nullptr},
    {"sign", sign, [](int64_t x) -> int64_t { return (x > 0) - (x < 0); }, [](int64_t x) -> int64_t { return x != 0; }},
    {"relu", [](double x) { return x < 0 ? 0 : x; }, [](int64_t x) { return x < 0 ? 0 : x; }, same},
    {"not", nullptr, [](int64_t x) -> int64_t { return x == 0; }, nullptr},
    {"bitwise_not", nullptr, [](int64_t x) { return ~x; }, nullptr},
};

const double sqrtTwo = std::numbers::sqrt2;

double geluExact(double x) { return x / 2 * std::erfc(-x / sqrtTwo); }
double geluTanh(double x) {
  constexpr double sqrtTwoOverPi = 0.79788456080286535588;
  return x / 2 * (1 + std::tanh(sqrtTwoOverPi * (x + 0.044715 * x * x * x)));
}
double geluSigmoid(double x) { return x * sigmoid(1.702 * x); }

template <class F> void mapDoubles(const Tensor &x, const Tensor &y, F f) {
  double block[blockSize];
  for (int64_t i = 0, count = x.count(); i < count; i += blockSize) {
    int64_t n = std::min(blockSize, count - i);
    loadDoubles(x, i, n, block);
    for (int64_t j = 0; j < n; ++j)
      block[j] = f(block[j]);
    storeDoubles(y, i, n, block);
  }
}

void runUnary(Context &c) {
  const Unary *entry = unaries;
  while (entry->name != c.op())
    ++entry;
  const Tensor &x = c.in(0);
  Tensor &y = c.out(0, x.shape);
  expectSameType(x, y);
  auto onInt = isSignedInteger(x.dtype) || !entry->onUnsigned ? entry->onSigned : entry->onUnsigned;
  if (!isWhole(x.dtype) || !onInt) {
    if (!entry->onFloat || !isNumber(x.dtype) || x.dtype == DType::Bool)
      fail("expected an element type that '" + std::string(c.op()) + "' takes, got " + std::string(name(x.dtype)));
    mapDoubles(x, y, entry->onFloat);
    return;
  }
  int64_t block[blockSize];
  for (int64_t i = 0, count = x.count(); i < count; i += blockSize) {
    int64_t n = std::min(blockSize, count - i);
    loadInts(x, i, n, block);
    for (int64_t j = 0; j < n; ++j)
      block[j] = onInt(block[j]);
    storeInts(y, i, n, block);
  }
}

void runGelu(Context &c) {
  const Tensor &x = c.in(0);
  Tensor &y = c.out(0, x.shape);
  expectSameType(x, y);
  std::string kind = c.text("approximate", "none");
  if (kind == "none")
    mapDoubles(x, y, geluExact);
  else if (kind == "tanh")
    mapDoubles(x, y, geluTanh);
  else if (kind == "sigmoid")
    mapDoubles(x, y, geluSigmoid);
  else
    fail("expected approximate to be none, tanh or sigmoid, got '" + kind + "'");
}

template <class F> void runPredicate(Context &c, F holds) {
  const Tensor &x = c.in(0);
  Tensor &y = c.out(0, x.shape);
  expect(y.dtype == DType::Bool, "expected a result of type bool");
  mapDoubles(x, y, [&](double v) { return holds(v) ? 1.0 : 0.0; });
}

void runIsNan(Context &c) {
  runPredicate(c, [](double v) { return std::isnan(v); });
}

void runIsInf(Context &c) {
  bool negative = c.flag("detect_negative", true), positive = c.flag("detect_positive", true);
  runPredicate(c, [=](double v) { return std::isinf(v) && (v < 0 ? negative : positive); });
}

} // namespace

std::span<const KernelEntry> elementwiseKernels() {
  static const std::vector<KernelEntry> list = [] {
    std::vector<KernelEntry> all{{"gelu", runGelu}, {"is_nan", runIsNan}, {"is_inf", runIsInf}};
    for (const Unary &entry : unaries)
      all.push_back({entry.name, runUnary});
    return all;
  }();
  return list;
}

} // namespace bessemer::kernels
