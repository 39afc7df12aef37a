// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Layout/Passes.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;

bool bessemer::isKnownAtLoad(Value value) {
  // An argument of an outlined layer that every caller gives as a weight.
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto function = dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp());
    return function && function.getArgAttr(argument.getArgNumber(), "bess.weight");
  }
  Operation *op = value.getDefiningOp();
  return isa_and_nonnull<WeightOp, ConstantOp>(op) ||
         (isa_and_nonnull<TransposeOp, CastOp, ReshapeOp, WinogradWeightsOp>(op) && isKnownAtLoad(op->getOperand(0)));
}

void bessemer::addLayoutPasses(OpPassManager &manager, const Numerics &numerics) {
  manager.addPass(createAssignLayouts());
  if (numerics.reassociate)
    manager.addPass(createChooseConvAlgorithm());
  manager.addPass(createPackWeights());
}
