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
#ifndef BESSEMER_ALGORITHMS_GPUATTENTIONSCHEDULE_H
#define BESSEMER_ALGORITHMS_GPUATTENTIONSCHEDULE_H

#include "bessemer/Algorithms/GpuMatmulSchedule.h"

namespace bessemer {

struct GpuAttentionShape {
  int64_t depth = 64, valueDepth = 64;  ///< of a head
  std::optional<int64_t> queries, keys; ///< nullopt: only when the kernel runs
  std::optional<int64_t> heads;         ///< of all batches: each has blocks of its own; nullopt: enough for all
  MatmulInstruction instruction = MatmulInstruction::MmaHalf;
  int64_t elementBytes = 2;
  bool causalAndMask = false; ///< both are applied: registers for numbers and for the mask
};

struct GpuAttentionSchedule {
  int64_t blockRows = 0, blockKeys = 0, warps = 0;
  std::string reason;
};

struct GpuAttentionCost {
  int64_t registers = 0;   ///< of a lane, estimated
  int64_t sharedBytes = 0; ///< of a block
  int64_t resident = 0;    ///< blocks of a multiprocessor at a time; 0: it does not fit
  double cycles = 0;       ///< of all heads; where their number is not known, of one on one multiprocessor
  double peak = 0;         ///< the part of the instruction's peak that a step reaches
};
GpuAttentionCost gpuAttentionCost(const GpuAttentionSchedule &schedule, const GpuAttentionShape &shape,
                                  const GpuMachine &machine);

/// Nullopt when nothing fits.
std::optional<GpuAttentionSchedule> chooseGpuAttentionSchedule(const GpuAttentionShape &shape,
                                                               const GpuMachine &machine);

} // namespace bessemer

#endif // BESSEMER_ALGORITHMS_GPUATTENTIONSCHEDULE_H
