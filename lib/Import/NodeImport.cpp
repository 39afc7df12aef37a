// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// NodeProto -> onnx.node, or onnx.weight and onnx.constant for Constant.
#include "lib/Import/GraphState.h"
#include "lib/Import/NodeOrder.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::import;

static bool isDefaultDomain(StringRef domain) { return domain.empty() || domain == "ai.onnx"; }

FailureOr<Opsets> import::importOpsets(ImportContext &ctx, ArrayRef<proto::OpsetId> opsets, const Twine &what) {
  Opsets result;
  std::string prefix = what.str();
  for (const proto::OpsetId &opset : opsets) {
    StringRef domain = isDefaultDomain(ref(opset.domain)) ? StringRef() : ref(opset.domain);
    if (domain.empty() && (opset.version < 7 || opset.version > 28)) {
      ctx.error() << prefix << "opset version " << opset.version << " is not supported, expected 7 to 28";
      return failure();
    }
    auto [place, isNew] = result.try_emplace(domain, opset.version);
    if (!isNew && place->second != opset.version) {
      ctx.error() << prefix << "domain \"" << domain << "\" is imported in versions " << place->second << " and "
                  << opset.version;
      return failure();
    }
  }
  return result;
}

ArrayAttr import::opsetsAttribute(ImportContext &ctx, ArrayRef<proto::OpsetId> opsets) {
  SmallVector<Attribute> attrs;
  for (const proto::OpsetId &opset : opsets)
    attrs.push_back(DictBuilder(ctx)
                        .set("domain", ctx.string(opset.domain))
                        .set("version", ctx.builder.getI64IntegerAttr(opset.version))
                        .get());
  return ctx.builder.getArrayAttr(attrs);
}

static Location nodeLocation(ImportContext &ctx, const proto::Node &node, unsigned index) {
  std::string name(node.name);
  if (name.empty())
    name = std::string(node.opType) + "_" + std::to_string(index + 1);
  return ctx.location(name, index + 1);
}

/// A Constant node with one value is a weight or a constant; `done` tells. One
/// whose value is sparse or a reference to a function's attribute stays a node.
LogicalResult GraphImporter::importConstant(GraphState &state, unsigned index, const ImportedAttributes &attributes,
                                            bool &done) {
  const proto::Node &node = state.graph.nodes[index];
  bool plain = node.opType == "Constant" && isDefaultDomain(ref(node.domain)) && node.inputs.empty() &&
               node.outputs.size() == 1 && !node.outputs[0].empty() && node.attributes.size() == 1 &&
               !attributes.values.empty() && node.overload.empty();
  if (!plain)
    return success();
  const proto::Attribute &attr = node.attributes.front();
  StringRef attrName = ref(attr.name), name = ref(node.outputs[0]);
  Attribute value = attributes.values.get(attrName);
  Location loc = nodeLocation(ctx, node, index);
  std::string what = describeNode(node, index);

  ImportedTensor tensor;
  auto scalar = [&](Type element) { return tensor.type = RankedTensorType::get({}, element); };
  auto vector = [&](size_t count, Type element) {
    return tensor.type = RankedTensorType::get({int64_t(count)}, element);
  };
  if (attrName == "value" && !attr.tensor.empty()) {
    // Again, as a source this time.
    auto imported = importTensor(ctx, attr.tensor.front(), false, what, loc);
    if (failed(imported))
      return failure();
    tensor = *imported;
  } else if (auto number = dyn_cast<IntegerAttr>(value); number && attrName == "value_int") {
    tensor.elements = DenseElementsAttr::get(scalar(b.getI64Type()), number.getValue());
  } else if (auto number = dyn_cast<FloatAttr>(value); number && attrName == "value_float") {
    tensor.elements = DenseElementsAttr::get(scalar(b.getF32Type()), number.getValue());
  } else if (auto text = dyn_cast<StringAttr>(value); text && attrName == "value_string") {
    tensor.elements = DenseStringElementsAttr::get(scalar(onnx::StringType::get(ctx.context)), {text.getValue()});
  } else if (auto numbers = dyn_cast<DenseI64ArrayAttr>(value); numbers && attrName == "value_ints") {
    tensor.elements = DenseElementsAttr::get(vector(numbers.size(), b.getI64Type()), numbers.asArrayRef());
  } else if (auto numbers = dyn_cast<DenseF32ArrayAttr>(value); numbers && attrName == "value_floats") {
    tensor.elements = DenseElementsAttr::get(vector(numbers.size(), b.getF32Type()), numbers.asArrayRef());
  } else if (auto texts = dyn_cast<ArrayAttr>(value); texts && attrName == "value_strings") {
    SmallVector<StringRef> values;
    for (Attribute text : texts)
      values.push_back(cast<StringAttr>(text).getValue());
    tensor.elements = DenseStringElementsAttr::get(vector(values.size(), onnx::StringType::get(ctx.context)), values);
  } else {
    return success();
  }
  DictBuilder origin(ctx);
  origin.set("attribute", ctx.string(attr.name)).set("name", ctx.string(node.name));
  origin.text("domain", node.domain).text("doc_string", node.docString);
  origin.list("metadata", node.metadata).set("number", b.getI64IntegerAttr(index + 1));
  if (auto details = dyn_cast_or_null<DictionaryAttr>(attributes.details.get(attrName))) {
    NamedAttrList rest(details);
    rest.erase("value"); // the tensor's own details are beside this
    if (!rest.empty())
      origin.set("attribute_details", rest.getDictionary(ctx.context));
  }
  if (!node.deviceConfigurations.empty())
    origin.set("devices", importDeviceConfigurations(ctx, node.deviceConfigurations));
  DictBuilder details(ctx);
  details.set("node", origin.get()).set("tensor", tensor.details);
  done = true;
  return define(state, name, makeWeight(name, tensor, details.get(), loc), what, loc);
}

