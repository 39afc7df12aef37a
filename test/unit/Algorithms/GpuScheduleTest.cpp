// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bessemer/Algorithms/GpuAttentionSchedule.h"
#include "bessemer/Algorithms/GpuMatmulSchedule.h"

#include <gtest/gtest.h>

#include <set>

using namespace bessemer;

namespace {
GpuMatmulShape shapeOf(int64_t rows, int64_t columns, int64_t depth, MatmulInstruction instruction) {
  GpuMatmulShape shape;
  shape.rows = rows, shape.columns = columns, shape.depth = depth;
  shape.instruction = instruction;
  shape.elementBytes = instruction == MatmulInstruction::MmaHalf ? 2 : 4;
  return shape;
}
} // namespace

TEST(GpuMatmulSchedule, WhatIsChosenFits) {
  for (int64_t architecture : {80, 90})
    for (MatmulInstruction instruction :
         {MatmulInstruction::MmaHalf, MatmulInstruction::MmaTf32, MatmulInstruction::Fma})
      for (auto [m, n, k] : {std::array<int64_t, 3>{4096, 4096, 4096}, {1, 4096, 4096}, {70, 72, 200}, {0, 5, 0}}) {
        GpuMachine machine = gpuMachineOf(architecture);
        GpuMatmulShape shape = shapeOf(m, n, k, instruction);
        std::optional<GpuMatmulSchedule> schedule = chooseGpuMatmulSchedule(shape, machine);
        ASSERT_TRUE(schedule);
        EXPECT_EQ(checkGpuMatmulSchedule(*schedule, shape.elementBytes, machine), "");
        GpuMatmulCost cost = gpuMatmulCost(*schedule, shape, machine);
        EXPECT_LE(cost.sharedBytes, machine.sharedBytes);
        EXPECT_LE(cost.registers * 32 * schedule->warps() * cost.resident, machine.registers);
        EXPECT_LE(cost.peak, 1.0);
      }
}

// Large products fill the tensor cores; one row waits for memory.
TEST(GpuMatmulSchedule, PricesWhatItBuilds) {
  GpuMachine machine;
  GpuMatmulShape large = shapeOf(4096, 4096, 4096, MatmulInstruction::MmaHalf),
                 row = shapeOf(1, 4096, 4096, MatmulInstruction::MmaHalf);
  GpuMatmulSchedule ofLarge = *chooseGpuMatmulSchedule(large, machine), ofRow = *chooseGpuMatmulSchedule(row, machine);
  EXPECT_GE(ofLarge.blockRows * ofLarge.blockColumns, 128 * 64);
  EXPECT_GT(gpuMatmulCost(ofLarge, large, machine).peak, 0.75);
  EXPECT_EQ(ofRow.blockRows, 16);
  EXPECT_STREQ(gpuMatmulCost(ofRow, row, machine).bound, "the memory");
  // What is chosen is no dearer than another that fits.
  GpuMatmulSchedule other = ofLarge;
  other.blockRows = other.blockColumns = 64;
  other.warpRows = other.warpColumns = 2;
  EXPECT_LE(gpuMatmulCost(ofLarge, large, machine).cycles, gpuMatmulCost(other, large, machine).cycles);
}

