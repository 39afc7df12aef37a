// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How attention by wgmma is cut up (FlashAttention-3, arXiv:2407.08608): warp groups with 64 queries each, which share
// the keys and values that the copy engine brings, and the keys of a step.
//
// Worked example: heads of 128 in bf16 on an H100.
//
//   GpuAttentionShape shape{.depth = 128, .valueDepth = 128, .queries = 4096, .keys = 4096, .heads = 16};
//   WgmmaAttentionSchedule s = *chooseWgmmaAttentionSchedule(shape, gpuMachineOf(90));
//   s.groups, s.blockKeys, s.stages;                     // 2, 128, 2
//   s.producerRegisters, s.consumerRegisters;            // 24, 240
//   wgmmaAttentionCost(s, shape, gpuMachineOf(90)).peak; // 0.87 of what wgmma reaches
//
// The model: the products of a step and what is computed of its scores (an exponential is 16 a cycle, all else four
// instructions of 32 lanes a cycle) run beside each other, as several groups do, and as one group does with the scores
// of the next step; a block begins with nothing to do beside the copies of its first step.
#pragma once

#include "bessemer/Algorithms/GpuAttentionSchedule.h"

namespace bessemer {

struct WgmmaAttentionSchedule {
  int64_t groups = 0; ///< warp groups that multiply; one more starts the copies
  int64_t blockKeys = 0, stages = 0;
  int64_t producerRegisters = 0, consumerRegisters = 0; ///< 0: as the compiler deals them out
  std::string reason;

  static constexpr int64_t groupRows = 64;
  int64_t blockRows() const { return groups * groupRows; }
};

/// `resident` is 1, or 0 when it does not fit.
GpuAttentionCost wgmmaAttentionCost(const WgmmaAttentionSchedule &schedule, const GpuAttentionShape &shape,
                                    const GpuMachine &machine);

/// Nullopt when the machine has no wgmma, the elements have no 16 bits, queries are fewer than 32, or nothing fits.
std::optional<WgmmaAttentionSchedule> chooseWgmmaAttentionSchedule(const GpuAttentionShape &shape,
                                                                   const GpuMachine &machine);

} // namespace bessemer
