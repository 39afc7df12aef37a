// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// conv, conv_transpose, deform_conv, col2im: the image as columns (one for each
// place of the window), and a matrix product.
#include "ChannelsLast.h"
#include "Gemm.h"
#include "Loops.h"
#include "Window.h"

#include <cmath>

namespace bessemer::kernels {
namespace {

constexpr int64_t placeBlock = 128, depthBlock = 256;

Shape spatial(const Tensor &t, int64_t from) {
  if (t.rank() < from + 1)
    fail("expected rank " + str(from + 1) + " at least, got shape " + str(t.shape));
  return {t.shape.begin() + from, t.shape.end()};
}

/// Batch, channels, groups and windows of a convolution.
struct Geometry {
  int64_t batch, channels, outputs, groups, taps;

  int64_t groupChannels() const { return channels / groups; }
  int64_t groupOutputs() const { return outputs / groups; }
  int64_t depth() const { return groupChannels() * taps; } ///< of the matrix product
};

void checkBias(const Tensor *bias, int64_t outputs) {
  if (bias && bias->shape != Shape{outputs})
    fail("expected a bias of shape " + str(Shape{outputs}) + ", got " + str(bias->shape));
}

Geometry geometryOf(Context &c, const Tensor &x, const Tensor &w, const Tensor *bias) {
  int64_t groups = c.integer("groups", 1);
  if (groups < 1 || x.shape[1] % groups != 0 || w.shape[0] % groups != 0 || w.shape[1] != x.shape[1] / groups ||
      w.rank() != x.rank())
    fail("expected w [O, C/groups, window..] for x " + str(x.shape) + " and " + str(groups) + " groups, got " +
         str(w.shape));
  checkBias(bias, w.shape[0]);
  return {x.shape[0], x.shape[1], w.shape[0], groups, w.count(2, w.rank())};
}

/// y = w · columns + bias; `fill(n, g, first, count, columns)` makes the columns
/// [depth, count] of places from `first` on.
template <class T, class Fill>
void convolve(const Geometry &geometry, const Tensor &w, const Tensor *bias, const Tensor &y, int64_t places,
              Fill fill) {
  std::vector<T> weights = loadAll<T>(w), offsets = bias ? loadAll<T>(*bias) : std::vector<T>();
  int64_t depth = geometry.depth(), rows = geometry.groupOutputs();
  std::vector<T> columns(static_cast<size_t>(depth * placeBlock)), sums(static_cast<size_t>(rows * placeBlock));
  for (int64_t first = 0; first < places; first += placeBlock) {
    int64_t count = std::min(placeBlock, places - first);
    fill(0, -1, first, count, columns.data()); // a new block begins
    for (int64_t n = 0; n < geometry.batch; ++n)
      for (int64_t g = 0; g < geometry.groups; ++g) {
        fill(n, g, first, count, columns.data());
        for (int64_t r = 0; r < rows; ++r)
          std::fill_n(sums.data() + r * count, count, bias ? offsets[g * rows + r] : T{});
        for (int64_t p = 0; p < depth; p += depthBlock)
          multiplyAdd(weights.data() + g * rows * depth + p, depth, columns.data() + p * count, count, sums.data(),
                      count, rows, count, std::min(depthBlock, depth - p));
        for (int64_t r = 0; r < rows; ++r)
          storeNumbers(y, (n * geometry.outputs + g * rows + r) * places + first, count, sums.data() + r * count);
      }
  }
}

template <class T>
void convDirect(const Geometry &geometry, const Window &window, const Shape &places, const Tensor &x, const Tensor &w,
                const Tensor *bias, const Tensor &y) {
  std::vector<T> image = loadAll<T>(x);
  std::vector<int64_t> offsets;
  int64_t plane = product(window.image);
  auto fill = [&](int64_t n, int64_t g, int64_t first, int64_t count, T *to) {
    if (g < 0) {
      offsets = tapOffsets(window, places, first, count);
      return;
    }
    int64_t channel = n * geometry.channels + g * geometry.groupChannels();
    for (int64_t ch = 0; ch < geometry.groupChannels(); ++ch) {
      const T *from = image.data() + (channel + ch) * plane;
      for (int64_t offset : offsets)
        *to++ = offset < 0 ? T{} : from[offset];
    }
  };
  convolve<T>(geometry, w, bias, y, product(places), fill);
}

/// Weights that the layout phase has put in panels [groups, panels, window * C/groups, block]
/// (depthwise: [window, C]) as [O, C/groups, window..] again.
Tensor unpackWeights(const Tensor &packed, const Shape &shape, int64_t groups, Buffer &memory) {
  if (shape.size() < 2 || groups < 1 || shape[0] % groups != 0)
    fail("expected a weight_shape [O, C/groups, window..], got " + str(shape));
  Tensor plain{packed.dtype, shape, nullptr};
  memory = Buffer(plain.dtype, plain.count());
  plain.data = memory.data();
  int64_t outputs = shape[0] / groups, channels = shape[1], taps = plain.count(2, plain.rank());
  if (packed.rank() == 2) {
    if (packed.shape != Shape{taps, shape[0]})
      fail("expected depthwise weights of shape " + str(Shape{taps, shape[0]}) + ", got " + str(packed.shape));
    copyStrided(plain.dtype, {shape[0], taps}, plain.data, {taps, 1}, 0, packed.data, {1, shape[0]}, 0);
    return plain;
  }
  int64_t block = packed.shape.empty() ? 0 : packed.shape.back();
  if (packed.rank() != 4 || block < 1 ||
      packed.shape != Shape{groups, (outputs + block - 1) / block, taps * channels, block})
    fail("expected weights " + str(shape) + " in panels, got shape " + str(packed.shape));
  for (int64_t g = 0; g < groups; ++g)
    for (int64_t first = 0; first < outputs; first += block)
      copyStrided(plain.dtype, {std::min(block, outputs - first), channels, taps}, plain.data,
                  {channels * taps, taps, 1}, (g * outputs + first) * channels * taps, packed.data,
                  {1, block, channels * block}, (g * packed.shape[1] + first / block) * taps * channels * block);
  return plain;
}

void runConv(Context &c) {
  Buffer weightMemory;
  ChannelsLast layout(c);
  const Tensor x = layout.first(c.in(0));
  const Tensor w = c.has("weight_shape") && !c.integers("weight_shape").empty()
                       ? unpackWeights(c.in(1), c.integers("weight_shape"), c.integer("groups", 1), weightMemory)
                       : c.in(1);
  const Tensor *bias = c.optional(2);
  Window window(c, spatial(x, 2), spatial(w, 2));
  Geometry geometry = geometryOf(c, x, w, bias);
  Shape places = window.places(), shape{geometry.batch, geometry.outputs};
  shape.insert(shape.end(), places.begin(), places.end());
  Tensor y = layout.result(c, shape);
  if (isWhole(x.dtype) != isWhole(w.dtype))
    fail("expected two floats or two integers, got " + std::string(name(x.dtype)) + " and " +
         std::string(name(w.dtype)));
  if (isWhole(x.dtype))
    convDirect<uint64_t>(geometry, window, places, x, w, bias, y);
  else
    convDirect<double>(geometry, window, places, x, w, bias, y);
  layout.finish(c, y);
}

/// The value at a place between elements; outside of the image is 0.
double interpolate(const double *image, const Shape &extents, const std::vector<double> &at) {
  double sum = 0;
  for (size_t corner = 0; corner < size_t{1} << extents.size(); ++corner) {
    double weight = 1;
    int64_t offset = 0;
    for (size_t d = 0; d < extents.size() && weight != 0; ++d) {
      double low = std::floor(at[d]), fraction = at[d] - low;
      bool upper = corner >> d & 1;
      double place = low + upper;
      weight *= upper ? fraction : 1 - fraction;
      if (!(place >= 0 && place < static_cast<double>(extents[d])))
        weight = 0;
      else
        offset = offset * extents[d] + static_cast<int64_t>(place);
    }
    if (weight != 0)
      sum += weight * image[offset];
  }
  return sum;
}

void runDeformConv(Context &c) {
  const Tensor &x = c.in(0), &w = c.in(1), &offset = c.in(2);
  const Tensor *bias = c.optional(3), *mask = c.optional(4);
  Window window(c, spatial(x, 2), spatial(w, 2));
  Geometry geometry = geometryOf(c, x, w, bias);
  Shape places = window.places(), shape{geometry.batch, geometry.outputs};
  shape.insert(shape.end(), places.begin(), places.end());
  Tensor &y = c.out(0, shape);
  int64_t offsetGroups = c.integer("offset_groups", 1), rank = static_cast<int64_t>(window.rank());
  expect(offsetGroups >= 1 && geometry.channels % offsetGroups == 0, "expected offset groups that divide the channels");
  Shape expected = shape;
  expected[1] = offsetGroups * geometry.taps * rank;
  if (offset.shape != expected)
    fail("expected offsets of shape " + str(expected) + ", got " + str(offset.shape));
  expected[1] = offsetGroups * geometry.taps;
  if (mask && mask->shape != expected)
    fail("expected a mask of shape " + str(expected) + ", got " + str(mask->shape));
  std::vector<double> image = doubles(x), shifts = doubles(offset),
                      factors = mask ? doubles(*mask) : std::vector<double>();
  int64_t plane = product(window.image), placeCount = product(places);
  int64_t perOffsetGroup = geometry.channels / offsetGroups;
  std::vector<double> at(static_cast<size_t>(rank));
  auto fill = [&](int64_t n, int64_t g, int64_t first, int64_t count, double *to) {
    for (int64_t ch = 0; g >= 0 && ch < geometry.groupChannels(); ++ch) {
      int64_t channel = g * geometry.groupChannels() + ch;
      const double *from = image.data() + (n * geometry.channels + channel) * plane;
      for (int64_t t = 0; t < geometry.taps; ++t) {
        Shape tap = unflatten(t, window.extents);
        int64_t control = (n * offsetGroups + channel / perOffsetGroup) * geometry.taps + t;
        for (int64_t j = first; j < first + count; ++j) {
          Shape place = unflatten(j, places);
          for (int64_t d = 0; d < rank; ++d)
            at[d] =
                static_cast<double>(window.source(d, place[d], tap[d])) + shifts[(control * rank + d) * placeCount + j];
          *to++ = interpolate(from, window.image, at) * (mask ? factors[control * placeCount + j] : 1);
        }
      }
    }
  };
  convolve<double>(geometry, w, bias, y, placeCount, fill);
}

/// image[channel] += columns [channels · taps, count] of places from `first` on.
void addColumns(const std::vector<int64_t> &offsets, int64_t channels, int64_t plane, const double *columns,
                double *image) {
  for (int64_t ch = 0; ch < channels; ++ch, image += plane)
    for (int64_t offset : offsets) {
      if (offset >= 0)
        image[offset] += *columns;
      ++columns;
    }
}

void runConvTranspose(Context &c) {
  const Tensor &x = c.in(0), &w = c.in(1);
  const Tensor *bias = c.optional(2);
  Tensor &y = c.out();
  // The gradient of a convolution over the result: its places are x's elements.
  Shape places = spatial(x, 2);
  int64_t groups = c.integer("groups", 1);
  if (groups < 1 || w.rank() != x.rank() || y.rank() != x.rank() || x.shape[1] % groups != 0 ||
      w.shape[0] != x.shape[1] || y.shape[0] != x.shape[0] || y.shape[1] != w.shape[1] * groups)
    fail("expected w [C, O/groups, window..] and a result [N, O, spatial..] for x " + str(x.shape) + ", got " +
         str(w.shape) + " and " + str(y.shape));
  Window window(c, spatial(y, 2), spatial(w, 2));
  checkBias(bias, y.shape[1]);
  int64_t channels = x.shape[1] / groups, outputs = w.shape[1], taps = w.count(2, w.rank());
  int64_t depth = outputs * taps, plane = product(window.image), count = product(places);
  std::vector<double> weights = doubles(w), input = doubles(x), offsets = bias ? doubles(*bias) : std::vector<double>();
  std::vector<double> image(static_cast<size_t>(outputs * plane)), columns,
      turned(static_cast<size_t>(depth * channels));
  for (int64_t n = 0; n < x.shape[0]; ++n)
    for (int64_t g = 0; g < groups; ++g) {
      for (int64_t ch = 0; ch < channels; ++ch)
        for (int64_t r = 0; r < depth; ++r)
          turned[r * channels + ch] = weights[(g * channels + ch) * depth + r];
      for (int64_t o = 0; o < outputs; ++o)
        std::fill_n(image.data() + o * plane, plane, bias ? offsets[g * outputs + o] : 0.0);
      for (int64_t first = 0; first < count; first += placeBlock) {
        int64_t width = std::min(placeBlock, count - first);
        columns.assign(static_cast<size_t>(depth * width), 0.0);
        multiplyAdd(turned.data(), channels, input.data() + (n * groups + g) * channels * count + first, count,
                    columns.data(), width, depth, width, channels);
        addColumns(tapOffsets(window, places, first, width), outputs, plane, columns.data(), image.data());
      }
      storeDoubles(y, (n * groups + g) * outputs * plane, outputs * plane, image.data());
    }
}

void runCol2Im(Context &c) {
  const Tensor &x = c.in(0);
  Tensor &y = c.out();
  Window window(c, spatial(y, 2), c.integers("block"));
  int64_t taps = product(window.extents), plane = product(window.image), channels = y.shape[1];
  Shape places = window.places(), expected{y.shape[0], channels * taps, product(places)};
  if (x.shape != expected)
    fail("expected an operand of shape " + str(expected) + ", got " + str(x.shape));
  std::vector<double> columns = doubles(x), image(static_cast<size_t>(y.count()));
  std::vector<int64_t> offsets = tapOffsets(window, places, 0, expected[2]);
  for (int64_t n = 0; n < y.shape[0]; ++n)
    addColumns(offsets, channels, plane, columns.data() + n * expected[1] * expected[2],
               image.data() + n * channels * plane);
  storeDoubles(y, 0, y.count(), image.data());
}

} // namespace

std::span<const KernelEntry> convKernels() {
  static const KernelEntry list[] = {
      {"conv", runConv}, {"conv_transpose", runConvTranspose}, {"deform_conv", runDeformConv}, {"col2im", runCol2Im}};
  return list;
}

} // namespace bessemer::kernels
