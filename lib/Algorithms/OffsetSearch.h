// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Depth-first searches for offsets within a capacity; the restarts around them
// are in MemorySearch.cpp.

#ifndef BESSEMER_LIB_ALGORITHMS_OFFSETSEARCH_H
#define BESSEMER_LIB_ALGORITHMS_OFFSETSEARCH_H

#include <atomic>
#include <cstdint>
#include <memory>
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

/// What one dive goes by.
struct DiveOrder {
  /// `order[i]` is the buffer of rank i: the smaller rank goes first, other
  /// things being equal.
  std::vector<int> order;
  /// Where to go on: in the section with the least value of candidates /
  /// (evenness + share of the failures). Small: where it has failed most. Large:
  /// where fewest can go.
  double evenness = 1;
};

/// Searches in one problem, one after the other. What was found hopeless is
/// remembered from one dive to the next. Not for several threads.
class OffsetSearch {
public:
  virtual ~OffsetSearch() = default;

  /// Exhausted proves that there is no plan. `offsets` is written only when the
  /// result is Found.
  virtual DiveResult dive(const DiveOrder &order, uint64_t nodeLimit, std::vector<int64_t> &offsets) = 0;

  /// The problem and `failures` must outlive the search. Failures are counted by
  /// section in `failures`, for the caller to choose the next order by.
  static std::unique_ptr<OffsetSearch> make(const SectionedBuffers &problem, DiveControl &control,
                                            std::vector<double> &failures);
};

} // namespace bessemer

#endif // BESSEMER_LIB_ALGORITHMS_OFFSETSEARCH_H
