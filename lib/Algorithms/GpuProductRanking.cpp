// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The candidates of `bessemer tune`.
#include "bessemer/Algorithms/TunedSchedules.h"

#include <algorithm>
#include <tuple>

namespace bessemer {

namespace {
/// Candidates of one class differ in what the model knows best: stages, the step of depth, the warps of mma.sync.
auto classOf(const GpuProductCandidate &c) {
  const GpuMatmulSchedule &s = c.schedule;
  return std::tuple(c.parts, s.instruction, s.blockRows, s.blockColumns, isWgmma(s.instruction) ? s.warpRows : 0,
                    s.gridBlocks > 0, s.streamedBlocks > 0);
}

/// What functions behind sums that have to be guarded leave.
int64_t mostSumsOf(const GpuMatmulSchedule &schedule, const GpuMatmulShape &shape, ProductEpilogue epilogue) {
  return epilogue == ProductEpilogue::Functions && isRagged(schedule, shape) ? guardedSumsWithFunctions
                                                                             : schedule.sums();
}
} // namespace

bool isNamed(const GpuMatmulShape &shape) {
  // Nobody measures products of float8 and of groups yet.
  bool isUsual = shape.leftBytes != 1 && shape.rightBytes != 1 && !shape.mayBeEmpty;
  return isUsual && shape.batches && shape.rows && shape.columns && shape.depth;
}

std::string checkGpuProduct(const NamedProduct &product, const GpuProductCandidate &candidate,
                            const GpuMachine &machine) {
  const GpuMatmulShape &shape = product.shape;
  const GpuMatmulSchedule &s = candidate.schedule;
  if (!isNamed(shape))
    return "expected a product of known sizes";
  if (isWgmma(s.instruction) && (!shape.bulkOperands || (s.instruction == MatmulInstruction::WgmmaHalf) !=
                                                            (shape.instruction == MatmulInstruction::MmaHalf)))
    return "expected operands that the copy engine can bring, of the instruction's type, for " +
           std::string(instructionName(s.instruction));
  if (!isWgmma(s.instruction) && s.instruction != shape.instruction)
    return "expected " + std::string(instructionName(shape.instruction)) + " as the instruction, got " +
           instructionName(s.instruction);
  if (std::string wrong = checkGpuMatmulSchedule(s, shape.elementBytes, machine); !wrong.empty())
    return wrong;
  bool inParts = candidate.parts > 1;
  if (std::string wrong = checkStreamed(s, shape); !wrong.empty() || (inParts && s.streamedBlocks))
    return wrong.empty() ? "expected no streamed blocks of a product in parts of its depth" : wrong;
  if (candidate.parts < 1 ||
      (inParts && (candidate.partDepth < 1 || candidate.partDepth * candidate.parts < *shape.depth ||
                   candidate.partDepth * (candidate.parts - 1) >= *shape.depth ||
                   candidate.partDepth * shape.elementBytes % 128 != 0)))
    return "expected parts of whole steps of 128 bytes that make up a depth of " + std::to_string(*shape.depth) +
           ", got " + std::to_string(candidate.parts) + " of " + std::to_string(candidate.partDepth);
  ProductEpilogue epilogue = inParts ? ProductEpilogue::None : product.epilogue;
  if (int64_t most = mostSumsOf(s, shape, epilogue); s.sums() > most)
    return "expected at most " + std::to_string(most) +
           " sums of a lane where functions follow blocks that go beyond " + "the edges, got " +
           std::to_string(s.sums());
  return {};
}

std::vector<GpuProductCandidate> rankGpuProducts(const NamedProduct &product, const GpuMachine &machine, size_t count,
                                                 bool withParts) {
  const GpuMatmulShape &shape = product.shape;
  std::vector<GpuProductCandidate> all;
  auto collect = [&](const GpuMatmulShape &part, GpuProductCandidate candidate, double otherCycles) {
    std::map<decltype(classOf(candidate)), GpuProductCandidate> best;
    ProductEpilogue epilogue = candidate.parts > 1 ? ProductEpilogue::None : product.epilogue;
    forEachGpuMatmulSchedule(part, machine, [&](const GpuMatmulSchedule &schedule, const GpuMatmulCost &cost) {
      candidate.schedule = schedule;
      candidate.cycles = cost.cycles + otherCycles;
      if (schedule.sums() > mostSumsOf(schedule, part, epilogue))
        return;
      auto [it, isNew] = best.try_emplace(classOf(candidate), candidate);
      if (!isNew && candidate.cycles < it->second.cycles)
        it->second = candidate;
    });
    for (auto &[known, cheapest] : best)
      all.push_back(cheapest);
  };
  collect(shape, {}, 0);
  if (withParts)
    for (const GpuDepthCut &cut : gpuDepthCuts(shape, machine))
      collect(cut.part, {cut.parts, cut.partDepth, {}, 0}, cut.sumCycles);

  // What is compiled without measurements.
  GpuDepthParts parts;
  if (withParts)
    parts = chooseDepthParts(shape, machine);
  const GpuMatmulShape chosenShape = parts.parts > 1 ? partShape(shape, parts.parts, parts.partDepth) : shape;
  std::optional<GpuMatmulSchedule> chosen = chooseGpuMatmulSchedule(chosenShape, machine);
  if (chosen && parts.parts == 1 && chosen->sums() > mostSumsOf(*chosen, shape, product.epilogue))
    chosen = chooseGpuMatmulSchedule(shape, machine, guardedSumsWithFunctions);
  std::vector<GpuProductCandidate> ranked;
  if (!chosen)
    return ranked;
  double cycles = parts.parts > 1 ? parts.cycles : gpuMatmulCost(*chosen, shape, machine).cycles;
  ranked.push_back({parts.parts, parts.parts > 1 ? parts.partDepth : 0, *chosen, cycles});
  std::sort(all.begin(), all.end(), [](const GpuProductCandidate &a, const GpuProductCandidate &b) {
    return std::tuple(a.cycles, classOf(a)) < std::tuple(b.cycles, classOf(b));
  });
  for (const GpuProductCandidate &candidate : all)
    if (ranked.size() < count && classOf(candidate) != classOf(ranked.front()))
      ranked.push_back(candidate);
  return ranked;
}

} // namespace bessemer
