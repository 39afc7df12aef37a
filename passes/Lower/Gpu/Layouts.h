// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which register of which lane of which warp holds what: each tile of a kernel
// gets a `#tile.layout` as its encoding.
//
// Row programs: neighbours along the last dimension lie in `vector` registers
// of a lane, then come the lanes, then the warps, then repeats; each row of a
// tile of rank 2 is spread in the same way. So ops along a row need no
// conversion, a row is read once, in 16-byte accesses, and stays on chip. The
// layout may be larger than the tile: what is beyond is padding.
//
//   tensor<1000xf32>, 2 warps, vector 4     [4] x {register = [[1], [2]], lane
//   = [[4], ..., [64]],
//                                            warp = [[128]]} -> {dim0 = 256} 16
//                                            registers
#pragma once

#include "bessemer/Algorithms/GpuMatmulSchedule.h"
#include "bessemer/Support/GpuSchedule.h"
#include "dialects/Tile/RowSchedule.h"
#include "dialects/Tile/Tile.h"

namespace bessemer::gpu {

using tile::groupedRowsName;
using tile::keptName;
using tile::piecesName;

/// Sets the encodings, and `warps` and `vector` in the kernel's schedule. Fails
/// with a diagnostic when a tile does not fit in the registers.
mlir::LogicalResult assignRowLayouts(tile::KernelOp kernel);

/// The same for kernels with matrix products (DotLayouts.cpp): sums lie where
/// the instruction leaves them, and all tiles of their shape with them; a tile
/// with an extent of 1 lies where a reduction of such a tile would. Places
/// `tile.convert` where an op wants another layout.
mlir::LogicalResult assignDotLayouts(tile::KernelOp kernel, const GpuMachine &machine);

/// Elements that one access may take: neighbours along the view's last
/// dimension that are all inside of the view or all outside, aligned.
int64_t accessWidth(mlir::Value view, mlir::ValueRange offsets, mlir::ArrayRef<int64_t> dims, int64_t wanted);

/// Of a load, or patches of an image, that only products read: it stays in memory until they do.
bool isOperandInMemory(mlir::Value tile);

/// From the encoding; fails with a diagnostic when there is none.
mlir::FailureOr<TileLayout> layoutOf(mlir::Operation *op, mlir::Value tile);

/// The columns that a tile of a loop's products has in registers and in shared memory: a multiple of what an
/// instruction reads, zeros behind the tile's own.
int64_t paddedColumns(int64_t columns, MatmulInstruction instruction);

/// What the extent is at most, when that is known here.
std::optional<int64_t> extentBound(mlir::Value tile, unsigned dim);

} // namespace bessemer::gpu
