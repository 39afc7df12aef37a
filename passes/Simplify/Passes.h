// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The simplify phase: fold, remove, join, raise.
#pragma once

#include "bessemer/Support/WeightFiles.h"

#include "mlir/IR/Location.h"
#include "mlir/Pass/Pass.h"

#include <memory>
#include <string>
#include <vector>

namespace mlir {
class OpPassManager;
class ModuleOp;
} // namespace mlir

namespace bessemer::simplify {

#define GEN_PASS_DECL
#include "passes/Simplify/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/Simplify/Passes.h.inc"

/// A place that looked like a pattern and was left as it is, for `explain`.
struct NearMiss {
  mlir::Location loc;
  std::string pattern; ///< "attention"
  std::string reason;  ///< "expected keys to be transposed, got a matmul of q and v"
};

/// What the passes share with the compiler around them. Both may be null: the
/// passes then open files themselves, and near misses are dropped.
struct SimplifyContext {
  std::shared_ptr<WeightFiles> files; ///< knows the host's weights (`host:KEY`)
  std::shared_ptr<std::vector<NearMiss>> nearMisses;
};

std::unique_ptr<mlir::Pass> createFoldConstantsPass(const SimplifyContext &context);
std::unique_ptr<mlir::Pass> createCanonicalizeBessPass(const SimplifyContext &context);
std::unique_ptr<mlir::Pass> createRaisePass(const SimplifyContext &context);

/// The whole phase, in order.
void addSimplifyPasses(mlir::OpPassManager &passes, const SimplifyContext &context = {});

} // namespace bessemer::simplify
