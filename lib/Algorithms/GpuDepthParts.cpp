// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Into how many parts of its depth a product is cut on a GPU.
#include "bessemer/Algorithms/GpuDepthParts.h"

#include "lib/Algorithms/GpuParts.h"

#include <algorithm>
#include <cmath>

namespace bessemer {

namespace {
/// Parts begin at multiples of the longest step of depth that any schedule takes.
constexpr int64_t stepBytes = 128;
constexpr int64_t candidates[] = {2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 32};

/// Of the kernel that adds the parts.
double sumCycles(int64_t parts, double elements, int64_t resultBytes, const GpuMachine &machine) {
  return combineCycles(4.0 * parts * elements, elements * resultBytes, machine);
}
} // namespace

GpuMatmulShape partShape(const GpuMatmulShape &whole, int64_t parts, int64_t partDepth) {
  GpuMatmulShape part = whole;
  part.batches = whole.batches.value_or(1) * parts;
  part.depth = partDepth;
  part.resultBytes = 4;
  part.mayStream = false;
  return part;
}

std::vector<GpuDepthCut> gpuDepthCuts(const GpuMatmulShape &shape, const GpuMachine &machine) {
  std::vector<GpuDepthCut> cuts;
  if (!shape.batches || !shape.rows || !shape.columns || !shape.depth)
    return cuts;
  double elements = double(*shape.batches) * *shape.rows * *shape.columns;
  int64_t resultBytes = shape.resultBytes ? shape.resultBytes : shape.elementBytes;
  int64_t unit = stepBytes / (shape.bulkFloat8 ? 1 : shape.elementBytes), steps = (*shape.depth + unit - 1) / unit;
  for (int64_t wanted : candidates) {
    if (wanted > steps)
      break;
    int64_t partSteps = (steps + wanted - 1) / wanted, parts = (steps + partSteps - 1) / partSteps;
    if (parts == wanted)
      cuts.push_back({parts, partSteps * unit, partShape(shape, parts, partSteps * unit),
                      sumCycles(parts, elements, resultBytes, machine)});
  }
  return cuts;
}

/// `behind`: cycles of what follows a whole product and is done by the second kernel behind parts.
static GpuDepthParts chooseParts(const GpuMatmulShape &shape, const GpuMachine &machine, double behind,
                                 const std::string &what) {
  GpuDepthParts best;
  best.partDepth = shape.depth.value_or(0);
  std::optional<GpuMatmulSchedule> whole = chooseGpuMatmulSchedule(shape, machine);
  if (!whole)
    return best;
  GpuMatmulCost wholeCost = gpuMatmulCost(*whole, shape, machine);
  best.cycles = best.wholeCycles = wholeCost.cycles + behind;
  double peakCycles = wholeCost.peak * wholeCost.cycles, memoryCycles = 0;
  for (const GpuDepthCut &cut : gpuDepthCuts(shape, machine)) {
    // What no cut can be faster than: neither the arithmetic nor the memory gets less.
    double least = std::max(peakCycles, wholeCost.memoryCycles) + cut.sumCycles;
    if (least > best.cycles * (1 - leastPartsGain))
      break;
    std::optional<GpuMatmulSchedule> schedule = chooseGpuMatmulSchedule(cut.part, machine);
    if (!schedule)
      continue;
    double cycles = gpuMatmulCost(*schedule, cut.part, machine).cycles + cut.sumCycles;
    if (cycles < best.cycles && cycles < best.wholeCycles * (1 - leastPartsGain)) {
      best.parts = cut.parts, best.partDepth = cut.partDepth, best.cycles = cycles;
      memoryCycles = wholeCost.memoryCycles;
    }
  }
  if (best.parts > 1) {
    auto text = [](double n) { return std::to_string(std::lround(n)); };
    best.reason = "in " + text(best.parts) + " parts of " + text(best.partDepth) +
                  " of the depth: " + text(best.cycles) + " cycles expected with the sum of the parts" + what + ", " +
                  text(best.wholeCycles) + " without; " + text(100 * memoryCycles / best.cycles) +
                  " % of the memory's bandwidth";
  }
  return best;
}

GpuDepthParts chooseDepthParts(const GpuMatmulShape &shape, const GpuMachine &machine) {
  return chooseParts(shape, machine, 0, "");
}

GpuDepthParts chooseNormalizedDepthParts(const GpuMatmulShape &shape, const GpuMachine &machine) {
  double bytes = double(shape.batches.value_or(1)) * double(shape.rows.value_or(0)) *
                 double(shape.columns.value_or(0)) * double(shape.resultBytes ? shape.resultBytes : shape.elementBytes);
  return chooseParts(shape, machine, combineCycles(bytes, bytes, machine), " and the normalization");
}

} // namespace bessemer
