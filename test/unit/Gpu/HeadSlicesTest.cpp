// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention that reads queries, keys and values as slices of the heads of one tensor, which a product for all three
// makes: by mma.sync and by wgmma, in parts of the keys, with query heads that share a key head.
#include "GpuKernel.h"

#include "passes/Layout/Passes.h"

using namespace bessemer;
using namespace bessemer::gputest;

namespace {
/// `heads` and two times `keyHeads` of a tensor [2, length, all heads, 64].
struct Heads {
  int64_t heads, keyHeads, length;
  bool headsFirst = false;

  std::vector<int64_t> shape(int64_t count) const {
    return headsFirst ? std::vector<int64_t>{2, count, length, 64} : std::vector<int64_t>{2, length, count, 64};
  }
  std::string type(int64_t count) const {
    std::string text = "tensor<";
    for (int64_t size : shape(count))
      text += std::to_string(size) + "x";
    return text + "f16>";
  }
  std::string text() const {
    std::string all = type(heads + 2 * keyHeads), q = type(heads), k = type(keyHeads),
                layout = headsFirst ? "bhsd" : "bshd", layouts;
    for (std::string name : {"q", "k", "v", "y"})
      layouts += ", " + name + "_layout = \"" + layout + "\"";
    std::string body;
    auto slice = [&](const std::string &name, int64_t first, const std::string &to) {
      std::string offset = ", \"" + std::to_string(first) + "\", ";
      body += "  %" + name + " = bess.slice %x {offsets = #bess.dims<\"0\"" +
              (headsFirst ? offset + "\"0\"" : ", \"0\"" + offset.substr(0, offset.size() - 2)) +
              ", \"0\">, steps = array<i64: 1, 1, 1, 1>} : (" + all + ") -> " + to + "\n";
    };
    slice("q", 0, q), slice("k", heads, k), slice("v", heads + keyHeads, k);
    return "func.func @main(%x: " + all + ") -> " + q + " {\n" + body +
           "  %y = bess.attention %q, %k, %v {scale = 0.2 : f64, causal = true" + layouts +
           ", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (" + q + ", " + k + ", " + k + ") -> " + q +
           "\n  return %y : " + q + "\n}\n";
  }
};

void readsWhereTheyLie(GpuKernel &kernel, const Heads &heads) {
  EXPECT_EQ(kernel.kernelCount(), 1);
  EXPECT_NE(kernel.reason().find("reads heads where they lie"), std::string::npos) << kernel.reason();
  kernel.matches({heads.shape(heads.heads + 2 * heads.keyHeads)}, 2e-3);
  kernel.assembles();
}
} // namespace

class HeadSlices : public testing::TestWithParam<std::tuple<std::string, Heads>> {};
INSTANTIATE_TEST_SUITE_P(Gpu, HeadSlices,
                         testing::Combine(testing::Values("sm_80", "sm_90a"),
                                          testing::Values(Heads{2, 2, 80}, Heads{4, 2, 77}, Heads{2, 1, 50, true})));

TEST_P(HeadSlices, AreReadByMmaSync) {
  auto [target, heads] = GetParam();
  GpuKernel kernel(heads.text(), target);
  readsWhereTheyLie(kernel, heads);
  EXPECT_NE(kernel.ptx.text.find("mma.sync"), std::string::npos);
}

// mma.sync so slow that the cost model takes wgmma.
TEST(Gpu, HeadSlicesAreReadByTheCopyEngine) {
  GpuMachine machine = gpuMachineOf(90);
  machine.halfFlops = 1;
  for (Heads heads : {Heads{2, 2, 200}, Heads{4, 2, 150}}) {
    GpuKernel kernel(heads.text(), "sm_90a", machine);
    readsWhereTheyLie(kernel, heads);
    EXPECT_NE(kernel.ptx.text.find("wgmma.mma_async"), std::string::npos);
  }
}
