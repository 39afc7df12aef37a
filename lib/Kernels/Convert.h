// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Elements as numbers. Floats are computed in double, integers and bools in
// int64_t (u64 as its bit pattern, so that sums and products wrap the same).
// Ranges are of contiguous tensors; offsets and counts are in elements.
#pragma once

#include "Context.h"

namespace bessemer::kernels {

inline bool isNumber(DType dtype) { return isFloat(dtype) || isInteger(dtype) || dtype == DType::Bool; }
inline bool isWhole(DType dtype) { return isInteger(dtype) || dtype == DType::Bool; }

/// From any number type.
void loadDoubles(const Tensor &tensor, int64_t offset, int64_t count, double *to);
/// To any number type: floats round to nearest even, integers truncate.
void storeDoubles(const Tensor &tensor, int64_t offset, int64_t count, const double *from);
/// From integers and bools (floats truncate).
void loadInts(const Tensor &tensor, int64_t offset, int64_t count, int64_t *to);
/// To integers, discarding high bits; to bool, as `!= 0`; to floats, rounded.
void storeInts(const Tensor &tensor, int64_t offset, int64_t count, const int64_t *from);

/// All elements.
std::vector<double> doubles(const Tensor &tensor);
std::vector<int64_t> ints(const Tensor &tensor);
/// All elements of a tensor of integers, not of bools or floats.
std::vector<int64_t> loadIndices(const Tensor &indices);
/// The only element of a tensor.
double scalarDouble(const Tensor &tensor);
int64_t scalarInt(const Tensor &tensor);

/// Truncated towards zero and clamped; NaN gives 0. As a bit pattern when the
/// target is u64.
int64_t truncateToInt(double value, DType target);
/// The double nearest to `value`, such that rounding it to f32 or narrower
/// gives the nearest value too (the integer itself has up to 64 bits).
double intToDouble(int64_t value, bool isUnsigned, DType target);

/// Smallest and largest value of an integer type or bool (u64 as bit pattern).
int64_t lowestInt(DType dtype);
int64_t largestInt(DType dtype);
/// `a < b` in the integer type `dtype`.
inline bool lessInt(int64_t a, int64_t b, DType dtype) {
  return dtype == DType::U64 ? static_cast<uint64_t>(a) < static_cast<uint64_t>(b) : a < b;
}

} // namespace bessemer::kernels
