// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which symbols have which largest value, and the order of a function's ops.
#pragma once

#include "passes/Plan/FunctionPlan.h"

namespace bessemer::plan {

/// "seq<=512" as [0, 512]; false when it is something else.
bool parseBound(llvm::StringRef text, SymbolicExpr::Bounds &bounds);

/// Orders the ops of all blocks of the function so that fewer bytes are live at
/// a time (bessemer/Algorithms/OperationOrder.h). Stays in place: what has side
/// effects, binds symbols, guards, or has regions; nothing crosses it. Sizes with free
/// symbols are taken at a typical value. What changed is said in the
/// function's `bess.order`.
llvm::LogicalResult orderOps(mlir::func::FuncOp function, mlir::SymbolTableCollection &symbols,
                             const llvm::DenseMap<mlir::Operation *, int64_t> &calleeFrames,
                             const SymbolicExpr::Bounds &bounds);

} // namespace bessemer::plan
