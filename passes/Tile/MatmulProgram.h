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

/// Rows of a task where their number is known only when the kernel runs: in as few tasks of at most `most` rows as hold
/// them, and evenly.
SymbolicExpr evenTaskRows(const SymbolicExpr &rows, int64_t most);

} // namespace bessemer::tilegen
