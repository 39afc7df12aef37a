// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// winograd_input, winograd_weights, winograd_output: the steps around the
// products of Winograd's convolution F(m x m, 3 x 3) (Lavin and Gray, "Fast
// Algorithms for Convolutional Neural Networks", 2015).
#include "Convert.h"
#include "Loops.h"

#include <array>

namespace bessemer::kernels {
namespace {

/// B^T [a, a], G [a, 3] and A^T [m, a], row-major, of F(m x m, 3 x 3); a = m + 2.
struct Transforms {
  int64_t m, a;
  std::vector<double> input, weights, output;
};

const Transforms &transformsOf(int64_t tile) {
  static const Transforms two{2,
                              4,
                              {1, 0, -1, 0, 0, 1, 1, 0, 0, -1, 1, 0, 0, 1, 0, -1},
                              {1, 0, 0, .5, .5, .5, .5, -.5, .5, 0, 0, 1},
                              {1, 1, 1, 0, 0, 1, -1, -1}};
  static const Transforms four{4,
                               6,
                               {4, 0,  -5, 0, 1, 0, 0, -4, -4, 1,  1, 0, 0, 4, -4, -1, 1, 0,
                                0, -2, -1, 2, 1, 0, 0, 2,  -1, -2, 1, 0, 0, 4, 0,  -5, 0, 1},
                               {1. / 4, 0, 0, -1. / 6, -1. / 6, -1. / 6, -1. / 6, 1. / 6, -1. / 6, 1. / 24, 1. / 12,
                                1. / 6, 1. / 24, -1. / 12, 1. / 6, 0, 0, 1},
                               {1, 1, 1, 1, 1, 0, 0, 1, -1, 2, -2, 0, 0, 1, 1, 4, 4, 0, 0, 1, -1, 8, -8, 1}};
  if (tile != 2 && tile != 4)
    fail("expected a tile of 2 or 4, got " + str(tile));
  return tile == 2 ? two : four;
}

/// t [rows, n] x t^T for a tile x [n, n]: [rows, rows].
void sandwich(const std::vector<double> &t, int64_t rows, int64_t n, const double *x, double *y) {
  double half[36];
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t k = 0; k < n; ++k)
        sum += t[i * n + k] * x[k * n + j];
      half[i * n + j] = sum;
    }
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < rows; ++j) {
      double sum = 0;
      for (int64_t k = 0; k < n; ++k)
        sum += half[i * n + k] * t[j * n + k];
      y[i * rows + j] = sum;
    }
}

int64_t ceilDiv(int64_t n, int64_t d) { return (n + d - 1) / d; }

void runInput(Context &c) {
  const Tensor &x = c.in(0);
  const Transforms &t = transformsOf(c.integer("tile"));
  Shape pads = c.integers("pads");
  if (x.rank() != 4 || pads.size() != 4)
    fail("expected an image [N, H, W, C] and 4 pads, got shape " + str(x.shape) + " and pads " + str(pads));
  int64_t height = x.shape[1], width = x.shape[2], channels = x.shape[3];
  int64_t down = ceilDiv(std::max<int64_t>(height + pads[0] + pads[2] - 2, 0), t.m);
  int64_t across = ceilDiv(std::max<int64_t>(width + pads[1] + pads[3] - 2, 0), t.m),
          tiles = x.shape[0] * down * across;
  Tensor &y = c.out(0, {t.a * t.a, tiles, channels});
  std::vector<double> image = doubles(x), result(static_cast<size_t>(y.count()));
  double patch[36], turned[36];
  for (int64_t i = 0; i < tiles; ++i) {
    int64_t n = i / (down * across), top = i / across % down * t.m - pads[0], left = i % across * t.m - pads[1];
    for (int64_t ch = 0; ch < channels; ++ch) {
      for (int64_t p = 0; p < t.a * t.a; ++p) {
        int64_t row = top + p / t.a, column = left + p % t.a;
        bool inside = row >= 0 && row < height && column >= 0 && column < width;
        patch[p] = inside ? image[((n * height + row) * width + column) * channels + ch] : 0;
      }
      sandwich(t.input, t.a, t.a, patch, turned);
      for (int64_t p = 0; p < t.a * t.a; ++p)
        result[(p * tiles + i) * channels + ch] = turned[p];
    }
  }
  storeDoubles(y, 0, y.count(), result.data());
}

