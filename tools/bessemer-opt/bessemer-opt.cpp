// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs passes on MLIR text: for the tests, and for looking at what a pass does.
#include "bessemer/Driver/Register.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  bessemer::registerAllDialects(registry);
  bessemer::registerAllPasses();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "bessemer-opt: passes of the compiler on MLIR text\n", registry));
}