// Microseconds measured on an H100 (bench/results): rows, columns and depth of the product, blocks, warps, stages.
TEST(GpuMatmulSchedule, AgreesWithAnH100) {
  struct Measured {
    int64_t rows, columns, depth;
    bool wgmma;
    int64_t blockRows, blockColumns, warpRows, warpColumns, stages;
    double us;
  };
  const Measured list[] = {
      {4096, 4096, 4096, true, 128, 256, 8, 1, 3, 179.2},  {4096, 4096, 4096, true, 128, 128, 8, 1, 4, 207.4},
      {4096, 4096, 4096, true, 256, 128, 8, 1, 3, 194.3},  {2048, 6144, 4096, true, 128, 256, 8, 1, 4, 133.1},
      {256, 6144, 4096, true, 128, 128, 8, 1, 5, 26.9},    {64, 6144, 4096, true, 64, 64, 4, 1, 4, 24.3},
      {64, 6144, 4096, true, 64, 64, 4, 1, 8, 19.3},       {1, 6144, 4096, true, 64, 64, 4, 1, 8, 25.0},
      {1, 6144, 4096, false, 16, 64, 1, 2, 4, 21.6},       {1, 6144, 4096, false, 16, 64, 1, 2, 7, 17.9},
      {1, 4096, 6144, false, 16, 32, 1, 2, 4, 25.8},       {1, 4096, 6144, false, 16, 32, 1, 2, 7, 18.9},
      {64, 6144, 4096, false, 64, 64, 2, 2, 3, 28.4},      {256, 6144, 4096, false, 64, 64, 2, 2, 4, 43.3},
      {4096, 4096, 4096, false, 128, 128, 2, 2, 3, 309.8},
  };
  GpuMachine machine = gpuMachineOf(90);
  for (const Measured &m : list) {
    GpuMatmulShape shape = shapeOf(m.rows, m.columns, m.depth, MatmulInstruction::MmaHalf);
    GpuMatmulSchedule s;
    s.instruction = m.wgmma ? MatmulInstruction::WgmmaHalf : MatmulInstruction::MmaHalf;
    s.blockRows = m.blockRows, s.blockColumns = m.blockColumns, s.blockDepth = 64;
    s.warpRows = m.warpRows, s.warpColumns = m.warpColumns, s.stages = m.stages;
    shareRegisters(s, machine);
    double us = gpuMatmulCost(s, shape, machine).cycles / 1755;
    EXPECT_NEAR(us / m.us, 1, 0.2) << m.rows << " rows, blocks of " << m.blockRows << " x " << m.blockColumns << ", "
                                   << m.stages << " stages";
  }
}

TEST(GpuMatmulSchedule, StagesHideCopies) {
  GpuMachine machine = gpuMachineOf(90);
  GpuMatmulShape shape = shapeOf(8192, 8192, 16384, MatmulInstruction::MmaHalf);
  shape.bulkOperands = true;
  GpuMatmulSchedule chosen = *chooseGpuMatmulSchedule(shape, machine);
  EXPECT_EQ(chosen.instruction, MatmulInstruction::WgmmaHalf);
  EXPECT_GE(chosen.stages, 3);
  EXPECT_LE(chosen.stages, 4);
}

// Few blocks and a long depth: parts. Enough blocks, a short depth, a size that is not known: none.
TEST(GpuMatmulSchedule, CutsTheDepthOfFewBlocks) {
  for (int64_t architecture : {80, 90}) {
    GpuMachine machine = gpuMachineOf(architecture);
    auto partsOf = [&](int64_t m, int64_t n, int64_t k) {
      GpuMatmulShape shape = shapeOf(m, n, k, MatmulInstruction::MmaHalf);
      shape.bulkOperands = true;
      GpuDepthParts p = chooseDepthParts(shape, machine);
      EXPECT_GE(p.parts * p.partDepth, k);
      EXPECT_LE((p.parts - 1) * p.partDepth, k); // the last part has something
      EXPECT_LE(p.cycles, p.wholeCycles);
      EXPECT_EQ(p.reason.empty(), p.parts == 1);
      if (p.parts > 1) {
        EXPECT_EQ(p.partDepth % 64, 0);
        EXPECT_LT(p.cycles, 0.95 * p.wholeCycles);
      }
      return p.parts;
    };
    EXPECT_GT(partsOf(64, 1024, 14336), 1);
    EXPECT_GT(partsOf(16, 128, 16384), 4); // two blocks
    EXPECT_GT(partsOf(16, 100, 16391), 4);
    EXPECT_EQ(partsOf(8192, 8192, 8192), 1);
    EXPECT_EQ(partsOf(64, 4096, 64), 1);
    EXPECT_EQ(partsOf(0, 5, 0), 1);
    GpuMatmulShape free = shapeOf(1, 4096, 16384, MatmulInstruction::MmaHalf);
    free.rows = std::nullopt;
    EXPECT_EQ(chooseDepthParts(free, machine).parts, 1);
  }
}

