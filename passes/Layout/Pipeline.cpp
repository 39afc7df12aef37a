// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Layout/Passes.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;

/// Chains of ops that make a weight are short; a longer one is not followed.
static constexpr int maxDepth = 16;

static bool isKnownAtLoad(Value value, int depth) {
  // An argument of an outlined layer that every caller gives as a weight.
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto function = dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp());
    return function && function.getArgAttr(argument.getArgNumber(), "bess.weight");
  }
  Operation *op = value.getDefiningOp();
  if (isa<WeightOp, ConstantOp>(op))
    return true;
  // What a batch norm folded into a convolution leaves, transposes, casts, ...
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (depth == 0 || !type || !type.hasStaticShape() || !isa<BessDialect>(op->getDialect()) || !isPure(op) ||
      op->getNumRegions() || op->getNumOperands() == 0)
    return false;
  return llvm::all_of(op->getOperands(), [&](Value operand) { return isKnownAtLoad(operand, depth - 1); });
}

bool bessemer::isKnownAtLoad(Value value) { return ::isKnownAtLoad(value, maxDepth); }

void bessemer::addLayoutPasses(OpPassManager &manager, const Numerics &numerics) {
  manager.addPass(createAssignLayouts());
  if (numerics.reassociate)
    manager.addPass(createChooseConvAlgorithm());
  manager.addPass(createNarrowProducts());
  manager.addPass(createMergeProducts());
  manager.addPass(createPackWeights());
  if (numerics.reassociate) {
    manager.addPass(createSplitDepth());
    manager.addPass(createSplitKeys());
  }
  manager.addPass(createVerifyLayout());
}
