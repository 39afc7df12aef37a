// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rows of 512 to 2048 elements: several in a block, a warp for each or for two (ShortRows.cpp, by the model).
#include "test/unit/Gpu/GpuKernel.h"

using namespace bessemer;
using bessemer::gputest::GpuKernel;

class GroupedRows : public testing::TestWithParam<std::tuple<int64_t, std::string, std::string>> {};
INSTANTIATE_TEST_SUITE_P(Gpu, GroupedRows,
                         testing::Combine(testing::Values(512, 768, 1000, 1024), testing::Values("f32", "f16", "bf16"),
                                          testing::Values("sm_80", "sm_90a")));

// Of a machine of one multiprocessor, so that 37 rows are many. Their number is only known in the run: the last block
// has fewer. The weights are read once for all rows of a warp.
TEST_P(GroupedRows, ResidualAndNorm) {
  const auto &[columns, element, architecture] = GetParam();
  std::string c = std::to_string(columns), x = "tensor<?x" + c + "x" + element + ", #bess.dims<\"n\", \"" + c + "\">>",
              v = "tensor<" + c + "x" + element + ">";
  GpuMachine machine = GpuKernel::machineOf(architecture);
  machine.multiprocessors = 1;
  GpuKernel kernel("func.func @main(%x: " + x + ", %r: " + x + ", %s: " + v + ", %b: " + v + ") -> " + x +
                       " {\n  %0 = bess.add %x, %r : (" + x + ", " + x + ") -> " + x +
                       "\n  %y = bess.layer_norm %0, %s, %b {axis = 1 : i64, epsilon = 1.0e-5 : f64} : (" + x + ", " +
                       v + ", " + v + ") -> " + x + "\n  return %y : " + x + "\n}\n",
                   architecture, machine);
  ASSERT_EQ(kernel.kernelCount(), 1);
  EXPECT_NE(kernel.reason().find("rows in a block"), std::string::npos) << kernel.reason();
  kernel.matches({{37, columns}, {37, columns}, {columns}, {columns}}, element == "f32"   ? 2e-6
                                                                       : element == "f16" ? 1e-3
                                                                                          : 8e-3);
  kernel.assembles();
  // A row stays within its warp.
  EXPECT_EQ(kernel.ptx.text.find("bar.sync"), std::string::npos);
}

// Rows of a known number, in two dimensions of which the last one bounds what a block takes.
TEST(Gpu, GroupedSoftmax) {
  for (auto [columns, element] : {std::pair<int64_t, std::string>{1024, "f32"}, {2048, "f16"}, {1000, "bf16"}}) {
    std::string t = "tensor<40x12x" + std::to_string(columns) + "x" + element + ">";
    GpuMachine machine = GpuKernel::machineOf("sm_90a");
    machine.multiprocessors = 1;
    GpuKernel kernel("func.func @main(%x: " + t + ") -> " + t + " {\n  %y = bess.softmax %x {axis = 2 : i64} : (" + t +
                         ") -> " + t + "\n  return %y : " + t + "\n}\n",
                     "sm_90a", machine);
    EXPECT_NE(kernel.reason().find("rows in a block"), std::string::npos) << kernel.reason();
    kernel.matches({{40, 12, columns}}, element == "f32" ? 2e-6 : element == "f16" ? 1e-3 : 8e-3);
    kernel.assembles();
  }
}
