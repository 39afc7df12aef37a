// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From a graph to a GPU without a GPU: a bess function is fused, becomes tile
// programs, is lowered, run under the emulator with its sanitizer, held against
// the reference evaluator in double, and assembled without spills.
#pragma once

#include "bessemer/Emulator/Emulator.h"
#include "bessemer/Kernels/FloatFormat.h"
#include "bessemer/Reference/Evaluator.h"
#include "bessemer/Target/CUDA.h"
#include "dialects/Tile/TargetSchedule.h"
#include "passes/Fuse/Passes.h"
#include "passes/Lower/Passes.h"
#include "passes/Lower/TensorMaps.h"
#include "passes/Tile/Passes.h"

#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <map>
#include <random>

namespace bessemer::gputest {

/// A module for a GPU, its kernels in the emulator.
class GpuModule {
public:
  static GpuMachine machineOf(const std::string &architecture) {
    return gpuMachineOf(architecture == "sm_80" ? 80 : 90);
  }

  explicit GpuModule(const std::string &architecture) : architecture(architecture) {
    context.loadDialect<bess::BessDialect, tile::TileDialect, mlir::func::FuncDialect, mlir::arith::ArithDialect,
                        mlir::math::MathDialect, mlir::scf::SCFDialect, mlir::cf::ControlFlowDialect,
                        mlir::LLVM::LLVMDialect, mlir::NVVM::NVVMDialect, mlir::vector::VectorDialect>();
  }

  bool parse(const std::string &text, const GpuMachine &machine) {
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    if (!module) {
      ADD_FAILURE() << text;
      return false;
    }
    // Each op of a model knows the node that it comes from.
    mlir::Location node = mlir::NameLoc::get(mlir::StringAttr::get(&context, "node"));
    module->walk([&](mlir::Operation *op) { op->setLoc(node); });
    tile::setCpuSchedule(*module, {});
    tile::setGpuMachine(*module, machine);
    return true;
  }

  void lower(mlir::PassManager &passes) {
    if (failed(passes.run(*module))) {
      ADD_FAILURE() << "the passes fail";
      return;
    }
    for (auto nested : module->getOps<mlir::ModuleOp>())
      nestedModule = nested;
    if (!nestedModule) {
      ADD_FAILURE() << "no kernel";
      return;
    }
    std::string error;
    kernels = emulator::Module::prepare(nestedModule, error);
    EXPECT_TRUE(kernels) << error;
  }

  /// Assembles it without spills; the report, one entry for each kernel.
  std::vector<cuda::KernelResources> assembles() {
    std::string message;
    if (!nestedModule)
      return {};
    ptx = cuda::emitPtx(nestedModule, createCudaBackend(architecture, message)->machine());
    EXPECT_EQ(ptx.error, "");
    EXPECT_EQ(ptx.text.find("call"), std::string::npos) << "a call in the kernel";
    if (cuda::findPtxas().empty()) {
      ADD_FAILURE() << "expected ptxas on the PATH: scripts/setup installs it";
      return {};
    }
    cuda::Cubin cubin = cuda::assemble(ptx.text, architecture);
    EXPECT_EQ(cubin.error, "");
    EXPECT_EQ(cubin.warnings, std::vector<std::string>());
    for (const cuda::KernelResources &kernel : cubin.kernels) {
      EXPECT_EQ(kernel.spillStoreBytes, 0u) << kernel.name;
      EXPECT_EQ(kernel.stackBytes, 0u) << kernel.name;
    }
    return cubin.kernels;
  }

  /// Of the first kernel.
  std::string reason() {
    for (auto kernel : nestedModule.getOps<mlir::LLVM::LLVMFuncOp>())
      if (auto text = kernel->getAttrOfType<mlir::StringAttr>("bess.reason"))
        return text.str();
    return "";
  }
  int64_t kernelCount() { return nestedModule ? llvm::range_size(nestedModule.getOps<mlir::LLVM::LLVMFuncOp>()) : 0; }

