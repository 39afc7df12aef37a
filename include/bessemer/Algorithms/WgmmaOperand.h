// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operands of wgmma in shared memory: how the copy engine (TMA) lays a tile there, and
// the descriptor by which the instruction finds it. The descriptor is read off the
// layout, whatever it is, and every element of the instruction's operand is checked
// against it: a layout that has none is refused.
//
// Worked example: the left operand of 128 x 64 elements of bf16, neighbours along k.
//
//   TileLayout tile = bulkTileLayout(/*rows=*/128, /*columns=*/64, /*elementBytes=*/2);
//   std::string error;
//   WgmmaDescriptor d = *describeWgmmaOperand(tile, 2, /*depthDim=*/1, /*extent=*/64, &error);
//   d.swizzleBytes;     // 128
//   d.strideBytes;      // 1024: from eight rows to the next eight
//   d.fields();         // 0x4000004000010000, to be added to address / 16
//   tilePlace(tile, 2, 64, 16);     // 8224: the third step along k of rows 64 and on
#pragma once

#include "bessemer/Algorithms/TileLayout.h"

#include <cstdint>
#include <optional>
#include <string>

namespace bessemer {

/// Columns of a box of the copy engine: as many as its widest swizzle takes, 128 bytes.
int64_t bulkBoxColumns(int64_t columns, int64_t elementBytes);

/// rows x columns (powers of two, a row of at least 32 bytes), copied in boxes of all rows
/// and `bulkBoxColumns` columns that follow each other; each box with the swizzle of its width.
TileLayout bulkTileLayout(int64_t rows, int64_t columns, int64_t elementBytes);

/// Bytes from the tile's begin.
int64_t tilePlace(const TileLayout &tile, int64_t elementBytes, int64_t row, int64_t column);

struct WgmmaDescriptor {
  bool isDepthMajor = true; ///< neighbours along k; else along m or n
  int64_t swizzleBytes = 0, leadingBytes = 0, strideBytes = 0;

  /// All but the address (PTX ISA, "Matrix Descriptor Format"), which goes to bits 0 to 13 as multiples of 16.
  uint64_t fields() const;
};

/// `extent`: of m (64) or n; the instruction's k is 32 bytes. `depthDim`: the dimension of
/// the tile that is k. The descriptor holds from each multiple of `extent` and of k on.
/// Nullopt and `*error` when the instruction cannot read such a tile.
std::optional<WgmmaDescriptor> describeWgmmaOperand(const TileLayout &tile, int64_t elementBytes, unsigned depthDim,
                                                    int64_t extent, std::string *error = nullptr);

} // namespace bessemer
