// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels of the size that models have: too large for the emulator, but what
// they are made of can be counted, and ptxas says whether they fit. Prints the
// rows of docs/benchmarks.md's prediction.
#include "GpuKernel.h"

#include "bessemer/Algorithms/GpuMatmulSchedule.h"

#include <cstdio>

using namespace bessemer;
using namespace bessemer::gputest;

namespace {
int64_t countOf(const std::string &text, const std::string &word) {
  int64_t count = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1))
    ++count;
  return count;
}

struct Shape {
  int64_t rows, columns, depth;
  std::string element;
  bool transposed;
};

std::string shapeText(int64_t a, int64_t b, const std::string &element) {
  return "tensor<" + std::to_string(a) + "x" + std::to_string(b) + "x" + element + ">";
}
} // namespace

class LargeProducts : public testing::TestWithParam<std::tuple<std::string, Shape>> {};
// By mma.sync on both architectures, and by wgmma.
INSTANTIATE_TEST_SUITE_P(
    Gpu, LargeProducts,
    testing::Combine(testing::Values("sm_80", "sm_90a, mma.sync", "sm_90a"),
                     testing::Values(Shape{4096, 4096, 4096, "f16", false}, Shape{4096, 4096, 4096, "bf16", false},
                                     Shape{8192, 8192, 8192, "bf16", true}, Shape{128, 3072, 768, "f16", false},
                                     Shape{2048, 2048, 2048, "f32", false})));

TEST_P(LargeProducts, AreMadeOfWhatTheScheduleSays) {
  auto [name, shape] = GetParam();
  std::string architecture = name.substr(0, name.find(','));
  GpuMachine machine = gpuMachineOf(architecture == "sm_80" ? 80 : 90);
  if (architecture != name)
    machine.wgmmaHalfFlops = machine.wgmmaTf32Flops = machine.wgmmaFloat8Flops = 0;
  std::string a = shapeText(shape.rows, shape.depth, shape.element),
              y = shapeText(shape.rows, shape.columns, shape.element),
              b = shape.transposed ? shapeText(shape.columns, shape.depth, shape.element)
                                   : shapeText(shape.depth, shape.columns, shape.element);
  GpuKernel kernel("func.func @main(%a: " + a + ", %b: " + b + ") -> " + y + " {\n  %y = bess.matmul %a, %b" +
                       (shape.transposed ? " {transpose_b}" : "") + " : (" + a + ", " + b + ") -> " + y +
                       "\n  return %y : " + y + "\n}\n",
                   architecture, machine);
  std::vector<cuda::KernelResources> resources = kernel.assembles();
  GpuMatmulShape known;
  known.rows = shape.rows, known.columns = shape.columns, known.depth = shape.depth;
  bool isFloat = shape.element == "f32";
  known.instruction = isFloat ? MatmulInstruction::Fma : MatmulInstruction::MmaHalf;
  known.elementBytes = isFloat ? 4 : 2;
  known.bulkOperands = !isFloat;
  known.transposedB = shape.transposed;
  GpuMatmulSchedule s = *chooseGpuMatmulSchedule(known, machine);
  GpuMatmulCost cost = gpuMatmulCost(s, known, machine);
  int64_t products;
  if (isWgmma(s.instruction)) {
    products = s.blockRows / s.groupRows() / 64 * s.blockDepth / 16;
    // LLVM takes both loops' steps several at a time where their number allows it.
    int64_t steps = countOf(kernel.ptx.text, "wgmma.mma_async") / products;
    EXPECT_GE(steps, 1);
    EXPECT_EQ(countOf(kernel.ptx.text, "wgmma.mma_async"), products * steps);
    // Boxes of 128 bytes a row.
    int64_t boxes =
        s.blockDepth / 64 + (shape.transposed ? s.blockDepth / 64 : std::max<int64_t>(1, s.blockColumns / 64));
    EXPECT_EQ(countOf(kernel.ptx.text, "cp.async.bulk.tensor") % boxes, 0);
    EXPECT_EQ(countOf(kernel.ptx.text, "setmaxnreg"), s.consumerRegisters ? 2 : 0);
  } else {
    int64_t rows = s.blockRows / s.warpRows, columns = s.blockColumns / s.warpColumns;
    products = isFloat ? rows * columns / 32 * s.blockDepth : rows / 16 * columns / 8 * s.blockDepth / 16;
    EXPECT_EQ(countOf(kernel.ptx.text, isFloat ? "fma.rn.f32" : "mma.sync"), products);
    if (!isFloat)
      EXPECT_EQ(countOf(kernel.ptx.text, "ldmatrix"), (rows / 16 + columns / 16) * s.blockDepth / 16);
    // In each step, and `stages` - 1 times before the loop.
    int64_t copies = (s.blockRows + s.blockColumns) * s.blockDepth * known.elementBytes / 16 / (32 * s.warps());
    EXPECT_EQ(countOf(kernel.ptx.text, "cp.async.cg.shared.global"), copies * s.stages);
  }
  if (resources.empty())
    FAIL() << "expected ptxas on the PATH: scripts/setup installs it";
  std::printf(
      "| %s | %ld x %ld x %ld %s | %s, %ld x %ld x %ld, %ld x %ld warps, %ld stages | %u | %ld | %ld | %ld | %.0f %% | "
      "%.2f |\n",
      architecture.c_str(), long(shape.rows), long(shape.columns), long(shape.depth), shape.element.c_str(),
      instructionName(s.instruction), long(s.blockRows), long(s.blockColumns), long(s.blockDepth), long(s.warpRows),
      long(s.warpColumns), long(s.stages), resources[0].registers, long(cost.sharedBytes >> 10), long(cost.resident),
      long(products), 100 * cost.peak, cost.cycles / 1e6);
}

