// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the type inference functions of the dialect share. Not for others.
#pragma once

#include "dialects/Bess/Bess.h"

namespace bessemer::bess::infer {

using Dims = llvm::SmallVector<SymbolicExpr>;
using OptLoc = std::optional<mlir::Location>;

inline mlir::Type elementOf(mlir::Value value) {
  return llvm::cast<mlir::ShapedType>(value.getType()).getElementType();
}
inline Dims dimsOf(mlir::Value value) { return getDims(value.getType()); }

/// `what` names the dimensions in the diagnostic. Afterwards `a` is the better
/// name of the two (a constant wins).
mlir::LogicalResult unify(OptLoc loc, SymbolicExpr &a, const SymbolicExpr &b, llvm::StringRef what);
mlir::LogicalResult checkRank(OptLoc loc, mlir::Value value, llvm::StringRef what, size_t rank);
mlir::LogicalResult checkAxis(OptLoc loc, int64_t axis, size_t rank);
/// Each in [0, rank), none twice.
mlir::LogicalResult checkAxes(OptLoc loc, llvm::ArrayRef<int64_t> axes, size_t rank);
mlir::LogicalResult checkSameElement(OptLoc loc, mlir::Value a, mlir::Value b, llvm::StringRef whatA,
                                     llvm::StringRef whatB);
mlir::LogicalResult checkOneOf(OptLoc loc, llvm::StringRef what, llvm::StringRef value,
                               llvm::ArrayRef<llvm::StringRef> allowed);
/// NumPy broadcasting of the operands' dimensions.
mlir::FailureOr<Dims> broadcast(OptLoc loc, mlir::ValueRange values);
/// `value` stretches to `dims` (unidirectional).
mlir::LogicalResult checkBroadcastTo(OptLoc loc, mlir::Value value, llvm::ArrayRef<SymbolicExpr> dims,
                                     llvm::StringRef what);
/// floor((extent + low + high - ((window - 1) * dilation + 1)) / stride) + 1.
SymbolicExpr windowCount(const SymbolicExpr &extent, const SymbolicExpr &window, int64_t stride, int64_t dilation,
                         int64_t low, int64_t high);

} // namespace bessemer::bess::infer
