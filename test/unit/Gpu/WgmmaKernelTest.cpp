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
                         testing::Values(Product{"f16", 128, 128, 128}, Product{"bf16", 130, 264, 1096, true}));

TEST_P(WgmmaProducts, MatchTheReference) {
  GpuKernel kernel(GetParam().text(), "sm_90a", forWgmma());
  kernel.matches(GetParam().shapes(), toleranceOf(GetParam().element));
  expectWgmma(kernel);
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
