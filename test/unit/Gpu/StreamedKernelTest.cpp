// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Products whose steps of depth are dealt out evenly to the blocks of the grid (stream-K).
#include "Products.h"

using namespace bessemer;
using namespace bessemer::gputest;

namespace {
struct Streamed {
  const char *what;
  std::string architecture, element;
  int64_t rows, columns, depth;
  GpuMatmulSchedule schedule; ///< blocks, warps, stages
  int64_t gridBlocks, streamedBlocks;
  bool transposed = false, transposedA = false;
  int64_t batches = 1;
};

GpuMatmulSchedule blocksOf(MatmulInstruction instruction, int64_t rows, int64_t columns, int64_t depth,
                           int64_t warpRows, int64_t warpColumns) {
  GpuMatmulSchedule schedule;
  schedule.instruction = instruction;
  schedule.blockRows = rows, schedule.blockColumns = columns, schedule.blockDepth = depth;
  schedule.warpRows = warpRows, schedule.warpColumns = warpColumns;
  schedule.stages = 3;
  return schedule;
}
const GpuMatmulSchedule mma = blocksOf(MatmulInstruction::MmaHalf, 64, 64, 32, 2, 2),
                        smallMma = blocksOf(MatmulInstruction::MmaHalf, 16, 32, 64, 1, 2),
                        tf32 = blocksOf(MatmulInstruction::MmaTf32, 32, 32, 32, 2, 1),
                        multiplyAdds = blocksOf(MatmulInstruction::Fma, 16, 32, 32, 2, 1),
                        wgmma = blocksOf(MatmulInstruction::WgmmaHalf, 64, 64, 64, 4, 1),
                        largeWgmma = blocksOf(MatmulInstruction::WgmmaHalf, 128, 128, 64, 8, 1),
                        wgmmaTf32 = blocksOf(MatmulInstruction::WgmmaTf32, 64, 32, 32, 4, 1);

/// A product, a bias, a GELU and a residual.
std::string textOf(const Streamed &p) {
  auto shaped = [&](int64_t rows, int64_t columns) {
    std::vector<std::string> dims{std::to_string(rows), std::to_string(columns)};
    if (p.batches > 1)
      dims.insert(dims.begin(), std::to_string(p.batches));
    return tensor(dims, p.element);
  };
  std::string a = p.transposedA ? shaped(p.depth, p.rows) : shaped(p.rows, p.depth),
              b = p.transposed ? shaped(p.columns, p.depth) : shaped(p.depth, p.columns), y = shaped(p.rows, p.columns),
              bias = tensor({std::to_string(p.columns)}, p.element);
  std::string flags = p.transposed && p.transposedA ? " {transpose_a, transpose_b}"
                      : p.transposed                ? " {transpose_b}"
                      : p.transposedA               ? " {transpose_a}"
                                                    : "";
  return "func.func @main(%a: " + a + ", %b: " + b + ", %c: " + bias + ", %r: " + y + ") -> " + y +
         " {\n  %0 = bess.matmul %a, %b" + flags + " : (" + a + ", " + b + ") -> " + y +
         "\n  %1 = bess.add %0, %c : (" + y + ", " + bias + ") -> " + y + "\n  %2 = bess.gelu %1 : (" + y + ") -> " +
         y + "\n  %3 = bess.add %2, %r : (" + y + ", " + y + ") -> " + y + "\n  return %3 : " + y + "\n}\n";
}
std::vector<std::vector<int64_t>> shapesOf(const Streamed &p) {
  auto shaped = [&](int64_t rows, int64_t columns) {
    std::vector<int64_t> dims{rows, columns};
    if (p.batches > 1)
      dims.insert(dims.begin(), p.batches);
    return dims;
  };
  return {p.transposedA ? shaped(p.depth, p.rows) : shaped(p.rows, p.depth),
          p.transposed ? shaped(p.columns, p.depth) : shaped(p.depth, p.columns),
          {p.columns},
          shaped(p.rows, p.columns)};
}

/// The schedule of the one product, in place of the model's.
TunedSchedules tunedOf(const Streamed &p, const GpuMachine &machine) {
  TunedProduct tuned;
  tuned.schedule = p.schedule;
  tuned.schedule.gridBlocks = p.gridBlocks, tuned.schedule.streamedBlocks = p.streamedBlocks;
  shareRegisters(tuned.schedule, machine);
  GpuMatmulShape &shape = tuned.product.shape;
  shape.batches = p.batches, shape.rows = p.rows, shape.columns = p.columns, shape.depth = p.depth;
  shape.instruction = p.element != "f32" ? MatmulInstruction::MmaHalf
                      : machine.tf32     ? MatmulInstruction::MmaTf32
                                         : MatmulInstruction::Fma;
  shape.elementBytes = shape.resultBytes = p.element == "f32" ? 4 : 2;
  shape.transposedA = p.transposedA, shape.transposedB = p.transposed;
  shape.bulkOperands = copyEngineFits(shape), shape.mayStream = true;
  tuned.product.epilogue = ProductEpilogue::Functions;
  EXPECT_EQ(checkGpuProduct(tuned.product, {1, 0, tuned.schedule, 0}, machine), "");
  TunedSchedules all;
  all.add(tuned);
  return all;
}
} // namespace

