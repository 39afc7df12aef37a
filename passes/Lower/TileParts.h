// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the lowerings of all targets ask of a tile program.
#pragma once

#include "bessemer/Algorithms/SymbolicExpr.h"
#include "dialects/Tile/Tile.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace bessemer {

/// The memory type of an element: i1 is a byte, unsigned is signless, float8 is its bits.
mlir::Type storageType(mlir::Type element);
/// arith or math on tiles, element by element; constants are not.
bool isElementwiseTileOp(mlir::Operation *op);
/// The operand that gives a `?` extent, or null.
mlir::Value tileSizeOperand(mlir::Value tile, unsigned dim);
/// What an index of the program is at most, over the kernel's symbols; invalid where that is not known.
SymbolicExpr indexBound(tile::KernelOp kernel, mlir::Value value);
/// Code that computes an expression over s0, s1, …; `mapping` has the kernel's arguments. An error, and 0, for others.
mlir::Value indexFromExpr(mlir::ImplicitLocOpBuilder &b, tile::KernelOp kernel, const mlir::IRMapping &mapping,
                          const SymbolicExpr &expr);
/// One step of a `tile.reduce`, on scalars or vectors.
mlir::Value combineValues(mlir::ImplicitLocOpBuilder &b, tile::ReductionKind kind, mlir::Value x, mlir::Value y);
/// What changes nothing in such a step.
mlir::Value neutralValue(mlir::ImplicitLocOpBuilder &b, tile::ReductionKind kind, mlir::Type type);

} // namespace bessemer
