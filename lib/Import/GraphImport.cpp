// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Names, inputs, initializers and outputs of a graph. Nodes: NodeImport.cpp.
#include "lib/Import/GraphState.h"
#include "lib/Import/NodeOrder.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::import;

Value GraphImporter::absent() {
  if (!absentValue) {
    OpBuilder start = OpBuilder::atBlockBegin(functionBody);
    absentValue = onnx::AbsentOp::create(start, ctx.location(""), onnx::AbsentType::get(ctx.context));
  }
  return absentValue;
}

LogicalResult GraphImporter::define(GraphState &state, StringRef name, Value value, const Twine &by, Location loc) {
  auto [place, isNew] = state.scope.values.try_emplace(name, value);
  if (isNew)
    return success();
  InFlightDiagnostic diagnostic = emitError(loc);
  diagnostic << by << ": value \"" << name << "\" is already defined";
  diagnostic.attachNote(place->second.getLoc()) << "the first definition is here";
  return diagnostic;
}

FailureOr<Type> GraphImporter::typeOf(GraphState &state, StringRef name) {
  auto found = state.info.find(name);
  const proto::ValueInfo *info = found == state.info.end() ? nullptr : found->second;
  FailureOr<ImportedType> type = importType(ctx, info && info->type ? &*info->type : nullptr, name);
  if (failed(type))
    return failure();
  if (!type->exact)
    state.inexact.insert(name);
  return type->type;
}

LogicalResult GraphImporter::importInputs(GraphState &state) {
  llvm::DenseSet<StringRef> initialized;
  for (const proto::Tensor &initializer : state.graph.initializers)
    initialized.insert(ref(initializer.name));
  for (const proto::ValueInfo &input : state.graph.inputs) {
    StringRef name = ref(input.name);
    if (name.empty())
      return ctx.error() << "graph \"" << ref(state.graph.name) << "\": an input has no name";
    // Up to IR version 3 each initializer is an input, too; later such an input
    // is one with a default, which no model that we know overrides: a weight.
    if (initialized.contains(name))
      continue;
    FailureOr<ImportedType> type = importType(ctx, input.type ? &*input.type : nullptr, name);
    if (failed(type))
      return failure();
    Location loc = ctx.location(name);
    Value argument = state.block->addArgument(type->type, loc);
    if (!type->exact)
      state.inexact.insert(name);
    if (failed(define(state, name, argument, "graph input \"" + name + "\"", loc)))
      return failure();
  }
  return success();
}

Value GraphImporter::makeWeight(StringRef name, const ImportedTensor &tensor, DictionaryAttr details, Location loc) {
  StringAttr nameAttr = b.getStringAttr(name);
  if (tensor.elements)
    return onnx::ConstantOp::create(b, loc, tensor.type, nameAttr, tensor.elements, details);
  return onnx::WeightOp::create(b, loc, tensor.type, nameAttr, tensor.source, details);
}

LogicalResult GraphImporter::importInitializers(GraphState &state) {
  auto add = [&](StringRef name, const ImportedTensor &tensor, Location loc) {
    Value value = makeWeight(name, tensor, tensor.details, loc);
    return define(state, name, value, "initializer \"" + name + "\"", loc);
  };
  for (const proto::Tensor &initializer : state.graph.initializers) {
    StringRef name = ref(initializer.name);
    if (name.empty())
      return ctx.error() << "graph \"" << ref(state.graph.name) << "\": an initializer has no name";
    Location loc = ctx.location(name);
    auto tensor = importTensor(ctx, initializer, false, "initializer \"" + name + "\"", loc, name);
    if (failed(tensor) || failed(add(name, *tensor, loc)))
      return failure();
  }
  for (const proto::SparseTensor &initializer : state.graph.sparseInitializers) {
    StringRef name = initializer.values ? ref(initializer.values->name) : StringRef();
    if (name.empty())
      return ctx.error() << "graph \"" << ref(state.graph.name) << "\": a sparse initializer has no name";
    Location loc = ctx.location(name);
    auto tensor = densify(ctx, initializer, "sparse initializer \"" + name + "\"", loc);
    if (failed(tensor))
      return failure();
    tensor->details = DictBuilder(ctx).set("sparse", tensor->details).get();
    if (failed(add(name, *tensor, loc)))
      return failure();
  }
  return success();
}

FailureOr<SmallVector<Value>> GraphImporter::importOutputs(GraphState &state) {
  SmallVector<Value> outputs;
  for (const proto::ValueInfo &output : state.graph.outputs) {
    StringRef name = ref(output.name);
    Value value = name.empty() ? Value() : state.scope.lookup(name);
    if (!value) {
      ctx.error() << "graph \"" << ref(state.graph.name) << "\": output \"" << name
                  << "\" is not defined by any node, input or initializer";
      return failure();
    }
    outputs.push_back(value);
  }
  return outputs;
}

