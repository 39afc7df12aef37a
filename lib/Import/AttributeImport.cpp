// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Import/AttributeImport.h"

#include "lib/Import/TensorImport.h"
#include "lib/Import/TypeImport.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::import;
using proto::AttributeKind;

/// The kind that the fields say, for files that are older than the field `type`.
static AttributeKind guessKind(const proto::Attribute &attr) {
  if (attr.f)
    return AttributeKind::Float;
  if (attr.i)
    return AttributeKind::Int;
  if (attr.s)
    return AttributeKind::String;
  const std::pair<bool, AttributeKind> lists[] = {
      {!attr.tensor.empty(), AttributeKind::Tensor},
      {!attr.graph.empty(), AttributeKind::Graph},
      {!attr.floats.empty(), AttributeKind::Floats},
      {!attr.ints.empty(), AttributeKind::Ints},
      {!attr.strings.empty(), AttributeKind::Strings},
      {!attr.tensors.empty(), AttributeKind::Tensors},
      {!attr.graphs.empty(), AttributeKind::Graphs},
      {!attr.sparseTensor.empty(), AttributeKind::SparseTensor},
      {!attr.sparseTensors.empty(), AttributeKind::SparseTensors},
      {!attr.typeProto.empty(), AttributeKind::TypeProto},
      {!attr.typeProtos.empty(), AttributeKind::TypeProtos},
  };
  for (auto [present, kind] : lists)
    if (present)
      return kind;
  return AttributeKind::Undefined;
}

namespace {
/// One attribute on its way. Each `import...` gives its value, or null after a
/// diagnostic.
class AttributeImporter {
public:
  AttributeImporter(ImportContext &ctx, const proto::Attribute &attr, std::string what, Location loc,
                    ImportedAttributes &out)
      : ctx(ctx), attr(attr), what(std::move(what)), loc(loc), out(out), details(ctx) {}

  LogicalResult run() {
    StringRef name = ref(attr.name);
    details.text("doc_string", attr.docString);
    AttributeKind kind = attr.type && *attr.type ? AttributeKind(*attr.type) : guessKind(attr);
    if (!attr.refAttrName.empty()) {
      if (!ctx.functionAttributes || !ctx.functionAttributes->count(attr.refAttrName))
        return error() << "refers to \"" << ref(attr.refAttrName) << "\", "
                       << (ctx.functionAttributes ? "which the function does not have" : "but is not in a function");
      details.set("kind", ctx.builder.getI64IntegerAttr(int64_t(kind)));
      out.refs.set(name, ctx.string(attr.refAttrName));
    } else if (kind == AttributeKind::Graph || kind == AttributeKind::Graphs) {
      if (failed(importGraphs(kind)))
        return failure();
    } else {
      if (!attr.type || !*attr.type)
        details.set("untyped", ctx.builder.getUnitAttr());
      Attribute value = importValue(kind);
      if (!value)
        return failure();
      out.values.set(name, value);
    }
    if (!details.empty())
      out.details.set(name, details.get());
    return success();
  }

private:
  InFlightDiagnostic error() { return emitError(loc) << what << ": "; }

  LogicalResult importGraphs(AttributeKind kind) {
    if (kind == AttributeKind::Graph) {
      if (attr.graph.empty())
        return error() << "expected a graph";
      out.subgraphs.push_back({std::string(attr.name), &attr.graph.front()});
      return success();
    }
    details.set("graphs", ctx.builder.getI64IntegerAttr(int64_t(attr.graphs.size())));
    for (auto [i, graph] : llvm::enumerate(attr.graphs))
      out.subgraphs.push_back({(ref(attr.name) + "[" + Twine(i) + "]").str(), &graph});
    return success();
  }

  Attribute importValue(AttributeKind kind) {
    Builder &b = ctx.builder;
    switch (kind) {
    case AttributeKind::Float: return b.getF32FloatAttr(attr.f.value_or(0));
    case AttributeKind::Int: return b.getI64IntegerAttr(attr.i.value_or(0));
    case AttributeKind::String: return ctx.string(attr.s.value_or(proto::Bytes()));
    case AttributeKind::Floats: return b.getDenseF32ArrayAttr(attr.floats);
    case AttributeKind::Ints: return b.getDenseI64ArrayAttr(attr.ints);
    case AttributeKind::Strings: return ctx.strings(attr.strings);
    case AttributeKind::Tensor: return one(attr.tensor, [&](const proto::Tensor &t, auto &d) { return tensor(t, d); });
    case AttributeKind::Tensors:
      return all(attr.tensors, [&](const proto::Tensor &t, auto &d) { return tensor(t, d); });
    case AttributeKind::SparseTensor:
      return one(attr.sparseTensor, [&](const proto::SparseTensor &s, auto &d) { return sparse(s, d); });
    case AttributeKind::SparseTensors:
      return all(attr.sparseTensors, [&](const proto::SparseTensor &s, auto &d) { return sparse(s, d); });
    case AttributeKind::TypeProto:
      return one(attr.typeProto, [&](const proto::Type &t, auto &d) { return type(t, d); });
    case AttributeKind::TypeProtos:
      return all(attr.typeProtos, [&](const proto::Type &t, auto &d) { return type(t, d); });
    case AttributeKind::Graph:
    case AttributeKind::Graphs:
    case AttributeKind::Undefined: break;
    }
    if (kind == AttributeKind::Undefined)
      error() << "expected a value";
    else
      error() << "unknown kind " << int64_t(kind) << " of attribute";
    return {};
  }

