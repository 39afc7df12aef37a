// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How a matrix product is cut up on a CPU: rows of a task, the register block,
// unrolling, prefetch. The choice is a few lines of arithmetic on the machine's
// numbers, so a change of heuristics is a change here and in the test alone.
// What is chosen becomes the kernel's `schedule`; the lowering reads it there.
//
// Worked example: 128 x 384 times 384 x 1536 with packed weights on AVX-512.
//
//   MatmulSchedule s = chooseMatmulSchedule({128, 384, 1536, true}, machine);
//   s.taskRows        // 128: the rows' block of 192 KiB stays in the L2 cache
//   s.block.shape()   // {13, 32}: ten blocks of at most 13 rows, split evenly
//   s.unroll          // 4
//   s.prefetchBlocks  // 8: the next panel comes in during eight row blocks
//   s.reason          // "10 blocks of at most 13 x 32 in registers, ..."
//
// A GPU's schedule has the same entries, with an accumulator layout of its
// matrix instruction as the block, and stages and warps beside them.
#pragma once

#include "bessemer/Algorithms/TileLayout.h"
#include "bessemer/Support/CpuSchedule.h"

#include <cstdint>
#include <optional>
#include <string>

namespace bessemer {

/// What is known of a product [rows, depth] x [depth, columns]; nullopt: only
/// when the kernel runs. Elements of the sums have 4 bytes.
struct MatmulShape {
  std::optional<int64_t> rows, depth, columns;
  /// The right operand lies in panels and is read from main memory: a weight.
  bool streamed = false;
  int64_t panelColumns = 0; ///< of the panels; 0: the machine's
};

struct MatmulSchedule {
  int64_t taskRows = 0; ///< rows of a point of the grid
  /// Sums that are held in registers. Its rows are the most that a block has.
  TileLayout block;
  int64_t unroll = 1; ///< steps of depth in the inner loop's body
  /// The next panel is prefetched into the L2 cache during the first so many
  /// row blocks of this one; 0: not at all.
  int64_t prefetchBlocks = 0;
  /// A panel's rows are prefetched into the L1 cache so far ahead; 0: not.
  int64_t prefetchRows = 0;
  std::string reason;

  int64_t blockRows() const { return block.shape()[0]; }
  int64_t blockColumns() const { return block.shape()[1]; }
};

/// Rows of a task: all when they are few; else a divisor near `wanted`, so that all tasks are whole; else `wanted`.
int64_t chooseTaskRows(std::optional<int64_t> rows, int64_t wanted);

MatmulSchedule chooseMatmulSchedule(const MatmulShape &shape, const CpuSchedule &machine);

/// Nothing when the schedule can be run on the machine, else what is wrong:
/// lanes that are not the machine's, more sums than registers, a zero.
std::string checkMatmulSchedule(const MatmulSchedule &schedule, const CpuSchedule &machine);

/// Row blocks of one size that cover `rows`: evenly, the size rounded up to one
/// for which there is code. The last block is moved back to end with the rows.
/// Used by tests as the meaning of what the lowering computes at run time.
struct RowBlocks {
  int64_t size = 1, count = 0;
};
RowBlocks evenRowBlocks(int64_t rows, int64_t most);
/// The sizes that `evenRowBlocks` gives, for one `most`.
std::vector<int64_t> rowBlockSizes(int64_t most);

} // namespace bessemer
