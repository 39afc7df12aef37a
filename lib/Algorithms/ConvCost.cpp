// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Algorithms/ConvCost.h"

#include <algorithm>
#include <cmath>

namespace bessemer {
namespace {

// Constants of the model, fitted to the kernels of ResNet-50 and of bench/conv_stacks.py on an AVX-512 Xeon
// (docs/benchmarks.md).
constexpr double efficiency = 0.85;          ///< of the products a cycle, which matrix products reach
constexpr double bytesPerCycle = 3.75;       ///< of weights, which come from main memory
constexpr double transformBytesPerCycle = 7; ///< of the transformed image and of the products: written or read
constexpr double fixedCycles = 20000;        ///< two more kernels
constexpr double gain = 0.9; ///< what is not clearly faster stays direct: it is more exact and takes less memory

int64_t ceilDiv(int64_t n, int64_t d) { return (n + d - 1) / d; }

/// A register block is filled badly when there are few rows.
double rowEfficiency(int64_t rows, const ConvMachine &machine) {
  // Blocks are even; each reads as much of the right operand as a full one.
  if (rows == 0)
    return 1;
  double filled = static_cast<double>(rows) / static_cast<double>(ceilDiv(rows, machine.blockRows) * machine.blockRows);
  return filled > 0.5 ? 1 : std::max(2 * filled, 0.1);
}

std::string millions(double cycles) {
  std::string text = std::to_string(std::round(cycles / 1e4) / 100);
  return text.substr(0, text.find('.') + 3);
}

} // namespace

double convCycles(const ConvShape &s, const ConvMachine &machine, int64_t tile) {
  double channels = static_cast<double>(s.channels), outputs = static_cast<double>(s.outputs),
         rate = static_cast<double>(machine.productsPerCycle) * efficiency;
  auto productCycles = [&](double points, int64_t rows) {
    return std::max(points * static_cast<double>(rows) * channels * outputs / (rate * rowEfficiency(rows, machine)),
                    points * 4 * channels * outputs / bytesPerCycle);
  };
  if (tile == 0)
    return productCycles(9, s.images * s.height * s.width);
  int64_t tiles = s.images * ceilDiv(s.height, tile) * ceilDiv(s.width, tile);
  double points = static_cast<double>((tile + 2) * (tile + 2));
  return productCycles(points, tiles) +
         points * static_cast<double>(tiles) * 4 * (channels + outputs) / transformBytesPerCycle + fixedCycles;
}

ConvChoice chooseConvAlgorithm(const ConvShape &shape, const ConvMachine &machine) {
  double direct = convCycles(shape, machine, 0), two = convCycles(shape, machine, 2),
         four = convCycles(shape, machine, 4);
  std::string numbers = "estimated millions of cycles: direct " + millions(direct) + ", Winograd F(2,3) " +
                        millions(two) + ", F(4,3) " + millions(four);
  double best = std::min(two, four);
  if (best > gain * direct)
    return {0, "direct convolution; " + numbers};
  int64_t tile = four <= two ? 4 : 2;
  return {tile, "Winograd F(" + std::to_string(tile) + ",3); " + numbers};
}

} // namespace bessemer