// 72 blocks of 128 x 256 leave half of the multiprocessors idle: their steps are dealt out evenly, without a second
// kernel.
TEST(GpuMatmulSchedule, DealsOutTheStepsOfBlocksThatDoNotGoRound) {
  for (int64_t architecture : {80, 90}) {
    GpuMachine machine = gpuMachineOf(architecture);
    auto chosen = [&](int64_t m, int64_t n, int64_t k, bool mayStream = true) {
      GpuMatmulShape shape = shapeOf(m, n, k, MatmulInstruction::MmaHalf);
      shape.bulkOperands = architecture == 90;
      shape.mayStream = mayStream;
      GpuMatmulSchedule s = *chooseGpuMatmulSchedule(shape, machine);
      EXPECT_EQ(checkStreamed(s, shape), "");
      if (s.streamedBlocks) {
        EXPECT_NE(s.reason.find("in even shares for"), std::string::npos);
        EXPECT_GT(s.streamedBlocks % s.gridBlocks, 0);
        EXPECT_LT(s.streamedBlocks, 2 * s.gridBlocks);
        int64_t steps = (k + s.blockDepth - 1) / s.blockDepth, share = s.streamedShare(steps);
        EXPECT_GE(share * s.gridBlocks, s.streamedBlocks * steps);
        EXPECT_LT((share - 1) * s.gridBlocks, s.streamedBlocks * steps);
        GpuMatmulShape other = shape;
        other.mayStream = false;
        EXPECT_LT(gpuMatmulCost(s, shape, machine).cycles,
                  0.95 * gpuMatmulCost(*chooseGpuMatmulSchedule(other, machine), other, machine).cycles);
      }
      return s.streamedBlocks > 0;
    };
    EXPECT_TRUE(chosen(256, 4096, 6144));
    EXPECT_FALSE(chosen(256, 4096, 6144, false));
    EXPECT_EQ(chosen(3072, 768, 3072), architecture == 90);
    EXPECT_FALSE(chosen(4096, 4096, 4096)); // nearly full waves
    EXPECT_FALSE(chosen(512, 768, 64));     // too short to share
    // Not beside parts of the depth: whoever adds is one or the other.
    GpuMatmulShape shape = shapeOf(256, 4096, 14336, MatmulInstruction::MmaHalf);
    shape.bulkOperands = architecture == 90;
    shape.mayStream = true;
    EXPECT_EQ(chooseDepthParts(shape, machine).parts, 1);
    EXPECT_FALSE(partShape(shape, 2, 7168).mayStream);
  }
}

// Blocks that run at a time: some along the rows read less than all columns for two.
TEST(GpuMatmulSchedule, GroupsBlocksForTheCache) {
  GpuMachine machine = gpuMachineOf(90);
  GpuMatmulShape shape = shapeOf(8192, 14336, 4096, MatmulInstruction::MmaHalf);
  shape.bulkOperands = true;
  GpuMatmulSchedule grouped = *chooseGpuMatmulSchedule(shape, machine), plain = grouped;
  EXPECT_GE(grouped.rowGroup, 4);
  plain.rowGroup = 0;
  EXPECT_LT(gpuMatmulCost(grouped, shape, machine).memoryCycles,
            0.5 * gpuMatmulCost(plain, shape, machine).memoryCycles);
  shape.rows = 64;
  EXPECT_EQ(chooseGpuMatmulSchedule(shape, machine)->rowGroup, 0);
}

// Short pieces of rows are read with what is beside them.
TEST(GpuMatmulSchedule, MemoryReadsPieces) {
  GpuMachine machine = gpuMachineOf(90);
  GpuMatmulShape shape = shapeOf(1, 4096, 4096, MatmulInstruction::MmaHalf), transposed = shape;
  transposed.transposedB = true;
  GpuMatmulSchedule s;
  s.blockRows = 16, s.blockColumns = 16, s.blockDepth = 64, s.stages = 4;
  EXPECT_NEAR(gpuMatmulCost(s, shape, machine).memoryCycles, 2 * gpuMatmulCost(s, transposed, machine).memoryCycles,
              100);
  shape.bulkOperands = true;
  GpuMatmulCost best = gpuMatmulCost(*chooseGpuMatmulSchedule(shape, machine), shape, machine);
  EXPECT_GT(best.memoryCycles / best.cycles, 0.85);
}

