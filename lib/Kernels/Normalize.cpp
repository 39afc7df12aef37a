// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// softmax, layer_norm, rms_norm, lrn.
#include "Convert.h"
#include "Loops.h"

#include <cmath>
#include <limits>

namespace bessemer::kernels {
namespace {

void expectFloat(const Tensor &x) {
  if (!isFloat(x.dtype))
    fail("expected floats, got elements of type " + std::string(name(x.dtype)));
}

void runSoftmax(Context &c) {
  const Tensor &x = c.in(0);
  Tensor &y = c.out(0, x.shape);
  expectFloat(x);
  expectSameType(x, y);
  bool wantsLog = c.flag("log");
  int64_t axis = c.axis("axis", x.rank());
  int64_t outer = x.count(0, axis), extent = x.shape[axis], inner = x.count(axis + 1, x.rank());
  std::vector<double> slab(static_cast<size_t>(extent * inner));
  for (int64_t o = 0; o < outer; ++o) {
    loadDoubles(x, o * extent * inner, extent * inner, slab.data());
    for (int64_t i = 0; i < inner && extent > 0; ++i) {
      double largest = -std::numeric_limits<double>::infinity(), sum = 0;
      for (int64_t a = 0; a < extent; ++a)
        largest = std::fmax(largest, slab[a * inner + i]);
      for (int64_t a = 0; a < extent; ++a)
        sum += std::exp(slab[a * inner + i] - largest);
      double logOfSum = std::log(sum);
      for (int64_t a = 0; a < extent; ++a) {
        double &v = slab[a * inner + i];
        v = wantsLog ? v - largest - logOfSum : std::exp(v - largest) / sum;
      }
    }
    storeDoubles(y, o * extent * inner, extent * inner, slab.data());
  }
}

/// scale or bias as the rows of the normalization read it.
struct Factor {
  std::vector<double> values;
  bool perRow = false; ///< differs from row to row

  Factor(const Tensor &factor, const Tensor &x, int64_t axis) {
    broadcastStrides(factor.shape, x.shape); // fails when it does not stretch
    Shape own = factor.shape;
    while (static_cast<int64_t>(own.size()) > x.rank() - axis && own.front() == 1)
      own.erase(own.begin());
    perRow = static_cast<int64_t>(own.size()) > x.rank() - axis;
    Tensor flat = factor;
    flat.shape = own;
    values = expandDoubles(flat, perRow ? x.shape : Shape(x.shape.begin() + axis, x.shape.end()));
  }
  const double *row(int64_t r, int64_t extent) const { return values.data() + (perRow ? r * extent : 0); }
};

void normalizeRows(Context &c, bool subtractMean, const Tensor *biasTensor) {
  const Tensor &x = c.in(0);
  Tensor &y = c.out(0, x.shape);
  expectFloat(x);
  int64_t axis = c.axis("axis", x.rank());
  double epsilon = c.real("epsilon");
  int64_t rows = x.count(0, axis), extent = x.count(axis, x.rank());
  Factor scale(c.in(1), x, axis);
  std::vector<double> zeros(biasTensor ? 0 : static_cast<size_t>(extent));
  std::vector<Factor> bias;
  if (biasTensor)
    bias.emplace_back(*biasTensor, x, axis);
  std::vector<double> row(static_cast<size_t>(extent));
  for (int64_t r = 0; r < rows; ++r) {
    loadDoubles(x, r * extent, extent, row.data());
    double mean = 0, square = 0;
    if (subtractMean) {
      for (double v : row)
        mean += v;
      mean /= static_cast<double>(extent);
    }
    for (double v : row)
      square += (v - mean) * (v - mean);
    double inverse = 1 / std::sqrt(square / static_cast<double>(extent) + epsilon);
    const double *s = scale.row(r, extent), *b = biasTensor ? bias[0].row(r, extent) : zeros.data();
    for (int64_t i = 0; i < extent; ++i)
      row[i] = (row[i] - mean) * inverse * s[i] + b[i];
    storeDoubles(y, r * extent, extent, row.data());
  }
}

void runLayerNorm(Context &c) { normalizeRows(c, true, c.optional(2)); }
void runRmsNorm(Context &c) { normalizeRows(c, false, nullptr); }

void runLrn(Context &c) {
  const Tensor &x = c.in(0);
  Tensor &y = c.out(0, x.shape);
  expectFloat(x);
  if (x.rank() < 2)
    fail("expected an operand of rank 2 at least, got shape " + str(x.shape));
  double alpha = c.real("alpha"), beta = c.real("beta"), bias = c.real("bias");
  int64_t size = c.integer("size"), channels = x.shape[1], inner = x.count(2, x.rank());
  expect(size > 0, "expected a size of at least 1");
  int64_t before = (size - 1) / 2, after = size - 1 - before;
  std::vector<double> slab(static_cast<size_t>(channels * inner)), result(slab.size());
  for (int64_t n = 0; n < x.shape[0]; ++n) {
    loadDoubles(x, n * channels * inner, channels * inner, slab.data());
    for (int64_t ch = 0; ch < channels; ++ch)
      for (int64_t i = 0; i < inner; ++i) {
        double sum = 0;
        int64_t first = ch < before ? 0 : ch - before;
        int64_t last = after >= channels - ch ? channels - 1 : ch + after;
        for (int64_t k = first; k <= last; ++k)
          sum += slab[k * inner + i] * slab[k * inner + i];
        result[ch * inner + i] = slab[ch * inner + i] / std::pow(bias + alpha / static_cast<double>(size) * sum, beta);
      }
    storeDoubles(y, n * channels * inner, channels * inner, result.data());
  }
}

} // namespace

std::span<const KernelEntry> normalizeKernels() {
  static const KernelEntry list[] = {
      {"softmax", runSoftmax}, {"layer_norm", runLayerNorm}, {"rms_norm", runRmsNorm}, {"lrn", runLrn}};
  return list;
}

} // namespace bessemer::kernels
