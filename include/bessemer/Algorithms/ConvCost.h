// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which algorithm for a 3x3 convolution with stride 1 on a CPU: direct, or
// Winograd's F(2x2, 3x3) or F(4x4, 3x3).
//
// Estimated cycles of one core: products at the rate of the fused multiply-adds
// or weights from far memory, whichever takes longer (they are prefetched while
// the core multiplies); for Winograd besides the passes of the transforms.
//
//   AVX2, 56x56, 64 -> 64 channels, 16 products a cycle, of which 0.85 are reached:
//     direct   56*56*9*64*64 / 13.6                       = 8.5 M cycles
//     F(4, 3)  36 * 196 * 64*64 / 13.6 + transforms 0.5 M  = 2.7 M   <- chosen
//
//   AVX-512, 7x7, 512 -> 512: F(2, 3) would read 16.8 MB of weights, for which the
//   core waits 4.5 M cycles, direct convolution 9.4 MB while it multiplies for 4.2 M.
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
