// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// layout: tensor layouts, and weights in the order in which kernels read them.
#pragma once

#include "dialects/Bess/Bess.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

namespace bessemer {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Layout/Passes.h.inc"

void addLayoutPasses(mlir::OpPassManager &manager);
} // namespace bessemer
