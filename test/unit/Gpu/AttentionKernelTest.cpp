// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention: heads, masks, lengths that are no multiples of a block.
#include "Products.h"

#include "passes/Layout/Passes.h"

using namespace bessemer;
using namespace bessemer::gputest;

namespace {
struct Attention {
  std::string element;
  int64_t heads, keyHeads, queries, keys, depth, valueDepth;
  std::string attributes = "";
  std::string mask = ""; ///< element type, empty: none
  std::vector<int64_t> maskShape = {};
  bool dynamic = false; ///< lengths are named
  bool valid = false;   ///< of the keys a number of each batch, below 64
  int64_t parts = 0, unit = 32;
  bool lengthFirst = false; ///< q and y are [B, S, H, D]

  std::string typeOf(int64_t heads, const std::string &length, int64_t size, int64_t depth, bool lengthFirst) const {
    std::string h = std::to_string(heads), s = dynamic ? length : std::to_string(size);
    return tensor({"2", lengthFirst ? s : h, lengthFirst ? h : s, std::to_string(depth)}, element);
  }
  std::string text() const {
    std::string q = typeOf(heads, "q", queries, depth, lengthFirst), k = typeOf(keyHeads, "k", keys, depth, false),
                v = typeOf(keyHeads, "k", keys, valueDepth, false),
                y = typeOf(heads, "q", queries, valueDepth, lengthFirst);
    std::string arguments = "%q: " + q + ", %k: " + k + ", %v: " + v, operands = "%q, %k, %v",
                types = q + ", " + k + ", " + v;
    auto add = [&](const std::string &name, const std::string &type) {
      arguments += ", " + name + ": " + type, operands += ", " + name, types += ", " + type;
    };
    if (!mask.empty()) {
      std::vector<std::string> dims;
      for (int64_t size : maskShape)
        dims.push_back(std::to_string(size));
      add("%m", tensor(dims, mask));
    }
    if (valid)
      add("%n", "tensor<2xi64>");
    std::string layouts = lengthFirst ? ", q_layout = \"bshd\", y_layout = \"bshd\"" : "";
    std::string list = " {scale = 0.3 : f64" + attributes + layouts +
                       (parts ? ", parts = " + std::to_string(parts) + " : i64, unit = " + std::to_string(unit) : "") +
                       ", operandSegmentSizes = array<i32: 1, 1, 1, " + (mask.empty() ? "0" : "1") +
                       (valid ? ", 1>}" : ", 0>}");
    std::string head = "func.func @main(" + arguments + ") -> " + y + " {\n", end = "  return %y : " + y + "\n}\n";
    if (!parts)
      return head + "  %y = bess.attention " + operands + list + " : (" + types + ") -> " + y + "\n" + end;
    std::vector<std::string> dims{std::to_string(parts), "2", std::to_string(heads),
                                  dynamic ? "q" : std::to_string(queries)};
    if (lengthFirst)
      std::swap(dims[2], dims[3]);
    std::string rows = tensor(dims, "f32");
    dims.push_back(std::to_string(valueDepth));
    std::string results = "(" + tensor(dims, "f32") + ", " + rows + ", " + rows + ")";
    return head + "  %p:3 = bess.attention_parts " + operands + list + " : (" + types + ") -> " + results +
           "\n  %y = bess.combine_parts %p#0, %p#1, %p#2 {to = " + element + "} : " + results + " -> " + y + "\n" + end;
  }
  std::vector<std::vector<int64_t>> shapes() const {
    std::vector<std::vector<int64_t>> result{
        {2, heads, queries, depth}, {2, keyHeads, keys, depth}, {2, keyHeads, keys, valueDepth}};
    if (lengthFirst)
      std::swap(result[0][1], result[0][2]);
    if (!mask.empty())
      result.push_back(maskShape);
    if (valid)
      result.push_back({2});
    return result;
  }
};
} // namespace

const std::string atTheEnd = ", causal = true, causal_bottom_right = true";

