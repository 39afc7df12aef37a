// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Matmul, reductions, normalizations, attention, rope.
#include "TestSupport.h"

#include <limits>

namespace bessemer::kernels {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
const double nan = std::nan("");
std::string word(const char *text) { return text; }

/// Reproducible numbers in [-1, 1), all exact in f32.
Numbers noise(int64_t count, uint32_t seed) {
  Numbers numbers;
  for (int64_t i = 0; i < count; ++i) {
    seed = seed * 1664525 + 1013904223;
    numbers.push_back(static_cast<double>(seed >> 16) / 32768 - 1);
  }
  return numbers;
}

TEST(Matmul, SmallAndBroadcast) {
  Value a = f32({2, 3}, {1, 2, 3, 4, 5, 6}), b = f32({3, 2}, {1, 0, 0, 1, 1, 1});
  EXPECT_EQ(numbersOf("matmul", {}, {a, b}, {2, 2}), (Numbers{4, 5, 10, 11}));
  EXPECT_EQ(numbersOf("matmul", {{"transpose_a", int64_t{1}}, {"transpose_b", int64_t{1}}}, {a, f32({1, 2}, {1, -1})},
                      {3, 1}),
            (Numbers{-3, -3, -3}));
  EXPECT_EQ(numbersOf("matmul", {}, {f32({2, 1, 1}, {2, 3}), f32({1, 2}, {1, 10})}, {2, 1, 2}),
            (Numbers{2, 20, 3, 30}));
  EXPECT_EQ(numbersOf("matmul", {}, {f32({2, 0}, {}), f32({0, 1}, {})}, {2, 1}), (Numbers{0, 0}));
  EXPECT_NE(errorOf("matmul", {}, {a, a}, DType::F32, {2, 3}), "");
  // Depth 3 in parts of 2: the last has 1. Their sum is the product.
  Value parts = f32({2, 1, 2}, {5, 14, 3, 9});
  EXPECT_EQ(numbersOf("matmul_parts", {{"part_depth", int64_t{2}}, {"transpose_b", int64_t{1}}},
                      {f32({1, 3}, {1, 2, 3}), f32({2, 3}, {1, 2, 1, 4, 5, 3})}, {2, 1, 2}),
            (Numbers{5, 14, 3, 9}));
  EXPECT_EQ(numbersOf("sum_parts", {}, {parts}, {1, 2}), (Numbers{8, 23}));
}

TEST(Matmul, GroupsHaveMatricesOfTheirOwn) {
  // Three groups of 1, 0 and 2 rows.
  Value x = f32({3, 2}, {1, 2, 3, 4, 5, 6}), w = f32({3, 2, 1}, {10, 1, 0, 0, 1, 100}), bias = f32({3, 1}, {0, 7, 0.5});
  auto offsets = [](std::vector<double> values) { return i64({static_cast<int64_t>(values.size())}, values); };
  EXPECT_EQ(numbersOf("grouped_matmul", {}, {x, w, offsets({0, 1, 1, 3})}, {3, 1}), (Numbers{12, 403, 605}));
  EXPECT_EQ(numbersOf("grouped_matmul", {}, {x, w, offsets({0, 1, 1, 3}), bias}, {3, 1}), (Numbers{12, 403.5, 605.5}));
  Value turned = f32({3, 1, 2}, {10, 1, 0, 0, 1, 100});
  EXPECT_EQ(numbersOf("grouped_matmul", {{"transpose_b", int64_t{1}}}, {x, turned, offsets({0, 1, 1, 3})}, {3, 1}),
            (Numbers{12, 403, 605}));
  for (auto wrong : {std::vector<double>{0, 1, 1, 2}, {0, 2, 1, 3}, {1, 1, 1, 3}})
    EXPECT_NE(errorOf("grouped_matmul", {}, {x, w, offsets(wrong)}, DType::F32, {3, 1}).find("ascend from 0 to 3"),
              std::string::npos);
}

TEST(Matmul, BlocksMatchTheDefinition) {
  int64_t m = 67, n = 300, k = 270;
  Numbers a = noise(m * k, 1), b = noise(k * n, 2), wanted(m * n), turned(n * k);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t p = 0; p < k; ++p)
      for (int64_t j = 0; j < n; ++j)
        wanted[i * n + j] += a[i * k + p] * b[p * n + j];
  for (int64_t p = 0; p < k; ++p)
    for (int64_t j = 0; j < n; ++j)
      turned[j * k + p] = b[p * n + j];
  expectNear(numbersOf("matmul", {}, {f64({m, k}, a), f64({k, n}, b)}, {m, n}), wanted, 1e-12);
  expectNear(numbersOf("matmul", {{"transpose_b", int64_t{1}}}, {f32({m, k}, a), f32({n, k}, turned)}, {m, n}), wanted,
             1e-5);
}

