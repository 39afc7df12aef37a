// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What holds after the phase: see Passes.td.
#include "dialects/Bess/Bess.h"
#include "dialects/Bess/Provenance.h"
#include "dialects/Tile/Tile.h"
#include "passes/Lower/Passes.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

namespace bessemer {
#define GEN_PASS_DEF_VERIFYLOWERED
#include "passes/Lower/Passes.h.inc"
} // namespace bessemer

using namespace mlir;
using namespace bessemer;

namespace {
struct VerifyLowered : bessemer::impl::VerifyLoweredBase<VerifyLowered> {
  void runOnOperation() override {
    markAllAnalysesPreserved();
    for (tile::KernelOp kernel : getOperation().getOps<tile::KernelOp>()) {
      kernel.emitError("expected no tile.kernel, got @") << kernel.getSymName();
      return signalPassFailure();
    }
    ModuleOp kernels = getOperation().lookupSymbol<ModuleOp>("kernels");
    if (kernels)
      for (Operation &top : *kernels.getBody()) {
        WalkResult result = top.walk<WalkOrder::PreOrder>([](Operation *op) {
          if (isa_and_nonnull<LLVM::LLVMDialect, NVVM::NVVMDialect>(op->getDialect()))
            return WalkResult::advance();
          op->emitError("expected an op of the LLVM or NVVM dialect in @kernels, got ") << op->getName();
          return WalkResult::interrupt();
        });
        if (result.wasInterrupted())
          return signalPassFailure();
      }
    WalkResult result = getOperation().walk([&](bess::LaunchOp launch) {
      Operation *kernel = kernels ? kernels.lookupSymbol(launch.getKernel()) : nullptr;
      if (kernel && kernel->hasAttr("bess.grid") && kernel->hasAttr("bess.workspace"))
        return WalkResult::advance();
      launch.emitError("expected a function of @kernels with a grid and a workspace, got @") << launch.getKernel();
      return WalkResult::interrupt();
    });
    if (result.wasInterrupted() || failed(bess::verifyProvenance(getOperation())))
      return signalPassFailure();
  }
};
} // namespace
