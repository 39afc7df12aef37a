// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The bytes of a weight as elements in memory: what a `#bess.source` means.
// The constant folder and the loader share this; it knows no MLIR.
#pragma once

#include "bessemer/Support/DType.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bessemer {

/// How the elements of a source are written.
enum class WeightEncoding {
  Raw,    ///< little-endian, as in memory; packed types as DType says
  Varint, ///< protobuf packed varints, each the low bits of one element (of one byte for packed types)
};

/// `raw`, `varint` and `float16_varint` (varints that carry 16-bit patterns:
/// read like `varint`, an element of 16 bits being 16 bits).
std::optional<WeightEncoding> parseWeightEncoding(std::string_view name);

/// Decodes `count` elements of `type` into `out`, which has room for
/// byteSize(type, count) bytes. False and an error text when `source` has not
/// exactly that many elements.
bool decodeWeight(std::string_view source, WeightEncoding encoding, DType type, int64_t count, void *out,
                  std::string &error);

} // namespace bessemer
