// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Row kernels from the graph to the GPU: a bess function is fused, becomes a
// tile program, is lowered, run under the emulator with its sanitizer, held
// against double, and assembled without spills.
#include "bessemer/Emulator/Emulator.h"
#include "bessemer/Target/CUDA.h"
#include "dialects/Tile/TargetSchedule.h"
#include "passes/Fuse/Passes.h"
#include "passes/Lower/Passes.h"
#include "passes/Tile/Passes.h"

#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>

using namespace bessemer;

namespace {
class Compiled {
public:
  explicit Compiled(const std::string &text) {
    context.loadDialect<bess::BessDialect, tile::TileDialect, mlir::func::FuncDialect, mlir::arith::ArithDialect,
                        mlir::math::MathDialect, mlir::scf::SCFDialect, mlir::cf::ControlFlowDialect,
                        mlir::LLVM::LLVMDialect, mlir::NVVM::NVVMDialect, mlir::vector::VectorDialect>();
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    EXPECT_TRUE(module) << text;
    // Each op of a model knows the node that it comes from.
    mlir::Location node = mlir::NameLoc::get(mlir::StringAttr::get(&context, "node"));
    module->walk([&](mlir::Operation *op) { op->setLoc(node); });
    tile::setGpuMachine(*module, gpuMachineOf(80));
    mlir::PassManager passes(&context);
    addFusePasses(passes);
    addTilePasses(passes);
    addLowerPasses(passes, "cuda");
    if (!module || failed(passes.run(*module)))
      return;
    for (auto nested : module->getOps<mlir::ModuleOp>())
      nestedModule = nested;
    if (!nestedModule)
      return;
    kernels = emulator::Module::prepare(nestedModule, error);
    EXPECT_TRUE(kernels) << error;
  }

  /// Inputs as @main has them; symbols as the kernel has them.
  std::vector<float> run(const std::vector<std::vector<float>> &inputs, size_t outputs,
                         const std::vector<uint64_t> &symbols = {}) {
    std::vector<float> result(outputs);
    if (!kernels || kernels->kernels().size() != 1) {
      ADD_FAILURE() << "expected one kernel";
      return result;
    }
    emulator::KernelInfo info = kernels->kernels()[0];
    emulator::Device device;
    std::vector<uint64_t> arguments;
    // A fusion takes its inputs in an order of its own.
    module->walk([&](bess::LaunchOp launch) {
      for (mlir::Value operand : launch->getOperands()) {
        const std::vector<float> &data = inputs[mlir::cast<mlir::BlockArgument>(operand).getArgNumber()];
        arguments.push_back(device.allocate("input", data.size() * 4));
        device.write(arguments.back(), data.data(), data.size() * 4);
      }
    });
    uint64_t out = device.allocate("output", outputs * 4);
    arguments.push_back(out);
    emulator::LaunchConfig config;
    SymbolicExpr::Values known;
    for (size_t i = 0; i < symbols.size(); ++i)
      known["s" + std::to_string(i)] = int64_t(symbols[i]);
    config.grid.x = 1;
    mlir::Operation *function = nestedModule.lookupSymbol(info.name);
    for (const SymbolicExpr &expr : bess::parseDims(function->getAttrOfType<bess::DimsAttr>("bess.grid")))
      config.grid.x *= uint32_t(*expr.evaluate(known));
    if (auto shared = function->getAttrOfType<mlir::IntegerAttr>("bess.shared"))
      config.dynamicSharedBytes = uint32_t(shared.getInt());
    if (!symbols.empty()) {
      std::vector<uint64_t> words{config.grid.x++}; // one more block than has work
      words.insert(words.end(), symbols.begin(), symbols.end());
      arguments.push_back(device.allocate("symbols", words.size() * 8));
      device.write(arguments.back(), words.data(), words.size() * 8);
    }
    config.block = info.requiredBlock;
    launched = kernels->launch(info.name, config, arguments, device);
    EXPECT_TRUE(launched.clean()) << launched.text();
    device.read(out, result.data(), outputs * 4);
    return result;
  }

