// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// quantize and dequantize (ONNX QuantizeLinear and DequantizeLinear).
#include "bessemer/Kernels/FloatFormat.h"

#include "Convert.h"
#include "Loops.h"

#include <cmath>

namespace bessemer::kernels {
namespace {

/// Which element of scale and zero point belongs to which element of x:
/// x's shape seen as [outer, extent, inner], where `extent` is the axis.
struct Granularity {
  int64_t outer = 1, extent = 1, inner = 1;
  int64_t outerStride = 0, groupSize = 1, groupStride = 0, innerStride = 0;

  /// Offset in scale for place (o, a) and the first inner element.
  int64_t offset(int64_t o, int64_t a) const { return o * outerStride + a / groupSize * groupStride; }
};

Granularity granularityOf(Context &c, const Tensor &x, const Tensor &scale, const Tensor *zeroPoint) {
  if (zeroPoint && zeroPoint->shape != scale.shape && !(zeroPoint->count() == 1 && scale.count() == 1))
    fail("expected scale and zero point of one shape, got " + str(scale.shape) + " and " + str(zeroPoint->shape));
  Granularity g;
  int64_t block = c.integer("block_size", 0);
  // A single scale holds for everything, whatever the axis says.
  if (scale.count() == 1 && scale.rank() <= 1 && block == 0) {
    g.inner = x.count();
    return g;
  }
  int64_t axis = normalizeAxis(c.integer("axis", 1), x.rank());
  g.outer = x.count(0, axis);
  g.extent = x.shape[axis];
  g.inner = x.count(axis + 1, x.rank());
  if (block == 0) {
    if (scale.shape != Shape{g.extent})
      fail("expected a scale of shape " + str(Shape{g.extent}) + ", got " + str(scale.shape));
    g.groupStride = 1;
    return g;
  }
  expect(block > 0 && block < int64_t{1} << 56, "expected a block size in [0, 2^56)");
  Shape expected = x.shape;
  expected[axis] = (g.extent + block - 1) / block;
  if (scale.shape != expected)
    fail("expected a scale of shape " + str(expected) + ", got " + str(scale.shape));
  g.groupSize = block;
  g.innerStride = 1;
  g.groupStride = g.inner;
  g.outerStride = expected[axis] * g.inner;
  return g;
}

/// Calls `visit(offset in x, count, scale, zero)`: row-wise values for stride
/// `innerStride` (0: one value for the whole row).
template <class F> void forEachGroup(const Granularity &g, F visit) {
  for (int64_t o = 0; o < g.outer; ++o)
    for (int64_t a = 0; a < g.extent; ++a)
      visit((o * g.extent + a) * g.inner, g.offset(o, a));
}

void runQuantize(Context &c) {
  const Tensor &x = c.in(0), &scale = c.in(1);
  const Tensor *zero = c.optional(2);
  Tensor &y = c.out(0, x.shape);
  if (parseDType(c.text("to")) != y.dtype || !isNumber(y.dtype) || bitWidth(y.dtype) > 32)
    fail("expected a result of type " + c.text("to") + ", got " + std::string(name(y.dtype)));
  bool saturate = c.flag("saturate", true);
  Granularity g = granularityOf(c, x, scale, zero);
  std::vector<double> scales = doubles(scale), zeros = zero ? doubles(*zero) : std::vector<double>(scales.size());
  double low = static_cast<double>(isInteger(y.dtype) ? lowestInt(y.dtype) : 0);
  double high = static_cast<double>(isInteger(y.dtype) ? largestInt(y.dtype) : 0);
  // ONNX divides in the type of x: a quotient of f32 near a tie must round there.
  bool single = x.dtype == DType::F32 && scale.dtype == DType::F32;
  std::vector<double> row(static_cast<size_t>(g.inner));
  forEachGroup(g, [&](int64_t at, int64_t s) {
    loadDoubles(x, at, g.inner, row.data());
    for (int64_t i = 0; i < g.inner; ++i) {
      double value = row[i] / scales[s + i * g.innerStride];
      if (single)
        value = static_cast<float>(value);
      double offset = zeros[s + i * g.innerStride];
      if (isInteger(y.dtype)) {
        value = std::nearbyint(value) + offset;
        row[i] = std::isnan(value) ? offset : std::clamp(value, low, high);
      } else if (bitWidth(y.dtype) == 8) {
        y.as<uint8_t>()[at + i] = static_cast<uint8_t>(encodeFloat(y.dtype, value + offset, saturate));
      } else {
        row[i] = value + offset;
      }
    }
    if (isInteger(y.dtype) || bitWidth(y.dtype) != 8)
      storeDoubles(y, at, g.inner, row.data());
  });
}

void runDequantize(Context &c) {
  const Tensor &x = c.in(0), &scale = c.in(1);
  const Tensor *zero = c.optional(2);
  Tensor &y = c.out(0, x.shape);
  if (parseDType(c.text("to")) != y.dtype || !isFloat(y.dtype))
    fail("expected a result of type " + c.text("to") + ", got " + std::string(name(y.dtype)));
  Granularity g = granularityOf(c, x, scale, zero);
  std::vector<double> scales = doubles(scale), zeros = zero ? doubles(*zero) : std::vector<double>(scales.size());
  std::vector<double> row(static_cast<size_t>(g.inner));
  forEachGroup(g, [&](int64_t at, int64_t s) {
    loadDoubles(x, at, g.inner, row.data());
    for (int64_t i = 0; i < g.inner; ++i)
      row[i] = (row[i] - zeros[s + i * g.innerStride]) * scales[s + i * g.innerStride];
    storeDoubles(y, at, g.inner, row.data());
  });
}

} // namespace

std::span<const KernelEntry> quantizeKernels() {
  static const KernelEntry list[] = {{"quantize", runQuantize}, {"dequantize", runDequantize}};
  return list;
}

} // namespace bessemer::kernels
