// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Driver/Reduce/Edits.h"

#include "dialects/Bess/Bess.h"
#include "dialects/Onnx/Onnx.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Iterators.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace bessemer;

/// Null unless the signature may change: values from outside are visible at `op`, nobody calls the function.
static func::FuncOp openFunction(Operation *op) {
  for (Operation *parent = op->getParentOp(); parent; parent = parent->getParentOp()) {
    if (auto function = dyn_cast<func::FuncOp>(parent))
      return SymbolTable::symbolKnownUseEmpty(function, function->getParentOp()) ? function : func::FuncOp();
    if (parent->hasTrait<OpTrait::IsIsolatedFromAbove>())
      return {};
  }
  return {};
}

/// The names that came with the model are those of the old signature.
static void dropOldNames(func::FuncOp function) { function->removeAttr("onnx.graph"); }

/// The results become arguments of the function around. False when that cannot be.
static bool cutToArguments(Operation *op) {
  if (op->getNumResults() == 0 || op->use_empty() || op->hasTrait<OpTrait::IsTerminator>() || op->getNumOperands() == 0)
    return false;
  func::FuncOp function = openFunction(op);
  if (!function || function.isExternal())
    return false;
  for (OpResult result : op->getResults()) {
    if (result.use_empty())
      continue;
    unsigned index = function.getNumArguments();
    if (failed(function.insertArgument(index, result.getType(), {}, op->getLoc())))
      return false;
    result.replaceAllUsesWith(function.getArgument(index));
  }
  dropOldNames(function);
  op->erase();
  return true;
}

/// Each result becomes the first operand of its type. False when one has none.
static bool forwardOperands(Operation *op) {
  if (op->getNumResults() == 0 || op->use_empty())
    return false;
  SmallVector<Value> values;
  for (OpResult result : op->getResults()) {
    auto same = llvm::find_if(op->getOperands(), [&](Value operand) { return operand.getType() == result.getType(); });
    if (same == op->operand_end())
      return false;
    values.push_back(*same);
  }
  op->replaceAllUsesWith(values);
  op->erase();
  return true;
}

/// True for what has no meaning beyond its results.
static bool isDead(Operation *op) {
  if (!op->use_empty() || op->hasTrait<OpTrait::IsTerminator>() || isa<func::FuncOp, ModuleOp>(op))
    return false;
  return isOpTriviallyDead(op) || isa<onnx::NodeOp, bess::WeightOp>(op);
}

void reduce::eraseDead(ModuleOp module) {
  for (bool changed = true; changed;) {
    changed = false;
    module.walk<WalkOrder::PostOrder, ReverseIterator>([&](Operation *op) {
      if (isDead(op)) {
        op->erase();
        changed = true;
      }
    });
  }
}

static void dropFunctions(ModuleOp module, llvm::function_ref<bool()> visit) {
  for (Operation &op : llvm::make_early_inc_range(*module.getBody()))
    if (isa<SymbolOpInterface>(op) && visit())
      op.erase();
}

static void dropResults(ModuleOp module, llvm::function_ref<bool()> visit) {
  for (auto function : module.getOps<func::FuncOp>()) {
    if (function.isExternal() || !SymbolTable::symbolKnownUseEmpty(function, module))
      continue;
    Operation *end = function.getBody().back().getTerminator();
    llvm::BitVector dropped(function.getNumResults());
    for (unsigned i = 0; i < dropped.size(); ++i)
      dropped[i] = visit();
    if (dropped.none() || end->getNumOperands() != dropped.size() || failed(function.eraseResults(dropped)))
      continue;
    end->eraseOperands(dropped);
    dropOldNames(function);
  }
}

static void dropArguments(ModuleOp module, llvm::function_ref<bool()> visit) {
  for (auto function : module.getOps<func::FuncOp>()) {
    if (function.isExternal() || !SymbolTable::symbolKnownUseEmpty(function, module))
      continue;
    llvm::BitVector dropped(function.getNumArguments());
    for (BlockArgument argument : function.getArguments())
      dropped[argument.getArgNumber()] = argument.use_empty() && visit();
    if (dropped.any() && succeeded(function.eraseArguments(dropped)))
      dropOldNames(function);
  }
}

/// Calls `edit` for the ops of functions, users before their producers.
static void forOps(ModuleOp module, llvm::function_ref<bool()> visit, bool (*edit)(Operation *)) {
  SmallVector<Operation *> ops;
  module.walk<WalkOrder::PostOrder, ReverseIterator>([&](Operation *op) {
    if (op->getNumResults() && op->getParentOfType<func::FuncOp>())
      ops.push_back(op);
  });
  // An op is erased after all ops in it, so that no pointer of the list dangles.
  DenseSet<Operation *> gone;
  for (Operation *op : ops) {
    if (!visit() || gone.contains(op))
      continue;
    SmallVector<Operation *> inner;
    op->walk([&](Operation *nested) { inner.push_back(nested); });
    if (edit(op))
      gone.insert(inner.begin(), inner.end());
  }
}

static void cutOps(ModuleOp module, llvm::function_ref<bool()> visit) { forOps(module, visit, cutToArguments); }
static void forwardOps(ModuleOp module, llvm::function_ref<bool()> visit) { forOps(module, visit, forwardOperands); }

/// Attributes that no op asks for: what passes left, names of the model.
static void dropAttributes(ModuleOp module, llvm::function_ref<bool()> visit) {
  module.walk([&](Operation *op) {
    for (NamedAttribute attribute : llvm::to_vector(op->getDiscardableAttrs()))
      if (visit())
        op->removeDiscardableAttr(attribute.getName());
  });
}

ArrayRef<reduce::Edit> reduce::allEdits() {
  static constexpr Edit edits[] = {dropResults, dropFunctions, cutOps, forwardOps, dropArguments, dropAttributes};
  return edits;
}
