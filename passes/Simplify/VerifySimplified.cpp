// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What holds after the phase: see Passes.td.
#include "dialects/Bess/Bess.h"
#include "dialects/Bess/Provenance.h"
#include "dialects/Onnx/Onnx.h"
#include "passes/Simplify/Passes.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace bessemer::simplify {
#define GEN_PASS_DEF_VERIFYSIMPLIFIED
#include "passes/Simplify/Passes.h.inc"
} // namespace bessemer::simplify

using namespace mlir;
using namespace bessemer;

namespace {
struct VerifySimplified : simplify::impl::VerifySimplifiedBase<VerifySimplified> {
  void runOnOperation() override {
    markAllAnalysesPreserved();
    WalkResult result = getOperation().walk([](Operation *op) {
      if (isa_and_nonnull<onnx::OnnxDialect>(op->getDialect()))
        op->emitError("expected no op of the onnx dialect, got ") << op->getName();
      else if (isa_and_nonnull<bess::BessDialect>(op->getDialect()) && isOpTriviallyDead(op))
        op->emitError("expected a reader of what ") << op->getName() << " computes, got none";
      else
        return WalkResult::advance();
      return WalkResult::interrupt();
    });
    if (result.wasInterrupted() || failed(bess::verifyProvenance(getOperation())))
      return signalPassFailure();
  }
};
} // namespace