  void assembles() {
    for (std::string architecture : {"sm_80", "sm_90a"}) {
      std::string message;
      cuda::Ptx ptx = cuda::emitPtx(nestedModule, createCudaBackend(architecture, message)->machine());
      ASSERT_EQ(ptx.error, "");
      if (cuda::findPtxas().empty())
        FAIL() << "expected ptxas on the PATH: scripts/setup installs it";
      cuda::Cubin cubin = cuda::assemble(ptx.text, architecture);
      ASSERT_EQ(cubin.error, "");
      for (const cuda::KernelResources &kernel : cubin.kernels) {
        EXPECT_EQ(kernel.spillStoreBytes, 0u) << kernel.name;
        EXPECT_EQ(kernel.stackBytes, 0u) << kernel.name;
      }
      EXPECT_EQ(ptx.text.find("call"), std::string::npos) << "a call in the kernel";
    }
  }

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::ModuleOp nestedModule;
  std::unique_ptr<emulator::Module> kernels;
  std::string error;
  emulator::LaunchResult launched;
};

std::vector<float> numbers(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> result(count);
  for (float &x : result)
    x = normal(random);
  return result;
}

std::string tensor(const std::string &rows, size_t columns) {
  std::string c = std::to_string(columns);
  return rows == "n" ? "tensor<?x" + c + "xf32, #bess.dims<\"n\", \"" + c + "\">>"
                     : "tensor<" + rows + "x" + c + "xf32>";
}

std::string function(const std::string &type, const std::string &body, const std::string &more = "") {
  return "func.func @main(%x: " + type + more + ") -> " + type + " {\n" + body + "  return %y : " + type + "\n}\n";
}
} // namespace

// 512: whole accesses; 1000: padding in the last repeat; 37: single elements,
// several rows in a warp; 5000: eight warps; 1: a row of one; 20000: in pieces, and a rest.
class RowLengths : public testing::TestWithParam<size_t> {};
INSTANTIATE_TEST_SUITE_P(Gpu, RowLengths, testing::Values(1, 37, 64, 512, 1000, 5000, 16384, 20000));

TEST_P(RowLengths, Softmax) {
  size_t rows = 3, columns = GetParam();
  std::string type = tensor("n", columns);
  Compiled kernel(function(type, "  %y = bess.softmax %x {axis = 1 : i64} : (" + type + ") -> " + type + "\n"));
  std::vector<float> x = numbers(rows * columns, 1);
  std::vector<float> y = kernel.run({x}, x.size(), {rows});
  for (size_t r = 0; r < rows; ++r) {
    double sum = 0;
    for (size_t c = 0; c < columns; ++c)
      sum += std::exp(double(x[r * columns + c]));
    for (size_t c = 0; c < columns; ++c)
      ASSERT_NEAR(y[r * columns + c], std::exp(double(x[r * columns + c])) / sum, 3e-6) << r << " " << c;
  }
  // Reads and writes use every byte of the sectors that they touch.
  if (columns % 8 == 0)
    EXPECT_EQ(kernel.launched.statisticsText(), "");
  kernel.assembles();
}

TEST_P(RowLengths, LayerNorm) {
  size_t rows = 2, columns = GetParam();
  std::string type = tensor("2", columns), vector = "tensor<" + std::to_string(columns) + "xf32>";
  Compiled kernel(function(type,
                           "  %y = bess.layer_norm %x, %s, %b {axis = 1 : i64, "
                           "epsilon = 1.0e-5 : f64} : (" +
                               type + ", " + vector + ", " + vector + ") -> " + type + "\n",
                           ", %s: " + vector + ", %b: " + vector));
  std::vector<float> x = numbers(rows * columns, 2), scale = numbers(columns, 3), bias = numbers(columns, 4);
  std::vector<float> y = kernel.run({x, scale, bias}, x.size());
  for (size_t r = 0; r < rows; ++r) {
    double mean = 0, variance = 0;
    for (size_t c = 0; c < columns; ++c)
      mean += x[r * columns + c] / double(columns);
    for (size_t c = 0; c < columns; ++c)
      variance += std::pow(x[r * columns + c] - mean, 2) / double(columns);
    for (size_t c = 0; c < columns; ++c)
      ASSERT_NEAR(y[r * columns + c], (x[r * columns + c] - mean) / std::sqrt(variance + 1e-5) * scale[c] + bias[c],
                  2e-5)
          << r << " " << c;
  }
  kernel.assembles();
}

