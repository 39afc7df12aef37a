// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Bytes of an ONNX file -> structs. No exception leaves this header's
// functions; they take any bytes.
#pragma once

#include "lib/Import/Proto/OnnxProto.h"

namespace bessemer::proto {

/// Messages may nest this deep (as in protobuf's own parser); a subgraph takes three levels.
constexpr int maxNesting = 100;

/// Reads a ModelProto. On failure returns nullopt and sets `error` to one
/// sentence without the file's name ("... at byte N"). The result's views
/// point into `bytes`.
std::optional<Model> readModel(Bytes bytes, std::string &error);

/// Reads one TensorProto (the `.pb` files of ONNX's test cases).
std::optional<Tensor> readTensor(Bytes bytes, std::string &error);

/// Number of varints in a packed block; nullopt when the last one is cut off
/// or one is longer than 10 bytes.
std::optional<int64_t> countVarints(Bytes packed);

} // namespace bessemer::proto
