// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// topk, unique, nonzero.
#include "Convert.h"
#include "Loops.h"

#include <cmath>
#include <numeric>

namespace bessemer::kernels {
namespace {

/// Orders elements of any type that has an order. NaN is larger than all.
class Order {
public:
  explicit Order(const Tensor &x) : x(x) {
    if (isWhole(x.dtype))
      wholes = ints(x);
    else if (x.dtype != DType::String)
      floats = doubles(x);
  }
  /// Negative, zero or positive.
  int compare(int64_t a, int64_t b) const {
    if (x.dtype == DType::String)
      return x.as<std::string>()[a].compare(x.as<std::string>()[b]);
    if (isWhole(x.dtype))
      return lessInt(wholes[b], wholes[a], x.dtype) - lessInt(wholes[a], wholes[b], x.dtype);
    double p = floats[a], q = floats[b];
    if (std::isnan(p) || std::isnan(q))
      return int(std::isnan(p)) - int(std::isnan(q));
    return (p > q) - (p < q);
  }

private:
  const Tensor &x;
  std::vector<int64_t> wholes;
  std::vector<double> floats;
};

void runTopK(Context &c) {
  const Tensor &x = c.in(0);
  int64_t axis = c.axis("axis", x.rank());
  bool largest = c.flag("largest", true);
  Shape shape = c.out(0).shape;
  int64_t extent = x.shape[axis], inner = x.count(axis + 1, x.rank()), outer = x.count(0, axis);
  int64_t k = shape.size() == x.shape.size() ? shape[axis] : -1;
  if (k < 0 || k > extent)
    fail("expected k in [0, " + str(extent) + "], got a result of shape " + str(shape));
  Shape expected = x.shape;
  expected[axis] = k;
  Tensor &values = c.out(0, expected), &indices = c.out(1, expected);
  expectSameType(x, values);
  expect(indices.dtype == DType::I64, "expected indices of type i64");
  Order order(x);
  std::vector<int64_t> ranking(static_cast<size_t>(extent));
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) {
      int64_t start = o * extent * inner + i;
      std::iota(ranking.begin(), ranking.end(), int64_t{0});
      std::partial_sort(ranking.begin(), ranking.begin() + k, ranking.end(), [&](int64_t a, int64_t b) {
        int way = order.compare(start + a * inner, start + b * inner);
        return way == 0 ? a < b : largest ? way > 0 : way < 0;
      });
      for (int64_t j = 0; j < k; ++j) {
        int64_t at = (o * k + j) * inner + i;
        copyRange(x.dtype, values.data, at, x.data, start + ranking[j] * inner, 1);
        indices.as<int64_t>()[at] = ranking[j];
      }
    }
}

void runUnique(Context &c) {
  const Tensor &x = c.in(0);
  bool flat = !c.has("axis");
  int64_t axis = flat ? 0 : c.axis("axis", x.rank());
  int64_t outer = flat ? 1 : x.count(0, axis), extent = flat ? x.count() : x.shape[axis];
  int64_t inner = flat ? 1 : x.count(axis + 1, x.rank());
  Order order(x);
  // Slices along the axis are compared element by element.
  auto compare = [&](int64_t a, int64_t b) {
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < inner; ++i)
        if (int way = order.compare((o * extent + a) * inner + i, (o * extent + b) * inner + i))
          return way;
    return 0;
  };
  std::vector<int64_t> ranking(static_cast<size_t>(extent));
  std::iota(ranking.begin(), ranking.end(), int64_t{0});
  std::sort(ranking.begin(), ranking.end(), [&](int64_t a, int64_t b) {
    int way = compare(a, b);
    return way == 0 ? a < b : way < 0;
  });
  std::vector<int64_t> first, counts, inverse(static_cast<size_t>(extent));
  for (int64_t place : ranking) {
    if (first.empty() || compare(first.back(), place) != 0) {
      first.push_back(place);
      counts.push_back(0);
    }
    ++counts.back();
    inverse[place] = static_cast<int64_t>(first.size()) - 1;
  }
  if (!c.flag("sorted", true)) {
    // In the order of first occurrence.
    std::vector<int64_t> byPlace(first.size()), rank(first.size());
    std::iota(byPlace.begin(), byPlace.end(), int64_t{0});
    std::sort(byPlace.begin(), byPlace.end(), [&](int64_t a, int64_t b) { return first[a] < first[b]; });
    std::vector<int64_t> oldFirst = first, oldCounts = counts;
    for (size_t i = 0; i < byPlace.size(); ++i) {
      first[i] = oldFirst[byPlace[i]];
      counts[i] = oldCounts[byPlace[i]];
      rank[byPlace[i]] = static_cast<int64_t>(i);
    }
    for (int64_t &group : inverse)
      group = rank[group];
  }
  int64_t count = static_cast<int64_t>(first.size());
  Shape shape = flat ? Shape{0} : x.shape;
  shape[axis] = count;
  Tensor &y = c.allocate(0, shape);
  expectSameType(x, y);
  int64_t at = 0;
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t place : first) {
      copyRange(x.dtype, y.data, at, x.data, (o * extent + place) * inner, inner);
      at += inner;
    }
  const std::vector<int64_t> *lists[] = {&first, &inverse, &counts};
  for (size_t i = 0; i < 3 && i + 1 < c.outputCount(); ++i)
    storeInts(c.allocate(i + 1, {static_cast<int64_t>(lists[i]->size())}), 0, static_cast<int64_t>(lists[i]->size()),
              lists[i]->data());
}

void runNonZero(Context &c) {
  const Tensor &x = c.in(0);
  std::vector<Shape> found;
  int64_t at = 0;
  bool wholes = isWhole(x.dtype);
  forEachIndex(x.shape, [&](const Shape &index) {
    double number = 0;
    int64_t whole = 0;
    if (wholes)
      loadInts(x, at, 1, &whole);
    else if (x.dtype == DType::String)
      whole = !x.as<std::string>()[at].empty();
    else
      loadDoubles(x, at, 1, &number);
    if (whole != 0 || number != 0)
      found.push_back(index);
    ++at;
  });
  int64_t count = static_cast<int64_t>(found.size());
  Tensor &y = c.allocate(0, {x.rank(), count});
  for (int64_t d = 0; d < x.rank(); ++d)
    for (int64_t i = 0; i < count; ++i)
      storeInts(y, d * count + i, 1, &found[i][d]);
}

} // namespace

std::span<const KernelEntry> sortKernels() {
  static const KernelEntry list[] = {{"topk", runTopK}, {"unique", runUnique}, {"nonzero", runNonZero}};
  return list;
}

} // namespace bessemer::kernels
