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

template <class T>
void multiply(const Matrix &a, int64_t atA, const Matrix &b, int64_t atB, const Tensor &y, int64_t atY) {
  int64_t m = a.rows, n = b.columns, k = a.columns;
  std::vector<T> blockA(rowBlock * depthBlock), blockB(depthBlock * columnBlock), scratch;
  std::vector<T> sums(static_cast<size_t>(m * std::min(n, columnBlock)));
  for (int64_t j = 0; j < n; j += columnBlock) {
    int64_t width = std::min(columnBlock, n - j);
    std::fill(sums.begin(), sums.end(), T{});
    for (int64_t p = 0; p < k; p += depthBlock) {
      int64_t depth = std::min(depthBlock, k - p);
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

void runMatmul(Context &c) {
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
  shape.insert(shape.end(), {left.rows, right.columns});
  Tensor &y = c.out(0, shape);
  Shape stridesA = broadcastStrides(batchA, batch), stridesB = broadcastStrides(batchB, batch);
  int64_t at = 0;
  forEachIndex(batch, [&](const Shape &index) {
    int64_t atA = dot(index, stridesA) * left.rows * left.columns;
    int64_t atB = dot(index, stridesB) * right.rows * right.columns;
    if (wholes)
      multiply<uint64_t>(left, atA, right, atB, y, at);
    else
      multiply<double>(left, atA, right, atB, y, at);
    at += left.rows * right.columns;
  });
}

} // namespace

std::span<const KernelEntry> matmulKernels() {
  static const KernelEntry list[] = {{"matmul", runMatmul}};
  return list;
}

} // namespace bessemer::kernels
