// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rows that registers do not hold, in a ring of pieces in shared memory: on a machine of two multiprocessors, so that
// blocks go on to further rows and the ring comes round.
#include "test/unit/Gpu/GpuKernel.h"

using namespace bessemer;
using bessemer::gputest::GpuKernel;

namespace {
struct RowCase {
  std::string name, op;
  std::string element;
  int64_t rows, columns;
  bool unknownRows = false;
  bool kept = true;
};

std::string typeOf(const std::string &rows, int64_t columns, const std::string &element) {
  std::string c = std::to_string(columns);
  return rows == "n" ? "tensor<?x" + c + "x" + element + ", #bess.dims<\"n\", \"" + c + "\">>"
                     : "tensor<" + rows + "x" + c + "x" + element + ">";
}

std::string graphOf(const RowCase &test) {
  std::string t = typeOf(test.unknownRows ? "n" : std::to_string(test.rows), test.columns, test.element);
  std::string v = "tensor<" + std::to_string(test.columns) + "x" + test.element + ">";
  std::string head = "func.func @main(%x: " + t;
  if (test.op == "softmax")
    return head + ") -> " + t + " {\n  %y = bess.softmax %x {axis = 1 : i64} : (" + t + ") -> " + t +
           "\n  return %y : " + t + "\n}\n";
  if (test.op == "rms_norm")
    return head + ", %s: " + v + ") -> " + t +
           " {\n  %y = bess.rms_norm %x, %s {axis = 1 : i64, epsilon = 1.0e-5 : f64} : (" + t + ", " + v + ") -> " + t +
           "\n  return %y : " + t + "\n}\n";
  // A residual in front of the norm: two inputs of the row's own, and weights that all rows share.
  return head + ", %r: " + t + ", %s: " + v + ", %b: " + v + ") -> " + t + " {\n  %0 = bess.add %x, %r : (" + t + ", " +
         t + ") -> " + t + "\n  %y = bess.layer_norm %0, %s, %b {axis = 1 : i64, epsilon = 1.0e-5 : f64} : (" + t +
         ", " + v + ", " + v + ") -> " + t + "\n  return %y : " + t + "\n}\n";
}

class KeptRows : public testing::TestWithParam<std::tuple<RowCase, std::string>> {};
} // namespace

TEST_P(KeptRows, Match) {
  const auto &[test, architecture] = GetParam();
  GpuMachine machine = GpuKernel::machineOf(architecture);
  machine.multiprocessors = 2;
  GpuKernel kernel(graphOf(test), architecture, machine);
  ASSERT_EQ(kernel.kernelCount(), 1);
  // Whether the copies of the ring are there.
  EXPECT_EQ(kernel.reason().find("a ring of") != std::string::npos, test.kept) << kernel.reason();
  std::vector<std::vector<int64_t>> shapes{{test.rows, test.columns}};
  if (test.op == "layer_norm")
    shapes.push_back({test.rows, test.columns});
  for (size_t vectors = test.op == "softmax" ? 0 : test.op == "rms_norm" ? 1 : 2; vectors; --vectors)
    shapes.push_back({test.columns});
  kernel.matches(shapes, test.element == "f32" ? 2e-6 : test.element == "f16" ? 1e-3 : 8e-3);
  kernel.assembles();
  EXPECT_EQ(kernel.ptx.text.find("cp.async") != std::string::npos, test.kept);
}

INSTANTIATE_TEST_SUITE_P(
    Gpu, KeptRows,
    testing::Combine(testing::Values(RowCase{"Softmax", "softmax", "bf16", 7, 65536},
                                     RowCase{"SoftmaxWithARest", "softmax", "f16", 9, 20000, true},
                                     RowCase{"SoftmaxTooLong", "softmax", "f32", 4, 65536},
                                     // One reduction: the next row's must not come too early.
                                     RowCase{"RmsNorm", "rms_norm", "f16", 13, 32768, true},
                                     RowCase{"RmsNormF32", "rms_norm", "f32", 5, 17000},
                                     RowCase{"Residual", "layer_norm", "bf16", 5, 40960},
                                     RowCase{"OneRow", "softmax", "f16", 1, 40000},
                                     // Elements of two bytes that lie at odd places cannot be copied asynchronously.
                                     RowCase{"OddLength", "softmax", "bf16", 3, 20001, false, false}),
                     testing::Values("sm_80", "sm_90a")),
    [](const auto &info) { return std::get<0>(info.param).name + "_" + std::get<1>(info.param); });

// Two dimensions of rows: the numbers of the rows behind this one are taken apart.
TEST(Gpu, KeptRowsOfTwoDimensions) {
  std::string t = "tensor<3x3x20480xf16>";
  GpuMachine machine = GpuKernel::machineOf("sm_90a");
  machine.multiprocessors = 1;
  GpuKernel kernel("func.func @main(%x: " + t + ", %m: tensor<3x1x20480xf16>) -> " + t +
                       " {\n  %0 = bess.add %x, %m : (" + t + ", tensor<3x1x20480xf16>) -> " + t +
                       "\n  %y = bess.softmax %0 {axis = 2 : i64} : (" + t + ") -> " + t + "\n  return %y : " + t +
                       "\n}\n",
                   "sm_90a", machine);
  kernel.matches({{3, 3, 20480}, {3, 1, 20480}}, 1e-3);
  kernel.assembles();
  EXPECT_NE(kernel.ptx.text.find("cp.async"), std::string::npos);
}
