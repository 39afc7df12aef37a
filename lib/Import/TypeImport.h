// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// TypeProto -> types.
#pragma once

#include "lib/Import/ImportContext.h"

namespace bessemer::import {

/// Element type for a TensorProto.DataType; null when there is none.
mlir::Type elementTypeFromOnnx(mlir::MLIRContext *context, int64_t dataType);

/// Fills ImportContext::symbols from the inputs of the main graph.
void collectSymbols(ImportContext &ctx, const proto::Graph &graph);

struct ImportedType {
  mlir::Type type;
  bool exact = true; ///< the export gives the same TypeProto back from `type` alone
};

/// The type of the value `name`; `!onnx.unknown` when the file does not say.
mlir::FailureOr<ImportedType> importType(ImportContext &ctx, const proto::Type *type, llvm::StringRef name);

/// Everything that a TypeProto says, as a dictionary.
mlir::DictionaryAttr typeDetails(ImportContext &ctx, const proto::Type &type, llvm::StringRef name);

/// Everything that a ValueInfoProto says: `{name, type, doc_string, metadata}`.
mlir::FailureOr<mlir::DictionaryAttr> valueInfoDetails(ImportContext &ctx, const proto::ValueInfo &info);

} // namespace bessemer::import
