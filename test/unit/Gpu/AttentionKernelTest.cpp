// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention: heads, masks, lengths that are no multiples of a block.
#include "GpuKernel.h"

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

  std::string dims(int64_t heads, const std::string &length, int64_t size, int64_t depth) const {
    std::string h = std::to_string(heads), d = std::to_string(depth), s = std::to_string(size);
    return dynamic ? "tensor<2x" + h + "x?x" + d + "x" + element + ", #bess.dims<\"2\", \"" + h + "\", \"" + length +
                         "\", \"" + d + "\">>"
                   : "tensor<2x" + h + "x" + s + "x" + d + "x" + element + ">";
  }
  std::string text() const {
    std::string q = dims(heads, "q", queries, depth), k = dims(keyHeads, "k", keys, depth),
                v = dims(keyHeads, "k", keys, valueDepth), y = dims(heads, "q", queries, valueDepth), m;
    if (!mask.empty()) {
      m = "tensor<";
      for (int64_t size : maskShape)
        m += std::to_string(size) + "x";
      m += mask + ">";
    }
    std::string list = " {scale = 0.3 : f64" + attributes + ", operandSegmentSizes = array<i32: 1, 1, 1, " +
                       (m.empty() ? "0" : "1") + (valid ? ", 1>}" : ", 0>}");
    std::string count = "tensor<2xi64>";
    return "func.func @main(%q: " + q + ", %k: " + k + ", %v: " + v + (m.empty() ? "" : ", %m: " + m) +
           (valid ? ", %n: " + count : "") + ") -> " + y + " {\n  %y = bess.attention %q, %k, %v" +
           (m.empty() ? "" : ", %m") + (valid ? ", %n" : "") + list + " : (" + q + ", " + k + ", " + v +
           (m.empty() ? "" : ", " + m) + (valid ? ", " + count : "") + ") -> " + y + "\n  return %y : " + y + "\n}\n";
  }
  std::vector<std::vector<int64_t>> shapes() const {
    std::vector<std::vector<int64_t>> result{
        {2, heads, queries, depth}, {2, keyHeads, keys, depth}, {2, keyHeads, keys, valueDepth}};
    if (!mask.empty())
      result.push_back(maskShape);
    if (valid)
      result.push_back({2});
    return result;
  }
};
} // namespace

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
    testing::Combine(testing::Values("sm_80", "sm_90a"),
                     testing::Values(Attention{"f16", 8, 2, 1, 70, 64, 64,
                                               ", causal = true, causal_bottom_right = true"},
                                     Attention{"bf16", 4, 1, 1, 100, 80, 80, "", "", {}, false, true},
                                     Attention{"f16", 4, 2, 1, 40, 64, 64, "", "f16", {2, 4, 1, 40}},
                                     Attention{"f16", 4, 2, 3, 40, 64, 64, "", "i1", {1, 1, 1, 40}},
                                     Attention{"f16", 4, 2, 3, 70, 64, 64, "", "", {}, true, true},
                                     Attention{"f32", 2, 1, 1, 40, 64, 64})));

TEST_P(Attentions, MatchTheReference) {
  auto [architecture, attention] = GetParam();
  GpuKernel kernel(attention.text(), architecture);
  kernel.matches(attention.shapes(), attention.element == "f32" ? 1e-5 : attention.element == "f16" ? 2e-3 : 1.6e-2);
  kernel.assembles();
}
