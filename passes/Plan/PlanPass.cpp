// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pass: functions are planned before their callers, which need the sizes of
// their frames.
#include "passes/Plan/FunctionPlan.h"
#include "passes/Plan/Passes.h"
#include "passes/Plan/Schedule.h"

namespace bessemer::plan {
#define GEN_PASS_DEF_PLANMEMORY
#include "passes/Plan/Passes.h.inc"
} // namespace bessemer::plan

using namespace mlir;
using namespace bessemer;
using namespace bessemer::plan;

namespace {

struct PlanMemoryPass : plan::impl::PlanMemoryBase<PlanMemoryPass> {
  using PlanMemoryBase::PlanMemoryBase;

  void runOnOperation() override {
    limits.clear();
    for (const std::string &bound : bounds)
      if (!parseBound(bound, limits)) {
        getOperation().emitError() << "expected a bound like seq<=512, got '" << bound << "'";
        return signalPassFailure();
      }
    SymbolTableCollection symbols;
    llvm::SetVector<Operation *> active;
    getOperation().walk(
        [&](func::CallOp call) { calls[symbols.lookupNearestSymbolFrom(call, call.getCalleeAttr())].push_back(call); });
    for (func::FuncOp function : getOperation().getOps<func::FuncOp>())
      if (failed(planFunction(function, symbols, active)))
        return signalPassFailure();
    frameBytes.clear();
    overwritten.clear();
    calls.clear();
  }

  LogicalResult planFunction(func::FuncOp function, SymbolTableCollection &symbols,
                             llvm::SetVector<Operation *> &active) {
    if (frameBytes.count(function) || function.isDeclaration())
      return success();
    if (!active.insert(function))
      return function.emitError() << "expected no recursion, got a cycle of calls through @" << function.getName();
    auto planned = function.walk([&](func::CallOp call) {
      auto callee = symbols.lookupNearestSymbolFrom<func::FuncOp>(call, call.getCalleeAttr());
      if (callee && failed(planFunction(callee, symbols, active)))
        return WalkResult::interrupt();
      return WalkResult::advance();
    });
    if (planned.wasInterrupted())
      return failure();
    active.pop_back();

    if (failed(orderOps(function, symbols, frameBytes, limits)))
      return failure();
    FunctionPlan plan(function, frameBytes, overwritten, limits);
    for (BlockArgument argument : function.getArguments())
      if (isGivenUp(function, argument.getArgNumber()))
        plan.mayOverwrite(argument.getArgNumber());
    if (failed(plan.build(symbols)) || failed(plan.assignOffsets()))
      return failure();
    plan.annotate();
    frameBytes[function] = plan.frameBytes();
    overwritten[function] = plan.overwrites();
    return success();
  }

  /// Does no caller read the argument when the function has been called? The caller must have
  /// made it itself, as a value of its own, in the block of the call.
  bool isGivenUp(func::FuncOp function, unsigned argument) {
    auto it = calls.find(function);
    if (!function.isPrivate() || it == calls.end() || function->hasAttr("bess.prepare"))
      return false;
    return llvm::all_of(it->second, [&](func::CallOp call) {
      Value value = call.getOperand(argument);
      Operation *maker = value.getDefiningOp();
      if (!isa_and_nonnull<bess::LaunchOp, func::CallOp>(maker) || maker->getBlock() != call->getBlock() ||
          llvm::count(call.getOperands(), value) != 1)
        return false;
      return !isReadBehind(value, call);
    });
  }

  static bool isReadBehind(Value value, func::CallOp call) {
    return llvm::any_of(value.getUsers(), [&](Operation *user) {
      if (user == call)
        return false;
      Operation *ancestor = call->getBlock()->findAncestorOpInBlock(*user);
      if (!ancestor || !ancestor->isBeforeInBlock(call))
        return true;
      // What is a view of it (or joined with it) may be read later.
      if (isa<bess::ReshapeOp, bess::SliceOp, bess::ConcatOp>(ancestor))
        return llvm::any_of(ancestor->getResult(0).getUsers(),
                            [&](Operation *reader) {
                              return reader == call || isa<bess::ReshapeOp, bess::SliceOp, bess::ConcatOp>(reader);
                            }) ||
               isReadBehind(ancestor->getResult(0), call);
      return false;
    });
  }

  llvm::DenseMap<Operation *, int64_t> frameBytes;
  llvm::DenseMap<Operation *, SmallVector<int64_t>> overwritten;
  llvm::DenseMap<Operation *, SmallVector<func::CallOp>> calls;
  SymbolicExpr::Bounds limits;
};

} // namespace

void plan::addPlanPasses(OpPassManager &passes, const CompileOptions &options) {
  passes.addPass(createPrepareWeights());
  passes.addPass(createAppendInPlace());
  PlanMemoryOptions planOptions;
  for (const DimOption &dim : options.dims)
    if (!dim.exact)
      planOptions.bounds.push_back(dim.name + "<=" + std::to_string(dim.value));
  passes.addPass(createPlanMemory(planOptions));
  passes.addPass(createVerifyPlanned());
}
