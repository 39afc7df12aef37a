// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Loop nests over tensors: broadcasting, strided copies, odometers.
#pragma once

#include "Context.h"

#include <algorithm>
#include <array>

namespace bessemer::kernels {

/// Loops of extents `shape`; one step of loop d moves operand i by
/// strides[i][d] elements, which may be 0 or negative.
template <size_t N> struct LoopNest {
  Shape shape;
  std::array<Shape, N> strides;
};

/// Drops loops of extent 1 and joins neighbours that all operands walk as one.
template <size_t N> LoopNest<N> coalesce(const LoopNest<N> &nest) {
  LoopNest<N> result;
  for (size_t d = 0; d < nest.shape.size(); ++d) {
    if (nest.shape[d] == 1)
      continue;
    bool joins = !result.shape.empty();
    for (size_t i = 0; i < N && joins; ++i)
      joins = result.strides[i].back() == nest.strides[i][d] * nest.shape[d];
    if (joins) {
      result.shape.back() *= nest.shape[d];
      for (size_t i = 0; i < N; ++i)
        result.strides[i].back() = nest.strides[i][d];
    } else {
      result.shape.push_back(nest.shape[d]);
      for (size_t i = 0; i < N; ++i)
        result.strides[i].push_back(nest.strides[i][d]);
    }
  }
  return result;
}

/// Calls `visit(offsets, count, strides)` for each innermost row, in row-major
/// order, after coalescing.
template <size_t N, class F> void forEachRow(const LoopNest<N> &uncoalesced, std::array<int64_t, N> offsets, F visit) {
  if (product(uncoalesced.shape) == 0)
    return;
  LoopNest<N> nest = coalesce(uncoalesced);
  int64_t count = 1;
  std::array<int64_t, N> inner{};
  if (!nest.shape.empty()) {
    count = nest.shape.back();
    for (size_t i = 0; i < N; ++i)
      inner[i] = nest.strides[i].back();
  }
  int64_t outer = static_cast<int64_t>(nest.shape.size()) - 1;
  Shape index(nest.shape.size(), 0);
  while (true) {
    visit(offsets, count, inner);
    int64_t d = outer - 1;
    for (; d >= 0; --d) {
      for (size_t i = 0; i < N; ++i)
        offsets[i] += nest.strides[i][d];
      if (++index[d] < nest.shape[d])
        break;
      for (size_t i = 0; i < N; ++i)
        offsets[i] -= nest.strides[i][d] * nest.shape[d];
      index[d] = 0;
    }
    if (d < 0)
      return;
  }
}

/// Calls `visit(index)` for each index of `shape`, in row-major order.
template <class F> void forEachIndex(const Shape &shape, F visit) {
  if (product(shape) == 0)
    return;
  Shape index(shape.size(), 0);
  while (true) {
    visit(index);
    size_t d = shape.size();
    while (d > 0 && ++index[d - 1] == shape[d - 1])
      index[--d] = 0;
    if (d == 0)
      return;
  }
}

inline int64_t dot(const Shape &index, const Shape &strides) {
  int64_t sum = 0;
  for (size_t d = 0; d < index.size(); ++d)
    sum += index[d] * strides[d];
  return sum;
}

/// NumPy's broadcasting of shapes; fails when they do not fit.
Shape broadcastShapes(const Shape &a, const Shape &b);
/// Strides with which a contiguous tensor of shape `from` is read over `to`:
/// 0 where it stretches. Fails when it does not stretch to `to`.
Shape broadcastStrides(const Shape &from, const Shape &to);
/// All elements of `tensor` stretched to `shape`.
std::vector<double> expandDoubles(const Tensor &tensor, const Shape &shape);

/// Copies elements: to[toOffset + index · toStrides] = from[fromOffset + index · fromStrides].
/// Elements are of elementSize(dtype) bytes, or strings.
void copyStrided(DType dtype, const Shape &shape, void *to, const Shape &toStrides, int64_t toOffset, const void *from,
                 const Shape &fromStrides, int64_t fromOffset);
/// Copies `count` elements that lie one after the other.
void copyRange(DType dtype, void *to, int64_t toOffset, const void *from, int64_t fromOffset, int64_t count);
/// Writes the element at `from` (null: zero or the empty string) `count` times.
void fillElements(DType dtype, void *to, int64_t toOffset, int64_t count, const void *from);

} // namespace bessemer::kernels
