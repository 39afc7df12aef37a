// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The `schedule` of a kernel that has a matrix product: written by the tile
// phase, read by the lowering.
#pragma once

#include "bessemer/Algorithms/MatmulSchedule.h"
#include "dialects/Tile/Tile.h"

namespace bessemer::tile {

/// {task_rows, register_block = #tile.layout, unroll, prefetch_blocks,
/// prefetch_rows}
mlir::DictionaryAttr toScheduleAttr(mlir::MLIRContext *context, const MatmulSchedule &schedule);

/// What the kernel says; what it leaves open is as for a product of which
/// nothing is known. Fails with a diagnostic when the machine cannot run it.
mlir::FailureOr<MatmulSchedule> readMatmulSchedule(KernelOp kernel, const CpuSchedule &machine);

} // namespace bessemer::tile
