// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What this machine can do: the two lines of its roofline, measured.
#pragma once

namespace bessemer::commands {

struct MachinePeak {
  double flops = 0; ///< f32 multiply-adds a second, times two
  double bytes = 0; ///< read from main memory in a second
};

/// With `threads` threads (0: all cores). Takes about half a second.
MachinePeak measurePeak(int threads);

} // namespace bessemer::commands
