// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Gemm.h"
#include "Panels.h"

namespace bessemer::kernels {
namespace {

// Blocks of the converted operands: b[depthBlock, columnBlock] is half a MiB.
constexpr int64_t rowBlock = 64, columnBlock = 256, depthBlock = 256;

/// A matrix of `rows` x `columns` inside of a tensor, at an offset.
struct Matrix {
  const Tensor &tensor;
  int64_t rows, columns;
  bool transposed; ///< stored as [columns, rows]

  /// Elements [row, row + height) x [column, column + width), row-major.
  template <class T>
  void load(int64_t at, int64_t row, int64_t height, int64_t column, int64_t width, T *to,
            std::vector<T> &scratch) const {
    if (!transposed) {
      for (int64_t r = 0; r < height; ++r)
        loadNumbers(tensor, at + (row + r) * columns + column, width, to + r * width);
      return;
    }
    scratch.resize(static_cast<size_t>(height));
    for (int64_t c = 0; c < width; ++c) {
      loadNumbers(tensor, at + (column + c) * rows + row, height, scratch.data());
      for (int64_t r = 0; r < height; ++r)
        to[r * width + c] = scratch[r];
    }
  }
};

/// Over the depth from `first` on, up to `end`.
template <class T>
void multiply(const Matrix &a, int64_t atA, const Matrix &b, int64_t atB, const Tensor &y, int64_t atY, int64_t first,
              int64_t end) {
  int64_t m = a.rows, n = b.columns;
  std::vector<T> blockA(rowBlock * depthBlock), blockB(depthBlock * columnBlock), scratch;
  std::vector<T> sums(static_cast<size_t>(m * std::min(n, columnBlock)));
  for (int64_t j = 0; j < n; j += columnBlock) {
    int64_t width = std::min(columnBlock, n - j);
    std::fill(sums.begin(), sums.end(), T{});
    for (int64_t p = first; p < end; p += depthBlock) {
      int64_t depth = std::min(depthBlock, end - p);
      b.load(atB, p, depth, j, width, blockB.data(), scratch);
      for (int64_t i = 0; i < m; i += rowBlock) {
        int64_t height = std::min(rowBlock, m - i);
        a.load(atA, i, height, p, depth, blockA.data(), scratch);
        multiplyAdd(blockA.data(), depth, blockB.data(), width, sums.data() + i * width, width, height, width, depth);
      }
    }
    for (int64_t i = 0; i < m; ++i)
      storeNumbers(y, atY + i * n + j, width, sums.data() + i * width);
  }
}

/// matmul, and matmul_parts: in parts of the depth, which are the result's first dimension.
void runProduct(Context &c, bool inParts) {
  const Tensor &a = c.in(0);
  Buffer memory;
  bool packed = c.has(packedColumns);
  Tensor b = packed ? unpackPanels(c.in(1), c.expression(packedColumns), /*transposed=*/false, memory) : c.in(1);
  if (a.rank() < 2 || b.rank() < 2)
    fail("expected operands of rank 2 at least, got shapes " + str(a.shape) + " and " + str(b.shape));
  bool wholes = isWhole(a.dtype) && isWhole(b.dtype);
  if (!isNumber(a.dtype) || !isNumber(b.dtype) || isWhole(a.dtype) != isWhole(b.dtype))
    fail("expected two floats or two integers, got " + std::string(name(a.dtype)) + " and " +
         std::string(name(b.dtype)));
  auto matrixOf = [](const Tensor &t, bool transposed) {
    int64_t rows = t.shape[t.rank() - 2], columns = t.shape[t.rank() - 1];
    if (transposed)
      std::swap(rows, columns);
    return Matrix{t, rows, columns, transposed};
  };
  Matrix left = matrixOf(a, c.flag("transpose_a")), right = matrixOf(b, !packed && c.flag("transpose_b"));
  if (left.columns != right.rows)
    fail("expected equal inner dimensions, got shapes " + str(a.shape) + " and " + str(b.shape));
  Shape batchA(a.shape.begin(), a.shape.end() - 2), batchB(b.shape.begin(), b.shape.end() - 2);
  Shape batch = broadcastShapes(batchA, batchB), shape = batch;
  int64_t depth = left.columns, partDepth = inParts ? c.integer("part_depth") : std::max<int64_t>(depth, 1);
  if (inParts)
    shape.insert(shape.begin(), (depth + partDepth - 1) / partDepth);
  shape.insert(shape.end(), {left.rows, right.columns});
  Tensor &y = c.out(0, shape);
  Shape stridesA = broadcastStrides(batchA, batch), stridesB = broadcastStrides(batchB, batch);
  int64_t at = 0;
  // An empty depth has a sum, too: zero.
  for (int64_t first = 0; first < (inParts ? depth : std::max<int64_t>(depth, 1)); first += partDepth)
    forEachIndex(batch, [&](const Shape &index) {
      int64_t end = std::min(first + partDepth, depth);
      int64_t atA = dot(index, stridesA) * left.rows * left.columns;
      int64_t atB = dot(index, stridesB) * right.rows * right.columns;
      if (wholes)
        multiply<uint64_t>(left, atA, right, atB, y, at, first, end);
      else
        multiply<double>(left, atA, right, atB, y, at, first, end);
      at += left.rows * right.columns;
    });
}

void runMatmul(Context &c) { runProduct(c, false); }
void runMatmulParts(Context &c) { runProduct(c, true); }

/// Rows in groups, each times its own matrix.
void runGroupedMatmul(Context &c) {
  const Tensor &x = c.in(0), &offsets = c.in(2);
  const Tensor *bias = c.optional(3);
  Buffer memory;
  bool packed = c.has(packedColumns), transposed = !packed && c.flag("transpose_b");
  Tensor w = packed ? unpackPanels(c.in(1), c.expression(packedColumns), /*transposed=*/false, memory) : c.in(1);
  if (x.rank() != 2 || w.rank() != 3 || offsets.rank() != 1)
    fail("expected x [T, K], w of rank 3 and offsets of rank 1, got shapes " + str(x.shape) + ", " + str(w.shape) +
         " and " + str(offsets.shape));
  int64_t rows = x.shape[0], depth = x.shape[1], groups = w.shape[0], columns = w.shape[transposed ? 1 : 2];
  if (w.shape[transposed ? 2 : 1] != depth || offsets.shape[0] != groups + 1)
    fail("expected a depth of " + str(depth) + " and " + str(groups + 1) + " offsets, got shapes " + str(w.shape) +
         " and " + str(offsets.shape));
  if (bias && bias->shape != Shape{groups, columns})
    fail("expected a bias of shape " + str(Shape{groups, columns}) + ", got " + str(bias->shape));
  std::vector<int64_t> bounds = ints(offsets);
  if (bounds.front() != 0 || bounds.back() != rows || !std::is_sorted(bounds.begin(), bounds.end()))
    fail("expected offsets that ascend from 0 to " + str(rows) + ", got " + str(bounds));
  Tensor &y = c.out(0, {rows, columns});
  std::vector<double> sums(static_cast<size_t>(columns)), own(static_cast<size_t>(depth)),
      matrix(static_cast<size_t>(depth * columns)), added(static_cast<size_t>(columns));
  std::vector<double> scratch;
  for (int64_t group = 0; group < groups; ++group) {
    if (bounds[group] == bounds[group + 1])
      continue;
    Matrix{w, depth, columns, transposed}.load(group * depth * columns, 0, depth, 0, columns, matrix.data(), scratch);
    if (bias)
      loadNumbers(*bias, group * columns, columns, added.data());
    for (int64_t row = bounds[group]; row < bounds[group + 1]; ++row) {
      loadNumbers(x, row * depth, depth, own.data());
      sums = added;
      multiplyAdd(own.data(), depth, matrix.data(), columns, sums.data(), columns, 1, columns, depth);
      storeNumbers(y, row * columns, columns, sums.data());
    }
  }
}

void runSumParts(Context &c) {
  const Tensor &x = c.in(0);
  if (x.rank() < 1)
    fail("expected parts, got a scalar");
  Shape shape(x.shape.begin() + 1, x.shape.end());
  Tensor &y = c.out(0, shape);
  int64_t count = 1;
  for (int64_t extent : shape)
    count *= extent;
  std::vector<double> sums(columnBlock), part(columnBlock);
  for (int64_t at = 0; at < count; at += columnBlock) {
    int64_t width = std::min(columnBlock, count - at);
    std::fill(sums.begin(), sums.end(), 0.0);
    for (int64_t p = 0; p < x.shape[0]; ++p) {
      loadNumbers(x, p * count + at, width, part.data());
      for (int64_t i = 0; i < width; ++i)
        sums[i] += part[i];
    }
    storeNumbers(y, at, width, sums.data());
  }
}

} // namespace

std::span<const KernelEntry> matmulKernels() {
  static const KernelEntry list[] = {{"matmul", runMatmul},
                                     {"matmul_parts", runMatmulParts},
                                     {"sum_parts", runSumParts},
                                     {"grouped_matmul", runGroupedMatmul}};
  return list;
}

} // namespace bessemer::kernels
