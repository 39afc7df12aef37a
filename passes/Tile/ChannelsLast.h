// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Programs for images [N, spatial.., C].
#pragma once

#include "passes/Tile/ProgramBuilder.h"

namespace bessemer::tilegen {

tile::KernelOp writeChannelsLastConv(ProgramBuilder &p, bess::ConvOp conv);
tile::KernelOp writeChannelsLastPool(ProgramBuilder &p, bess::PoolOp pool);

} // namespace bessemer::tilegen
