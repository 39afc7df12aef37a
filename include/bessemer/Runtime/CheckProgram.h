// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Is a program well formed? Every index, kind, count and expression, no cycle
// of aliases, calls or derived weights. What passes can be prepared and bound
// without another check; sizes are checked when they are known, in a run.
#pragma once

#include "bessemer/Runtime/Program.h"
#include "bessemer/Runtime/Status.h"

namespace bessemer::runtime {

/// The message names the place: "function 'main', instruction 3 (MatMul_7):
/// expected a kernel in [0, 12), got 99". The code is BadFile.
Status checkProgram(const Program &program);

/// "cpu", the triple's architecture and the instruction set against this machine.
Status checkTarget(const Program &program);

/// Instruction set extensions of this CPU, named as in /proc/cpuinfo, sorted.
const std::vector<std::string> &cpuFeatures();

} // namespace bessemer::runtime
