// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One launch, and the block of it that runs.
#pragma once

#include "lib/Emulator/AsyncProxy.h"
#include "lib/Emulator/Memory.h"
#include "lib/Emulator/Warp.h"

#include <map>
#include <tuple>

namespace bessemer::emulator {

struct LaunchRun {
  const Kernel &kernel;
  const LaunchConfig &config;
  Device::Memory &memory;
  LaunchResult result;
  std::map<std::tuple<FindingKind, uint32_t, uint32_t>, size_t> known; ///< kind, site, other site -> finding
  std::vector<AccessStatistics> statistics;                            ///< by site
  std::map<const uint8_t *, OtherClocks> released; ///< with a word that a block stored for others: what had happened
  bool stop = false;                               ///< after a fault

  void report(FindingKind kind, uint32_t site, std::string message, uint32_t otherSite);
};

struct BlockRun {
  LaunchRun &launch;
  Dim3 id;
  uint32_t firstAgent = 0;
  MemoryRegion shared;
  std::vector<Warp> warps;
  std::map<uint64_t, MBarrier> barriers; ///< by offset in shared memory
  /// Of each numbered barrier: threads that have arrived and gone on, and what had happened then.
  struct Arrivals {
    uint32_t threads = 0;
    VectorClock clock;
    OtherClocks others;
  };
  std::array<Arrivals, 16> arrivals;

  uint32_t agentOf(const Warp &warp) const { return firstAgent + warp.index; }
  /// A lane that asks for memory now.
  Accessor accessor(const Warp &warp, uint32_t site, unsigned lane, bool atomic) const {
    return {firstAgent, agentOf(warp), &warp.clock, &warp.others, site, static_cast<uint8_t>(lane), atomic};
  }
  std::string name() const;
  /// Runs all warps to their end, or to where none can go on.
  void run();

private:
  /// Lets those go whose mbarrier has completed the phase; false when none has.
  bool releaseWaits();
  /// Lets those go whose barrier is complete; false when none is.
  bool releaseBarriers();
  void reportDeadlock();
};

/// "load at model.onnx:12:3 (node \"softmax_1\")"
std::string describeSite(const Site &site);

} // namespace bessemer::emulator
