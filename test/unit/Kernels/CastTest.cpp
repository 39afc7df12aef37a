// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Kernels/FloatFormat.h"

#include "TestSupport.h"

#include <limits>

namespace bessemer::kernels {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
const double nan = std::nan("");

using Bytes = std::vector<unsigned char>;

Bytes castBits(DType to, const Value &x, int64_t saturate = 1, const char *rounding = "up") {
  Attributes attributes{{"to", std::string(name(to))}, {"saturate", saturate}, {"round_mode", std::string(rounding)}};
  Value y = run("cast", attributes, {x}, to, x.shape);
  y.bytes.resize(static_cast<size_t>(byteSize(to, y.count())));
  return y.bytes;
}

Value castTo(DType to, const Value &x) { return run("cast", {{"to", std::string(name(to))}}, {x}, to, x.shape); }

TEST(FloatFormat, EveryCodeSurvivesTheRoundTrip) {
  for (DType type : {DType::F16, DType::BF16, DType::F8E4M3FN, DType::F8E4M3FNUZ, DType::F8E5M2, DType::F8E5M2FNUZ,
                     DType::F4E2M1, DType::F8E8M0})
    for (uint32_t bits = 0; bits < 1u << bitWidth(type); ++bits) {
      double value = decodeFloat(type, bits);
      if (!std::isnan(value))
        ASSERT_EQ(encodeFloat(type, value, false), bits) << name(type) << " " << bits;
    }
}

TEST(FloatFormat, CodesGrowWithValues) {
  // Rounding is monotone, and a midpoint goes to the even code.
  for (DType type : {DType::F16, DType::F8E4M3FN, DType::F8E5M2, DType::F4E2M1})
    for (uint32_t bits = 0; std::isfinite(decodeFloat(type, bits + 1)) && bits + 1 < 1u << (bitWidth(type) - 1);
         ++bits) {
      double low = decodeFloat(type, bits), high = decodeFloat(type, bits + 1), middle = (low + high) / 2;
      ASSERT_LT(low, high);
      ASSERT_EQ(encodeFloat(type, middle), bits % 2 ? bits + 1 : bits) << name(type) << " " << bits;
      ASSERT_EQ(encodeFloat(type, std::nextafter(middle, inf)), bits + 1);
      ASSERT_EQ(encodeFloat(type, std::nextafter(middle, 0.0)), bits);
    }
}

TEST(FloatFormat, LargestValues) {
  EXPECT_EQ(decodeFloat(DType::F16, 0x7BFF), 65504);
  EXPECT_EQ(decodeFloat(DType::F8E4M3FN, 0x7E), 448);
  EXPECT_EQ(decodeFloat(DType::F8E4M3FNUZ, 0x7F), 240);
  EXPECT_EQ(decodeFloat(DType::F8E5M2, 0x7B), 57344);
  EXPECT_EQ(decodeFloat(DType::F8E5M2FNUZ, 0x7F), 57344);
  EXPECT_EQ(decodeFloat(DType::F4E2M1, 0x7), 6);
  EXPECT_EQ(decodeFloat(DType::F8E8M0, 0xFE), 0x1p127);
}

TEST(Cast, Float8AsOnnxSays) {
  Value x = f32({6}, {0, -0.0, inf, -inf, 1e6, -1e6});
  EXPECT_EQ(castBits(DType::F8E4M3FN, x), (Bytes{0, 0x80, 0x7E, 0xFE, 0x7E, 0xFE}));
  EXPECT_EQ(castBits(DType::F8E4M3FNUZ, x), (Bytes{0, 0, 0x7F, 0xFF, 0x7F, 0xFF}));
  EXPECT_EQ(castBits(DType::F8E5M2, x), (Bytes{0, 0x80, 0x7B, 0xFB, 0x7B, 0xFB}));
  EXPECT_EQ(castBits(DType::F8E5M2FNUZ, x), (Bytes{0, 0, 0x7F, 0xFF, 0x7F, 0xFF}));
  EXPECT_EQ(castBits(DType::F8E4M3FN, x, 0), (Bytes{0, 0x80, 0x7F, 0xFF, 0x7F, 0xFF}));
  EXPECT_EQ(castBits(DType::F8E4M3FNUZ, x, 0), (Bytes{0, 0, 0x80, 0x80, 0x80, 0x80}));
  EXPECT_EQ(castBits(DType::F8E5M2, x, 0), (Bytes{0, 0x80, 0x7C, 0xFC, 0x7C, 0xFC}));
  EXPECT_EQ(castBits(DType::F8E5M2FNUZ, x, 0), (Bytes{0, 0, 0x80, 0x80, 0x80, 0x80}));
  EXPECT_EQ(castBits(DType::F8E4M3FN, f32({1}, {nan})), Bytes{0x7F});
}

TEST(Cast, PowerOfTwoScales) {
  Value x = f32({6}, {1, 1.25, 1.5, 3, 0, inf});
  EXPECT_EQ(castBits(DType::F8E8M0, x), (Bytes{127, 128, 128, 129, 0, 254}));
  EXPECT_EQ(castBits(DType::F8E8M0, x, 1, "down"), (Bytes{127, 127, 127, 128, 0, 254}));
  EXPECT_EQ(castBits(DType::F8E8M0, x, 0, "nearest"), (Bytes{127, 127, 128, 129, 255, 255}));
}

TEST(Cast, HalfPrecision) {
  Value x = f32({5}, {1, 65504, 65520, 0x1p-24, 0x1p-26});
  EXPECT_EQ(castBits(DType::F16, x), (Bytes{0x00, 0x3C, 0xFF, 0x7B, 0x00, 0x7C, 0x01, 0x00, 0x00, 0x00}));
  EXPECT_EQ(castBits(DType::BF16, f32({2}, {1, 3.14159274})), (Bytes{0x80, 0x3F, 0x49, 0x40}));
  EXPECT_EQ(castTo(DType::F32, Value::raw(DType::F16, {2}, {0x00, 0xC2, 0x01, 0x00})).numbers(),
            (Numbers{-3, 0x1p-24}));
}

TEST(Cast, OneRoundingFromDoubleAndFromIntegers) {
  // 1 + 2^-11 + 2^-40 is above the tie of f16; by way of f32 it would be one.
  EXPECT_EQ(castBits(DType::F16, f64({1}, {1 + 0x1p-11 + 0x1p-40})), (Bytes{0x01, 0x3C}));
  // 2^62 + 2^38 + 1 is above a tie of f32 and rounds to the tie in double.
  Value large(DType::I64, {1});
  int64_t bits = (int64_t{1} << 62) + (int64_t{1} << 38) + 1;
  std::memcpy(large.bytes.data(), &bits, 8);
  EXPECT_EQ(castTo(DType::F32, large).numbers(), Numbers{0x1p62 + 0x1p39});
}

TEST(Cast, BetweenIntegersAndFloats) {
  EXPECT_EQ(castTo(DType::I32, f32({3}, {1.9, -1.9, nan})).numbers(), (Numbers{1, -1, 0}));
  EXPECT_EQ(castTo(DType::U8, i32({3}, {256, -1, 7})).numbers(), (Numbers{0, 255, 7}));
  EXPECT_EQ(castTo(DType::Bool, f32({3}, {0, -0.5, nan})).numbers(), (Numbers{0, 1, 1}));
  EXPECT_EQ(castTo(DType::F32, bools({2}, {0, 1})).numbers(), (Numbers{0, 1}));
  EXPECT_EQ(castTo(DType::U64, f64({1}, {0x1p63})).numbers(), Numbers{0x1p63});
  EXPECT_EQ(castTo(DType::I64, f64({2}, {1e300, -1e300})).numbers(), (Numbers{0x1p63, -0x1p63}));
}

TEST(Cast, PackedTypes) {
  Value x(DType::I8, {5}, {-8, 7, -1, 3, 1});
  EXPECT_EQ(castBits(DType::I4, x), (Bytes{0x78, 0x3F, 0x01}));
  EXPECT_EQ(castTo(DType::I8, Value::raw(DType::I4, {5}, {0x78, 0x3F, 0x01})).numbers(), x.numbers());
  EXPECT_EQ(castTo(DType::U8, Value::raw(DType::U2, {5}, {0xE4, 0x02})).numbers(), (Numbers{0, 1, 2, 3, 2}));
  EXPECT_EQ(castTo(DType::I8, Value::raw(DType::I2, {4}, {0xE4})).numbers(), (Numbers{0, 1, -2, -1}));
  EXPECT_EQ(castBits(DType::F4E2M1, f32({4}, {0.5, -6, 100, 2.5})), (Bytes{0xF1, 0x47}));
}

TEST(Cast, Strings) {
  Value text = Value::text({5}, {"3.5", "-1e2", "INF", "-inf", "NaN"});
  expectNear(castTo(DType::F32, text).numbers(), {3.5, -100, inf, -inf, nan});
  EXPECT_EQ(castTo(DType::I64, Value::text({2}, {"42", "-7"})).numbers(), (Numbers{42, -7}));
  EXPECT_EQ(castTo(DType::String, f32({3}, {0.1, 2.5, inf})).strings, (std::vector<std::string>{"0.1", "2.5", "INF"}));
  EXPECT_EQ(castTo(DType::String, i32({1}, {-3})).strings, std::vector<std::string>{"-3"});
  EXPECT_NE(errorOf("cast", {{"to", std::string("f32")}}, {Value::text({1}, {"one"})}, DType::F32, {1}), "");
}

TEST(Bitcast, KeepsBits) {
  EXPECT_EQ(run("bitcast", {{"to", std::string("i32")}}, {f32({1}, {1})}, DType::I32, {1}).numbers(),
            Numbers{0x3F800000});
  EXPECT_NE(errorOf("bitcast", {{"to", std::string("i64")}}, {f32({1}, {1})}, DType::I64, {1}), "");
}

TEST(Quantize, ToBytes) {
  Attributes attributes{{"to", std::string("u8")}};
  Value x = f32({6}, {0, 2, 3, 1000, -254, -1000});
  EXPECT_EQ(run("quantize", attributes, {x, f32({}, {2}), Value(DType::U8, {}, {128})}, DType::U8, {6}).numbers(),
            (Numbers{128, 129, 130, 255, 1, 0}));
  EXPECT_EQ(
      run("quantize", {{"to", std::string("i8")}}, {f32({4}, {0.5, 1.5, -0.5, -300}), f32({}, {1})}, DType::I8, {4})
          .numbers(),
      (Numbers{0, 2, 0, -128}));
}

TEST(Quantize, PerAxisAndBlocked) {
  Value x = f32({2, 4}, {1, 2, 3, 4, 10, 20, 30, 40});
  Attributes axis0{{"to", std::string("i8")}, {"axis", int64_t{0}}};
  EXPECT_EQ(run("quantize", axis0, {x, f32({2}, {1, 10})}, DType::I8, {2, 4}).numbers(),
            (Numbers{1, 2, 3, 4, 1, 2, 3, 4}));
  Attributes blocked{{"to", std::string("i8")}, {"axis", int64_t{1}}, {"block_size", int64_t{2}}};
  EXPECT_EQ(run("quantize", blocked, {x, f32({2, 2}, {1, 2, 5, 10}), Value(DType::I8, {2, 2}, {0, 1, 2, 3})}, DType::I8,
                {2, 4})
                .numbers(),
            (Numbers{1, 2, 3, 3, 4, 6, 6, 7}));
  EXPECT_NE(errorOf("quantize", blocked, {x, f32({2}, {1, 2})}, DType::I8, {2, 4}), "");
}

TEST(Quantize, DequantizeFourBits) {
  Attributes attributes{{"to", std::string("f32")}, {"axis", int64_t{0}}};
  Value x = Value::raw(DType::I4, {2, 2}, {0x78, 0x1F});
  EXPECT_EQ(
      run("dequantize", attributes, {x, f32({2}, {0.5, 2}), Value::raw(DType::I4, {2}, {0x10})}, DType::F32, {2, 2})
          .numbers(),
      (Numbers{-4, 3.5, -4, 0}));
}

} // namespace
} // namespace bessemer::kernels
