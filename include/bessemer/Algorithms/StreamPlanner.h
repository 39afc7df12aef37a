// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which weights stay in memory and which are read again for each run, when not all
// of them fit. A unit is what is loaded in one go (a weight as the kernels want
// it); a use is a step of the program that reads it.
//
//   limit 139, arena 11, units a b c of 64 bytes each, used by steps 0, 1, 2
//
//   all do not fit beside the arena: none stays, and they take turns in two places of the
//   stream area, c in the place of a while b is in use.
//
//   StreamProblem problem{{64, 64, 64}, {{0, 0}, {1, 1}, {2, 2}}, 11, 139};
//   StreamPlan plan = planStreams(problem);
//   plan.resident;      // {0, 0, 0}
//   plan.streamedBytes; // 192 for each run
//   plan.minimumBytes;  // 75: the arena and one unit at a time
//
// Reading ahead: a unit is read while the one before it is in use, so that only
// what is slower than the computation costs time. That takes room for two. Where that is
// too much, units are read when they are needed.

#ifndef BESSEMER_ALGORITHMS_STREAMPLANNER_H
#define BESSEMER_ALGORITHMS_STREAMPLANNER_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bessemer {

struct StreamProblem {
  struct Use {
    int64_t step = 0;
    int unit = 0;
  };
  std::vector<int64_t> unitBytes;
  std::vector<Use> uses;  ///< sorted by step
  int64_t fixedBytes = 0; ///< the arena, and weights that stay in any case
  int64_t limit = 0;
};

/// One reading of a unit: into `offset` of the stream area, from when step `start` begins (when
/// steps before it are done), for the steps first to last.
struct StreamRequest {
  int unit = 0;
  int64_t start = 0, first = 0, last = 0;
  int64_t offset = 0;
};

struct StreamPlan {
  bool fits = false;
  bool readsAhead = false;
  std::vector<char> resident;          ///< by unit
  std::vector<StreamRequest> requests; ///< by first step; starts never go back
  int64_t areaBytes = 0, residentBytes = 0;
  int64_t streamedBytes = 0; ///< read in each run
  int64_t totalBytes = 0;    ///< fixed, resident and area
  /// The smallest limit that has a plan, and a unit that makes it so (-1: the
  /// fixed bytes alone).
  int64_t minimumBytes = 0;
  int largestUnit = -1;
};

constexpr int64_t streamAlignment = 64;

/// With the fewest bytes read. Where the limit is too small: `fits` is false, and only the minimum is set.
StreamPlan planStreams(const StreamProblem &problem);

/// What is wrong with a plan that fits, or nullopt: each use finds its unit resident
/// or read before, no two readings share bytes while either is needed, sums are right.
std::optional<std::string> checkStreams(const StreamProblem &problem, const StreamPlan &plan);

} // namespace bessemer

#endif // BESSEMER_ALGORITHMS_STREAMPLANNER_H