TEST(Matmul, PackedRightOperand) {
  Value a = f32({1, 2}, {1, 10}), b = f32({2, 3}, {1, 2, 3, 4, 5, 6});
  Value panels = run("pack", {{"layout", word("panels")}, {"block", int64_t{2}}}, {b}, DType::F32, {2, 2, 2});
  EXPECT_EQ(numbersOf("matmul", {{"bess.packed_columns", word("3")}}, {a, panels}, {1, 3}), (Numbers{41, 52, 63}));
  EXPECT_NE(errorOf("matmul", {{"bess.packed_columns", int64_t{5}}}, {a, panels}, DType::F32, {1, 5}), "");
}

TEST(Matmul, IntegersWrapInTheResultType) {
  Value a(DType::U8, {1, 2}, {255, 255}), b(DType::I8, {2, 1}, {-128, -128});
  EXPECT_EQ(run("matmul", {{"to", word("i32")}}, {a, b}, DType::I32, {1, 1}).numbers(), Numbers{-65280});
}

TEST(Reduce, EveryKind) {
  Value x = f64({2, 3}, {1, -2, 3, 4, 5, -6});
  auto reduced = [&](const char *kind) {
    return numbersOf("reduce", {{"kind", word(kind)}, {"axes", List{1}}, {"keepdims", int64_t{0}}}, {x}, {2});
  };
  EXPECT_EQ(reduced("sum"), (Numbers{2, 3}));
  expectNear(reduced("mean"), {2.0 / 3, 1});
  EXPECT_EQ(reduced("prod"), (Numbers{-6, -120}));
  EXPECT_EQ(reduced("max"), (Numbers{3, 5}));
  EXPECT_EQ(reduced("min"), (Numbers{-2, -6}));
  EXPECT_EQ(reduced("l1"), (Numbers{6, 15}));
  EXPECT_EQ(reduced("sum_square"), (Numbers{14, 77}));
  expectNear(reduced("l2"), {std::sqrt(14), std::sqrt(77)}, 1e-14);
  expectNear(reduced("log_sum"), {std::log(2), std::log(3)}, 1e-14);
  expectNear(reduced("log_sum_exp"),
             {std::log(std::exp(1) + std::exp(-2) + std::exp(3)), std::log(std::exp(4) + std::exp(5) + std::exp(-6))},
             1e-14);
  EXPECT_EQ(numbersOf("reduce", {{"kind", word("sum")}, {"axes", List{0, 1}}}, {x}, {1, 1}), Numbers{5});
  EXPECT_EQ(numbersOf("reduce", {{"kind", word("sum")}, {"axes", List{0}}}, {x}, {1, 3}), (Numbers{5, 3, -3}));
  EXPECT_EQ(numbersOf("reduce", {{"kind", word("and")}, {"axes", List{0}}}, {bools({2, 2}, {1, 1, 0, 1})}, {1, 2}),
            (Numbers{0, 1}));
}

