// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Algorithms/WgmmaAttentionSchedule.h"

#include <gtest/gtest.h>

using namespace bessemer;

namespace {
GpuAttentionShape heads(int64_t depth, int64_t queries, int64_t count) {
  return {.depth = depth, .valueDepth = depth, .queries = queries, .keys = 4096, .heads = count};
}
double cyclesByMma(const GpuAttentionShape &shape, const GpuMachine &machine) {
  return gpuAttentionCost(*chooseGpuAttentionSchedule(shape, machine), shape, machine).cycles;
}
} // namespace

TEST(WgmmaAttentionSchedule, HeaderExample) {
  GpuMachine machine = gpuMachineOf(90);
  GpuAttentionShape shape = heads(128, 4096, 16);
  WgmmaAttentionSchedule s = chooseWgmmaAttentionSchedule(shape, machine).value();
  EXPECT_EQ(s.groups, 2);
  EXPECT_EQ(s.blockKeys, 128);
  EXPECT_EQ(s.producerRegisters, 24);
  EXPECT_EQ(s.consumerRegisters, 240);
  EXPECT_NEAR(wgmmaAttentionCost(s, shape, machine).peak, 0.87, 0.005);
}

TEST(WgmmaAttentionSchedule, IsForManyQueries) {
  GpuMachine machine = gpuMachineOf(90);
  for (int64_t depth : {64, 128, 256}) {
    GpuAttentionShape many = heads(depth, 4096, 32);
    EXPECT_LT(wgmmaAttentionCost(*chooseWgmmaAttentionSchedule(many, machine), many, machine).cycles,
              cyclesByMma(many, machine));
    EXPECT_FALSE(chooseWgmmaAttentionSchedule(heads(depth, 1, 32), machine));
  }
}

// What the registers and the shared memory of a multiprocessor hold, whatever the head.
TEST(WgmmaAttentionSchedule, FitsTheMachine) {
  GpuMachine machine = gpuMachineOf(90);
  for (int64_t depth = 8; depth <= 256; depth += 8) {
    GpuAttentionShape shape = heads(depth, 4096, 16);
    WgmmaAttentionSchedule s = chooseWgmmaAttentionSchedule(shape, machine).value();
    EXPECT_LE(128 * (s.groups * s.consumerRegisters + s.producerRegisters), machine.registers) << depth;
    EXPECT_LE(wgmmaAttentionCost(s, shape, machine).sharedBytes, machine.sharedBytes) << depth;
    EXPECT_GE(s.stages, 2) << depth;
  }
}

TEST(WgmmaAttentionSchedule, WantsWgmmaAndTheCopyEngine) {
  EXPECT_FALSE(chooseWgmmaAttentionSchedule(heads(64, 4096, 16), gpuMachineOf(80)));
  EXPECT_FALSE(chooseWgmmaAttentionSchedule(heads(68, 4096, 16), gpuMachineOf(90)));
  GpuAttentionShape single = heads(64, 4096, 16);
  single.elementBytes = 4;
  EXPECT_FALSE(chooseWgmmaAttentionSchedule(single, gpuMachineOf(90)));
}
