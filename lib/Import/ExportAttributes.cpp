// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Import/ExportParts.h"
#include "lib/Import/Proto/OnnxProto.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::import;
using proto::AttributeKind;

/// An elements attribute, or `{source, type}`.
static std::optional<Message> tensorMessage(Attribute value, DictionaryAttr details) {
  if (auto elements = dyn_cast<ElementsAttr>(value); elements && isa<RankedTensorType>(elements.getType()))
    return exportTensor(elements, details, "");
  auto dict = dyn_cast<DictionaryAttr>(value);
  auto source = dict ? dict.getAs<bess::SourceAttr>("source") : bess::SourceAttr();
  auto type = dict ? dict.getAs<TypeAttr>("type") : TypeAttr();
  if (!source || !type || !isa<RankedTensorType>(type.getValue()))
    return std::nullopt;
  return exportTensor(source, cast<RankedTensorType>(type.getValue()), details, "");
}

static std::optional<Message> sparseMessage(DictionaryAttr value, DictionaryAttr details) {
  auto values = value.get("values"), indices = value.get("indices");
  auto dims = value.getAs<DenseI64ArrayAttr>("dims");
  if (!values || !indices || !dims)
    return std::nullopt;
  auto valuesMessage = tensorMessage(values, getDict(details, "values"));
  auto indicesMessage = tensorMessage(indices, getDict(details, "indices"));
  if (!valuesMessage || !indicesMessage)
    return std::nullopt;
  Message sparse;
  sparse.message(1, std::move(*valuesMessage)).message(2, std::move(*indicesMessage));
  for (int64_t dim : dims.asArrayRef())
    sparse.varint(3, dim);
  return sparse;
}

namespace {
/// A field of AttributeProto and the kind that goes with it.
struct Slot {
  unsigned field;
  AttributeKind kind;
};
} // namespace

/// The message for one tensor, sparse tensor or type, and where it goes:
/// alone, or in a list.
static std::optional<Message> itemMessage(Attribute value, DictionaryAttr details, bool inList, Slot &slot) {
  if (auto type = dyn_cast<TypeAttr>(value)) {
    slot = inList ? Slot{15, AttributeKind::TypeProtos} : Slot{14, AttributeKind::TypeProto};
    return details ? exportTypeDetails(details) : exportType(type.getValue());
  }
  if (auto dict = dyn_cast<DictionaryAttr>(value); dict && dict.get("indices")) {
    slot = inList ? Slot{23, AttributeKind::SparseTensors} : Slot{22, AttributeKind::SparseTensor};
    return sparseMessage(dict, details);
  }
  slot = inList ? Slot{10, AttributeKind::Tensors} : Slot{5, AttributeKind::Tensor};
  return tensorMessage(value, details);
}

/// Fills in a list; false when an element has no place in ONNX.
static bool exportList(Message &out, ArrayAttr list, DictionaryAttr details, AttributeKind &kind) {
  kind = AttributeKind(getNumber(details, "kind").value_or(int64_t(AttributeKind::Strings)));
  ArrayAttr itemDetails = getList(details, "values");
  for (auto [i, item] : llvm::enumerate(list)) {
    if (auto text = dyn_cast<StringAttr>(item)) {
      out.bytes(9, text.getValue());
      continue;
    }
    auto detail = itemDetails && i < itemDetails.size() ? dyn_cast<DictionaryAttr>(itemDetails[i]) : DictionaryAttr();
    Slot slot;
    std::optional<Message> message = itemMessage(item, detail, true, slot);
    if (!message)
      return false;
    kind = slot.kind;
    out.message(slot.field, std::move(*message));
  }
  return true;
}

