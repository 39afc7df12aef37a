// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Import/ExportGraph.h"

#include "lib/Import/Proto/OnnxProto.h"

#include "llvm/ADT/DenseSet.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::import;
using proto::AttributeKind;

/// The name of an input or output as the details have it.
static StringRef portName(Attribute port) {
  if (auto name = dyn_cast<StringAttr>(port))
    return name.getValue();
  return getText(dyn_cast<DictionaryAttr>(port), "name");
}

void GraphExporter::nameArguments(Block &block, DictionaryAttr details) {
  // Inputs that are weights have no argument.
  llvm::DenseSet<StringRef> weights;
  for (onnx::WeightOp weight : block.getOps<onnx::WeightOp>())
    weights.insert(weight.getName());
  for (onnx::ConstantOp constant : block.getOps<onnx::ConstantOp>())
    weights.insert(constant.getName());
  unsigned next = 0;
  if (ArrayAttr inputs = getList(details, "inputs"))
    for (Attribute input : inputs)
      if (StringRef name = portName(input); !weights.contains(name) && next < block.getNumArguments())
        names[block.getArgument(next++)] = name;
}

FailureOr<Message> GraphExporter::exportConstantNode(Operation *op, StringRef name, DictionaryAttr details) {
  DictionaryAttr origin = getDict(details, "node"), attrDetails = getDict(origin, "attribute_details");
  StringRef attrName = getText(origin, "attribute");
  Message node, attr;
  node.bytes(2, name).text(3, getText(origin, "name")).text(4, "Constant");
  if (attrName == "value") {
    auto weight = dyn_cast<onnx::WeightOp>(op);
    DictionaryAttr tensorDetails = getDict(details, "tensor");
    attr.text(1, attrName);
    attr.message(
        5, weight ? exportTensor(weight.getSource(), cast<RankedTensorType>(weight.getY().getType()), tensorDetails, "")
                  : exportTensor(cast<onnx::ConstantOp>(op).getValue(), tensorDetails, ""));
    attr.text(13, getText(attrDetails, "doc_string"));
    if (!attrDetails || !attrDetails.get("untyped"))
      attr.varint(20, int64_t(AttributeKind::Tensor));
  } else {
    // value_int, value_strings and so on: back to the attribute.
    Builder b(op->getContext());
    auto constant = dyn_cast<onnx::ConstantOp>(op);
    if (!constant)
      return op->emitError("expected onnx.constant for a Constant node with ") << attrName;
    ElementsAttr value = constant.getValue();
    Attribute back;
    if (auto strings = dyn_cast<DenseStringElementsAttr>(value)) {
      SmallVector<Attribute> texts;
      for (StringRef text : strings.getValues<StringRef>())
        texts.push_back(b.getStringAttr(text));
      back = attrName == "value_string" && texts.size() == 1 ? texts.front() : b.getArrayAttr(texts);
    } else if (auto dense = dyn_cast<DenseElementsAttr>(value)) {
      if ((attrName == "value_int" || attrName == "value_float") && dense.isSplat())
        back = dense.getSplatValue<Attribute>();
      else if (value.getElementType().isF32())
        back = b.getDenseF32ArrayAttr(llvm::to_vector(dense.getValues<float>()));
      else if (value.getElementType().isSignlessInteger(64))
        back = b.getDenseI64ArrayAttr(llvm::to_vector(dense.getValues<int64_t>()));
    }
    if (!back)
      return op->emitError("a Constant node cannot have ") << value.getType() << " as " << attrName;
    FailureOr<Message> exported = exportAttribute(attrName, back, attrDetails, op->getLoc());
    if (failed(exported))
      return failure();
    attr = std::move(*exported);
  }
  node.message(5, std::move(attr)).text(6, getText(origin, "doc_string"));
  node.text(7, getText(origin, "domain"));
  addKeyValues(node, 9, origin.get("metadata"));
  addDeviceConfigurations(node, getList(origin, "devices"));
  return node;
}

LogicalResult GraphExporter::exportReference(Message &node, onnx::NodeOp op, NamedAttribute ref) {
  DictionaryAttr attrDetails = getDict(getDict(op.getDetailsAttr(), "attributes"), ref.getName());
  Message attr;
  attr.text(1, ref.getName()).text(21, cast<StringAttr>(ref.getValue()).getValue());
  attr.text(13, getText(attrDetails, "doc_string"));
  if (std::optional<int64_t> kind = getNumber(attrDetails, "kind"); kind && *kind)
    attr.varint(20, *kind);
  node.message(5, std::move(attr));
  return success();
}

