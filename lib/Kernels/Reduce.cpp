// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// reduce, arg_reduce, cumulate.
#include "Convert.h"
#include "Loops.h"

#include <cmath>
#include <limits>

namespace bessemer::kernels {
namespace {

constexpr int64_t blockSize = 512;
constexpr double infinity = std::numeric_limits<double>::infinity();

/// What a step adds to a sum, and what becomes of the sum at the end.
template <class T> struct Reduction {
  T initial;
  T (*step)(T sum, T x);
};

double larger(double a, double b) { return std::isnan(a) || a > b ? a : b; }
double smaller(double a, double b) { return std::isnan(a) || a < b ? a : b; }
uint64_t magnitude(int64_t x) { return x < 0 ? 0 - static_cast<uint64_t>(x) : static_cast<uint64_t>(x); }
int64_t plus(int64_t a, int64_t b) { return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b)); }
int64_t times(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}

Reduction<double> floatReduction(const std::string &kind) {
  if (kind == "sum" || kind == "mean" || kind == "log_sum")
    return {0, [](double sum, double x) { return sum + x; }};
  if (kind == "prod")
    return {1, [](double sum, double x) { return sum * x; }};
  if (kind == "max" || kind == "log_sum_exp") // the first pass of log_sum_exp
    return {-infinity, larger};
  if (kind == "min")
    return {infinity, smaller};
  if (kind == "l1")
    return {0, [](double sum, double x) { return sum + std::fabs(x); }};
  if (kind == "l2" || kind == "sum_square")
    return {0, [](double sum, double x) { return sum + x * x; }};
  fail("expected a kind of reduction for floats, got '" + kind + "'");
}

Reduction<int64_t> intReduction(const std::string &kind, DType dtype) {
  bool isUnsigned = dtype == DType::U64;
  if (kind == "sum" || kind == "mean")
    return {0, plus};
  if (kind == "prod")
    return {1, times};
  if (kind == "max" && isUnsigned)
    return {0, [](int64_t a, int64_t b) { return lessInt(a, b, DType::U64) ? b : a; }};
  if (kind == "min" && isUnsigned)
    return {-1, [](int64_t a, int64_t b) { return lessInt(a, b, DType::U64) ? a : b; }};
  if (kind == "max")
    return {lowestInt(dtype), [](int64_t a, int64_t b) { return std::max(a, b); }};
  if (kind == "min")
    return {largestInt(dtype), [](int64_t a, int64_t b) { return std::min(a, b); }};
  if (kind == "l1" && isUnsigned)
    return {0, plus};
  if (kind == "l1")
    return {0, [](int64_t sum, int64_t x) { return plus(sum, static_cast<int64_t>(magnitude(x))); }};
  if (kind == "sum_square")
    return {0, [](int64_t sum, int64_t x) { return plus(sum, times(x, x)); }};
  if (kind == "and")
    return {1, [](int64_t a, int64_t b) { return a & b; }};
  if (kind == "or")
    return {0, [](int64_t a, int64_t b) { return a | b; }};
  fail("expected a kind of reduction for integers, got '" + kind + "'");
}

/// For each element of x: sums[place] = step(sums[place], element), where the
/// place does not move along reduced dimensions.
template <class T, class Load, class Step>
void accumulate(const Tensor &x, const Shape &strides, std::vector<T> &sums, Load load, Step step) {
  T block[blockSize];
  LoopNest<2> nest{x.shape, {contiguousStrides(x.shape), strides}};
  forEachRow(nest, {0, 0}, [&](auto offsets, int64_t count, auto inner) {
    for (int64_t i = 0; i < count; i += blockSize) {
      int64_t n = std::min(blockSize, count - i);
      load(x, offsets[0] + i, n, block);
      T *to = sums.data() + offsets[1] + i * inner[1];
      for (int64_t j = 0; j < n; ++j)
        to[j * inner[1]] = step(to[j * inner[1]], block[j], to + j * inner[1] - sums.data());
    }
  });
}

void reduceFloats(const Tensor &x, const Tensor &y, const Shape &strides, const std::string &kind, int64_t combined) {
  Reduction<double> reduction = floatReduction(kind);
  std::vector<double> sums(static_cast<size_t>(y.count()), reduction.initial);
  accumulate<double>(x, strides, sums, loadDoubles,
                     [&](double sum, double v, int64_t) { return reduction.step(sum, v); });
  if (kind == "log_sum_exp") {
    std::vector<double> largest = sums;
    std::fill(sums.begin(), sums.end(), 0.0);
    accumulate<double>(x, strides, sums, loadDoubles, [&](double sum, double v, int64_t place) {
      return sum + (std::isinf(largest[place]) ? (v == largest[place] ? 1.0 : 0.0) : std::exp(v - largest[place]));
    });
    for (size_t i = 0; i < sums.size(); ++i)
      sums[i] = combined == 0 ? -infinity : largest[i] + std::log(sums[i]);
  }
  for (double &sum : sums) {
    if (kind == "mean")
      sum /= static_cast<double>(combined);
    else if (kind == "l2")
      sum = std::sqrt(sum);
    else if (kind == "log_sum")
      sum = std::log(sum);
  }
  storeDoubles(y, 0, y.count(), sums.data());
}

