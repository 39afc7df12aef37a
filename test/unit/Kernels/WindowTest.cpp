// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Convolutions and pools.
#include "TestSupport.h"

namespace bessemer::kernels {
namespace {

std::string word(const char *text) { return text; }

Numbers counting(int64_t count) {
  Numbers numbers;
  for (int64_t i = 0; i < count; ++i)
    numbers.push_back(static_cast<double>(i));
  return numbers;
}

Attributes window(List strides, List dilations, List pads, int64_t groups = 1) {
  return {{"strides", strides}, {"dilations", dilations}, {"pads", pads}, {"groups", groups}};
}

TEST(Conv, PaddingAsInTheOnnxDocument) {
  Value x = f32({1, 1, 5, 5}, counting(25)), w = f32({1, 1, 3, 3}, Numbers(9, 1));
  EXPECT_EQ(numbersOf("conv", window({1, 1}, {1, 1}, {1, 1, 1, 1}), {x, w}, {1, 1, 5, 5}),
            (Numbers{12,  21, 27, 33,  24,  33,  54,  63, 72,  51,  63,  99, 108,
                     117, 81, 93, 144, 153, 162, 111, 72, 111, 117, 123, 84}));
  EXPECT_EQ(numbersOf("conv", window({2, 2}, {1, 1}, {0, 0, 0, 0}), {x, w, f32({1}, {100})}, {1, 1, 2, 2}),
            (Numbers{154, 172, 244, 262}));
}

TEST(Conv, DilationGroupsAndOneDimension) {
  Value x = f32({1, 2, 4}, {1, 2, 3, 4, 10, 20, 30, 40}), w = f32({2, 1, 2}, {1, 1, 1, -1});
  EXPECT_EQ(numbersOf("conv", window({1}, {2}, {0, 0}, 2), {x, w}, {1, 2, 2}), (Numbers{4, 6, -20, -20}));
  EXPECT_NE(errorOf("conv", window({1}, {2}, {0, 0}, 1), {x, w}, DType::F32, {1, 2, 2}), "");
  EXPECT_NE(errorOf("conv", window({0}, {2}, {0, 0}, 2), {x, w}, DType::F32, {1, 2, 2}), "");
}

TEST(Conv, Integers) {
  Value x(DType::U8, {1, 1, 3}, {255, 255, 1}), w(DType::I8, {1, 1, 2}, {-128, 1});
  EXPECT_EQ(run("conv", window({1}, {1}, {0, 0}), {x, w}, DType::I32, {1, 1, 2}).numbers(), (Numbers{-32385, -32639}));
}

TEST(Conv, ManyPlacesAndChannelsMatchTheDefinition) {
  int64_t channels = 5, outputs = 3, n = 21;
  Numbers x(channels * n * n), w(outputs * channels * 9), wanted;
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<double>(i * 7 % 13) - 6;
  for (size_t i = 0; i < w.size(); ++i)
    w[i] = static_cast<double>(i * 5 % 11) - 5;
  for (int64_t o = 0; o < outputs; ++o)
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (int64_t c = 0; c < channels; ++c)
          for (int64_t a = -1; a <= 1; ++a)
            for (int64_t b = -1; b <= 1; ++b)
              if (i + a >= 0 && i + a < n && j + b >= 0 && j + b < n)
                sum += w[((o * channels + c) * 3 + a + 1) * 3 + b + 1] * x[(c * n + i + a) * n + j + b];
        wanted.push_back(sum);
      }
  EXPECT_EQ(numbersOf("conv", window({1, 1}, {1, 1}, {1, 1, 1, 1}),
                      {f32({1, channels, n, n}, x), f32({outputs, channels, 3, 3}, w)}, {1, outputs, n, n}),
            wanted);
}

TEST(ConvTranspose, AsInTheOnnxDocument) {
  Value x = f32({1, 1, 3}, {0, 1, 2}), w = f32({1, 2, 3}, Numbers(6, 1));
  EXPECT_EQ(numbersOf("conv_transpose", window({1}, {1}, {0, 0}), {x, w}, {1, 2, 5}),
            (Numbers{0, 1, 3, 3, 2, 0, 1, 3, 3, 2}));
  EXPECT_EQ(numbersOf("conv_transpose", window({2}, {1}, {1, 1}), {x, w, f32({2}, {0, 10})}, {1, 2, 5}),
            (Numbers{0, 1, 1, 3, 2, 10, 11, 11, 13, 12}));
}

TEST(DeformConv, ShiftedTapsInterpolate) {
  Value x = f32({1, 1, 1, 3}, {1, 2, 4}), w = f32({1, 1, 1, 1}, {1});
  Attributes attributes = window({1, 1}, {1, 1}, {0, 0, 0, 0});
  attributes["offset_groups"] = int64_t{1};
  Value offset = f32({1, 2, 1, 3}, {0, 0, 0, 0.5, 0.5, 0.5});
  EXPECT_EQ(numbersOf("deform_conv", attributes, {x, w, offset}, {1, 1, 1, 3}), (Numbers{1.5, 3, 2}));
  EXPECT_EQ(
      numbersOf("deform_conv", attributes, {x, w, offset, f32({1}, {1}), f32({1, 1, 1, 3}, {0, 1, 2})}, {1, 1, 1, 3}),
      (Numbers{1, 4, 5}));
}

TEST(Col2Im, OverlapsAdd) {
  Attributes attributes = window({1}, {1}, {0, 0});
  attributes["block"] = List{2};
  EXPECT_EQ(numbersOf("col2im", attributes, {f32({1, 2, 2}, {1, 2, 3, 4})}, {1, 1, 3}), (Numbers{1, 5, 4}));
}

Attributes pool(const char *kind, List extents, List strides, List pads) {
  return {{"kind", word(kind)},
          {"window", extents},
          {"strides", strides},
          {"pads", pads},
          {"ceil_pads", List(extents.size(), 0)}};
}

TEST(Pool, MaxIgnoresPadding) {
  EXPECT_EQ(numbersOf("pool", pool("max", {2}, {1}, {1, 1}), {f32({1, 1, 3}, {-3, -1, -2})}, {1, 1, 4}),
            (Numbers{-3, -1, -1, -2}));
  EXPECT_EQ(numbersOf("pool", pool("max", {2}, {2}, {0, 0}), {Value(DType::U8, {1, 1, 4}, {1, 200, 3, 4})}, {1, 1, 2}),
            (Numbers{200, 4}));
  Attributes dilated = pool("max", {2}, {1}, {0, 0});
  dilated["dilations"] = List{2};
  EXPECT_EQ(numbersOf("pool", dilated, {f32({1, 1, 4}, {5, 9, 1, 2})}, {1, 1, 2}), (Numbers{5, 9}));
}

TEST(Pool, AverageCountsPaddingOnlyWhenAsked) {
  Value x = f32({1, 1, 3}, {2, 4, 6});
  Attributes attributes = pool("average", {2}, {2}, {1, 2});
  EXPECT_EQ(numbersOf("pool", attributes, {x}, {1, 1, 3}), (Numbers{2, 5, 0}));
  attributes["count_include_pad"] = int64_t{1};
  EXPECT_EQ(numbersOf("pool", attributes, {x}, {1, 1, 3}), (Numbers{1, 5, 0}));
  // A high pad that ceil_mode added is not counted: the last window has one tap.
  Attributes rounded = pool("average", {2}, {2}, {0, 1});
  rounded["count_include_pad"] = int64_t{1};
  rounded["ceil_pads"] = List{1};
  EXPECT_EQ(numbersOf("pool", rounded, {x}, {1, 1, 2}), (Numbers{3, 6}));
}

TEST(Pool, PowerMean) {
  Attributes attributes = pool("lp", {2}, {1}, {0, 0});
  expectNear(numbersOf("pool", attributes, {f32({1, 1, 2}, {3, -4})}, {1, 1, 1}), {5});
  attributes["p"] = int64_t{3};
  expectNear(numbersOf("pool", attributes, {f32({1, 1, 2}, {3, -4})}, {1, 1, 1}), {std::cbrt(91)});
}

TEST(Pool, IndicesAndUnpool) {
  Value x = f32({1, 2, 2, 2}, {1, 2, 3, 9, 8, 5, 6, 7});
  Attributes attributes = pool("max", {2, 2}, {1, 1}, {0, 0, 0, 0});
  Value flat = run("max_pool_indices", attributes, {x}, DType::I64, {1, 2, 1, 1});
  EXPECT_EQ(flat.numbers(), (Numbers{3, 4}));
  Attributes upper = pool("max", {1, 2}, {1, 1}, {0, 0, 0, 0});
  upper["column_major"] = int64_t{1};
  EXPECT_EQ(run("max_pool_indices", upper, {x}, DType::I64, {1, 2, 2, 1}).numbers(), (Numbers{2, 3, 4, 7}));
  EXPECT_EQ(numbersOf("max_unpool", {}, {f32({1, 2, 1, 1}, {9, 8}), flat}, {1, 2, 2, 2}),
            (Numbers{0, 0, 0, 9, 8, 0, 0, 0}));
  EXPECT_NE(errorOf("max_unpool", {}, {f32({1}, {9}), i64({1}, {8})}, DType::F32, {8}), "");
}

} // namespace
} // namespace bessemer::kernels
