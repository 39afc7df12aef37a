// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How rows (softmax, normalizations) are dealt out to the blocks of a GPU.
//
// Rows that registers hold: a block for each row, its warps side by side along the row, or several rows in a block, a
// warp for each, so that a reduction needs no barrier and fewer blocks have to be started. 65536 rows of 1024 bf16 on
// an H100:
//
//   GpuRowShape shape{.rows = 65536, .columns = 1024, .rowBytes = 4096, .instructions = 17, .reductions = 2};
//   GpuRowBlock block = chooseRowBlock(shape, gpuMachineOf(90));
//   block.rows, block.warps;      // 8, 8: 8192 blocks, a row for each warp
//   rowBlockCycles({.rows = 1, .warps = 2}, shape, machine);   // what a block for each row takes
//
// Longer rows go by in pieces, once for each reduction and once for the stores. A ring in shared memory keeps what a
// pass reads for the passes behind it, and what it has room for beyond a row is the next row on its way, so that the
// memory is read while the row before is computed. 1024 rows of 65536 bf16:
//
//   GpuRowShape shape{.rows = 1024, .columns = 65536, .rowBytes = 262144, .instructions = 19, .reductions = 2,
//                     .keptBytes = 2};
//   GpuRowRing ring = *chooseRowRing(shape, gpuMachineOf(90));
//   ring.warps, ring.perLane;     // 32, 16: pieces of 16384 elements, 32 KiB
//   ring.pieces, ring.kept;       // places for 7 pieces: the row's 4, and 3 of the next row
#pragma once

#include "bessemer/Support/GpuSchedule.h"

#include <cstdint>
#include <optional>
#include <string>

namespace bessemer {

struct GpuRowShape {
  std::optional<int64_t> rows;          ///< nullopt: only the run knows
  std::optional<int64_t> mostRows = {}; ///< that one block may take; nullopt: any number
  int64_t columns = 0;
  double rowBytes = 0;     ///< of a row, read from memory and written to it; what all rows share is not among them
  double instructions = 0; ///< of a lane, for each element that it has, in all passes
  int64_t reductions = 0;
  int64_t vector = 8;     ///< elements of an access
  double sharedBytes = 0; ///< of an element, of the inputs that all rows share
  /// Of long rows: bytes of an element of all inputs that more than one pass reads.
  int64_t keptBytes = 0;
};

struct GpuRowBlock {
  int64_t rows = 1;        ///< of a block
  int64_t warps = 1;       ///< with one row side by side along it, else each with rows of its own
  std::string reason = {}; ///< of several rows
};
/// Of all rows, expected.
double rowBlockCycles(const GpuRowBlock &block, const GpuRowShape &shape, const GpuMachine &machine);
/// Warps of a block that has one row in its registers.
int64_t warpsOfRow(int64_t columns);
/// Several rows only where that is expected to gain.
GpuRowBlock chooseRowBlock(const GpuRowShape &shape, const GpuMachine &machine);

struct GpuRowRing {
  int64_t warps = 32, perLane = 16; ///< of a block; elements of a piece that a lane has
  int64_t resident = 1;             ///< blocks of a multiprocessor
  int64_t pieces = 0;               ///< that the ring has places for, of this row and of those behind it
  int64_t kept = 0;                 ///< pieces of a row that go through the ring; the others are read again
  double cycles = 0;                ///< of a row on a multiprocessor, expected
  double memoryCycles = 0;          ///< of them, what the memory takes for its bytes
  std::string reason;

  int64_t piece() const { return 32 * warps * perLane; } ///< elements
};
/// Nullopt where nothing is to be kept, or no piece fits.
std::optional<GpuRowRing> chooseRowRing(const GpuRowShape &shape, const GpuMachine &machine);

} // namespace bessemer
