// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Into how many parts of its depth a product is cut on a GPU.
#include "bessemer/Algorithms/GpuMatmulSchedule.h"

#include <algorithm>
#include <cmath>

namespace bessemer {

namespace {
/// From the end of a kernel to the first work of the next one of its stream, about 2 us. Assumed, to be measured.
constexpr double launchCycles = 3000;
/// Parts begin at multiples of the longest step of depth that any schedule takes.
constexpr int64_t stepBytes = 128;
constexpr int64_t candidates[] = {2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 32};
/// Of the L2 cache, what partial sums may take and be there still when they are read. Assumed, to be measured.
constexpr double sharedPart = 0.5;
/// What a number of parts must gain: the model is no better than that.
constexpr double leastGain = 0.05;

/// Of the kernel that adds the parts.
double sumCycles(int64_t parts, double elements, int64_t resultBytes, const GpuMachine &machine) {
  double partBytes = 4 * parts * elements, fromL2 = machine.l2BytesPerCycle * machine.multiprocessors;
  double rate = partBytes <= sharedPart * machine.l2Bytes ? fromL2 : machine.memoryBytesPerCycle;
  return launchCycles + machine.copyLatency + partBytes / rate + elements * resultBytes / machine.memoryBytesPerCycle;
}
} // namespace

GpuDepthParts chooseDepthParts(const GpuMatmulShape &shape, const GpuMachine &machine) {
  GpuDepthParts best;
  best.partDepth = shape.depth.value_or(0);
  std::optional<GpuMatmulSchedule> whole = chooseGpuMatmulSchedule(shape, machine);
  if (!shape.batches || !shape.rows || !shape.columns || !shape.depth || !whole)
    return best;
  GpuMatmulCost wholeCost = gpuMatmulCost(*whole, shape, machine);
  best.cycles = best.wholeCycles = wholeCost.cycles;
  double elements = double(*shape.batches) * *shape.rows * *shape.columns,
         peakCycles = wholeCost.peak * wholeCost.cycles;
  int64_t resultBytes = shape.resultBytes ? shape.resultBytes : shape.elementBytes;
  int64_t unit = stepBytes / shape.elementBytes, steps = (*shape.depth + unit - 1) / unit;
  double memoryCycles = 0;
  for (int64_t wanted : candidates) {
    if (wanted > steps)
      break;
    // What no cut can be faster than: neither the arithmetic nor the memory gets less.
    double least = std::max(peakCycles, wholeCost.memoryCycles) + sumCycles(wanted, elements, resultBytes, machine);
    if (least > best.cycles * (1 - leastGain))
      break;
    int64_t partSteps = (steps + wanted - 1) / wanted, parts = (steps + partSteps - 1) / partSteps;
    if (parts != wanted)
      continue;
    GpuMatmulShape part = shape;
    part.batches = *shape.batches * parts;
    part.depth = partSteps * unit;
    part.resultBytes = 4;
    std::optional<GpuMatmulSchedule> schedule = chooseGpuMatmulSchedule(part, machine);
    if (!schedule)
      continue;
    double cycles = gpuMatmulCost(*schedule, part, machine).cycles + sumCycles(parts, elements, resultBytes, machine);
    if (cycles < best.cycles && cycles < best.wholeCycles * (1 - leastGain)) {
      best.parts = parts, best.partDepth = *part.depth, best.cycles = cycles;
      memoryCycles = wholeCost.memoryCycles;
    }
  }
  if (best.parts > 1) {
    auto text = [](double n) { return std::to_string(std::lround(n)); };
    best.reason = "in " + text(best.parts) + " parts of " + text(best.partDepth) +
                  " of the depth: " + text(best.cycles) + " cycles expected with the sum of the parts, " +
                  text(best.wholeCycles) + " without; " + text(100 * memoryCycles / best.cycles) +
                  " % of the memory's bandwidth";
  }
  return best;
}

} // namespace bessemer
