// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Programs for images [N, spatial.., C].
#pragma once

#include "passes/Tile/ProgramBuilder.h"

namespace bessemer::tilegen {

tile::KernelOp writeChannelsLastConv(ProgramBuilder &p, bess::ConvOp conv);
/// An implicit matrix product, for a GPU: weights are [groups, 1, window * C, columns].
tile::KernelOp writeGpuConv(ProgramBuilder &p, bess::ConvOp conv);
tile::KernelOp writeChannelsLastPool(ProgramBuilder &p, bess::PoolOp pool);

} // namespace bessemer::tilegen
