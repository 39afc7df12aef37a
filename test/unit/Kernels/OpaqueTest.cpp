// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Recurrences, sorting, resampling, detection, signals.
#include "TestSupport.h"

#include <limits>

namespace bessemer::kernels {
namespace {

std::string word(const char *text) { return text; }
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

std::vector<Value> runAll(std::string_view op, const Attributes &attributes, Operands operands,
                          std::vector<Value> results) {
  EXPECT_EQ(runInto(op, attributes, std::move(operands), results), "");
  return results;
}

/// A result whose extents only the kernel knows.
Value open(DType dtype, Shape shape) {
  Value value;
  value.dtype = dtype;
  value.shape = std::move(shape);
  return value;
}

TEST(Recurrent, RnnInBothDirectionsWithLengths) {
  // One unit, h = tanh(x + 2h), two steps; the second sequence has one.
  Value x = f64({2, 2, 1}, {0.1, 0.2, 0.3, 0.4}), ones = f64({2, 1, 1}, {1, 1}), twos = f64({2, 1, 1}, {2, 2});
  Attributes attributes{{"direction", word("bidirectional")}};
  auto results = runAll("rnn", attributes, {x, ones, twos, Value(), i32({2}, {2, 1})},
                        {Value(DType::F64, {2, 2, 2, 1}), Value(DType::F64, {2, 2, 1})});
  double a = std::tanh(0.1), b = std::tanh(0.3 + 2 * a), c = std::tanh(0.3), d = std::tanh(0.1 + 2 * c),
         e = std::tanh(0.2);
  expectNear(results[0].numbers(), {a, e, d, e, b, 0, c, 0}, 1e-15);
  expectNear(results[1].numbers(), {b, e, d, e}, 1e-15);
}

TEST(Recurrent, GruResetsBeforeOrAfter) {
  Value x = f64({1, 1, 1}, {0.5}), w = f64({1, 3, 1}, {1, 2, 3}), r = f64({1, 3, 1}, {0.1, 0.2, 0.3});
  Value bias = f64({1, 6}, {0, 0, 0, 0, 0, 0.7}), h = f64({1, 1, 1}, {0.9});
  double z = sigmoid(0.5 + 0.09), reset = sigmoid(1 + 0.18);
  double before = std::tanh(1.5 + 0.3 * reset * 0.9 + 0.7), after = std::tanh(1.5 + reset * (0.27 + 0.7));
  for (int64_t linear : {0, 1}) {
    Attributes attributes{{"direction", word("forward")}, {"linear_before_reset", linear}};
    auto results = runAll("gru", attributes, {x, w, r, bias, Value(), h},
                          {Value(DType::F64, {1, 1, 1, 1}), Value(DType::F64, {1, 1, 1})});
    expectNear(results[1].numbers(), {(1 - z) * (linear ? after : before) + z * 0.9}, 1e-15);
  }
}

TEST(Recurrent, LstmWithPeepholes) {
  Value x = f64({1, 1, 1}, {0.5}), w = f64({1, 4, 1}, {1, 2, 3, 4}), r = f64({1, 4, 1}, {0.1, 0.2, 0.3, 0.4});
  Value h = f64({1, 1, 1}, {0.6}), c = f64({1, 1, 1}, {0.7}), p = f64({1, 3}, {0.2, 0.3, 0.4});
  auto results = runAll("lstm", {{"direction", word("reverse")}}, {x, w, r, Value(), Value(), h, c, p},
                        {Value(DType::F64, {1, 1, 1, 1}), Value(DType::F64, {1, 1, 1}), Value(DType::F64, {1, 1, 1})});
  double in = sigmoid(0.5 + 0.06 + 0.14), forget = sigmoid(1.5 + 0.18 + 0.28), candidate = std::tanh(2 + 0.24);
  double cell = forget * 0.7 + in * candidate, out = sigmoid(1 + 0.12 + 0.3 * cell);
  expectNear(results[2].numbers(), {cell}, 1e-15);
  expectNear(results[1].numbers(), {out * std::tanh(cell)}, 1e-15);
  EXPECT_NE(errorOf("lstm", {{"direction", word("sideways")}}, {x, w, r}, DType::F64, {1, 1, 1, 1}), "");
}

TEST(Recurrent, ActivationsTakeTheirParametersInOrder) {
  Value x = f64({1, 1, 1}, {-2}), one = f64({1, 1, 1}, {1});
  Attributes attributes{{"activations", std::vector<std::string>{"leakyrelu"}},
                        {"activation_alpha", std::vector<double>{0.25}}};
  auto results =
      runAll("rnn", attributes, {x, one, one}, {Value(DType::F64, {1, 1, 1, 1}), Value(DType::F64, {1, 1, 1})});
  EXPECT_EQ(results[1].numbers(), Numbers{-0.5});
  attributes["clip"] = 1.0;
  results = runAll("rnn", attributes, {x, one, one}, {Value(DType::F64, {1, 1, 1, 1}), Value(DType::F64, {1, 1, 1})});
  EXPECT_EQ(results[1].numbers(), Numbers{-0.25});
}

TEST(Sort, TopKPrefersLowerIndices) {
  Value x = f32({2, 4}, {1, 3, 3, 2, 7, 7, 7, 9});
  auto largest = runAll("topk", {{"axis", int64_t{1}}}, {x}, {Value(DType::F32, {2, 2}), Value(DType::I64, {2, 2})});
  EXPECT_EQ(largest[0].numbers(), (Numbers{3, 3, 9, 7}));
  EXPECT_EQ(largest[1].numbers(), (Numbers{1, 2, 3, 0}));
  auto smallest = runAll("topk", {{"axis", int64_t{0}}, {"largest", int64_t{0}}}, {x},
                         {Value(DType::F32, {1, 4}), Value(DType::I64, {1, 4})});
  EXPECT_EQ(smallest[0].numbers(), (Numbers{1, 3, 3, 2}));
  EXPECT_NE(errorOf("topk", {{"axis", int64_t{1}}}, {x}, DType::F32, {2, 5}), "");
}

TEST(Sort, Unique) {
  Value x = f32({6}, {2, 1, 1, 3, 4, 3});
  std::vector<Value> lists{open(DType::F32, {-1}), open(DType::I64, {-1}), open(DType::I64, {-1}),
                           open(DType::I64, {-1})};
  auto sorted = runAll("unique", {}, {x}, lists);
  EXPECT_EQ(sorted[0].numbers(), (Numbers{1, 2, 3, 4}));
  EXPECT_EQ(sorted[1].numbers(), (Numbers{1, 0, 3, 4}));
  EXPECT_EQ(sorted[2].numbers(), (Numbers{1, 0, 0, 2, 3, 2}));
  EXPECT_EQ(sorted[3].numbers(), (Numbers{2, 1, 2, 1}));
  auto asFound = runAll("unique", {{"sorted", int64_t{0}}}, {x}, lists);
  EXPECT_EQ(asFound[0].numbers(), (Numbers{2, 1, 3, 4}));
  EXPECT_EQ(asFound[1].numbers(), (Numbers{0, 1, 3, 4}));
  EXPECT_EQ(asFound[2].numbers(), (Numbers{0, 1, 1, 2, 3, 2}));
  EXPECT_EQ(asFound[3].numbers(), (Numbers{1, 2, 2, 1}));
  lists[0].shape = {-1, -1};
  auto rows = runAll("unique", {{"axis", int64_t{0}}}, {f32({3, 2}, {1, 0, 1, 0, 0, 5})}, lists);
  EXPECT_EQ(rows[0].shape, (Shape{2, 2}));
  EXPECT_EQ(rows[0].numbers(), (Numbers{0, 5, 1, 0}));
}

TEST(Sort, NonZero) {
  Value y = run("nonzero", {}, {f32({2, 2}, {1, 0, 2, 3})}, DType::I64, {2, -1});
  EXPECT_EQ(y.shape, (Shape{2, 3}));
  EXPECT_EQ(y.numbers(), (Numbers{0, 1, 1, 0, 0, 1}));
}

Attributes resize(const char *mode, const char *coordinates, List axes) {
  return {{"mode", word(mode)},
          {"coordinate_transformation_mode", word(coordinates)},
          {"nearest_mode", word("round_prefer_floor")},
          {"axes", axes}};
}

TEST(Resize, NearestAndLinear) {
  Value x = f32({1, 2}, {1, 2});
  EXPECT_EQ(numbersOf("resize", resize("nearest", "half_pixel", {1}), {x}, {1, 4}), (Numbers{1, 1, 2, 2}));
  EXPECT_EQ(numbersOf("resize", resize("linear", "half_pixel", {1}), {x}, {1, 4}), (Numbers{1, 1.25, 1.75, 2}));
  expectNear(numbersOf("resize", resize("linear", "align_corners", {1}), {x}, {1, 4}), {1, 4.0 / 3, 5.0 / 3, 2});
  EXPECT_EQ(numbersOf("resize", resize("linear", "asymmetric", {1}), {x}, {1, 4}), (Numbers{1, 1.5, 2, 2}));
  Attributes half = resize("linear", "half_pixel", {0, 1});
  half["scales"] = std::vector<double>{1, 0.6};
  expectNear(numbersOf("resize", half, {f32({1, 4}, {1, 2, 3, 4})}, {1, 2}), {1 + 1 / 3.0, 3.0});
}

TEST(Resize, NearestModesAtATie) {
  Attributes attributes = resize("nearest", "asymmetric", {0});
  Value x = f32({2}, {1, 2});
  auto second = [&](const char *mode) {
    attributes["nearest_mode"] = word(mode);
    return numbersOf("resize", attributes, {x}, {4})[1]; // lies at 0.5
  };
  EXPECT_EQ(second("round_prefer_floor"), 1);
  EXPECT_EQ(second("round_prefer_ceil"), 2);
  EXPECT_EQ(second("floor"), 1);
  EXPECT_EQ(second("ceil"), 2);
  attributes["nearest_mode"] = word("other");
  EXPECT_NE(errorOf("resize", attributes, {x}, DType::F32, {4}), "");
}

TEST(Resize, CubicKeepsLinesAndExtrapolationFills) {
  // With a = -1/2 a cubic reproduces a line, away from the edges.
  Value x = f64({8}, {0, 1, 2, 3, 4, 5, 6, 7});
  Attributes cubic = resize("cubic", "half_pixel", {0});
  cubic["cubic_coeff_a"] = -0.5;
  Numbers y = numbersOf("resize", cubic, {x}, {16});
  for (int i = 4; i < 12; ++i)
    EXPECT_NEAR(y[i], (i + 0.5) / 2 - 0.5, 1e-12);
  Attributes crop = resize("linear", "tf_crop_and_resize", {0});
  crop["roi"] = std::vector<double>{0.5, 1.5};
  crop["extrapolation_value"] = 9.0;
  EXPECT_EQ(numbersOf("resize", crop, {f32({3}, {1, 2, 3})}, {3}), (Numbers{2, 3, 9}));
}

TEST(Resize, AntialiasAverages) {
  Attributes attributes = resize("linear", "half_pixel", {0});
  attributes["antialias"] = int64_t{1};
  // Triangle of half-width 2 at 0.5: weights 0.25 0.75 0.75 0.25 on -1, 0, 1, 2 with the edge doubled.
  expectNear(numbersOf("resize", attributes, {f64({4}, {0, 0, 8, 8})}, {2}), {1, 7}, 1e-12);
}

TEST(Sample, Grid) {
  Value x = f32({1, 1, 1, 3}, {1, 2, 4});
  Value grid = f32({1, 1, 3, 2}, {-1, 0, 0, 0, 1.5, 0});
  Attributes attributes{{"mode", word("linear")}, {"padding_mode", word("zeros")}, {"align_corners", int64_t{1}}};
  EXPECT_EQ(numbersOf("grid_sample", attributes, {x, grid}, {1, 1, 1, 3}), (Numbers{1, 2, 2}));
  attributes["padding_mode"] = word("border");
  EXPECT_EQ(numbersOf("grid_sample", attributes, {x, grid}, {1, 1, 1, 3}), (Numbers{1, 2, 4}));
  attributes["padding_mode"] = word("reflection");
  EXPECT_EQ(numbersOf("grid_sample", attributes, {x, grid}, {1, 1, 1, 3}), (Numbers{1, 2, 3}));
}

TEST(Detection, NonMaxSuppression) {
  Value boxes = f32({1, 3, 4}, {0, 0, 1, 1, 0, 0.1, 1, 1.1, 5, 5, 6, 6}), scores = f32({1, 1, 3}, {0.8, 0.9, 0.3});
  Value y = run("non_max_suppression", {}, {boxes, scores, i64({1}, {5}), f32({1}, {0.5}), f32({1}, {0})}, DType::I64,
                {-1, 3});
  EXPECT_EQ(y.numbers(), (Numbers{0, 0, 1, 0, 0, 2}));
  EXPECT_EQ(run("non_max_suppression", {}, {boxes, scores}, DType::I64, {-1, 3}).shape, (Shape{0, 3}));
}

TEST(Detection, RoiAlignOfALine) {
  // On a ramp the average of a bin is its centre.
  Value x = f64({1, 1, 1, 8}, {0, 1, 2, 3, 4, 5, 6, 7}), rois = f64({1, 4}, {2, 0.5, 6, 0.5});
  Attributes attributes{{"mode", word("avg")},
                        {"output_height", int64_t{1}},
                        {"output_width", int64_t{2}},
                        {"sampling_ratio", int64_t{2}},
                        {"spatial_scale", 1.0}};
  expectNear(numbersOf("roi_align", attributes, {x, rois, i64({1}, {0})}, {1, 1, 1, 2}), {2.5, 4.5}, 1e-12);
  EXPECT_NE(errorOf("roi_align", attributes, {x, rois, i64({1}, {1})}, DType::F64, {1, 1, 1, 2}), "");
}

TEST(Signal, TransformAndInverse) {
  Value x = f64({1, 4, 1}, {1, 2, 3, 4});
  Value y = run("dft", {{"axis", int64_t{1}}}, {x}, DType::F64, {1, 4, 2});
  expectNear(y.numbers(), {10, 0, -2, 2, -2, 0, -2, -2}, 1e-13);
  expectNear(numbersOf("dft", {{"axis", int64_t{1}}, {"inverse", int64_t{1}}}, {y}, {1, 4, 2}),
             {1, 0, 2, 0, 3, 0, 4, 0}, 1e-13);
  Value half = run("dft", {{"axis", int64_t{1}}, {"onesided", int64_t{1}}}, {x}, DType::F64, {1, 3, 2});
  expectNear(half.numbers(), {10, 0, -2, 2, -2, 0}, 1e-13);
  expectNear(
      numbersOf("dft", {{"axis", int64_t{1}}, {"onesided", int64_t{1}}, {"inverse", int64_t{1}}}, {half}, {1, 4, 1}),
      {1, 2, 3, 4}, 1e-13);
}

TEST(Signal, ShortTime) {
  Value x = f64({1, 4, 1}, {1, 2, 3, 5}), window = f64({2}, {1, 0.5});
  expectNear(numbersOf("stft", {{"frame_step", int64_t{1}}, {"frame_length", int64_t{2}}}, {x, window}, {1, 3, 2, 2}),
             {2, 0, 0, 0, 3.5, 0, 0.5, 0, 5.5, 0, 0.5, 0}, 1e-13);
}

TEST(Signal, Determinant) {
  expectNear(numbersOf("det", {}, {f64({2, 2, 2}, {0, 1, 1, 0, 3, 1, 4, 2})}, {2}), {-1, 2}, 1e-14);
  EXPECT_EQ(numbersOf("det", {}, {f64({2, 2}, {1, 2, 2, 4})}, {}), Numbers{0});
}

} // namespace
} // namespace bessemer::kernels
