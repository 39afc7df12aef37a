// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Algorithms/GpuAttentionSchedule.h"

#include <algorithm>
#include <bit>

namespace bessemer {

namespace {
constexpr int64_t usualLength = 1024;
constexpr int64_t otherRegisters = 64, mostRegisters = 240;
constexpr int64_t passBytes = 128;
/// Instructions for each score beside the products: scale, mask, maximum,
/// exponential, sum, conversion; 128 lanes a cycle, the exponential 16.
constexpr double scoreCycles = 7.0 / 128 + 1.0 / 16;
/// Of a step, outside of what is counted: barriers and waits.
constexpr double stepCycles = 150;
} // namespace

std::optional<GpuAttentionSchedule> chooseGpuAttentionSchedule(const GpuAttentionShape &shape,
                                                               const GpuMachine &machine) {
  for (int64_t depth : {shape.depth, shape.valueDepth})
    if (depth < 16 || !std::has_single_bit(uint64_t(depth)))
      return std::nullopt;
  bool isFma = shape.instruction == MatmulInstruction::Fma;
  if (isFma && (shape.valueDepth < 32))
    return std::nullopt;
  int64_t queries = shape.queries.value_or(usualLength), keys = shape.keys.value_or(usualLength);
  double flops = isFma ? machine.floatFlops : machine.halfFlops;
  std::optional<GpuAttentionSchedule> best;
  double bestCycles = 0;
  for (int64_t warps : {1, 2, 4, 8})
    for (int64_t rows : {16, 32})
      for (int64_t step : {32, 64, 128}) {
        int64_t block = warps * rows, threads = 32 * warps;
        int64_t sums = rows * (shape.valueDepth + step) / 32;
        int64_t registers = sums + (isFma ? rows : rows * step / 64) + otherRegisters;
        int64_t shared = (block * shape.depth + step * (shape.depth + shape.valueDepth) + (isFma ? block * step : 0)) *
                         shape.elementBytes;
        if (registers > mostRegisters || registers * threads > machine.registers || shared > machine.sharedBytes)
          continue;
        int64_t resident =
            std::max<int64_t>(1, std::min({machine.sharedBytes / shared, machine.registers / (registers * threads),
                                           machine.threads / threads}));
        double multiply = 2.0 * block * step * (shape.depth + shape.valueDepth) / flops;
        multiply *= 4 / std::min(4.0, double(warps * resident));
        double reads = double(warps) * (step * (shape.depth + shape.valueDepth) + rows * shape.depth) *
                       shape.elementBytes / passBytes;
        double copies = step * (shape.depth + shape.valueDepth) * shape.elementBytes / machine.l2BytesPerCycle;
        double scores = block * step * scoreCycles;
        // Blocks of a multiprocessor hide each other's softmax; one alone not.
        double one = std::max({multiply, reads, copies}) + scores / resident + stepCycles / resident;
        // An operand is asked for while the product before it is computed.
        one = std::max(one, 2 * machine.copyLatency / double(resident));
        double cycles = one * ((keys + step - 1) / step) * ((queries + block - 1) / block);
        if (!best || cycles < bestCycles * 0.999) {
          bestCycles = cycles;
          best = GpuAttentionSchedule{block, step, warps, ""};
        }
      }
  if (best)
    best->reason = std::to_string(best->blockRows) + " queries in " + std::to_string(best->warps) + " warps, " +
                   std::to_string(best->blockKeys) + " keys at a time with a running maximum and sum";
  return best;
}

} // namespace bessemer
