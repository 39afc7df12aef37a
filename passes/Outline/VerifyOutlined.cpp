// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What holds after the phase: see Passes.td.
#include "dialects/Bess/Bess.h"
#include "dialects/Bess/Provenance.h"
#include "passes/Outline/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace bessemer::outline {
#define GEN_PASS_DEF_VERIFYOUTLINED
#include "passes/Outline/Passes.h.inc"
} // namespace bessemer::outline

using namespace mlir;
using namespace bessemer;

namespace {
struct VerifyOutlined : outline::impl::VerifyOutlinedBase<VerifyOutlined> {
  void runOnOperation() override {
    markAllAnalysesPreserved();
    SymbolTableCollection symbols;
    done.clear();
    for (func::FuncOp function : getOperation().getOps<func::FuncOp>()) {
      llvm::SmallPtrSet<Operation *, 8> active;
      if (failed(verifyCalls(function, symbols, active)))
        return signalPassFailure();
    }
    if (failed(bess::verifyProvenance(getOperation())))
      return signalPassFailure();
  }

  LogicalResult verifyCalls(func::FuncOp function, SymbolTableCollection &symbols,
                            llvm::SmallPtrSetImpl<Operation *> &active) {
    if (done.contains(function))
      return success();
    if (!active.insert(function).second)
      return function.emitError("expected no recursion, got a cycle of calls through @") << function.getName();
    WalkResult result = function.walk([&](func::CallOp call) {
      auto callee = symbols.lookupNearestSymbolFrom<func::FuncOp>(call, call.getCalleeAttr());
      return succeeded(verifyCall(call, callee)) && succeeded(verifyCalls(callee, symbols, active))
                 ? WalkResult::advance()
                 : WalkResult::interrupt();
    });
    active.erase(function);
    done.insert(function);
    return failure(result.wasInterrupted());
  }

  static LogicalResult verifyCall(func::CallOp call, func::FuncOp callee) {
    if (!callee || callee.isExternal() || !callee.isPrivate())
      return call.emitError("expected a private function with a body, got @") << call.getCallee();
    WalkResult weights = callee.walk([](bess::WeightOp weight) {
      weight.emitError("expected weights as arguments of a called function, got weight '")
          << weight.getName() << "' inside of it";
      return WalkResult::interrupt();
    });
    return failure(weights.wasInterrupted());
  }

  llvm::SmallPtrSet<Operation *, 8> done;
};
} // namespace
