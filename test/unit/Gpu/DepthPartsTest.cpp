// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Products in parts of their depth, and the sum of the parts with what follows it.
#include "Products.h"

using namespace bessemer;
using namespace bessemer::gputest;

namespace {
struct Parts {
  std::string architecture, element;
  int64_t rows, columns, depth, partDepth;
  bool transposed = false, wgmma = false, tf32 = false;
};

/// matmul_parts, sum_parts, a bias, a relu and a residual.
std::string textOf(const Parts &p) {
  auto text = [](int64_t n) { return std::to_string(n); };
  std::string a = tensor({text(p.rows), text(p.depth)}, p.element),
              b = p.transposed ? tensor({text(p.columns), text(p.depth)}, p.element)
                               : tensor({text(p.depth), text(p.columns)}, p.element),
              y = tensor({text(p.rows), text(p.columns)}, p.element), bias = tensor({text(p.columns)}, p.element),
              parts = tensor({text((p.depth + p.partDepth - 1) / p.partDepth), text(p.rows), text(p.columns)}, "f32");
  return "func.func @main(%a: " + a + ", %b: " + b + ", %c: " + bias + ", %r: " + y + ") -> " + y +
         " {\n  %p = bess.matmul_parts %a, %b {part_depth = " + text(p.partDepth) + " : i64" +
         (p.transposed ? ", transpose_b" : "") + "} : (" + a + ", " + b + ") -> " + parts +
         "\n  %0 = bess.sum_parts %p {to = " + p.element + "} : (" + parts + ") -> " + y +
         "\n  %1 = bess.add %0, %c : (" + y + ", " + bias + ") -> " + y + "\n  %2 = bess.relu %1 : (" + y + ") -> " +
         y + "\n  %3 = bess.add %2, %r : (" + y + ", " + y + ") -> " + y + "\n  return %3 : " + y + "\n}\n";
}
} // namespace

class DepthParts : public testing::TestWithParam<Parts> {};

// One row, few rows; parts of whole steps and a last one that ends early, in the middle of a step, too.
INSTANTIATE_TEST_SUITE_P(Gpu, DepthParts,
                         testing::Values(Parts{"sm_80", "f16", 1, 136, 256, 64}, Parts{"sm_80", "f16", 16, 72, 200, 64},
                                         Parts{"sm_80", "bf16", 5, 33, 150, 64, true},
                                         Parts{"sm_80", "f32", 1, 72, 200, 64},
                                         Parts{"sm_80", "f32", 16, 40, 136, 64, true, false, true},
                                         Parts{"sm_90a", "f16", 1, 136, 200, 64},
                                         Parts{"sm_90a", "f16", 70, 136, 200, 64, false, true},
                                         Parts{"sm_90a", "bf16", 64, 64, 320, 128, true, true}));

TEST_P(DepthParts, MatchTheReference) {
  Parts p = GetParam();
  GpuMachine machine = gpuMachineOf(p.architecture == "sm_80" ? 80 : 90);
  machine.tf32 = p.tf32;
  if (p.wgmma)
    machine.halfFlops = 1, machine.multiprocessors = 1;
  GpuKernel kernel(textOf(p), p.architecture, machine);
  EXPECT_EQ(kernel.kernelCount(), 2);
  std::vector<int64_t> right{p.depth, p.columns};
  if (p.transposed)
    std::swap(right[0], right[1]);
  kernel.matches({{p.rows, p.depth}, right, {p.columns}, {p.rows, p.columns}}, p.tf32 ? 2e-3 : toleranceOf(p.element));
  kernel.assembles();
  if (p.wgmma)
    EXPECT_NE(kernel.ptx.text.find("wgmma.mma_async"), std::string::npos);
  // The sums are read 16 bytes at a time where rows allow it.
  if (p.columns % 4 == 0)
    EXPECT_NE(kernel.ptx.text.find("ld.global.v4"), std::string::npos);
}

// Batches on both sides.
TEST(Gpu, BatchedDepthParts) {
  std::string a = "tensor<3x20x136xf16>", b = "tensor<3x136x40xf16>", parts = "tensor<3x3x20x40xf32>",
              y = "tensor<3x20x40xf16>";
  GpuKernel kernel("func.func @main(%a: " + a + ", %b: " + b + ") -> " + y +
                       " {\n  %p = bess.matmul_parts %a, %b {part_depth = 64 : i64} : (" + a + ", " + b + ") -> " +
                       parts + "\n  %y = bess.sum_parts %p {to = f16} : (" + parts + ") -> " + y +
                       "\n  return %y : " + y + "\n}\n",
                   "sm_80");
  kernel.matches({{3, 20, 136}, {3, 136, 40}}, toleranceOf("f16"));
}

// A normalization behind the sum is the same kernel, and writes the sum too where somebody else reads it.
TEST(Gpu, NormalizedDepthParts) {
  for (std::string architecture : {"sm_80", "sm_90a"})
    for (bool isRead : {false, true}) {
      std::string parts = "tensor<3x5x72xf32>", y = "tensor<5x72xf16>", vector = "tensor<72xf16>";
      GpuKernel kernel("func.func @main(%p: " + parts + ", %c: " + vector + ", %r: " + y + ", %s: " + vector +
                           ") -> (" + y + (isRead ? ", " + y : "") + ") {\n  %0 = bess.sum_parts %p {to = f16} : (" +
                           parts + ") -> " + y + "\n  %1 = bess.add %0, %c : (" + y + ", " + vector + ") -> " + y +
                           "\n  %2 = bess.add %r, %1 : (" + y + ", " + y + ") -> " + y +
                           "\n  %3 = bess.layer_norm %2, %s, %c {axis = 1 : i64, epsilon = 1.0e-5 : f64} : (" + y +
                           ", " + vector + ", " + vector + ") -> " + y + "\n  return %3" + (isRead ? ", %2" : "") +
                           " : " + y + (isRead ? ", " + y : "") + "\n}\n",
                       architecture);
      EXPECT_EQ(kernel.kernelCount(), 1);
      EXPECT_NE(kernel.reason().find("add, add, layer_norm read what sum_parts writes, row by row"), std::string::npos)
          << kernel.reason();
      EXPECT_EQ(kernel.reason().find("element by element:"), std::string::npos) << kernel.reason();
      kernel.matches({{3, 5, 72}, {72}, {5, 72}, {72}}, toleranceOf("f16"));
      kernel.assembles();
    }
}
