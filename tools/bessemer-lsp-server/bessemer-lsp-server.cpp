// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// MLIR's language server for .mlir files with the dialects of the project: diagnostics as one types,
// definitions, uses, hovering. Editors start it with nothing but the path (docs/tools.md).
#include "bessemer/Driver/Register.h"
#include "tools/RequestExit.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"

int main(int argc, char **argv) {
  bessemer::refuseWithExitCode2(argc, argv);
  mlir::DialectRegistry registry;
  bessemer::registerAllDialects(registry);
  bool refused = failed(mlir::MlirLspServerMain(argc, argv, registry));
  bessemer::requestUnderstood();
  return refused ? 2 : 0;
}
