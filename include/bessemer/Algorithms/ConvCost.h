// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which algorithm for a 3x3 convolution with stride 1 on a CPU: direct, or
// Winograd's F(2x2, 3x3) or F(4x4, 3x3).
//
// Estimated cycles of one core: products at the rate of the fused multiply-adds,
// weights once from far memory, and for Winograd the passes of the transforms.
//
//   56x56, 64 -> 64 channels, 16 products a cycle:
//     direct   56*56*9*64*64 / 16                       = 7.2 M cycles
//     F(4, 3)  36 * 196 * 64*64 / 16 + transforms 0.5 M  = 2.3 M   <- chosen
//
//   7x7, 512 -> 512: F(4, 3) would read 37.7 MB of weights for 4 tiles; F(2, 3) reads
//   16.8 MB for 16 tiles, direct convolution 9.4 MB.
#pragma once

#include <cstdint>
#include <string>

namespace bessemer {

/// Of the result: images, height, width; channels of the image and of the result.
struct ConvShape {
  int64_t images, height, width, channels, outputs;
};

struct ConvMachine {
  int64_t productsPerCycle; ///< fused multiply-adds of f32
  int64_t lanes;            ///< f32 elements of a vector register
  int64_t blockRows;        ///< rows of a register block
};

struct ConvChoice {
  int64_t tile; ///< 0: direct; else m of F(m x m, 3 x 3)
  std::string reason;
};

/// Cycles of F(tile x tile, 3 x 3); tile 0: of direct convolution.
double convCycles(const ConvShape &shape, const ConvMachine &machine, int64_t tile);

ConvChoice chooseConvAlgorithm(const ConvShape &shape, const ConvMachine &machine);

} // namespace bessemer
