// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// TensorProto, SparseTensorProto, TypeProto, ValueInfoProto.
#include "lib/Import/Proto/MessageReader.h"

using protozero::pbf_wire_type;

namespace bessemer::proto {

void read(Bytes bytes, KeyValue &out, int depth) {
  FieldReader reader(bytes, "a StringStringEntryProto", depth);
  while (reader.next())
    switch (reader.field()) {
    case 1: out.key = reader.bytes(); break;
    case 2: out.value = reader.bytes(); break;
    default: reader.skip();
    }
}

void read(Bytes bytes, Tensor &out, int depth) {
  FieldReader reader(bytes, "a TensorProto", depth);
  while (reader.next())
    switch (reader.field()) {
    case 1: reader.varints(out.dims); break;
    case 2: out.dataType = reader.varint32(); break;
    case 3:
      out.hasSegment = true;
      reader.skip();
      break;
    case 4: out.floatData.push_back(reader.numberBytes(pbf_wire_type::fixed32)); break;
    case 5: out.int32Data.push_back(reader.numberBytes(pbf_wire_type::varint)); break;
    case 6: out.stringData.push_back(reader.bytes()); break;
    case 7: out.int64Data.push_back(reader.numberBytes(pbf_wire_type::varint)); break;
    case 8: out.name = reader.bytes(); break;
    case 9: out.rawData = reader.bytes(); break;
    case 10: out.doubleData.push_back(reader.numberBytes(pbf_wire_type::fixed64)); break;
    case 11: out.uint64Data.push_back(reader.numberBytes(pbf_wire_type::varint)); break;
    case 12: out.docString = reader.bytes(); break;
    case 13: append(reader, out.externalData); break;
    case 14: out.isExternal = reader.varint() == 1; break;
    case 16: append(reader, out.metadata); break;
    default: reader.skip();
    }
}

void read(Bytes bytes, SparseTensor &out, int depth) {
  FieldReader reader(bytes, "a SparseTensorProto", depth);
  while (reader.next())
    switch (reader.field()) {
    case 1: replace(reader, out.values); break;
    case 2: replace(reader, out.indices); break;
    case 3: reader.varints(out.dims); break;
    default: reader.skip();
    }
}

static void read(Bytes bytes, Dimension &out, int depth) {
  FieldReader reader(bytes, "a TensorShapeProto", depth);
  while (reader.next())
    switch (reader.field()) {
    case 1:
      out.value = reader.varint();
      out.kind = Dimension::Kind::Value;
      break;
    case 2:
      out.param = reader.bytes();
      out.kind = Dimension::Kind::Param;
      break;
    case 3: out.denotation = reader.bytes(); break;
    default: reader.skip();
    }
}

static void readShape(Bytes bytes, Type &out, int depth) {
  out.hasShape = true;
  out.dims.clear();
  FieldReader reader(bytes, "a TensorShapeProto", depth);
  while (reader.next()) {
    if (reader.field() == 1)
      read(reader.bytes(), out.dims.emplace_back(), reader.childDepth());
    else
      reader.skip();
  }
}

/// TypeProto.Tensor and TypeProto.SparseTensor.
static void readTensorType(Bytes bytes, Type &out, int depth) {
  FieldReader reader(bytes, "a TypeProto.Tensor", depth);
  while (reader.next())
    switch (reader.field()) {
    case 1: out.elementType = reader.varint32(); break;
    case 2: readShape(reader.bytes(), out, reader.childDepth()); break;
    default: reader.skip();
    }
}

/// TypeProto.Sequence and TypeProto.Optional.
static void readContainer(Bytes bytes, Type &out, int depth) {
  FieldReader reader(bytes, "a TypeProto", depth);
  while (reader.next()) {
    if (reader.field() == 1)
      replace(reader, out.element);
    else
      reader.skip();
  }
}

static void readMap(Bytes bytes, Type &out, int depth) {
  FieldReader reader(bytes, "a TypeProto.Map", depth);
  while (reader.next())
    switch (reader.field()) {
    case 1: out.elementType = reader.varint32(); break;
    case 2: replace(reader, out.element); break;
    default: reader.skip();
    }
}

static void readOpaque(Bytes bytes, Type &out, int depth) {
  FieldReader reader(bytes, "a TypeProto.Opaque", depth);
  while (reader.next())
    switch (reader.field()) {
    case 1: out.domain = reader.bytes(); break;
    case 2: out.name = reader.bytes(); break;
    default: reader.skip();
    }
}

void read(Bytes bytes, Type &out, int depth) {
  FieldReader reader(bytes, "a TypeProto", depth);
  while (reader.next()) {
    int child = reader.childDepth();
    switch (reader.field()) {
    case 1:
      out.kind = Type::Kind::Tensor;
      readTensorType(reader.bytes(), out, child);
      break;
    case 4:
      out.kind = Type::Kind::Sequence;
      readContainer(reader.bytes(), out, child);
      break;
    case 5:
      out.kind = Type::Kind::Map;
      readMap(reader.bytes(), out, child);
      break;
    case 6: out.denotation = reader.bytes(); break;
    case 7:
      out.kind = Type::Kind::Opaque;
      readOpaque(reader.bytes(), out, child);
      break;
    case 8:
      out.kind = Type::Kind::SparseTensor;
      readTensorType(reader.bytes(), out, child);
      break;
    case 9:
      out.kind = Type::Kind::Optional;
      readContainer(reader.bytes(), out, child);
      break;
    default: reader.skip();
    }
  }
}

void read(Bytes bytes, ValueInfo &out, int depth) {
  FieldReader reader(bytes, "a ValueInfoProto", depth);
  while (reader.next())
    switch (reader.field()) {
    case 1: out.name = reader.bytes(); break;
    case 2: replace(reader, out.type); break;
    case 3: out.docString = reader.bytes(); break;
    case 4: append(reader, out.metadata); break;
    default: reader.skip();
    }
}

} // namespace bessemer::proto
