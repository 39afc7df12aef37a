// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Small ONNX models written by hand: a host of the shared library has no other part of the project.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace onnxtest {

/// A protobuf message, field by field.
class Message {
public:
  Message &varint(int field, uint64_t value) {
    raw(uint64_t(field) << 3);
    raw(value);
    return *this;
  }
  Message &text(int field, const std::string &value) {
    raw(uint64_t(field) << 3 | 2);
    raw(value.size());
    bytes += value;
    return *this;
  }
  Message &add(int field, const Message &value) { return text(field, value.bytes); }
  Message &real(int field, float value) {
    raw(uint64_t(field) << 3 | 5);
    bytes.append(reinterpret_cast<const char *>(&value), 4);
    return *this;
  }
  std::string bytes;

private:
  void raw(uint64_t value) {
    for (; value >= 128; value >>= 7)
      bytes += char(value | 128);
    bytes += char(value);
  }
};

inline Message intAttribute(const std::string &name, int64_t value) {
  return Message().text(1, name).varint(3, uint64_t(value)).varint(20, 2);
}

inline Message node(const std::string &name, const std::string &op, const std::vector<std::string> &inputs,
                    const std::vector<std::string> &outputs, const std::string &domain = "",
                    const std::vector<Message> &attributes = {}) {
  Message out;
  for (const std::string &input : inputs)
    out.text(1, input);
  for (const std::string &output : outputs)
    out.text(2, output);
  out.text(3, name).text(4, op).text(7, domain);
  for (const Message &attribute : attributes)
    out.add(5, attribute);
  return out;
}

/// A float tensor; dimensions that are no numbers are symbols.
inline Message value(const std::string &name, const std::vector<std::string> &dims) {
  Message shape;
  for (const std::string &dim : dims)
    shape.add(1, dim.find_first_not_of("0123456789") == std::string::npos ? Message().varint(1, std::stoull(dim))
                                                                          : Message().text(2, dim));
  Message tensor = Message().varint(1, 1).add(2, shape);
  return Message().text(1, name).add(2, Message().add(1, tensor));
}

inline Message floats(const std::string &name, const std::vector<int64_t> &dims, const std::vector<float> &data) {
  Message out;
  for (int64_t dim : dims)
    out.varint(1, uint64_t(dim));
  out.varint(2, 1).text(8, name);
  return out.text(9, std::string(reinterpret_cast<const char *>(data.data()), data.size() * 4));
}

/// Bytes [offset, offset + 4 * elements) of `location`.
inline Message external(const std::string &name, const std::vector<int64_t> &dims, const std::string &location,
                        int64_t offset) {
  Message out;
  int64_t bytes = 4;
  for (int64_t dim : dims) {
    out.varint(1, uint64_t(dim));
    bytes *= dim;
  }
  out.varint(2, 1).text(8, name);
  auto entry = [&](const std::string &key, const std::string &text) {
    out.add(13, Message().text(1, key).text(2, text));
  };
  entry("location", location);
  entry("offset", std::to_string(offset));
  entry("length", std::to_string(bytes));
  return out.varint(14, 1);
}

struct Graph {
  std::vector<Message> nodes, inputs, outputs, weights;
  std::string model() const {
    Message graph;
    for (const Message &n : nodes)
      graph.add(1, n);
    graph.text(2, "g");
    for (const Message &w : weights)
      graph.add(5, w);
    for (const Message &i : inputs)
      graph.add(11, i);
    for (const Message &o : outputs)
      graph.add(12, o);
    return Message()
        .varint(1, 9)
        .add(7, graph)
        .add(8, Message().text(1, "").varint(2, 17))
        .add(8, Message().text(1, "com.example").varint(2, 1))
        .bytes;
  }
};

} // namespace onnxtest
