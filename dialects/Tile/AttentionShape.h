// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the programs of attention, and the schedules of a GPU (bessemer/Algorithms/GpuAttentionSchedule.h), must know of
// it: the layout phase asks whether to cut its keys, the tile phase how its blocks are.
#pragma once

#include "bessemer/Algorithms/GpuAttentionSchedule.h"
#include "dialects/Bess/Bess.h"

namespace bessemer::tile {

/// A [B, H, S, D] operand, which may lie in memory as [B, S, H, D].
struct HeadView {
  SymbolicExpr batch, heads, length, depth;
  bool lengthFirst = false;

  static HeadView of(mlir::Type type, llvm::StringRef layout);
  llvm::SmallVector<mlir::Value> at(mlir::Value b, mlir::Value h, mlir::Value s, mlir::Value d) const {
    return lengthFirst ? llvm::SmallVector<mlir::Value>{b, s, h, d} : llvm::SmallVector<mlir::Value>{b, h, s, d};
  }
  /// In the order of memory.
  llvm::SmallVector<SymbolicExpr> dims() const;
  llvm::SmallVector<int64_t> tileDims() const { return {lengthFirst ? 1 : 2, 3}; }
};

/// Where the heads of an operand lie: in a value, or in a slice of its heads that is read without a copy.
struct HeadSource {
  mlir::Value value;
  SymbolicExpr firstHead = 0;

  /// `operand` of an attention in `layout`; its own value where it is no slice of heads.
  static HeadSource of(mlir::Value operand, llvm::StringRef layout);
};

/// bess.attention and bess.attention_parts, as a GPU computes them.
struct GpuAttention {
  mlir::Value q, k, v, mask, valid;
  HeadSource qSource, kSource, vSource;
  double scale = 1, softcap = 0;
  int64_t parts = 0, unit = 0; ///< of attention_parts
  SymbolicExpr partCount;      ///< `parts`, or 1 for more queries than one
  /// `causal`: the last queries see fewer keys; `bottomRight`: their numbers are those of the last keys.
  bool causal = false, bottomRight = false;
  /// What blocks and rows are made of: of `y` without the parts. With `folded` the query heads of a key head are
  /// queries of one head, [B, key heads, group * S, D].
  HeadView qView, kView, vView, yView;
  llvm::SmallVector<SymbolicExpr>
      maskDims; ///< that broadcast to [B, H, S, T]; with `folded` of these heads and queries
  bool folded = false;
  /// Queries of a head; with `folded`, row r is query r % queries.
  SymbolicExpr queries;
  SymbolicExpr group;      ///< query heads of a key head, 1 when `folded`
  int64_t foldedHeads = 1; ///< of a key head, when `folded`
  GpuAttentionShape shape;

  /// Nullopt: another op, or a GPU has no program for it.
  static std::optional<GpuAttention> of(mlir::Operation *op);
};

} // namespace bessemer::tile
