// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Embeddings: rows of tables that indices choose, added and normalized, in one kernel with accesses of 16 bytes.
#include "GpuKernel.h"

#include "bessemer/Support/KernelFault.h"

using namespace bessemer;
using namespace bessemer::gputest;

class EmbeddingKernel : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Gpu, EmbeddingKernel, testing::Values("sm_80", "sm_90a"));

/// Of `s` tokens, or of so many that the run tells.
static std::string embedding(bool normalizes, const std::string &s = "?") {
  std::string dims = s == "?" ? ", #bess.dims<\"1\", \"s\"" : "", more = dims.empty() ? "" : dims + ">",
              index = "tensor<1x" + s + "xi64" + more + ">",
              row = "tensor<1x" + s + "x768xf16" + (dims.empty() ? "" : dims + ", \"768\">") + ">",
              table = "tensor<64x768xf16>", scale = "tensor<768xf16>";
  std::string gather = " {axis = 0 : i64} : (" + table + ", " + index + ") -> " + row + "\n";
  std::string text = "func.func @main(%words: " + table + ", %places: " + table + ", %i: " + index + ", %j: " + index +
                     ", %s: " + scale + ") -> " + row + " {\n  %0 = bess.gather %words, %i" + gather +
                     "  %1 = bess.gather %places, %j" + gather + "  %2 = bess.add %0, %1 : (" + row + ", " + row +
                     ") -> " + row + "\n";
  if (normalizes)
    text += "  %3 = bess.layer_norm %2, %s, %s {axis = 2 : i64, epsilon = 1.0e-05 : f64} : (" + row + ", " + scale +
            ", " + scale + ") -> " + row + "\n";
  return text + "  return %" + (normalizes ? "3" : "2") + " : " + row + "\n}\n";
}

TEST_P(EmbeddingKernel, ReadsRowsInWholeAccesses) {
  for (bool normalizes : {false, true}) {
    GpuKernel kernel(embedding(normalizes), GetParam());
    EXPECT_EQ(kernel.kernelCount(), 1);
    EXPECT_EQ(kernel.reason().find("element by element"), std::string::npos) << kernel.reason();
    kernel.assembles();
    EXPECT_NE(kernel.ptx.text.find("ld.global.v4"), std::string::npos) << kernel.ptx.text;
    for (int64_t rows : {1, 13})
      kernel.matches({{64, 768}, {64, 768}, {1, rows}, {1, rows}, {768}}, 2e-3);
    EXPECT_EQ(kernel.fault, 0);
  }
}

// An index outside of the table is a fault of the data, reads nothing beside the table, and is told.
TEST_P(EmbeddingKernel, TellsOfIndicesOutsideOfTheTable) {
  GpuKernel kernel(embedding(false, "3"), GetParam());
  kernel.given = {{2, {0, 64, 1}}, {3, {2, -1, -64}}};
  kernel.runs({{64, 768}, {64, 768}, {1, 3}, {1, 3}, {768}});
  EXPECT_EQ(kernel.fault, kernelFaultNumber("index"));
}
