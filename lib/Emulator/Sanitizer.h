// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the emulator remembers of each piece of memory, to find races.
//
// Happens-before is kept as vector clocks, one entry for each warp of a block
// (FastTrack, Flanagan and Freund, 2009). An access carries a stamp: warp,
// clock of that warp, lane. A barrier joins the clocks of those who meet, then
// each of them starts a new tick. Two accesses of which one writes race unless
// the first one's tick is known to the warp of the second. Lanes of one warp
// are ordered by bar.warp.sync or a barrier only, as from Volta on. Blocks are
// ordered within a launch by a word that one stores with release and another
// one loads with acquire, in the scope of the device, and by nothing else.
//
//   warp 0 (clock {0: 3, 1: 1}) stores;     stamp (warp 0, tick 3)
//   both meet at a barrier                  warp 1: {0: 3, 1: 1}, then ticks 4
//   and 2 warp 1 loads: it knows 0: 3 >= 3        no race
//
// Of readers two from different warps are remembered: a later write races with
// one of them if it races with any, save where both of those were ordered
// since.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace bessemer::emulator {

using VectorClock = std::vector<uint32_t>;

/// What is known to have happened in other blocks: their clocks, by the agent of their warp 0.
using OtherClocks = std::map<uint32_t, VectorClock>;
/// Adds what `from` knows.
void join(VectorClock &to, const VectorClock &from);
void join(OtherClocks &to, const OtherClocks &from);

struct Stamp {
  uint32_t agent = 0; ///< 0: nobody; else number of the warp in the launch + 1
  uint32_t tick = 0;
  uint32_t site = 0;
  uint8_t lane = 0; ///< severalLanes: more than one of them
  bool atomic = false;
};
constexpr uint8_t severalLanes = 32;

/// Who asks.
struct Accessor {
  uint32_t firstAgent; ///< of the block: agent of its warp 0
  uint32_t agent;
  const VectorClock *clock;
  const OtherClocks *others;
  uint32_t site;
  uint8_t lane;
  bool atomic;
};

/// The other side of a race.
struct Conflict {
  bool found = false;
  bool wasWrite = false;
  Stamp with;
};

/// Stamps of a stretch of memory: one cell for each aligned word of 4 bytes
/// until something narrower is accessed in a page, then one for each byte.
class Shadow {
public:
  Conflict read(uint64_t offset, uint32_t bytes, const Accessor &by) { return access(offset, bytes, by, false); }
  Conflict write(uint64_t offset, uint32_t bytes, const Accessor &by) { return access(offset, bytes, by, true); }
  /// Forgets everything: a new launch, or a new block for shared memory.
  void clear() { ++epoch; }

private:
  struct Cell {
    Stamp write, read, otherRead;
  };
  static constexpr uint64_t pageBytes = 1024;
  struct Page {
    uint32_t epoch = 0; ///< another one: forgotten
    bool bytewise = false;
    std::vector<Cell> cells;
  };
  Conflict access(uint64_t offset, uint32_t bytes, const Accessor &by, bool isWrite);
  static void touch(Cell &cell, const Accessor &by, bool isWrite, Conflict &conflict);
  std::vector<std::unique_ptr<Page>> pages; ///< by number
  uint32_t epoch = 1;
};

/// 32-byte sectors that a warp's access touches, and how few would do.
/// `bytes` each; `count` addresses.
struct Cost {
  uint32_t transactions = 0, ideal = 0;
};
Cost globalCost(const uint64_t *addresses, unsigned count, uint32_t bytes);
/// Passes over the 32 banks of 4 bytes; accesses wider than 4 bytes go in
/// halves or quarters of a warp.
Cost sharedCost(const uint64_t *addresses, unsigned count, uint32_t bytes);

} // namespace bessemer::emulator