void runWeights(Context &c) {
  const Tensor &w = c.in(0);
  const Transforms &t = transformsOf(c.integer("tile"));
  if (w.rank() != 4 || w.shape[2] != 3 || w.shape[3] != 3)
    fail("expected weights [O, C, 3, 3], got shape " + str(w.shape));
  int64_t outputs = w.shape[0], channels = w.shape[1];
  Tensor &y = c.out(0, {t.a * t.a, channels, outputs});
  // One channel at a time: the result is larger than the operand, and a loader has little memory.
  std::vector<double> windows(static_cast<size_t>(outputs * 9)), turned(static_cast<size_t>(t.a * t.a * outputs)),
      point(36);
  for (int64_t ch = 0; ch < channels; ++ch) {
    for (int64_t o = 0; o < outputs; ++o) {
      loadDoubles(w, (o * channels + ch) * 9, 9, windows.data());
      sandwich(t.weights, t.a, 3, windows.data(), point.data());
      for (int64_t p = 0; p < t.a * t.a; ++p)
        turned[p * outputs + o] = point[p];
    }
    for (int64_t p = 0; p < t.a * t.a; ++p)
      storeDoubles(y, (p * channels + ch) * outputs, outputs, turned.data() + p * outputs);
  }
}

void runOutput(Context &c) {
  const Tensor &v = c.in(0);
  const Tensor *bias = c.optional(1);
  const Transforms &t = transformsOf(c.integer("tile"));
  Tensor &y = c.out();
  if (v.rank() != 3 || y.rank() != 4)
    fail("expected products [a * a, N * tiles, O] and a result [N, H, W, O], got shapes " + str(v.shape) + " and " +
         str(y.shape));
  int64_t height = y.shape[1], width = y.shape[2], channels = y.shape[3];
  int64_t down = ceilDiv(height, t.m), across = ceilDiv(width, t.m), tiles = y.shape[0] * down * across;
  if (v.shape != Shape{t.a * t.a, tiles, channels})
    fail("expected products of shape " + str(Shape{t.a * t.a, tiles, channels}) + ", got " + str(v.shape));
  if (bias && bias->shape != Shape{channels})
    fail("expected a bias of shape " + str(Shape{channels}) + ", got " + str(bias->shape));
  std::vector<double> products = doubles(v), offsets = bias ? doubles(*bias) : std::vector<double>();
  std::vector<double> result(static_cast<size_t>(y.count()));
  double point[36], places[16];
  for (int64_t i = 0; i < tiles; ++i) {
    int64_t n = i / (down * across), top = i / across % down * t.m, left = i % across * t.m;
    for (int64_t ch = 0; ch < channels; ++ch) {
      for (int64_t p = 0; p < t.a * t.a; ++p)
        point[p] = products[(p * tiles + i) * channels + ch];
      sandwich(t.output, t.m, t.a, point, places);
      for (int64_t p = 0; p < t.m * t.m; ++p) {
        int64_t row = top + p / t.m, column = left + p % t.m;
        if (row < height && column < width)
          result[((n * height + row) * width + column) * channels + ch] = places[p] + (bias ? offsets[ch] : 0);
      }
    }
  }
  storeDoubles(y, 0, y.count(), result.data());
}

} // namespace

std::span<const KernelEntry> winogradKernels() {
  static const KernelEntry list[] = {
      {"winograd_input", runInput}, {"winograd_weights", runWeights}, {"winograd_output", runOutput}};
  return list;
}

} // namespace bessemer::kernels