TEST(GpuMatmulSchedule, RefusesWhatDoesNotFit) {
  GpuMatmulSchedule s;
  s.blockRows = s.blockColumns = 128, s.blockDepth = 32, s.warpRows = s.warpColumns = 2, s.stages = 3;
  GpuMachine machine;
  EXPECT_EQ(checkGpuMatmulSchedule(s, 2, machine), "");
  auto with = [&](auto change) {
    GpuMatmulSchedule changed = s;
    change(changed);
    return checkGpuMatmulSchedule(changed, 2, machine);
  };
  EXPECT_EQ(with([](auto &x) { x.blockRows = 96; }), "expected a power of two as rows of a block, got 96");
  EXPECT_EQ(with([](auto &x) { x.warpRows = 16; }), "expected at least 16 rows of a warp, got 8");
  EXPECT_EQ(with([](auto &x) { x.blockDepth = 8; }), "expected a step of depth of at least 16, got 8");
  EXPECT_EQ(with([](auto &x) { x.stages = 1; }), "expected 2 to 8 stages, got 1");
  EXPECT_EQ(with([](auto &x) { x.blockDepth = 128, x.stages = 4; }),
            "expected at most 166912 bytes of shared memory, got 262144");
  EXPECT_NE(with([](auto &x) { x.warpRows = x.warpColumns = 1; }), ""); // 512 sums a lane
  EXPECT_EQ(with([](auto &x) { x.streamedBlocks = 4; }),
            "expected blocks of the grid that have shares of streamed ones, got 0");
  GpuMatmulShape shape = shapeOf(1024, 1024, 512, MatmulInstruction::MmaHalf); // 64 blocks
  shape.mayStream = true;
  s.gridBlocks = 24;
  for (auto [streamed, fits] : {std::pair(64, true), {40, true}, {39, false}, {88, false}}) {
    s.streamedBlocks = streamed;
    EXPECT_EQ(checkStreamed(s, shape).empty(), fits) << streamed;
  }
}

// Each sum lies somewhere, once; a lane's are as many as the block divided by
// the threads.
TEST(GpuMatmulSchedule, LayoutsCoverTheBlock) {
  for (MatmulInstruction instruction : {MatmulInstruction::MmaHalf, MatmulInstruction::Fma}) {
    GpuMatmulSchedule s;
    s.instruction = instruction;
    s.blockRows = 64, s.blockColumns = 128, s.blockDepth = 32, s.warpRows = 2, s.warpColumns = 2;
    TileLayout layout = s.accumulatorLayout();
    EXPECT_EQ(layout.shape(), (std::vector<int64_t>{64, 128}));
    EXPECT_TRUE(layout.atom().isInvertible());
    EXPECT_EQ(layout.registers(), 64 * 128 / 128);
    EXPECT_EQ(s.operandALayout().shape(), (std::vector<int64_t>{64, 32}));
  }
}

TEST(GpuAttentionSchedule, FitsOrIsRefused) {
  GpuMachine machine;
  std::optional<GpuAttentionSchedule> schedule = chooseGpuAttentionSchedule({.depth = 128, .valueDepth = 128}, machine);
  ASSERT_TRUE(schedule);
  EXPECT_EQ(schedule->blockRows % (16 * schedule->warps), 0);
  EXPECT_FALSE(chooseGpuAttentionSchedule({.depth = 4096, .valueDepth = 4096}, machine));
  // A single query takes no block of many.
  EXPECT_EQ(chooseGpuAttentionSchedule({.depth = 64, .valueDepth = 64, .queries = 1, .keys = 1024}, machine)->blockRows,
            16);
}

// Eight heads with a query each: one warp on each of eight multiprocessors, whose copies must be large. Multiply-adds
// on heads of 256 take few rows, or they would spill.
TEST(GpuAttentionSchedule, FewBlocksTakeLargeSteps) {
  GpuMachine machine;
  GpuAttentionShape shape{.depth = 128, .valueDepth = 128, .queries = 1, .keys = 4096};
  int64_t many = chooseGpuAttentionSchedule(shape, machine)->blockKeys;
  shape.heads = 8;
  EXPECT_GT(chooseGpuAttentionSchedule(shape, machine)->blockKeys, many);
  GpuAttentionShape wide{.depth = 256, .valueDepth = 256, .queries = 4096, .keys = 4096};
  wide.instruction = MatmulInstruction::Fma;
  wide.elementBytes = 4;
  std::optional<GpuAttentionSchedule> schedule = chooseGpuAttentionSchedule(wide, machine);
  ASSERT_TRUE(schedule);
  EXPECT_LT(schedule->blockRows / schedule->warps, 16);
}