class Attentions : public testing::TestWithParam<std::tuple<std::string, Attention>> {};
INSTANTIATE_TEST_SUITE_P(
    Gpu, Attentions,
    testing::Combine(testing::Values("sm_80", "sm_90a"),
                     testing::Values(Attention{"f16", 2, 1, 37, 50, 96, 96, ", causal = true"},
                                     Attention{"bf16", 1, 1, 40, 70, 80, 72}, Attention{"f16", 1, 1, 33, 40, 40, 160},
                                     Attention{"f16", 1, 1, 20, 40, 20, 3}, Attention{"f16", 1, 1, 17, 36, 112, 192},
                                     Attention{"f32", 1, 1, 20, 40, 40, 80}, Attention{"f16", 1, 1, 64, 128, 64, 64},
                                     Attention{"bf16", 4, 2, 37, 75, 32, 64},
                                     Attention{"f16", 2, 1, 70, 70, 64, 64, ", causal = true"},
                                     Attention{"f16", 2, 2, 5, 70, 128, 128,
                                               ", causal = true, causal_bottom_right = true"},
                                     Attention{"f16", 2, 2, 40, 50, 64, 32, "", "f16", {2, 1, 40, 50}},
                                     Attention{"f16", 2, 2, 40, 50, 64, 64, "", "i1", {40, 50}},
                                     Attention{"f32", 2, 1, 37, 50, 32, 32, ", causal = true"},
                                     Attention{"f16", 2, 1, 33, 77, 64, 64, ", softcap = 4.0 : f64", "", {}, true})));

// A step of a decoder: the query heads of a key head are rows of one block, keys beyond `valid` are not read.
INSTANTIATE_TEST_SUITE_P(
    GpuDecode, Attentions,
    testing::Combine(
        testing::Values("sm_80", "sm_90a"),
        testing::Values(
            Attention{"f16", 8, 2, 1, 70, 64, 64, ", causal = true, causal_bottom_right = true"},
            Attention{"bf16", 4, 1, 1, 100, 80, 80, "", "", {}, false, true},
            Attention{"f16", 4, 2, 1, 40, 64, 64, "", "f16", {2, 4, 1, 40}},
            Attention{"f16", 4, 2, 3, 40, 64, 64, "", "i1", {1, 1, 1, 40}},
            Attention{"f16", 4, 2, 3, 70, 64, 64, "", "", {}, true, true},
            Attention{"f16", 6, 2, 5, 70, 64, 64, ", causal = true", "", {}, true},
            Attention{"bf16", 4, 2, 9, 40, 32, 32, ", causal = true, causal_bottom_right = true", "f16", {2, 4, 9, 40}},
            Attention{"f32", 2, 1, 1, 40, 64, 64})));

