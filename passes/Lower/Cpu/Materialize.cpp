// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which values go to scratch memory, and in what stretches a tree is read.
#include "passes/Lower/Cpu/KernelExpander.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <set>

using namespace mlir;
using namespace bessemer;

/// Does a traversal that asks for this value go on to the op's operands?
static bool isLazy(Operation *op) {
  if (auto reduce = dyn_cast_or_null<tile::ReduceOp>(op))
    return int64_t(reduce.getAxis()) != cast<RankedTensorType>(reduce.getX().getType()).getRank() - 1;
  return op && (isElementwiseTileOp(op) || isa<tile::BroadcastOp, tile::GatherOp, tile::GatherRowsOp>(op));
}

static bool isTile(Value value) { return isa<RankedTensorType>(value.getType()); }

static void collectTree(Value tile, llvm::SetVector<Value> &tree) {
  if (!isTile(tile) || !tree.insert(tile))
    return;
  if (isLazy(tile.getDefiningOp()))
    for (Value operand : tile.getDefiningOp()->getOperands())
      collectTree(operand, tree);
}

static bool isRoot(Operation *op) {
  return isa<tile::StoreOp, tile::PanelsOp, tile::DotOp, tile::CheckOp>(op) || (isa<tile::ReduceOp>(op) && !isLazy(op));
}

static SmallVector<Value> rootOperands(Operation *op) {
  SmallVector<Value> operands;
  for (Value operand : op->getOperands())
    if (isTile(operand))
      operands.push_back(operand);
  return operands;
}

/// Stores of one shape with nothing but lazy tiles and scalars between them are one
/// traversal: what they share is computed once, in registers. A dot has its own order.
void KernelExpander::groupStores(Block &block) {
  SmallVector<tile::StoreOp> group;
  auto close = [&] {
    for (tile::StoreOp op : group)
      groupOf[op] = group.back();
    if (!group.empty())
      storeGroups[group.back()] = group;
    group.clear();
  };
  for (Operation &op : block) {
    if (auto store = dyn_cast<tile::StoreOp>(op)) {
      auto shape = [](tile::StoreOp s) { return cast<RankedTensorType>(s.getTile().getType()).getShape(); };
      bool fits = group.empty() || (shape(store) == shape(group.front()) &&
                                    cast<RankedTensorType>(store.getTile().getType()).hasStaticShape() &&
                                    !findDot(store.getTile()) && !findDot(group.front().getTile()));
      if (!fits)
        close();
      group.push_back(store);
    } else if (isRoot(&op) || op.getNumRegions() || isa<tile::PatchesOp>(op)) {
      close();
    }
  }
  close();
  for (Operation &op : block)
    for (Region &region : op.getRegions())
      for (Block &inner : region)
        groupStores(inner);
}

void KernelExpander::planMaterialization() {
  groupStores(kernel.getBody().front());
  // Which roots read which value.
  DenseMap<Value, std::set<Operation *>> readers;
  SmallVector<Value> inOrder;
  kernel.walk([&](Operation *op) {
    if (isRoot(op)) {
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
          toMaterialize[operand] = true;
  });

  // What would be computed again: not cheap, and on the border between what
  // several roots read and what one of them reads.
  for (Value value : inOrder) {
    Operation *op = value.getDefiningOp();
    if (!(isElementwiseTileOp(op) || isa<tile::DotOp>(op) || isLazy(op)) || readers[value].size() < 2)
      continue;
    if (cast<RankedTensorType>(value.getType()).getShape().back() == 1)
      continue;
    bool border = llvm::any_of(value.getUsers(), [&](Operation *user) {
      return isRoot(user) || (user->getNumResults() == 1 && readers[user->getResult(0)] != readers[value]);
    });
    llvm::SetVector<Value> tree;
    collectTree(value, tree);
    int64_t loads = 0;
    bool costly = false;
    for (Value v : tree) {
      Operation *producer = v.getDefiningOp();
      if (v != value && toMaterialize.count(v)) {
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
      toMaterialize[value] = true;
  }
}

/// Values to be kept that a traversal of `tiles` meets and may keep: those of
/// the same shape.
SmallVector<Value> KernelExpander::pendingIn(ValueRange tiles) {
  llvm::SetVector<Value> tree;
  for (Value tile : tiles)
    collectTree(tile, tree);
  SmallVector<Value> pending;
  for (Value v : tree)
    if (toMaterialize.count(v) && !memory.count(v) && !registers.count(v) && v.getType() == tiles.front().getType())
      pending.push_back(v);
  return pending;
}

/// The dots that a traversal of `tile` would come to.
void KernelExpander::findDots(Value tile, llvm::SetVector<Value> &dots) {
  llvm::SetVector<Value> seen;
  seen.insert(tile);
  for (size_t i = 0; i < seen.size(); ++i) {
    Value value = seen[i];
    if (!isTile(value) || memory.count(value) || registers.count(value))
      continue;
    Operation *op = value.getDefiningOp();
    if (isa_and_nonnull<tile::DotOp>(op))
      dots.insert(value);
    else if (isLazy(op))
      seen.insert(op->operand_begin(), op->operand_end());
  }
}

/// … one of them, or null.
Value KernelExpander::findDot(Value tile) {
  llvm::SetVector<Value> dots;
  findDots(tile, dots);
  return dots.empty() ? Value() : dots.back();
}

static bool isFunction(Operation *op) {
  return op && isa<math::MathDialect>(op->getDialect()) && !isa<math::FmaOp, math::SqrtOp, math::AbsFOp>(op);
}

/// Does a traversal evaluate functions (polynomials, which want registers)?
bool KernelExpander::computesFunctions(Value tile) {
  llvm::SetVector<Value> tree;
  collectTree(tile, tree);
  return llvm::any_of(tree, [&](Value v) { return !memory.count(v) && isFunction(v.getDefiningOp()); });
}

/// Columns at a time: four registers, two where the tree computes functions
/// (their polynomials want registers, too), and never more than a power of two
/// that covers the tile.
int64_t KernelExpander::chooseWidth(ValueRange tiles) {
  llvm::SetVector<Value> tree;
  for (Value tile : tiles)
    collectTree(tile, tree);
  // Many values at once: those of one register each.
  int64_t width = (tiles.size() > 4 ? 1 : 4) * schedule.lanes();
  for (Value v : tree) {
    if (Value held = registers.lookup(v))
      if (auto vector = dyn_cast<VectorType>(held.getType()))
        return vector.getDimSize(0);
    if (memory.count(v))
      continue;
    if (isFunction(v.getDefiningOp()))
      width = std::min(width, 2 * schedule.lanes());
  }
  auto type = cast<RankedTensorType>(tiles.front().getType());
  int64_t columns = type.getShape().back();
  if (!ShapedType::isDynamic(columns))
    width = std::min<int64_t>(width, llvm::PowerOf2Ceil(std::max<int64_t>(columns, 1))); // a row may be empty
  return width;
}
