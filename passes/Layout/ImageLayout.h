// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Between images [N, C, spatial..] and [N, spatial.., C].
#pragma once

#include "dialects/Bess/Bess.h"

#include "mlir/IR/Builders.h"

namespace bessemer {

/// Which dimension of [N, C, spatial..] is each of [N, spatial.., C].
llvm::SmallVector<int64_t> toLastPermutation(int64_t rank);

/// The type of an image with the channels first, once they are last.
mlir::Type lastType(mlir::Type first);

/// Is the way to the channels last a reshape: no dimension but 1 changes its place?
bool isReshapeToLast(mlir::Type first);

/// A transpose from channels first to channels last, or back.
bool isToLast(mlir::Operation *op);
bool isFromLast(mlir::Operation *op);

/// A transpose, or a reshape where that is enough.
mlir::Value toLast(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value first);
mlir::Value fromLast(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value last);
/// Always a transpose.
mlir::Value transposeToLast(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value first);
mlir::Value transposeFromLast(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value last);

} // namespace bessemer
