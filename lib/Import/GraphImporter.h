// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Builds one graph and those in its nodes: the class behind GraphImport.h.
#pragma once

#include "lib/Import/GraphImport.h"
#include "lib/Import/TypeImport.h"

namespace bessemer::import {

/// The values of one graph, and of those around it.
struct Scope {
  const Scope *outer = nullptr;
  llvm::DenseMap<llvm::StringRef, mlir::Value> values;

  mlir::Value lookup(llvm::StringRef name) const {
    for (const Scope *scope = this; scope; scope = scope->outer)
      if (mlir::Value value = scope->values.lookup(name))
        return value;
    return {};
  }
};

class GraphImporter {
public:
  GraphImporter(ImportContext &ctx, const Opsets &opsets, mlir::Block *functionBody)
      : ctx(ctx), opsets(opsets), functionBody(functionBody), b(ctx.context) {}

  /// Fills `block` with a graph, its inputs being new block arguments, and
  /// gives its outputs; the caller adds the terminator. `details` gets what
  /// the way back needs.
  mlir::FailureOr<llvm::SmallVector<mlir::Value>> run(const proto::Graph &graph, mlir::Block *block, const Scope *outer,
                                                      mlir::DictionaryAttr &details);

private:
  struct GraphState;

  mlir::LogicalResult importInputs(GraphState &state);
  mlir::LogicalResult importInitializers(GraphState &state);
  mlir::LogicalResult importNode(GraphState &state, unsigned index);
  mlir::LogicalResult importConstant(GraphState &state, unsigned index, const ImportedAttributes &attributes,
                                     bool &done);
  mlir::LogicalResult importSubgraphs(GraphState &state, onnx::NodeOp op, const ImportedAttributes &attributes);
  mlir::FailureOr<llvm::SmallVector<mlir::Value>> importOutputs(GraphState &state);
  mlir::FailureOr<mlir::DictionaryAttr> graphDetails(GraphState &state);

  mlir::LogicalResult define(GraphState &state, llvm::StringRef name, mlir::Value value, const llvm::Twine &by,
                             mlir::Location loc);
  mlir::Value absent();
  mlir::Value makeWeight(llvm::StringRef name, const ImportedTensor &tensor, mlir::DictionaryAttr details,
                         mlir::Location loc);
  mlir::FailureOr<mlir::Type> typeOf(GraphState &state, llvm::StringRef name);

  ImportContext &ctx;
  const Opsets &opsets;
  mlir::Block *functionBody; ///< where `onnx.absent` goes
  mlir::Value absentValue;
  mlir::OpBuilder b;
};

} // namespace bessemer::import
