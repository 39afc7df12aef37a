// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Passes with a bug each, of kinds that compilers have: operands in the wrong
// order, an op taken for one that does nothing, a constant that lost digits, a
// wrong axis, a wrong epsilon. They know ops by name only, so that they need
// nothing of the product.
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Tools/Plugins/PassPlugin.h"

#include <cmath>

using namespace mlir;

namespace {
/// Changes the first op called `name` for which `change` says that it could.
struct Planted : PassWrapper<Planted, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(Planted)
  using Change = bool (*)(Operation *);
  Planted(StringRef argument, StringRef target, Change change) : argument(argument), target(target), change(change) {}

  StringRef getArgument() const override { return argument; }
  StringRef getDescription() const override { return "a bug for the tests"; }
  void runOnOperation() override {
    getOperation().walk([&](Operation *op) {
      return op->getName().getStringRef() == target && change(op) ? WalkResult::interrupt() : WalkResult::advance();
    });
  }
  StringRef argument, target;
  Change change;
};

bool swapOperands(Operation *op) {
  Value first = op->getOperand(0), second = op->getOperand(1);
  if (first.getType() != second.getType())
    return false;
  op->setOperands({second, first});
  return true;
}

bool takeForIdentity(Operation *op) {
  if (op->getNumOperands() == 0 || op->getOperand(0).getType() != op->getResult(0).getType())
    return false;
  op->getResult(0).replaceAllUsesWith(op->getOperand(0));
  return true;
}

bool roundConstant(Operation *op) {
  auto value = op->getAttrOfType<DenseElementsAttr>("value");
  if (!value || !value.getElementType().isF32())
    return false;
  op->setAttr("value", value.mapValues(value.getElementType(), [](const APFloat &x) {
    return APFloat(std::round(x.convertToFloat() * 8) / 8).bitcastToAPInt();
  }));
  return true;
}

bool otherAxis(Operation *op) {
  auto type = dyn_cast<RankedTensorType>(op->getOperand(0).getType());
  auto axis = op->getAttrOfType<IntegerAttr>("axis");
  if (!type || !axis || type.getRank() < 2)
    return false;
  op->setAttr("axis", IntegerAttr::get(axis.getType(), (axis.getInt() + 1) % type.getRank()));
  return true;
}

bool largerEpsilon(Operation *op) {
  if (!op->getAttrOfType<FloatAttr>("epsilon"))
    return false;
  op->setAttr("epsilon", FloatAttr::get(Float64Type::get(op->getContext()), 0.1));
  return true;
}

void registerPlanted() {
  auto add = [](StringRef argument, StringRef target, Planted::Change change) {
    registerPass([=]() -> std::unique_ptr<Pass> { return std::make_unique<Planted>(argument, target, change); });
  };
  add("plant-swapped-operands", "bess.sub", swapOperands);
  add("plant-lost-op", "bess.relu", takeForIdentity);
  add("plant-lost-gelu", "bess.gelu", takeForIdentity);
  add("plant-rounded-constant", "bess.constant", roundConstant);
  add("plant-other-axis", "bess.softmax", otherAxis);
  add("plant-larger-epsilon", "bess.layer_norm", largerEpsilon);
}
} // namespace

extern "C" LLVM_ATTRIBUTE_WEAK PassPluginLibraryInfo mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "PlantedBugs", "1", registerPlanted};
}