void reduceInts(const Tensor &x, const Tensor &y, const Shape &strides, const std::string &kind, int64_t combined) {
  Reduction<int64_t> reduction = intReduction(kind, x.dtype);
  std::vector<int64_t> sums(static_cast<size_t>(y.count()), reduction.initial);
  accumulate<int64_t>(x, strides, sums, loadInts,
                      [&](int64_t sum, int64_t v, int64_t) { return reduction.step(sum, v); });
  if (kind == "mean")
    for (int64_t &sum : sums)
      sum = combined == 0           ? 0
            : x.dtype == DType::U64 ? static_cast<int64_t>(static_cast<uint64_t>(sum) / combined)
                                    : sum / combined;
  storeInts(y, 0, y.count(), sums.data());
}

void runReduce(Context &c) {
  const Tensor &x = c.in(0);
  std::string kind = c.text("kind");
  bool keepdims = c.flag("keepdims", true);
  std::vector<bool> reduced(x.shape.size());
  for (int64_t axis : c.integers("axes"))
    reduced[normalizeAxis(axis, x.rank())] = true;
  Shape shape, kept = x.shape;
  for (size_t d = 0; d < x.shape.size(); ++d) {
    if (reduced[d])
      kept[d] = 1;
    if (!reduced[d] || keepdims)
      shape.push_back(kept[d]);
  }
  Tensor &y = c.out(0, shape);
  expectSameType(x, y);
  Shape strides = contiguousStrides(kept);
  int64_t combined = 1;
  for (size_t d = 0; d < x.shape.size(); ++d)
    if (reduced[d]) {
      strides[d] = 0;
      combined *= x.shape[d];
    }
  bool logical = kind == "and" || kind == "or";
  if (logical && x.dtype != DType::Bool)
    fail("expected bools, got " + std::string(name(x.dtype)));
  bool byFloats = !isWhole(x.dtype) || kind == "l2" || kind.starts_with("log_sum");
  (byFloats ? reduceFloats : reduceInts)(x, y, strides, kind, combined);
}

/// x seen as [outer, extent, inner] around an axis.
struct AxisView {
  int64_t outer, extent, inner;
  AxisView(const Tensor &x, int64_t axis)
      : outer(x.count(0, axis)), extent(x.shape[axis]), inner(x.count(axis + 1, x.rank())) {}
};

void runArgReduce(Context &c) {
  const Tensor &x = c.in(0);
  int64_t axis = c.axis("axis", x.rank());
  std::string kind = c.text("kind");
  expect(kind == "max" || kind == "min", "expected kind to be max or min");
  bool last = c.flag("select_last");
  Shape shape = x.shape;
  shape[axis] = 1;
  if (!c.flag("keepdims", true))
    shape.erase(shape.begin() + axis);
  Tensor &y = c.out(0, shape);
  expect(y.dtype == DType::I64, "expected a result of type i64");
  AxisView view(x, axis);
  if (y.count() > 0 && view.extent == 0)
    fail("expected a non-empty axis, got shape " + str(x.shape));
  bool wholes = isWhole(x.dtype), wantsMax = kind == "max";
  std::vector<double> floats = wholes ? std::vector<double>() : doubles(x);
  std::vector<int64_t> integers = wholes ? ints(x) : std::vector<int64_t>();
  auto less = [&](int64_t a, int64_t b) {
    return wholes ? lessInt(integers[a], integers[b], x.dtype) : floats[a] < floats[b];
  };
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t i = 0; i < view.inner; ++i) {
      int64_t best = 0, start = o * view.extent * view.inner + i;
      for (int64_t a = 1; a < view.extent; ++a) {
        int64_t candidate = start + a * view.inner, current = start + best * view.inner;
        bool better = wantsMax ? less(current, candidate) : less(candidate, current);
        bool worse = wantsMax ? less(candidate, current) : less(current, candidate);
        if (better || (last && !worse))
          best = a;
      }
      y.as<int64_t>()[o * view.inner + i] = best;
    }
}

template <class T, class Load, class Store, class Step>
void cumulate(const Tensor &x, const Tensor &y, AxisView view, T initial, bool exclusive, bool reverse, Load load,
              Store store, Step step) {
  std::vector<T> sums(static_cast<size_t>(view.inner)), row(sums.size());
  for (int64_t o = 0; o < view.outer; ++o) {
    std::fill(sums.begin(), sums.end(), initial);
    for (int64_t i = 0; i < view.extent; ++i) {
      int64_t at = (o * view.extent + (reverse ? view.extent - 1 - i : i)) * view.inner;
      load(x, at, view.inner, row.data());
      if (exclusive)
        store(y, at, view.inner, sums.data());
      for (int64_t j = 0; j < view.inner; ++j)
        sums[j] = step(sums[j], row[j]);
      if (!exclusive)
        store(y, at, view.inner, sums.data());
    }
  }
}

void runCumulate(Context &c) {
  const Tensor &x = c.in(0);
  Tensor &y = c.out(0, x.shape);
  expectSameType(x, y);
  std::string kind = c.text("kind");
  expect(kind == "sum" || kind == "prod", "expected kind to be sum or prod");
  AxisView view(x, c.axis("axis", x.rank()));
  bool exclusive = c.flag("exclusive"), reverse = c.flag("reverse"), sum = kind == "sum";
  if (isWhole(x.dtype))
    cumulate<int64_t>(x, y, view, !sum, exclusive, reverse, loadInts, storeInts, sum ? plus : times);
  else
    cumulate<double>(x, y, view, !sum, exclusive, reverse, loadDoubles, storeDoubles,
                     [sum](double a, double b) { return sum ? a + b : a * b; });
}

} // namespace

std::span<const KernelEntry> reduceKernels() {
  static const KernelEntry list[] = {{"reduce", runReduce}, {"arg_reduce", runArgReduce}, {"cumulate", runCumulate}};
  return list;
}

} // namespace bessemer::kernels
