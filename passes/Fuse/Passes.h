// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// fuse: groups of ops that become one kernel each.
#pragma once

#include "dialects/Bess/Bess.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

namespace bessemer {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Fuse/Passes.h.inc"

void addFusePasses(mlir::OpPassManager &manager);
} // namespace bessemer