/// An input or output as `details.inputs` and `.outputs` have it: its name
/// when the value's type says the rest, else everything.
static FailureOr<Attribute> portDetails(ImportContext &ctx, const proto::ValueInfo &port, Value value) {
  FailureOr<ImportedType> type = importType(ctx, port.type ? &*port.type : nullptr, ref(port.name));
  if (failed(type))
    return failure();
  if (value && type->exact && type->type == value.getType() && port.docString.empty() && port.metadata.empty())
    return Attribute(ctx.string(port.name));
  FailureOr<DictionaryAttr> details = valueInfoDetails(ctx, port);
  if (failed(details))
    return failure();
  return Attribute(*details);
}

FailureOr<DictionaryAttr> GraphImporter::graphDetails(GraphState &state) {
  const proto::Graph &graph = state.graph;
  SmallVector<Attribute> inputs, outputs, infos, quantization;
  for (const proto::ValueInfo &input : graph.inputs) {
    Value value = state.scope.values.lookup(ref(input.name));
    FailureOr<Attribute> details = portDetails(ctx, input, isa_and_nonnull<BlockArgument>(value) ? value : Value());
    if (failed(details))
      return failure();
    inputs.push_back(*details);
  }
  llvm::DenseSet<StringRef> outputNames;
  for (const proto::ValueInfo &output : graph.outputs) {
    FailureOr<Attribute> details = portDetails(ctx, output, state.scope.lookup(ref(output.name)));
    if (failed(details))
      return failure();
    outputs.push_back(*details);
    outputNames.insert(ref(output.name));
  }
  // The export writes an entry for each result of a node that has a type and
  // is no output. Here are the entries that this does not give.
  for (const proto::ValueInfo &info : graph.valueInfo) {
    StringRef name = ref(info.name);
    Value value = state.scope.values.lookup(name);
    bool derived = value && value.getDefiningOp<onnx::NodeOp>() && info.type && !state.inexact.contains(name) &&
                   !outputNames.contains(name) && info.docString.empty() && info.metadata.empty();
    if (derived)
      continue;
    FailureOr<DictionaryAttr> details = valueInfoDetails(ctx, info);
    if (failed(details))
      return failure();
    infos.push_back(*details);
  }
  for (const proto::QuantizationAnnotation &annotation : graph.quantization)
    quantization.push_back(b.getArrayAttr({ctx.string(annotation.tensor), ctx.keyValues(annotation.parameters)}));
  return DictBuilder(ctx)
      .text("name", graph.name)
      .text("doc_string", graph.docString)
      .list("metadata", graph.metadata)
      .set("inputs", b.getArrayAttr(inputs))
      .set("outputs", b.getArrayAttr(outputs))
      .array("value_info", infos)
      .array("quantization", quantization)
      .get();
}

FailureOr<SmallVector<Value>> GraphImporter::run(const proto::Graph &graph, Block *block, const Scope *outer,
                                                 DictionaryAttr &details) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(block);
  GraphState state(graph, block, outer);
  for (const proto::ValueInfo &info : graph.valueInfo)
    state.info[ref(info.name)] = &info;
  for (const proto::ValueInfo &output : graph.outputs)
    if (output.type)
      state.info[ref(output.name)] = &output;
  if (failed(importInputs(state)) || failed(importInitializers(state)))
    return failure();
  FailureOr<std::vector<unsigned>> order = orderNodes(ctx, graph);
  if (failed(order))
    return failure();
  for (unsigned index : *order)
    if (failed(importNode(state, index)))
      return failure();
  FailureOr<SmallVector<Value>> outputs = importOutputs(state);
  if (failed(outputs))
    return failure();
  FailureOr<DictionaryAttr> graphInfo = graphDetails(state);
  if (failed(graphInfo))
    return failure();
  details = *graphInfo;
  return outputs;
}

FailureOr<func::FuncOp> import::importFunction(ImportContext &ctx, ModuleOp module, StringRef name,
                                               const proto::Graph &graph, const Opsets &opsets) {
  OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
  // The types are known when the body is there.
  auto func = func::FuncOp::create(b, ctx.location(""), name, b.getFunctionType({}, {}));
  Block *body = new Block;
  func.getBody().push_back(body);
  DictionaryAttr details;
  auto outputs = GraphImporter(ctx, opsets, body).run(graph, body, nullptr, details);
  if (failed(outputs))
    return failure();
  b.setInsertionPointToEnd(body);
  func::ReturnOp::create(b, ctx.location(""), *outputs);
  func.setFunctionType(b.getFunctionType(body->getArgumentTypes(), ValueRange(*outputs).getTypes()));
  unsigned argument = 0;
  for (Attribute input : details.getAs<ArrayAttr>("inputs")) {
    auto full = dyn_cast<DictionaryAttr>(input);
    auto inputName = full ? full.getAs<StringAttr>("name") : cast<StringAttr>(input);
    if (argument < body->getNumArguments() &&
        cast<NameLoc>(body->getArgument(argument).getLoc()).getName() == inputName)
      func.setArgAttr(argument++, "onnx.name", inputName);
  }
  for (auto [i, output] : llvm::enumerate(graph.outputs))
    func.setResultAttr(unsigned(i), "onnx.name", ctx.string(output.name));
  func->setAttr("onnx.graph", details);
  return func;
}
