// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Index arithmetic from expressions over symbols.
#pragma once

#include "bessemer/Algorithms/SymbolicExpr.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace bessemer::tile {

/// arith on `index` that computes `expr`, folded as it is made; `lookup` gives
/// the value of a symbol. Null when a symbol has none or `expr` is invalid.
mlir::Value buildIndex(mlir::ImplicitLocOpBuilder &b, const SymbolicExpr &expr,
                       llvm::function_ref<mlir::Value(llvm::StringRef)> lookup);

} // namespace bessemer::tile
