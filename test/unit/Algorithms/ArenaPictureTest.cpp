// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bessemer/Algorithms/ArenaPicture.h"

#include "gtest/gtest.h"

using namespace bessemer;

static size_t count(const std::string &text, const std::string &part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++found;
  return found;
}

TEST(ArenaPicture, HasABoxForEachBufferAndMarksThePeak) {
  std::string svg = drawArena({{"x", 0, 2, 0, 4096}, {"y", 1, 3, 4096, 4096}, {"z", 2, 3, 0, 64}}, 8192, "m.onnx");
  EXPECT_EQ(count(svg, "<g><rect"), 3u);
  EXPECT_NE(svg.find("at step 1 8.0 KiB are live: 100.0 %"), std::string::npos);
  EXPECT_EQ(count(svg, ">peak<"), 1u);
}

TEST(ArenaPicture, TellsTheCallsOfALayerApart) {
  std::string svg = drawArena({{"h", 0, 2, 0, 64, 1}, {"h", 2, 4, 0, 64, 2}}, 64, "m.onnx");
  EXPECT_EQ(count(svg, "<title>h, call 1:"), 1u);
  EXPECT_EQ(count(svg, "<title>h, call 2:"), 1u);
}

TEST(ArenaPicture, EscapesNamesAndAcceptsNone) {
  std::string svg = drawArena({{"a<b>&\"c\"\n", 0, 1, 0, 64}}, 64, "<m>");
  EXPECT_NE(svg.find("a&lt;b&gt;&amp;&quot;c&quot;"), std::string::npos);
  EXPECT_EQ(svg.find("a<b"), std::string::npos);
  EXPECT_EQ(count(drawArena({}, 0, "none"), "</svg>"), 1u);
}
