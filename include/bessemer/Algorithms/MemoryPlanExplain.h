// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Why a plan looks as it does: a reason for each buffer, and for the peak.

#ifndef BESSEMER_ALGORITHMS_MEMORYPLANEXPLAIN_H
#define BESSEMER_ALGORITHMS_MEMORYPLANEXPLAIN_H

#include "bessemer/Algorithms/MemoryPlan.h"

namespace bessemer {

struct PlacementReason {
  enum class Kind {
    Empty,   ///< size zero
    Fixed,   ///< the caller fixed the offset
    Bottom,  ///< at the start of the arena
    OnTopOf, ///< rests (but for alignment) on `below`, live at the same time
    Floating ///< could lie lower; the greedy order left a hole beneath
  };
  Kind kind = Kind::Bottom;
  size_t below = 0; ///< OnTopOf: position of the buffer it rests on
  /// Buffers, dead by then, whose bytes this one takes over (at most 4 named).
  std::vector<size_t> reuses;
};

struct PeakReason {
  int64_t time = 0;         ///< when the most bytes are live
  int64_t liveBytes = 0;    ///< how many: the lower bound
  std::vector<size_t> live; ///< the buffers live then, largest first
  int64_t wastedBytes = 0;  ///< plan.peak - liveBytes
};

/// One reason for each buffer. The plan must be a valid one.
std::vector<PlacementReason> explainPlacements(std::span<const PlanBuffer> buffers, const MemoryPlan &plan);

PeakReason explainPeak(std::span<const PlanBuffer> buffers, const MemoryPlan &plan);

/// One sentence, with the caller's names: "at 4096, on top of 'x', which is
/// live at the same time; takes over the bytes of 'y'".
std::string describe(const PlacementReason &reason, int64_t offset, std::span<const std::string> names);

} // namespace bessemer

#endif // BESSEMER_ALGORITHMS_MEMORYPLANEXPLAIN_H