  std::string architecture;
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::ModuleOp nestedModule;
  std::unique_ptr<emulator::Module> kernels;
  emulator::LaunchResult launched;
  cuda::Ptx ptx;
};

/// A tile program whose tiles have layouts already: bytes in, bytes out.
class GpuTileKernel : public GpuModule {
public:
  explicit GpuTileKernel(const std::string &text) : GpuModule("sm_80") {
    mlir::PassManager passes(&context);
    passes.addPass(createLowerTileToGpu());
    passes.addPass(createLowerKernelsToLlvm());
    if (parse(text, machineOf("sm_80")))
      lower(passes);
  }

  std::vector<uint8_t> run(const std::string &name, const std::vector<uint8_t> &input, size_t outputBytes) {
    std::vector<uint8_t> output(outputBytes);
    if (!kernels)
      return {};
    emulator::Device device;
    uint64_t from = device.allocate("input", input.size()), to = device.allocate("output", outputBytes);
    device.write(from, input.data(), input.size());
    emulator::LaunchConfig config;
    config.block = kernels->kernels()[0].requiredBlock;
    launched = kernels->launch(name, config, std::vector<uint64_t>{from, to}, device);
    EXPECT_TRUE(launched.clean()) << launched.text();
    device.read(to, output.data(), outputBytes);
    return output;
  }
};

/// A graph.
class GpuKernel : public GpuModule {
public:
  GpuKernel(const std::string &text, const std::string &architecture)
      : GpuKernel(text, architecture, machineOf(architecture)) {}
  /// `addFirst`: passes of phases before, on which the test depends. `tuned`: schedules of products.
  GpuKernel(const std::string &text, const std::string &architecture, const GpuMachine &machine,
            llvm::function_ref<void(mlir::OpPassManager &)> addFirst = nullptr, const TunedSchedules &tuned = {})
      : GpuModule(architecture) {
    if (!parse(text, machine))
      return;
    graph = module->clone();
    if (!tuned.empty())
      tile::setTunedSchedules(*module, tuned);
    mlir::PassManager passes(&context);
    if (addFirst)
      addFirst(passes);
    addFusePasses(passes);
    addTilePasses(passes);
    addLowerPasses(passes, "cuda");
    lower(passes);
  }

  /// Runs @main on numbers; expects results that differ by `tolerance`
  /// of the largest at most, a clean sanitizer, no bank conflicts.
  void matches(const std::vector<std::vector<int64_t>> &shapes, double tolerance, bool conflictsAllowed = false) {
    run(shapes, tolerance, conflictsAllowed);
  }
  /// Expects a clean sanitizer alone: what the reference refuses. Dimensions are known.
  void runs(const std::vector<std::vector<int64_t>> &shapes) { run(shapes, std::nullopt, false); }

