// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What it costs to compute something in parts on a GPU: a second kernel reads the parts, which are in f32.
#pragma once

#include "bessemer/Support/GpuSchedule.h"

namespace bessemer {

/// From the end of a kernel to the first work of the next one of its stream, about 2 us. Assumed, to be measured.
inline constexpr double launchCycles = 3000;
/// What a number of parts must gain: the model is no better than that.
inline constexpr double leastPartsGain = 0.05;

/// Of the second kernel, with its launch.
inline double combineCycles(double partBytes, double resultBytes, const GpuMachine &machine) {
  // Of the L2 cache, what parts may take and be there still when they are read. Assumed, to be measured.
  constexpr double sharedPart = 0.5;
  double fromL2 = machine.l2BytesPerCycle * machine.multiprocessors;
  double rate = partBytes <= sharedPart * machine.l2Bytes ? fromL2 : machine.memoryBytesPerCycle;
  return launchCycles + machine.copyLatency + partBytes / rate + resultBytes / machine.memoryBytesPerCycle;
}

} // namespace bessemer
