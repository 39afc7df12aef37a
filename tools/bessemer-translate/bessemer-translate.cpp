// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ONNX to MLIR text and back:
//   bessemer-translate --import-onnx m.onnx [--dim batch=1]... -o m.mlir
//   bessemer-translate --export-onnx m.mlir -o m.onnx
// Exit code 2 when the model is refused.
#include "bessemer/Import/Import.h"
#include "tools/RequestExit.h"

#include "mlir/Tools/mlir-translate/MlirTranslateMain.h"

int main(int argc, char **argv) {
  bessemer::refuseWithExitCode2(argc, argv);
  bessemer::registerOnnxTranslations();
  bool refused = failed(mlir::mlirTranslateMain(argc, argv, "bessemer-translate: ONNX to MLIR text and back\n"));
  bessemer::requestUnderstood();
  return refused ? 2 : 0;
}