  /// Elements of arguments of i64, instead of random ones.
  std::map<size_t, std::vector<int64_t>> given;
  int64_t fault = 0; ///< that the last kernel with checks has found
  mlir::OwningOpRef<mlir::ModuleOp> graph;

private:
  void run(const std::vector<std::vector<int64_t>> &shapes, std::optional<double> tolerance, bool conflictsAllowed) {
    if (!kernels)
      return;
    auto function = graph->lookupSymbol<mlir::func::FuncOp>("main");
    ASSERT_EQ(function.getNumArguments(), shapes.size());
    std::vector<reference::HostTensor> inputs;
    for (size_t i = 0; i < shapes.size(); ++i) {
      inputs.push_back(numbers(mlir::getElementTypeOrSelf(function.getArgument(i).getType()), shapes[i], unsigned(i)));
      if (given.count(i))
        llvm::copy(given[i], inputs.back().as<int64_t>());
    }
    WeightFiles files;
    reference::Evaluator evaluator(*graph, files, {.oracle = true});
    mlir::FailureOr<llvm::SmallVector<reference::HostTensor>> expected = mlir::failure();
    if (tolerance) {
      expected = evaluator.run("main", inputs);
      ASSERT_TRUE(succeeded(expected));
    }

    emulator::Device device;
    uint64_t faultsAt = 0;
    llvm::DenseMap<mlir::Value, uint64_t> addresses;
    auto main = module->lookupSymbol<mlir::func::FuncOp>("main");
    // A reshape is the same bytes.
    auto storage = [](mlir::Value value) {
      while (auto reshape = value.getDefiningOp<bess::ReshapeOp>())
        value = reshape.getX();
      return value;
    };
    auto place = [&](mlir::Value value) {
      const reference::HostTensor &input = inputs[mlir::cast<mlir::BlockArgument>(value).getArgNumber()];
      uint64_t &address = addresses[value];
      if (!address) {
        address = device.allocate("input", input.sizeInBytes());
        device.write(address, input.data, input.sizeInBytes());
      }
      return address;
    };
    auto evaluate = [&](const SymbolicExpr &expr) { return *expr.evaluate(evaluator.symbols()); };
    main.walk([&](bess::LaunchOp launch) {
      std::vector<uint64_t> arguments;
      for (mlir::Value operand : llvm::map_range(launch->getOperands(), storage))
        arguments.push_back(addresses.count(operand) ? addresses[operand] : place(operand));
      for (mlir::Value result : launch->getResults()) {
        uint64_t bytes = evaluate(bess::getElementCount(result.getType())) * bytesOf(result.getType());
        arguments.push_back(addresses[result] = device.allocate("result", bytes));
      }
      SymbolicExpr::Values symbols;
      std::vector<int64_t> words(1); // the number of blocks, and the symbols
      if (auto list = launch->getAttrOfType<bess::DimsAttr>("symbol_args"))
        for (const SymbolicExpr &expr : bess::parseDims(list)) {
          words.push_back(evaluate(expr));
          symbols["s" + std::to_string(symbols.size())] = words.back();
        }
      auto kernel = nestedModule.lookupSymbol<mlir::LLVM::LLVMFuncOp>(launch.getKernel());
      emulator::LaunchConfig config;
      config.grid.x = 1;
      for (const SymbolicExpr &expr : bess::parseDims(kernel->getAttrOfType<bess::DimsAttr>("bess.grid")))
        config.grid.x *= uint32_t(*expr.evaluate(symbols));
      if (words.size() > 1) {
        words[0] = config.grid.x++; // one more block than has work
        arguments.push_back(device.allocate("symbols", words.size() * 8));
        device.write(arguments.back(), words.data(), words.size() * 8);
      }
      uint64_t turns = 0, turnBytes = 4 * config.grid.x;
      if (auto partial = kernel->getAttrOfType<mlir::IntegerAttr>("bess.partial")) {
        arguments.push_back(device.allocate("workspace", config.grid.x * partial.getInt()));
        arguments.push_back(turns = device.allocate("turns", turnBytes));
        device.write(turns, std::vector<uint8_t>(turnBytes).data(), turnBytes);
      }
      if (kernel->hasAttr("bess.takes_workspace")) { // none, and a word for faults
        arguments.insert(arguments.end(), {0, 0, device.allocate("faults", 8)});
        int64_t none = 0;
        device.write(arguments.back(), &none, 8);
        faultsAt = arguments.back();
      }
      if (auto shared = kernel->getAttrOfType<mlir::IntegerAttr>("bess.shared"))
        config.dynamicSharedBytes = uint32_t(shared.getInt());
      for (const emulator::KernelInfo &info : kernels->kernels())
        if (info.name == kernel.getSymName())
          config.block = info.requiredBlock;
      for (const TensorMapPlan &plan : readTensorMaps(kernel)) {
        std::string error;
        std::optional<TensorMap> map = makeTensorMap(plan, arguments[plan.buffer], symbols, error);
        ASSERT_TRUE(map) << error;
        arguments.push_back(emulator::tensorMapArgument(config.tensorMaps.size()));
        config.tensorMaps.push_back(*map);
      }
      launched = kernels->launch(kernel.getSymName().str(), config, arguments, device);
      EXPECT_TRUE(launched.clean()) << launched.text();
      if (turns) {
        std::vector<uint8_t> left(turnBytes);
        EXPECT_TRUE(device.read(turns, left.data(), turnBytes));
        EXPECT_EQ(left, std::vector<uint8_t>(turnBytes)) << "the words that the next launch finds";
      }
      for (const emulator::AccessStatistics &access : launched.statistics)
        if (access.shared && !conflictsAllowed)
          EXPECT_EQ(access.transactions, access.ideal) << "bank conflicts at " << access.where;
    });
    fault = 0;
    if (faultsAt)
      ASSERT_TRUE(device.read(faultsAt, &fault, 8));
    if (!tolerance)
      return;
    auto terminator = mlir::cast<mlir::func::ReturnOp>(main.getBody().front().getTerminator());
    for (auto [value, tensor] : llvm::zip(terminator.getOperands(), *expected))
      compare(device, addresses[storage(value)], value.getType(), tensor, *tolerance);
  }

