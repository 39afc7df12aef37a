// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What holds after the phase: see Passes.td.
#include "dialects/Bess/DTypes.h"
#include "dialects/Bess/Provenance.h"
#include "passes/Tile/Passes.h"

namespace bessemer {
#define GEN_PASS_DEF_VERIFYTILED
#include "passes/Tile/Passes.h.inc"
} // namespace bessemer

using namespace mlir;
using namespace bessemer;

namespace {
LogicalResult verifyLaunch(bess::LaunchOp launch, tile::KernelOp kernel) {
  if (!kernel)
    return launch.emitError("expected the name of a tile.kernel, got @") << launch.getKernel();
  int64_t inputs = kernel.getViews() - kernel.getOutputs();
  if (static_cast<int64_t>(launch.getInputs().size()) != inputs ||
      static_cast<int64_t>(launch->getNumResults()) != int64_t(kernel.getOutputs()))
    return launch.emitError("expected ") << inputs << " operands and " << kernel.getOutputs()
                                         << " results, as the views of @" << launch.getKernel() << ", got "
                                         << launch.getInputs().size() << " and " << launch->getNumResults();
  auto symbols = launch->getAttrOfType<bess::DimsAttr>("symbol_args");
  int64_t given = symbols ? symbols.getExprs().size() : 0;
  if (given != int64_t(kernel.getSymbols()))
    return launch.emitError("expected ") << kernel.getSymbols() << " symbols for @" << launch.getKernel() << ", got "
                                         << given;
  SmallVector<Value> tensors(launch.getInputs());
  llvm::append_range(tensors, launch->getResults());
  for (auto [i, tensor] : llvm::enumerate(tensors)) {
    Type view = cast<tile::ViewType>(kernel.getView(i).getType()).getElementType(),
         element = getElementTypeOrSelf(tensor.getType());
    bool asBytes = view.isInteger(8) && isPacked(bess::getDType(element)); // several elements share one
    if (view != element && !asBytes)
      return launch.emitError("expected elements of ")
             << view << " for view " << i << " of @" << launch.getKernel() << ", got " << element;
  }
  return success();
}

struct VerifyTiled : bessemer::impl::VerifyTiledBase<VerifyTiled> {
  void runOnOperation() override {
    markAllAnalysesPreserved();
    SymbolTable symbols(getOperation());
    llvm::SmallPtrSet<Operation *, 16> launched;
    WalkResult result = getOperation().walk([&](Operation *op) {
      if (isa<bess::FusionOp>(op)) {
        op->emitError("expected no bess.fusion: a launch, or its ops on their own");
        return WalkResult::interrupt();
      }
      auto launch = dyn_cast<bess::LaunchOp>(op);
      if (!launch)
        return WalkResult::advance();
      auto kernel = symbols.lookup<tile::KernelOp>(launch.getKernel());
      launched.insert(kernel);
      return failed(verifyLaunch(launch, kernel)) ? WalkResult::interrupt() : WalkResult::advance();
    });
    if (result.wasInterrupted() || failed(bess::verifyProvenance(getOperation())))
      return signalPassFailure();
    for (tile::KernelOp kernel : getOperation().getOps<tile::KernelOp>()) {
      if (!launched.contains(kernel))
        kernel.emitError("expected a launch of every kernel, got none of @") << kernel.getSymName();
      else if (!bess::namesNode(kernel.getLoc()))
        kernel.emitError("expected a location that names the ONNX nodes of @") << kernel.getSymName();
      else
        continue;
      return signalPassFailure();
    }
  }
};
} // namespace
