// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The window attributes that convolution and pooling share.
#pragma once

#include "passes/Legalize/Node.h"

namespace bessemer::legalize {

/// One entry for each spatial dimension; pads are low.. then high...
struct Window {
  Ints extents, strides, dilations, pads, ceilPads;
};

/// Reads strides, dilations, pads and auto_pad for an operand [N, C, spatial..]; false after a failure.
bool readWindow(Node &n, Value x, llvm::ArrayRef<int64_t> extents, Window &window);

} // namespace bessemer::legalize
