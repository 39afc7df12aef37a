// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The `schedule` of a GPU kernel that has a matrix product: written by the tile
// phase, read by the lowering.
#pragma once

#include "bessemer/Algorithms/GpuMatmulSchedule.h"
#include "dialects/Tile/Tile.h"

namespace bessemer::tile {

/// {block_rows, block_columns, block_depth, warp_rows, warp_columns, stages,
/// instruction = "mma_half"}; row_group and grid_blocks where there is one; of wgmma also producer_warps,
/// producer_registers and consumer_registers
mlir::DictionaryAttr toScheduleAttr(mlir::MLIRContext *context, const GpuMatmulSchedule &schedule);

/// What the kernel says. Fails with a diagnostic when an entry is missing or
/// the machine cannot run it.
mlir::FailureOr<GpuMatmulSchedule> readGpuMatmulSchedule(KernelOp kernel, int64_t elementBytes,
                                                         const GpuMachine &machine);

} // namespace bessemer::tile
