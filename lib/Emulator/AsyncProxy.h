// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What runs beside the threads of a block: copies of tiles by the copy engine (TMA),
// which complete at an mbarrier, and products of a warpgroup (wgmma), which read
// shared memory until they are waited for.
//
// Both happen as late as the program allows: a copy when somebody waits for the
// phase that it belongs to, so that who does not wait reads what is marked as
// pending; a product's reads are checked when it is started and once more when it is
// waited for, so that who writes over an operand too early is found. In vector
// clocks (Sanitizer.h):
//
//   thread starts a copy       a write of its target, now; the clock goes with it
//   the copy is there          its clock joins the mbarrier's phase
//   a thread arrives           its clock joins, then it starts a new tick
//   the phase is complete      who waits for it takes over all that has joined
//
// Shared memory that a thread wrote and the copy engine or a product reads, or writes
// over, needs the writer's fence.proxy.async: until then its bytes are `unfenced`.
#pragma once

#include "lib/Emulator/Memory.h"

#include "bessemer/Support/TensorMap.h"

namespace bessemer::emulator {

struct BlockRun;

/// A copy of a box between global and shared memory.
struct TensorCopy {
  TensorMap map;
  std::array<int32_t, TensorMap::mostDims> at{}; ///< first element, may be outside
  uint64_t shared = 0;                           ///< offset
  bool isStore = false;
  VectorClock clock; ///< of the warp that started it, then
  uint32_t site = 0;
  uint8_t lane = 0;
};

/// PTX ISA, "Asynchronous Barriers": a phase is complete when as many have arrived
/// as were said at its initialization and all bytes that were announced are there.
struct MBarrier {
  uint32_t expected = 0, pending = 0;
  int64_t bytes = 0;   ///< announced and not yet there
  uint32_t parity = 0; ///< of the phase that runs
  bool fenced = false; ///< the copy engine sees its initialization
  uint32_t initWarp = 0;
  VectorClock arrived, completed;
  std::vector<TensorCopy> copies; ///< on their way
};

/// Operands of a product in shared memory: what to check once more.
struct MatrixRead {
  uint64_t descriptor = 0;
  uint32_t first = 0, rows = 0; ///< of the m or n dimension
  uint32_t elementBytes = 2;
  bool isDepthMajor = true; ///< neighbours along k
  uint32_t site = 0;
};
struct Product {
  MatrixRead a, b;                 ///< `a` of no rows: in registers
  uint32_t firstSum = 0, sums = 0; ///< in the kernel's lists: the slots of its results
};

/// The argument word of tensor map number `index` of a launch.
constexpr uint64_t tensorMapWindow = uint64_t(1) << 58;
constexpr uint64_t tensorMapBytes = 128;

/// The barrier at the offset in shared memory, checked: it exists, and `lane` may use it.
MBarrier *findBarrier(Warp &warp, const Inst &inst, unsigned lane, uint64_t offset);
/// `count` arrivals of this lane.
void arriveAt(Warp &warp, MBarrier &barrier, uint32_t count);
/// Whether the phase of that parity is complete; lets copies arrive for it.
bool isComplete(Warp &warp, MBarrier &barrier, uint32_t parity);
/// "expected 1 more arrival and 4096 more bytes at the mbarrier at shared+64"
std::string describeWait(const BlockRun &block, uint64_t offset, uint32_t parity);
/// Moves the box; its place on both sides was checked when it was started.
void performCopy(Warp &warp, const TensorCopy &copy);
/// Marks what this warp has written to shared memory as seen by the async proxy.
void fenceAsyncProxy(Warp &warp);

} // namespace bessemer::emulator
