// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the compiler decided, for `bessemer explain` and `--report`.
#pragma once

#include "bessemer/Driver/Compiler.h"

#include "mlir/IR/BuiltinOps.h"

namespace bessemer {

void recordPhase(mlir::ModuleOp module, const PhaseInfo &phase, double seconds, Report &report);
void fillReport(mlir::ModuleOp module, const runtime::Program &program, Report &report);

/// What the program's memory limit leads to. A sentence when no run can fit.
std::string fillMemoryReport(const runtime::Program &program, const MachineInfo &machine, Report &report);

} // namespace bessemer
