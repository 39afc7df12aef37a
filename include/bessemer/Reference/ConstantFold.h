// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Folds a `bess` op whose operands are constants by running its kernel.
#pragma once

#include "bessemer/Support/WeightFiles.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Operation.h"

namespace bessemer::reference {

/// Tensors of more bytes are not looked into, and not made.
inline constexpr int64_t foldLimit = 64 * 1024;

/// The elements of a value that is a `bess.constant`, or a `bess.weight` of at
/// most `limit` bytes (read from its file); null otherwise, or when the file
/// cannot be read.
mlir::DenseElementsAttr getConstant(mlir::Value value, WeightFiles &files, int64_t limit = foldLimit);

/// The results of an op all of whose operands are constants in the sense of
/// `getConstant` and whose attributes depend on no symbol. Fails, without a
/// diagnostic, when that is not so, when a result would be larger than `limit`
/// bytes, or when the kernel refuses. Result types are the op's, except where
/// only the data tells the shape.
llvm::LogicalResult constantFold(mlir::Operation *op, WeightFiles &files,
                                 llvm::SmallVectorImpl<mlir::DenseElementsAttr> &results, int64_t limit = foldLimit);

/// The same with the operands given; null ones are absent optional operands.
llvm::LogicalResult constantFold(mlir::Operation *op, llvm::ArrayRef<mlir::DenseElementsAttr> operands,
                                 llvm::SmallVectorImpl<mlir::DenseElementsAttr> &results, int64_t limit = foldLimit);

} // namespace bessemer::reference
