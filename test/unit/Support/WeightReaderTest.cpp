// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Support/WeightReader.h"

#include <gtest/gtest.h>
#include <vector>

using namespace bessemer;

namespace {

template <typename T>
std::optional<std::vector<T>> decode(std::string_view source, WeightEncoding encoding, DType type, int64_t count) {
  std::vector<T> out(size_t(byteSize(type, count)) / sizeof(T));
  std::string error;
  if (!decodeWeight(source, encoding, type, count, out.data(), error)) {
    EXPECT_FALSE(error.empty());
    return std::nullopt;
  }
  return out;
}

std::string varints(std::initializer_list<int64_t> values) {
  std::string out;
  for (int64_t value : values) {
    auto bits = uint64_t(value);
    for (; bits > 127; bits >>= 7)
      out += char(bits | 128);
    out += char(bits);
  }
  return out;
}

TEST(WeightReaderTest, RawIsACopy) {
  const float values[] = {1.5f, -2.0f};
  std::string_view bytes(reinterpret_cast<const char *>(values), sizeof values);
  EXPECT_EQ(decode<float>(bytes, WeightEncoding::Raw, DType::F32, 2), (std::vector{1.5f, -2.0f}));
  EXPECT_FALSE(decode<float>(bytes, WeightEncoding::Raw, DType::F32, 1));
  EXPECT_FALSE(decode<float>(bytes, WeightEncoding::Raw, DType::F32, 3));
}

TEST(WeightReaderTest, VarintsAreTheLowBitsOfAnElement) {
  EXPECT_EQ(decode<int64_t>(varints({-1, 300, INT64_MIN}), WeightEncoding::Varint, DType::I64, 3),
            (std::vector<int64_t>{-1, 300, INT64_MIN}));
  EXPECT_EQ(decode<int8_t>(varints({-1, 5}), WeightEncoding::Varint, DType::I8, 2), (std::vector<int8_t>{-1, 5}));
  EXPECT_EQ(decode<uint16_t>(varints({0x3c00, 0xbc00}), WeightEncoding::Varint, DType::F16, 2),
            (std::vector<uint16_t>{0x3c00, 0xbc00}));
  EXPECT_EQ(decode<uint8_t>(varints({1, 0, 7}), WeightEncoding::Varint, DType::Bool, 3),
            (std::vector<uint8_t>{1, 0, 1}));
}

TEST(WeightReaderTest, PackedTypesComeAByteAtATime) {
  EXPECT_EQ(decode<uint8_t>(varints({0x21, 0x03}), WeightEncoding::Varint, DType::U4, 3),
            (std::vector<uint8_t>{0x21, 0x03}));
}

TEST(WeightReaderTest, TheCountMustBeExact) {
  EXPECT_FALSE(decode<int64_t>(varints({1, 2}), WeightEncoding::Varint, DType::I64, 3));
  EXPECT_FALSE(decode<int64_t>(varints({1, 2}), WeightEncoding::Varint, DType::I64, 1));
  EXPECT_FALSE(decode<int64_t>("\x80", WeightEncoding::Varint, DType::I64, 1)); // cut off
  EXPECT_FALSE(decode<int64_t>(std::string(11, '\x80') + '\0', WeightEncoding::Varint, DType::I64, 1));
}

TEST(WeightReaderTest, KnowsTheNamesOfEncodings) {
  EXPECT_EQ(parseWeightEncoding("raw"), WeightEncoding::Raw);
  EXPECT_EQ(parseWeightEncoding("varint"), WeightEncoding::Varint);
  EXPECT_EQ(parseWeightEncoding("float16_varint"), WeightEncoding::Varint);
  EXPECT_EQ(parseWeightEncoding("zip"), std::nullopt);
}

} // namespace
