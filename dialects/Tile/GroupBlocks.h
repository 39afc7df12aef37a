// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "llvm/ADT/StringRef.h"

namespace bessemer::tile {

/// In the schedule of a kernel for a GPU whose products are by wgmma in a loop (attention): so many points along the
/// last dimension of the grid, all of it, run as warp groups of one block, which share the right operands of the
/// products. Each of these points does the same steps of its loops. Without it a point is a block.
constexpr llvm::StringLiteral groupBlocksName = "group_blocks";

} // namespace bessemer::tile
