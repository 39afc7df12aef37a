// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// libFuzzer on the importer. Any bytes give a module that verifies, or a
// diagnostic; a module that was imported can be exported, and what was exported
// can be imported again.
//   build-asan/bin/fuzz-import -max_len=16384 CORPUS build/onnx-node/*/model.onnx
#include "bessemer/Import/Import.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace bessemer;

/// LLVM's allocators poison their memory when they are compiled with ASan; the
/// packaged libMLIR, which is not, would not take that back.
extern "C" const char *__asan_default_options();
extern "C" const char *__asan_default_options() { return "allow_user_poisoning=0"; }

/// One context for many runs: making one costs more than an import. Attributes
/// are never freed, so that it must go now and then.
static MLIRContext *nextContext() {
  static std::unique_ptr<MLIRContext> current;
  static unsigned runs = 0;
  if (!current || ++runs % 2000 == 0)
    current = std::make_unique<MLIRContext>(MLIRContext::Threading::DISABLED);
  return current.get();
}

static void require(bool holds, const char *what) {
  if (holds)
    return;
  llvm::errs() << "fuzz-import: " << what << "\n";
  abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  MLIRContext *context = nextContext();
  bool diagnosed = false;
  std::string last;
  ScopedDiagnosticHandler handler(context, [&](Diagnostic &diagnostic) {
    diagnosed |= diagnostic.getSeverity() == DiagnosticSeverity::Error;
    last = diagnostic.str();
    return success();
  });
  ArrayRef<char> bytes(reinterpret_cast<const char *>(data), size);
  OwningOpRef<ModuleOp> module = importOnnxBuffer(context, "fuzz.onnx", bytes);
  if (!module) {
    require(diagnosed, "refused without a diagnostic");
    return 0;
  }
  require(succeeded(verify(*module)), "the module does not verify");
  llvm::SmallString<0> out;
  llvm::raw_svector_ostream os(out);
  if (failed(exportOnnx(*module, os, bytes))) {
    require(diagnosed, "the export failed without a diagnostic");
    llvm::errs() << last << "\n";
    require(false, "an imported module is not exported");
  }
  OwningOpRef<ModuleOp> again = importOnnxBuffer(context, "again.onnx", out);
  if (!again)
    llvm::errs() << last << "\n";
  require(bool(again), "the exported model is refused");
  return 0;
}
