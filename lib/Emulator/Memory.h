// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The memories of the emulated device, and the one way to reach them: every
// access of every instruction goes through `MemoryAccess::resolve`, which
// checks it and gives the places on the host.
//
// Addresses: global memory starts at 2^40; in generic pointers, shared memory
// is the window at 2^56 and local memory the one at 2^57. Pointers to shared
// and local memory are offsets.
#pragma once

#include "lib/Emulator/Code.h"
#include "lib/Emulator/Sanitizer.h"

#include <array>
#include <map>
#include <vector>

namespace bessemer::emulator {

struct Warp;

constexpr uint64_t globalBase = uint64_t(1) << 40;
constexpr uint64_t windowBase = uint64_t(1) << 48;
constexpr uint64_t sharedWindow = uint64_t(1) << 56;
constexpr uint64_t localWindow = uint64_t(1) << 57;

/// Bytes, which of them somebody wrote, and who touched them last.
struct MemoryRegion {
  std::string name;
  uint64_t base = 0;
  std::vector<uint8_t> bytes;
  std::vector<uint8_t> written;  ///< 1: somebody wrote it
  std::vector<uint8_t> pending;  ///< shared only: 1: a copy that nobody waited for will write it
  std::vector<uint8_t> unfenced; ///< shared only: number of the warp that wrote it, from 1 on, until its proxy fence
  Shadow shadow;

  void reset(uint64_t size) {
    bytes.assign(size, 0);
    written.assign(size, 0);
    pending.assign(size, 0);
    unfenced.assign(size, 0);
    shadow.clear();
  }
};

/// A stretch of a region under an address of its own.
struct Window {
  std::string name;
  uint64_t base = 0, bytes = 0;
  MemoryRegion *region = nullptr;
  uint64_t offset = 0; ///< in the region
  Access allowed = Access::All;
};

/// Where an address leads: a region, and what of it is in reach.
struct Located {
  MemoryRegion *region = nullptr;
  uint64_t offset = 0, room = 0; ///< in the region; bytes from there on
  const std::string *name = nullptr;
  uint64_t base = 0; ///< address that the name stands for
  uint64_t size = 0; ///< bytes under that name
  Access allowed = Access::All;
};

struct Device::Memory {
  std::map<uint64_t, MemoryRegion> regions; ///< by base
  uint64_t next = globalBase;
  uint32_t agents = 1; ///< warps that have run, over all launches
  MemoryRegion *last = nullptr;
  std::map<uint64_t, Window> windows; ///< by base
  uint64_t nextWindow = windowBase;
  const Window *lastWindow = nullptr;

  Located locate(uint64_t address);

  /// The region that `address` lies in, or null.
  MemoryRegion *find(uint64_t address);
  const MemoryRegion *find(uint64_t address) const { return const_cast<Memory *>(this)->find(address); }
};

struct MemoryAccess {
  Space space = Space::Generic;
  uint32_t bytes = 0;
  uint32_t alignment = 1;
  bool write = false, atomic = false;
  bool quiet = false; ///< no statistics
  /// By the copy engine or the matrix unit (AsyncProxy.h), which do not see what a thread wrote without a fence.
  bool asyncProxy = false;

  /// `addresses` of the lanes in `mask`; `host[lane]` is null where the access
  /// must not happen (it was reported).
  void resolve(Warp &warp, const Inst &inst, uint32_t mask, const uint64_t *addresses,
               std::array<uint8_t *, 32> &host) const;
};

/// Marks [offset, offset + bytes) of shared memory as about to be written by a
/// cp.async, or not any more.
void setPending(MemoryRegion &shared, uint64_t offset, uint32_t bytes, bool pending);

} // namespace bessemer::emulator
