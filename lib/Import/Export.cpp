// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Module -> ModelProto, and the streaming of weights into the file.
#include "bessemer/Import/Import.h"

#include "bessemer/Support/MappedFile.h"
#include "lib/Import/ExportGraph.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <limits>
#include <map>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::import;

static void addOpsets(Message &out, unsigned field, ArrayAttr opsets) {
  if (!opsets)
    return;
  for (Attribute attr : opsets) {
    auto dict = dyn_cast<DictionaryAttr>(attr);
    Message opset;
    opset.text(1, getText(dict, "domain"));
    opset.varint(2, getNumber(dict, "version").value_or(0));
    out.message(field, std::move(opset));
  }
}

/// The names of arguments and results for a function that was not imported.
static DictionaryAttr graphDetails(func::FuncOp func) {
  if (auto details = func->getAttrOfType<DictionaryAttr>("onnx.graph"))
    return details;
  Builder b(func.getContext());
  auto names = [&](unsigned count, auto nameOf) {
    SmallVector<Attribute> result;
    for (unsigned i = 0; i < count; ++i) {
      StringAttr name = nameOf(i);
      result.push_back(name ? name : b.getStringAttr("value_" + Twine(i)));
    }
    return b.getArrayAttr(result);
  };
  NamedAttrList details;
  details.set("inputs", names(func.getNumArguments(),
                              [&](unsigned i) { return func.getArgAttrOfType<StringAttr>(i, "onnx.name"); }));
  details.set("outputs", names(func.getNumResults(),
                               [&](unsigned i) { return func.getResultAttrOfType<StringAttr>(i, "onnx.name"); }));
  return details.getDictionary(func.getContext());
}

static FailureOr<Message> exportFunction(func::FuncOp func, DictionaryAttr info) {
  Message out;
  GraphExporter exporter;
  DictionaryAttr details = graphDetails(func);
  out.text(1, getText(info, "name"));
  if (failed(exporter.exportFunctionBody(out, func.getBody().front(), details)))
    return failure();
  addStrings(out, 6, getList(info, "attributes"));
  if (DictionaryAttr defaults = getDict(info, "defaults"))
    for (NamedAttribute attr : defaults) {
      auto message = exportAttribute(attr.getName(), attr.getValue(), getDict(getDict(info, "details"), attr.getName()),
                                     func.getLoc());
      if (failed(message))
        return failure();
      out.message(11, std::move(*message));
    }
  out.text(8, getText(info, "doc_string"));
  addOpsets(out, 9, getList(info, "opsets"));
  out.text(10, getText(info, "domain")).text(13, getText(info, "overload"));
  addKeyValues(out, 14, info.get("metadata"));
  return out;
}

static FailureOr<Message> exportModel(ModuleOp module) {
  DictionaryAttr attrs = module->getAttrDictionary();
  std::optional<int64_t> irVersion = getNumber(attrs, "onnx.ir_version");
  auto main = module.lookupSymbol<func::FuncOp>("main");
  if (!irVersion || !main || main.isExternal()) {
    module.emitError("expected a module with onnx.ir_version and a function @main");
    return failure();
  }
  Message model;
  model.varint(1, *irVersion).text(2, getText(attrs, "onnx.producer_name"));
  model.text(3, getText(attrs, "onnx.producer_version")).text(4, getText(attrs, "onnx.domain"));
  if (std::optional<int64_t> version = getNumber(attrs, "onnx.model_version"))
    model.varint(5, *version);
  model.text(6, getText(attrs, "onnx.doc_string"));
  GraphExporter exporter;
  FailureOr<Message> graph = exporter.exportGraph(main.getBody().front(), graphDetails(main));
  if (failed(graph))
    return failure();
  model.message(7, std::move(*graph));
  addOpsets(model, 8, getList(attrs, "onnx.opsets"));
  addKeyValues(model, 14, attrs.get("onnx.metadata"));
  for (func::FuncOp func : module.getOps<func::FuncOp>()) {
    auto info = func->getAttrOfType<DictionaryAttr>("onnx.function");
    if (!info || func.isExternal())
      continue;
    FailureOr<Message> function = exportFunction(func, info);
    if (failed(function))
      return failure();
    model.message(25, std::move(*function));
  }
  if (ArrayAttr configurations = getList(attrs, "onnx.device_configurations"))
    for (Attribute attr : configurations) {
      auto dict = dyn_cast<DictionaryAttr>(attr);
      Message configuration;
      configuration.text(1, getText(dict, "name"));
      if (std::optional<int64_t> devices = getNumber(dict, "num_devices"))
        configuration.varint(2, *devices);
      addStrings(configuration, 3, getList(dict, "devices"));
      model.message(26, std::move(configuration));
    }
  return model;
}

/// Maps each file that the message reads and checks the ranges, so that
/// nothing can fail once the first byte is written.
static LogicalResult openSources(ModuleOp module, const Message &model, ArrayRef<char> hostModel,
                                 std::map<std::string, MappedFile> &files) {
  for (const Message::Piece &piece : model.pieces()) {
    const SourceRange &source = piece.source;
    if (!source.length)
      continue;
    if (source.file.starts_with("host:") && hostModel.empty())
      return module.emitError("expected weights in files, got some in the memory of the process that imported the "
                              "model (")
             << source.file << "); import it from a file instead of from standard input";
    uint64_t size = hostModel.size();
    if (source.file != "host:model") {
      auto [place, isNew] = files.try_emplace(source.file);
      std::string reason;
      if (isNew) {
        std::optional<MappedFile> file = MappedFile::open(source.file, reason);
        if (!file)
          return module.emitError(reason);
        place->second = std::move(*file);
      }
      size = place->second.size();
    }
    if (source.offset < 0 || source.length < 0 || uint64_t(source.offset) > size ||
        uint64_t(source.length) > size - uint64_t(source.offset))
      return module.emitError("a weight's bytes ") << source.offset << " to " << source.offset + source.length
                                                   << " lie outside of " << source.file << ", which has " << size;
  }
  return success();
}

LogicalResult bessemer::exportOnnx(ModuleOp module, llvm::raw_ostream &os, ArrayRef<char> hostModel) {
  FailureOr<Message> model = exportModel(module);
  if (failed(model))
    return failure();
  if (model->size() > uint64_t(std::numeric_limits<int32_t>::max()))
    return module.emitError("the model has ")
           << model->size() << " bytes; protobuf allows 2 GiB (larger weights belong in external data)";
  std::map<std::string, MappedFile> files;
  if (failed(openSources(module, *model, hostModel, files)))
    return failure();
  for (const Message::Piece &piece : model->pieces()) {
    os << piece.text;
    const SourceRange &source = piece.source;
    if (!source.length)
      continue;
    const char *base = source.file == "host:model" ? hostModel.data() : files[source.file].data();
    os.write(base + source.offset, size_t(source.length));
  }
  return success();
}
