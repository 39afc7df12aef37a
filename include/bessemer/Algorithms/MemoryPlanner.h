// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Static memory planning (dynamic storage allocation): offsets for buffers with
// known lifetimes, so that the arena is as small as possible.
//
//   planGreedy   always answers, in milliseconds for thousands of buffers
//   searchPlan   complete search for a plan within a capacity; may prove that
//                there is none
//   planMemory   both: greedy first, then the search while the greedy peak is
//                above the lower bound and the budget lasts
//
// Worked example: a, b, c of 4, 2, 4 bytes; a lives over [0, 2), b over [1, 3),
// c over [2, 4). At each time at most 6 bytes are live.
//
//   std::vector<PlanBuffer> buffers{{0, 2, 4}, {1, 3, 2}, {2, 4, 4}};
//   MemoryPlanResult result = planMemory(buffers, {});
//   result.plan.offsets;  // {0, 4, 0}: c takes the bytes of a
//   result.plan.peak;     // 6, and result.optimal is true
//
// The search follows the canonical form of MiniMalloc (Moffitt, ASPLOS 2023):
// if there is a plan, there is one in which no buffer can drop, and it is built
// by placing buffers in order of offset, each on top of those placed before.
// See lib/Algorithms/OffsetSearch.cpp for the inference.

#ifndef BESSEMER_ALGORITHMS_MEMORYPLANNER_H
#define BESSEMER_ALGORITHMS_MEMORYPLANNER_H

#include "bessemer/Algorithms/MemoryPlan.h"

namespace bessemer {

struct GreedyResult {
  MemoryPlan plan;
  /// The order that gave it, e.g. "largest first". Never null.
  const char *order = "";
  /// False when a buffer could not get its fixed offset (two fixed buffers
  /// collide); the plan is then not usable.
  bool valid = true;
};

/// The best of several greedy orders, at most `maxOrders` (at least 1). Buffers
/// must be valid (`validateBuffers`). At run time, with fresh shapes, one or two
/// orders: each takes about a millisecond for a thousand buffers.
GreedyResult planGreedy(std::span<const PlanBuffer> buffers, size_t maxOrders = SIZE_MAX);

enum class SearchStatus {
  Found,       ///< a plan within the capacity
  Impossible,  ///< proved: there is none
  BudgetSpent, ///< neither
};

struct SearchBudget {
  double seconds = 1.0;           ///< wall time
  uint64_t maxNodes = UINT64_MAX; ///< placements tried, over all threads
  unsigned threads = 1;           ///< > 1: searches race, first answer wins
  uint64_t seed = 1;              ///< of the randomized restarts
};

struct SearchOutcome {
  SearchStatus status = SearchStatus::BudgetSpent;
  MemoryPlan plan;    ///< when Found
  uint64_t nodes = 0; ///< placements tried
};

/// Looks for a plan with peak <= capacity.
SearchOutcome searchPlan(std::span<const PlanBuffer> buffers, int64_t capacity, const SearchBudget &budget);

struct MemoryPlannerOptions {
  /// Stop at the first plan within this many bytes. Without it: minimize.
  std::optional<int64_t> capacity;
  SearchBudget budget;
  /// Above this number of buffers only greedy orders are tried.
  size_t maxSearchedBuffers = 4000;
};

struct MemoryPlanResult {
  enum class Status {
    Planned,       ///< `plan` holds (and fits the capacity, when one is given)
    Impossible,    ///< proved that no plan fits the capacity
    NotFound,      ///< no plan within the capacity was found in the budget
    InvalidBuffers ///< see `message`
  };
  Status status = Status::Planned;
  /// With Impossible and NotFound: the best plan known, above the capacity.
  MemoryPlan plan;
  int64_t lowerBound = 0; ///< no plan has a smaller peak
  bool optimal = false;   ///< plan.peak is proved to be the smallest
  std::string message;    ///< how the plan came about, or the error
  uint64_t nodes = 0;     ///< placements that the search tried
};

/// The result has been through `checkPlan`.
MemoryPlanResult planMemory(std::span<const PlanBuffer> buffers, const MemoryPlannerOptions &options);

} // namespace bessemer

#endif // BESSEMER_ALGORITHMS_MEMORYPLANNER_H
