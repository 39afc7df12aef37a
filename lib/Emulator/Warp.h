// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A warp at run time, and what instructions need to write their lanes.
#pragma once

#include "lib/Emulator/AsyncProxy.h"
#include "lib/Emulator/Code.h"
#include "lib/Emulator/Sanitizer.h"

#include <array>
#include <cstring>
#include <deque>
#include <vector>

namespace bessemer::emulator {

struct BlockRun;

/// Lanes that run together until they reach `reconverge`.
struct StackEntry {
  uint32_t next = 0;
  uint32_t reconverge = noBlock;
  uint32_t mask = 0;
};

enum class WarpState : uint8_t { Running, AtBarrier, AtMBarrier, Done };

/// A cp.async on its way.
struct AsyncCopy {
  uint64_t to = 0, from = 0;    ///< offset in shared memory, global address
  uint32_t bytes = 0, read = 0; ///< the rest is zero
  uint32_t site = 0;
};

struct Warp {
  const Kernel *kernel = nullptr;
  BlockRun *block = nullptr;
  uint8_t *frame = nullptr;
  uint32_t mask = 0;       ///< lanes that run now
  uint32_t exited = 0;     ///< lanes that have returned, or never were
  uint32_t waited = 0;     ///< lanes that have waited for earlier launches
  uint32_t pc = 0, at = 0; ///< next instruction; the block that runs
  WarpState state = WarpState::Running;
  uint32_t index = 0; ///< in its block
  uint64_t instructions = 0, limit = 0;
  std::vector<StackEntry> stack;
  VectorClock clock;                     ///< what has happened before now, by warp
  OtherClocks others;                    ///< and in other blocks
  std::map<uint32_t, uint32_t> acquires; ///< loads that wait for another block, by site
  std::vector<uint8_t> local;            ///< allocas: lane after lane
  // Of the barrier that the warp waits at.
  uint32_t barrier = 0, barrierThreads = 0, barrierSite = 0;
  // Of the mbarrier and the phase that it waits for.
  uint64_t waitOffset = 0;
  uint32_t waitParity = 0, waitSite = 0;
  std::array<std::deque<std::vector<AsyncCopy>>, 32> asyncGroups;
  std::array<std::vector<AsyncCopy>, 32> asyncOpen;
  std::array<std::deque<std::vector<TensorCopy>>, 32> storeGroups; ///< of cp.async.bulk
  std::array<std::vector<TensorCopy>, 32> storeOpen;
  std::deque<std::vector<Product>> productGroups; ///< of wgmma
  std::vector<Product> productOpen;
  bool productsFenced = false; ///< wgmma.fence since the sums were in use
  uint32_t registers = 0;      ///< that setmaxnreg has asked for; 0: none yet

  template <class T> T *lanes(Slot slot) { return reinterpret_cast<T *>(frame + size_t(slot) * slotBytes); }

  /// fn(lane) for each lane that runs. All 32 is the usual case, and
  /// vectorises.
  template <class F> void each(F &&fn) {
    if (mask == ~0u) {
      for (unsigned lane = 0; lane < 32; ++lane)
        fn(lane);
    } else {
      for (uint32_t rest = mask; rest; rest &= rest - 1)
        fn(static_cast<unsigned>(__builtin_ctz(rest)));
    }
  }

  void enter(uint32_t target); ///< jump; pops what has met again
  void take(const Edge &edge, uint32_t lanes);
  void branch(const Edge *const *edges, const uint32_t *masks, unsigned count);
  void leave(); ///< the running lanes return
  void report(FindingKind kind, const Inst &inst, std::string message, uint32_t otherSite = ~0u);
};

} // namespace bessemer::emulator
