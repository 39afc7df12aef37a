// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Modules as text.
#pragma once

#include "bessemer/Driver/Phases.h"

#include "mlir/IR/BuiltinOps.h"

#include <string>

namespace bessemer {

/// Whole, with the locations that say which ONNX nodes an op comes from: bessemer-opt goes on from there.
std::string moduleText(mlir::ModuleOp module);

/// Writes DIRECTORY/03-simplify.mlir or the like, to look at (big constants and locations are left out); nothing when
/// `directory` is empty. Returns a sentence when the file cannot be written.
std::string dumpPhase(mlir::ModuleOp module, const PhaseInfo &phase, const std::string &directory);

} // namespace bessemer
