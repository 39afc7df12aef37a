// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// dft, stft, det.
#include "Convert.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <numbers>

namespace bessemer::kernels {
namespace {

using Complex = std::complex<double>;

/// The discrete Fourier transform by its definition, with a table of the roots.
class Fourier {
public:
  Fourier(int64_t length, bool inverse) : length(length), inverse(inverse) {
    for (int64_t i = 0; i < length; ++i) {
      double angle = 2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(length);
      roots.push_back(std::polar(1.0, inverse ? angle : -angle));
    }
  }
  /// The first `bins` frequencies of x, which has at most `length` entries.
  std::vector<Complex> operator()(const std::vector<Complex> &x, int64_t bins) const {
    std::vector<Complex> result(static_cast<size_t>(bins));
    for (int64_t k = 0; k < bins; ++k) {
      Complex sum = 0;
      int64_t root = 0;
      for (const Complex &value : x) {
        sum += value * roots[root];
        root += k;
        root -= root >= length ? length : 0;
      }
      result[k] = inverse ? sum / static_cast<double>(length) : sum;
    }
    return result;
  }

private:
  int64_t length;
  bool inverse;
  std::vector<Complex> roots;
};

void checkParts(const Tensor &x) {
  if (x.rank() < 2 || (x.shape.back() != 1 && x.shape.back() != 2) || !isFloat(x.dtype))
    fail("expected floats with a last dimension of 1 or 2, got shape " + str(x.shape));
}

/// The other half of a real signal's spectrum of `length` bins.
void mirror(std::vector<Complex> &spectrum, int64_t length) {
  int64_t half = length / 2 + 1;
  spectrum.resize(static_cast<size_t>(half));
  spectrum[0] = spectrum[0].real();
  if (length % 2 == 0)
    spectrum[half - 1] = spectrum[half - 1].real();
  spectrum.resize(static_cast<size_t>(length));
  for (int64_t k = half; k < length; ++k)
    spectrum[k] = std::conj(spectrum[length - k]);
}

void runDft(Context &c) {
  const Tensor &x = c.in(0);
  Tensor &y = c.out();
  checkParts(x);
  int64_t axis = c.axis("axis", x.rank());
  expect(axis < x.rank() - 1, "expected an axis before the last");
  bool inverse = c.flag("inverse"), onesided = c.flag("onesided");
  Shape expected = x.shape;
  if (y.rank() == x.rank())
    expected[axis] = y.shape[axis];
  int64_t bins = expected[axis];
  int64_t length = onesided && !inverse ? c.integer("length", 0) : bins;
  if (length == 0)
    length = x.shape[axis];
  expected.back() = inverse && onesided ? 1 : 2;
  if (onesided && !inverse)
    expected[axis] = length / 2 + 1;
  if (y.shape != expected || length < 1)
    fail("expected a result of shape " + str(expected) + ", got " + str(y.shape));
  int64_t extent = x.shape[axis], parts = x.shape.back(), results = y.shape.back();
  int64_t outer = x.count(0, axis), inner = x.count(axis + 1, x.rank() - 1);
  int64_t used = std::min(extent, inverse && onesided ? length / 2 + 1 : length);
  Fourier fourier(length, inverse);
  std::vector<double> input = doubles(x), output(static_cast<size_t>(y.count()));
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) {
      std::vector<Complex> signal;
      for (int64_t a = 0; a < used; ++a) {
        const double *from = input.data() + ((o * extent + a) * inner + i) * parts;
        signal.emplace_back(from[0], parts == 2 ? from[1] : 0);
      }
      if (inverse && onesided)
        mirror(signal, length);
      std::vector<Complex> spectrum = fourier(signal, bins);
      for (int64_t k = 0; k < bins; ++k) {
        double *to = output.data() + ((o * bins + k) * inner + i) * results;
        to[0] = spectrum[k].real();
        if (results == 2)
          to[1] = spectrum[k].imag();
      }
    }
  storeDoubles(y, 0, y.count(), output.data());
}

void runStft(Context &c) {
  const Tensor &x = c.in(0);
  const Tensor *window = c.optional(1);
  checkParts(x);
  expect(x.rank() == 3, "expected a signal [batch, length, 1 or 2]");
  int64_t step = c.integer("frame_step"), length = c.integer("frame_length");
  bool onesided = c.flag("onesided", true);
  int64_t samples = x.shape[1], parts = x.shape[2];
  if (step < 1 || length < 1 || length > samples)
    fail("expected a frame step of at least 1 and a frame length in [1, " + str(samples) + "], got " + str(step) +
         " and " + str(length));
  if (window && (window->rank() != 1 || window->shape[0] > length))
    fail("expected a window of at most " + str(length) + " entries, got shape " + str(window->shape));
  int64_t frames = (samples - length) / step + 1, bins = onesided ? length / 2 + 1 : length;
  Tensor &y = c.out(0, {x.shape[0], frames, bins, 2});
  // A shorter window stands in the middle of the frame's zeros.
  std::vector<double> weights(static_cast<size_t>(length), window ? 0.0 : 1.0), input = doubles(x), output;
  if (window)
    loadDoubles(*window, 0, window->shape[0], weights.data() + (length - window->shape[0]) / 2);
  Fourier fourier(length, false);
  for (int64_t b = 0; b < x.shape[0]; ++b)
    for (int64_t f = 0; f < frames; ++f) {
      std::vector<Complex> frame;
      for (int64_t t = 0; t < length; ++t) {
        const double *from = input.data() + (b * samples + f * step + t) * parts;
        frame.push_back(weights[t] * Complex(from[0], parts == 2 ? from[1] : 0));
      }
      for (const Complex &bin : fourier(frame, bins))
        output.insert(output.end(), {bin.real(), bin.imag()});
    }
  storeDoubles(y, 0, y.count(), output.data());
}

/// By elimination with row pivots; destroys the matrix.
double determinant(double *matrix, int64_t n) {
  double result = 1;
  for (int64_t k = 0; k < n; ++k) {
    int64_t pivot = k;
    for (int64_t i = k + 1; i < n; ++i)
      if (std::fabs(matrix[i * n + k]) > std::fabs(matrix[pivot * n + k]))
        pivot = i;
    if (matrix[pivot * n + k] == 0)
      return 0;
    if (pivot != k) {
      std::swap_ranges(matrix + pivot * n, matrix + (pivot + 1) * n, matrix + k * n);
      result = -result;
    }
    result *= matrix[k * n + k];
    for (int64_t i = k + 1; i < n; ++i) {
      double factor = matrix[i * n + k] / matrix[k * n + k];
      for (int64_t j = k; j < n; ++j)
        matrix[i * n + j] -= factor * matrix[k * n + j];
    }
  }
  return result;
}

void runDet(Context &c) {
  const Tensor &x = c.in(0);
  if (x.rank() < 2 || x.shape[x.rank() - 1] != x.shape[x.rank() - 2])
    fail("expected square matrices, got shape " + str(x.shape));
  Tensor &y = c.out(0, Shape(x.shape.begin(), x.shape.end() - 2));
  expectSameType(x, y);
  int64_t n = x.shape.back();
  std::vector<double> matrices = doubles(x);
  for (int64_t i = 0; i < y.count(); ++i) {
    double value = determinant(matrices.data() + i * n * n, n);
    storeDoubles(y, i, 1, &value);
  }
}

} // namespace

std::span<const KernelEntry> signalKernels() {
  static const KernelEntry list[] = {{"dft", runDft}, {"stft", runStft}, {"det", runDet}};
  return list;
}

} // namespace bessemer::kernels
