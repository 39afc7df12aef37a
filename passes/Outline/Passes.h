// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The outline phase: repeated layers -> calls.
#pragma once

#include "mlir/Pass/Pass.h"

#include <memory>

namespace mlir {
class OpPassManager;
class ModuleOp;
} // namespace mlir

namespace bessemer::outline {

#define GEN_PASS_DECL
#include "passes/Outline/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/Outline/Passes.h.inc"

void addOutlinePasses(mlir::OpPassManager &passes);

} // namespace bessemer::outline
