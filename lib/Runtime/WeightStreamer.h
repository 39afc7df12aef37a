// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The weights of one context under a memory limit. Which units stay in memory and
// which are read again in each run is planned for each bound shape, as the arena's size depends on it
// (bessemer/Algorithms/StreamPlanner.h). A helper thread reads ahead.
//
//   streamer.enter(plan, arena area);     // once for a run: residents are there
//   for each top-level step i:
//     streamer.before(i);                 // what step i reads is there
#pragma once

#include "lib/Runtime/Plan.h"

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

namespace bessemer::runtime {

class WeightStreamer {
public:
  explicit WeightStreamer(const Model &model) : model(model) {}
  ~WeightStreamer();

  /// Decides for the plan's shapes, when that has not been done. Fails, with the smallest
  /// limit that would do, when the limit is too small. `workspaceBytes`: of all threads.
  Status decide(Plan &plan, int64_t workspaceBytes);
  /// Frees and loads so that the plan's resident units are in memory, and sets the
  /// bases of all its weights. `area`: StreamPlan::areaBytes bytes.
  Status enter(Plan &plan, void *area);
  /// Before each top-level step: begins reading what may be read now, and waits
  /// for what the step needs.
  Status before(size_t step);
  /// After a run, also one that failed: nothing is being read any more.
  void leave();
  /// Where a weight is during the run; null when it is not.
  void *find(int32_t weight) const { return places[weight]; }
  int64_t residentBytes() const;

private:
  void work();
  std::string tooSmall(const Plan &plan, const StreamPlan &streams, int64_t workspaceBytes) const;

  const Model &model;
  std::map<int32_t, MemoryBlock> residents; ///< by unit
  std::vector<void *> places;               ///< by weight

  // The run in progress.
  Plan *plan = nullptr;
  char *area = nullptr;
  size_t issued = 0, needed = 0; ///< requests

  std::mutex mutex;
  std::condition_variable wake, ready;
  size_t wanted = 0, done = 0; ///< requests, under the mutex
  bool stop = false, reading = false;
  Status failure;
  std::thread helper;
};

} // namespace bessemer::runtime