TEST(Reduce, EmptyAndNanAndIntegers) {
  auto empty = [&](const char *kind, DType dtype) {
    return run("reduce", {{"kind", word(kind)}, {"axes", List{0}}}, {Value(dtype, {0, 1})}, dtype, {1, 1}).numbers()[0];
  };
  EXPECT_EQ(empty("sum", DType::F32), 0);
  EXPECT_EQ(empty("prod", DType::I32), 1);
  EXPECT_EQ(empty("max", DType::F32), -inf);
  EXPECT_EQ(empty("min", DType::F32), inf);
  EXPECT_EQ(empty("max", DType::I8), -128);
  EXPECT_EQ(empty("min", DType::U8), 255);
  EXPECT_EQ(empty("log_sum_exp", DType::F32), -inf);
  expectNear(numbersOf("reduce", {{"kind", word("max")}, {"axes", List{0}}}, {f32({3}, {1, nan, 2})}, {1}), {nan});
  EXPECT_EQ(numbersOf("reduce", {{"kind", word("mean")}, {"axes", List{0}}}, {i32({2}, {-3, -4})}, {1}), Numbers{-3});
  expectNear(numbersOf("reduce", {{"kind", word("log_sum_exp")}, {"axes", List{0}}}, {f32({2}, {1000, 1000})}, {1}),
             {1000 + std::log(2)}, 1e-4);
}

TEST(ArgReduce, TiesAndDirections) {
  Value x = f32({2, 3}, {2, 2, 1, 0, 5, 5});
  Attributes first{{"kind", word("max")}, {"axis", int64_t{1}}, {"keepdims", int64_t{0}}}, last = first;
  last["select_last"] = int64_t{1};
  EXPECT_EQ(run("arg_reduce", first, {x}, DType::I64, {2}).numbers(), (Numbers{0, 1}));
  EXPECT_EQ(run("arg_reduce", last, {x}, DType::I64, {2}).numbers(), (Numbers{1, 2}));
  EXPECT_EQ(run("arg_reduce", {{"kind", word("min")}, {"axis", int64_t{0}}}, {x}, DType::I64, {1, 3}).numbers(),
            (Numbers{1, 0, 0}));
}

TEST(Cumulate, SumsAndProducts) {
  Value x = f32({2, 3}, {1, 2, 3, 4, 5, 6});
  auto sums = [&](int64_t exclusive, int64_t reverse) {
    return numbersOf("cumulate",
                     {{"kind", word("sum")}, {"axis", int64_t{1}}, {"exclusive", exclusive}, {"reverse", reverse}}, {x},
                     {2, 3});
  };
  EXPECT_EQ(sums(0, 0), (Numbers{1, 3, 6, 4, 9, 15}));
  EXPECT_EQ(sums(1, 0), (Numbers{0, 1, 3, 0, 4, 9}));
  EXPECT_EQ(sums(0, 1), (Numbers{6, 5, 3, 15, 11, 6}));
  EXPECT_EQ(sums(1, 1), (Numbers{5, 3, 0, 11, 6, 0}));
  EXPECT_EQ(numbersOf("cumulate", {{"kind", word("prod")}, {"axis", int64_t{0}}}, {i64({3}, {2, 3, 4})}, {3}),
            (Numbers{2, 6, 24}));
}

TEST(Softmax, AnyAxisWithoutOverflow) {
  Value x = f64({2, 2}, {1000, 0, 1000, std::log(3)});
  expectNear(numbersOf("softmax", {{"axis", int64_t{0}}}, {x}, {2, 2}), {0.5, 0.25, 0.5, 0.75}, 1e-14);
  expectNear(numbersOf("softmax", {{"axis", int64_t{1}}, {"log", int64_t{1}}}, {f64({1, 2}, {0, std::log(3)})}, {1, 2}),
             {-std::log(4), std::log(0.75)}, 1e-14);
}

TEST(Normalize, LayerRmsLocal) {
  // (1, 3): mean 2, variance 1.
  Value x = f64({2, 2}, {1, 3, 10, 10});
  Attributes attributes{{"axis", int64_t{-1}}, {"epsilon", 0.0}};
  expectNear(numbersOf("layer_norm", attributes, {f64({1, 2}, {1, 3}), f64({2}, {2, 3}), f64({2}, {10, 20})}, {1, 2}),
             {8, 23}, 1e-14);
  Attributes stable{{"axis", int64_t{1}}, {"epsilon", 1.0}};
  expectNear(numbersOf("layer_norm", stable, {x, f64({1}, {1}), Value()}, {2, 2}),
             {-std::sqrt(0.5), std::sqrt(0.5), 0, 0}, 1e-14);
  expectNear(numbersOf("rms_norm", attributes, {f64({1, 2}, {3, 4}), f64({2}, {1, 2})}, {1, 2}),
             {3 / std::sqrt(12.5), 8 / std::sqrt(12.5)}, 1e-14);
  // A scale that differs from row to row.
  expectNear(numbersOf("rms_norm", attributes, {f64({2, 1}, {5, 5}), f64({2, 1}, {1, 7})}, {2, 1}), {1, 7}, 1e-14);
  Attributes local{{"alpha", 3.0}, {"beta", 1.0}, {"bias", 1.0}, {"size", int64_t{3}}};
  expectNear(numbersOf("lrn", local, {f64({1, 3, 1}, {1, 2, 3})}, {1, 3, 1}), {1.0 / 6, 2.0 / 15, 3.0 / 14}, 1e-14);
}

