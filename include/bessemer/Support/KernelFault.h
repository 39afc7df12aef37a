// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a compiled kernel may find wrong with the data (`tile.check`): it writes
// a number 8 bytes before its workspace and goes on with safe values; the
// executor looks there after the launch and ends the run. 16 bytes before the
// workspace is what it holds from one piece of a launch to the next (patches of
// an image: a number of the places they are of); 0 at the start of each launch.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace bessemer {

/// Bytes before a kernel's workspace that belong to the executor; the fault is in the last 8, what is held in the 8
/// before.
inline constexpr int64_t kernelFaultBytes = 64;

struct KernelFault {
  std::string_view name; ///< the `what` of tile.check
  std::string_view text; ///< what the user reads
};

/// Fault number i + 1.
inline constexpr std::array<KernelFault, 4> kernelFaults = {{
    {"index", "expected indices inside of the operand, got one that is outside"},
    {"length", "expected lengths within the operand's extent, got one that is outside"},
    {"divisor", "expected a divisor other than 0"},
    {"exponent", "expected an exponent of at least 0 for integers"},
}};

/// 0: no such fault.
inline constexpr int64_t kernelFaultNumber(std::string_view name) {
  for (size_t i = 0; i < kernelFaults.size(); ++i)
    if (kernelFaults[i].name == name)
      return static_cast<int64_t>(i) + 1;
  return 0;
}

} // namespace bessemer
