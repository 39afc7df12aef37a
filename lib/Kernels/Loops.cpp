// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Loops.h"

#include "Convert.h"

#include <cstring>

namespace bessemer::kernels {
namespace {
struct Bytes16 {
  uint64_t words[2];
};

/// Calls `visit` with a null pointer of a C++ type as wide as the element.
template <class F> void dispatchWidth(DType dtype, F visit) {
  if (dtype == DType::String)
    return visit(static_cast<std::string *>(nullptr));
  switch (elementSize(dtype)) {
  case 1: return visit(static_cast<uint8_t *>(nullptr));
  case 2: return visit(static_cast<uint16_t *>(nullptr));
  case 4: return visit(static_cast<uint32_t *>(nullptr));
  case 8: return visit(static_cast<uint64_t *>(nullptr));
  case 16: return visit(static_cast<Bytes16 *>(nullptr));
  default: fail("expected elements that can be copied, got type " + std::string(name(dtype)));
  }
}
} // namespace

Shape broadcastShapes(const Shape &a, const Shape &b) {
  const Shape &longer = a.size() >= b.size() ? a : b;
  const Shape &shorter = a.size() >= b.size() ? b : a;
  Shape result = longer;
  size_t skip = longer.size() - shorter.size();
  for (size_t d = 0; d < shorter.size(); ++d) {
    int64_t &extent = result[skip + d];
    if (extent == 1)
      extent = shorter[d];
    else if (shorter[d] != 1 && shorter[d] != extent)
      fail("expected shapes that broadcast, got " + str(a) + " and " + str(b));
  }
  return result;
}

Shape broadcastStrides(const Shape &from, const Shape &to) {
  bool fits = from.size() <= to.size();
  size_t skip = fits ? to.size() - from.size() : 0;
  Shape strides(to.size(), 0), dense = contiguousStrides(from);
  for (size_t d = 0; d < from.size() && fits; ++d) {
    fits = from[d] == 1 || from[d] == to[skip + d];
    strides[skip + d] = from[d] == 1 ? 0 : dense[d];
  }
  if (!fits)
    fail("expected a shape that stretches to " + str(to) + ", got " + str(from));
  return strides;
}

std::vector<double> expandDoubles(const Tensor &tensor, const Shape &shape) {
  std::vector<double> source = doubles(tensor);
  if (tensor.shape == shape)
    return source;
  std::vector<double> result(static_cast<size_t>(product(shape)));
  double *to = result.data();
  forEachRow<1>({shape, {broadcastStrides(tensor.shape, shape)}}, {0}, [&](auto offset, int64_t n, auto stride) {
    for (int64_t i = 0; i < n; ++i)
      *to++ = source[offset[0] + i * stride[0]];
  });
  return result;
}

void copyStrided(DType dtype, const Shape &shape, void *to, const Shape &toStrides, int64_t toOffset, const void *from,
                 const Shape &fromStrides, int64_t fromOffset) {
  dispatchWidth(dtype, [&]<class T>(T *) {
    T *target = static_cast<T *>(to);
    const T *source = static_cast<const T *>(from);
    forEachRow<2>({shape, {toStrides, fromStrides}}, {toOffset, fromOffset},
                  [&](auto offsets, int64_t n, auto strides) {
                    T *t = target + offsets[0];
                    const T *s = source + offsets[1];
                    if (strides[0] == 1 && strides[1] == 1)
                      std::copy(s, s + n, t);
                    else
                      for (int64_t i = 0; i < n; ++i)
                        t[i * strides[0]] = s[i * strides[1]];
                  });
  });
}

void copyRange(DType dtype, void *to, int64_t toOffset, const void *from, int64_t fromOffset, int64_t count) {
  if (count == 0)
    return;
  if (dtype == DType::String) {
    const auto *source = static_cast<const std::string *>(from) + fromOffset;
    std::copy(source, source + count, static_cast<std::string *>(to) + toOffset);
    return;
  }
  size_t size = elementSize(dtype);
  std::memcpy(static_cast<char *>(to) + toOffset * size, static_cast<const char *>(from) + fromOffset * size,
              count * size);
}

void fillElements(DType dtype, void *to, int64_t toOffset, int64_t count, const void *from) {
  dispatchWidth(dtype, [&]<class T>(T *) {
    T value = from ? *static_cast<const T *>(from) : T{};
    std::fill_n(static_cast<T *>(to) + toOffset, count, value);
  });
}

} // namespace bessemer::kernels