/// Attention by its definition, on [1, H, S, D] and one key head.
Numbers attentionOf(const Numbers &q, const Numbers &k, const Numbers &v, int64_t heads, int64_t s, int64_t t,
                    int64_t d, const std::function<double(int64_t, int64_t, double)> &adjust) {
  Numbers y;
  for (int64_t row = 0; row < heads * s; ++row) {
    Numbers weights(t), sums(d);
    double total = 0;
    for (int64_t j = 0; j < t; ++j) {
      double score = 0;
      for (int64_t e = 0; e < d; ++e)
        score += q[row * d + e] * k[j * d + e];
      weights[j] = std::exp(adjust(row % s, j, score));
      total += weights[j];
    }
    for (int64_t j = 0; j < t; ++j)
      for (int64_t e = 0; e < d; ++e)
        sums[e] += total == 0 ? 0 : weights[j] / total * v[j * d + e];
    y.insert(y.end(), sums.begin(), sums.end());
  }
  return y;
}

TEST(Attention, MatchesTheDefinition) {
  int64_t heads = 2, s = 2, t = 3, d = 4;
  Numbers q = noise(heads * s * d, 3), k = noise(t * d, 4), v = noise(t * d, 5);
  Value vq = f64({1, heads, s, d}, q), vk = f64({1, 1, t, d}, k), vv = f64({1, 1, t, d}, v);
  Attributes base{{"scale", 0.5}};
  Shape shape{1, heads, s, d};
  expectNear(numbersOf("attention", base, {vq, vk, vv}, shape),
             attentionOf(q, k, v, heads, s, t, d, [](int64_t, int64_t, double x) { return x / 2; }), 1e-13);
  Attributes causal = base;
  causal["causal"] = int64_t{1};
  expectNear(numbersOf("attention", causal, {vq, vk, vv}, shape),
             attentionOf(q, k, v, heads, s, t, d, [](int64_t i, int64_t j, double x) { return j <= i ? x / 2 : -inf; }),
             1e-13);
  causal["causal_bottom_right"] = int64_t{1};
  causal["softcap"] = 0.3;
  expectNear(
      numbersOf("attention", causal, {vq, vk, vv}, shape),
      attentionOf(q, k, v, heads, s, t, d,
                  [](int64_t i, int64_t j, double x) { return j <= i + 1 ? 0.3 * std::tanh(x / 2 / 0.3) : -inf; }),
      1e-13);
  Value mask = f64({s, t}, {0, 1, -inf, 2, 0, 0});
  Numbers added{0, 1, -inf, 2, 0, 0};
  expectNear(numbersOf("attention", base, {vq, vk, vv, mask, i64({1}, {2})}, shape),
             attentionOf(q, k, v, heads, s, t, d,
                         [&](int64_t i, int64_t j, double x) { return j < 2 ? x / 2 + added[i * 3 + j] : -inf; }),
             1e-13);
}

TEST(Attention, NothingSeenGivesZero) {
  Value q = f32({1, 1, 2, 1}, {1, 1}), k = f32({1, 1, 2, 1}, {1, 2}), v = f32({1, 1, 2, 1}, {3, 4});
  Value mask = bools({2, 2}, {0, 0, 1, 0});
  EXPECT_EQ(numbersOf("attention", {{"scale", 1.0}}, {q, k, v, mask}, {1, 1, 2, 1}), (Numbers{0, 3}));
  EXPECT_EQ(numbersOf("attention", {{"scale", 1.0}}, {q, k, v, Value(), i64({1}, {0})}, {1, 1, 2, 1}), (Numbers{0, 0}));
}

