// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Moves, indices, scatters, generated elements.
#include "TestSupport.h"

namespace bessemer::kernels {
namespace {

const Value matrix = f32({2, 3}, {1, 2, 3, 4, 5, 6});
std::string word(const char *text) { return text; }

TEST(Move, Reshape) {
  EXPECT_EQ(numbersOf("reshape", {}, {matrix}, {3, 2}), (Numbers{1, 2, 3, 4, 5, 6}));
  EXPECT_NE(errorOf("reshape", {}, {matrix}, DType::F32, {4}), "");
}

TEST(Move, Broadcast) {
  EXPECT_EQ(numbersOf("broadcast", {}, {f32({2, 1}, {1, 2})}, {2, 2, 3}),
            (Numbers{1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2}));
  EXPECT_NE(errorOf("broadcast", {}, {matrix}, DType::F32, {3, 2}), "");
}

TEST(Move, Transpose) {
  EXPECT_EQ(numbersOf("transpose", {{"permutation", List{1, 0}}}, {matrix}, {3, 2}), (Numbers{1, 4, 2, 5, 3, 6}));
  Value strings = Value::text({1, 2}, {"a", "b"});
  EXPECT_EQ(run("transpose", {{"permutation", List{1, 0}}}, {strings}, DType::String, {2, 1}).strings, strings.strings);
  EXPECT_NE(errorOf("transpose", {{"permutation", List{0, 0}}}, {matrix}, DType::F32, {2, 2}), "");
}

TEST(Move, TransposeOfPackedElements) {
  // [[1, 2, 3], [4, 5, 6]] in four bits; an odd count of columns straddles bytes.
  Value x = Value::raw(DType::U4, {2, 3}, {0x21, 0x43, 0x65});
  Value y = run("transpose", {{"permutation", List{1, 0}}}, {x}, DType::U4, {3, 2});
  EXPECT_EQ(y.bytes[0], 0x41);
  EXPECT_EQ(y.bytes[1], 0x52);
  EXPECT_EQ(y.bytes[2], 0x63);
}

TEST(Move, TransposingTwiceGivesTheOperand) {
  Numbers numbers(2 * 3 * 4 * 5);
  for (size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = static_cast<double>(i);
  Value once =
      run("transpose", {{"permutation", List{2, 0, 3, 1}}}, {f32({2, 3, 4, 5}, numbers)}, DType::F32, {4, 2, 5, 3});
  EXPECT_EQ(numbersOf("transpose", {{"permutation", List{1, 3, 0, 2}}}, {once}, {2, 3, 4, 5}), numbers);
}

TEST(Move, Slice) {
  EXPECT_EQ(numbersOf("slice", {{"offsets", List{1, 2}}, {"steps", List{-1, -2}}}, {matrix}, {2, 2}),
            (Numbers{6, 4, 3, 1}));
  EXPECT_EQ(numbersOf("slice", {{"offsets", List{0, 3}}, {"steps", List{1, 1}}}, {matrix}, {2, 0}), Numbers{});
  EXPECT_NE(errorOf("slice", {{"offsets", List{0, 2}}, {"steps", List{1, 1}}}, {matrix}, DType::F32, {2, 2}), "");
  EXPECT_NE(errorOf("slice", {{"offsets", List{0, -1}}, {"steps", List{1, 1}}}, {matrix}, DType::F32, {2, 2}), "");
}

TEST(Move, Concat) {
  EXPECT_EQ(numbersOf("concat", {{"axis", int64_t{1}}}, {matrix, f32({2, 1}, {7, 8})}, {2, 4}),
            (Numbers{1, 2, 3, 7, 4, 5, 6, 8}));
  EXPECT_EQ(numbersOf("concat", {{"axis", int64_t{-2}}}, {matrix, f32({0, 3}, {}), matrix}, {4, 3}),
            (Numbers{1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6}));
  EXPECT_NE(errorOf("concat", {{"axis", int64_t{0}}}, {matrix, f32({2, 1}, {7, 8})}, DType::F32, {4, 3}), "");
}

TEST(Move, Pad) {
  Value x = f32({3}, {1, 2, 3});
  auto padded = [&](const char *mode) {
    return numbersOf("pad", {{"low", List{2}}, {"mode", word(mode)}}, {x, Value()}, {7});
  };
  EXPECT_EQ(padded("constant"), (Numbers{0, 0, 1, 2, 3, 0, 0}));
  EXPECT_EQ(padded("reflect"), (Numbers{3, 2, 1, 2, 3, 2, 1}));
  EXPECT_EQ(padded("edge"), (Numbers{1, 1, 1, 2, 3, 3, 3}));
  EXPECT_EQ(padded("wrap"), (Numbers{2, 3, 1, 2, 3, 1, 2}));
  EXPECT_EQ(numbersOf("pad", {{"low", List{-1, 1}}}, {matrix, f32({}, {9})}, {2, 3}), (Numbers{9, 4, 5, 9, 9, 9}));
}

TEST(Move, RepeatAndReverse) {
  EXPECT_EQ(numbersOf("repeat", {}, {f32({1, 2}, {1, 2})}, {2, 4}), (Numbers{1, 2, 1, 2, 1, 2, 1, 2}));
  EXPECT_NE(errorOf("repeat", {}, {matrix}, DType::F32, {2, 4}), "");
  EXPECT_EQ(numbersOf("reverse", {{"axes", List{1}}}, {matrix}, {2, 3}), (Numbers{3, 2, 1, 6, 5, 4}));
  EXPECT_EQ(numbersOf("reverse", {{"axes", List{0, 1}}}, {matrix}, {2, 3}), (Numbers{6, 5, 4, 3, 2, 1}));
}

TEST(Move, PackIntoPanels) {
  Attributes panels{{"layout", word("panels")}, {"block", int64_t{2}}};
  EXPECT_EQ(numbersOf("pack", panels, {matrix}, {2, 2, 2}), (Numbers{1, 2, 4, 5, 3, 0, 6, 0}));
  panels["transposed"] = int64_t{1};
  EXPECT_EQ(numbersOf("pack", panels, {f32({3, 2}, {1, 4, 2, 5, 3, 6})}, {2, 2, 2}), (Numbers{1, 2, 4, 5, 3, 0, 6, 0}));
}

TEST(Index, Gather) {
  EXPECT_EQ(numbersOf("gather", {{"axis", int64_t{1}}}, {matrix, i64({2}, {-1, 0})}, {2, 2}), (Numbers{3, 1, 6, 4}));
  EXPECT_EQ(numbersOf("gather", {{"axis", int64_t{0}}}, {matrix, i32({}, {1})}, {3}), (Numbers{4, 5, 6}));
  EXPECT_EQ(errorOf("gather", {{"axis", int64_t{1}}}, {matrix, i64({1}, {3})}, DType::F32, {2, 1}),
            "expected an index in [-3, 3), got 3");
}

TEST(Index, GatherElementsAndTuples) {
  EXPECT_EQ(numbersOf("gather_elements", {{"axis", int64_t{1}}}, {matrix, i64({2, 2}, {0, 0, -1, 1})}, {2, 2}),
            (Numbers{1, 1, 6, 5}));
  Attributes none{{"batch_dims", int64_t{0}}}, one{{"batch_dims", int64_t{1}}};
  EXPECT_EQ(numbersOf("gather_nd", none, {matrix, i64({2, 2}, {0, 0, 1, -1})}, {2}), (Numbers{1, 6}));
  EXPECT_EQ(numbersOf("gather_nd", none, {matrix, i64({1, 1}, {1})}, {1, 3}), (Numbers{4, 5, 6}));
  EXPECT_EQ(numbersOf("gather_nd", one, {matrix, i64({2, 1}, {1, 2})}, {2}), (Numbers{2, 6}));
  EXPECT_NE(errorOf("gather_nd", none, {matrix, i64({1, 2}, {0, 3})}, DType::F32, {1}), "");
}

TEST(Index, CompressAndReverseSequence) {
  Value y = run("compress", {{"axis", int64_t{1}}}, {matrix, bools({3}, {1, 0, 1})}, DType::F32, {2, -1});
  EXPECT_EQ(y.shape, (Shape{2, 2}));
  EXPECT_EQ(y.numbers(), (Numbers{1, 3, 4, 6}));
  EXPECT_EQ(run("compress", {}, {matrix, bools({4}, {0, 0, 1, 1})}, DType::F32, {-1}).numbers(), (Numbers{3, 4}));
  Attributes axes{{"batch_axis", int64_t{0}}, {"time_axis", int64_t{1}}};
  EXPECT_EQ(numbersOf("reverse_sequence", axes, {matrix, i64({2}, {2, 3})}, {2, 3}), (Numbers{2, 1, 3, 6, 5, 4}));
  EXPECT_NE(errorOf("reverse_sequence", axes, {matrix, i64({2}, {2, 4})}, DType::F32, {2, 3}), "");
}

TEST(Scatter, Elements) {
  Value x = f32({3}, {1, 2, 3}), places = i64({2}, {1, -2}), updates = f32({2}, {10, 20});
  auto scattered = [&](const char *reduction) {
    return numbersOf("scatter_elements", {{"axis", int64_t{0}}, {"reduction", word(reduction)}}, {x, places, updates},
                     {3});
  };
  EXPECT_EQ(scattered("none"), (Numbers{1, 20, 3}));
  EXPECT_EQ(scattered("add"), (Numbers{1, 32, 3}));
  EXPECT_EQ(scattered("mul"), (Numbers{1, 400, 3}));
  EXPECT_EQ(scattered("max"), (Numbers{1, 20, 3}));
  EXPECT_EQ(scattered("min"), (Numbers{1, 2, 3}));
}

TEST(Scatter, TuplesAndCaches) {
  EXPECT_EQ(numbersOf("scatter_nd", {}, {matrix, i64({1, 1}, {1}), f32({1, 3}, {7, 8, 9})}, {2, 3}),
            (Numbers{1, 2, 3, 7, 8, 9}));
  EXPECT_EQ(numbersOf("scatter_nd", {{"reduction", word("add")}},
                      {i32({2}, {1, 2}), i64({2, 1}, {0, 0}), i32({2}, {5, 6})}, {2}),
            (Numbers{12, 2}));
  EXPECT_NE(errorOf("scatter_nd", {}, {matrix, i64({1, 1}, {2}), f32({1, 3}, {7, 8, 9})}, DType::F32, {2, 3}), "");
  Value cache = f32({2, 3, 1}, {0, 0, 0, 0, 0, 0}), update = f32({2, 2, 1}, {1, 2, 3, 4});
  Attributes axis{{"axis", int64_t{-2}}}, circular{{"axis", int64_t{-2}}, {"circular", int64_t{1}}};
  EXPECT_EQ(numbersOf("tensor_scatter", axis, {cache, update, i64({2}, {1, 0})}, {2, 3, 1}),
            (Numbers{0, 1, 2, 3, 4, 0}));
  EXPECT_EQ(numbersOf("tensor_scatter", circular, {cache, update, i64({2}, {2, 0})}, {2, 3, 1}),
            (Numbers{2, 0, 1, 3, 4, 0}));
  EXPECT_NE(errorOf("tensor_scatter", axis, {cache, update, i64({2}, {2, 0})}, DType::F32, {2, 3, 1}), "");
}

TEST(Generate, RangeIotaOneHotTrilu) {
  EXPECT_EQ(numbersOf("range", {}, {f32({}, {1}), f32({}, {-0.5})}, {4}), (Numbers{1, 0.5, 0, -0.5}));
  EXPECT_EQ(numbersOf("range", {}, {i64({}, {3}), i64({}, {2})}, {3}), (Numbers{3, 5, 7}));
  EXPECT_EQ(run("iota", {{"axis", int64_t{1}}}, {}, DType::I32, {2, 3}).numbers(), (Numbers{0, 1, 2, 0, 1, 2}));
  EXPECT_EQ(run("one_hot", {{"axis", int64_t{0}}}, {i64({2}, {-1, 0}), f32({2}, {5, 1})}, DType::F32, {3, 2}).numbers(),
            (Numbers{5, 1, 5, 5, 1, 5}));
  EXPECT_EQ(run("one_hot", {{"axis", int64_t{1}}}, {i64({2}, {3, -4}), f32({2}, {0, 1})}, DType::F32, {2, 3}).numbers(),
            (Numbers{0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(numbersOf("trilu", {{"k", word("0")}}, {matrix}, {2, 3}), (Numbers{1, 2, 3, 0, 5, 6}));
  EXPECT_EQ(numbersOf("trilu", {{"k", word("-1")}, {"upper", int64_t{0}}}, {matrix}, {2, 3}),
            (Numbers{0, 0, 0, 4, 0, 0}));
}

} // namespace
} // namespace bessemer::kernels
