// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From locations back to the model, and the printer of diagnostics.
#include "dialects/Onnx/Onnx.h"

using namespace mlir;
using namespace bessemer::onnx;

StringRef bessemer::onnx::getModelFile(Location location) {
  StringRef file;
  location->walk([&](Location inner) {
    if (auto at = dyn_cast<FileLineColLoc>(inner)) {
      file = at.getFilename().getValue();
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return file;
}

SmallVector<StringRef> bessemer::onnx::getNodeNames(Location location) {
  SmallVector<StringRef> names;
  location->walk([&](Location inner) {
    // Line 0: an input or an initializer.
    auto named = dyn_cast<NameLoc>(inner);
    auto at = named ? dyn_cast<FileLineColLoc>(named.getChildLoc()) : FileLineColLoc();
    if (at && at.getLine() > 0) {
      StringRef name = named.getName().getValue();
      if (!llvm::is_contained(names, name))
        names.push_back(name);
    }
    return WalkResult::advance();
  });
  return names;
}

static void print(raw_ostream &os, Diagnostic &diagnostic, StringRef indent) {
  StringRef file = getModelFile(diagnostic.getLocation());
  os << indent;
  if (!file.empty())
    os << file << ": ";
  switch (diagnostic.getSeverity()) {
  case DiagnosticSeverity::Error: os << "error: "; break;
  case DiagnosticSeverity::Warning: os << "warning: "; break;
  case DiagnosticSeverity::Note: os << "note: "; break;
  case DiagnosticSeverity::Remark: os << "remark: "; break;
  }
  std::string message = diagnostic.str();
  SmallVector<StringRef> names = getNodeNames(diagnostic.getLocation());
  if (!names.empty() && !StringRef(message).contains("node "))
    os << "node \"" << names.front() << "\": ";
  os << message << "\n";
  for (Diagnostic &note : diagnostic.getNotes())
    print(os, note, "  ");
}

DiagnosticPrinter::DiagnosticPrinter(MLIRContext *context, raw_ostream &os) : ScopedDiagnosticHandler(context) {
  setHandler([&os](Diagnostic &diagnostic) {
    print(os, diagnostic, "");
    os.flush();
    return success();
  });
}
