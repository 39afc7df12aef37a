// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the compiler must know of an op that the host computes: the types of its results.
#pragma once

#include "bessemer/Kernels/Kernels.h"

namespace bessemer::kernels {

struct CustomOpType {
  DType dtype = DType::Undefined; ///< Undefined: an absent operand
  /// -1: not known when compiling; in a result also the code of a dimension of an
  /// operand, see `sameAs`.
  std::vector<int64_t> shape;
};

/// Dimension `dim` of operand `input` in the shape of a result: BESSEMER_SAME_AS of compile.h.
constexpr int64_t sameAs(int64_t input, int64_t dim) { return -2 - (input * 16 + dim); }

/// Fills `outputs`, of which there are as many as the node has; an error text, or "".
using CustomOpInfer = std::function<std::string(const Attributes &attributes, std::span<const CustomOpType> inputs,
                                                std::span<CustomOpType> outputs)>;

/// By domain and type: "com.example.MyOp".
using CustomOps = std::map<std::string, CustomOpInfer, std::less<>>;

} // namespace bessemer::kernels
