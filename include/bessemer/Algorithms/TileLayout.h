// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The layout of a whole tile: a linear atom times integer repeats. Linear
// layouts know powers of two only; the best AVX2 register block is 6 x 16, and
// Hopper wants blocks 112 wide. So a tile is its atom, laid side by side a
// whole number of times along each dimension; each repeat takes registers of
// its own (in a tile that lies in memory: the next part of memory).
//
// Worked example: the 6 x 16 block of AVX2, 8 lanes a register, 12 registers.
//
//   TileLayout block = cpuRegisterBlock(/*rows=*/6, /*vectors=*/2, /*lanes=*/8);
//   block.str();        // "[6, 2] x {register = [], lane = [[0, 1], [0, 2],
//                       //  [0, 4]]} -> {row = 1, col = 8}"
//   block.shape();                                     // {6, 16}
//   block.registers();                                 // 12
//   block.locate(/*reg=*/5, {{"lane", 3}});            // {2, 11}
//   block.find({2, 11});               // register 5, {{"lane", 3}}

#ifndef BESSEMER_ALGORITHMS_TILELAYOUT_H
#define BESSEMER_ALGORITHMS_TILELAYOUT_H

#include "bessemer/Algorithms/LinearLayout.h"

namespace bessemer {

class TileLayout {
public:
  /// One element (no dimensions).
  TileLayout() = default;

  /// `repeats`: for each output of the atom, at least 1. The atom must be
  /// surjective (each element of it lies somewhere). On bad input gives nullopt
  /// and sets `*error`.
  static std::optional<TileLayout> create(LinearLayout atom, std::vector<int64_t> repeats,
                                          std::string *error = nullptr);

  const LinearLayout &atom() const { return linear; }
  std::span<const int64_t> repeats() const { return repeatCounts; }
  /// Elements along each dimension: atom size times repeats.
  std::vector<int64_t> shape() const;
  int64_t numElements() const;
  int64_t numRepeats() const;
  /// Registers of one lane: those of the atom ("register") times the repeats.
  int64_t registers() const;

  /// The element in register `reg` at the other inputs (lane, warp, block).
  /// Registers of one atom are neighbours; repeats of the last dimension come
  /// next, those of the first dimension last.
  std::vector<int64_t> locate(int64_t reg, const LinearLayout::Coordinates &others) const;

  struct Place {
    int64_t reg = 0;
    LinearLayout::Coordinates others;
  };
  /// A place that holds the element (see `LinearLayout::pseudoInvert`). The
  /// coordinates must be within `shape`.
  Place find(std::span<const int64_t> coordinates) const;

  /// "[6, 2] x " and the atom; without repeats the atom alone.
  std::string str() const;
  static std::optional<TileLayout> parse(std::string_view text, std::string *error = nullptr);

  bool operator==(const TileLayout &other) const {
    return linear == other.linear && repeatCounts == other.repeatCounts;
  }

private:
  LinearLayout linear, inverse;
  std::vector<int64_t> repeatCounts;
};

// Layouts of the targets. Two dimensions are "row" and "col"; of a product
// they are m and n of the accumulator, m and k of A, k and n of B.

/// Triton's blocked layout for any rank. Along dimension d ("dim0", "dim1" ...)
/// each thread holds sizePerThread[d] neighbours, then come the lanes, then the
/// warps; `order` names dimensions, the fastest first. All powers of two. The
/// tile covers `shape`: it is repeated where the block is smaller, and elements
/// are held by several threads where it is larger. Nullopt and `*error` when
/// ranks differ, a count is no power of two, or the shape is no multiple.
std::optional<TileLayout> blockedLayout(std::span<const int64_t> shape, std::span<const int64_t> sizePerThread,
                                        std::span<const int64_t> threadsPerWarp, std::span<const int64_t> warpsPerBlock,
                                        std::span<const unsigned> order, std::string *error = nullptr);

/// A register block of a CPU or of HVX: rows x (vectors * lanes), one vector
/// register holds `lanes` (a power of two) neighbours of a row. All >= 1.
TileLayout cpuRegisterBlock(int64_t rows, int64_t vectors, int64_t lanes);

/// mma.sync.m16n8k16 with 16-bit operands (PTX ISA, 9.7.14, "Matrix Fragments
/// for mma.m16n8k16"): accumulator 16 x 8, A 16 x 16, B 16 x 8.
TileLayout mmaAccumulatorLayout();
TileLayout mmaOperandALayout();
TileLayout mmaOperandBLayout();

/// wgmma.m64nNk* accumulator (PTX ISA, "Register Fragments for wgmma"): 64 x n
/// over the four warps of a warp group. n: a multiple of 8, >= 8.
TileLayout wgmmaAccumulatorLayout(int64_t n);

/// A swizzled tile in shared memory, offset (in elements) -> (row, col): groups
/// of `vec` elements trade places within a row, by exclusive or with
/// (row / perPhase) % maxPhase. All powers of two, vec * maxPhase <= cols.
TileLayout sharedSwizzleLayout(int64_t rows, int64_t cols, int64_t vec, int64_t perPhase, int64_t maxPhase);

/// The swizzle of TMA and wgmma: rows of 32, 64 or 128 bytes (`swizzleBytes`),
/// 16-byte groups. `elementBytes`: 1, 2, 4 or 8; rows: a power of two.
TileLayout tmaSwizzleLayout(int64_t rows, int64_t elementBytes, int64_t swizzleBytes);

} // namespace bessemer

#endif // BESSEMER_ALGORITHMS_TILELAYOUT_H
