// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Runtime/Memory.h"

#include "bessemer/Support/DType.h"

#include <cstdlib>
#include <sys/mman.h>
#include <utility>

namespace bessemer::runtime {

static constexpr int64_t maxBytes = int64_t{1} << 46;
static constexpr size_t hugePage = size_t{2} << 20;

MemoryBlock MemoryBlock::make(const Allocator &allocator, int64_t bytes) {
  MemoryBlock block;
  if (bytes < 0 || bytes > maxBytes)
    return block;
  size_t size = (static_cast<size_t>(bytes) + memoryAlignment) / memoryAlignment * memoryAlignment;
  block.from = allocator;
  if (allocator.allocate) {
    block.memory = allocator.allocate(allocator.user, size, memoryAlignment);
  } else if (size >= 2 * hugePage) {
    size = (size + hugePage - 1) / hugePage * hugePage;
    block.memory = std::aligned_alloc(hugePage, size);
    if (block.memory)
      (void)madvise(block.memory, size, MADV_HUGEPAGE); // advice: may be refused
  } else {
    block.memory = std::aligned_alloc(memoryAlignment, size);
  }
  block.bytes = block.memory ? static_cast<int64_t>(size) : 0;
  return block;
}

void MemoryBlock::reset() {
  if (!memory)
    return;
  if (from.allocate) {
    if (from.release)
      from.release(from.user, memory, static_cast<size_t>(bytes));
  } else {
    std::free(memory);
  }
  memory = nullptr;
  bytes = 0;
}

void MemoryBlock::swap(MemoryBlock &other) noexcept {
  std::swap(from, other.from);
  std::swap(memory, other.memory);
  std::swap(bytes, other.bytes);
}

int64_t checkedByteSize(uint8_t dtype, const int64_t *dims, size_t rank) {
  int64_t count = 1;
  bool empty = false;
  for (size_t i = 0; i < rank; ++i) {
    if (dims[i] < 0)
      return -1;
    empty |= dims[i] == 0;
  }
  if (empty)
    return 0;
  for (size_t i = 0; i < rank; ++i)
    if (__builtin_mul_overflow(count, dims[i], &count) || count > maxBytes)
      return -1;
  int64_t bytes = byteSize(static_cast<DType>(dtype), count);
  return bytes > maxBytes ? -1 : bytes;
}

} // namespace bessemer::runtime