// In parts of the keys: the last one ends early; parts without keys; keys beyond `valid`; many steps of a part, whose
// copies are a step ahead; masks; queries that see nothing; heads of one key as rows of a block.
INSTANTIATE_TEST_SUITE_P(GpuParts, Attentions,
                         testing::Combine(testing::Values("sm_80", "sm_90a"),
                                          testing::Values(Attention{.element = "f16",
                                                                    .heads = 2,
                                                                    .keyHeads = 2,
                                                                    .queries = 1,
                                                                    .keys = 200,
                                                                    .depth = 64,
                                                                    .valueDepth = 64,
                                                                    .parts = 3},
                                                          Attention{.element = "f16",
                                                                    .heads = 2,
                                                                    .keyHeads = 2,
                                                                    .queries = 1,
                                                                    .keys = 40,
                                                                    .depth = 64,
                                                                    .valueDepth = 64,
                                                                    .parts = 4,
                                                                    .lengthFirst = true},
                                                          Attention{.element = "bf16",
                                                                    .heads = 4,
                                                                    .keyHeads = 1,
                                                                    .queries = 1,
                                                                    .keys = 450,
                                                                    .depth = 80,
                                                                    .valueDepth = 72,
                                                                    .attributes = atTheEnd,
                                                                    .dynamic = true,
                                                                    .parts = 2},
                                                          Attention{.element = "f16",
                                                                    .heads = 2,
                                                                    .keyHeads = 1,
                                                                    .queries = 1,
                                                                    .keys = 256,
                                                                    .depth = 128,
                                                                    .valueDepth = 128,
                                                                    .valid = true,
                                                                    .parts = 4},
                                                          Attention{.element = "f16",
                                                                    .heads = 4,
                                                                    .keyHeads = 2,
                                                                    .queries = 1,
                                                                    .keys = 150,
                                                                    .depth = 64,
                                                                    .valueDepth = 64,
                                                                    .mask = "f16",
                                                                    .maskShape = {2, 4, 1, 150},
                                                                    .parts = 2,
                                                                    .unit = 64},
                                                          Attention{.element = "f16",
                                                                    .heads = 2,
                                                                    .keyHeads = 2,
                                                                    .queries = 1,
                                                                    .keys = 150,
                                                                    .depth = 64,
                                                                    .valueDepth = 64,
                                                                    .mask = "i1",
                                                                    .maskShape = {150},
                                                                    .parts = 5},
                                                          Attention{.element = "f16",
                                                                    .heads = 4,
                                                                    .keyHeads = 2,
                                                                    .queries = 3,
                                                                    .keys = 100,
                                                                    .depth = 64,
                                                                    .valueDepth = 32,
                                                                    .attributes = atTheEnd,
                                                                    .parts = 3},
                                                          Attention{.element = "f16",
                                                                    .heads = 2,
                                                                    .keyHeads = 1,
                                                                    .queries = 20,
                                                                    .keys = 5,
                                                                    .depth = 64,
                                                                    .valueDepth = 64,
                                                                    .attributes = atTheEnd,
                                                                    .dynamic = true,
                                                                    .parts = 2},
                                                          Attention{
                                                              .element = "f16",
                                                              .heads = 1,
                                                              .keyHeads = 1,
                                                              .queries = 20,
                                                              .keys = 70,
                                                              .depth = 64,
                                                              .valueDepth = 64,
                                                              .attributes = ", causal = true, softcap = 4.0 : f64",
                                                              .parts = 2},
                                                          Attention{.element = "f32",
                                                                    .heads = 2,
                                                                    .keyHeads = 1,
                                                                    .queries = 1,
                                                                    .keys = 100,
                                                                    .depth = 64,
                                                                    .valueDepth = 64,
                                                                    .dynamic = true,
                                                                    .parts = 2})));

TEST_P(Attentions, MatchTheReference) {
  auto [architecture, attention] = GetParam();
  GpuKernel kernel(attention.text(), architecture);
  kernel.matches(attention.shapes(), attention.element == "f32" ? 1e-5 : attention.element == "f16" ? 2e-3 : 1.6e-2);
  kernel.assembles();
}

// One program for prompts and steps: the keys of one query are in parts, those of several are not.
class PromptOrStep : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Gpu, PromptOrStep, testing::Values("sm_80", "sm_90a"));

TEST_P(PromptOrStep, MatchTheReference) {
  Attention step{"f16", 4, 2, 1, 300, 64, 64, atTheEnd, "", {}, true}, prompt = step;
  prompt.queries = 19, prompt.keys = 23;
  GpuKernel kernel(step.text(), GetParam(), GpuModule::machineOf(GetParam()),
                   [](mlir::OpPassManager &passes) { passes.addPass(createSplitKeys()); });
  EXPECT_EQ(kernel.kernelCount(), 2);
  EXPECT_NE(kernel.reason().find("of one query: keys in "), std::string::npos) << kernel.reason();
  kernel.matches(step.shapes(), 2e-3);
  kernel.matches(prompt.shapes(), 2e-3);
  kernel.assembles();
}

// Copies of keys and values are 16 bytes wide and a step ahead: two groups of them may be on their way.
TEST(Gpu, StepsOfDecodersCopyAhead) {
  GpuKernel kernel(
      Attention{
          .element = "f16", .heads = 12, .keyHeads = 12, .queries = 1, .keys = 1024, .depth = 64, .valueDepth = 64}
          .text(),
      "sm_90a", gpuMachineOf(90), [](mlir::OpPassManager &passes) { passes.addPass(createSplitKeys()); });
  EXPECT_NE(kernel.reason().find("copied a step ahead"), std::string::npos) << kernel.reason();
  kernel.assembles();
  EXPECT_NE(kernel.ptx.text.find("cp.async.cg.shared.global"), std::string::npos);
  EXPECT_EQ(kernel.ptx.text.find("cp.async.ca.shared.global"), std::string::npos);
  EXPECT_NE(kernel.ptx.text.find("cp.async.wait_group \t1"), std::string::npos);
}
