// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which rows of its operands a fusion needs for some rows of its results, and the
// lives of a block's values in terms of that (bessemer/Algorithms/RowSplit.h).
#pragma once

#include "bessemer/Algorithms/RowSplit.h"
#include "dialects/Bess/Bess.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace bessemer::fuse {

/// The outermost dimension that is not 1, when it and those before it are constant:
/// a range of it is a range of bytes. -1: there is none.
int64_t rowDim(mlir::Type type);

/// The type with another extent in one dimension.
mlir::RankedTensorType withExtent(mlir::Type type, int64_t dim, int64_t extent);

struct RowUses {
  int64_t rows = 0;                            ///< of each result, along its row dimension
  llvm::SmallVector<int64_t> operands;         ///< by input: its row dimension, or -1 when all of it is needed
  llvm::DenseMap<mlir::Value, int64_t> values; ///< of the body, by rows: along which dimension
};

/// Nullopt when some rows of the results need more than the same rows of the operands.
std::optional<RowUses> rowUsesOf(bess::FusionOp fusion);

/// The operations of a block for planRowSplit. Weights, arguments and what the function
/// returns are memory of others and do not count.
class BlockLives {
public:
  /// `frames`: the most bytes live in functions that are called.
  BlockLives(mlir::Block &block, const llvm::DenseMap<mlir::Operation *, int64_t> &frames,
             mlir::SymbolTableCollection &symbols);

  SplitProblem problem;
  llvm::SmallVector<mlir::Operation *> operations; ///< as numbered in `problem`
  llvm::DenseMap<mlir::Operation *, RowUses> uses; ///< of those that can be computed by rows
  /// What a value is a view of.
  mlir::Value rootOf(mlir::Value value) const;
  /// The number of a value (or of what it is a view of), or -1.
  int numberOf(mlir::Value value) const;
  bool isLoadTime(mlir::Value value) const { return loadTime.contains(value); }

private:
  bool keepsRows(mlir::Value value, int64_t rows) const;

  llvm::DenseMap<mlir::Value, int> numbers;
  llvm::DenseSet<mlir::Value> loadTime; ///< weights, constants, and what is made of them
};

} // namespace bessemer::fuse
