// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Turns an expression into something else, bottom up: into code, for example.
#pragma once

#include "bessemer/Algorithms/SymbolicExpr.h"

namespace bessemer {

enum class ExprOp : uint8_t { Add, Mul, FloorDiv, CeilDiv, Mod, Max, Min };

/// What to make of the parts. Handles are the caller's; null means failure and
/// ends the fold.
struct ExprFolder {
  std::function<const void *(int64_t)> constant;
  std::function<const void *(std::string_view)> symbol;
  std::function<const void *(ExprOp, const void *, const void *)> combine;
};

/// The handle of the whole expression, or null. seq + 63 gives
/// combine(Add, symbol("seq"), constant(63)).
const void *foldExpr(const SymbolicExpr &expr, const ExprFolder &folder);

} // namespace bessemer
