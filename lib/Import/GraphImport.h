// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GraphProto (and the body of a FunctionProto) -> a block.
#pragma once

#include "lib/Import/AttributeImport.h"
#include "lib/Import/TensorImport.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace bessemer::import {

/// Opset versions by domain; "ai.onnx" is kept as "".
using Opsets = llvm::StringMap<int64_t>;

/// Reads opset imports; refuses versions of the default domain other than 7 to
/// 28 and domains that are imported twice. `what` begins diagnostics.
mlir::FailureOr<Opsets> importOpsets(ImportContext &ctx, llvm::ArrayRef<proto::OpsetId> opsets,
                                     const llvm::Twine &what);
/// `[{domain, version}, ...]` as in the file.
mlir::ArrayAttr opsetsAttribute(ImportContext &ctx, llvm::ArrayRef<proto::OpsetId> opsets);

/// Builds a function of this name at the end of the module and fills it.
mlir::FailureOr<mlir::func::FuncOp> importFunction(ImportContext &ctx, mlir::ModuleOp module, llvm::StringRef name,
                                                   const proto::Graph &graph, const Opsets &opsets);

} // namespace bessemer::import
