// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Convert.h"
#include "Loops.h"

#include <cmath>

namespace bessemer::kernels {
namespace {

enum class Padding { Zeros, Border, Reflection };

struct Sampler {
  std::string mode;
  Padding padding;
  bool alignCorners;

  double low() const { return alignCorners ? 0 : -0.5; }
  double high(int64_t extent) const { return static_cast<double>(extent) - (alignCorners ? 1 : 0.5); }

  double reflect(double x, int64_t extent) const {
    double from = low(), range = high(extent) - from;
    if (range <= 0)
      return 0;
    double r = std::fmod(std::fabs(x - from), 2 * range);
    return from + (r <= range ? r : 2 * range - r);
  }

  /// From [-1, 1] to elements, brought inside as the padding mode says.
  double coordinate(double x, int64_t extent) const {
    double d = static_cast<double>(extent);
    x = alignCorners ? (x + 1) / 2 * (d - 1) : ((x + 1) * d - 1) / 2;
    if (!(std::fabs(x) < 0x1p40)) // NaN and what no image holds
      x = std::isnan(x) || x < 0 ? -0x1p40 : 0x1p40;
    if (mode == "nearest")
      x = std::nearbyint(x);
    if (x >= low() && x <= high(extent))
      return x;
    if (padding == Padding::Border)
      return std::clamp(x, 0.0, d - 1);
    return padding == Padding::Reflection ? reflect(x, extent) : x;
  }

  /// The element that stands for place i; -1: zero.
  int64_t element(int64_t i, int64_t extent) const {
    if (i >= 0 && i < extent)
      return i;
    if (padding == Padding::Zeros)
      return -1;
    if (padding == Padding::Reflection)
      i = static_cast<int64_t>(reflect(static_cast<double>(i), extent));
    return std::clamp<int64_t>(i, 0, extent - 1);
  }
};

struct Tap {
  int64_t element;
  double weight;
};

std::vector<Tap> tapsOf(const Sampler &sampler, double x, int64_t extent) {
  if (sampler.mode == "nearest")
    return {{sampler.element(static_cast<int64_t>(x), extent), 1}};
  double low = std::floor(x), t = x - low;
  int64_t base = static_cast<int64_t>(low);
  if (sampler.mode == "linear")
    return {{sampler.element(base, extent), 1 - t}, {sampler.element(base + 1, extent), t}};
  constexpr double a = -0.75;
  auto far = [](double d) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; };
  auto near = [](double d) { return ((a + 2) * d - (a + 3)) * d * d + 1; };
  return {{sampler.element(base - 1, extent), far(t + 1)},
          {sampler.element(base, extent), near(t)},
          {sampler.element(base + 1, extent), near(1 - t)},
          {sampler.element(base + 2, extent), far(2 - t)}};
}

void runGridSample(Context &c) {
  const Tensor &x = c.in(0), &grid = c.in(1);
  int64_t rank = x.rank() - 2;
  if (rank < 1 || grid.rank() != x.rank() || grid.shape.back() != rank || grid.shape[0] != x.shape[0])
    fail("expected x [N, C, spatial..] and a grid [N, out.., rank], got " + str(x.shape) + " and " + str(grid.shape));
  Shape shape{x.shape[0], x.shape[1]}, extents(x.shape.begin() + 2, x.shape.end());
  shape.insert(shape.end(), grid.shape.begin() + 1, grid.shape.end() - 1);
  Tensor &y = c.out(0, shape);
  expectSameType(x, y);
  std::string padding = c.text("padding_mode", "zeros");
  if (padding != "zeros" && padding != "border" && padding != "reflection")
    fail("expected padding_mode to be zeros, border or reflection, got '" + padding + "'");
  Sampler sampler{c.text("mode", "linear"),
                  padding == "zeros"    ? Padding::Zeros
                  : padding == "border" ? Padding::Border
                                        : Padding::Reflection,
                  c.flag("align_corners")};
  if (sampler.mode != "linear" && sampler.mode != "nearest" && sampler.mode != "cubic")
    fail("expected mode to be linear, nearest or cubic, got '" + sampler.mode + "'");
  int64_t channels = x.shape[1], plane = product(extents), places = y.count(2, y.rank());
  expect(plane > 0 || y.count() == 0, "expected a non-empty image");
  std::vector<double> image = doubles(x), where = doubles(grid), result(static_cast<size_t>(y.count()));
  Shape strides = contiguousStrides(extents);
  std::vector<std::vector<Tap>> taps(static_cast<size_t>(rank));
  for (int64_t n = 0; n < x.shape[0]; ++n)
    for (int64_t p = 0; p < places; ++p) {
      Shape tapCounts;
      for (int64_t d = 0; d < rank; ++d) {
        // The grid's coordinates come innermost dimension first.
        double at = where[(n * places + p) * rank + rank - 1 - d];
        taps[d] = tapsOf(sampler, sampler.coordinate(at, extents[d]), extents[d]);
        tapCounts.push_back(static_cast<int64_t>(taps[d].size()));
      }
      forEachIndex(tapCounts, [&](const Shape &tap) {
        double weight = 1;
        int64_t offset = 0;
        for (int64_t d = 0; d < rank; ++d) {
          const Tap &chosen = taps[d][tap[d]];
          weight = chosen.element < 0 ? 0 : weight * chosen.weight;
          offset += std::max<int64_t>(chosen.element, 0) * strides[d];
          if (weight == 0)
            return;
        }
        for (int64_t ch = 0; ch < channels; ++ch)
          result[(n * channels + ch) * places + p] += weight * image[(n * channels + ch) * plane + offset];
      });
    }
  storeDoubles(y, 0, y.count(), result.data());
}

} // namespace

std::span<const KernelEntry> gridSampleKernels() {
  static const KernelEntry list[] = {{"grid_sample", runGridSample}};
  return list;
}

} // namespace bessemer::kernels
