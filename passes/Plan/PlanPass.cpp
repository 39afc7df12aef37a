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
    for (func::FuncOp function : getOperation().getOps<func::FuncOp>())
      if (failed(planFunction(function, symbols, active)))
        return signalPassFailure();
    frameBytes.clear();
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
    FunctionPlan plan(function, frameBytes, limits);
    if (failed(plan.build(symbols)) || failed(plan.assignOffsets()))
      return failure();
    plan.annotate();
    frameBytes[function] = plan.frameBytes();
    return success();
  }

  llvm::DenseMap<Operation *, int64_t> frameBytes;
  SymbolicExpr::Bounds limits;
};

} // namespace

void plan::addPlanPasses(OpPassManager &passes, const CompileOptions &options) {
  passes.addPass(createPrepareWeights());
  PlanMemoryOptions planOptions;
  for (const DimOption &dim : options.dims)
    if (!dim.exact)
      planOptions.bounds.push_back(dim.name + "<=" + std::to_string(dim.value));
  passes.addPass(createPlanMemory(planOptions));
  passes.addPass(createVerifyPlanned());
}
