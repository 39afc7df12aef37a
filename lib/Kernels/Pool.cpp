// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// pool, max_pool_indices, max_unpool.
#include "ChannelsLast.h"
#include "Convert.h"
#include "Loops.h"
#include "Window.h"

#include <cmath>
#include <limits>

namespace bessemer::kernels {
namespace {

constexpr int64_t placeBlock = 128;

Window windowOf(Context &c, const Tensor &x) {
  if (x.rank() < 3)
    fail("expected an operand [N, C, spatial..], got shape " + str(x.shape));
  return Window(c, Shape(x.shape.begin() + 2, x.shape.end()), c.integers("window"));
}

Shape resultShape(const Tensor &x, const Shape &places) {
  Shape shape{x.shape[0], x.shape[1]};
  shape.insert(shape.end(), places.begin(), places.end());
  return shape;
}

/// Calls `visit(plane of x, first place, places, offsets [taps, places])`.
template <class F> void forEachBlock(const Window &window, const Shape &places, int64_t planes, F visit) {
  int64_t count = product(places);
  for (int64_t first = 0; first < count; first += placeBlock) {
    int64_t width = std::min(placeBlock, count - first);
    std::vector<int64_t> offsets = tapOffsets(window, places, first, width);
    for (int64_t p = 0; p < planes; ++p)
      visit(p, first, width, offsets);
  }
}

template <class T, class Load, class Store, class Less>
void maxPool(const Window &window, const Shape &places, const Tensor &x, const Tensor &y, T lowest, Load load,
             Store store, Less less) {
  int64_t plane = product(window.image), count = product(places);
  std::vector<T> image(static_cast<size_t>(x.count()));
  load(x, 0, x.count(), image.data());
  forEachBlock(window, places, x.count(0, 2), [&](int64_t p, int64_t first, int64_t width, auto &offsets) {
    std::vector<T> best(static_cast<size_t>(width), lowest);
    for (size_t i = 0; i < offsets.size(); ++i)
      if (offsets[i] >= 0) {
        T value = image[p * plane + offsets[i]], &soFar = best[i % width];
        if (less(soFar, value))
          soFar = value;
      }
    store(y, p * count + first, width, best.data());
  });
}

bool lessOrNan(double a, double b) { return a < b || std::isnan(b); }

/// How many taps of each place lie in the padded image; the rounding up of the
/// extent (ceil_mode) is no padding.
std::vector<double> tapsInPadding(const Window &window, const Shape &places, const Shape &ceilPads) {
  std::vector<double> counts;
  forEachIndex(places, [&](const Shape &place) {
    double count = 1;
    for (size_t d = 0; d < place.size(); ++d) {
      int64_t inside = 0, end = window.image[d] + window.high[d] - ceilPads[d];
      for (int64_t tap = 0; tap < window.extents[d]; ++tap)
        inside += window.source(d, place[d], tap) < end;
      count *= static_cast<double>(inside);
    }
    counts.push_back(count);
  });
  return counts;
}

/// average (p == 0) and lp.
void sumPool(Context &c, const Window &window, const Shape &places, const Tensor &x, const Tensor &y, int64_t p) {
  int64_t plane = product(window.image), count = product(places);
  std::vector<double> image = doubles(x), divisors;
  if (p == 0 && c.flag("count_include_pad")) {
    Shape ceilPads = c.integers("ceil_pads");
    ceilPads.resize(std::max(ceilPads.size(), window.rank()), 0);
    divisors = tapsInPadding(window, places, ceilPads);
  }
  forEachBlock(window, places, x.count(0, 2), [&](int64_t channel, int64_t first, int64_t width, auto &offsets) {
    std::vector<double> sums(static_cast<size_t>(width)), counts(sums.size());
    for (size_t i = 0; i < offsets.size(); ++i)
      if (offsets[i] >= 0) {
        double value = image[channel * plane + offsets[i]];
        sums[i % width] += p == 0   ? value
                           : p == 1 ? std::fabs(value)
                           : p == 2 ? value * value
                                    : std::pow(std::fabs(value), static_cast<double>(p));
        ++counts[i % width];
      }
    for (int64_t j = 0; j < width; ++j) {
      if (p == 0)
        sums[j] /= std::max(1.0, divisors.empty() ? counts[j] : divisors[first + j]);
      else if (p != 1)
        sums[j] = p == 2 ? std::sqrt(sums[j]) : std::pow(sums[j], 1.0 / static_cast<double>(p));
    }
    storeDoubles(y, channel * count + first, width, sums.data());
  });
}

void runPool(Context &c) {
  ChannelsLast layout(c);
  const Tensor x = layout.first(c.in(0));
  Window window = windowOf(c, x);
  Shape places = window.places();
  Tensor y = layout.result(c, resultShape(x, places));
  expectSameType(x, y);
  std::string kind = c.text("kind");
  if (kind == "max" && isWhole(x.dtype))
    maxPool<int64_t>(window, places, x, y, lowestInt(x.dtype), loadInts, storeInts,
                     [&](int64_t a, int64_t b) { return lessInt(a, b, x.dtype); });
  else if (kind == "max")
    maxPool<double>(window, places, x, y, -std::numeric_limits<double>::infinity(), loadDoubles, storeDoubles,
                    lessOrNan);
  else if (kind == "average")
    sumPool(c, window, places, x, y, 0);
  else if (kind == "lp" && c.integer("p", 2) >= 1)
    sumPool(c, window, places, x, y, c.integer("p", 2));
  else
    fail("expected kind to be max, average or lp with p of at least 1, got '" + kind + "'");
  layout.finish(c, y);
}

void runMaxPoolIndices(Context &c) {
  const Tensor &x = c.in(0);
  Window window = windowOf(c, x);
  Shape places = window.places();
  Tensor &y = c.out(0, resultShape(x, places));
  expect(y.dtype == DType::I64, "expected a result of type i64");
  bool columnMajor = c.flag("column_major");
  int64_t plane = product(window.image), count = product(places);
  std::vector<double> image = doubles(x);
  Shape turned = window.image;
  std::reverse(turned.begin(), turned.end());
  Shape strides = contiguousStrides(turned);
  std::reverse(strides.begin(), strides.end());
  forEachBlock(window, places, x.count(0, 2), [&](int64_t p, int64_t first, int64_t width, auto &offsets) {
    std::vector<int64_t> best(static_cast<size_t>(width), -1);
    for (size_t i = 0; i < offsets.size(); ++i) {
      int64_t &soFar = best[i % width];
      if (offsets[i] >= 0 && (soFar < 0 || lessOrNan(image[p * plane + soFar], image[p * plane + offsets[i]])))
        soFar = offsets[i];
    }
    for (int64_t &offset : best) {
      offset = std::max<int64_t>(offset, 0);
      offset = p * plane + (columnMajor ? dot(unflatten(offset, window.image), strides) : offset);
    }
    storeInts(y, p * count + first, width, best.data());
  });
}

void runMaxUnpool(Context &c) {
  const Tensor &x = c.in(0), &indices = c.in(1);
  Tensor &y = c.out();
  expectSameType(x, y);
  if (indices.shape != x.shape)
    fail("expected indices of shape " + str(x.shape) + ", got " + str(indices.shape));
  std::vector<int64_t> places = loadIndices(indices);
  int64_t count = y.count();
  fillElements(y.dtype, y.data, 0, count, nullptr);
  for (size_t i = 0; i < places.size(); ++i) {
    if (places[i] < 0 || places[i] >= count)
      fail("expected an index in [0, " + str(count) + "), got " + str(places[i]));
    copyRange(y.dtype, y.data, places[i], x.data, static_cast<int64_t>(i), 1);
  }
}

} // namespace

std::span<const KernelEntry> poolKernels() {
  static const KernelEntry list[] = {
      {"pool", runPool}, {"max_pool_indices", runMaxPoolIndices}, {"max_unpool", runMaxUnpool}};
  return list;
}

} // namespace bessemer::kernels
