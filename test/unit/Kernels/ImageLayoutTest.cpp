// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Images with the channels last, packed weights, Winograd's steps: each equals
// the plain form.
#include "TestSupport.h"

namespace bessemer::kernels {
namespace {

constexpr int64_t channels = 6, outputs = 4, height = 5, width = 7;

Numbers scattered(int64_t count, int64_t step) {
  Numbers numbers;
  for (int64_t i = 0; i < count; ++i)
    numbers.push_back(static_cast<double>(i * step % 17) - 8);
  return numbers;
}

/// [N, C, plane] -> [N, plane, C], one image.
Numbers channelsLast(const Numbers &x, int64_t count) {
  Numbers turned(x.size());
  int64_t plane = static_cast<int64_t>(x.size()) / count;
  for (int64_t c = 0; c < count; ++c)
    for (int64_t p = 0; p < plane; ++p)
      turned[p * count + c] = x[c * plane + p];
  return turned;
}

Attributes conv(int64_t groups) {
  return {{"strides", List{1, 1}}, {"dilations", List{1, 1}}, {"pads", List{1, 1, 1, 1}}, {"groups", groups}};
}

struct Plain {
  Numbers image = scattered(channels * height * width, 5), weights, result;

  explicit Plain(int64_t groups) : weights(scattered(outputs * channels / groups * 9, 7)) {
    result = numbersOf("conv", conv(groups),
                       {f32({1, channels, height, width}, image), f32({outputs, channels / groups, 3, 3}, weights)},
                       {1, outputs, height, width});
  }
};

TEST(ImageLayout, ConvWithTheChannelsLast) {
  Plain plain(1);
  Attributes attributes = conv(1);
  attributes["layout"] = std::string("channels_last");
  EXPECT_EQ(numbersOf("conv", attributes,
                      {f32({1, height, width, channels}, channelsLast(plain.image, channels)),
                       f32({outputs, channels, 3, 3}, plain.weights)},
                      {1, height, width, outputs}),
            channelsLast(plain.result, outputs));
}

TEST(ImageLayout, ConvWithPackedWeightsOfGroups) {
  int64_t groups = 2, perGroup = outputs / groups, depth = channels / groups * 9, block = 4;
  Plain plain(groups);
  Numbers packed(groups * depth * block, 0);
  for (int64_t o = 0; o < outputs; ++o)
    for (int64_t c = 0; c < channels / groups; ++c)
      for (int64_t t = 0; t < 9; ++t)
        packed[(o / perGroup * depth + t * (channels / groups) + c) * block + o % perGroup] =
            plain.weights[(o * (channels / groups) + c) * 9 + t];
  Attributes attributes = conv(groups);
  attributes["layout"] = std::string("channels_last");
  attributes["weight_shape"] = List{outputs, channels / groups, 3, 3};
  Value image = f32({1, height, width, channels}, channelsLast(plain.image, channels));
  EXPECT_EQ(numbersOf("conv", attributes, {image, f32({groups, 1, depth, block}, packed)}, {1, height, width, outputs}),
            channelsLast(plain.result, outputs));
  EXPECT_NE(errorOf("conv", attributes, {image, f32({groups, 2, depth, block / 2}, packed)}, DType::F32,
                    {1, height, width, outputs}),
            "");
}

TEST(ImageLayout, PoolWithTheChannelsLast) {
  Numbers image = scattered(channels * height * width, 5);
  Attributes attributes = {{"kind", std::string("average")}, {"window", List{3, 2}},     {"strides", List{2, 1}},
                           {"dilations", List{1, 1}},        {"pads", List{1, 0, 1, 1}}, {"ceil_pads", List{0, 0}}};
  Numbers wanted = numbersOf("pool", attributes, {f32({1, channels, height, width}, image)}, {1, channels, 3, width});
  attributes["layout"] = std::string("channels_last");
  EXPECT_EQ(numbersOf("pool", attributes, {f32({1, height, width, channels}, channelsLast(image, channels))},
                      {1, 3, width, channels}),
            channelsLast(wanted, channels));
}

class Winograd : public testing::TestWithParam<int64_t> {};

TEST_P(Winograd, TheStepsAreAConvolution) {
  Plain plain(1);
  int64_t m = GetParam(), points = (m + 2) * (m + 2), tiles = (height + m - 1) / m * ((width + m - 1) / m);
  Attributes tile = {{"tile", m}}, input = {{"tile", m}, {"pads", List{1, 1, 1, 1}}};
  Value v = run("winograd_input", input, {f64({1, height, width, channels}, channelsLast(plain.image, channels))},
                DType::F64, {points, tiles, channels});
  Value u = run("winograd_weights", tile, {f64({outputs, channels, 3, 3}, plain.weights)}, DType::F64,
                {points, channels, outputs});
  Value products = run("matmul", {}, {v, u}, DType::F64, {points, tiles, outputs});
  Numbers bias = {1, 2, 3, 4};
  Numbers result =
      run("winograd_output", tile, {products, f64({outputs}, bias)}, DType::F64, {1, height, width, outputs}).numbers();
  Numbers wanted = channelsLast(plain.result, outputs);
  for (size_t i = 0; i < wanted.size(); ++i)
    wanted[i] += bias[i % outputs];
  expectNear(result, wanted, 1e-9);
}
INSTANTIATE_TEST_SUITE_P(Tiles, Winograd, testing::Values(2, 4));

TEST(WinogradSteps, OperandsThatDoNotFitAreRefused) {
  Value w = f32({2, 2, 3, 2}, Numbers(24, 1));
  EXPECT_NE(errorOf("winograd_weights", {{"tile", int64_t{4}}}, {w}, DType::F32, {36, 2, 2}), "");
  EXPECT_NE(
      errorOf("winograd_weights", {{"tile", int64_t{3}}}, {f32({1, 1, 3, 3}, Numbers(9, 1))}, DType::F32, {25, 1, 1}),
      "");
  EXPECT_NE(
      errorOf("winograd_output", {{"tile", int64_t{2}}}, {f32({16, 2, 1}, Numbers(32, 1))}, DType::F32, {1, 2, 2, 1}),
      "");
}

} // namespace
} // namespace bessemer::kernels
