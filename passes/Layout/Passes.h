// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// layout: tensor layouts, and weights in the order in which kernels read them.
#pragma once

#include "bessemer/Support/CompileOptions.h"
#include "dialects/Bess/Bess.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

namespace bessemer {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Layout/Passes.h.inc"

/// Can a value be computed when the program is loaded: a weight, or what only weights go into?
bool isKnownAtLoad(mlir::Value value);

void addLayoutPasses(mlir::OpPassManager &manager, const Numerics &numerics);
} // namespace bessemer
