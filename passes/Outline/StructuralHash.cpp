// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Outline/StructuralHash.h"

#include "dialects/Bess/Bess.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::outline;

/// Larger constants differ from layer to layer: folded weights.
static constexpr int64_t maxStructuralElements = 16;

bool outline::isStructural(Value value) {
  auto constant = value.getDefiningOp<bess::ConstantOp>();
  return constant && constant.getValue().getNumElements() <= maxStructuralElements;
}

bool outline::isWeight(Value value) {
  return value.getDefiningOp<bess::WeightOp>() || (value.getDefiningOp<bess::ConstantOp>() && !isStructural(value));
}

/// Symbols that an op defines would leave the function; regions belong to later work.
static bool canMove(Operation *op) {
  return op->getNumRegions() == 0 && isa<bess::BessDialect>(op->getDialect()) &&
         !isa<bess::BindSymbolsOp, bess::GuardOp>(op) && !bess::definesSymbols(op);
}

static Attribute structuralValue(Value value) {
  return isStructural(value) ? Attribute(value.getDefiningOp<bess::ConstantOp>().getValue()) : Attribute();
}

uint64_t outline::structuralHash(Operation *op) {
  if (!canMove(op))
    return llvm::hash_combine(op, 1);
  // Attributes and types are unique in the context: their pointers are their identity.
  llvm::hash_code hash = llvm::hash_combine(op->getName().getAsOpaquePointer(),
                                            op->getAttrDictionary().getAsOpaquePointer(), op->getNumOperands());
  for (Value operand : op->getOperands())
    hash =
        llvm::hash_combine(hash, operand.getType().getAsOpaquePointer(), structuralValue(operand).getAsOpaquePointer());
  for (Type type : op->getResultTypes())
    hash = llvm::hash_combine(hash, type.getAsOpaquePointer());
  return hash;
}

bool outline::sameStructure(Operation *a, Operation *b) {
  return canMove(a) && canMove(b) && a->getName() == b->getName() && a->getAttrDictionary() == b->getAttrDictionary() &&
         a->getOperandTypes() == b->getOperandTypes() && a->getResultTypes() == b->getResultTypes() &&
         llvm::all_of(llvm::zip(a->getOperands(), b->getOperands()), [](auto pair) {
           return structuralValue(std::get<0>(pair)) == structuralValue(std::get<1>(pair));
         });
}
