// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Registration and verifiers of the `onnx` dialect.
#include "dialects/Onnx/Onnx.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace bessemer::onnx;

#include "dialects/Onnx/OnnxOpsDialect.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/Onnx/OnnxOpsTypes.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/Onnx/OnnxOps.cpp.inc"

void OnnxDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/Onnx/OnnxOpsTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Onnx/OnnxOps.cpp.inc"
      >();
}

LogicalResult NodeOp::verify() {
  if (getOutputNames().size() != getNumResults())
    return emitOpError("expected one output name for each result, got ")
           << getOutputNames().size() << " names for " << getNumResults() << " results";
  if (getSubgraphNames().size() != getSubgraphs().size())
    return emitOpError("expected one name for each subgraph, got ")
           << getSubgraphNames().size() << " names for " << getSubgraphs().size() << " subgraphs";
  for (Region &region : getSubgraphs())
    if (!region.hasOneBlock() || region.front().empty() || !isa<ReturnOp>(region.front().back()))
      return emitOpError("expected each subgraph to be one block that ends in onnx.return");
  if (DictionaryAttr refs = getRefAttrsAttr())
    for (NamedAttribute ref : refs)
      if (!isa<StringAttr>(ref.getValue()))
        return emitOpError("expected the name of a function's attribute as reference '")
               << ref.getName().getValue() << "', got " << ref.getValue();
  return success();
}

LogicalResult WeightOp::verify() {
  auto type = cast<RankedTensorType>(getY().getType());
  if (!type.hasStaticShape())
    return emitOpError("expected a static shape, got ") << type;
  if (getSource().getOffset() < 0 || getSource().getLength() < 0)
    return emitOpError("expected an offset and a length of at least 0, got ") << getSource();
  return success();
}

std::string NodeOp::describe() {
  std::string text;
  llvm::raw_string_ostream os(text);
  if (!getNodeName().empty()) {
    os << "node \"" << getNodeName() << "\" (" << getOpType() << ")";
    return text;
  }
  os << "node";
  if (auto named = dyn_cast<NameLoc>(getLoc()))
    if (auto file = dyn_cast<FileLineColLoc>(named.getChildLoc()))
      os << " #" << file.getLine();
  os << " (" << getOpType() << ")";
  return text;
}

Region *NodeOp::getSubgraph(StringRef name) {
  for (auto [attr, region] : llvm::zip(getSubgraphNames(), getSubgraphs()))
    if (cast<StringAttr>(attr).getValue() == name)
      return &region;
  return nullptr;
}
