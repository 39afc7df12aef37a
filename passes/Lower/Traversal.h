// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tile programs whose tiles are pulled: what starts a traversal (a *root*), what
// a traversal evaluates on its way, and which values several roots read, so that
// they go to scratch memory instead of being computed again.
#pragma once

#include "dialects/Tile/Tile.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace bessemer {

/// Does a traversal that asks for this op's result go on to the operands?
bool isLazyTileOp(mlir::Operation *op);
/// Stores, checks, panels, dots, reductions along the last axis.
bool isTraversalRoot(mlir::Operation *op);
bool isTile(mlir::Value value);
/// The tile and what a traversal of it comes to.
void collectTree(mlir::Value tile, llvm::SetVector<mlir::Value> &tree);

struct TraversalPlan {
  /// Stores of one shape that follow each other are one traversal: by the last of a group.
  llvm::DenseMap<mlir::Operation *, llvm::SmallVector<tile::StoreOp>> storeGroups;
  llvm::MapVector<mlir::Value, bool> toMaterialize;
};
TraversalPlan planTraversals(tile::KernelOp kernel);

} // namespace bessemer
