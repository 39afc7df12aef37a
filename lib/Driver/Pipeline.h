// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The passes of each phase.
#pragma once

#include "bessemer/Driver/Compiler.h"
#include "bessemer/Kernels/CustomOpTypes.h"
#include "bessemer/Support/CompileOptions.h"
#include "passes/Simplify/Passes.h"

#include "mlir/Pass/PassManager.h"

namespace bessemer {

/// Adds the passes of `phase`, and the verifier that closes it. Import and emit
/// have none: they are not passes. `shared`: where small weights are read from,
/// and who wants to know of near misses. `customOps`: those that the host computes.
/// `exposure`: for a comparison of kernels.
void addPhasePasses(Phase phase, mlir::OpPassManager &passes, const CompileOptions &options,
                    const simplify::SimplifyContext &shared, const kernels::CustomOps &customOps,
                    Exposure exposure = Exposure::Nothing);

} // namespace bessemer
