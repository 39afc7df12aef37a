// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The `onnx` dialect: an ONNX model as it is in the file. See OnnxOps.td.
#pragma once

#include "dialects/Bess/Bess.h"

#include "dialects/Onnx/OnnxOpsDialect.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/Onnx/OnnxOpsTypes.h.inc"
#define GET_OP_CLASSES
#include "dialects/Onnx/OnnxOps.h.inc"

namespace bessemer::onnx {

// Reading a node's attributes. An attribute that is absent gives the default;
// one without a default, or of another kind, gives a diagnostic on the node
// that names the attribute.
mlir::FailureOr<int64_t> getInt(NodeOp node, llvm::StringRef name, std::optional<int64_t> ifAbsent = {});
mlir::FailureOr<float> getFloat(NodeOp node, llvm::StringRef name, std::optional<float> ifAbsent = {});
mlir::FailureOr<std::string> getString(NodeOp node, llvm::StringRef name, std::optional<llvm::StringRef> ifAbsent = {});
mlir::FailureOr<llvm::SmallVector<int64_t>> getInts(NodeOp node, llvm::StringRef name,
                                                    std::optional<llvm::ArrayRef<int64_t>> ifAbsent = {});
mlir::FailureOr<llvm::SmallVector<float>> getFloats(NodeOp node, llvm::StringRef name,
                                                    std::optional<llvm::ArrayRef<float>> ifAbsent = {});
mlir::FailureOr<llvm::SmallVector<std::string>> getStrings(NodeOp node, llvm::StringRef name,
                                                           std::optional<llvm::ArrayRef<std::string>> ifAbsent = {});
inline bool hasAttribute(NodeOp node, llvm::StringRef name) { return node.getOnnxAttributes().contains(name); }

/// An error on the node that begins with `node "fc1" (Gemm): `.
mlir::InFlightDiagnostic emitNodeError(NodeOp node);

/// The model file of a location, and the names of the ONNX nodes it comes
/// from (more than one for a fused location), each once.
llvm::StringRef getModelFile(mlir::Location location);
llvm::SmallVector<llvm::StringRef> getNodeNames(mlir::Location location);

/// Prints diagnostics as `m.onnx: error: node "fc1" (Gemm): message` for as
/// long as it lives; a message that does not name its node gets the name from
/// the location. Notes follow their diagnostic, indented.
class DiagnosticPrinter : public mlir::ScopedDiagnosticHandler {
public:
  DiagnosticPrinter(mlir::MLIRContext *context, llvm::raw_ostream &os);
};

} // namespace bessemer::onnx
