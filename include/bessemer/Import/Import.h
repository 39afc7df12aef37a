// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ONNX files in and out. The form of the module is in dialects/Onnx/OnnxOps.td.
//
// Accepted: IR versions 3 to 14 (14 is what onnx 1.23 writes for opset 28; its new 6-bit
// floats are refused), opsets 7 to 28 of the default domain. Weights
// are never read: they become `#bess.source`. Everything that is broken gives
// one diagnostic, which names the node where there is one.
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/ArrayRef.h"

#include <map>
#include <string>

namespace bessemer {

struct ImportOptions {
  /// Named dimensions that become constants (`--dim N=V`). A dimension without
  /// a name is called by its fresh symbol, such as `x.d0`. A name that no graph
  /// input has is an error.
  std::map<std::string, int64_t> bind;
  /// External data that the host has in memory: sizes by location. A weight with
  /// such a location gets the source `host:LOCATION`; no file is looked for.
  std::map<std::string, uint64_t> hostData;
};

/// Parses a mapped ONNX file into a module of the onnx dialect. On failure
/// emits a diagnostic on the context and returns null. The file is not mapped
/// any more when this returns; weights name it as `path`.
mlir::OwningOpRef<mlir::ModuleOp> importOnnxFile(mlir::MLIRContext *context, llvm::StringRef path,
                                                 const ImportOptions &options = {});

/// The same from memory. Weights get sources `host:model` with offsets in
/// `bytes`, which must live as long as anybody reads them. `name` stands for
/// the file in diagnostics. External data is looked up in `baseDirectory`;
/// without one a model with external data is refused.
mlir::OwningOpRef<mlir::ModuleOp> importOnnxBuffer(mlir::MLIRContext *context, llvm::StringRef name,
                                                   llvm::ArrayRef<char> bytes, const ImportOptions &options = {},
                                                   llvm::StringRef baseDirectory = {});

/// Writes a module of the onnx dialect as an ONNX file. Inline weights are
/// copied from their source files as the file is written; external ones stay
/// external. What was imported comes back equal, up to the order of a node's
/// attributes and of value_info; nodes that were out of order are sorted,
/// training information is gone. `hostModel` is the buffer behind sources `host:model`.
llvm::LogicalResult exportOnnx(mlir::ModuleOp module, llvm::raw_ostream &os, llvm::ArrayRef<char> hostModel = {});

/// mlir-translate style: --import-onnx and --export-onnx.
void registerOnnxTranslations();

} // namespace bessemer
