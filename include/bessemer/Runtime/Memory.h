// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Memory of the runtime: the caller's allocator, and blocks that free themselves.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bessemer::runtime {

/// Where arenas, workspaces, pool buffers and runtime-made outputs come from.
/// Both functions may be called from any thread. `allocate` returns null when
/// there is no memory. Default: the C library, with huge pages asked for from
/// 4 MiB on.
struct Allocator {
  void *(*allocate)(void *user, size_t bytes, size_t alignment) = nullptr;
  void (*release)(void *user, void *memory, size_t bytes) = nullptr;
  void *user = nullptr;
};

/// The alignment of everything the runtime allocates.
constexpr size_t memoryAlignment = 64;

/// A block of an allocator, freed with the object. Movable.
class MemoryBlock {
public:
  MemoryBlock() = default;
  MemoryBlock(MemoryBlock &&other) noexcept { swap(other); }
  MemoryBlock &operator=(MemoryBlock &&other) noexcept {
    swap(other);
    return *this;
  }
  MemoryBlock(const MemoryBlock &) = delete;
  MemoryBlock &operator=(const MemoryBlock &) = delete;
  ~MemoryBlock() { reset(); }

  /// A block of at least `bytes` (at least one) bytes; empty (data() null) when
  /// there is no memory or `bytes` is absurd (negative, above 2^46).
  static MemoryBlock make(const Allocator &allocator, int64_t bytes);

  void reset();
  void swap(MemoryBlock &other) noexcept;
  void *data() const { return memory; }
  int64_t size() const { return bytes; }

private:
  Allocator from;
  void *memory = nullptr;
  int64_t bytes = 0;
};

/// Bytes of `count` elements of a shape; -1 when a dimension is negative or the
/// product does not fit (above 2^46 bytes: no machine has that).
int64_t checkedByteSize(uint8_t dtype, const int64_t *dims, size_t rank);

} // namespace bessemer::runtime
