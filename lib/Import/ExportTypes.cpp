// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Bess/DTypes.h"
#include "lib/Import/ExportParts.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::import;

void import::addKeyValues(Message &out, unsigned field, Attribute entries) {
  if (auto list = dyn_cast_or_null<ArrayAttr>(entries))
    for (Attribute entry : list)
      if (auto pair = dyn_cast<ArrayAttr>(entry); pair && pair.size() == 2) {
        Message message;
        for (unsigned i : {0u, 1u})
          if (auto text = dyn_cast<StringAttr>(pair[i]))
            message.text(i + 1, text.getValue());
        out.message(field, std::move(message));
      }
}

void import::addStrings(Message &out, unsigned field, ArrayAttr strings) {
  if (strings)
    for (Attribute attr : strings)
      if (auto text = dyn_cast<StringAttr>(attr))
        out.bytes(field, text.getValue());
}

static Message exportTensorType(TensorType type) {
  Message tensor;
  tensor.varint(1, int64_t(bess::getDType(type)));
  if (!type.hasRank())
    return tensor;
  Message shape;
  for (const SymbolicExpr &expr : bess::getDims(type)) {
    Message dim;
    if (std::optional<int64_t> value = expr.isConstant())
      dim.varint(1, *value);
    else
      dim.bytes(2, expr.isSymbol() ? std::string(*expr.isSymbol()) : expr.str());
    shape.message(1, std::move(dim));
  }
  tensor.message(2, std::move(shape));
  return tensor;
}

/// A message whose field 1 is a type: TypeProto.Sequence and Optional.
static Message exportContainer(Type element, unsigned field = 1) {
  Message container;
  if (std::optional<Message> inner = exportType(element))
    container.message(field, std::move(*inner));
  return container;
}

std::optional<Message> import::exportType(Type type) {
  Message out;
  if (auto tensor = dyn_cast<TensorType>(type)) {
    out.message(1, exportTensorType(tensor));
  } else if (auto sequence = dyn_cast<onnx::SequenceType>(type)) {
    out.message(4, exportContainer(sequence.getElement()));
  } else if (auto optional = dyn_cast<onnx::OptionalType>(type)) {
    out.message(9, exportContainer(optional.getElement()));
  } else if (auto map = dyn_cast<onnx::MapType>(type)) {
    Message message;
    message.varint(1, int64_t(bess::getDType(map.getKey())));
    if (std::optional<Message> value = exportType(map.getValue()))
      message.message(2, std::move(*value));
    out.message(5, std::move(message));
  } else if (auto sparse = dyn_cast<onnx::SparseType>(type)) {
    auto dense = dyn_cast<TensorType>(sparse.getDense());
    out.message(8, dense ? exportTensorType(dense) : Message());
  } else if (auto opaque = dyn_cast<onnx::OpaqueType>(type)) {
    Message message;
    message.text(1, opaque.getDomain()).text(2, opaque.getName());
    out.message(7, std::move(message));
  } else {
    return std::nullopt;
  }
  return out;
}

static Message exportShapeDetails(ArrayAttr dims, ArrayAttr denotations) {
  Message shape;
  for (auto [i, attr] : llvm::enumerate(dims)) {
    Message dim;
    if (auto value = dyn_cast<IntegerAttr>(attr))
      dim.varint(1, value.getInt());
    else if (auto param = dyn_cast<StringAttr>(attr))
      dim.bytes(2, param.getValue());
    if (denotations && i < denotations.size())
      if (auto denotation = dyn_cast<StringAttr>(denotations[i]))
        dim.text(3, denotation.getValue());
    shape.message(1, std::move(dim));
  }
  return shape;
}

std::optional<Message> import::exportTypeDetails(Attribute details) {
  if (auto type = dyn_cast_or_null<TypeAttr>(details))
    return exportType(type.getValue());
  auto dict = dyn_cast_or_null<DictionaryAttr>(details);
  if (!dict)
    return std::nullopt;
  StringRef kind = getText(dict, "kind");
  Message out, inner;
  std::optional<Message> element = exportTypeDetails(dict.get("element"));
  int64_t elementType = getNumber(dict, "element_type").value_or(0);
  if (kind == "tensor" || kind == "sparse_tensor") {
    inner.varint(1, elementType);
    if (ArrayAttr dims = getList(dict, "dims"))
      inner.message(2, exportShapeDetails(dims, getList(dict, "denotations")));
    out.message(kind == "tensor" ? 1 : 8, std::move(inner));
  } else if (kind == "sequence" || kind == "optional") {
    if (element)
      inner.message(1, std::move(*element));
    out.message(kind == "sequence" ? 4 : 9, std::move(inner));
  } else if (kind == "map") {
    inner.varint(1, elementType);
    if (element)
      inner.message(2, std::move(*element));
    out.message(5, std::move(inner));
  } else if (kind == "opaque") {
    inner.text(1, getText(dict, "domain")).text(2, getText(dict, "name"));
    out.message(7, std::move(inner));
  }
  out.text(6, getText(dict, "denotation"));
  return out;
}

Message import::exportValueInfo(DictionaryAttr details) {
  Message info;
  info.text(1, getText(details, "name"));
  if (std::optional<Message> type = exportTypeDetails(details.get("type")))
    info.message(2, std::move(*type));
  info.text(3, getText(details, "doc_string"));
  addKeyValues(info, 4, details.get("metadata"));
  return info;
}

Message import::exportValueInfo(StringRef name, Type type) {
  Message info;
  info.text(1, name);
  if (std::optional<Message> message = exportType(type))
    info.message(2, std::move(*message));
  return info;
}
