// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Support/DType.h"

#include <array>

namespace bessemer {
namespace {
enum Kind : uint8_t { None, Float, Signed, Unsigned, Boolean, Complex, Text };

struct Info {
  std::string_view name;
  uint8_t bits;
  Kind kind;
};

// Indexed by the ONNX number.
constexpr std::array<Info, 27> infos = {{
    {"undefined", 0, None},   {"f32", 32, Float},     {"u8", 8, Unsigned},        {"i8", 8, Signed},
    {"u16", 16, Unsigned},    {"i16", 16, Signed},    {"i32", 32, Signed},        {"i64", 64, Signed},
    {"string", 0, Text},      {"bool", 8, Boolean},   {"f16", 16, Float},         {"f64", 64, Float},
    {"u32", 32, Unsigned},    {"u64", 64, Unsigned},  {"complex64", 64, Complex}, {"complex128", 128, Complex},
    {"bf16", 16, Float},      {"f8e4m3fn", 8, Float}, {"f8e4m3fnuz", 8, Float},   {"f8e5m2", 8, Float},
    {"f8e5m2fnuz", 8, Float}, {"u4", 4, Unsigned},    {"i4", 4, Signed},          {"f4e2m1", 4, Float},
    {"f8e8m0", 8, Float},     {"u2", 2, Unsigned},    {"i2", 2, Signed},
}};

const Info &info(DType type) {
  auto index = static_cast<size_t>(type);
  return infos[index < infos.size() ? index : 0];
}
} // namespace

unsigned bitWidth(DType type) { return info(type).bits; }

int64_t byteSize(DType type, int64_t count) {
  int64_t bits = info(type).bits;
  return bits >= 8 ? count * (bits / 8) : (count * bits + 7) / 8;
}

bool isFloat(DType type) { return info(type).kind == Float; }
bool isSignedInteger(DType type) { return info(type).kind == Signed; }
bool isUnsignedInteger(DType type) { return info(type).kind == Unsigned; }
bool isInteger(DType type) { return isSignedInteger(type) || isUnsignedInteger(type); }
bool isPacked(DType type) { return info(type).bits > 0 && info(type).bits < 8; }
bool isComplex(DType type) { return info(type).kind == Complex; }

bool isComputable(DType type) {
  const Info &known = info(type);
  return known.kind == Boolean || (known.kind == Float && known.bits >= 16) ||
         ((known.kind == Signed || known.kind == Unsigned) && known.bits >= 8);
}

std::string_view name(DType type) { return info(type).name; }

DType parseDType(std::string_view text) {
  for (size_t i = 1; i < infos.size(); ++i)
    if (infos[i].name == text)
      return static_cast<DType>(i);
  return DType::Undefined;
}

DType dtypeFromOnnx(int64_t onnx) {
  return onnx > 0 && onnx < static_cast<int64_t>(infos.size()) ? static_cast<DType>(onnx) : DType::Undefined;
}

} // namespace bessemer
