// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What one run of a program takes, before anything runs: operations and bytes of each kernel for given sizes, the
// least time that a roofline allows, and the arena.
#pragma once

#include "bessemer/Runtime/Program.h"

#include <map>

namespace bessemer {

struct KernelEstimate {
  double launches = 0, flops = 0, bytes = 0; ///< of all launches in one run; bytes: each operand once
  /// Seconds: each launch takes what the slower of the two lines of the roofline allows.
  double leastSeconds = 0, computeSeconds = 0, memorySeconds = 0;
};

struct ProgramEstimate {
  std::vector<KernelEstimate> kernels; ///< as Program::kernels
  SymbolicExpr::Values sizes;          ///< of the symbols at entry, those that nobody gave being 1
  std::optional<int64_t> arenaBytes;   ///< none when sizes depend on the data
  bool wholeRun = true;                ///< false: loops whose length only the data tells are counted once
};

/// `sizes`: of free dimensions; a bounded one that is not among them gets its bound. `flopsPerSecond` and
/// `bytesPerSecond`: the roofline; 0 leaves the times at 0.
ProgramEstimate estimateProgram(const runtime::Program &program, const SymbolicExpr::Values &sizes,
                                double flopsPerSecond, double bytesPerSecond);

} // namespace bessemer