// Functions behind the product are computed in pieces: blocks stay as large as without them, and nothing spills.
TEST(Gpu, LargeProductsWithFunctions) {
  for (std::string architecture : {"sm_80", "sm_90a"})
    for (std::string approximate : {"none", "tanh"}) {
      GpuMachine machine = gpuMachineOf(architecture == "sm_80" ? 80 : 90);
      int64_t n = 4096, k = 1024;
      std::string a = shapeText(n, k, "f16"), b = shapeText(k, n, "f16"), y = shapeText(n, n, "f16"),
                  bias = "tensor<4096xf16>";
      GpuKernel kernel("func.func @main(%a: " + a + ", %b: " + b + ", %c: " + bias + ", %r: " + y + ") -> " + y +
                           " {\n  %0 = bess.matmul %a, %b : (" + a + ", " + b + ") -> " + y +
                           "\n  %1 = bess.add %0, %c : (" + y + ", " + bias + ") -> " + y +
                           "\n  %2 = bess.gelu %1 {approximate = \"" + approximate + "\"} : (" + y + ") -> " + y +
                           "\n  %3 = bess.add %2, %r : (" + y + ", " + y + ") -> " + y + "\n  return %3 : " + y +
                           "\n}\n",
                       architecture, machine);
      std::vector<cuda::KernelResources> resources = kernel.assembles();
      GpuMatmulShape shape;
      shape.rows = shape.columns = n, shape.depth = k;
      shape.bulkOperands = true;
      GpuMatmulSchedule s = *chooseGpuMatmulSchedule(shape, machine);
      EXPECT_GE(s.blockRows * s.blockColumns, 64 * 128);
      EXPECT_EQ(kernel.kernelCount(), 1);
      auto main = kernel.nestedModule.getOps<mlir::LLVM::LLVMFuncOp>();
      EXPECT_EQ((*main.begin())->getAttrOfType<mlir::IntegerAttr>("bess.block").getInt(),
                32 * (s.warps() + s.producerWarps));
      if (!resources.empty())
        std::printf("| %s | gelu %s | %s, %ld x %ld | %u registers |\n", architecture.c_str(), approximate.c_str(),
                    instructionName(s.instruction), long(s.blockRows), long(s.blockColumns), resources[0].registers);
    }
}

// Sums that others add to, and what follows them, fit in registers, too.
TEST(Gpu, LargeStreamedProducts) {
  for (std::string architecture : {"sm_80", "sm_90a"})
    for (Shape shape : {Shape{3072, 768, 3072, "f16", false}, Shape{64, 4096, 14336, "bf16", true},
                        Shape{256, 4096, 6144, "bf16", false}}) {
      std::string a = shapeText(shape.rows, shape.depth, shape.element),
                  b = shape.transposed ? shapeText(shape.columns, shape.depth, shape.element)
                                       : shapeText(shape.depth, shape.columns, shape.element),
                  y = shapeText(shape.rows, shape.columns, shape.element),
                  bias = "tensor<" + std::to_string(shape.columns) + "x" + shape.element + ">";
      GpuKernel kernel("func.func @main(%a: " + a + ", %b: " + b + ", %c: " + bias + ", %r: " + y + ") -> " + y +
                           " {\n  %0 = bess.matmul %a, %b" + (shape.transposed ? " {transpose_b}" : "") + " : (" + a +
                           ", " + b + ") -> " + y + "\n  %1 = bess.add %0, %c : (" + y + ", " + bias + ") -> " + y +
                           "\n  %2 = bess.gelu %1 : (" + y + ") -> " + y + "\n  %3 = bess.add %2, %r : (" + y + ", " +
                           y + ") -> " + y + "\n  return %3 : " + y + "\n}\n",
                       architecture);
      kernel.assembles();
      bool isStreamed = kernel.reason().find("in even shares") != std::string::npos;
      EXPECT_EQ(isStreamed, architecture == "sm_90a" || shape.rows != 3072) << kernel.reason();
      EXPECT_EQ(countOf(kernel.ptx.text, "ld.acquire.gpu") > 0, isStreamed);
    }
}
