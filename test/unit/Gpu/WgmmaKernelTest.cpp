// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Products by wgmma: the copy engine, a warp group that starts the copies, others that
// multiply. Sizes with ragged edges, and depths that go around the ring of stages.
#include "Products.h"

using namespace bessemer;
using namespace bessemer::gputest;

namespace {
/// mma.sync so slow that the cost model takes wgmma; one multiprocessor, so that blocks are large.
GpuMachine forWgmma() {
  GpuMachine machine = gpuMachineOf(90);
  machine.multiprocessors = 1;
  machine.halfFlops = machine.tf32Flops = 1;
  return machine;
}

void expectWgmma(GpuKernel &kernel) {
  kernel.assembles();
  EXPECT_NE(kernel.ptx.text.find("wgmma.mma_async"), std::string::npos);
  EXPECT_NE(kernel.ptx.text.find("cp.async.bulk.tensor"), std::string::npos);
  EXPECT_EQ(kernel.ptx.text.find("mma.sync"), std::string::npos);
}
} // namespace

class WgmmaProducts : public testing::TestWithParam<Product> {};

INSTANTIATE_TEST_SUITE_P(Gpu, WgmmaProducts,
                         testing::Values(Product{"f16", 128, 128, 128}, Product{"bf16", 200, 136, 200},
                                         Product{"f16", 70, 72, 72, true}, Product{"bf16", 130, 264, 1096, true},
                                         Product{"f16", 300, 64, 40}, Product{"bf16", 64, 512, 640},
                                         Product{"f16", 150, 72, 136, false, "m"},
                                         Product{"bf16", 150, 200, 136, true, "m"},
                                         Product{"f16", 136, 72, 200, false, {}, {}, true},
                                         Product{"bf16", 200, 136, 72, true, {}, {}, true}));

TEST_P(WgmmaProducts, MatchTheReference) {
  GpuKernel kernel(GetParam().text(), "sm_90a", forWgmma());
  kernel.matches(GetParam().shapes(), toleranceOf(GetParam().element));
  expectWgmma(kernel);
}

// More blocks than the grid has: each goes on to further ones, around the ring of stages, in groups along the rows.
TEST(Gpu, WgmmaBlocksThatGoOn) {
  for (Product product : {Product{"f16", 456, 520, 72}, Product{"bf16", 712, 264, 200, true, "m"}}) {
    GpuMachine machine = forWgmma();
    machine.multiprocessors = 2;
    GpuKernel kernel(product.text(), "sm_90a", machine);
    EXPECT_NE(kernel.reason().find("go on to further ones"), std::string::npos) << kernel.reason();
    kernel.matches(product.shapes(), toleranceOf(product.element));
    expectWgmma(kernel);
  }
}

TEST(Gpu, WgmmaProductsOnTf32) {
  GpuMachine machine = forWgmma();
  machine.tf32 = true;
  for (Product product : {Product{"f32", 130, 136, 100, true}, Product{"f32", 64, 64, 320, true}}) {
    GpuKernel kernel(product.text(), "sm_90a", machine);
    kernel.matches(product.shapes(), 2e-3);
    expectWgmma(kernel);
  }
}

TEST(Gpu, WgmmaProductsWithAnEpilogue) {
  for (std::string element : {"f16", "bf16"}) {
    std::string a = "tensor<140x72x" + element + ">", b = "tensor<72x200x" + element + ">",
                y = "tensor<140x200x" + element + ">", bias = "tensor<200x" + element + ">", binary = " : (" + y + ", ";
    GpuKernel kernel("func.func @main(%a: " + a + ", %b: " + b + ", %c: " + bias + ", %r: " + y + ") -> " + y + " {\n" +
                         "  %0 = bess.matmul %a, %b : (" + a + ", " + b + ") -> " + y + "\n" +
                         "  %1 = bess.add %0, %c" + binary + bias + ") -> " + y + "\n" + "  %2 = bess.gelu %1 : (" + y +
                         ") -> " + y + "\n" + "  %3 = bess.add %2, %r" + binary + y + ") -> " + y +
                         "\n  return %3 : " + y + "\n}\n",
                     "sm_90a", forWgmma());
    kernel.matches({{140, 72}, {72, 200}, {200}, {140, 200}}, toleranceOf(element));
    expectWgmma(kernel);
  }
}

TEST(Gpu, BatchedWgmmaProducts) {
  for (std::string left : {"3x140x72", "1x140x72"}) {
    std::string a = "tensor<" + left + "xf16>", b = "tensor<3x72x136xf16>", y = "tensor<3x140x136xf16>";
    GpuKernel kernel("func.func @main(%a: " + a + ", %b: " + b + ") -> " + y + " {\n  %y = bess.matmul %a, %b : (" + a +
                         ", " + b + ") -> " + y + "\n  return %y : " + y + "\n}\n",
                     "sm_90a", forWgmma());
    kernel.matches({{left[0] - '0', 140, 72}, {3, 72, 136}}, toleranceOf("f16"));
    expectWgmma(kernel);
  }
}
