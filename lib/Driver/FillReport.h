// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the compiler decided, for `bessemer explain` and `--report`.
#pragma once

#include "bessemer/Driver/Compiler.h"
#include "lib/Driver/FitMemory.h"

#include "mlir/IR/BuiltinOps.h"

namespace bessemer {

void recordPhase(mlir::ModuleOp module, const PhaseInfo &phase, double seconds, Report &report);
/// Every op that runs on a reference kernel or one of the host while the program runs.
void forEachFallback(mlir::ModuleOp module, llvm::function_ref<void(mlir::Operation *)> fn);
void fillReport(mlir::ModuleOp module, const runtime::Program &program, Report &report);

/// What the program's memory limit leads to; `choices`: what was to choose from. A sentence when no run can fit.
std::string fillMemoryReport(mlir::ModuleOp module, const runtime::Program &program, const CompileOptions &options,
                             llvm::ArrayRef<MemoryChoice> choices, Report &report);

} // namespace bessemer