  static int64_t bytesOf(mlir::Type type) {
    return std::max(1u, mlir::getElementTypeOrSelf(type).getIntOrFloatBitWidth() / 8);
  }
  static DType narrowType(mlir::Type element) {
    return mlir::isa<mlir::Float8E4M3FNType>(element) ? DType::F8E4M3FN
           : mlir::isa<mlir::Float8E5M2Type>(element) ? DType::F8E5M2
           : element.isF16()                          ? DType::F16
                                                      : DType::BF16;
  }

  static reference::HostTensor numbers(mlir::Type element, const std::vector<int64_t> &shape, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    DType dtype = element.isF32()         ? DType::F32
                  : element.isInteger(1)  ? DType::Bool
                  : element.isInteger(64) ? DType::I64
                                          : narrowType(element);
    reference::HostTensor tensor = reference::HostTensor::make(dtype, shape);
    for (int64_t i = 0; i < tensor.elementCount(); ++i) {
      if (dtype == DType::F32)
        tensor.as<float>()[i] = normal(random);
      else if (dtype == DType::Bool)
        tensor.as<uint8_t>()[i] = random() % 4 != 0;
      else if (dtype == DType::I64)
        tensor.as<int64_t>()[i] = int64_t(random() % 64);
      else if (element.getIntOrFloatBitWidth() == 8)
        tensor.as<uint8_t>()[i] = uint8_t(kernels::encodeFloat(dtype, normal(random)));
      else
        tensor.as<uint16_t>()[i] = uint16_t(kernels::encodeFloat(dtype, normal(random)));
    }
    return tensor;
  }

  static void compare(emulator::Device &device, uint64_t address, mlir::Type type,
                      const reference::HostTensor &expected, double tolerance) {
    mlir::Type element = mlir::getElementTypeOrSelf(type);
    size_t count = size_t(expected.elementCount());
    std::vector<uint8_t> bytes(count * bytesOf(type));
    ASSERT_TRUE(device.read(address, bytes.data(), bytes.size()));
    const double *wanted = expected.as<double>();
    double largest = 0;
    for (size_t i = 0; i < count; ++i)
      largest = std::max(largest, std::abs(wanted[i]));
    for (size_t i = 0; i < count; ++i) {
      double got = element.isF32()
                       ? reinterpret_cast<float *>(bytes.data())[i]
                       : kernels::decodeFloat(narrowType(element), reinterpret_cast<uint16_t *>(bytes.data())[i]);
      ASSERT_NEAR(got, wanted[i], tolerance * largest) << "element " << i;
    }
  }
};

} // namespace bessemer::gputest
