// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ONNX to MLIR text and back:
//   bessemer-translate --import-onnx m.onnx [--dim batch=1]... -o m.mlir
//   bessemer-translate --export-onnx m.mlir -o m.onnx
// Exit code 2 when the model is refused.
#include "bessemer/Import/Import.h"

#include "mlir/Tools/mlir-translate/MlirTranslateMain.h"

int main(int argc, char **argv) {
  bessemer::registerOnnxTranslations();
  return failed(mlir::mlirTranslateMain(argc, argv, "Bessemer: ONNX in and out\n")) ? 2 : 0;
}
