// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Runtime/FrameLayout.h"

#include "bessemer/Runtime/Memory.h"

#include <algorithm>
#include <numeric>

namespace bessemer::runtime {

Status layOutFrame(std::vector<FrameItem> &items, int64_t &frameBytes) {
  // Largest first, each at the lowest offset that is free for all of its life.
  std::vector<size_t> order(items.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return items[a].bytes != items[b].bytes ? items[a].bytes > items[b].bytes : a < b;
  });
  frameBytes = 0;
  std::vector<size_t> placed; // by offset
  for (size_t i : order) {
    FrameItem &item = items[i];
    int64_t size = (item.bytes + memoryAlignment - 1) / memoryAlignment * memoryAlignment;
    int64_t offset = 0;
    for (size_t j : placed) {
      const FrameItem &other = items[j];
      if (other.upper <= item.lower || item.upper <= other.lower || other.bytes == 0)
        continue;
      if (offset + size <= other.offset)
        break;
      int64_t end = other.offset +
                    (other.bytes + memoryAlignment - 1) / memoryAlignment * memoryAlignment;
      offset = std::max(offset, end);
    }
    item.offset = offset;
    if (__builtin_add_overflow(offset, size, &offset))
      return Status::error(StatusCode::OutOfMemory, "the frame's size does not fit in 64 bits");
    frameBytes = std::max(frameBytes, offset);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), i,
                                   [&](size_t a, size_t b) {
                                     return items[a].offset < items[b].offset;
                                   }),
                  i);
  }
  return {};
}

} // namespace bessemer::runtime
