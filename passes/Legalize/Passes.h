// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The legalize phase: onnx -> bess.
#pragma once

#include "bessemer/Kernels/CustomOpTypes.h"

#include "mlir/Pass/Pass.h"

#include <memory>
#include <string>

namespace bessemer {
class WeightFiles;
}

namespace bessemer::legalize {
#define GEN_PASS_DECL
#include "passes/Legalize/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/Legalize/Passes.h.inc"

/// The pass with the sources of weights that the host owns and the ops that it computes; both must outlive it.
std::unique_ptr<mlir::Pass> createLegalizePass(WeightFiles &files, const kernels::CustomOps &customOps,
                                               BessemerLegalizeOptions options = {});
} // namespace bessemer::legalize
