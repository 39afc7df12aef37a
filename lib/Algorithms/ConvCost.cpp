// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Algorithms/ConvCost.h"

#include <algorithm>
#include <cmath>

namespace bessemer {
namespace {

// Constants of the model; measured on a Zen 4 core (bench/conv_stacks.py).
constexpr double bytesPerCycle = 8;     ///< of weights, which come from the third-level cache or from memory
constexpr double transformCycles = 2.5; ///< for one vector of a transformed image or product: read, combine, write
constexpr double fixedCycles = 20000;   ///< two more kernels
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
         rate = static_cast<double>(machine.productsPerCycle);
  if (tile == 0) {
    int64_t places = s.images * s.height * s.width;
    return static_cast<double>(places) * 9 * channels * outputs / (rate * rowEfficiency(places, machine)) +
           36 * channels * outputs / bytesPerCycle;
  }
  int64_t tiles = s.images * ceilDiv(s.height, tile) * ceilDiv(s.width, tile);
  double points = static_cast<double>((tile + 2) * (tile + 2)),
         vectors = std::ceil(channels / static_cast<double>(machine.lanes)) +
                   std::ceil(outputs / static_cast<double>(machine.lanes));
  return points * static_cast<double>(tiles) * channels * outputs / (rate * rowEfficiency(tiles, machine)) +
         points * 4 * channels * outputs / bytesPerCycle +
         points * static_cast<double>(tiles) * vectors * transformCycles + fixedCycles;
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