// A head of 96 is priced as six steps of 16, not as 128; one of 72 as 80.
TEST(GpuAttentionSchedule, HeadsArePaddedToTheInstruction) {
  GpuMachine machine;
  GpuAttentionSchedule schedule{64, 64, 4, 1, ""};
  auto cost = [&](int64_t depth) { return gpuAttentionCost(schedule, {.depth = depth, .valueDepth = depth}, machine); };
  EXPECT_LT(cost(96).registers, cost(128).registers);
  EXPECT_LT(cost(96).sharedBytes, cost(128).sharedBytes);
  EXPECT_LT(cost(96).cycles, cost(128).cycles);
  EXPECT_EQ(cost(72).sharedBytes, cost(80).sharedBytes);
  for (int64_t depth : {8, 40, 72, 80, 96, 112, 160, 192})
    EXPECT_TRUE(chooseGpuAttentionSchedule({.depth = depth, .valueDepth = depth}, machine)) << depth;
}

// A step of a decoder: every multiprocessor has a block, and the parts are expected to be faster by half at least.
TEST(GpuAttentionParts, FillTheMachine) {
  for (int64_t architecture : {80, 90}) {
    GpuMachine machine = gpuMachineOf(architecture);
    for (auto [queries, keys, heads, depth] :
         {std::array<int64_t, 4>{1, 1024, 12, 64}, {4, 8192, 8, 128}, {4, 131072, 8, 128}, {32, 8192, 1, 128}}) {
      GpuAttentionShape shape{.depth = depth, .valueDepth = depth, .queries = queries, .keys = keys, .heads = heads};
      GpuAttentionParts choice = chooseAttentionParts(shape, machine);
      SCOPED_TRACE(choice.reason);
      EXPECT_LT(choice.cycles, choice.wholeCycles / 2);
      EXPECT_GE(choice.parts * heads, std::min<int64_t>(machine.multiprocessors, keys / 128 * heads));
      // None is empty at this length, and the program that is written for them fits.
      int64_t length = (keys + choice.parts - 1) / choice.parts;
      length = (length + choice.unit - 1) / choice.unit * choice.unit;
      EXPECT_LT((choice.parts - 1) * length, keys);
      shape.unit = choice.unit, shape.keys = length, shape.heads = heads * choice.parts;
      std::optional<GpuAttentionSchedule> schedule = chooseGpuAttentionSchedule(shape, machine);
      ASSERT_TRUE(schedule);
      EXPECT_EQ(schedule->blockKeys, choice.unit);
      EXPECT_GT(gpuAttentionCost(*schedule, shape, machine).resident, 0);
    }
  }
}

TEST(GpuAttentionParts, NotWhereLittleIsGained) {
  GpuMachine machine = gpuMachineOf(90);
  // As many heads as fill the machine, a short cache, a prompt, lengths that are not known.
  for (GpuAttentionShape shape :
       {GpuAttentionShape{.depth = 128, .valueDepth = 128, .queries = 4, .keys = 8192, .heads = 256},
        GpuAttentionShape{.queries = 1, .keys = 64, .heads = 12},
        GpuAttentionShape{.queries = 512, .keys = 512, .heads = 12}, GpuAttentionShape{.queries = 1, .heads = 12},
        GpuAttentionShape{.keys = 1024, .heads = 12}, GpuAttentionShape{.queries = 1, .keys = 1024}}) {
    GpuAttentionParts choice = chooseAttentionParts(shape, machine);
    EXPECT_EQ(choice.parts, 1) << choice.reason;
    EXPECT_EQ(choice.reason, "");
  }
}

// With two places for keys and values each, shared memory counts both and a step waits for one copy, not for two.
TEST(GpuAttentionParts, CopiesAStepAhead) {
  GpuMachine machine = gpuMachineOf(90);
  GpuAttentionShape shape{.queries = 1, .keys = 4096, .heads = 12, .unit = 64};
  GpuAttentionSchedule one{16, 64, 1, 1, ""}, two{16, 64, 1, 2, ""};
  GpuAttentionCost slow = gpuAttentionCost(one, shape, machine), fast = gpuAttentionCost(two, shape, machine);
  EXPECT_EQ(fast.sharedBytes - slow.sharedBytes, 64 * 128 * 2);
  EXPECT_LT(fast.cycles, 0.7 * slow.cycles);
  EXPECT_EQ(fast.memoryCycles, slow.memoryCycles);
}
