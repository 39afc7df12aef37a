// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How attention is cut up on a GPU: queries of a block, keys of a step, warps.
// Each warp has rows of its own, so that a row's maximum and sum stay within
// it; more rows of a warp read keys and values less often from shared memory,
// but take registers for their scores and results.
//
// Worked example: heads of 128 in f16 on an A100.
//
//   GpuAttentionSchedule s = *chooseGpuAttentionSchedule({.depth = 128, .valueDepth = 128}, GpuMachine());
//   s.blockRows, s.blockKeys, s.warps;    // 64, 64, 4: 16 rows for each warp
//
// Heads of 80 or 96 take products of that depth, 5 or 6 instructions; of 40 or 72 of the next multiple of 16, zeros
// behind.
//
// A step of a decoder has one query: a block for each key head, and most multiprocessors without one. Then the keys are
// cut into parts ("Flash-Decoding", pytorch.org/blog/flash-decoding), whose results a second kernel combines. GPT-2
// behind 1023 tokens on an H100:
//
//   GpuAttentionShape step{.depth = 64, .valueDepth = 64, .queries = 1, .keys = 1024, .heads = 12};
//   GpuAttentionParts p = chooseAttentionParts(step, gpuMachineOf(90));
//   p.parts, p.unit;            // 16 parts, of multiples of 64 keys: 192 blocks in place of 12
//   p.cycles, p.wholeCycles;    // about 7 100 and 18 100; the memory alone would need 2 000
#ifndef BESSEMER_ALGORITHMS_GPUATTENTIONSCHEDULE_H
#define BESSEMER_ALGORITHMS_GPUATTENTIONSCHEDULE_H

#include "bessemer/Algorithms/GpuMatmulSchedule.h"

namespace bessemer {

struct GpuAttentionShape {
  int64_t depth = 64, valueDepth = 64;  ///< of a head
  std::optional<int64_t> queries, keys; ///< nullopt: only when the kernel runs
  std::optional<int64_t> heads;         ///< of all batches: each has blocks of its own; nullopt: enough for all
  std::optional<int64_t> keyHeads;      ///< of all batches, read from memory once; nullopt: as `heads`
  MatmulInstruction instruction = MatmulInstruction::MmaHalf;
  int64_t elementBytes = 2;
  bool causalAndMask = false; ///< both are applied: registers for numbers and for the mask
  /// Of attention in parts: the keys of a step, by which parts are measured; its copies may be a step ahead. 0: the
  /// model chooses, and copies are a product ahead.
  int64_t unit = 0;
};

struct GpuAttentionSchedule {
  int64_t blockRows = 0, blockKeys = 0, warps = 0;
  int64_t places = 1; ///< in shared memory, for keys and for values each: 2 when copies are a step ahead
  std::string reason;
};

struct GpuAttentionCost {
  int64_t registers = 0;   ///< of a lane, estimated
  int64_t sharedBytes = 0; ///< of a block
  int64_t resident = 0;    ///< blocks of a multiprocessor at a time; 0: it does not fit
  double cycles = 0;       ///< of all heads; where their number is not known, of one on one multiprocessor
  double memoryCycles = 0; ///< that the memory needs for keys and values; 0: not known
  double peak = 0;         ///< the part of the instruction's peak that a step reaches
};
GpuAttentionCost gpuAttentionCost(const GpuAttentionSchedule &schedule, const GpuAttentionShape &shape,
                                  const GpuMachine &machine);

/// Nullopt when nothing fits.
std::optional<GpuAttentionSchedule> chooseGpuAttentionSchedule(const GpuAttentionShape &shape,
                                                               const GpuMachine &machine);

/// Into how many parts the keys are cut, and what they are measured by: a part has the keys / `parts`, rounded up to a
/// multiple of `unit`.
struct GpuAttentionParts {
  int64_t parts = 1, unit = 0;
  double cycles = 0;      ///< with the second kernel, which combines the parts
  double wholeCycles = 0; ///< in one part
  std::string reason;     ///< empty when it is one part
};
/// The number that the model finds cheapest; 1 where the queries of a head are more than a block, a size is not known,
/// or little is gained. `shape.keys` of a length that only the run knows: the one to be fast for; `shape.unit`: the
/// only one to choose, unless it is 0.
GpuAttentionParts chooseAttentionParts(const GpuAttentionShape &shape, const GpuMachine &machine);

} // namespace bessemer

#endif // BESSEMER_ALGORITHMS_GPUATTENTIONSCHEDULE_H
