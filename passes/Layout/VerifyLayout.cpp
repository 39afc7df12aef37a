// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What holds after the phase: see Passes.td.
#include "dialects/Bess/Provenance.h"
#include "passes/Layout/Passes.h"

namespace bessemer {
#define GEN_PASS_DEF_VERIFYLAYOUT
#include "passes/Layout/Passes.h.inc"
} // namespace bessemer

using namespace mlir;
using namespace bessemer;

/// Is the op marked as one whose weights are in panels?
static bool readsPanels(Operation *op) {
  auto conv = dyn_cast<bess::ConvOp>(op);
  return conv ? bool(conv.getWeightShapeAttr()) : op->hasAttr(bess::packedColumnsName);
}

namespace {
struct VerifyLayout : bessemer::impl::VerifyLayoutBase<VerifyLayout> {
  void runOnOperation() override {
    markAllAnalysesPreserved();
    WalkResult result = getOperation().walk([](bess::PackOp pack) {
      for (Operation *user : pack.getY().getUsers()) {
        if (isa<bess::PackOp, func::CallOp, func::ReturnOp>(user) || readsPanels(user))
          continue;
        InFlightDiagnostic error =
            user->emitError("expected a matmul or conv that knows panels, or a call, as the reader of panels, got ")
            << user->getName();
        error.attachNote(pack.getLoc()) << "packed here";
        return WalkResult::interrupt();
      }
      return WalkResult::advance();
    });
    if (result.wasInterrupted() || failed(bess::verifyProvenance(getOperation())))
      return signalPassFailure();
  }
};
} // namespace
