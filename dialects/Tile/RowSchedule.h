// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What programs on rows say to a GPU's lowering of how a block goes over them.
#pragma once

#include "llvm/ADT/StringRef.h"

namespace bessemer::tile {

/// In the schedule: tiles of rank 2 have at most so many rows, which are spread over lanes and warps.
constexpr llvm::StringLiteral groupedRowsName = "rows";

/// On a loop over pieces of rows: its steps touch elements of their own, so that it needs no barrier.
constexpr llvm::StringLiteral piecesName = "bess.pieces";

/// On a load in such a loop: the row's piece goes by way of a ring of pieces in shared memory, where the loops behind
/// find it as it is stored in memory. The number of the input in the ring. A kernel with such loads has, in its
/// schedule, `grid_blocks` (its blocks at most: each goes on to further rows) and the next three.
constexpr llvm::StringLiteral keptName = "kept";
/// Places of the ring, each for a piece of all inputs that are kept; pieces of a row that go through it, its first
/// ones; blocks of a multiprocessor.
constexpr llvm::StringLiteral ringPiecesName = "ring_pieces", keptPiecesName = "kept_pieces", residentName = "resident";

} // namespace bessemer::tile
