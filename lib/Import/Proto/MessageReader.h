// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One `read` for each message of onnx.proto. They throw; see FieldReader.h.
#pragma once

#include "lib/Import/Proto/FieldReader.h"

namespace bessemer::proto {

// OnnxTensorReader.cpp
void read(Bytes bytes, KeyValue &out, int depth);
void read(Bytes bytes, Tensor &out, int depth);
void read(Bytes bytes, SparseTensor &out, int depth);
void read(Bytes bytes, Type &out, int depth);
void read(Bytes bytes, ValueInfo &out, int depth);
// OnnxGraphReader.cpp
void read(Bytes bytes, Attribute &out, int depth);
void read(Bytes bytes, NodeDeviceConfiguration &out, int depth);
void read(Bytes bytes, DeviceConfiguration &out, int depth);
void read(Bytes bytes, Node &out, int depth);
void read(Bytes bytes, Graph &out, int depth);
void read(Bytes bytes, Function &out, int depth);
void read(Bytes bytes, Model &out, int depth);

/// Reads the current field into a new element of a list.
template <typename Message> void append(FieldReader &reader, std::vector<Message> &list) {
  read(reader.bytes(), list.emplace_back(), reader.childDepth());
}
/// Reads the current field into a singular message; protobuf merges repeated
/// occurrences, no writer produces them, and here the last one wins.
template <typename Message> void replace(FieldReader &reader, std::optional<Message> &field) {
  field.emplace();
  read(reader.bytes(), *field, reader.childDepth());
}
template <typename Message> void replace(FieldReader &reader, std::vector<Message> &field) {
  field.clear();
  append(reader, field);
}

} // namespace bessemer::proto
