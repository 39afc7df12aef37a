// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Window.h"

#include "Loops.h"

namespace bessemer::kernels {
namespace {
// Keeps every product of geometry within 64 bits.
constexpr int64_t limit = int64_t{1} << 31;

Shape readList(Context &c, std::string_view name, size_t count, int64_t absent, int64_t lowest) {
  Shape list = c.integers(name);
  if (list.empty())
    list.assign(count, absent);
  if (list.size() != count)
    fail("expected " + std::to_string(count) + " entries of '" + std::string(name) + "', got " + str(list));
  for (int64_t entry : list)
    if (entry < lowest || entry >= limit)
      fail("expected entries of '" + std::string(name) + "' in [" + str(lowest) + ", 2^31), got " + str(list));
  return list;
}
} // namespace

Window::Window(Context &c, Shape imageExtents, Shape windowExtents)
    : image(std::move(imageExtents)), extents(std::move(windowExtents)) {
  size_t n = image.size();
  if (extents.size() != n)
    fail("expected a window of rank " + std::to_string(n) + ", got " + str(extents));
  for (int64_t extent : extents)
    if (extent < 1 || extent >= limit)
      fail("expected window extents of at least 1, got " + str(extents));
  for (int64_t extent : image)
    if (extent >= limit)
      fail("expected spatial extents below 2^31, got " + str(image));
  strides = readList(c, "strides", n, 1, 1);
  dilations = readList(c, "dilations", n, 1, 1);
  Shape pads = readList(c, "pads", 2 * n, 0, -limit);
  low.assign(pads.begin(), pads.begin() + n);
  high.assign(pads.begin() + n, pads.end());
}

Shape Window::places() const {
  Shape result;
  for (size_t d = 0; d < rank(); ++d) {
    int64_t room = image[d] + low[d] + high[d] - dilations[d] * (extents[d] - 1) - 1;
    result.push_back(room < 0 ? 0 : room / strides[d] + 1);
  }
  return result;
}

Shape unflatten(int64_t flat, const Shape &shape) {
  Shape index(shape.size());
  for (size_t d = shape.size(); d-- > 0; flat /= std::max<int64_t>(shape[d], 1))
    index[d] = flat % std::max<int64_t>(shape[d], 1);
  return index;
}

std::vector<int64_t> tapOffsets(const Window &window, const Shape &places, int64_t first, int64_t count) {
  std::vector<int64_t> offsets(static_cast<size_t>(product(window.extents) * count));
  std::vector<Shape> indices;
  for (int64_t j = 0; j < count; ++j)
    indices.push_back(unflatten(first + j, places));
  int64_t at = 0;
  forEachIndex(window.extents, [&](const Shape &tap) {
    for (int64_t j = 0; j < count; ++j) {
      int64_t offset = 0;
      for (size_t d = 0; d < tap.size() && offset >= 0; ++d) {
        int64_t source = window.source(d, indices[j][d], tap[d]);
        offset = source < 0 || source >= window.image[d] ? -1 : offset * window.image[d] + source;
      }
      offsets[at++] = offset;
    }
  });
  return offsets;
}

} // namespace bessemer::kernels