  /// The value of a singular message field; its details, if any, become `value`.
  template <typename Message, typename Convert> Attribute one(const std::vector<Message> &field, Convert convert) {
    if (field.empty()) {
      error() << "expected a value";
      return {};
    }
    Attribute itemDetails;
    Attribute value = convert(field.front(), itemDetails);
    details.set("value", itemDetails);
    return value;
  }

  template <typename Message, typename Convert> Attribute all(const std::vector<Message> &field, Convert convert) {
    SmallVector<Attribute> values, allDetails;
    bool anyDetails = false;
    for (const Message &message : field) {
      Attribute itemDetails;
      values.push_back(convert(message, itemDetails));
      if (!values.back())
        return {};
      anyDetails |= bool(itemDetails);
      allDetails.push_back(itemDetails ? itemDetails : ctx.builder.getUnitAttr());
    }
    details.set("kind", ctx.builder.getI64IntegerAttr(attr.type ? *attr.type : int64_t(guessKind(attr))));
    if (anyDetails)
      details.set("values", ctx.builder.getArrayAttr(allDetails));
    return ctx.builder.getArrayAttr(values);
  }

  Attribute tensor(const proto::Tensor &message, Attribute &itemDetails) {
    auto imported = importTensor(ctx, message, true, what, loc);
    if (failed(imported))
      return {};
    itemDetails = imported->details;
    return tensorAttribute(ctx, *imported);
  }

  Attribute sparse(const proto::SparseTensor &message, Attribute &itemDetails) {
    if (!message.values || !message.indices) {
      error() << "expected values and indices in a sparse tensor";
      return {};
    }
    Attribute valuesDetails, indicesDetails;
    Attribute values = tensor(*message.values, valuesDetails);
    Attribute indices = values ? tensor(*message.indices, indicesDetails) : Attribute();
    if (!indices)
      return {};
    itemDetails = DictBuilder(ctx).set("values", valuesDetails).set("indices", indicesDetails).getOrNull();
    return DictBuilder(ctx)
        .set("values", values)
        .set("indices", indices)
        .set("dims", ctx.builder.getDenseI64ArrayAttr(message.dims))
        .get();
  }

  Attribute type(const proto::Type &message, Attribute &itemDetails) {
    FailureOr<ImportedType> imported = importType(ctx, &message, ref(attr.name));
    if (failed(imported))
      return {};
    if (!imported->exact)
      itemDetails = typeDetails(ctx, message, ref(attr.name));
    return TypeAttr::get(imported->type);
  }

  ImportContext &ctx;
  const proto::Attribute &attr;
  std::string what;
  Location loc;
  ImportedAttributes &out;
  DictBuilder details;
};
} // namespace

FailureOr<ImportedAttributes> import::importAttributes(ImportContext &ctx, ArrayRef<proto::Attribute> attributes,
                                                       const Twine &what, Location loc) {
  ImportedAttributes result;
  std::set<proto::Bytes> seen;
  std::string prefix = what.str();
  for (const proto::Attribute &attr : attributes) {
    if (!seen.insert(attr.name).second) {
      emitError(loc) << prefix << ": attribute \"" << ref(attr.name) << "\" is given twice";
      return failure();
    }
    std::string text = prefix + ": attribute \"" + std::string(attr.name) + "\"";
    if (failed(AttributeImporter(ctx, attr, std::move(text), loc, result).run()))
      return failure();
  }
  return result;
}

static DictionaryAttr importSharding(ImportContext &ctx, const proto::ShardingSpec &spec) {
  Builder &b = ctx.builder;
  auto number = [&](std::optional<int64_t> value) { return value ? b.getI64IntegerAttr(*value) : IntegerAttr(); };
  SmallVector<Attribute> groups, dims;
  for (const proto::DeviceGroup &group : spec.groups)
    groups.push_back(
        DictBuilder(ctx).set("key", number(group.key)).set("value", b.getDenseI64ArrayAttr(group.value)).get());
  for (const proto::ShardedDim &dim : spec.dims) {
    SmallVector<Attribute> shards;
    for (const proto::SimpleShardedDim &shard : dim.shards)
      shards.push_back(
          DictBuilder(ctx)
              .set("dim", shard.dimParam ? Attribute(ctx.string(*shard.dimParam)) : Attribute(number(shard.dimValue)))
              .set("num_shards", number(shard.numShards))
              .get());
    dims.push_back(DictBuilder(ctx).set("axis", number(dim.axis)).array("shards", shards).get());
  }
  return DictBuilder(ctx)
      .text("tensor", spec.tensor)
      .set("devices", b.getDenseI64ArrayAttr(spec.devices))
      .array("groups", groups)
      .array("dims", dims)
      .get();
}

ArrayAttr import::importDeviceConfigurations(ImportContext &ctx,
                                             ArrayRef<proto::NodeDeviceConfiguration> configurations) {
  SmallVector<Attribute> attrs;
  for (const proto::NodeDeviceConfiguration &configuration : configurations) {
    SmallVector<Attribute> sharding;
    for (const proto::ShardingSpec &spec : configuration.sharding)
      sharding.push_back(importSharding(ctx, spec));
    DictBuilder dict(ctx);
    dict.text("configuration", configuration.configuration).array("sharding", sharding);
    if (configuration.pipelineStage)
      dict.set("pipeline_stage", ctx.builder.getI64IntegerAttr(*configuration.pipelineStage));
    attrs.push_back(dict.get());
  }
  return ctx.builder.getArrayAttr(attrs);
}
