// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the reducer does to a module, place by place.
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace bessemer::reduce {

/// Calls `visit` for each place where the edit could be made, in a fixed order, and makes it where it answers
/// true. So a number names the same place in the module and in a clone of it.
using Edit = void (*)(mlir::ModuleOp module, llvm::function_ref<bool()> visit);

/// All edits, those that take most away first.
llvm::ArrayRef<Edit> allEdits();

/// Ops nobody needs go.
void eraseDead(mlir::ModuleOp module);

} // namespace bessemer::reduce
