// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which runs of operations are computed in pieces of their rows, so that what is
// wide between them is there for one piece at a time.
//
// Worked example: y = (x A) B with a wide product in the middle, 4 pieces.
//
//   x (8) -> A -> wide (32) -> B -> y (8)
//
// As it is, x, wide and y: A needs 40 bytes, B needs 40. In one group of 4 pieces the values that
// come in and go out are whole, wide is a quarter: 8 + 8 + 8 = 24.
//
//   SplitProblem problem;
//   problem.values = {{8, true}, {32, true}, {8, true}};
//   problem.operations = {{{}, {0}}, {{{0, true}}, {1}, 64}, {{{1, true}}, {2}, 64}};
//   problem.liveOut = {2};
//   SplitPlan plan = planRowSplit(problem, 4);
//   plan.groups;  // {{1, 3}}: operations 1 and 2
//   plan.peak;    // 24, instead of problem's 40
//
// A group is a range of the order. Within it every operation computes the same rows
// of its results from the same rows of what the group has computed; whatever it needs
// whole must come from before the group. So keys and values of an attention come
// before a group of queries, attention and projection.

#ifndef BESSEMER_ALGORITHMS_ROWSPLIT_H
#define BESSEMER_ALGORITHMS_ROWSPLIT_H

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bessemer {

struct SplitValue {
  int64_t bytes = 0;
  bool counts = true; ///< false: somebody else's memory (weights, arguments)
};

struct SplitRead {
  int value = 0;
  bool byRows = false; ///< rows of the result need the same rows of it
};

struct SplitOperation {
  std::vector<SplitRead> reads;
  std::vector<int> writes;
  int64_t rows = 0;       ///< of its results; 0: it cannot be computed in pieces
  int64_t extraBytes = 0; ///< needed only while it runs
};

struct SplitProblem {
  std::vector<SplitValue> values;
  std::vector<SplitOperation> operations; ///< in their order
  std::vector<int> liveOut;               ///< values that are needed after the last operation
};

struct SplitPlan {
  std::vector<std::pair<int, int>> groups; ///< half-open ranges of operations, in order
  int64_t peak = 0;
};

/// The most bytes live at a time with these groups in so many pieces, or nullopt when a group
/// is none (see above). `at`: the operation, when asked for.
std::optional<int64_t> peakOfSplit(const SplitProblem &problem, const std::vector<std::pair<int, int>> &groups,
                                   int64_t pieces, int *at = nullptr);

/// The groups with the smallest peak; among equals those with the fewest operations.
SplitPlan planRowSplit(const SplitProblem &problem, int64_t pieces);

} // namespace bessemer

#endif // BESSEMER_ALGORITHMS_ROWSPLIT_H
