// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A protozero reader with what protozero does not check: lengths are compared
// in 64 bits with what is left of the message before protozero, which would cut
// them to 32 bits, sees them; wire types are compared with what the field
// wants (protozero only asserts); nesting is bounded.
// Throws ReadError; only OnnxProtoReader.cpp includes this file and catches it.
#pragma once

#include "lib/Import/Proto/OnnxProtoReader.h"

#include <cstring>
#include <limits>
#include <protozero/pbf_reader.hpp>

namespace bessemer::proto {

struct ReadError {
  std::string message;
  const char *at;
};

class FieldReader {
public:
  FieldReader(Bytes message, const char *what, int depth)
      : reader(message.data(), message.size()), what(what), depth(depth) {
    if (depth > maxNesting)
      fail("messages nested deeper than " + std::to_string(maxNesting) + " levels");
  }

  bool next() {
    checkHeader();
    return reader.next();
  }
  uint32_t field() const { return reader.tag(); }
  void skip() { reader.skip(); }

  int64_t varint() {
    expect(protozero::pbf_wire_type::varint);
    return reader.get_int64();
  }
  int32_t varint32() { return static_cast<int32_t>(varint()); }
  float fixedFloat() {
    expect(protozero::pbf_wire_type::fixed32);
    return reader.get_float();
  }
  Bytes bytes() {
    expect(protozero::pbf_wire_type::length_delimited);
    protozero::data_view view = reader.get_view();
    return {view.data(), view.size()};
  }
  /// The child of a field that is a message, and how deep it is.
  int childDepth() const { return depth + 1; }

  /// A repeated int64: packed or not, both are legal.
  void varints(std::vector<int64_t> &values) {
    if (isPacked())
      for (int64_t value : reader.get_packed_int64())
        values.push_back(value);
    else
      values.push_back(varint());
  }
  void floats(std::vector<float> &values) {
    if (isPacked())
      for (float value : reader.get_packed_float())
        values.push_back(value);
    else
      values.push_back(fixedFloat());
  }
  /// The bytes of a repeated number as they are in the file.
  Bytes numberBytes(protozero::pbf_wire_type unpacked) {
    if (isPacked())
      return bytes();
    expect(unpacked);
    const char *begin = reader.data().data();
    reader.skip();
    return {begin, static_cast<size_t>(reader.data().data() - begin)};
  }

  [[noreturn]] void fail(std::string message) const {
    throw ReadError{std::move(message) + " in " + what, reader.data().data()};
  }

private:
  bool isPacked() const { return reader.has_wire_type(protozero::pbf_wire_type::length_delimited); }

  void expect(protozero::pbf_wire_type type) const {
    if (!reader.has_wire_type(type))
      fail("field " + std::to_string(field()) + " has wire type " + std::to_string(unsigned(reader.wire_type())) +
           ", expected " + std::to_string(unsigned(type)));
  }

  /// Looks at the key and the length of the next field without moving on.
  void checkHeader() const {
    const char *at = reader.data().data(), *end = at + reader.length();
    if (at == end)
      return;
    uint64_t key = protozero::decode_varint(&at, end);
    if (key > std::numeric_limits<uint32_t>::max())
      fail("field number out of range");
    if (protozero::pbf_wire_type(key & 7) != protozero::pbf_wire_type::length_delimited)
      return;
    uint64_t length = protozero::decode_varint(&at, end);
    uint64_t left = static_cast<uint64_t>(end - at);
    if (length > left)
      fail("field " + std::to_string(key >> 3) + " claims " + std::to_string(length) + " bytes where " +
           std::to_string(left) + " are left");
    if (length > std::numeric_limits<int32_t>::max())
      fail("field " + std::to_string(key >> 3) + " has " + std::to_string(length) +
           " bytes; protobuf allows 2 GiB (larger weights belong in external data)");
  }

  protozero::pbf_reader reader;
  const char *what;
  int depth;
};

} // namespace bessemer::proto
