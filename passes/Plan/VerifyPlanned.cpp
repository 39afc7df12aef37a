// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What holds after the phase: see Passes.td.
#include "dialects/Bess/Bess.h"
#include "dialects/Bess/Provenance.h"
#include "passes/Plan/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace bessemer::plan {
#define GEN_PASS_DEF_VERIFYPLANNED
#include "passes/Plan/Passes.h.inc"
} // namespace bessemer::plan

using namespace mlir;
using namespace bessemer;

namespace {
LogicalResult verifyPlacement(Operation *op, int64_t storages) {
  auto tensors = llvm::count_if(op->getResultTypes(), [](Type type) { return isa<RankedTensorType>(type); });
  auto places = op->getAttrOfType<ArrayAttr>("bess.placement");
  if (tensors == 0)
    return success();
  if (!places || places.size() != op->getNumResults())
    return op->emitError("expected bess.placement, a place for each of ")
           << op->getNumResults() << " results, got " << (places ? places.size() : 0);
  for (Attribute attribute : places) {
    auto place = dyn_cast<bess::PlacementAttr>(attribute);
    if (place && (place.getStorage() < 0 || place.getStorage() >= storages))
      return op->emitError("expected one of ") << storages << " storages, got number " << place.getStorage();
  }
  return success();
}

struct VerifyPlanned : plan::impl::VerifyPlannedBase<VerifyPlanned> {
  void runOnOperation() override {
    markAllAnalysesPreserved();
    for (func::FuncOp function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal())
        continue;
      auto storages = function->getAttrOfType<ArrayAttr>("bess.storages");
      if (!storages) {
        function.emitError("expected bess.storages, the memory of @") << function.getName() << ", got none";
        return signalPassFailure();
      }
      WalkResult result = function.walk([&](Operation *op) {
        bool isOurs = isa_and_nonnull<bess::BessDialect>(op->getDialect());
        return isOurs && failed(verifyPlacement(op, storages.size())) ? WalkResult::interrupt() : WalkResult::advance();
      });
      if (result.wasInterrupted())
        return signalPassFailure();
    }
    if (failed(bess::verifyProvenance(getOperation())))
      return signalPassFailure();
  }
};
} // namespace
