// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Support/WeightReader.h"

#include <cstring>

using namespace bessemer;

std::optional<WeightEncoding> bessemer::parseWeightEncoding(std::string_view name) {
  if (name == "raw")
    return WeightEncoding::Raw;
  if (name == "varint" || name == "float16_varint")
    return WeightEncoding::Varint;
  return std::nullopt;
}

static bool countError(int64_t expected, std::string_view got, std::string &error) {
  error = "expected " + std::to_string(expected) + " elements, got " + std::string(got);
  return false;
}

static bool decodeVarints(std::string_view source, DType type, int64_t count, char *out, std::string &error) {
  // Elements of packed types come a byte at a time.
  size_t unit = isPacked(type) ? 1 : bitWidth(type) / 8;
  int64_t units = isPacked(type) ? byteSize(type, count) : count;
  if (unit == 0 || unit > 8)
    return countError(count, "a type that varints cannot carry", error);
  const char *at = source.data(), *end = at + source.size();
  for (int64_t i = 0; i < units; ++i, out += unit) {
    uint64_t value = 0;
    unsigned shift = 0;
    for (;; shift += 7) {
      if (at == end || shift > 63)
        return countError(count, std::to_string(i), error);
      auto byte = static_cast<unsigned char>(*at++);
      value |= uint64_t(byte & 0x7f) << shift;
      if (!(byte & 0x80))
        break;
    }
    if (type == DType::Bool)
      value = value != 0;
    std::memcpy(out, &value, unit); // little-endian
  }
  return at == end ? true : countError(count, "more", error);
}

bool bessemer::decodeWeight(std::string_view source, WeightEncoding encoding, DType type, int64_t count, void *out,
                            std::string &error) {
  if (encoding == WeightEncoding::Varint)
    return decodeVarints(source, type, count, static_cast<char *>(out), error);
  int64_t size = byteSize(type, count);
  if (static_cast<uint64_t>(size) != source.size())
    return countError(count, std::to_string(source.size()) + " bytes instead of " + std::to_string(size), error);
  if (size)
    std::memcpy(out, source.data(), source.size());
  return true;
}
