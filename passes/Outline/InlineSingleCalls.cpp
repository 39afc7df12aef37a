// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Outline/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace bessemer::outline {
#define GEN_PASS_DEF_INLINESINGLECALLS
#include "passes/Outline/Passes.h.inc"
} // namespace bessemer::outline

using namespace mlir;
using namespace bessemer;

namespace {

struct InlineSingleCallsPass : outline::impl::InlineSingleCallsBase<InlineSingleCallsPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    llvm::DenseMap<StringAttr, SmallVector<func::CallOp>> calls;
    module.walk([&](func::CallOp call) { calls[call.getCalleeAttr().getAttr()].push_back(call); });
    for (func::FuncOp function : llvm::make_early_inc_range(module.getOps<func::FuncOp>())) {
      SmallVector<func::CallOp> &sites = calls[function.getSymNameAttr()];
      if (!function.isPrivate() || function.isDeclaration() || sites.size() != 1)
        continue;
      func::CallOp call = sites.front();
      if (call->getParentOfType<func::FuncOp>() == function)
        continue;
      inlineCall(call, function);
    }
  }

  static void inlineCall(func::CallOp call, func::FuncOp function) {
    Block &body = function.front();
    Operation *terminator = body.getTerminator();
    for (auto [argument, operand] : llvm::zip(body.getArguments(), call.getOperands()))
      argument.replaceAllUsesWith(operand);
    for (auto [result, value] : llvm::zip(call.getResults(), terminator->getOperands()))
      result.replaceAllUsesWith(value);
    terminator->erase();
    call->getBlock()->getOperations().splice(call->getIterator(), body.getOperations());
    call.erase();
    function.erase();
  }
};

} // namespace
