// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Algorithms/GpuAttentionSchedule.h"

#include <algorithm>

namespace bessemer {

namespace {
constexpr int64_t usualLength = 1024;
/// Held against ptxas for heads of 64, 96, 128 and 256: what is estimated at up to 240 takes at most 255 and spills
/// nothing.
constexpr int64_t otherRegisters = 64, maskRegisters = 8, mostRegisters = 240;
constexpr int64_t passBytes = 128;
/// Instructions for each score beside the products: scale, mask, maximum,
/// exponential, sum, conversion; 128 lanes a cycle, the exponential 16.
constexpr double scoreCycles = 7.0 / 128 + 1.0 / 16;
/// Of a step, outside of what is counted: barriers and waits.
constexpr double stepCycles = 150;

int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
} // namespace

GpuAttentionCost gpuAttentionCost(const GpuAttentionSchedule &s, const GpuAttentionShape &shape,
                                  const GpuMachine &machine) {
  GpuAttentionCost cost;
  bool isFma = shape.instruction == MatmulInstruction::Fma;
  int64_t unit = isFma ? 32 : 16; // what an instruction reads of a row
  int64_t depth = ceilDiv(shape.depth, unit) * unit, valueDepth = ceilDiv(shape.valueDepth, unit) * unit;
  int64_t queries = shape.queries.value_or(usualLength), keys = shape.keys.value_or(usualLength);
  int64_t rows = s.blockRows / s.warps, threads = 32 * s.warps;
  int64_t sums = rows * (valueDepth + s.blockKeys) / 32;
  // Operands of multiply-adds: four of the depth for each row, and for each column; of the latter half at a time.
  int64_t operands = isFma ? rows + std::max(valueDepth, s.blockKeys) / 8 * 4 / 2 : rows * s.blockKeys / 64;
  cost.registers = sums + operands + otherRegisters + (shape.causalAndMask ? maskRegisters : 0);
  cost.sharedBytes =
      (s.blockRows * depth + s.blockKeys * (depth + valueDepth) + (isFma ? s.blockRows * s.blockKeys : 0)) *
      shape.elementBytes;
  cost.resident = std::min({machine.sharedBytes / cost.sharedBytes, machine.registers / (cost.registers * threads),
                            machine.threads / threads});
  // Of few blocks there is not even one for each multiprocessor, and nothing hides the latency of its copies but their
  // size.
  int64_t blocks = ceilDiv(queries, s.blockRows);
  if (shape.heads)
    blocks = ceilDiv(blocks * *shape.heads, machine.multiprocessors);
  blocks = std::max<int64_t>(1, blocks);
  if (shape.heads)
    cost.resident = std::min(cost.resident, blocks);
  if (cost.registers > mostRegisters)
    cost.resident = 0;
  if (!cost.resident)
    return cost;
  double resident = double(cost.resident);
  double multiply =
      2.0 * s.blockRows * s.blockKeys * (depth + valueDepth) / double(isFma ? machine.floatFlops : machine.halfFlops);
  double alone = multiply;
  multiply *= 4 / std::min(4.0, double(s.warps * cost.resident));
  double reads = double(s.warps) * (s.blockKeys * (depth + valueDepth) + rows * depth) * shape.elementBytes / passBytes;
  double copies = s.blockKeys * (depth + valueDepth) * shape.elementBytes / machine.l2BytesPerCycle;
  double scores = s.blockRows * s.blockKeys * scoreCycles;
  // Blocks of a multiprocessor hide each other's softmax; one alone not.
  double step = std::max({multiply, reads, copies}) + scores / resident + stepCycles / resident;
  // An operand is asked for while the product before it is computed.
  step = std::max(step, 2 * machine.copyLatency / resident);
  cost.cycles = step * ceilDiv(keys, s.blockKeys) * blocks;
  cost.peak = alone / step;
  return cost;
}

std::optional<GpuAttentionSchedule> chooseGpuAttentionSchedule(const GpuAttentionShape &shape,
                                                               const GpuMachine &machine) {
  std::optional<GpuAttentionSchedule> best;
  double bestCycles = 0;
  for (int64_t warps : {1, 2, 4, 8})
    for (int64_t rows : {8, 16, 32})
      for (int64_t step : {32, 64, 128}) {
        // Of mma.sync 16 rows are an instruction. Multiply-adds are written out for a whole step, and in steps of more
        // keys ptxas moves so many reads ahead that it spills kilobytes, whatever the rows.
        bool isFma = shape.instruction == MatmulInstruction::Fma;
        if (isFma ? step > 32 : rows < 16)
          continue;
        GpuAttentionSchedule schedule{warps * rows, step, warps, ""};
        GpuAttentionCost cost = gpuAttentionCost(schedule, shape, machine);
        if (cost.resident && (!best || cost.cycles < bestCycles * 0.999)) {
          bestCycles = cost.cycles;
          best = schedule;
        }
      }
  if (best)
    best->reason = std::to_string(best->blockRows) + " queries in " + std::to_string(best->warps) + " warps, " +
                   std::to_string(best->blockKeys) + " keys at a time with a running maximum and sum";
  return best;
}

} // namespace bessemer
