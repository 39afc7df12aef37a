// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// TensorProto and SparseTensorProto -> a source, or elements in the IR.
#pragma once

#include "lib/Import/ImportContext.h"

namespace bessemer::import {

/// Up to here a tensor in an attribute becomes an elements attribute.
constexpr int64_t maxInlineBytes = 64 << 10;

struct ImportedTensor {
  mlir::RankedTensorType type;
  bess::SourceAttr source;     ///< this
  mlir::ElementsAttr elements; ///< or this
  /// For the way back: name, doc_string, metadata, external, and `field` when
  /// the bytes are not in raw_data. Null when there is nothing to say.
  mlir::DictionaryAttr details;
};

/// `preferElements` (tensors in attributes) turns what has at most
/// maxInlineBytes into elements; else only what cannot be a source becomes
/// elements. `what` begins diagnostics, e.g. `initializer "w"`. The name goes
/// into the details unless it is `knownName`.
mlir::FailureOr<ImportedTensor> importTensor(ImportContext &ctx, const proto::Tensor &tensor, bool preferElements,
                                             const llvm::Twine &what, mlir::Location loc,
                                             llvm::StringRef knownName = {});

/// Elements of `type` from their bytes in memory (packed types packed).
mlir::DenseElementsAttr makeElements(mlir::RankedTensorType type, llvm::ArrayRef<char> bytes);

/// A tensor as one attribute: elements, or `{source, type}`.
mlir::Attribute tensorAttribute(ImportContext &ctx, const ImportedTensor &tensor);

/// A sparse tensor as dense elements of at most maxInlineBytes; `details` gets
/// `values`, `indices` and `dims`.
mlir::FailureOr<ImportedTensor> densify(ImportContext &ctx, const proto::SparseTensor &sparse, const llvm::Twine &what,
                                        mlir::Location loc);

} // namespace bessemer::import
