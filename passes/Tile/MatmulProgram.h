// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "passes/Tile/ProgramBuilder.h"

#include <functional>

namespace bessemer::tilegen {

/// The tile of a value that is not computed in the epilogue (the dot, an input),
/// or null.
using EpilogueLeaves = std::function<mlir::Value(mlir::Value)>;

/// The elementwise ops between the leaves and `root`, on tiles of `extents`.
mlir::Value emitEpilogue(ProgramBuilder &p, mlir::Value root, const EpilogueLeaves &leaves,
                         llvm::ArrayRef<Extent> extents);

/// The cheapest schedule for a product with the ops of a fusion's `body` behind it. `guarded`: accesses are guarded
/// even where blocks are whole.
std::optional<GpuMatmulSchedule> chooseProductSchedule(const GpuMachine &machine, const GpuMatmulShape &shape,
                                                       mlir::Block &body, bool guarded = false);

/// Where a block of rows of a product in groups is.
struct GroupRows {
  mlir::Value group, first; ///< the group, the first row of the block
  mlir::Value count;        ///< rows, 0 to those of a block; all within the `total` rows whatever the offsets are
};
/// Of block number `number` along the rows. `offsets`: a view of i64 [groups + 1], ascending from 0 to `total`. Group e
/// has the blocks from offsets[e] / blockRows + e on: as many as its rows need at least, because each of its rows is
/// in a stretch of blockRows of all rows, and one more than there are such stretches. So no table is needed, and the
/// grid has total / blockRows + groups blocks; those behind a group's last row have none.
///
///   10 rows, blocks of 4, offsets 0 5 5 10     group 0: blocks 0, 1    rows 0-3, 4
///   blocks of the groups from 0, 2, 3 on       group 1: block 2        none
///   10 / 4 + 3 = 5 blocks                      group 2: blocks 3, 4    rows 5-8, 9
GroupRows findGroupRows(ProgramBuilder &p, mlir::Value offsets, int64_t groups, mlir::Value number, int64_t blockRows,
                        mlir::Value total);

/// Rows of a task where their number is known only when the kernel runs: in as few tasks of at most `most` rows as hold
/// them, and evenly.
SymbolicExpr evenTaskRows(const SymbolicExpr &rows, int64_t most);

} // namespace bessemer::tilegen
