// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Tile/TargetSchedule.h"
#include "passes/Lower/Gpu/GpuExpander.h"
#include "passes/Lower/Passes.h"

namespace bessemer {
#define GEN_PASS_DEF_ASSIGNGPULAYOUTS
#define GEN_PASS_DEF_LOWERTILETOGPU
#include "passes/Lower/Passes.h.inc"
} // namespace bessemer

using namespace mlir;
using namespace bessemer;

namespace {
struct AssignGpuLayouts : bessemer::impl::AssignGpuLayoutsBase<AssignGpuLayouts> {
  void runOnOperation() override {
    GpuMachine machine = tile::getGpuMachine(getOperation()).value_or(GpuMachine());
    for (tile::KernelOp kernel : getOperation().getOps<tile::KernelOp>()) {
      bool hasDot = kernel.getBody().walk([](tile::DotOp) { return WalkResult::interrupt(); }).wasInterrupted();
      if (failed(hasDot ? bessemer::gpu::assignDotLayouts(kernel, machine) : bessemer::gpu::assignRowLayouts(kernel)))
        return signalPassFailure();
    }
  }
};

struct LowerTileToGpu : bessemer::impl::LowerTileToGpuBase<LowerTileToGpu> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<tile::KernelOp> programs(module.getOps<tile::KernelOp>());
    if (programs.empty())
      return;
    GpuMachine machine = tile::getGpuMachine(module).value_or(GpuMachine());
    OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
    auto kernels = ModuleOp::create(builder, module.getLoc(), "kernels");
    for (tile::KernelOp program : programs) {
      if (failed(bessemer::gpu::GpuExpander(program, machine).expand(kernels)))
        return signalPassFailure();
      program.erase();
    }
  }
};
} // namespace
