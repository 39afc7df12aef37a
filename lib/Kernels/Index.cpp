// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reading by indices: gather and its kin.
#include "Convert.h"
#include "Loops.h"

namespace bessemer::kernels {
namespace {

void runGather(Context &c) {
  const Tensor &x = c.in(0), &indices = c.in(1);
  int64_t axis = c.axis("axis", x.rank());
  Shape shape(x.shape.begin(), x.shape.begin() + axis);
  shape.insert(shape.end(), indices.shape.begin(), indices.shape.end());
  shape.insert(shape.end(), x.shape.begin() + axis + 1, x.shape.end());
  Tensor &y = c.out(0, shape);
  expectSameType(x, y);
  std::vector<int64_t> places = loadIndices(indices);
  for (int64_t &place : places)
    place = normalizeIndex(place, x.shape[axis]);
  int64_t outer = x.count(0, axis), extent = x.shape[axis], inner = x.count(axis + 1, x.rank()), at = 0;
  if (y.count() == 0)
    return;
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t place : places) {
      copyRange(x.dtype, y.data, at, x.data, (o * extent + place) * inner, inner);
      at += inner;
    }
}

void runGatherElements(Context &c) {
  const Tensor &x = c.in(0), &indices = c.in(1);
  int64_t axis = c.axis("axis", x.rank());
  Tensor &y = c.out(0, indices.shape);
  expectSameType(x, y);
  bool fits = indices.rank() == x.rank();
  for (int64_t d = 0; d < x.rank() && fits; ++d)
    fits = d == axis || indices.shape[d] <= x.shape[d];
  if (!fits)
    fail("expected indices within " + str(x.shape) + ", got shape " + str(indices.shape));
  std::vector<int64_t> places = loadIndices(indices);
  Shape strides = contiguousStrides(x.shape);
  int64_t at = 0;
  forEachIndex(indices.shape, [&](Shape index) {
    index[axis] = normalizeIndex(places[at], x.shape[axis]);
    copyRange(x.dtype, y.data, at++, x.data, dot(index, strides), 1);
  });
}

void runGatherNd(Context &c) {
  const Tensor &x = c.in(0), &indices = c.in(1);
  int64_t batch = c.integer("batch_dims", 0);
  expect(indices.rank() >= 1, "expected indices of rank 1 at least");
  int64_t depth = indices.shape.back();
  if (batch < 0 || batch >= indices.rank() || batch + depth > x.rank())
    fail("expected index tuples of at most " + str(x.rank() - batch) + " entries, got shape " + str(indices.shape));
  if (!std::equal(x.shape.begin(), x.shape.begin() + batch, indices.shape.begin()))
    fail("expected equal batch dimensions, got " + str(x.shape) + " and " + str(indices.shape));
  Shape shape(indices.shape.begin(), indices.shape.end() - 1);
  shape.insert(shape.end(), x.shape.begin() + batch + depth, x.shape.end());
  Tensor &y = c.out(0, shape);
  expectSameType(x, y);
  std::vector<int64_t> places = loadIndices(indices);
  int64_t batches = x.count(0, batch), tuples = indices.count(batch, indices.rank() - 1);
  int64_t slice = x.count(batch + depth, x.rank()), perBatch = x.count(batch, x.rank());
  if (y.count() == 0)
    return;
  const int64_t *tuple = places.data();
  for (int64_t b = 0, at = 0; b < batches; ++b)
    for (int64_t t = 0; t < tuples; ++t, at += slice) {
      int64_t offset = 0;
      for (int64_t i = 0; i < depth; ++i)
        offset = offset * x.shape[batch + i] + normalizeIndex(*tuple++, x.shape[batch + i]);
      copyRange(x.dtype, y.data, at, x.data, b * perBatch + offset * slice, slice);
    }
}

void runCompress(Context &c) {
  const Tensor &x = c.in(0), &condition = c.in(1);
  expect(condition.dtype == DType::Bool && condition.rank() == 1, "expected a condition of type bool and rank 1");
  bool flat = !c.has("axis");
  int64_t axis = flat ? 0 : c.axis("axis", x.rank());
  int64_t outer = flat ? 1 : x.count(0, axis), extent = flat ? x.count() : x.shape[axis];
  int64_t inner = flat ? 1 : x.count(axis + 1, x.rank());
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < condition.count(); ++i)
    if (condition.as<uint8_t>()[i]) {
      if (i >= extent)
        fail("expected a condition of at most " + str(extent) + " entries, got one set at " + str(i));
      kept.push_back(i);
    }
  Shape shape = flat ? Shape{0} : x.shape;
  shape[axis] = static_cast<int64_t>(kept.size());
  Tensor &y = c.allocate(0, shape);
  expectSameType(x, y);
  int64_t at = 0;
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t place : kept) {
      copyRange(x.dtype, y.data, at, x.data, (o * extent + place) * inner, inner);
      at += inner;
    }
}

void runReverseSequence(Context &c) {
  const Tensor &x = c.in(0), &lengths = c.in(1);
  Tensor &y = c.out(0, x.shape);
  expectSameType(x, y);
  int64_t batchAxis = c.axis("batch_axis", x.rank()), timeAxis = c.axis("time_axis", x.rank());
  expect(batchAxis != timeAxis, "expected different batch and time axes");
  if (lengths.shape != Shape{x.shape[batchAxis]})
    fail("expected lengths of shape " + str(Shape{x.shape[batchAxis]}) + ", got " + str(lengths.shape));
  std::vector<int64_t> until = loadIndices(lengths);
  for (int64_t length : until)
    if (length < 0 || length > x.shape[timeAxis])
      fail("expected lengths in [0, " + str(x.shape[timeAxis]) + "], got " + str(length));
  int64_t rows = std::max(batchAxis, timeAxis) + 1; // dimensions after it move together
  Shape outer(x.shape.begin(), x.shape.begin() + rows), strides = contiguousStrides(x.shape);
  int64_t inner = x.count(rows, x.rank()), at = 0;
  forEachIndex(outer, [&](Shape index) {
    int64_t length = until[index[batchAxis]];
    if (index[timeAxis] < length)
      index[timeAxis] = length - 1 - index[timeAxis];
    copyRange(x.dtype, y.data, at, x.data, dot(index, strides), inner);
    at += inner;
  });
}

} // namespace

std::span<const KernelEntry> indexKernels() {
  static const KernelEntry list[] = {
      {"gather", runGather},     {"gather_elements", runGatherElements},   {"gather_nd", runGatherNd},
      {"compress", runCompress}, {"reverse_sequence", runReverseSequence},
  };
  return list;
}

} // namespace bessemer::kernels
