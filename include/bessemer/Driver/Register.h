// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every dialect and pass of the project, for the compiler and for the tools that
// read MLIR text.
#pragma once

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace bessemer {

void registerAllDialects(mlir::DialectRegistry &registry);

/// Known to bessemer-opt by their names, and the phases as pipelines: `bessemer-phase-simplify`. Call once.
void registerAllPasses();

} // namespace bessemer