LogicalResult GraphExporter::exportSubgraphs(Message &node, onnx::NodeOp op) {
  DictionaryAttr details = op.getDetailsAttr(), attributes = getDict(details, "attributes");
  ArrayAttr graphs = getList(details, "graphs");
  auto finish = [&](Message attr, StringRef name, AttributeKind kind) {
    attr.text(1, name).text(13, getText(getDict(attributes, name), "doc_string"));
    attr.varint(20, int64_t(kind));
    node.message(5, std::move(attr));
  };
  std::map<std::string, Message> lists; // name -> AttributeProto with its graphs
  if (attributes)
    for (NamedAttribute entry : attributes)
      if (getNumber(dyn_cast<DictionaryAttr>(entry.getValue()), "graphs"))
        lists[entry.getName().str()];
  for (auto [i, region] : llvm::enumerate(op.getSubgraphs())) {
    auto graphDetails = graphs && i < graphs.size() ? dyn_cast<DictionaryAttr>(graphs[i]) : DictionaryAttr();
    FailureOr<Message> graph = exportGraph(region.front(), graphDetails);
    if (failed(graph))
      return failure();
    StringRef name = cast<StringAttr>(op.getSubgraphNames()[i]).getValue();
    auto list = lists.find(name.substr(0, name.rfind('[')).str());
    if (list != lists.end() && name.ends_with("]")) {
      list->second.message(11, std::move(*graph));
      continue;
    }
    Message attr;
    attr.message(6, std::move(*graph));
    finish(std::move(attr), name, AttributeKind::Graph);
  }
  for (auto &[name, attr] : lists)
    finish(std::move(attr), name, AttributeKind::Graphs);
  return success();
}

FailureOr<Message> GraphExporter::exportNode(onnx::NodeOp op) {
  DictionaryAttr details = op.getDetailsAttr(), attributes = getDict(details, "attributes");
  Message node;
  for (Value input : op.getInputs())
    node.bytes(1, nameOf(input));
  addStrings(node, 2, op.getOutputNames());
  node.text(3, op.getNodeName()).text(4, op.getOpType());
  for (NamedAttribute attr : op.getOnnxAttributes()) {
    FailureOr<Message> message =
        exportAttribute(attr.getName(), attr.getValue(), getDict(attributes, attr.getName()), op.getLoc());
    if (failed(message))
      return failure();
    node.message(5, std::move(*message));
  }
  if (DictionaryAttr refs = op.getRefAttrsAttr())
    for (NamedAttribute ref : refs)
      if (failed(exportReference(node, op, ref)))
        return failure();
  if (failed(exportSubgraphs(node, op)))
    return failure();
  StringRef domain = op.getDomain();
  node.text(6, getText(details, "doc_string"));
  node.text(7, domain.empty() ? getText(details, "domain") : domain).text(8, op.getOverload());
  addKeyValues(node, 9, op.getMetadataAttr());
  addDeviceConfigurations(node, op.getDeviceConfigurationsAttr());
  return node;
}

LogicalResult GraphExporter::exportOps(Message &out, Block &block, unsigned nodeField, bool initializers) {
  auto addConstant = [&](Operation *op, StringRef name, DictionaryAttr details) -> LogicalResult {
    names[op->getResult(0)] = name;
    if (getDict(details, "node")) {
      FailureOr<Message> node = exportConstantNode(op, name, details);
      if (failed(node))
        return failure();
      out.message(nodeField, std::move(*node));
      return success();
    }
    if (!initializers)
      return op->emitError("a function of ONNX has no initializers");
    if (auto weight = dyn_cast<onnx::WeightOp>(op)) {
      out.message(5, exportTensor(weight.getSource(), cast<RankedTensorType>(weight.getY().getType()), details, name));
      return success();
    }
    DictionaryAttr sparse = getDict(details, "sparse");
    if (!sparse) {
      out.message(5, exportTensor(cast<onnx::ConstantOp>(op).getValue(), details, name));
      return success();
    }
    auto values = sparse.getAs<ElementsAttr>("values"), indices = sparse.getAs<ElementsAttr>("indices");
    auto dims = sparse.getAs<DenseI64ArrayAttr>("dims");
    if (!values || !indices || !dims)
      return op->emitError("expected values, indices and dims in details.sparse");
    Message message;
    message.message(1, exportTensor(values, getDict(sparse, "values_details"), name));
    message.message(2, exportTensor(indices, getDict(sparse, "indices_details"), ""));
    for (int64_t dim : dims.asArrayRef())
      message.varint(3, dim);
    out.message(15, std::move(message));
    return success();
  };
  for (Operation &op : block.without_terminator()) {
    if (auto weight = dyn_cast<onnx::WeightOp>(op)) {
      if (failed(addConstant(&op, weight.getName(), weight.getDetailsAttr())))
        return failure();
    } else if (auto constant = dyn_cast<onnx::ConstantOp>(op)) {
      if (failed(addConstant(&op, constant.getName(), constant.getDetailsAttr())))
        return failure();
    } else if (auto node = dyn_cast<onnx::NodeOp>(op)) {
      for (auto [name, result] : llvm::zip(node.getOutputNames(), node.getOutputs()))
        names[result] = cast<StringAttr>(name).getValue();
      FailureOr<Message> message = exportNode(node);
      if (failed(message))
        return failure();
      out.message(nodeField, std::move(*message));
    } else if (!isa<onnx::AbsentOp>(op)) {
      return op.emitError("expected an op of the onnx dialect, got ") << op.getName();
    }
  }
  return success();
}

