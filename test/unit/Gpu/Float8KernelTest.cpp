// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Products of operands that are dequantized from float8: bytes in memory, scales behind the product.
#include "Products.h"

#include "passes/Layout/Passes.h"

using namespace bessemer;
using namespace bessemer::gputest;

namespace {
struct Float8Product {
  std::string element; ///< of the activations and the result
  std::string format;  ///< of the weights
  int64_t rows, columns, depth;
  bool transposed = false;
  bool perColumn = false;
  std::string left = {}; ///< float8 of the activations; empty: they are not quantized
  std::string m = {};

  std::string text() const {
    auto dim = [&](int64_t size) { return std::to_string(size); };
    std::string r = m.empty() ? dim(rows) : m, n = dim(columns), k = dim(depth);
    std::string x = tensor({r, k}, element), w = tensor(transposed ? std::vector{n, k} : std::vector{k, n}, element),
                y = tensor({r, n}, element), q = tensor({r, k}, left.empty() ? element : left),
                v = tensor(transposed ? std::vector{n, k} : std::vector{k, n}, format),
                s = perColumn ? tensor({n}, element) : "tensor<" + element + ">", t = "tensor<" + element + ">";
    std::string text = "func.func @main(%q: " + q + ", %v: " + v + ", %s: " + s + ", %t: " + t + ") -> " + y + " {\n" +
                       "  %w = bess.dequantize %v, %s {to = " + element + ", axis = " + (transposed ? "0" : "1") +
                       " : i64} : (" + v + ", " + s + ") -> " + w + "\n";
    if (!left.empty())
      text += "  %x = bess.dequantize %q, %t {to = " + element + "} : (" + q + ", " + t + ") -> " + x + "\n";
    return text + "  %y = bess.matmul " + (left.empty() ? "%q" : "%x") + ", %w" + (transposed ? " {transpose_b}" : "") +
           " : (" + x + ", " + w + ") -> " + y + "\n  return %y : " + y + "\n}\n";
  }
  std::vector<std::vector<int64_t>> shapes() const {
    return {{rows, depth},
            transposed ? std::vector<int64_t>{columns, depth} : std::vector<int64_t>{depth, columns},
            perColumn ? std::vector<int64_t>{columns} : std::vector<int64_t>{},
            {}};
  }
};

void addNarrow(mlir::OpPassManager &passes) { passes.addPass(createNarrowProducts()); }

const char e4m3[] = "f8E4M3FN", e5m2[] = "f8E5M2";
} // namespace

class Float8Products : public testing::TestWithParam<std::tuple<std::string, Float8Product>> {};

INSTANTIATE_TEST_SUITE_P(
    Gpu, Float8Products,
    testing::Combine(testing::Values("sm_80", "sm_90a"),
                     testing::Values(Float8Product{"f16", e4m3, 64, 64, 128}, Float8Product{"f16", e5m2, 70, 72, 200},
                                     Float8Product{"bf16", e4m3, 37, 40, 50, false, true},
                                     Float8Product{"bf16", e5m2, 33, 48, 96, true, true},
                                     Float8Product{"f16", e4m3, 5, 33, 21, false, true},
                                     Float8Product{"f16", e4m3, 70, 72, 144, true},
                                     Float8Product{"f32", e4m3, 37, 48, 80, false, true},
                                     Float8Product{"f32", e5m2, 20, 33, 50, true},
                                     Float8Product{"f16", e4m3, 70, 72, 136, false, true, {}, "m"},
                                     // Both operands.
                                     Float8Product{"f16", e4m3, 64, 64, 128, false, true, e4m3},
                                     Float8Product{"f32", e4m3, 37, 40, 72, true, true, e5m2},
                                     Float8Product{"bf16", e5m2, 20, 24, 40, false, false, e5m2, "m"})));

TEST_P(Float8Products, MatchTheReference) {
  auto [architecture, product] = GetParam();
  GpuKernel kernel(product.text(), architecture, GpuModule::machineOf(architecture), addNarrow);
  // Not the weights: the scales, one or a row of them, become f32 in a kernel of their own.
  int scales = product.element == "f32" ? 0 : 1 + !product.left.empty();
  EXPECT_LE(kernel.kernelCount(), 1 + scales) << "float8 is converted in a kernel of its own";
  // f32 is read from tiles that bytes were widened into, two lanes of a bank at a time.
  bool conflictsAllowed = product.element == "f32" && product.left.empty();
  kernel.matches(product.shapes(), toleranceOf(product.element), conflictsAllowed);
  kernel.assembles();
  EXPECT_EQ(kernel.ptx.text.find("mma.sync") == std::string::npos, product.element == "f32" && product.left.empty());
  // An instruction converts, where there is one and the result is f16.
  EXPECT_EQ(kernel.ptx.text.find("cvt.rn.f16x2.e") != std::string::npos,
            architecture == "sm_90a" && product.element != "bf16" ||
                (architecture == "sm_90a" && !product.left.empty()));
}

class WgmmaFloat8Products : public testing::TestWithParam<Float8Product> {};

INSTANTIATE_TEST_SUITE_P(Gpu, WgmmaFloat8Products,
                         testing::Values(Float8Product{"f16", e4m3, 128, 128, 256, true, true, e4m3},
                                         Float8Product{"bf16", e5m2, 200, 136, 208, true, false, e5m2},
                                         Float8Product{"f32", e4m3, 70, 72, 1040, true, true, e4m3},
                                         Float8Product{"f16", e4m3, 150, 200, 144, true, true, e4m3, "m"}));

TEST_P(WgmmaFloat8Products, MatchTheReference) {
  GpuMachine machine = gpuMachineOf(90);
  machine.multiprocessors = 1;
  machine.halfFlops = 1;
  GpuKernel kernel(GetParam().text(), "sm_90a", machine, addNarrow);
  kernel.matches(GetParam().shapes(), toleranceOf(GetParam().element));
  kernel.assembles();
  EXPECT_NE(kernel.ptx.text.find("wgmma.mma_async.sync.aligned.m64"), std::string::npos);
  EXPECT_NE(kernel.ptx.text.find("k32.f32.e" + std::string(GetParam().format == e4m3 ? "4m3" : "5m2")),
            std::string::npos);
}

// Blocks that go on to further ones.
TEST(Gpu, WgmmaFloat8BlocksThatGoOn) {
  GpuMachine machine = gpuMachineOf(90);
  machine.multiprocessors = 2;
  machine.halfFlops = 1;
  Float8Product product{"f16", e4m3, 456, 520, 272, true, true, e4m3};
  GpuKernel kernel(product.text(), "sm_90a", machine, addNarrow);
  std::string reasons;
  for (auto function : kernel.nestedModule.getOps<mlir::LLVM::LLVMFuncOp>())
    if (auto text = function->getAttrOfType<mlir::StringAttr>("bess.reason"))
      reasons += text.str() + "\n";
  EXPECT_NE(reasons.find("go on to further ones"), std::string::npos) << reasons;
  kernel.matches(product.shapes(), toleranceOf(product.element));
  kernel.assembles();
}
