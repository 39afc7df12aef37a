// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ops that make elements from indices: range, iota, one_hot, trilu.
#include "Convert.h"
#include "Loops.h"

namespace bessemer::kernels {
namespace {

void runRange(Context &c) {
  const Tensor &start = c.in(0), &delta = c.in(1);
  Tensor &y = c.out();
  if (y.rank() != 1 || !isNumber(y.dtype))
    fail("expected a result of rank 1, got shape " + str(y.shape));
  if (start.dtype != y.dtype || delta.dtype != y.dtype)
    fail("expected operands of type " + std::string(name(y.dtype)));
  if (isWhole(y.dtype)) {
    uint64_t value = static_cast<uint64_t>(scalarInt(start)), step = static_cast<uint64_t>(scalarInt(delta));
    for (int64_t i = 0; i < y.count(); ++i, value += step) {
      int64_t element = static_cast<int64_t>(value);
      storeInts(y, i, 1, &element);
    }
    return;
  }
  double first = scalarDouble(start), step = scalarDouble(delta);
  for (int64_t i = 0; i < y.count(); ++i) {
    double element = first + static_cast<double>(i) * step;
    storeDoubles(y, i, 1, &element);
  }
}

void runIota(Context &c) {
  Tensor &y = c.out();
  int64_t axis = c.axis("axis", y.rank());
  int64_t outer = y.count(0, axis), inner = y.count(axis + 1, y.rank()), at = 0;
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < y.shape[axis]; ++i)
      for (int64_t j = 0; j < inner; ++j)
        storeInts(y, at++, 1, &i);
}

void runOneHot(Context &c) {
  const Tensor &indices = c.in(0), &values = c.in(1);
  Tensor &y = c.out();
  int64_t axis = c.axis("axis", y.rank());
  Shape expected = y.shape;
  expected.erase(expected.begin() + axis);
  if (indices.shape != expected)
    fail("expected indices of shape " + str(expected) + ", got " + str(indices.shape));
  if (values.shape != Shape{2} || values.dtype != y.dtype)
    fail("expected two values of type " + std::string(name(y.dtype)) + ", got shape " + str(values.shape));
  std::vector<int64_t> places = ints(indices);
  int64_t depth = y.shape[axis], inner = y.count(axis + 1, y.rank());
  fillElements(y.dtype, y.data, 0, y.count(), values.data);
  for (size_t i = 0; i < places.size(); ++i) {
    int64_t place = places[i] < 0 ? places[i] + depth : places[i];
    if (place < 0 || place >= depth)
      continue; // ONNX: an index outside of the depth gives a row of `off`
    int64_t at = (static_cast<int64_t>(i) / inner * depth + place) * inner + static_cast<int64_t>(i) % inner;
    copyRange(y.dtype, y.data, at, values.data, 1, 1);
  }
}

void runTrilu(Context &c) {
  const Tensor &x = c.in(0);
  Tensor &y = c.out(0, x.shape);
  expect(x.rank() >= 2, "expected an operand of rank 2 at least");
  expectSameType(x, y);
  bool upper = c.flag("upper", true);
  int64_t rows = x.shape[x.rank() - 2], columns = x.shape[x.rank() - 1];
  int64_t k = std::clamp(c.has("k") ? c.expression("k") : 0, -rows - 1, columns + 1);
  for (int64_t row = 0, at = 0; at < x.count(); ++row, at += columns) {
    // Columns [0, split) are the lower side, [split, columns) the upper one.
    int64_t split = std::clamp(row % rows + k + (upper ? 0 : 1), int64_t{0}, columns);
    int64_t first = upper ? split : 0, last = upper ? columns : split;
    fillElements(y.dtype, y.data, at, first, nullptr);
    copyRange(y.dtype, y.data, at + first, x.data, at + first, last - first);
    fillElements(y.dtype, y.data, at + last, columns - last, nullptr);
  }
}

} // namespace

std::span<const KernelEntry> generateKernels() {
  static const KernelEntry list[] = {
      {"range", runRange}, {"iota", runIota}, {"one_hot", runOneHot}, {"trilu", runTrilu}};
  return list;
}

} // namespace bessemer::kernels
