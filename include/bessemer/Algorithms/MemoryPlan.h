// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The vocabulary of static memory planning: buffers with lifetimes, and a plan
// that gives each an offset in one arena. One problem is one memory space; the
// caller plans each space by itself.

#ifndef BESSEMER_ALGORITHMS_MEMORYPLAN_H
#define BESSEMER_ALGORITHMS_MEMORYPLAN_H

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace bessemer {

/// A half-open interval of schedule time, [lower, upper).
struct TimeInterval {
  int64_t lower = 0;
  int64_t upper = 0;
};

struct PlanBuffer {
  int64_t lower = 0;                       ///< first step at which the buffer is live
  int64_t upper = 0;                       ///< first step at which it is dead; > lower
  int64_t size = 0;                        ///< bytes, >= 0
  int64_t alignment = 1;                   ///< the offset is a multiple; >= 1
  std::optional<int64_t> fixedOffset = {}; ///< the one offset allowed, when given
  /// Intervals inside [lower, upper), sorted and disjoint, in which the
  /// contents are not needed: others may use the bytes meanwhile.
  std::vector<TimeInterval> gaps = {};
};

struct MemoryPlan {
  std::vector<int64_t> offsets; ///< one for each buffer, in bytes
  int64_t peak = 0;             ///< largest offset + size
};

/// The intervals in which the buffer is live: its lifetime without its gaps.
std::vector<TimeInterval> liveIntervals(const PlanBuffer &buffer);

/// The largest sum of sizes live at one time: no plan has a smaller peak.
/// A fixed offset counts with its end. Needs valid buffers.
int64_t peakLowerBound(std::span<const PlanBuffer> buffers);

/// Why the buffers are no valid problem ("buffer 3: expected ..., got ..."),
/// or nullopt. Sums of sizes must fit 62 bits.
std::optional<std::string> validateBuffers(std::span<const PlanBuffer> buffers);

} // namespace bessemer

#endif // BESSEMER_ALGORITHMS_MEMORYPLAN_H