// Rows of unknown length go by in pieces: less than one, exactly one, and some with a rest.
TEST(Gpu, RowsOfUnknownLength) {
  std::string type = "tensor<2x?xf32, #bess.dims<\"2\", \"n\">>";
  Compiled kernel(function(type, "  %y = bess.softmax %x {axis = 1 : i64} : (" + type + ") -> " + type + "\n"));
  for (size_t n : {1, 700, 2048, 5000}) {
    std::vector<float> x = numbers(2 * n, 7);
    std::vector<float> y = kernel.run({x}, x.size(), {n});
    for (size_t r = 0; r < 2; ++r) {
      double sum = 0;
      for (size_t c = 0; c < n; ++c)
        sum += std::exp(double(x[r * n + c]));
      for (size_t c = 0; c < n; ++c)
        ASSERT_NEAR(y[r * n + c], std::exp(double(x[r * n + c])) / sum, 3e-6) << r << " " << c << " of " << n;
    }
  }
  kernel.assembles();
}

// A row that is read across the memory's rows: a block takes a square, turned around in shared memory.
TEST(Gpu, Transpose) {
  for (auto [rows, columns] : {std::pair<size_t, size_t>{64, 64}, {130, 72}, {16, 200}, {3, 5}}) {
    std::string from = "tensor<" + std::to_string(rows) + "x" + std::to_string(columns) + "xf32>";
    std::string to = "tensor<" + std::to_string(columns) + "x" + std::to_string(rows) + "xf32>";
    Compiled kernel("func.func @main(%x: " + from + ") -> " + to +
                    " {\n  %y = bess.transpose %x {permutation = array<i64: 1, 0>} : (" + from + ") -> " + to +
                    "\n  return %y : " + to + "\n}\n");
    std::vector<float> x = numbers(rows * columns, 8);
    std::vector<float> y = kernel.run({x}, x.size());
    for (size_t r = 0; r < rows; ++r)
      for (size_t c = 0; c < columns; ++c)
        ASSERT_EQ(y[c * rows + r], x[r * columns + c]) << r << " " << c << " of " << rows << " x " << columns;
    // Both sides in whole sectors, without bank conflicts.
    if (rows % 8 == 0 && columns % 8 == 0)
      EXPECT_EQ(kernel.launched.statisticsText(), "") << rows << " x " << columns;
    kernel.assembles();
  }
}

// A flat elementwise chain of unknown length: the last block is partial.
TEST(Gpu, ElementwiseWithATail) {
  std::string type = "tensor<?xf32, #bess.dims<\"n\">>";
  Compiled kernel(function(type,
                           "  %0 = bess.gelu %x : (" + type + ") -> " + type + "\n  %y = bess.add %0, %z : (" + type +
                               ", " + type + ") -> " + type + "\n",
                           ", %z: " + type));
  for (size_t n : {1, 8192, 10001}) {
    std::vector<float> x = numbers(n, 5), z = numbers(n, 6);
    std::vector<float> y = kernel.run({x, z}, n, {n});
    for (size_t i = 0; i < n; ++i)
      ASSERT_NEAR(y[i], 0.5 * x[i] * (1 + std::erf(x[i] / std::sqrt(2.0))) + z[i], 2e-6) << i;
  }
  kernel.assembles();
}
