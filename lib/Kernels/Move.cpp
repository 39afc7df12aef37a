// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ops that move whole regions of elements, of any type.
#include "Loops.h"

#include <numeric>

namespace bessemer::kernels {
namespace {

void runReshape(Context &c) {
  const Tensor &x = c.in(0);
  Tensor &y = c.out();
  expectSameType(x, y);
  if (x.count() != y.count())
    fail("expected " + str(x.count()) + " elements, got a result of shape " + str(y.shape));
  if (x.data != y.data) // the caller may have it in place
    copyRange(x.dtype, y.data, 0, x.data, 0, x.count());
}

/// y = x read with `strides` from `offset`.
void copyView(const Tensor &x, const Tensor &y, const Shape &strides, int64_t offset) {
  copyStrided(x.dtype, y.shape, y.data, contiguousStrides(y.shape), 0, x.data, strides, offset);
}

void runBroadcast(Context &c) {
  const Tensor &x = c.in(0);
  Tensor &y = c.out();
  expectSameType(x, y);
  copyView(x, y, broadcastStrides(x.shape, y.shape), 0);
}

void runTranspose(Context &c) {
  const Tensor &x = c.in(0);
  Shape permutation = c.integers("permutation"), sorted = permutation, all(x.shape.size());
  std::iota(all.begin(), all.end(), 0);
  std::sort(sorted.begin(), sorted.end());
  if (sorted != all)
    fail("expected a permutation of " + str(x.rank()) + " dimensions, got " + str(permutation));
  Shape dense = contiguousStrides(x.shape), shape, strides;
  for (int64_t d : permutation) {
    shape.push_back(x.shape[d]);
    strides.push_back(dense[d]);
  }
  Tensor &y = c.out(0, shape);
  expectSameType(x, y);
  copyView(x, y, strides, 0);
}

void runSlice(Context &c) {
  const Tensor &x = c.in(0);
  Tensor &y = c.out();
  expectSameType(x, y);
  Shape offsets = c.integers("offsets"), steps = c.integers("steps");
  size_t rank = x.shape.size();
  if (offsets.size() != rank || steps.size() != rank || y.shape.size() != rank)
    fail("expected offsets, steps and a result of rank " + std::to_string(rank) + ", got " + str(offsets) + ", " +
         str(steps) + " and " + str(y.shape));
  Shape strides = contiguousStrides(x.shape);
  int64_t offset = 0;
  for (size_t d = 0; d < rank; ++d) {
    int64_t last = 0;
    bool overflow =
        __builtin_mul_overflow(y.shape[d] - 1, steps[d], &last) || __builtin_add_overflow(last, offsets[d], &last);
    if (y.shape[d] > 0 && (overflow || offsets[d] < 0 || offsets[d] >= x.shape[d] || last < 0 || last >= x.shape[d]))
      fail("expected a slice within " + str(x.shape) + ", got offsets " + str(offsets) + ", steps " + str(steps) +
           " and result " + str(y.shape));
    if (y.count() > 0) {
      offset += offsets[d] * strides[d];
      strides[d] *= y.shape[d] > 1 ? steps[d] : 0;
    }
  }
  copyView(x, y, strides, offset);
}

void runConcat(Context &c) {
  expect(c.inputCount() > 0, "expected at least one operand");
  const Tensor &first = c.in(0);
  int64_t axis = c.axis("axis", first.rank());
  Shape shape = first.shape;
  shape[axis] = 0;
  for (size_t i = 0; i < c.inputCount(); ++i) {
    const Tensor &x = c.in(i);
    Shape expected = first.shape;
    if (x.shape.size() == expected.size())
      expected[axis] = x.shape[axis];
    if (x.shape != expected || x.dtype != first.dtype)
      fail("expected operand " + std::to_string(i) + " to be like " + str(first.shape) + " but for axis " + str(axis) +
           ", got " + str(x.shape));
    shape[axis] += x.shape[axis];
  }
  Tensor &y = c.out(0, shape);
  expectSameType(first, y);
  int64_t outer = y.count(0, axis), inner = y.count(axis + 1, y.rank()), at = 0;
  for (size_t i = 0; i < c.inputCount(); ++i) {
    int64_t run = c.in(i).shape[axis] * inner;
    copyStrided(y.dtype, {outer, run}, y.data, {shape[axis] * inner, 1}, at, c.in(i).data, {run, 1}, 0);
    at += run;
  }
}

/// Where the element at `i` of a padded axis comes from; -1: the pad value.
int64_t paddedIndex(const std::string &mode, int64_t i, int64_t extent) {
  if (i >= 0 && i < extent)
    return i;
  if (mode == "constant" || extent == 0)
    return -1;
  if (mode == "edge")
    return i < 0 ? 0 : extent - 1;
  int64_t period = mode == "wrap" ? extent : std::max<int64_t>(2 * (extent - 1), 1);
  int64_t r = ((i % period) + period) % period;
  return r < extent ? r : period - r;
}

void runPad(Context &c) {
  const Tensor &x = c.in(0);
  const Tensor *value = c.optional(1);
  Tensor &y = c.out();
  expectSameType(x, y);
  Shape low = c.integers("low");
  std::string mode = c.text("mode", "constant");
  if (mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap")
    fail("expected mode to be constant, reflect, edge or wrap, got '" + mode + "'");
  if (low.size() != x.shape.size() || y.shape.size() != x.shape.size())
    fail("expected amounts and a result of rank " + str(x.rank()) + ", got " + str(low) + " and " + str(y.shape));
  if (value && (value->dtype != x.dtype || value->count() != 1))
    fail("expected a scalar of type " + std::string(name(x.dtype)) + " to pad with, got shape " + str(value->shape));
  for (int64_t amount : low)
    expect(amount > -(int64_t{1} << 56) && amount < (int64_t{1} << 56), "expected amounts of less than 2^56");
  // Axis by axis: each pass moves whole slabs.
  Buffer current;
  const void *from = x.data;
  Shape shape = x.shape;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (low[d] == 0 && shape[d] == y.shape[d])
      continue;
    int64_t extent = shape[d];
    if (extent == 0 && mode != "constant" && y.count() > 0)
      fail("expected a non-empty operand for mode " + mode);
    shape[d] = y.shape[d];
    Buffer next(x.dtype, product(shape));
    int64_t outer = product(std::span(shape).first(d)), inner = product(std::span(shape).subspan(d + 1));
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < shape[d]; ++i) {
        int64_t at = (o * shape[d] + i) * inner, source = paddedIndex(mode, i - low[d], extent);
        if (source < 0)
          fillElements(x.dtype, next.data(), at, inner, value ? value->data : nullptr);
        else
          copyRange(x.dtype, next.data(), at, from, (o * extent + source) * inner, inner);
      }
    current = std::move(next);
    from = current.data();
  }
  copyRange(x.dtype, y.data, 0, from, 0, y.count());
}

void runRepeat(Context &c) {
  const Tensor &x = c.in(0);
  Tensor &y = c.out();
  expectSameType(x, y);
  if (x.shape.size() != y.shape.size())
    fail("expected a result of rank " + str(x.rank()) + ", got " + str(y.shape));
  // Each dimension as two: how often, and the operand's own.
  Shape dense = contiguousStrides(x.shape), shape, strides;
  for (size_t d = 0; d < x.shape.size(); ++d) {
    int64_t extent = x.shape[d];
    if (extent == 0 ? y.shape[d] != 0 : y.shape[d] % extent != 0)
      fail("expected multiples of " + str(x.shape) + ", got a result of shape " + str(y.shape));
    shape.insert(shape.end(), {extent == 0 ? 0 : y.shape[d] / extent, extent});
    strides.insert(strides.end(), {0, dense[d]});
  }
  copyStrided(x.dtype, shape, y.data, contiguousStrides(shape), 0, x.data, strides, 0);
}

void runReverse(Context &c) {
  const Tensor &x = c.in(0);
  Tensor &y = c.out(0, x.shape);
  expectSameType(x, y);
  Shape strides = contiguousStrides(x.shape);
  std::vector<bool> flipped(x.shape.size());
  int64_t offset = 0;
  for (int64_t axis : c.integers("axes")) {
    axis = normalizeAxis(axis, x.rank());
    expect(!flipped[axis], "expected each axis once");
    flipped[axis] = true;
    offset += (x.shape[axis] - 1) * strides[axis];
    strides[axis] = -strides[axis];
  }
  copyView(x, y, strides, offset);
}

void runPack(Context &c) {
  const Tensor &x = c.in(0);
  if (c.text("layout") != "panels")
    fail("expected layout to be panels, got '" + c.text("layout") + "'");
  int64_t block = c.integer("block"), rank = x.rank();
  expect(block > 0 && block < int64_t{1} << 31, "expected a block in [1, 2^31)");
  expect(rank >= 2, "expected an operand of rank 2 at least");
  bool transposed = c.flag("transposed");
  int64_t rows = x.shape[rank - (transposed ? 1 : 2)], columns = x.shape[rank - (transposed ? 2 : 1)];
  int64_t panels = (columns + block - 1) / block;
  Shape shape(x.shape.begin(), x.shape.end() - 2);
  int64_t batch = product(shape);
  shape.insert(shape.end(), {panels, rows, block});
  Tensor &y = c.out(0, shape);
  expectSameType(x, y);
  fillElements(x.dtype, y.data, 0, y.count(), nullptr);
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t p = 0; p < panels; ++p) {
      int64_t first = p * block, width = std::min(block, columns - first);
      Shape strides = transposed ? Shape{1, rows} : Shape{columns, 1};
      copyStrided(x.dtype, {rows, width}, y.data, {block, 1}, (b * panels + p) * rows * block, x.data, strides,
                  b * rows * columns + first * strides[1]);
    }
}

} // namespace

std::span<const KernelEntry> moveKernels() {
  static const KernelEntry list[] = {
      {"reshape", runReshape}, {"broadcast", runBroadcast}, {"transpose", runTranspose},
      {"slice", runSlice},     {"concat", runConcat},       {"pad", runPad},
      {"repeat", runRepeat},   {"reverse", runReverse},     {"pack", runPack},
  };
  return list;
}

} // namespace bessemer::kernels
