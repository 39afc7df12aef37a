// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Writing by indices.
#include "Convert.h"
#include "Loops.h"

#include <cmath>

namespace bessemer::kernels {
namespace {

enum class Reduction { None, Add, Mul, Max, Min };

Reduction reductionOf(const std::string &text) {
  const std::pair<const char *, Reduction> names[] = {{"none", Reduction::None},
                                                      {"add", Reduction::Add},
                                                      {"mul", Reduction::Mul},
                                                      {"max", Reduction::Max},
                                                      {"min", Reduction::Min}};
  for (auto [word, reduction] : names)
    if (text == word)
      return reduction;
  fail("expected reduction to be none, add, mul, max or min, got '" + text + "'");
}

double combine(Reduction kind, double a, double b, DType) {
  switch (kind) {
  case Reduction::Add: return a + b;
  case Reduction::Mul: return a * b;
  case Reduction::Max: return std::isnan(a) || a > b ? a : b;
  case Reduction::Min: return std::isnan(a) || a < b ? a : b;
  case Reduction::None: break;
  }
  return b;
}

int64_t combine(Reduction kind, int64_t a, int64_t b, DType dtype) {
  switch (kind) {
  case Reduction::Add: return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  case Reduction::Mul: return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  case Reduction::Max: return lessInt(a, b, dtype) ? b : a;
  case Reduction::Min: return lessInt(a, b, dtype) ? a : b;
  case Reduction::None: break;
  }
  return b;
}

/// y[at + i] = y[at + i] ∘ updates[from + i].
void combineRange(Reduction kind, const Tensor &y, int64_t at, const Tensor &updates, int64_t from, int64_t count) {
  if (kind == Reduction::None)
    return copyRange(y.dtype, y.data, at, updates.data, from, count);
  for (int64_t i = 0; i < count; ++i) {
    if (isWhole(y.dtype)) {
      int64_t a, b;
      loadInts(y, at + i, 1, &a);
      loadInts(updates, from + i, 1, &b);
      a = combine(kind, a, b, y.dtype);
      storeInts(y, at + i, 1, &a);
    } else {
      double a, b;
      loadDoubles(y, at + i, 1, &a);
      loadDoubles(updates, from + i, 1, &b);
      a = combine(kind, a, b, y.dtype);
      storeDoubles(y, at + i, 1, &a);
    }
  }
}

/// The result, holding a copy of x.
Tensor &copyOfOperand(Context &c, const Tensor &updates) {
  const Tensor &x = c.in(0);
  Tensor &y = c.out(0, x.shape);
  if (x.dtype != y.dtype || updates.dtype != x.dtype)
    fail("expected updates and result of type " + std::string(name(x.dtype)) + ", got " +
         std::string(name(updates.dtype)) + " and " + std::string(name(y.dtype)));
  if (x.data != y.data)
    copyRange(x.dtype, y.data, 0, x.data, 0, x.count());
  return y;
}

void runScatterElements(Context &c) {
  const Tensor &indices = c.in(1), &updates = c.in(2);
  Reduction kind = reductionOf(c.text("reduction", "none"));
  int64_t axis = c.axis("axis", c.in(0).rank());
  std::vector<int64_t> places = loadIndices(indices);
  Tensor &y = copyOfOperand(c, updates);
  bool fits = indices.shape == updates.shape && indices.rank() == y.rank();
  for (int64_t d = 0; d < y.rank() && fits; ++d)
    fits = d == axis || indices.shape[d] <= y.shape[d];
  if (!fits)
    fail("expected indices and updates of one shape within " + str(y.shape) + ", got " + str(indices.shape) + " and " +
         str(updates.shape));
  Shape strides = contiguousStrides(y.shape);
  int64_t at = 0;
  forEachIndex(indices.shape, [&](Shape index) {
    index[axis] = normalizeIndex(places[at], y.shape[axis]);
    combineRange(kind, y, dot(index, strides), updates, at++, 1);
  });
}

void runScatterNd(Context &c) {
  const Tensor &indices = c.in(1), &updates = c.in(2);
  Reduction kind = reductionOf(c.text("reduction", "none"));
  std::vector<int64_t> places = loadIndices(indices);
  Tensor &y = copyOfOperand(c, updates);
  if (indices.rank() < 1 || indices.shape.back() > y.rank())
    fail("expected index tuples of at most " + str(y.rank()) + " entries, got shape " + str(indices.shape));
  int64_t depth = indices.shape.back();
  Shape shape(indices.shape.begin(), indices.shape.end() - 1);
  shape.insert(shape.end(), y.shape.begin() + depth, y.shape.end());
  if (updates.shape != shape)
    fail("expected updates of shape " + str(shape) + ", got " + str(updates.shape));
  int64_t slice = y.count(depth, y.rank()), tuples = indices.count(0, indices.rank() - 1);
  for (int64_t t = 0; t < tuples; ++t) {
    int64_t offset = 0;
    for (int64_t i = 0; i < depth; ++i)
      offset = offset * y.shape[i] + normalizeIndex(places[t * depth + i], y.shape[i]);
    combineRange(kind, y, offset * slice, updates, t * slice, slice);
  }
}

void runTensorScatter(Context &c) {
  const Tensor &update = c.in(1);
  const Tensor *writeIndices = c.optional(2);
  Tensor &y = copyOfOperand(c, update);
  int64_t axis = c.axis("axis", y.rank());
  expect(axis > 0, "expected an axis after the batch");
  Shape expected = y.shape;
  if (update.shape.size() == expected.size())
    expected[axis] = update.shape[axis];
  if (update.shape != expected)
    fail("expected an update like " + str(y.shape) + " but for axis " + str(axis) + ", got " + str(update.shape));
  int64_t batches = y.shape[0], extent = y.shape[axis], written = update.shape[axis];
  std::vector<int64_t> starts(static_cast<size_t>(batches), 0);
  if (writeIndices) {
    if (writeIndices->shape != Shape{batches})
      fail("expected write indices of shape " + str(Shape{batches}) + ", got " + str(writeIndices->shape));
    starts = loadIndices(*writeIndices);
  }
  bool circular = c.flag("circular");
  int64_t perBatch = y.count(1, axis), inner = y.count(axis + 1, y.rank());
  for (int64_t b = 0; b < batches; ++b) {
    if (starts[b] < 0 || starts[b] > extent || (!circular && starts[b] + written > extent))
      fail("expected to write within [0, " + str(extent) + "), got " + str(written) + " from " + str(starts[b]));
    for (int64_t p = 0; p < perBatch; ++p)
      for (int64_t i = 0; i < written && extent > 0; ++i) {
        int64_t row = b * perBatch + p, to = (starts[b] + i) % extent;
        copyRange(y.dtype, y.data, (row * extent + to) * inner, update.data, (row * written + i) * inner, inner);
      }
  }
}

} // namespace

std::span<const KernelEntry> scatterKernels() {
  static const KernelEntry list[] = {
      {"scatter_elements", runScatterElements}, {"scatter_nd", runScatterNd}, {"tensor_scatter", runTensorScatter}};
  return list;
}

} // namespace bessemer::kernels
