// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention by wgmma: causal and not, ragged lengths, fewer and more keys than queries, heads that share keys, heads of
// all sizes, lengths before heads.
#include "GpuKernel.h"

using namespace bessemer;
using namespace bessemer::gputest;

namespace {
struct Attention {
  std::string element;
  int64_t heads, keyHeads, queries, keys, depth, valueDepth;
  std::string attributes = "";
  bool lengthFirst = false;
  int64_t batches = 1;

  std::vector<int64_t> shape(int64_t count, int64_t length, int64_t size) const {
    return lengthFirst ? std::vector<int64_t>{batches, length, count, size}
                       : std::vector<int64_t>{batches, count, length, size};
  }
  std::vector<std::vector<int64_t>> shapes() const {
    return {shape(heads, queries, depth), shape(keyHeads, keys, depth), shape(keyHeads, keys, valueDepth)};
  }
  std::string text() const {
    auto type = [&](const std::vector<int64_t> &sizes) {
      std::string t = "tensor<";
      for (int64_t size : sizes)
        t += std::to_string(size) + "x";
      return t + element + ">";
    };
    std::string q = type(shapes()[0]), k = type(shapes()[1]), v = type(shapes()[2]),
                y = type(shape(heads, queries, valueDepth)), layouts;
    if (lengthFirst)
      for (std::string name : {"q", "k", "v", "y"})
        layouts += ", " + name + "_layout = \"bshd\"";
    return "func.func @main(%q: " + q + ", %k: " + k + ", %v: " + v + ") -> " + y +
           " {\n  %y = bess.attention %q, %k, %v {scale = 0.2 : f64" + attributes + layouts +
           ", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (" + q + ", " + k + ", " + v + ") -> " + y +
           "\n  return %y : " + y + "\n}\n";
  }
};

/// mma.sync so slow that the cost model takes wgmma.
GpuMachine forWgmma() {
  GpuMachine machine = gpuMachineOf(90);
  machine.halfFlops = 1;
  return machine;
}
} // namespace

class WgmmaAttentions : public testing::TestWithParam<Attention> {};
INSTANTIATE_TEST_SUITE_P(
    Gpu, WgmmaAttentions,
    testing::Values(Attention{"bf16", 1, 1, 128, 384, 128, 128}, Attention{"f16", 2, 1, 200, 600, 64, 64},
                    Attention{"bf16", 2, 2, 300, 300, 128, 128, ", causal = true"},
                    Attention{"f16", 4, 2, 400, 400, 64, 64, ", causal = true"},
                    Attention{"bf16", 1, 1, 150, 333, 64, 64, ", causal = true, causal_bottom_right = true"},
                    Attention{"f16", 1, 1, 333, 150, 128, 128, ", causal = true, causal_bottom_right = true"},
                    Attention{"f16", 2, 1, 70, 100, 80, 96}, Attention{"bf16", 1, 1, 130, 260, 256, 256},
                    Attention{"bf16", 2, 1, 140, 270, 64, 128, ", causal = true", true},
                    Attention{"f16", 2, 1, 70, 150, 64, 64, ", causal = true", false, 2}));

TEST_P(WgmmaAttentions, MatchTheReference) {
  GpuKernel kernel(GetParam().text(), "sm_90a", forWgmma());
  kernel.matches(GetParam().shapes(), GetParam().element == "f16" ? 2e-3 : 1.6e-2);
  kernel.assembles();
  EXPECT_NE(kernel.ptx.text.find("wgmma.mma_async"), std::string::npos);
  EXPECT_EQ(kernel.ptx.text.find("mma.sync"), std::string::npos);
  EXPECT_NE(kernel.reason().find("warp groups by wgmma"), std::string::npos) << kernel.reason();
}

// One multiprocessor has time for three groups, of 64 queries each; heads do not fit in the cache together.
TEST(Gpu, WgmmaAttentionInThreeGroups) {
  GpuMachine machine = forWgmma();
  machine.multiprocessors = 1;
  machine.l2Bytes = 1 << 16;
  for (std::string attributes : {"", ", causal = true"}) {
    Attention attention{"f16", 2, 2, 192, 200, 64, 64, attributes, false, 2};
    GpuKernel kernel(attention.text(), "sm_90a", machine);
    EXPECT_NE(kernel.reason().find("192 queries in 3 warp groups by wgmma"), std::string::npos) << kernel.reason();
    kernel.matches(attention.shapes(), 2e-3);
    kernel.assembles();
  }
}
