// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// --import-onnx and --export-onnx for bessemer-translate.
#include "bessemer/Import/Import.h"
#include "dialects/Onnx/Onnx.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Tools/mlir-translate/Translation.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;
using namespace bessemer;

/// `N=V`, the value a number of at least 0.
static LogicalResult parseDim(StringRef text, ImportOptions &options, Location loc) {
  auto [name, value] = text.rsplit('=');
  int64_t number;
  if (name.empty() || value.getAsInteger(10, number) || number < 0)
    return emitError(loc) << "expected --dim NAME=VALUE, got \"" << text << "\"";
  options.bind[name.str()] = number;
  return success();
}

static OwningOpRef<Operation *> importFrom(llvm::SourceMgr &sources, MLIRContext *context, ArrayRef<std::string> dims) {
  const llvm::MemoryBuffer *buffer = sources.getMemoryBuffer(sources.getMainFileID());
  StringRef name = buffer->getBufferIdentifier();
  ImportOptions options;
  // Instead of the handler that looks for a line of text in the model.
  onnx::DiagnosticPrinter printer(context, llvm::errs());
  for (const std::string &dim : dims)
    if (failed(parseDim(dim, options, UnknownLoc::get(context))))
      return {};
  // A file is mapped by the importer itself, so that weights name it.
  ArrayRef<char> bytes(buffer->getBufferStart(), buffer->getBufferSize());
  OwningOpRef<ModuleOp> module = name == "<stdin>" || name == "-" ? importOnnxBuffer(context, name, bytes, options)
                                                                  : importOnnxFile(context, name, options);
  return OwningOpRef<Operation *>(module.release());
}

static void registerDialects(DialectRegistry &registry) {
  registry.insert<onnx::OnnxDialect, bess::BessDialect, func::FuncDialect>();
}

void bessemer::registerOnnxTranslations() {
  static llvm::cl::list<std::string> dims("dim", llvm::cl::desc("bind a named dimension of the inputs to a number"),
                                          llvm::cl::value_desc("NAME=VALUE"));
  TranslateToMLIRRegistration importer(
      "import-onnx", "an ONNX model to the onnx dialect",
      [](llvm::SourceMgr &sources, MLIRContext *context) { return importFrom(sources, context, dims); },
      registerDialects);
  TranslateFromMLIRRegistration exporter(
      "export-onnx", "the onnx dialect to an ONNX model",
      [](ModuleOp module, llvm::raw_ostream &os) {
        module.getContext()->printOpOnDiagnostic(false);
        return exportOnnx(module, os);
      },
      registerDialects);
}