FailureOr<Message> import::exportAttribute(StringRef name, Attribute value, DictionaryAttr details, Location loc) {
  Message out;
  out.text(1, name);
  AttributeKind kind = AttributeKind::Undefined;
  bool known = true;
  if (auto number = dyn_cast<IntegerAttr>(value)) {
    kind = AttributeKind::Int;
    out.varint(3, number.getValue().getSExtValue());
  } else if (auto number = dyn_cast<FloatAttr>(value)) {
    kind = AttributeKind::Float;
    out.fixed32(2, number.getType().isF32() ? number.getValue().convertToFloat() : float(number.getValueAsDouble()));
  } else if (auto text = dyn_cast<StringAttr>(value)) {
    kind = AttributeKind::String;
    out.bytes(4, text.getValue());
  } else if (auto numbers = dyn_cast<DenseI64ArrayAttr>(value)) {
    kind = AttributeKind::Ints;
    for (int64_t number : numbers.asArrayRef())
      out.varint(8, number);
  } else if (auto numbers = dyn_cast<DenseF32ArrayAttr>(value)) {
    kind = AttributeKind::Floats;
    for (float number : numbers.asArrayRef())
      out.fixed32(7, number);
  } else if (auto list = dyn_cast<ArrayAttr>(value)) {
    known = exportList(out, list, details, kind);
  } else {
    Slot slot;
    std::optional<Message> message = itemMessage(value, getDict(details, "value"), false, slot);
    known = message.has_value();
    if (known)
      out.message(slot.field, std::move(*message));
    kind = slot.kind;
  }
  if (!known) {
    emitError(loc) << "attribute \"" << name << "\": " << value << " has no form in ONNX";
    return failure();
  }
  out.text(13, getText(details, "doc_string"));
  if (!details || !details.get("untyped"))
    out.varint(20, int64_t(kind));
  return out;
}

static void addNumbers(Message &out, unsigned field, DictionaryAttr dict, StringRef key) {
  if (auto numbers = dict.getAs<DenseI64ArrayAttr>(key))
    for (int64_t number : numbers.asArrayRef())
      out.varint(field, number);
}
static void addNumber(Message &out, unsigned field, DictionaryAttr dict, StringRef key) {
  if (std::optional<int64_t> number = getNumber(dict, key))
    out.varint(field, *number);
}

/// Calls `add` for each dictionary of a list.
static void forEach(DictionaryAttr dict, StringRef key, llvm::function_ref<void(DictionaryAttr)> add) {
  if (ArrayAttr list = getList(dict, key))
    for (Attribute attr : list)
      if (auto item = dyn_cast<DictionaryAttr>(attr))
        add(item);
}

static Message exportSharding(DictionaryAttr spec) {
  Message out;
  out.text(1, getText(spec, "tensor"));
  addNumbers(out, 2, spec, "devices");
  forEach(spec, "groups", [&](DictionaryAttr group) {
    Message entry;
    addNumber(entry, 1, group, "key");
    addNumbers(entry, 2, group, "value");
    out.message(3, std::move(entry));
  });
  forEach(spec, "dims", [&](DictionaryAttr dim) {
    Message sharded;
    addNumber(sharded, 1, dim, "axis");
    forEach(dim, "shards", [&](DictionaryAttr shard) {
      Message simple;
      addNumber(simple, 1, shard, "dim");
      if (auto param = shard.getAs<StringAttr>("dim"))
        simple.bytes(2, param.getValue());
      addNumber(simple, 3, shard, "num_shards");
      sharded.message(2, std::move(simple));
    });
    out.message(4, std::move(sharded));
  });
  return out;
}

void import::addDeviceConfigurations(Message &node, ArrayAttr configurations) {
  if (!configurations)
    return;
  for (Attribute attr : configurations) {
    auto dict = dyn_cast<DictionaryAttr>(attr);
    if (!dict)
      continue;
    Message out;
    out.text(1, getText(dict, "configuration"));
    forEach(dict, "sharding", [&](DictionaryAttr spec) { out.message(2, exportSharding(spec)); });
    addNumber(out, 3, dict, "pipeline_stage");
    node.message(10, std::move(out));
  }
}
