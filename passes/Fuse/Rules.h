// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What may be fused: the rules that the fuse pass applies.
#pragma once

#include "dialects/Bess/Bess.h"

namespace bessemer::fuse {

/// Element types that tile programs compute with.
bool isComputable(mlir::Type tensor);

/// An elementwise op that tile programs have.
bool isElementwiseOp(mlir::Operation *op);

/// An op that can be computed a row (all of the last dimension) at a time.
bool isRowOp(mlir::Operation *op);

/// May a row program compute operand `operand` of `op` itself, instead of
/// reading it from memory?
bool canPull(mlir::Operation *op, unsigned operand);

/// Is it cheap enough to be computed again for each reader?
bool isCheap(mlir::Operation *op);

/// May `operand` be read in the epilogue of a matmul or conv with result type `result`?
bool isMatmulEpilogueOperand(mlir::Type operand, mlir::Type result);
bool isConvEpilogueOperand(mlir::Type operand, mlir::Type result);

/// Is the op's module for a GPU?
bool isForGpu(mlir::Operation *op);

/// Can a tile program compute this matmul, attention, conv, pool?
bool isTileableAnchor(mlir::Operation *op);

/// Can a point program (passes/Tile/Point) compute it? What it cannot is known
/// only when it is written: the op is then left as it is.
bool isPointOp(mlir::Operation *op);

} // namespace bessemer::fuse
