// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What holds after the phase: see Passes.td.
#include "dialects/Bess/Provenance.h"
#include "passes/Fuse/Passes.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace bessemer {
#define GEN_PASS_DEF_VERIFYFUSED
#include "passes/Fuse/Passes.h.inc"
} // namespace bessemer

using namespace mlir;
using namespace bessemer;

namespace {
LogicalResult verifyFusion(bess::FusionOp fusion) {
  if (fusion.getReason().empty())
    return fusion.emitError("expected a reason of the fusion, which explain prints, got none");
  for (Operation &op : fusion.getBody().front().without_terminator())
    if (isa<bess::FusionOp, bess::WeightOp>(op) || !isPure(&op))
      return op.emitError("expected ops without side effects in a fusion, got ") << op.getName();
  return success();
}

struct VerifyFused : bessemer::impl::VerifyFusedBase<VerifyFused> {
  void runOnOperation() override {
    markAllAnalysesPreserved();
    WalkResult result = getOperation().walk([](bess::FusionOp fusion) {
      return failed(verifyFusion(fusion)) ? WalkResult::interrupt() : WalkResult::advance();
    });
    if (result.wasInterrupted() || failed(bess::verifyProvenance(getOperation())))
      return signalPassFailure();
  }
};
} // namespace
