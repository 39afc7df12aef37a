// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Algorithms/WgmmaOperand.h"

#include <gtest/gtest.h>

using namespace bessemer;

// CUTLASS states the same for its canonical layouts (mma_sm90_desc.hpp).
TEST(WgmmaOperand, KnownDescriptors) {
  TileLayout tile = bulkTileLayout(128, 64, 2);
  std::optional<WgmmaDescriptor> alongK = describeWgmmaOperand(tile, 2, 1, 64);
  ASSERT_TRUE(alongK);
  EXPECT_TRUE(alongK->isDepthMajor);
  EXPECT_EQ(alongK->swizzleBytes, 128);
  EXPECT_EQ(alongK->strideBytes, 1024);
  EXPECT_EQ(alongK->fields(), 0x4000004000010000u);
  EXPECT_EQ(tilePlace(tile, 2, 64, 16), 8224);
  // k x n, 64 x 256: boxes of 64 x 64.
  std::optional<WgmmaDescriptor> alongN = describeWgmmaOperand(bulkTileLayout(64, 256, 2), 2, 0, 256);
  ASSERT_TRUE(alongN);
  EXPECT_FALSE(alongN->isDepthMajor);
  EXPECT_EQ(alongN->swizzleBytes, 128);
  EXPECT_EQ(alongN->strideBytes, 1024);
  EXPECT_EQ(alongN->leadingBytes, 8192);
}

TEST(WgmmaOperand, EachTileOfTheCopyEngineHasOne) {
  for (int64_t elementBytes : {1, 2, 4})
    for (int64_t rows : {8, 16, 64, 128, 256})
      for (int64_t columnBytes : {32, 64, 128, 256}) {
        TileLayout tile = bulkTileLayout(rows, columnBytes / elementBytes, elementBytes);
        for (int64_t extent = 8; extent <= rows; extent *= 2) {
          std::string error;
          EXPECT_TRUE(describeWgmmaOperand(tile, elementBytes, 1, extent, &error)) << tile.str() << ": " << error;
        }
        for (int64_t extent = 8; elementBytes == 2 && rows >= 16 && extent <= columnBytes / 2; extent *= 2) {
          std::string error;
          EXPECT_TRUE(describeWgmmaOperand(tile, 2, 0, extent, &error)) << tile.str() << ": " << error;
        }
      }
}

TEST(WgmmaOperand, RefusesWhatTheInstructionCannotRead) {
  std::string error;
  // A swizzle of another kind, and neighbours along n of other elements than of 16 bits.
  EXPECT_FALSE(describeWgmmaOperand(sharedSwizzleLayout(64, 64, 8, 2, 8), 2, 1, 64, &error));
  EXPECT_NE(error.find("swizzles"), std::string::npos);
  EXPECT_FALSE(describeWgmmaOperand(bulkTileLayout(32, 64, 4), 4, 0, 64, &error));
  EXPECT_NE(error.find("16 bits"), std::string::npos);
  EXPECT_FALSE(describeWgmmaOperand(bulkTileLayout(32, 64, 2), 2, 1, 64, &error));
}
