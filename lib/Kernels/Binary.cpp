// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Elementwise ops of two operands, with broadcasting, and `where`.
#include "Convert.h"
#include "Loops.h"

#include <cmath>
#include <limits>

namespace bessemer::kernels {
namespace {

constexpr int64_t blockSize = 512;

using FloatOp = double (*)(double, double);
using IntOp = int64_t (*)(int64_t, int64_t);

struct Binary {
  std::string_view name;
  FloatOp onFloat;
  IntOp onSigned;
  IntOp onUnsigned; ///< on bit patterns of uint64_t; null: as onSigned
};

using U = uint64_t;
using I = int64_t;

I checkedDivisor(I b) {
  if (b == 0)
    fail("expected a divisor other than 0");
  return b;
}
I divide(I a, I b) { return checkedDivisor(b) == -1 ? static_cast<I>(0 - static_cast<U>(a)) : a / b; }
I remainder(I a, I b) { return checkedDivisor(b) == -1 ? 0 : a % b; }
// The sign of the divisor, as Python's %.
I floorMod(I a, I b) {
  I r = remainder(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
I unsignedMod(I a, I b) { return static_cast<I>(static_cast<U>(a) % static_cast<U>(checkedDivisor(b))); }
double floorMod(double a, double b) {
  double r = std::fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

I power(I a, U b) {
  U result = 1, base = static_cast<U>(a);
  for (; b; b >>= 1, base *= base)
    if (b & 1)
      result *= base;
  return static_cast<I>(result);
}
I signedPower(I a, I b) {
  if (b >= 0)
    return power(a, static_cast<U>(b));
  // 1 / a^|b|, truncated.
  if (a == 1)
    return 1;
  return a == -1 ? (b % 2 ? -1 : 1) : 0;
}

// NaN wins: std::fmin would drop it.
double smaller(double a, double b) { return std::isnan(a) || a < b ? a : b; }
double larger(double a, double b) { return std::isnan(a) || a > b ? a : b; }

const Binary arithmetic[] = {
    {"add", [](double a, double b) { return a + b; }, [](I a, I b) { return static_cast<I>(U(a) + U(b)); }, nullptr},
    {"sub", [](double a, double b) { return a - b; }, [](I a, I b) { return static_cast<I>(U(a) - U(b)); }, nullptr},
    {"mul", [](double a, double b) { return a * b; }, [](I a, I b) { return static_cast<I>(U(a) * U(b)); }, nullptr},
    {"div", [](double a, double b) { return a / b; }, divide,
     [](I a, I b) { return static_cast<I>(U(a) / U(checkedDivisor(b))); }},
    {"mod", floorMod, floorMod, unsignedMod},
    {"fmod", [](double a, double b) { return std::fmod(a, b); }, remainder, unsignedMod},
    {"pow", [](double a, double b) { return std::pow(a, b); }, signedPower, [](I a, I b) { return power(a, U(b)); }},
    {"min", smaller, [](I a, I b) { return std::min(a, b); }, [](I a, I b) { return U(a) < U(b) ? a : b; }},
    {"max", larger, [](I a, I b) { return std::max(a, b); }, [](I a, I b) { return U(a) > U(b) ? a : b; }},
    {"and", nullptr, [](I a, I b) { return a & b; }, nullptr},
    {"or", nullptr, [](I a, I b) { return a | b; }, nullptr},
    {"xor", nullptr, [](I a, I b) { return a ^ b; }, nullptr},
    {"bitwise_and", nullptr, [](I a, I b) { return a & b; }, nullptr},
    {"bitwise_or", nullptr, [](I a, I b) { return a | b; }, nullptr},
    {"bitwise_xor", nullptr, [](I a, I b) { return a ^ b; }, nullptr},
    {"shift_left", nullptr, [](I a, I b) { return U(b) > 63 ? 0 : static_cast<I>(U(a) << b); }, nullptr},
    // Signed operands keep their sign: a shift by all bits leaves 0 or -1.
    {"shift_right", nullptr, [](I a, I b) { return a >> std::min(U(b), U{63}); },
     [](I a, I b) { return U(b) > 63 ? 0 : static_cast<I>(U(a) >> b); }},
};

const Binary comparisons[] = {
    {"equal", [](double a, double b) -> double { return a == b; }, [](I a, I b) -> I { return a == b; }, nullptr},
    {"not_equal", [](double a, double b) -> double { return a != b; }, [](I a, I b) -> I { return a != b; }, nullptr},
    {"less", [](double a, double b) -> double { return a < b; }, [](I a, I b) -> I { return a < b; },
     [](I a, I b) -> I { return U(a) < U(b); }},
    {"less_equal", [](double a, double b) -> double { return a <= b; }, [](I a, I b) -> I { return a <= b; },
     [](I a, I b) -> I { return U(a) <= U(b); }},
    {"greater", [](double a, double b) -> double { return a > b; }, [](I a, I b) -> I { return a > b; },
     [](I a, I b) -> I { return U(a) > U(b); }},
    {"greater_equal", [](double a, double b) -> double { return a >= b; }, [](I a, I b) -> I { return a >= b; },
     [](I a, I b) -> I { return U(a) >= U(b); }},
};

/// y = f(a, b) in blocks of numbers of type T; load and store say how.
template <class T, class F, class Load, class Store>
void mapPairs(const Tensor &a, const Tensor &b, const Tensor &y, F f, Load load, Store store) {
  T left[blockSize], right[blockSize];
  LoopNest<3> nest{
      y.shape, {contiguousStrides(y.shape), broadcastStrides(a.shape, y.shape), broadcastStrides(b.shape, y.shape)}};
  auto fetch = [&](const Tensor &tensor, int64_t offset, int64_t stride, int64_t n, T *to) {
    load(tensor, offset, stride == 0 ? 1 : n, to);
    if (stride == 0)
      std::fill_n(to, n, to[0]);
  };
  forEachRow(nest, {0, 0, 0}, [&](auto offsets, int64_t count, auto strides) {
    for (int64_t i = 0; i < count; i += blockSize) {
      int64_t n = std::min(blockSize, count - i);
      fetch(a, offsets[1] + i * strides[1], strides[1], n, left);
      fetch(b, offsets[2] + i * strides[2], strides[2], n, right);
      for (int64_t j = 0; j < n; ++j)
        left[j] = f(left[j], right[j]);
      store(y, offsets[0] + i, n, left);
    }
  });
}

void mapFloats(const Tensor &a, const Tensor &b, const Tensor &y, FloatOp f) {
  mapPairs<double>(a, b, y, f, loadDoubles, storeDoubles);
}
void mapInts(const Tensor &a, const Tensor &b, const Tensor &y, IntOp f) {
  mapPairs<int64_t>(a, b, y, f, loadInts, storeInts);
}

[[noreturn]] void badTypes(Context &c) {
  fail("expected element types that '" + std::string(c.op()) + "' takes, got " + std::string(name(c.in(0).dtype)) +
       " and " + std::string(name(c.in(1).dtype)));
}

void runEntry(Context &c, const Binary &entry, const Tensor &y) {
  const Tensor &a = c.in(0), &b = c.in(1);
  if (!isNumber(a.dtype) || !isNumber(b.dtype))
    badTypes(c);
  if (isWhole(a.dtype) && isWhole(b.dtype)) {
    bool isSigned = isSignedInteger(a.dtype) || !entry.onUnsigned;
    // pow: the sign of the exponent counts, whatever the base is.
    if (entry.name == "pow")
      isSigned = isSignedInteger(b.dtype);
    mapInts(a, b, y, isSigned ? entry.onSigned : entry.onUnsigned);
  } else if (entry.onFloat) {
    mapFloats(a, b, y, entry.onFloat);
  } else {
    badTypes(c);
  }
}

const Binary &find(std::span<const Binary> entries, std::string_view name) {
  size_t i = 0;
  while (entries[i].name != name)
    ++i;
  return entries[i];
}

void runArithmetic(Context &c) {
  const Tensor &a = c.in(0), &b = c.in(1);
  Tensor &y = c.out(0, broadcastShapes(a.shape, b.shape));
  if (y.dtype != a.dtype || (b.dtype != a.dtype && c.op() != "pow"))
    badTypes(c);
  bool fmod = c.op() == "mod" && c.flag("fmod");
  runEntry(c, find(arithmetic, fmod ? "fmod" : c.op()), y);
}

void compareStrings(const Tensor &a, const Tensor &b, const Tensor &y, bool wanted) {
  LoopNest<3> nest{
      y.shape, {contiguousStrides(y.shape), broadcastStrides(a.shape, y.shape), broadcastStrides(b.shape, y.shape)}};
  forEachRow(nest, {0, 0, 0}, [&](auto offsets, int64_t count, auto strides) {
    for (int64_t i = 0; i < count; ++i)
      y.as<uint8_t>()[offsets[0] + i] = (a.as<std::string>()[offsets[1] + i * strides[1]] ==
                                         b.as<std::string>()[offsets[2] + i * strides[2]]) == wanted;
  });
}

void runCompare(Context &c) {
  const Tensor &a = c.in(0), &b = c.in(1);
  Tensor &y = c.out(0, broadcastShapes(a.shape, b.shape));
  if (a.dtype != b.dtype)
    badTypes(c);
  expect(y.dtype == DType::Bool, "expected a result of type bool");
  bool equality = c.op() == "equal" || c.op() == "not_equal";
  if (a.dtype == DType::String && equality)
    return compareStrings(a, b, y, c.op() == "equal");
  runEntry(c, find(comparisons, c.op()), y);
}

void runWhere(Context &c) {
  const Tensor &cond = c.in(0), &a = c.in(1), &b = c.in(2);
  Tensor &y = c.out(0, broadcastShapes(cond.shape, broadcastShapes(a.shape, b.shape)));
  expect(cond.dtype == DType::Bool, "expected a condition of type bool");
  if (a.dtype != b.dtype || a.dtype != y.dtype)
    fail("expected operands and result of one type, got " + std::string(name(a.dtype)) + ", " +
         std::string(name(b.dtype)) + " and " + std::string(name(y.dtype)));
  LoopNest<4> nest{y.shape,
                   {contiguousStrides(y.shape), broadcastStrides(cond.shape, y.shape),
                    broadcastStrides(a.shape, y.shape), broadcastStrides(b.shape, y.shape)}};
  forEachRow(nest, {0, 0, 0, 0}, [&](auto offsets, int64_t count, auto strides) {
    const uint8_t *choice = cond.as<uint8_t>() + offsets[1];
    // Runs of one choice are copied at once.
    for (int64_t i = 0, end; i < count; i = end) {
      bool first = choice[i * strides[1]];
      for (end = i + 1; end < count && bool(choice[end * strides[1]]) == first; ++end)
        ;
      const Tensor &from = first ? a : b;
      int64_t stride = strides[first ? 2 : 3], offset = offsets[first ? 2 : 3] + i * stride;
      if (stride == 1)
        copyRange(y.dtype, y.data, offsets[0] + i, from.data, offset, end - i);
      else
        copyStrided(y.dtype, {end - i}, y.data, {1}, offsets[0] + i, from.data, {stride}, offset);
    }
  });
}

} // namespace

std::span<const KernelEntry> binaryKernels() {
  static const std::vector<KernelEntry> list = [] {
    std::vector<KernelEntry> all{{"where", runWhere}};
    for (const Binary &entry : arithmetic)
      if (entry.name != "fmod")
        all.push_back({entry.name, runArithmetic});
    for (const Binary &entry : comparisons)
      all.push_back({entry.name, runCompare});
    return all;
  }();
  return list;
}

} // namespace bessemer::kernels