void GraphExporter::exportValueInfos(Message &out, Block &block, DictionaryAttr details, unsigned field) {
  llvm::DenseSet<StringRef> written;
  for (StringRef key : {"outputs", "value_info"})
    if (ArrayAttr list = getList(details, key))
      for (Attribute entry : list)
        written.insert(portName(entry));
  for (onnx::NodeOp node : block.getOps<onnx::NodeOp>())
    for (auto [name, result] : llvm::zip(node.getOutputNames(), node.getOutputs())) {
      StringRef text = cast<StringAttr>(name).getValue();
      if (!isa<onnx::UnknownType, onnx::AbsentType>(result.getType()) && !written.contains(text))
        out.message(field, exportValueInfo(text, result.getType()));
    }
  if (ArrayAttr list = getList(details, "value_info"))
    for (Attribute entry : list)
      if (auto dict = dyn_cast<DictionaryAttr>(entry))
        out.message(field, exportValueInfo(dict));
}

FailureOr<Message> GraphExporter::exportGraph(Block &block, DictionaryAttr details) {
  Message graph;
  nameArguments(block, details);
  if (failed(exportOps(graph, block, 1, true)))
    return failure();
  graph.text(2, getText(details, "name")).text(10, getText(details, "doc_string"));
  auto addPorts = [&](unsigned field, StringRef key, ValueRange values, bool skipWeights) {
    size_t next = 0;
    if (ArrayAttr ports = getList(details, key))
      for (Attribute port : ports) {
        StringRef name = portName(port);
        // A port that is a text alone has a value, in the same order.
        bool hasValue = next < values.size() && (!skipWeights || nameOf(values[next]) == name);
        if (auto dict = dyn_cast<DictionaryAttr>(port))
          graph.message(field, exportValueInfo(dict));
        else if (hasValue)
          graph.message(field, exportValueInfo(name, values[next].getType()));
        next += hasValue;
      }
  };
  addPorts(11, "inputs", block.getArguments(), true);
  addPorts(12, "outputs", block.getTerminator()->getOperands(), false);
  exportValueInfos(graph, block, details, 13);
  if (ArrayAttr annotations = getList(details, "quantization"))
    for (Attribute attr : annotations)
      if (auto pair = dyn_cast<ArrayAttr>(attr); pair && pair.size() == 2 && isa<StringAttr>(pair[0])) {
        Message annotation;
        annotation.text(1, cast<StringAttr>(pair[0]).getValue());
        addKeyValues(annotation, 2, pair[1]);
        graph.message(14, std::move(annotation));
      }
  if (details)
    addKeyValues(graph, 16, details.get("metadata"));
  return graph;
}

LogicalResult GraphExporter::exportFunctionBody(Message &function, Block &block, DictionaryAttr details) {
  nameArguments(block, details);
  for (auto [field, key] : {std::pair(4u, "inputs"), std::pair(5u, "outputs")})
    if (ArrayAttr ports = getList(details, key))
      for (Attribute port : ports)
        function.bytes(field, portName(port));
  if (failed(exportOps(function, block, 7, false)))
    return failure();
  exportValueInfos(function, block, details, 12);
  return success();
}
