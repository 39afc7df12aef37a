// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// tile: one tile program for each different fusion.
#pragma once

#include "dialects/Tile/Tile.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

namespace bessemer {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Tile/Passes.h.inc"

void addTilePasses(mlir::OpPassManager &manager);
} // namespace bessemer
