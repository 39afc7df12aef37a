// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Matrix products: sizes with ragged edges, so that each mask is needed.
#include "Products.h"

using namespace bessemer;
using namespace bessemer::gputest;

class Products : public testing::TestWithParam<std::tuple<std::string, Product>> {};

// Whole and ragged sizes; 37 x 40 x 50: rows of a operand that are no multiple
// of 16 bytes; 33 columns: single elements.
INSTANTIATE_TEST_SUITE_P(Gpu, Products,
                         testing::Combine(testing::Values("sm_80", "sm_90a"),
                                          testing::Values(Product{"f16", 64, 64, 128}, Product{"f16", 70, 72, 200},
                                                          Product{"bf16", 37, 40, 50}, Product{"f16", 5, 33, 21},
                                                          Product{"f16", 70, 72, 72, true},
                                                          Product{"bf16", 33, 17, 19, true}, Product{"f32", 70, 72, 72},
                                                          Product{"f32", 37, 33, 50, true},
                                                          Product{"f16", 70, 72, 136, false, "m"},
                                                          Product{"f16", 20, 24, 40, false, "m", "k"},
                                                          Product{"f32", 20, 24, 40, true, "m", "k"})));

// The left operand [depth, rows]: no kernel that transposes it comes first.
INSTANTIATE_TEST_SUITE_P(TransposedLeft, Products,
                         testing::Combine(testing::Values("sm_80", "sm_90a"),
                                          testing::Values(Product{"f16", 64, 64, 128, false, {}, {}, true},
                                                          Product{"bf16", 72, 40, 50, true, {}, {}, true},
                                                          Product{"f16", 37, 33, 21, false, {}, {}, true},
                                                          Product{"f32", 70, 72, 50, false, {}, {}, true},
                                                          Product{"f16", 72, 40, 40, false, "m", "k", true})));

TEST_P(Products, MatchTheReference) {
  auto [architecture, product] = GetParam();
  GpuKernel kernel(product.text(), architecture);
  EXPECT_EQ(kernel.kernelCount(), 1);
  kernel.matches(product.shapes(), toleranceOf(product.element));
  kernel.assembles();
}

// Blocks in groups along the rows: the last group is smaller; rows that only the launch knows.
TEST(Gpu, ProductsInGroups) {
  GpuMachine machine = gpuMachineOf(80);
  machine.multiprocessors = 6;
  for (Product product : {Product{"f16", 300, 520, 32}, Product{"f16", 300, 520, 32, false, "m"}}) {
    GpuKernel kernel(product.text(), "sm_80", machine);
    EXPECT_NE(kernel.reason().find("in groups of"), std::string::npos) << kernel.reason();
    kernel.matches(product.shapes(), toleranceOf(product.element));
  }
}

// f32 operands through the tensor cores, when that is asked for.
TEST(Gpu, Tf32Products) {
  for (std::string architecture : {"sm_80", "sm_90a"})
    for (Product product : {Product{"f32", 70, 72, 72}, Product{"f32", 37, 36, 52, true},
                            Product{"f32", 72, 40, 52, false, {}, {}, true}}) {
      GpuMachine machine = gpuMachineOf(architecture == "sm_80" ? 80 : 90);
      machine.tf32 = true;
      GpuKernel kernel(product.text(), architecture, machine);
      kernel.matches(product.shapes(), 2e-3);
      kernel.assembles();
      EXPECT_NE(kernel.ptx.text.find("tf32"), std::string::npos);
    }
}

TEST(Gpu, ProductsWithAnEpilogue) {
  for (std::string architecture : {"sm_80", "sm_90a"})
    for (std::string element : {"f16", "f32"}) {
      std::string a = "tensor<40x48x" + element + ">", b = "tensor<48x72x" + element + ">",
                  y = "tensor<40x72x" + element + ">", bias = "tensor<72x" + element + ">", binary = " : (" + y + ", ";
      GpuKernel kernel("func.func @main(%a: " + a + ", %b: " + b + ", %c: " + bias + ", %r: " + y + ") -> " + y +
                           " {\n" + "  %0 = bess.matmul %a, %b : (" + a + ", " + b + ") -> " + y + "\n" +
                           "  %1 = bess.add %0, %c" + binary + bias + ") -> " + y + "\n" + "  %2 = bess.gelu %1 : (" +
                           y + ") -> " + y + "\n" + "  %3 = bess.add %2, %r" + binary + y + ") -> " + y +
                           "\n  return %3 : " + y + "\n}\n",
                       architecture);
      kernel.matches({{40, 48}, {48, 72}, {72}, {40, 72}}, toleranceOf(element));
      kernel.assembles();
    }
}

// Batches on both sides, and one left operand for all.
TEST(Gpu, BatchedProducts) {
  for (std::string left : {"3x20x24", "1x20x24"}) {
    std::string a = "tensor<" + left + "xf16>", b = "tensor<3x24x33xf16>", y = "tensor<3x20x33xf16>";
    GpuKernel kernel("func.func @main(%a: " + a + ", %b: " + b + ") -> " + y + " {\n  %y = bess.matmul %a, %b : (" + a +
                         ", " + b + ") -> " + y + "\n  return %y : " + y + "\n}\n",
                     "sm_80");
    kernel.matches({{left[0] - '0', 20, 24}, {3, 24, 33}}, toleranceOf("f16"));
    kernel.assembles();
  }
}
