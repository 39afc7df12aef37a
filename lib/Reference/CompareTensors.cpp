// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Reference/CheckNumerics.h"

#include <cmath>

using namespace bessemer;
using namespace bessemer::reference;

static std::string text(const HostTensor &tensor) {
  std::string result = std::string(name(tensor.dtype)) + " [";
  for (size_t i = 0; i < tensor.shape.size(); ++i)
    result += (i ? ", " : "") + std::to_string(tensor.shape[i]);
  return result + "]";
}

/// Relative size of 8 units in the last place.
static double roundingOf(DType dtype) {
  switch (dtype) {
  case DType::F16: return 8 / 1024.;
  case DType::BF16: return 8 / 128.;
  case DType::F8E4M3FN:
  case DType::F8E4M3FNUZ:
  case DType::F8E5M2:
  case DType::F8E5M2FNUZ: return 1;
  default: return 0;
  }
}

TensorDifference reference::compareTensors(const HostTensor &expected, const HostTensor &got, double relative,
                                           double absolute) {
  TensorDifference difference;
  bool kinds = isFloat(expected.dtype) == isFloat(got.dtype) && (isFloat(got.dtype) || expected.dtype == got.dtype);
  if (!kinds || expected.shape != got.shape) {
    difference.shapes = "expected " + text(expected) + ", got " + text(got);
    return difference;
  }
  int64_t count = got.elementCount();
  if (got.dtype == DType::String) {
    for (int64_t i = 0; i < count; ++i)
      if (expected.as<std::string>()[i] != got.as<std::string>()[i]) {
        difference.shapes = "expected equal strings, got others at element " + std::to_string(i);
        break;
      }
    return difference;
  }
  if (isComplex(got.dtype))
    return difference; // no op of the models makes them
  std::string error;
  HostTensor a = convert(expected, DType::F64, error), b = convert(got, DType::F64, error);
  if (!a.isValid() || !b.isValid()) {
    difference.shapes = error;
    return difference;
  }
  relative = std::max(relative, roundingOf(got.dtype));
  for (int64_t i = 0; i < count; ++i) {
    double want = a.as<double>()[i], have = b.as<double>()[i];
    if (want == have || (std::isnan(want) && std::isnan(have)))
      continue;
    // What is beyond the narrower type's range is infinite there.
    if (std::isinf(have) && std::abs(want) > 3e38 && std::signbit(want) == std::signbit(have))
      continue;
    double excess = std::abs(have - want) / (absolute + relative * std::abs(want));
    if (std::isnan(excess) || std::isinf(want) || std::isinf(have))
      excess = HUGE_VAL;
    if (excess > difference.excess)
      difference = {excess, i, want, have, {}};
  }
  return difference;
}
