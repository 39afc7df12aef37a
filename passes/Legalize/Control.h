// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What If and the loops share.
#pragma once

#include "passes/Legalize/Node.h"

namespace bessemer::legalize {

/// The graph attribute of this name; null after a failure.
mlir::Region *subgraphOf(Node &n, llvm::StringRef name);

/// A tensor of one bool as the `i1` that scf takes.
Value truthOf(Node &n, Value condition);

/// `value` with other symbols for its dimensions, which are bound to the
/// extents that it has here: what makes two values of different extents one type.
Value retype(Node &n, Value value, llvm::ArrayRef<SymbolicExpr> dims);

} // namespace bessemer::legalize
