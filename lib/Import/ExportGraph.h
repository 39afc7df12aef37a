// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A block of the onnx dialect as GraphProto or FunctionProto.
#pragma once

#include "lib/Import/ExportParts.h"

#include "llvm/ADT/DenseMap.h"

namespace bessemer::import {

class GraphExporter {
public:
  /// GraphProto of a block; `details` is its entry `onnx.graph` or
  /// `details.graphs[i]`.
  mlir::FailureOr<Message> exportGraph(mlir::Block &block, DictionaryAttr details);

  /// Adds the nodes of a block to a FunctionProto, and its names of inputs and
  /// outputs.
  mlir::LogicalResult exportFunctionBody(Message &function, mlir::Block &block, DictionaryAttr details);

private:
  mlir::FailureOr<Message> exportNode(onnx::NodeOp node);
  mlir::FailureOr<Message> exportConstantNode(mlir::Operation *op, llvm::StringRef name, DictionaryAttr details);
  mlir::LogicalResult exportReference(Message &node, onnx::NodeOp op, mlir::NamedAttribute ref);
  mlir::LogicalResult exportSubgraphs(Message &node, onnx::NodeOp op);
  mlir::LogicalResult exportOps(Message &out, mlir::Block &block, unsigned nodeField, bool initializers);
  void nameArguments(mlir::Block &block, DictionaryAttr details);
  void exportValueInfos(Message &out, mlir::Block &block, DictionaryAttr details, unsigned field);
  llvm::StringRef nameOf(mlir::Value value) { return names.lookup(value); }

  llvm::DenseMap<mlir::Value, llvm::StringRef> names;
};

} // namespace bessemer::import