LogicalResult GraphImporter::importSubgraphs(GraphState &state, onnx::NodeOp op, const ImportedAttributes &attributes) {
  SmallVector<Attribute> graphs;
  for (auto [subgraph, region] : llvm::zip(attributes.subgraphs, op.getSubgraphs())) {
    Block *block = new Block;
    region.push_back(block);
    DictionaryAttr details;
    auto outputs = run(*subgraph.second, block, &state.scope, details);
    if (failed(outputs))
      return failure();
    OpBuilder end = OpBuilder::atBlockEnd(block);
    onnx::ReturnOp::create(end, op.getLoc(), *outputs);
    graphs.push_back(details);
  }
  if (graphs.empty())
    return success();
  NamedAttrList details(op.getDetailsAttr());
  details.set("graphs", b.getArrayAttr(graphs));
  op.setDetailsAttr(details.getDictionary(ctx.context));
  return success();
}

LogicalResult GraphImporter::importNode(GraphState &state, unsigned index) {
  const proto::Node &node = state.graph.nodes[index];
  Location loc = nodeLocation(ctx, node, index);
  std::string what = describeNode(node, index);
  bool isDefault = isDefaultDomain(ref(node.domain));
  auto opset = opsets.find(isDefault ? StringRef() : ref(node.domain));
  if (opset == opsets.end())
    return emitError(loc) << what << ": domain \"" << ref(node.domain)
                          << "\" is not among the opsets that are imported";

  auto attributes = importAttributes(ctx, node.attributes, what, loc);
  if (failed(attributes))
    return failure();
  bool done = false;
  if (failed(importConstant(state, index, *attributes, done)) || done)
    return success(done);

  SmallVector<Value> inputs;
  for (auto [i, input] : llvm::enumerate(node.inputs)) {
    Value value = input.empty() ? absent() : state.scope.lookup(ref(input));
    if (!value)
      return emitError(loc) << what << ": input " << i << " \"" << ref(input)
                            << "\" is not defined by any node, input or initializer";
    inputs.push_back(value);
  }
  SmallVector<Type> types;
  for (proto::Bytes output : node.outputs) {
    FailureOr<Type> type = onnx::AbsentType::get(ctx.context);
    if (!output.empty())
      type = typeOf(state, ref(output));
    if (failed(type))
      return failure();
    types.push_back(*type);
  }
  SmallVector<StringRef> subgraphNames;
  for (auto &subgraph : attributes->subgraphs)
    subgraphNames.push_back(subgraph.first);
  DictBuilder details(ctx);
  details.text("doc_string", node.docString);
  if (isDefault)
    details.text("domain", node.domain);
  if (!attributes->details.empty())
    details.set("attributes", attributes->details.getDictionary(ctx.context));

  auto op = onnx::NodeOp::create(
      b, loc, types, ctx.string(node.opType), isDefault ? b.getStringAttr("") : ctx.string(node.domain),
      ctx.string(node.overload), b.getI64IntegerAttr(opset->second), ctx.string(node.name), ctx.strings(node.outputs),
      attributes->values.getDictionary(ctx.context), b.getStrArrayAttr(subgraphNames),
      attributes->refs.empty() ? DictionaryAttr() : attributes->refs.getDictionary(ctx.context),
      node.metadata.empty() ? ArrayAttr() : ctx.keyValues(node.metadata),
      node.deviceConfigurations.empty() ? ArrayAttr() : importDeviceConfigurations(ctx, node.deviceConfigurations),
      details.getOrNull(), inputs, unsigned(subgraphNames.size()));
  for (auto [output, value] : llvm::zip(node.outputs, op.getOutputs()))
    if (!output.empty() && failed(define(state, ref(output), value, what, loc)))
      return failure();
  return importSubgraphs(state, op, *attributes);
}
