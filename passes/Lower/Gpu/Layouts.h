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

#include "bessemer/Algorithms/TileLayout.h"
#include "dialects/Tile/Tile.h"

namespace bessemer::gpu {

/// Sets the encodings, and `warps` and `vector` in the kernel's schedule. Fails
/// with a diagnostic when a tile does not fit in the registers.
mlir::LogicalResult assignRowLayouts(tile::KernelOp kernel);

/// From the encoding; fails with a diagnostic when there is none.
mlir::FailureOr<TileLayout> layoutOf(mlir::Operation *op, mlir::Value tile);

/// What the extent is at most, when that is known here.
std::optional<int64_t> extentBound(mlir::Value tile, unsigned dim);

} // namespace bessemer::gpu