// Parts of 1 key and none, of 2 and 1, of all: combined they are attention; a part that sees nothing counts nothing.
TEST(Attention, PartsCombineToTheWhole) {
  int64_t h = 2, s = 2, t = 3, d = 4;
  Value q = f64({1, h, s, d}, noise(h * s * d, 3)), k = f64({1, 1, t, d}, noise(t * d, 4)),
        v = f64({1, 1, t, d}, noise(t * d, 5));
  Value mask = f64({s, t}, {0, 1, -inf, -inf, 0, 0});
  Attributes base{{"scale", 0.5}, {"causal", int64_t{1}}, {"causal_bottom_right", int64_t{1}}};
  for (const char *layout : {"bhsd", "bshd"}) {
    base["y_layout"] = word(layout);
    bool lengthFirst = layout == std::string("bshd");
    Shape rows{1, lengthFirst ? s : h, lengthFirst ? h : s}, shape = rows;
    shape.push_back(d);
    for (int64_t valid : {0, 2, 3}) {
      Operands operands{q, k, v, mask, i64({1}, {double(valid)})};
      Numbers whole = numbersOf("attention", base, operands, shape);
      for (auto [parts, unit] : {std::pair<int64_t, int64_t>{5, 1}, {2, 2}, {3, 4}}) {
        Attributes inParts = base;
        inParts["parts"] = parts, inParts["unit"] = unit;
        Shape partRows = rows, partShape = shape;
        partRows.insert(partRows.begin(), parts), partShape.insert(partShape.begin(), parts);
        std::vector<Value> results{Value(DType::F64, partShape), Value(DType::F64, partRows),
                                   Value(DType::F64, partRows)};
        ASSERT_EQ(runInto("attention_parts", inParts, operands, results), "");
        expectNear(numbersOf("combine_parts", {}, {results[0], results[1], results[2]}, shape), whole, 1e-13);
        // Of the last part, which has no key here.
        if (parts == 5) {
          EXPECT_EQ(results[1].numbers().back(), -std::numeric_limits<float>::max());
          EXPECT_EQ(results[2].numbers().back(), 0);
        }
      }
    }
  }
}

TEST(Attention, Layouts) {
  int64_t s = 3, h = 2, d = 2;
  Numbers q = noise(s * h * d, 6), k = noise(s * h * d, 7), v = noise(s * h * d, 8);
  auto turned = [&](const Numbers &x) {
    return run("transpose", {{"permutation", List{0, 2, 1, 3}}}, {f64({1, h, s, d}, x)}, DType::F64, {1, s, h, d});
  };
  Attributes bshd{{"scale", 1.0}};
  for (const char *name : {"q_layout", "k_layout", "v_layout", "y_layout"})
    bshd[name] = word("bshd");
  Value plain = run("attention", {{"scale", 1.0}}, {f64({1, h, s, d}, q), f64({1, h, s, d}, k), f64({1, h, s, d}, v)},
                    DType::F64, {1, h, s, d});
  EXPECT_EQ(numbersOf("attention", bshd, {turned(q), turned(k), turned(v)}, {1, s, h, d}),
            turned(plain.numbers()).numbers());
}

TEST(Rope, RotatesPairs) {
  // A quarter turn: (a, b) becomes (-b, a).
  Value x = f32({1, 1, 1, 5}, {1, 2, 3, 4, 5}), cosine = f32({1, 2}, {0, 1}), sine = f32({1, 2}, {1, 0});
  EXPECT_EQ(numbersOf("rope", {{"rotary", int64_t{4}}}, {x, cosine, sine}, {1, 1, 1, 5}), (Numbers{-3, 2, 1, 4, 5}));
  EXPECT_EQ(numbersOf("rope", {{"rotary", int64_t{4}}, {"interleaved", int64_t{1}}}, {x, cosine, sine}, {1, 1, 1, 5}),
            (Numbers{-2, 1, 3, 4, 5}));
}

} // namespace
} // namespace bessemer::kernels
