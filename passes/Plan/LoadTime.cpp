// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Plan/LoadTime.h"

#include "dialects/Bess/DTypes.h"
#include "passes/Plan/FunctionPlan.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::plan;

bool plan::isView(Operation *op) { return isa<bess::ReshapeOp>(op); }

static bool isLeaf(Operation *op) { return isa<bess::WeightOp, bess::ConstantOp, bess::PrepareOp>(op); }

LoadTimeOps::LoadTimeOps(func::FuncOp function, const llvm::DenseSet<Value> &arguments) : weightArguments(arguments) {
  function.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isa<bess::FusionOp>(op))
      return WalkResult::skip();
    if (isView(op)) {
      if (isLoadTime(op->getOperand(0)))
        views.insert(op);
    } else if (eligible(op)) {
      ops.insert(op);
    }
    return WalkResult::advance();
  });
}

bool LoadTimeOps::isLoadTime(Value value) const {
  if (weightArguments.contains(value))
    return true;
  Operation *op = value.getDefiningOp();
  return op && (isLeaf(op) || ops.contains(op) || views.contains(op));
}

static bool hasSymbols(bess::DimsAttr dims) {
  return llvm::any_of(bess::parseDims(dims), [](const SymbolicExpr &expr) { return !expr.isConstant(); });
}

/// Larger results than this many times the operands are made at run time:
/// memory is dearer than computing a broadcast again.
static constexpr int64_t growthLimit = 8, alwaysSmall = 1 << 20;

bool LoadTimeOps::eligible(Operation *op) const {
  if (isLeaf(op) || op->getNumRegions() || op->getNumResults() == 0 || op->hasTrait<OpTrait::IsTerminator>() ||
      definesSizes(op))
    return false;
  if (!isa<bess::BessDialect>(op->getDialect()) || !(isMemoryEffectFree(op) || isa<bess::LaunchOp>(op)))
    return false;
  if (!llvm::all_of(op->getOperands(), [&](Value operand) { return isLoadTime(operand); }))
    return false;
  for (NamedAttribute attr : op->getAttrs())
    if (auto dims = dyn_cast<bess::DimsAttr>(attr.getValue()); dims && hasSymbols(dims))
      return false;
  if (auto trilu = dyn_cast<bess::TriluOp>(op)) {
    std::optional<SymbolicExpr> k = SymbolicExpr::parse(trilu.getK().str());
    if (!k || !k->isConstant())
      return false;
  }
  int64_t from = 0, made = 0;
  for (Type type : op->getOperandTypes())
    from += tensorBytes(type).isConstant().value_or(0);
  for (Type type : op->getResultTypes()) {
    std::optional<int64_t> bytes = isa<RankedTensorType>(type) ? tensorBytes(type).isConstant() : std::nullopt;
    if (!bytes)
      return false;
    made += *bytes;
  }
  return made <= std::max(alwaysSmall, growthLimit * from);
}

bool LoadTimeOps::readAtRunTime(Value value) const {
  return llvm::any_of(value.getUsers(), [&](Operation *user) {
    return views.contains(user) ? readAtRunTime(user->getResult(0)) : !ops.contains(user);
  });
}

SmallVector<Operation *> LoadTimeOps::finals() const {
  SmallVector<Operation *> list;
  for (Operation *op : ops)
    if (llvm::any_of(op->getResults(), [&](Value result) { return readAtRunTime(result); }))
      list.push_back(op);
  return list;
}

SmallVector<Operation *> LoadTimeOps::slice(Operation *op, llvm::SetVector<Value> &leaves,
                                            llvm::SetVector<Value> &constants) const {
  SmallVector<Operation *> order;
  DenseSet<Operation *> seen;
  std::function<void(Operation *)> visit = [&](Operation *current) {
    if (!seen.insert(current).second)
      return;
    for (Value operand : current->getOperands()) {
      Operation *def = operand.getDefiningOp();
      if (def && !isLeaf(def))
        visit(def);
      else if (def && isa<bess::ConstantOp>(def))
        constants.insert(operand);
      else
        leaves.insert(operand);
    }
    order.push_back(current);
  };
  visit(op);
  return order;
}

void LoadTimeOps::eraseDead() {
  // Users come after what they use, in both lists and between them.
  bool changed = true;
  while (changed) {
    changed = false;
    for (auto *list : {&views, &ops})
      for (Operation *op : llvm::reverse(list->getArrayRef()))
        if (op->use_empty()) {
          list->remove(op);
          op->erase();
          changed = true;
          break;
        }
  }
}
