// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The plan phase: what is computed at load, and where every tensor lies.
#pragma once

#include "bessemer/Support/CompileOptions.h"

#include "mlir/Pass/Pass.h"

namespace mlir {
class OpPassManager;
class ModuleOp;
} // namespace mlir

namespace bessemer::plan {

#define GEN_PASS_DECL
#include "passes/Plan/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/Plan/Passes.h.inc"

void addPlanPasses(mlir::OpPassManager &passes, const CompileOptions &options);

} // namespace bessemer::plan
