// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where the elements of a view lie: row-major, but for caches with room for more (`bess.strides`, see
// passes/Plan/AppendInPlace.cpp).
#pragma once

#include "bessemer/Algorithms/SymbolicExpr.h"
#include "dialects/Tile/Tile.h"

namespace bessemer {

/// Elements from one place to the next along each dimension of a view, over the kernel's symbols.
llvm::SmallVector<SymbolicExpr> viewStrideExprs(tile::KernelOp kernel, mlir::Value view);

} // namespace bessemer
