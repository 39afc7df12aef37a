// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A kernel as MLIR text, made ready to run.
#pragma once

#include "bessemer/Emulator/Emulator.h"

#include "mlir/Dialect/DLTI/DLTI.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

namespace bessemer::emulator::test {

/// The head of all kernels: thread, block, and x = block * block size + thread.
inline std::string kernelText(const std::string &arguments, const std::string &body, const std::string &before = "") {
  return before + "\nllvm.func @k(" + arguments + ") attributes {nvvm.kernel} {\n" +
         "  %tid = nvvm.read.ptx.sreg.tid.x : i32\n  %cta = "
         "nvvm.read.ptx.sreg.ctaid.x : i32\n  %ntid = "
         "nvvm.read.ptx.sreg.ntid.x : i32\n"
         "  %first = llvm.mul %cta, %ntid : i32\n  %x = llvm.add %first, %tid "
         ": i32\n" +
         body + "\n}\n";
}

class TestKernel {
public:
  explicit TestKernel(const std::string &text) {
    context.loadDialect<mlir::LLVM::LLVMDialect, mlir::NVVM::NVVMDialect, mlir::DLTIDialect>();
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    EXPECT_TRUE(module) << text;
    if (module)
      kernels = Module::prepare(*module, error);
  }

  LaunchResult launch(uint32_t grid, uint32_t block, std::vector<uint64_t> arguments, uint32_t dynamicShared = 0) {
    EXPECT_TRUE(kernels) << error;
    if (!kernels)
      return {};
    LaunchConfig config;
    config.grid = {grid};
    config.block = {block};
    config.dynamicSharedBytes = dynamicShared;
    return kernels->launch("k", config, arguments, device);
  }

  template <class T> uint64_t input(const std::string &name, const std::vector<T> &data) {
    uint64_t address = device.allocate(name, data.size() * sizeof(T));
    device.write(address, data.data(), data.size() * sizeof(T));
    return address;
  }
  template <class T> std::vector<T> output(uint64_t address, size_t count) {
    std::vector<T> data(count);
    EXPECT_TRUE(device.read(address, data.data(), count * sizeof(T)));
    return data;
  }

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::unique_ptr<Module> kernels;
  std::string error;
  Device device;
};

} // namespace bessemer::emulator::test
