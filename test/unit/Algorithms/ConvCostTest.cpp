// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Algorithms/ConvCost.h"

#include <gtest/gtest.h>

namespace bessemer {
namespace {

constexpr ConvMachine avx2{16, 6}, avx512{32, 14};

TEST(ConvCost, TheExampleOfTheHeader) {
  ConvShape early{1, 56, 56, 64, 64};
  EXPECT_NEAR(convCycles(early, avx2, 0), 8.5e6, 0.1e6);
  EXPECT_NEAR(convCycles(early, avx2, 4), 2.7e6, 0.1e6);
  EXPECT_EQ(chooseConvAlgorithm(early, avx2).tile, 4);
}

TEST(ConvCost, FewTilesAndManyWeightsWantTheSmallerTile) {
  EXPECT_NE(chooseConvAlgorithm({1, 7, 7, 512, 512}, avx2).tile, 4);
}

TEST(ConvCost, WeightsThatTheCoreWouldWaitForStaySmall) {
  EXPECT_EQ(chooseConvAlgorithm({1, 7, 7, 512, 512}, avx512).tile, 0);
  EXPECT_EQ(chooseConvAlgorithm({1, 14, 14, 256, 256}, avx512).tile, 2);
  EXPECT_EQ(chooseConvAlgorithm({1, 28, 28, 128, 128}, avx512).tile, 4);
}

TEST(ConvCost, FewChannelsStayDirect) {
  ConvChoice choice = chooseConvAlgorithm({1, 224, 224, 3, 8}, avx2);
  EXPECT_EQ(choice.tile, 0);
  EXPECT_NE(choice.reason.find("direct convolution"), std::string::npos);
}

TEST(ConvCost, NothingToComputeIsNoReasonToFail) { EXPECT_EQ(chooseConvAlgorithm({0, 0, 0, 0, 0}, avx2).tile, 0); }

} // namespace
} // namespace bessemer
