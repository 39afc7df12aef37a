// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Lower/Cpu/KernelExpander.h"
#include "passes/Lower/Passes.h"

#include "dialects/Tile/TargetSchedule.h"

namespace bessemer {
#define GEN_PASS_DEF_LOWERTILETOCPU
#include "passes/Lower/Passes.h.inc"
} // namespace bessemer

using namespace mlir;
using namespace bessemer;

namespace {
struct LowerTileToCpu : bessemer::impl::LowerTileToCpuBase<LowerTileToCpu> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<tile::KernelOp> programs(module.getOps<tile::KernelOp>());
    if (programs.empty())
      return;
    CpuSchedule schedule = tile::getCpuSchedule(module);
    OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
    auto kernels = ModuleOp::create(builder, module.getLoc(), "kernels");
    for (tile::KernelOp program : programs) {
      if (failed(KernelExpander(program, schedule).expand(kernels)))
        return signalPassFailure();
      program.erase();
    }
  }
};
} // namespace
