// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The inner loops of matrix products, on operands that are already double (for
// floats) or uint64_t (for integers: sums and products wrap as they should).
#pragma once

#include "Convert.h"

#include <algorithm>

namespace bessemer::kernels {

/// c[m, n] += a[m, k] · b[k, n], row-major with the given leading dimensions.
/// Meant for k · n of cache size; 2×8 sums stay in registers.
template <class T>
void multiplyAdd(const T *a, int64_t lda, const T *b, int64_t ldb, T *c, int64_t ldc, int64_t m, int64_t n, int64_t k) {
  constexpr int64_t rows = 2, columns = 8;
  for (int64_t j = 0; j < n; j += columns)
    for (int64_t i = 0; i < m; i += rows) {
      if (j + columns > n || i + rows > m) {
        for (int64_t r = i; r < std::min(i + rows, m); ++r)
          for (int64_t q = j; q < std::min(j + columns, n); ++q) {
            T sum = c[r * ldc + q];
            for (int64_t p = 0; p < k; ++p)
              sum += a[r * lda + p] * b[p * ldb + q];
            c[r * ldc + q] = sum;
          }
        continue;
      }
      T sums[rows][columns];
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t q = 0; q < columns; ++q)
          sums[r][q] = c[(i + r) * ldc + j + q];
      for (int64_t p = 0; p < k; ++p) {
        const T *row = b + p * ldb + j;
        T first = a[i * lda + p], second = a[(i + 1) * lda + p];
        for (int64_t q = 0; q < columns; ++q) {
          sums[0][q] += first * row[q];
          sums[1][q] += second * row[q];
        }
      }
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t q = 0; q < columns; ++q)
          c[(i + r) * ldc + j + q] = sums[r][q];
    }
}

inline void loadNumbers(const Tensor &t, int64_t offset, int64_t n, double *to) { loadDoubles(t, offset, n, to); }
inline void loadNumbers(const Tensor &t, int64_t offset, int64_t n, uint64_t *to) {
  loadInts(t, offset, n, reinterpret_cast<int64_t *>(to));
}
inline void storeNumbers(const Tensor &t, int64_t offset, int64_t n, const double *from) {
  storeDoubles(t, offset, n, from);
}
inline void storeNumbers(const Tensor &t, int64_t offset, int64_t n, const uint64_t *from) {
  storeInts(t, offset, n, reinterpret_cast<const int64_t *>(from));
}
template <class T> std::vector<T> loadAll(const Tensor &tensor) {
  std::vector<T> values(static_cast<size_t>(tensor.count()));
  loadNumbers(tensor, 0, tensor.count(), values.data());
  return values;
}

} // namespace bessemer::kernels
