// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One depth-first search for offsets within a capacity; the restarts around it
// are in MemorySearch.cpp.

#ifndef BESSEMER_LIB_ALGORITHMS_OFFSETSEARCH_H
#define BESSEMER_LIB_ALGORITHMS_OFFSETSEARCH_H

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

namespace bessemer {

/// Buffers over sections: maximal sets of buffers that are live together, in
/// order of time. Two buffers overlap exactly when they share a section. All
/// sizes are in units of the largest common divisor.
struct SectionedBuffers {
  struct Range {
    int begin, end; // sections [begin, end)
  };
  int sections = 0;
  int64_t capacity = 0;
  std::vector<int64_t> sizes, alignments;
  std::vector<int64_t> fixed;             // -1: free
  std::vector<std::vector<Range>> ranges; // more than one with gaps
  std::vector<int64_t> durations;         // of the lifetimes, for the order

  int count() const { return static_cast<int>(sizes.size()); }
};

enum class DiveResult { Found, Exhausted, LimitReached };

/// Shared by all dives of one search.
struct DiveControl {
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> nodes{0};
};

/// One search. `order[i]` is the buffer of rank i: ties between buffers at the
/// same height go to the smaller rank. Counts failures by section in
/// `failures`, for the caller to choose the next order by. Offsets are written
/// only when the result is Found; Exhausted proves that there is no plan.
DiveResult searchOffsets(const SectionedBuffers &problem, std::span<const int> order, uint64_t nodeLimit,
                         DiveControl &control, std::vector<double> &failures, std::vector<int64_t> &offsets);

} // namespace bessemer

#endif // BESSEMER_LIB_ALGORITHMS_OFFSETSEARCH_H
