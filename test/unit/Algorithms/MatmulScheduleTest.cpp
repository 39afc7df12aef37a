// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Algorithms/MatmulSchedule.h"

#include <algorithm>
#include <gtest/gtest.h>

using namespace bessemer;

static CpuSchedule avx512() { return {64, 32, 48 << 10, 2 << 20}; }
static CpuSchedule avx2() { return {32, 16, 32 << 10, 1 << 20}; }

TEST(MatmulSchedule, SplitsKnownRowsEvenly) {
  MatmulSchedule s = chooseMatmulSchedule({128, 384, 1536, true}, avx512());
  EXPECT_EQ(s.taskRows, 128);
  EXPECT_EQ(s.block.shape(), (std::vector<int64_t>{13, 32}));
  EXPECT_EQ(s.block.registers(), 26);
  EXPECT_EQ(s.prefetchBlocks, 8);
  EXPECT_NE(s.reason.find("10 blocks of at most 13 x 32"), std::string::npos);
}

TEST(MatmulSchedule, FillsTheRegistersOfUnknownRows) {
  EXPECT_EQ(chooseMatmulSchedule({std::nullopt, 384, 1536, true}, avx512()).block, cpuRegisterBlock(13, 2, 16));
  EXPECT_EQ(chooseMatmulSchedule({std::nullopt, 384, 1536, true}, avx2()).block, cpuRegisterBlock(6, 2, 8));
}

TEST(MatmulSchedule, TakesRowsThatStayInTheCache) {
  // 2048 rows of 8 KiB: half of 2 MiB holds 128 of them.
  MatmulSchedule s = chooseMatmulSchedule({2048, 2048, 2048, true}, avx512());
  EXPECT_LE(s.taskRows * 2048 * 4, 1 << 20);
  EXPECT_EQ(2048 % s.taskRows, 0);
}

TEST(MatmulSchedule, PrefetchesOnlyWhatIsStreamed) {
  EXPECT_EQ(chooseMatmulSchedule({16, 384, 384, true}, avx512()).prefetchBlocks, 2);
  EXPECT_EQ(chooseMatmulSchedule({16, 384, 384, false}, avx512()).prefetchBlocks, 0);
}

TEST(MatmulSchedule, IsValidForAllShapes) {
  for (const CpuSchedule &machine : {avx512(), avx2(), CpuSchedule{16, 32, 64 << 10, 1 << 20}})
    for (std::optional<int64_t> rows : {std::optional<int64_t>(), {1}, {2}, {13}, {16}, {97}, {128}, {5000}})
      for (std::optional<int64_t> depth : {std::optional<int64_t>(), {0}, {1}, {384}, {100000}})
        EXPECT_EQ(checkMatmulSchedule(chooseMatmulSchedule({rows, depth, 64, true}, machine), machine), "");
}

TEST(MatmulSchedule, ChecksAgainstTheMachine) {
  MatmulSchedule s = chooseMatmulSchedule({128, 384, 1536, true}, avx512());
  EXPECT_EQ(checkMatmulSchedule(s, avx2()), "expected a power of two of at most 8 lanes in the register block, "
                                            "got 16");
  s.block = cpuRegisterBlock(15, 2, 16);
  EXPECT_EQ(checkMatmulSchedule(s, avx512()), "expected at most 29 registers in the register block, got 30");
  s.block = mmaAccumulatorLayout();
  EXPECT_NE(checkMatmulSchedule(s, avx512()), "");
  s.block = cpuRegisterBlock(13, 2, 16);
  s.unroll = 3;
  EXPECT_EQ(checkMatmulSchedule(s, avx512()), "expected a power of two of at most 64 to unroll by, got 3");
}

TEST(MatmulSchedule, RowBlocksCoverTheRows) {
  for (int64_t most : {1, 2, 4, 6, 7, 9, 14})
    for (int64_t rows = 0; rows < 200; ++rows) {
      RowBlocks blocks = evenRowBlocks(rows, most);
      std::vector<int64_t> sizes = rowBlockSizes(most);
      EXPECT_NE(std::find(sizes.begin(), sizes.end(), blocks.size), sizes.end());
      EXPECT_GE(blocks.size * blocks.count, rows);
      if (rows > 0) {
        EXPECT_LE(blocks.size, rows); // the last block can be moved back
        EXPECT_LT(blocks.size * (blocks.count - 1), rows);
      }
    }
}

TEST(MatmulSchedule, RowBlocksOfKnownLengths) {
  auto check = [](int64_t rows, int64_t size, int64_t count) {
    RowBlocks blocks = evenRowBlocks(rows, 14);
    EXPECT_EQ(blocks.size, size);
    EXPECT_EQ(blocks.count, count);
  };
  check(128, 13, 10);
  check(256, 13, 20); // 19 blocks of 14 are more rows
  check(16, 8, 2);
  check(1, 1, 1);
  check(13, 13, 1);
  check(9, 6, 2);
  check(14, 14, 1);
}
