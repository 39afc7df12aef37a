// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ModelProto -> module; the entry points.
#include "bessemer/Import/Import.h"

#include "bessemer/Support/MappedFile.h"
#include "lib/Import/GraphImport.h"
#include "lib/Import/Proto/OnnxProtoReader.h"
#include "lib/Import/TypeImport.h"

#include "llvm/Support/Path.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::import;

static LogicalResult checkModel(ImportContext &ctx, const proto::Model &model) {
  if (!model.irVersion)
    return ctx.error() << "expected an ONNX model, got a file without an IR version";
  if (*model.irVersion < 3 || *model.irVersion > 14)
    return ctx.error() << "IR version " << *model.irVersion << " is not supported, expected 3 to 14";
  if (!model.graph)
    return ctx.error() << "expected an ONNX model, got a file without a graph";
  return success();
}

static void setModuleAttributes(ImportContext &ctx, const proto::Model &model, ModuleOp module) {
  Builder &b = ctx.builder;
  SmallVector<Attribute> configurations;
  for (const proto::DeviceConfiguration &configuration : model.configurations) {
    DictBuilder dict(ctx);
    dict.text("name", configuration.name);
    if (configuration.numDevices)
      dict.set("num_devices", b.getI64IntegerAttr(*configuration.numDevices));
    if (!configuration.devices.empty())
      dict.set("devices", ctx.strings(configuration.devices));
    configurations.push_back(dict.get());
  }
  DictBuilder dict(ctx);
  dict.set("onnx.ir_version", b.getI64IntegerAttr(*model.irVersion));
  dict.set("onnx.opsets", opsetsAttribute(ctx, model.opsets));
  dict.text("onnx.producer_name", model.producerName);
  dict.text("onnx.producer_version", model.producerVersion);
  dict.text("onnx.domain", model.domain).text("onnx.doc_string", model.docString);
  if (model.modelVersion)
    dict.set("onnx.model_version", b.getI64IntegerAttr(*model.modelVersion));
  dict.list("onnx.metadata", model.metadata).array("onnx.device_configurations", configurations);
  module->setAttrs(dict.get());
}

static std::string functionSymbol(proto::Bytes domain, proto::Bytes name, proto::Bytes overload) {
  if (domain == "ai.onnx")
    domain = {};
  return std::string(domain) + ":" + std::string(name) + ":" + std::string(overload);
}

/// The body of a function as a graph. The function's nodes move into it.
static proto::Graph functionGraph(proto::Function &function) {
  proto::Graph graph;
  graph.name = function.name;
  graph.nodes = std::move(function.nodes);
  graph.valueInfo = function.valueInfo;
  auto port = [&](proto::Bytes name) {
    for (const proto::ValueInfo &info : function.valueInfo)
      if (info.name == name)
        return info;
    return proto::ValueInfo{name, {}, {}, {}};
  };
  for (proto::Bytes input : function.inputs)
    graph.inputs.push_back(port(input));
  for (proto::Bytes output : function.outputs)
    graph.outputs.push_back(port(output));
  return graph;
}

static LogicalResult importLocalFunction(ImportContext &ctx, ModuleOp module, proto::Function &function) {
  std::string symbol = functionSymbol(function.domain, function.name, function.overload);
  std::string what = "function \"" + symbol + "\": ";
  if (function.name.empty())
    return ctx.error() << what << "missing name";
  if (module.lookupSymbol(symbol))
    return ctx.error() << what << "is defined twice";
  FailureOr<Opsets> opsets = importOpsets(ctx, function.opsets, what);
  FailureOr<ImportedAttributes> defaults =
      importAttributes(ctx, function.attributeDefaults, "function \"" + symbol + "\"", ctx.location(""));
  if (failed(opsets) || failed(defaults))
    return failure();
  if (!defaults->subgraphs.empty())
    return ctx.error() << what << "graphs as defaults of attributes are not supported";
  std::set<proto::Bytes> attributes(function.attributes.begin(), function.attributes.end());
  for (const proto::Attribute &attr : function.attributeDefaults)
    attributes.insert(attr.name);
  ctx.functionAttributes = &attributes;
  proto::Graph graph = functionGraph(function);
  FailureOr<func::FuncOp> func = importFunction(ctx, module, symbol, graph, *opsets);
  ctx.functionAttributes = nullptr;
  if (failed(func))
    return failure();
  func->setPrivate();
  DictBuilder dict(ctx);
  dict.set("domain", ctx.string(function.domain)).set("name", ctx.string(function.name));
  dict.set("overload", ctx.string(function.overload)).text("doc_string", function.docString);
  dict.set("attributes", ctx.strings(function.attributes));
  dict.set("defaults", defaults->values.getDictionary(ctx.context));
  if (!defaults->details.empty())
    dict.set("details", defaults->details.getDictionary(ctx.context));
  dict.set("opsets", opsetsAttribute(ctx, function.opsets)).list("metadata", function.metadata);
  (*func)->setAttr("onnx.function", dict.get());
  return success();
}

