// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Import/Import.h"
using namespace mlir;
llvm::LogicalResult bessemer::exportOnnx(ModuleOp module, llvm::raw_ostream &, llvm::ArrayRef<char>) {
  return module.emitError("export is not there yet");
}
