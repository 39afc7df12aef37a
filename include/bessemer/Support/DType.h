// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Element types of tensors, as the runtime, the kernels and the importer see
// them: no MLIR. The numbers are those of ONNX's TensorProto.DataType, so that
// no table of translations is needed.
#pragma once

#include <cstdint>
#include <string_view>

namespace bessemer {

enum class DType : uint8_t {
  Undefined = 0,
  F32 = 1,
  U8 = 2,
  I8 = 3,
  U16 = 4,
  I16 = 5,
  I32 = 6,
  I64 = 7,
  String = 8,
  Bool = 9, ///< one byte, 0 or 1
  F16 = 10,
  F64 = 11,
  U32 = 12,
  U64 = 13,
  Complex64 = 14,
  Complex128 = 15,
  BF16 = 16,
  F8E4M3FN = 17,
  F8E4M3FNUZ = 18,
  F8E5M2 = 19,
  F8E5M2FNUZ = 20,
  U4 = 21, ///< packed in pairs, the first element in the low half of the byte
  I4 = 22,
  F4E2M1 = 23,
  F8E8M0 = 24,
  U2 = 25, ///< packed in fours, the first element in the lowest bits
  I2 = 26,
};

/// Bits that one element takes in memory; 0 for strings and Undefined.
unsigned bitWidth(DType type);

/// Bytes that `count` elements take; packed types round up to whole bytes.
/// `count` must not be negative.
int64_t byteSize(DType type, int64_t count);

bool isFloat(DType type);           ///< f64, f32, f16, bf16 and all of f8, f4
bool isSignedInteger(DType type);   ///< i2 to i64
bool isUnsignedInteger(DType type); ///< u2 to u64; not bool
bool isInteger(DType type);         ///< signed or unsigned, not bool
bool isPacked(DType type);          ///< less than a byte for one element
bool isComplex(DType type);
/// Do kernels compute in it? All others (packed, f8 and f4, complex, strings)
/// are moved and converted only.
bool isComputable(DType type);

/// "f32", "u8", "bool", … ; "undefined" for anything that is no element type.
std::string_view name(DType type);

/// The inverse of name(); Undefined when there is no such type.
DType parseDType(std::string_view text);

/// The type with number `onnx` in TensorProto.DataType, or Undefined.
DType dtypeFromOnnx(int64_t onnx);

} // namespace bessemer
