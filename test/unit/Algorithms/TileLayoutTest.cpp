// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bessemer/Algorithms/TileLayout.h"

#include <gtest/gtest.h>

#include <set>

using namespace bessemer;

namespace {

using Element = std::vector<int64_t>;

/// Each place holds an element of the tile, each element is found where it is.
void expectCovers(const TileLayout &tile) {
  std::set<Element> seen;
  const LinearLayout &atom = tile.atom();
  for (int64_t reg = 0; reg < tile.registers(); ++reg)
    for (int64_t lane = 0; lane < atom.inputSize("lane"); ++lane)
      for (int64_t warp = 0; warp < atom.inputSize("warp"); ++warp)
        for (int64_t offset = 0; offset < atom.inputSize("offset"); ++offset)
          seen.insert(tile.locate(reg, {{"lane", lane}, {"warp", warp}, {"offset", offset}}));
  EXPECT_EQ(int64_t(seen.size()), tile.numElements()) << tile.str();
  std::vector<int64_t> shape = tile.shape();
  for (const Element &element : seen) {
    for (size_t i = 0; i < shape.size(); ++i)
      EXPECT_LT(element[i], shape[i]);
    TileLayout::Place place = tile.find(element);
    EXPECT_EQ(tile.locate(place.reg, place.others), element) << tile.str();
  }
  std::string error;
  std::optional<TileLayout> again = TileLayout::parse(tile.str(), &error);
  ASSERT_TRUE(again.has_value()) << error;
  EXPECT_EQ(*again, tile);
}

TEST(TileLayout, CpuRegisterBlockNeedsNoPowersOfTwo) {
  TileLayout block = cpuRegisterBlock(6, 2, 8);
  EXPECT_EQ(block.shape(), (Element{6, 16}));
  EXPECT_EQ(block.registers(), 12);
  EXPECT_EQ(block.locate(5, {{"lane", 3}}), (Element{2, 11}));
  EXPECT_EQ(block.str(), "[6, 2] x {register = [], lane = [[0, 1], [0, 2], "
                         "[0, 4]]} -> {row = 1, col = 8}");
  expectCovers(block);
  expectCovers(cpuRegisterBlock(1, 1, 1));
  expectCovers(cpuRegisterBlock(14, 3, 16));
}

// The formulas of the PTX ISA, as they stand there.
TEST(TileLayout, MmaFragmentsFollowThePtxIsa) {
  for (int64_t lane = 0; lane < 32; ++lane) {
    int64_t group = lane >> 2, thread = lane % 4;
    for (int64_t i = 0; i < 4; ++i)
      EXPECT_EQ(mmaAccumulatorLayout().locate(i, {{"lane", lane}}),
                (Element{i < 2 ? group : group + 8, thread * 2 + (i & 1)}));
    for (int64_t i = 0; i < 8; ++i)
      EXPECT_EQ(mmaOperandALayout().locate(i, {{"lane", lane}}),
                (Element{i < 2 || (4 <= i && i < 6) ? group : group + 8, thread * 2 + (i & 1) + (i < 4 ? 0 : 8)}));
    for (int64_t i = 0; i < 4; ++i)
      EXPECT_EQ(mmaOperandBLayout().locate(i, {{"lane", lane}}),
                (Element{thread * 2 + (i & 1) + (i < 2 ? 0 : 8), group}));
  }
  expectCovers(mmaAccumulatorLayout());
  expectCovers(mmaOperandALayout());
  expectCovers(mmaOperandBLayout());
}

TEST(TileLayout, WgmmaAccumulatorFollowsThePtxIsa) {
  for (int64_t n : {8, 64, 112, 256}) {
    TileLayout tile = wgmmaAccumulatorLayout(n);
    EXPECT_EQ(tile.shape(), (Element{64, n}));
    EXPECT_EQ(tile.registers(), n / 2);
    for (int64_t thread = 0; thread < 128; ++thread)
      for (int64_t i = 0; i < n / 2; ++i)
        EXPECT_EQ(
            tile.locate(i, {{"lane", thread % 32}, {"warp", thread / 32}}),
            (Element{16 * (thread / 32) + thread % 32 / 4 + 8 * (i / 2 % 2), 8 * (i / 4) + thread % 4 * 2 + i % 2}));
    expectCovers(tile);
  }
}

TEST(TileLayout, SwizzleTradesGroupsWithinARow) {
  TileLayout tile = sharedSwizzleLayout(16, 64, 8, 2, 4);
  for (int64_t row = 0; row < 16; ++row)
    for (int64_t col = 0; col < 64; ++col)
      EXPECT_EQ(tile.locate(0, {{"offset", row * 64 + col}}), (Element{row, col ^ (row / 2 % 4 * 8)}));
  expectCovers(tile);
}

TEST(TileLayout, TmaSwizzleTradesAddressBits) {
  for (int64_t width : {32, 64, 128}) {
    TileLayout tile = tmaSwizzleLayout(32, 2, width);
    int64_t mask = width / 16 - 1;
    for (int64_t address = 0; address < 32 * width; address += 2) {
      // What CUTLASS writes as Swizzle<log2(width / 16), 4, 3> on bytes.
      int64_t logical = address ^ ((address >> 7 & mask) << 4);
      EXPECT_EQ(tile.locate(0, {{"offset", address / 2}}), (Element{logical / width, logical % width / 2}));
    }
  }
}

TEST(TileLayout, BlockedLayoutGivesNeighboursToThreads) {
  Element shape{16, 64}, perThread{1, 4}, threads{4, 8}, warps{2, 1};
  std::vector<unsigned> order{1, 0};
  std::optional<TileLayout> tile = blockedLayout(shape, perThread, threads, warps, order);
  ASSERT_TRUE(tile.has_value());
  EXPECT_EQ(tile->shape(), shape);
  for (int64_t reg = 0; reg < tile->registers(); ++reg)
    for (int64_t lane = 0; lane < 32; ++lane)
      for (int64_t warp = 0; warp < 2; ++warp) {
        int64_t repeat = reg / 4;
        EXPECT_EQ(tile->locate(reg, {{"lane", lane}, {"warp", warp}}),
                  (Element{lane / 8 + 4 * warp + 8 * (repeat / 2), reg % 4 + 4 * (lane % 8) + 32 * (repeat % 2)}));
      }
  expectCovers(*tile);
}

TEST(TileLayout, BlockedLayoutReplicatesSmallTilesAndRepeatsOddOnes) {
  Element perThread{4}, threads{32}, warps{4};
  std::vector<unsigned> order{0};
  std::optional<TileLayout> small = blockedLayout(Element{64}, perThread, threads, warps, order);
  ASSERT_TRUE(small.has_value());
  EXPECT_EQ(small->registers(), 4);
  EXPECT_EQ(small->atom().redundantBits("lane"), 16u);
  expectCovers(*small);
  std::optional<TileLayout> odd = blockedLayout(Element{3 * 512}, perThread, threads, warps, order);
  ASSERT_TRUE(odd.has_value());
  EXPECT_EQ(odd->numRepeats(), 3);
  expectCovers(*odd);

  std::string error;
  EXPECT_FALSE(blockedLayout(Element{100}, perThread, threads, warps, order, &error).has_value());
  EXPECT_EQ(error, "expected a multiple of the block along dimension 0, got 100");
  EXPECT_FALSE(blockedLayout(Element{64}, Element{3}, threads, warps, order, &error).has_value());
  EXPECT_EQ(error, "expected powers of two, got 3");
}

TEST(TileLayout, RefusesBadTiles) {
  std::string error;
  LinearLayout atom = LinearLayout::identity1D(4, "lane", "col");
  EXPECT_FALSE(TileLayout::create(atom, {0}, &error).has_value());
  EXPECT_FALSE(TileLayout::create(atom, {1, 1}, &error).has_value());
  EXPECT_FALSE(TileLayout::create(LinearLayout::zeros1D(4, "lane", "col", 8), {1}, &error).has_value());
  EXPECT_EQ(error, "expected an atom that holds each of its elements");
  EXPECT_FALSE(TileLayout::create(atom, {int64_t(1) << 60}, &error).has_value());
  EXPECT_FALSE(TileLayout::parse("[2] {} -> {}", &error).has_value());
  EXPECT_EQ(error, "expected 'x', got '{' at offset 4");
}

} // namespace
