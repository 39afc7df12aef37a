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

} // namespace bessemer::tile
