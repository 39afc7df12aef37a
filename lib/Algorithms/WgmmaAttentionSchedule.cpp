// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Algorithms/WgmmaAttentionSchedule.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace bessemer {

namespace {
constexpr int64_t usualLength = 1024, leastQueries = 32; // half the rows of an instruction
/// Registers beside scores, weights and results. Held against ptxas for heads of 64 to 256: what is estimated at as
/// many as a warp has spills nothing.
constexpr int64_t otherRegisters = 32, mostRegisters = 255, leastRegisters = 24, groupThreads = 128;
constexpr int64_t instructionDepth = 16, mostColumns = 256, barrierReserve = 1 << 10;
/// Instructions for each score: scale and difference, maximum, exponential, sum, half a conversion; each result is
/// scaled once in a step. 128 lanes a cycle, of exponentials 16.
constexpr double scoreInstructions = 4.5, laneRate = 128, exponentialRate = 16;
/// … of each warp of a scheduler in a step, beside these: barriers, descriptors, the loop.
constexpr double stepInstructions = 100;
/// The part of wgmma's peak that is reached with nothing else to do, and of the norm that stands for the maximum of
/// what it multiplies and reads of shared memory: as in GpuMatmulSchedule.cpp.
constexpr double wgmmaRate = 0.95, wgmmaPower = 4, passBytes = 128;
/// … of products and what is computed of their scores: by the number of groups that take turns. Assumed, to be
/// measured.
constexpr double overlapPowers[] = {1.6, 2.5, 3.2};
/// Of a block: its launch, queries and first keys on their way, the last product and the store. Assumed, to be
/// measured.
constexpr double blockCycles = 2500;

int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t padded(int64_t size) { return ceilDiv(size, instructionDepth) * instructionDepth; }
/// Of a row in shared memory.
int64_t rowBytes(int64_t size) { return 2 * static_cast<int64_t>(std::bit_ceil(uint64_t(padded(size)))); }

int64_t sharedOf(const WgmmaAttentionSchedule &s, const GpuAttentionShape &shape) {
  int64_t queries = s.blockRows() * std::max(rowBytes(shape.depth), rowBytes(shape.valueDepth));
  return queries + s.stages * s.blockKeys * (rowBytes(shape.depth) + rowBytes(shape.valueDepth)) + barrierReserve;
}
} // namespace

GpuAttentionCost wgmmaAttentionCost(const WgmmaAttentionSchedule &s, const GpuAttentionShape &shape,
                                    const GpuMachine &machine) {
  GpuAttentionCost cost;
  int64_t depth = padded(shape.depth), valueDepth = padded(shape.valueDepth);
  int64_t queries = shape.queries.value_or(usualLength), keys = shape.keys.value_or(usualLength);
  cost.registers = s.blockKeys / 2 + s.blockKeys / 4 + valueDepth / 2 + otherRegisters;
  cost.sharedBytes = sharedOf(s, shape);
  if (!machine.wgmmaHalfFlops || cost.registers > (s.consumerRegisters ? s.consumerRegisters : mostRegisters) ||
      cost.sharedBytes > machine.sharedBytes)
    return cost;
  cost.resident = 1;
  double rows = double(s.blockRows()), scores = rows * s.blockKeys;
  double alone = 2 * scores * (depth + valueDepth) / machine.wgmmaHalfFlops;
  double instructions = (scores * scoreInstructions + rows * valueDepth) / laneRate + s.groups * stepInstructions;
  double others = std::max(instructions, scores / exponentialRate);
  auto norm = [](double x, double y, double power) {
    return std::pow(std::pow(x, power) + std::pow(y, power), 1 / power);
  };
  // Each instruction of 16 of the depth reads its right operand, and queries.
  double reads = 2.0 * s.groups * instructionDepth / passBytes *
                 (ceilDiv(depth, instructionDepth) * (s.groupRows + s.blockKeys) +
                  ceilDiv(s.blockKeys, instructionDepth) * valueDepth);
  double products = norm(alone / wgmmaRate, reads, wgmmaPower);
  double step = norm(products, others, overlapPowers[std::min<int64_t>(s.groups, 3) - 1]);
  double copies = 2.0 * s.blockKeys * (depth + valueDepth) / machine.l2BytesPerCycle;
  step = std::max({step, copies, machine.copyLatency / (s.stages - 1)});
  int64_t blocks = ceilDiv(queries, s.blockRows());
  if (shape.heads)
    blocks = ceilDiv(blocks * *shape.heads, machine.multiprocessors);
  cost.cycles = std::max<int64_t>(1, blocks) * (step * ceilDiv(keys, s.blockKeys) + blockCycles);
  cost.peak = alone / step;
  return cost;
}

std::optional<WgmmaAttentionSchedule> chooseWgmmaAttentionSchedule(const GpuAttentionShape &shape,
                                                                   const GpuMachine &machine) {
  if (!machine.wgmmaHalfFlops || shape.elementBytes != 2 || padded(shape.depth) > mostColumns ||
      padded(shape.valueDepth) > mostColumns || shape.depth % 8 || shape.valueDepth % 8)
    return std::nullopt; // the copy engine wants rows of multiples of 16 bytes
  // Steps of a decoder read keys and values, and have nothing to multiply: mma.sync takes heads that share keys as
  // rows.
  if (shape.queries && *shape.queries < leastQueries)
    return std::nullopt;
  std::optional<WgmmaAttentionSchedule> best;
  double bestCycles = 0;
  for (int64_t groups : {1, 2, 3})
    for (int64_t keys : {64, 128}) {
      WgmmaAttentionSchedule s{groups, keys, 4, 0, 0, ""};
      if (machine.registers / (groupThreads * (groups + 1)) < mostRegisters) {
        s.producerRegisters = leastRegisters;
        s.consumerRegisters =
            std::min((machine.registers / groupThreads - leastRegisters) / groups, mostRegisters) / 8 * 8;
      }
      while (s.stages > 2 && sharedOf(s, shape) > machine.sharedBytes)
        --s.stages;
      GpuAttentionCost cost = wgmmaAttentionCost(s, shape, machine);
      if (cost.resident && (!best || cost.cycles < bestCycles * 0.999)) {
        bestCycles = cost.cycles;
        best = s;
      }
    }
  if (best)
    best->reason = std::to_string(best->blockRows()) + " queries in " + std::to_string(best->groups) +
                   " warp groups by wgmma, " + std::to_string(best->blockKeys) +
                   " keys at a time with a running maximum and sum, copied by a group of their own";
  return best;
}

} // namespace bessemer
