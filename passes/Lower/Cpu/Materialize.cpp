// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which values go to scratch memory, and in what stretches a tree is read.
#include "passes/Lower/Cpu/KernelExpander.h"
#include "passes/Lower/Traversal.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace bessemer;

void KernelExpander::planMaterialization() {
  TraversalPlan plan = planTraversals(kernel);
  storeGroups = std::move(plan.storeGroups);
  toMaterialize = std::move(plan.toMaterialize);
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
    else if (isLazyTileOp(op))
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
