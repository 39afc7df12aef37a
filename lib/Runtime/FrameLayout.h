// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Offsets of buffers in a frame whose sizes are known only now that the shapes
// are: the memory planner, and a check of what it, or the compiler, says.
#pragma once

#include "bessemer/Runtime/Status.h"

#include <cstdint>
#include <vector>

namespace bessemer::runtime {

struct FrameItem {
  int64_t bytes = 0;
  int32_t lower = 0, upper = 0; ///< half-open lifetime in instruction numbers
  int64_t offset = 0;           ///< result: a multiple of 64
};

/// Sets the offsets and the size of the frame.
Status layOutFrame(std::vector<FrameItem> &items, int64_t &frameBytes);

/// No two items that live at the same time share a byte, and all are within the frame.
Status checkFrame(const std::vector<FrameItem> &items, int64_t frameBytes);

} // namespace bessemer::runtime