class StreamedProduct : public testing::TestWithParam<Streamed> {};

INSTANTIATE_TEST_SUITE_P(
    Gpu, StreamedProduct,
    testing::Values(Streamed{"3 blocks of 4 steps in shares of 3", "sm_80", "f16", 64, 192, 128, mma, 4, 3},
                    Streamed{"one block for 4", "sm_80", "bf16", 64, 64, 320, mma, 4, 1, true},
                    Streamed{"a share for nobody", "sm_80", "f16", 40, 56, 160, mma, 4, 1},
                    Streamed{"whole blocks behind the shares", "sm_80", "f16", 64, 448, 96, mma, 3, 4},
                    Streamed{"one row", "sm_80", "f16", 1, 80, 500, smallMma, 5, 3},
                    Streamed{"batches", "sm_80", "f16", 33, 70, 130, mma, 4, 6, false, true, 3},
                    Streamed{"tf32", "sm_80", "f32", 40, 72, 200, tf32, 4, 6},
                    Streamed{"multiply-adds", "sm_80", "f32", 20, 40, 200, multiplyAdds, 3, 4, true},
                    Streamed{"wgmma, shares of 3", "sm_90a", "f16", 64, 192, 256, wgmma, 4, 3},
                    Streamed{"wgmma, one block for 4", "sm_90a", "bf16", 64, 64, 640, wgmma, 4, 1, true},
                    Streamed{"wgmma, whole blocks, too", "sm_90a", "f16", 100, 200, 200, wgmma, 3, 5},
                    Streamed{"wgmma, two groups", "sm_90a", "bf16", 128, 256, 512, largeWgmma, 3, 2},
                    Streamed{"wgmma, batches", "sm_90a", "f16", 64, 64, 192, wgmma, 2, 3, false, true, 3},
                    Streamed{"wgmma on tf32", "sm_90a", "f32", 64, 64, 160, wgmmaTf32, 3, 2, true}),
    [](const auto &info) {
      std::string name = info.param.what;
      std::erase_if(name, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); });
      return name;
    });

TEST_P(StreamedProduct, MatchesTheReference) {
  Streamed p = GetParam();
  GpuMachine machine = gpuMachineOf(p.architecture == "sm_80" ? 80 : 90);
  bool isTf32 =
      p.schedule.instruction == MatmulInstruction::MmaTf32 || p.schedule.instruction == MatmulInstruction::WgmmaTf32;
  machine.tf32 = isTf32;
  GpuKernel kernel(textOf(p), p.architecture, machine, nullptr, tunedOf(p, machine));
  EXPECT_EQ(kernel.kernelCount(), 1);
  kernel.matches(shapesOf(p), isTf32 ? 2e-3 : toleranceOf(p.element));
  kernel.assembles();
  EXPECT_NE(kernel.ptx.text.find("st.release.gpu.global"), std::string::npos);
  EXPECT_NE(kernel.ptx.text.find("ld.acquire.gpu.global"), std::string::npos);
}
