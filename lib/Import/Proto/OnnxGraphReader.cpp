// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// AttributeProto, NodeProto, GraphProto, FunctionProto, ModelProto and the
// sharding annotations.
#include "lib/Import/Proto/MessageReader.h"

namespace bessemer::proto {

void read(Bytes bytes, Attribute &out, int depth) {
  FieldReader reader(bytes, "an AttributeProto", depth);
  while (reader.next())
    switch (reader.field()) {
    case 1: out.name = reader.bytes(); break;
    case 2: out.f = reader.fixedFloat(); break;
    case 3: out.i = reader.varint(); break;
    case 4: out.s = reader.bytes(); break;
    case 5: replace(reader, out.tensor); break;
    case 6: replace(reader, out.graph); break;
    case 7: reader.floats(out.floats); break;
    case 8: reader.varints(out.ints); break;
    case 9: out.strings.push_back(reader.bytes()); break;
    case 10: append(reader, out.tensors); break;
    case 11: append(reader, out.graphs); break;
    case 13: out.docString = reader.bytes(); break;
    case 14: replace(reader, out.typeProto); break;
    case 15: append(reader, out.typeProtos); break;
    case 20: out.type = reader.varint32(); break;
    case 21: out.refAttrName = reader.bytes(); break;
    case 22: replace(reader, out.sparseTensor); break;
    case 23: append(reader, out.sparseTensors); break;
    default: reader.skip();
    }
  // Checked here and not later: two bytes of file must not make a struct of
  // hundreds of bytes.
  if (out.name.empty())
    reader.fail("missing name");
}

static void read(Bytes bytes, SimpleShardedDim &out, int depth) {
  FieldReader reader(bytes, "a SimpleShardedDimProto", depth);
  while (reader.next())
    switch (reader.field()) {
    case 1:
      out.dimValue = reader.varint();
      out.dimParam.reset();
      break;
    case 2:
      out.dimParam = reader.bytes();
      out.dimValue.reset();
      break;
    case 3: out.numShards = reader.varint(); break;
    default: reader.skip();
    }
}

static void read(Bytes bytes, ShardedDim &out, int depth) {
  FieldReader reader(bytes, "a ShardedDimProto", depth);
  while (reader.next())
    switch (reader.field()) {
    case 1: out.axis = reader.varint(); break;
    case 2: read(reader.bytes(), out.shards.emplace_back(), reader.childDepth()); break;
    default: reader.skip();
    }
}

static void read(Bytes bytes, DeviceGroup &out, int depth) {
  FieldReader reader(bytes, "an IntIntListEntryProto", depth);
  while (reader.next())
    switch (reader.field()) {
    case 1: out.key = reader.varint(); break;
    case 2: reader.varints(out.value); break;
    default: reader.skip();
    }
}

static void read(Bytes bytes, ShardingSpec &out, int depth) {
  FieldReader reader(bytes, "a ShardingSpecProto", depth);
  while (reader.next())
    switch (reader.field()) {
    case 1: out.tensor = reader.bytes(); break;
    case 2: reader.varints(out.devices); break;
    case 3: read(reader.bytes(), out.groups.emplace_back(), reader.childDepth()); break;
    case 4: read(reader.bytes(), out.dims.emplace_back(), reader.childDepth()); break;
    default: reader.skip();
    }
}

void read(Bytes bytes, NodeDeviceConfiguration &out, int depth) {
  FieldReader reader(bytes, "a NodeDeviceConfigurationProto", depth);
  while (reader.next())
    switch (reader.field()) {
    case 1: out.configuration = reader.bytes(); break;
    case 2: read(reader.bytes(), out.sharding.emplace_back(), reader.childDepth()); break;
    case 3: out.pipelineStage = reader.varint32(); break;
    default: reader.skip();
    }
}

void read(Bytes bytes, DeviceConfiguration &out, int depth) {
  FieldReader reader(bytes, "a DeviceConfigurationProto", depth);
  while (reader.next())
    switch (reader.field()) {
    case 1: out.name = reader.bytes(); break;
    case 2: out.numDevices = reader.varint32(); break;
    case 3: out.devices.push_back(reader.bytes()); break;
    default: reader.skip();
    }
}

void read(Bytes bytes, Node &out, int depth) {
  FieldReader reader(bytes, "a NodeProto", depth);
  while (reader.next())
    switch (reader.field()) {
    case 1: out.inputs.push_back(reader.bytes()); break;
    case 2: out.outputs.push_back(reader.bytes()); break;
    case 3: out.name = reader.bytes(); break;
    case 4: out.opType = reader.bytes(); break;
    case 5: append(reader, out.attributes); break;
    case 6: out.docString = reader.bytes(); break;
    case 7: out.domain = reader.bytes(); break;
    case 8: out.overload = reader.bytes(); break;
    case 9: append(reader, out.metadata); break;
    case 10: append(reader, out.deviceConfigurations); break;
    default: reader.skip();
    }
  if (out.opType.empty())
    reader.fail(out.name.empty() ? std::string("missing op_type")
                                 : "missing op_type of node \"" + std::string(out.name) + "\"");
}

static void read(Bytes bytes, QuantizationAnnotation &out, int depth) {
  FieldReader reader(bytes, "a TensorAnnotation", depth);
  while (reader.next())
    switch (reader.field()) {
    case 1: out.tensor = reader.bytes(); break;
    case 2: append(reader, out.parameters); break;
    default: reader.skip();
    }
}

void read(Bytes bytes, Graph &out, int depth) {
  FieldReader reader(bytes, "a GraphProto", depth);
  while (reader.next())
    switch (reader.field()) {
    case 1: append(reader, out.nodes); break;
    case 2: out.name = reader.bytes(); break;
    case 5: append(reader, out.initializers); break;
    case 10: out.docString = reader.bytes(); break;
    case 11: append(reader, out.inputs); break;
    case 12: append(reader, out.outputs); break;
    case 13: append(reader, out.valueInfo); break;
    case 14: read(reader.bytes(), out.quantization.emplace_back(), reader.childDepth()); break;
    case 15: append(reader, out.sparseInitializers); break;
    case 16: append(reader, out.metadata); break;
    default: reader.skip();
    }
}

static void read(Bytes bytes, OpsetId &out, int depth) {
  FieldReader reader(bytes, "an OperatorSetIdProto", depth);
  while (reader.next())
    switch (reader.field()) {
    case 1: out.domain = reader.bytes(); break;
    case 2: out.version = reader.varint(); break;
    default: reader.skip();
    }
}

void read(Bytes bytes, Function &out, int depth) {
  FieldReader reader(bytes, "a FunctionProto", depth);
  while (reader.next())
    switch (reader.field()) {
    case 1: out.name = reader.bytes(); break;
    case 4: out.inputs.push_back(reader.bytes()); break;
    case 5: out.outputs.push_back(reader.bytes()); break;
    case 6: out.attributes.push_back(reader.bytes()); break;
    case 7: append(reader, out.nodes); break;
    case 8: out.docString = reader.bytes(); break;
    case 9: read(reader.bytes(), out.opsets.emplace_back(), reader.childDepth()); break;
    case 10: out.domain = reader.bytes(); break;
    case 11: append(reader, out.attributeDefaults); break;
    case 12: append(reader, out.valueInfo); break;
    case 13: out.overload = reader.bytes(); break;
    case 14: append(reader, out.metadata); break;
    default: reader.skip();
    }
}

void read(Bytes bytes, Model &out, int depth) {
  FieldReader reader(bytes, "a ModelProto", depth);
  while (reader.next())
    switch (reader.field()) {
    case 1: out.irVersion = reader.varint(); break;
    case 2: out.producerName = reader.bytes(); break;
    case 3: out.producerVersion = reader.bytes(); break;
    case 4: out.domain = reader.bytes(); break;
    case 5: out.modelVersion = reader.varint(); break;
    case 6: out.docString = reader.bytes(); break;
    case 7: replace(reader, out.graph); break;
    case 8: read(reader.bytes(), out.opsets.emplace_back(), reader.childDepth()); break;
    case 14: append(reader, out.metadata); break;
    case 20:
      out.hasTraining = true;
      reader.skip();
      break;
    case 25: append(reader, out.functions); break;
    case 26: append(reader, out.configurations); break;
    default: reader.skip();
    }
}

} // namespace bessemer::proto
