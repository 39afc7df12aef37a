// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What follows a convolution with the channels last in its program: its bias and the elementwise ops of the fusion.
#pragma once

#include "passes/Tile/ProgramBuilder.h"

namespace bessemer::tilegen {

/// How the epilogue reads its operands, of which a view is [places, groups, channels of a group],
/// [groups, channels of a group] or [1].
struct ConvEpilogue {
  ProgramBuilder &p;
  bess::ConvOp conv;
  int64_t groups, perGroup;

  /// Rows of the result: [N, spatial..].
  static SymbolicExpr placesOf(bess::ConvOp conv);
  /// Of an argument of the fusion that is neither the image nor the weights.
  llvm::SmallVector<SymbolicExpr> view(mlir::Value argument);
  /// The epilogue of `sum` at rows from `row` on and columns from `column` of `group`; null: no program.
  mlir::Value emit(mlir::Value sum, mlir::Value row, mlir::Value group, mlir::Value column,
                   llvm::ArrayRef<Extent> extents, bool wholeColumns);
};

} // namespace bessemer::tilegen
