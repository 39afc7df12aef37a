// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ONNX Resize. It is separable: each axis has a table of taps and weights for
// each place of the result, and the axes are done one after the other.
#include "Convert.h"

#include <algorithm>
#include <cmath>

namespace bessemer::kernels {
namespace {

struct AxisResize {
  int64_t from, to; ///< extents
  double scale;     ///< as the coordinate transformation uses it
  double width;     ///< from · scale, the extent it stands for
  double roiStart, roiEnd;
};

struct Options {
  std::string mode, coordinates, nearest;
  double cubicA, extrapolation;
  bool excludeOutside, antialias;
};

Options readOptions(Context &c) {
  Options options{c.text("mode"),
                  c.text("coordinate_transformation_mode", "half_pixel"),
                  c.text("nearest_mode", "round_prefer_floor"),
                  c.real("cubic_coeff_a", -0.75),
                  c.real("extrapolation_value", 0.0),
                  c.flag("exclude_outside"),
                  c.flag("antialias")};
  if (options.mode != "nearest" && options.mode != "linear" && options.mode != "cubic")
    fail("expected mode to be nearest, linear or cubic, got '" + options.mode + "'");
  return options;
}

/// Where place `i` of the result lies in the operand.
double coordinate(const AxisResize &a, const std::string &mode, int64_t i) {
  double x = static_cast<double>(i), last = static_cast<double>(a.from - 1);
  if (mode == "half_pixel")
    return (x + 0.5) / a.scale - 0.5;
  if (mode == "asymmetric")
    return x / a.scale;
  if (mode == "align_corners")
    return a.width == 1 ? 0 : x * last / (a.width - 1);
  if (mode == "pytorch_half_pixel")
    return a.width == 1 ? -0.5 : (x + 0.5) / a.scale - 0.5;
  if (mode == "half_pixel_symmetric") {
    // The centre of the operand maps to the centre of the result even when
    // the result's extent was rounded.
    double adjustment = static_cast<double>(a.to) / a.width;
    return static_cast<double>(a.from) / 2 * (1 - adjustment) + (x + 0.5) / a.scale - 0.5;
  }
  if (mode == "tf_crop_and_resize") {
    double within =
        a.width == 1 ? (a.roiEnd - a.roiStart) * last / 2 : x * (a.roiEnd - a.roiStart) * last / (a.width - 1);
    return within + a.roiStart * last;
  }
  fail("expected a coordinate transformation mode, got '" + mode + "'");
}

double cubicWeight(double x, double a) {
  x = std::fabs(x);
  if (x <= 1)
    return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((x - 5) * x + 8) * x * a - 4 * a : 0;
}

bool roundsDown(double fraction, const std::string &mode) {
  if (mode == "round_prefer_floor")
    return fraction <= 0.5;
  if (mode == "round_prefer_ceil")
    return fraction < 0.5;
  if (mode == "floor" || mode == "ceil")
    return mode == "floor" || fraction == 0;
  fail("expected a nearest mode, got '" + mode + "'");
}

struct Taps {
  int64_t first = 0; ///< index of the first; may lie outside of the operand
  std::vector<double> weights;
};

Taps tapsOf(double x, double scale, const Options &options) {
  double low = std::floor(x), fraction = x - low;
  int64_t base = static_cast<int64_t>(low);
  if (options.mode == "nearest")
    return {roundsDown(fraction, options.nearest) ? base : base + 1, {1}};
  bool cubic = options.mode == "cubic";
  // The filter widens where the image shrinks, if it is to be antialiased.
  double stretch = options.antialias ? std::min(scale, 1.0) : 1;
  int64_t begin = static_cast<int64_t>(std::floor((cubic ? -2 : -1) / stretch)) + 1;
  Taps taps{base + begin, {}};
  double sum = 0;
  for (int64_t i = begin; i <= 1 - begin; ++i) {
    double distance = (static_cast<double>(i) - fraction) * stretch;
    taps.weights.push_back(cubic ? cubicWeight(distance, options.cubicA) : std::max(0.0, 1 - std::fabs(distance)));
    sum += taps.weights.back();
  }
  for (double &weight : taps.weights)
    weight /= sum;
  return taps;
}

/// Resizes one axis of `image`, seen as [outer, from, inner].
std::vector<double> resizeAxis(const std::vector<double> &image, int64_t outer, int64_t inner, const AxisResize &axis,
                               const Options &options) {
  std::vector<double> result(static_cast<size_t>(outer * axis.to * inner));
  for (int64_t i = 0; i < axis.to; ++i) {
    double x = coordinate(axis, options.coordinates, i);
    if (!(std::fabs(x) < 0x1p40))
      fail("expected coordinates within the operand, got " + std::to_string(x));
    bool outside = options.coordinates == "tf_crop_and_resize" && (x < 0 || x > static_cast<double>(axis.from - 1));
    Taps taps = tapsOf(x, axis.scale, options);
    if (options.excludeOutside && options.mode != "nearest") {
      double sum = 0;
      for (size_t t = 0; t < taps.weights.size(); ++t) {
        int64_t source = taps.first + static_cast<int64_t>(t);
        if (source < 0 || source >= axis.from)
          taps.weights[t] = 0;
        sum += taps.weights[t];
      }
      for (double &weight : taps.weights)
        weight /= sum == 0 ? 1 : sum;
    }
    for (int64_t o = 0; o < outer; ++o) {
      double *to = result.data() + (o * axis.to + i) * inner;
      if (outside) {
        std::fill_n(to, inner, options.extrapolation);
        continue;
      }
      for (size_t t = 0; t < taps.weights.size(); ++t) {
        if (taps.weights[t] == 0)
          continue;
        int64_t source = std::clamp<int64_t>(taps.first + static_cast<int64_t>(t), 0, axis.from - 1);
        const double *from = image.data() + (o * axis.from + source) * inner;
        for (int64_t j = 0; j < inner; ++j)
          to[j] += taps.weights[t] * from[j];
      }
    }
  }
  return result;
}

void runResize(Context &c) {
  const Tensor &x = c.in(0);
  Tensor &y = c.out();
  expectSameType(x, y);
  Options options = readOptions(c);
  Shape axes = c.integers("axes");
  std::vector<double> scales = c.reals("scales"), roi = c.reals("roi");
  size_t n = axes.size();
  if (y.rank() != x.rank())
    fail("expected a result of rank " + str(x.rank()) + ", got shape " + str(y.shape));
  if ((!scales.empty() && scales.size() != n) || (!roi.empty() && roi.size() != 2 * n))
    fail("expected " + std::to_string(n) + " scales and twice as many entries of roi");
  bool crop = options.coordinates == "tf_crop_and_resize";
  expect(!crop || !roi.empty() || n == 0, "expected a roi for tf_crop_and_resize");
  std::vector<double> image = doubles(x);
  Shape shape = x.shape;
  for (size_t i = 0; i < n; ++i) {
    int64_t axis = normalizeAxis(axes[i], x.rank());
    AxisResize resize{shape[axis], y.shape[axis], 0, 0, crop ? roi[i] : 0, crop ? roi[n + i] : 1};
    expect(resize.from > 0 || y.count() == 0, "expected a non-empty operand");
    resize.scale = scales.empty() ? static_cast<double>(resize.to) / static_cast<double>(resize.from) : scales[i];
    resize.width = scales.empty() ? static_cast<double>(resize.to) : scales[i] * static_cast<double>(resize.from);
    expect(y.count() == 0 || (resize.scale > 0x1p-20 && resize.scale < 0x1p40), "expected positive scales");
    if (y.count() == 0 || (resize.from == resize.to && resize.scale == 1 && !crop)) {
      shape[axis] = y.shape[axis];
      continue;
    }
    int64_t outer = product(std::span(shape).first(axis)), inner = product(std::span(shape).subspan(axis + 1));
    image = resizeAxis(image, outer, inner, resize, options);
    shape[axis] = resize.to;
  }
  if (shape != y.shape)
    fail("expected a result of shape " + str(shape) + ", got " + str(y.shape));
  if (isInteger(y.dtype)) // rounded and saturated: an interpolated byte is no truncated one
    for (double &value : image)
      value = std::clamp(std::nearbyint(value), static_cast<double>(lowestInt(y.dtype)),
                         y.dtype == DType::U64 ? 0x1p64 : static_cast<double>(largestInt(y.dtype)));
  if (y.count() > 0)
    storeDoubles(y, 0, y.count(), image.data());
}

} // namespace

std::span<const KernelEntry> resizeKernels() {
  static const KernelEntry list[] = {{"resize", runResize}};
  return list;
}

} // namespace bessemer::kernels
