// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A tensor in global memory as Hopper's copy engine (TMA) sees it, and the box of
// it that one copy moves: what cuTensorMapEncodeTiled takes (CUDA Driver API,
// "Tensor Map Object Managment"). Made at launch, from addresses and sizes; the
// driver encodes it, the emulator reads it as it is.
//
//   a [rows, depth] of bf16, copied in tiles of 128 x 64:
//   TensorMap map{.address = a, .elementBytes = 2, .rank = 2, .sizes = {depth, rows},
//                 .strides = {2 * depth}, .box = {64, 128}, .swizzleBytes = 128};
//
// Dimensions go from the innermost, whose elements are neighbours, outwards. What a
// box has outside of the tensor arrives as zeros, and is not stored.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace bessemer {

struct TensorMap {
  static constexpr unsigned mostDims = 5;
  uint64_t address = 0; ///< a multiple of 16
  uint32_t elementBytes = 0, rank = 0;
  std::array<uint64_t, mostDims> sizes{};       ///< in elements
  std::array<uint64_t, mostDims - 1> strides{}; ///< bytes, of dimension 1 and on
  std::array<uint32_t, mostDims> box{};         ///< in elements, at most 256
  uint32_t swizzleBytes = 0;                    ///< 0: none; else 32, 64 or 128

  int64_t boxBytes() const {
    int64_t bytes = elementBytes;
    for (unsigned d = 0; d < rank; ++d)
      bytes *= box[d];
    return bytes;
  }
};

/// Nothing when the driver would take it, else what is wrong.
std::string checkTensorMap(const TensorMap &map);

/// Where byte `place` of a box lies, from the box's place on, with the swizzle: bits 4 to
/// 6 of the address trade with bits 7 to 9, as many of them as the swizzle is wide.
inline uint64_t swizzledPlace(uint64_t place, uint32_t swizzleBytes) {
  return swizzleBytes ? place ^ ((place >> 7 & (swizzleBytes / 16 - 1)) << 4) : place;
}

} // namespace bessemer
