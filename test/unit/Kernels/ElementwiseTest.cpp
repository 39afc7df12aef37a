// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "TestSupport.h"

#include <limits>

namespace bessemer::kernels {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
const double nan = std::nan("");

TEST(Registry, NamesAreSortedAndKnown) {
  auto names = kernelNames();
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  for (auto name : names)
    EXPECT_TRUE(hasKernel(name));
  EXPECT_FALSE(hasKernel("no_such_op"));
  EXPECT_NE(errorOf("no_such_op", {}, {}, DType::F32, {}), "");
}

TEST(Registry, StridedOperandAndResult) {
  // A transposed view of [[1, 2, 3], [4, 5, 6]], negated into every other place.
  std::vector<float> x{1, 2, 3, 4, 5, 6}, y(12, 0);
  TensorRef in{DType::F32, {3, 2}, {1, 3}, x.data()};
  std::vector<const TensorRef *> inputs{&in};
  std::vector<TensorRef> outputs{{DType::F32, {3, 2}, {4, 2}, y.data()}};
  Attributes none;
  EXPECT_EQ(runKernel({"neg", none, inputs, outputs}).error, "");
  EXPECT_EQ(y, (std::vector<float>{-1, 0, -4, 0, -2, 0, -5, 0, -3, 0, -6, 0}));
}

TEST(Registry, WrongShapesAndMissingThingsAreErrors) {
  EXPECT_EQ(errorOf("neg", {}, {f32({3}, {1, 2, 3})}, DType::F32, {2}), "expected a result of shape [3], got [2]");
  EXPECT_NE(errorOf("neg", {}, {}, DType::F32, {2}), "");
  EXPECT_NE(errorOf("neg", {}, {Value()}, DType::F32, {2}), "");
  EXPECT_NE(errorOf("neg", {}, {f32({1}, {1})}, DType::F64, {1}), "");
  EXPECT_NE(errorOf("softmax", {}, {f32({1}, {1})}, DType::F32, {1}), "");
  EXPECT_NE(errorOf("softmax", {{"axis", std::string("x")}}, {f32({1}, {1})}, DType::F32, {1}), "");
  EXPECT_NE(errorOf("softmax", {{"axis", int64_t{1}}}, {f32({1}, {1})}, DType::F32, {1}), "");
}

TEST(Unary, Floats) {
  Value x = f32({5}, {-2.5, -0.5, 0.5, 1.5, 2.5});
  EXPECT_EQ(numbersOf("round", {}, {x}, {5}), (Numbers{-2, -0.0, 0, 2, 2}));
  EXPECT_EQ(numbersOf("floor", {}, {x}, {5}), (Numbers{-3, -1, 0, 1, 2}));
  EXPECT_EQ(numbersOf("ceil", {}, {x}, {5}), (Numbers{-2, -0.0, 1, 2, 3}));
  EXPECT_EQ(numbersOf("relu", {}, {x}, {5}), (Numbers{0, 0, 0.5, 1.5, 2.5}));
  EXPECT_EQ(numbersOf("abs", {}, {x}, {5}), (Numbers{2.5, 0.5, 0.5, 1.5, 2.5}));
  expectNear(numbersOf("sign", {}, {f64({4}, {-3, 0, 7, nan})}, {4}), {-1, 0, 1, nan});
  expectNear(numbersOf("sigmoid", {}, {f64({4}, {-1000, 0, 1, 1000})}, {4}), {0, 0.5, 0.73105857863000488, 1}, 1e-15);
  expectNear(numbersOf("softplus", {}, {f64({3}, {-1000, 0, 1000})}, {3}), {0, std::log(2), 1000}, 1e-15);
  expectNear(numbersOf("rsqrt", {}, {f64({2}, {4, 0.25})}, {2}), {0.5, 2}, 1e-15);
}

TEST(Unary, EveryFloatFunctionMatchesTheStandardLibrary) {
  const std::pair<const char *, double (*)(double)> functions[] = {
      {"exp", std::exp},   {"log", std::log},   {"sqrt", std::sqrt},   {"sin", std::sin},     {"cos", std::cos},
      {"tan", std::tan},   {"asin", std::asin}, {"acos", std::acos},   {"atan", std::atan},   {"sinh", std::sinh},
      {"cosh", std::cosh}, {"tanh", std::tanh}, {"asinh", std::asinh}, {"atanh", std::atanh}, {"erf", std::erf}};
  for (auto [op, function] : functions)
    expectNear(numbersOf(op, {}, {f64({3}, {0.1, 0.5, 0.9})}, {3}), {function(0.1), function(0.5), function(0.9)}, 0);
  expectNear(numbersOf("acosh", {}, {f64({1}, {2})}, {1}), {1.3169578969248166}, 1e-15);
}

TEST(Unary, Gelu) {
  // 3 Phi(3) = 2.99595030590511; the approximations by their formulas.
  Value x = f64({3}, {-1, 0, 3});
  expectNear(numbersOf("gelu", {}, {x}, {3}), {-0.15865525393145707, 0, 2.9959503059051097}, 1e-15);
  expectNear(numbersOf("gelu", {{"approximate", std::string("tanh")}}, {x}, {3}),
             {-0.15880800939172324, 0, 2.996362607918227}, 1e-12);
  expectNear(numbersOf("gelu", {{"approximate", std::string("sigmoid")}}, {x}, {3}),
             {-0.1542042340671787, 0, 2.981928690292214}, 1e-14);
}

TEST(Unary, Integers) {
  Value low(DType::I8, {3}, {-128, -1, 5});
  EXPECT_EQ(numbersOf("abs", {}, {low}, {3}), (Numbers{-128, 1, 5}));
  EXPECT_EQ(numbersOf("neg", {}, {low}, {3}), (Numbers{-128, 1, -5}));
  EXPECT_EQ(numbersOf("bitwise_not", {}, {Value(DType::U8, {2}, {0, 240})}, {2}), (Numbers{255, 15}));
  EXPECT_EQ(numbersOf("not", {}, {bools({2}, {0, 1})}, {2}), (Numbers{1, 0}));
  EXPECT_NE(errorOf("bitwise_not", {}, {f32({1}, {1})}, DType::F32, {1}), "");
}

TEST(Unary, Predicates) {
  Value x = f32({4}, {nan, inf, -inf, 1});
  EXPECT_EQ(run("is_nan", {}, {x}, DType::Bool, {4}).numbers(), (Numbers{1, 0, 0, 0}));
  EXPECT_EQ(run("is_inf", {}, {x}, DType::Bool, {4}).numbers(), (Numbers{0, 1, 1, 0}));
  EXPECT_EQ(run("is_inf", {{"detect_negative", int64_t{0}}}, {x}, DType::Bool, {4}).numbers(), (Numbers{0, 1, 0, 0}));
}

TEST(Binary, Broadcasting) {
  EXPECT_EQ(numbersOf("add", {}, {f32({2, 3}, {1, 2, 3, 4, 5, 6}), f32({3}, {10, 20, 30})}, {2, 3}),
            (Numbers{11, 22, 33, 14, 25, 36}));
  EXPECT_EQ(numbersOf("sub", {}, {f32({2, 1}, {1, 2}), f32({1, 3}, {10, 20, 30})}, {2, 3}),
            (Numbers{-9, -19, -29, -8, -18, -28}));
  EXPECT_EQ(numbersOf("mul", {}, {f32({}, {3}), f32({2, 1, 2}, {1, 2, 3, 4})}, {2, 1, 2}), (Numbers{3, 6, 9, 12}));
  EXPECT_EQ(numbersOf("add", {}, {f32({0, 3}, {}), f32({3}, {1, 2, 3})}, {0, 3}), Numbers{});
  EXPECT_NE(errorOf("add", {}, {f32({2}, {1, 2}), f32({3}, {1, 2, 3})}, DType::F32, {3}), "");
}

TEST(Binary, LargeTensorsGoThroughBlocks) {
  Numbers many(3000), wanted(3000);
  for (size_t i = 0; i < many.size(); ++i)
    many[i] = static_cast<double>(i), wanted[i] = many[i] + (i < 1500 ? 1 : 2);
  EXPECT_EQ(numbersOf("add", {}, {f32({2, 1500}, many), f32({2, 1}, {1, 2})}, {2, 1500}), wanted);
}

TEST(Binary, IntegerDivisionAndRemainders) {
  Value a = i32({4}, {7, -7, 7, -7}), b = i32({4}, {3, 3, -3, -3});
  EXPECT_EQ(numbersOf("div", {}, {a, b}, {4}), (Numbers{2, -2, -2, 2}));
  EXPECT_EQ(numbersOf("mod", {}, {a, b}, {4}), (Numbers{1, 2, -2, -1}));
  EXPECT_EQ(numbersOf("mod", {{"fmod", int64_t{1}}}, {a, b}, {4}), (Numbers{1, -1, 1, -1}));
  EXPECT_NE(errorOf("div", {}, {a, i32({1}, {0})}, DType::I32, {4}), "");
  Value lowest(DType::I64, {1}, {-0x1p63});
  EXPECT_EQ(numbersOf("div", {}, {lowest, i64({1}, {-1})}, {1}), Numbers{-0x1p63});
  EXPECT_EQ(numbersOf("mod", {}, {lowest, i64({1}, {-1})}, {1}), Numbers{0});
  Value large(DType::U64, {1}, {0x1p63 + 0x1p62});
  EXPECT_EQ(numbersOf("div", {}, {large, Value(DType::U64, {1}, {2})}, {1}), Numbers{0x1p62 + 0x1p61});
  expectNear(numbersOf("mod", {}, {f64({2}, {-4.3, 4.3}), f64({2}, {3, -3})}, {2}), {1.7, -1.7}, 1e-12);
}

TEST(Binary, PowerOfMixedTypes) {
  EXPECT_EQ(numbersOf("pow", {}, {f32({3}, {2, 3, 4}), i64({3}, {3, 2, -1})}, {3}), (Numbers{8, 9, 0.25}));
  EXPECT_EQ(numbersOf("pow", {}, {i32({3}, {2, -3, 10}), i64({3}, {10, 3, -1})}, {3}), (Numbers{1024, -27, 0}));
  EXPECT_EQ(numbersOf("pow", {}, {i32({2}, {4, 2}), f32({2}, {0.5, 3.9})}, {2}), (Numbers{2, 14}));
}

TEST(Binary, NanWinsInMinAndMax) {
  Value a = f32({3}, {nan, 1, 2}), b = f32({3}, {1, nan, 3});
  expectNear(numbersOf("min", {}, {a, b}, {3}), {nan, nan, 2});
  expectNear(numbersOf("max", {}, {a, b}, {3}), {nan, nan, 3});
}

TEST(Binary, BitsAndShifts) {
  Value a(DType::U8, {2}, {129, 6}), b(DType::U8, {2}, {1, 3});
  EXPECT_EQ(numbersOf("shift_left", {}, {a, b}, {2}), (Numbers{2, 48}));
  EXPECT_EQ(numbersOf("shift_right", {}, {a, b}, {2}), (Numbers{64, 0}));
  EXPECT_EQ(numbersOf("bitwise_and", {}, {a, b}, {2}), (Numbers{1, 2}));
  EXPECT_EQ(numbersOf("bitwise_or", {}, {a, b}, {2}), (Numbers{129, 7}));
  EXPECT_EQ(numbersOf("bitwise_xor", {}, {a, b}, {2}), (Numbers{128, 5}));
  EXPECT_EQ(numbersOf("xor", {}, {bools({2}, {1, 1}), bools({2}, {0, 1})}, {2}), (Numbers{1, 0}));
}

TEST(Binary, Comparisons) {
  Value a = f32({3}, {1, 2, nan}), b = f32({3}, {2, 2, nan});
  EXPECT_EQ(run("less", {}, {a, b}, DType::Bool, {3}).numbers(), (Numbers{1, 0, 0}));
  EXPECT_EQ(run("less_equal", {}, {a, b}, DType::Bool, {3}).numbers(), (Numbers{1, 1, 0}));
  EXPECT_EQ(run("not_equal", {}, {a, b}, DType::Bool, {3}).numbers(), (Numbers{1, 0, 1}));
  Value large(DType::U64, {1}, {0x1p63}), one(DType::U64, {1}, {1});
  EXPECT_EQ(run("greater", {}, {large, one}, DType::Bool, {1}).numbers(), Numbers{1});
  EXPECT_EQ(run("equal", {}, {Value::text({2}, {"a", "b"}), Value::text({1}, {"b"})}, DType::Bool, {2}).numbers(),
            (Numbers{0, 1}));
}

TEST(Where, BroadcastsAllThree) {
  EXPECT_EQ(run("where", {}, {bools({2, 1}, {1, 0}), f32({3}, {1, 2, 3}), f32({}, {9})}, DType::F32, {2, 3}).numbers(),
            (Numbers{1, 2, 3, 9, 9, 9}));
  auto strings =
      run("where", {}, {bools({2}, {0, 1}), Value::text({2}, {"a", "b"}), Value::text({1}, {"c"})}, DType::String, {2})
          .strings;
  EXPECT_EQ(strings, (std::vector<std::string>{"c", "b"}));
}

} // namespace
} // namespace bessemer::kernels
