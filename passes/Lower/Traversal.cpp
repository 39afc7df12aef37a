// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Lower/Traversal.h"

#include "passes/Lower/TileParts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <set>

using namespace mlir;
using namespace bessemer;

bool bessemer::isTile(Value value) { return isa<RankedTensorType>(value.getType()); }

bool bessemer::isLazyTileOp(Operation *op) {
  if (auto reduce = dyn_cast_or_null<tile::ReduceOp>(op))
    return int64_t(reduce.getAxis()) != cast<RankedTensorType>(reduce.getX().getType()).getRank() - 1;
  return op &&
         (isElementwiseTileOp(op) || isa<tile::BroadcastOp, tile::GatherOp, tile::GatherRowsOp, tile::ConvertOp>(op));
}

bool bessemer::isTraversalRoot(Operation *op) {
  return isa<tile::StoreOp, tile::PanelsOp, tile::DotOp, tile::CheckOp>(op) ||
         (isa<tile::ReduceOp>(op) && !isLazyTileOp(op));
}

void bessemer::collectTree(Value tile, llvm::SetVector<Value> &tree) {
  if (!isTile(tile) || !tree.insert(tile))
    return;
  if (isLazyTileOp(tile.getDefiningOp()))
    for (Value operand : tile.getDefiningOp()->getOperands())
      collectTree(operand, tree);
}

static SmallVector<Value> rootOperands(Operation *op) {
  SmallVector<Value> operands;
  for (Value operand : op->getOperands())
    if (isTile(operand))
      operands.push_back(operand);
  return operands;
}

static bool readsDot(Value tile) {
  llvm::SetVector<Value> tree;
  collectTree(tile, tree);
  return llvm::any_of(tree, [](Value v) { return isa_and_nonnull<tile::DotOp>(v.getDefiningOp()); });
}

namespace {
/// Stores of one shape with nothing but lazy tiles and scalars between them are one
/// traversal: what they share is computed once, in registers. A dot has its own order.
void groupStores(Block &block, TraversalPlan &plan, DenseMap<Operation *, Operation *> &groupOf) {
  SmallVector<tile::StoreOp> group;
  auto close = [&] {
    for (tile::StoreOp op : group)
      groupOf[op] = group.back();
    if (!group.empty())
      plan.storeGroups[group.back()] = group;
    group.clear();
  };
  for (Operation &op : block) {
    if (auto store = dyn_cast<tile::StoreOp>(op)) {
      auto shape = [](tile::StoreOp s) { return cast<RankedTensorType>(s.getTile().getType()).getShape(); };
      bool fits = group.empty() || (shape(store) == shape(group.front()) &&
                                    cast<RankedTensorType>(store.getTile().getType()).hasStaticShape() &&
                                    !readsDot(store.getTile()) && !readsDot(group.front().getTile()));
      if (!fits)
        close();
      group.push_back(store);
    } else if (isTraversalRoot(&op) || op.getNumRegions() || isa<tile::PatchesOp>(op)) {
      close();
    }
  }
  close();
  for (Operation &op : block)
    for (Region &region : op.getRegions())
      for (Block &inner : region)
        groupStores(inner, plan, groupOf);
}
} // namespace

TraversalPlan bessemer::planTraversals(tile::KernelOp kernel) {
  TraversalPlan plan;
  DenseMap<Operation *, Operation *> groupOf; // store -> the last of its group
  groupStores(kernel.getBody().front(), plan, groupOf);
  // Which roots read which value.
  DenseMap<Value, std::set<Operation *>> readers;
  SmallVector<Value> inOrder;
  kernel.walk([&](Operation *op) {
    if (isTraversalRoot(op)) {
      for (Value operand : rootOperands(op)) {
        llvm::SetVector<Value> tree;
        collectTree(operand, tree);
        for (Value v : tree)
          readers[v].insert(groupOf.count(op) ? groupOf[op] : op);
      }
    }
    for (Value result : op->getResults())
      if (isTile(result))
        inOrder.push_back(result);
  });

  // What has to be in memory: operands of dot and panels.
  kernel.walk([&](Operation *op) {
    if (isa<tile::DotOp, tile::PanelsOp>(op))
      for (Value operand : rootOperands(op))
        if (!isa_and_nonnull<tile::LoadOp, tile::PanelsOp, tile::PatchesOp>(operand.getDefiningOp()))
          plan.toMaterialize[operand] = true;
  });

  // What would be computed again: not cheap, and on the border between what
  // several roots read and what one of them reads.
  for (Value value : inOrder) {
    Operation *op = value.getDefiningOp();
    if (!(isElementwiseTileOp(op) || isa<tile::DotOp>(op) || isLazyTileOp(op)) || readers[value].size() < 2)
      continue;
    if (cast<RankedTensorType>(value.getType()).getShape().back() == 1)
      continue;
    bool border = llvm::any_of(value.getUsers(), [&](Operation *user) {
      return isTraversalRoot(user) || (user->getNumResults() == 1 && readers[user->getResult(0)] != readers[value]);
    });
    llvm::SetVector<Value> tree;
    collectTree(value, tree);
    int64_t loads = 0;
    bool costly = false;
    for (Value v : tree) {
      Operation *producer = v.getDefiningOp();
      if (v != value && plan.toMaterialize.count(v)) {
        ++loads;
        continue;
      }
      loads += isa_and_nonnull<tile::LoadOp>(producer);
      costly |=
          isa_and_nonnull<tile::DotOp, tile::GatherOp, tile::GatherRowsOp, tile::ReduceOp, arith::DivFOp>(producer) ||
          (producer && isa<math::MathDialect>(producer->getDialect()));
    }
    // A value above one that is kept already costs what comes after that.
    if (border && (costly || loads >= 2))
      plan.toMaterialize[value] = true;
  }
  return plan;
}
