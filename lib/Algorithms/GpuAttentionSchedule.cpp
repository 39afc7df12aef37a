// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Algorithms/GpuAttentionSchedule.h"

#include "lib/Algorithms/GpuParts.h"

#include <algorithm>
#include <cmath>

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

/// Of the memory's bandwidth one multiprocessor draws so many times its share at most. Assumed, to be measured.
constexpr double mostShare = 2;
/// Of what goes on beside the memory's reads, the part that they do not hide: of parts that are as fast as the memory,
/// those with more to spare are taken. Assumed, to be measured.
constexpr double unhidden = 0.1;
/// Queries of a head that are one block: more are blocks of their own, for which the keys need no parts.
constexpr int64_t mostQueries = 64;
/// Each is a few instructions of the second kernel.
constexpr int64_t mostParts = 64;

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
      (s.blockRows * depth + s.places * s.blockKeys * (depth + valueDepth) + (isFma ? s.blockRows * s.blockKeys : 0)) *
      shape.elementBytes;
  cost.resident = std::min({machine.sharedBytes / cost.sharedBytes, machine.registers / (cost.registers * threads),
                            machine.threads / threads});
  // Of few blocks there is not even one for each multiprocessor, and nothing hides the latency of its copies but their
  // size.
  int64_t blocks = ceilDiv(queries, s.blockRows), totalBlocks = blocks * shape.heads.value_or(1);
  if (shape.heads)
    blocks = ceilDiv(totalBlocks, machine.multiprocessors);
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
  double throughput = std::max({multiply, reads, copies});
  // Blocks of a multiprocessor hide each other's softmax; one alone not.
  double step = throughput + scores / resident + stepCycles / resident;
  // An operand is asked for while the product before it is computed, or a step before.
  step = std::max(step, (s.places == 1 ? 2 : 1) * machine.copyLatency / resident);
  double begin = 0, memoryRate = machine.memoryBytesPerCycle;
  if (shape.unit) {
    // Few warps with few steps: each does one thing after the other, and waits for its first keys.
    step = std::max(step, (multiply + reads + scores + stepCycles) / resident);
    begin = machine.copyLatency;
    double busy = double(std::min(totalBlocks, machine.multiprocessors));
    memoryRate *= std::min(1.0, mostShare * busy / machine.multiprocessors);
  }
  if (std::optional<int64_t> heads = shape.keyHeads ? shape.keyHeads : shape.heads)
    cost.memoryCycles = double(*heads) * keys * (shape.depth + shape.valueDepth) * shape.elementBytes / memoryRate;
  double own = step * ceilDiv(keys, s.blockKeys) * blocks;
  cost.cycles = own;
  if (shape.unit)
    cost.cycles = begin + std::max(own, cost.memoryCycles) + unhidden * std::min(own, cost.memoryCycles);
  cost.peak = alone / step;
  return cost;
}

std::optional<GpuAttentionSchedule> chooseGpuAttentionSchedule(const GpuAttentionShape &shape,
                                                               const GpuMachine &machine) {
  std::optional<GpuAttentionSchedule> best;
  double bestCycles = 0;
  auto take = [&](const GpuAttentionSchedule &schedule) {
    GpuAttentionCost cost = gpuAttentionCost(schedule, shape, machine);
    if (cost.resident && (!best || cost.cycles < bestCycles * 0.999)) {
      bestCycles = cost.cycles;
      best = schedule;
    }
  };
  for (int64_t warps : {1, 2, 4, 8})
    for (int64_t rows : {8, 16, 32})
      for (int64_t step : {32, 64, 128}) {
        // Of mma.sync 16 rows are an instruction. Multiply-adds are written out for a whole step, and in steps of more
        // keys ptxas moves so many reads ahead that it spills kilobytes, whatever the rows.
        bool isFma = shape.instruction == MatmulInstruction::Fma;
        if ((isFma ? step > 32 : rows < 16) || (shape.unit && shape.unit != step))
          continue;
        take({warps * rows, step, warps, 1, ""});
        if (shape.unit)
          take({warps * rows, step, warps, 2, ""});
      }
  if (best)
    best->reason = std::to_string(best->blockRows) + " queries in " + std::to_string(best->warps) + " warps, " +
                   std::to_string(best->blockKeys) + " keys at a time with a running maximum and sum" +
                   (best->places > 1 ? ", copied a step ahead" : "");
  return best;
}

GpuAttentionParts chooseAttentionParts(const GpuAttentionShape &shape, const GpuMachine &machine) {
  GpuAttentionParts best;
  std::optional<GpuAttentionSchedule> whole = chooseGpuAttentionSchedule(shape, machine);
  if (!shape.queries || *shape.queries > mostQueries || !shape.keys || !shape.heads || !whole)
    return best;
  // By the same model as the parts.
  GpuAttentionShape onePart = shape;
  onePart.unit = whole->blockKeys;
  best.cycles = best.wholeCycles = gpuAttentionCost(*whole, onePart, machine).cycles;
  double rows = double(*shape.heads) * *shape.queries;
  for (int64_t unit : {32, 64, 128})
    for (int64_t wanted = 2; wanted <= mostParts && (!shape.unit || shape.unit == unit); ++wanted) {
      int64_t length = ceilDiv(ceilDiv(*shape.keys, wanted), unit) * unit;
      if (ceilDiv(*shape.keys, length) != wanted)
        continue; // the last ones would be empty
      GpuAttentionShape part = shape;
      part.unit = unit;
      part.keys = length;
      part.heads = *shape.heads * wanted;
      part.keyHeads = shape.keyHeads.value_or(*shape.heads) * wanted;
      std::optional<GpuAttentionSchedule> schedule = chooseGpuAttentionSchedule(part, machine);
      if (!schedule)
        continue;
      double partBytes = 4.0 * wanted * rows * (shape.valueDepth + 2);
      double cycles = gpuAttentionCost(*schedule, part, machine).cycles +
                      combineCycles(partBytes, rows * shape.valueDepth * shape.elementBytes, machine);
      if (cycles < best.cycles * 0.999 && cycles < best.wholeCycles * (1 - leastPartsGain)) {
        best.parts = wanted, best.unit = unit, best.cycles = cycles;
      }
    }
  if (best.parts > 1) {
    auto text = [](double n) { return std::to_string(std::lround(n)); };
    GpuAttentionShape allBusy = shape;
    allBusy.unit = 0;
    best.reason = "keys in " + text(best.parts) + " parts of multiples of " + text(best.unit) + ": " +
                  text(best.cycles) + " cycles expected for " + text(*shape.keys) +
                  " keys with what combines the parts, " + text(best.wholeCycles) + " without; " +
                  text(100 * gpuAttentionCost(*whole, allBusy, machine).memoryCycles / best.cycles) +
                  " % of the memory's bandwidth";
  }
  return best;
}

} // namespace bessemer
