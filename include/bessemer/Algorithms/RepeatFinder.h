// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Finds repeated layers in a sequence of operations.
//
// Worked example: a prologue P, three layers of (A, B), an epilogue E. B reads
// A of its layer, A reads B of the layer before (the first: P).
//
//   position    0  1  2  3  4  5  6  7
//   op          P  A  B  A  B  A  B  E
//   producers   -  0  1  2  3  4  5  6
//
//   findRepeats(ops, {}) gives {start 1, period 2, count 3, liveAcross 1}.
//
// Two iterations are the same when their ops have equal hashes and, operand by
// operand, producers that correspond: the same op of the same iteration, the
// same op of the iteration before (for the first iteration: anything outside),
// or one and the same op outside of the run (or -1 in both).

#ifndef BESSEMER_ALGORITHMS_REPEATFINDER_H
#define BESSEMER_ALGORITHMS_REPEATFINDER_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace bessemer {

struct RepeatOp {
  /// What must be equal but for the producers: name, attributes, types.
  uint64_t hash = 0;
  /// For each operand the position of the op that makes it, smaller than this
  /// op's own; -1 for graph inputs, weights and constants.
  std::vector<int32_t> producers;
  /// Computed element by element from what another op makes, and so in one
  /// kernel with it if nothing stands between them: a bad place for a cut.
  bool joinsProducer = false;
};

/// Ops [start + i * period, start + (i + 1) * period) are the same for all
/// i < count.
struct RepeatRun {
  size_t start = 0;
  size_t period = 0;
  size_t count = 0;
  /// Ops of one iteration that the next one reads: the width of the cut.
  size_t liveAcross = 0;

  size_t end() const { return start + period * count; }
  bool operator==(const RepeatRun &) const = default;
};

struct RepeatOptions {
  size_t minCount = 2;  ///< iterations, at least 2
  size_t minPeriod = 2; ///< ops in one iteration, at least 1
  size_t minSaved = 4;  ///< ops that need not be compiled again
};

/// Disjoint runs, sorted by start. Taken greedily: each time the run that saves
/// the most ops, (count - 1) * period; of equal ones, the shortest period. Of
/// the starts that keep all iterations, the one with the narrowest cut; of
/// those, one before an op that joins no producer; of those, the earliest. Time
/// about linear: each of a few dozen candidate periods takes a pass.
std::vector<RepeatRun> findRepeats(std::span<const RepeatOp> ops, const RepeatOptions &options);

/// Why `run` is no repeat, or nullopt when it is one. Looks at all iterations.
std::optional<std::string> checkRepeat(std::span<const RepeatOp> ops, const RepeatRun &run);

} // namespace bessemer

#endif // BESSEMER_ALGORITHMS_REPEATFINDER_H