/// Functions may not call themselves, directly or through others.
static LogicalResult checkRecursion(ModuleOp module) {
  enum State { Unseen, Open, Done };
  llvm::StringMap<State> states;
  struct Frame {
    func::FuncOp func;
    SmallVector<onnx::NodeOp> calls;
    size_t next = 0;
  };
  auto enter = [&](func::FuncOp func) {
    states[func.getSymName()] = Open;
    Frame frame{func, {}, 0};
    func.walk([&](onnx::NodeOp node) { frame.calls.push_back(node); });
    return frame;
  };
  SymbolTable symbols(module);
  for (func::FuncOp root : module.getOps<func::FuncOp>()) {
    if (states.lookup(root.getSymName()) != Unseen)
      continue;
    std::vector<Frame> stack;
    stack.push_back(enter(root));
    while (!stack.empty()) {
      Frame &frame = stack.back();
      if (frame.next == frame.calls.size()) {
        states[frame.func.getSymName()] = Done;
        stack.pop_back();
        continue;
      }
      onnx::NodeOp call = frame.calls[frame.next++];
      std::string symbol = (call.getDomain() + ":" + call.getOpType() + ":" + call.getOverload()).str();
      auto callee = symbols.lookup<func::FuncOp>(symbol);
      if (!callee || states.lookup(symbol) == Done)
        continue;
      if (states.lookup(symbol) == Open)
        return emitNodeError(call) << "function \"" << symbol << "\" calls itself";
      stack.push_back(enter(callee));
    }
  }
  return success();
}

static LogicalResult checkBound(ImportContext &ctx) {
  for (const auto &[name, value] : ctx.options.bind) {
    if (ctx.boundNames.count(name))
      continue;
    InFlightDiagnostic diagnostic = ctx.error();
    diagnostic << "no dimension of an input is called \"" << name << "\"";
    if (!ctx.symbols.empty()) {
      diagnostic << ", expected one of: ";
      llvm::interleaveComma(ctx.symbols, diagnostic);
    }
    return diagnostic;
  }
  return success();
}

static OwningOpRef<ModuleOp> importModel(ImportContext &ctx) {
  ctx.context->loadDialect<onnx::OnnxDialect, bess::BessDialect, func::FuncDialect>();
  std::string reason;
  std::optional<proto::Model> model = proto::readModel(ctx.bytes, reason);
  if (!model) {
    ctx.error() << "cannot read the model: " << reason;
    return {};
  }
  if (failed(checkModel(ctx, *model)))
    return {};
  collectSymbols(ctx, *model->graph);
  FailureOr<Opsets> opsets = importOpsets(ctx, model->opsets, "");
  if (failed(opsets))
    return {};
  OwningOpRef<ModuleOp> module = ModuleOp::create(ctx.location(""));
  setModuleAttributes(ctx, *model, *module);
  if (failed(importFunction(ctx, *module, "main", *model->graph, *opsets)))
    return {};
  if (failed(checkBound(ctx)))
    return {};
  for (proto::Function &function : model->functions)
    if (failed(importLocalFunction(ctx, *module, function)))
      return {};
  if (failed(checkRecursion(*module)))
    return {};
  if (model->hasTraining)
    emitWarning(ctx.location("")) << "the training information of the model is dropped";
  return module;
}

OwningOpRef<ModuleOp> bessemer::importOnnxFile(MLIRContext *context, StringRef path, const ImportOptions &options) {
  ImportContext ctx(context, options);
  ctx.fileName = ctx.sourceName = path.str();
  ctx.baseDirectory = llvm::sys::path::parent_path(path).str();
  std::string reason;
  std::optional<MappedFile> file = MappedFile::open(path.str(), reason);
  if (!file) {
    ctx.error() << reason;
    return {};
  }
  ctx.bytes = file->view();
  return importModel(ctx);
}

OwningOpRef<ModuleOp> bessemer::importOnnxBuffer(MLIRContext *context, StringRef name, ArrayRef<char> bytes,
                                                 const ImportOptions &options, StringRef baseDirectory) {
  ImportContext ctx(context, options);
  ctx.fileName = name.str();
  ctx.sourceName = "host:model";
  ctx.baseDirectory = baseDirectory.str();
  ctx.allowExternal = !baseDirectory.empty();
  ctx.bytes = {bytes.data(), bytes.size()};
  return importModel(ctx);
}
