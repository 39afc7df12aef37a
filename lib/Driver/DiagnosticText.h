// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// MLIR's diagnostics as text for people: `model.onnx: error: node 'fc1': expected X, got Y`.
#pragma once

#include "mlir/IR/Diagnostics.h"

#include <string>

namespace bessemer {

/// While it lives, errors and warnings of the context are collected here.
class DiagnosticText {
public:
  explicit DiagnosticText(mlir::MLIRContext *context);
  const std::string &text() const { return collected; }
  bool anyError() const { return errors > 0; }
  /// One more error that no op has.
  void error(const std::string &message);
  /// Each error with its node, without notes: for the report.
  const std::vector<std::string> &errorLines() const { return lines; }
  /// The same as names of nodes and message.
  const std::vector<std::pair<std::vector<std::string>, std::string>> &nodeErrors() const { return byNode; }

private:
  void add(mlir::Diagnostic &diagnostic);

  std::string collected;
  std::vector<std::string> lines;
  std::vector<std::pair<std::vector<std::string>, std::string>> byNode;
  int errors = 0;
  mlir::ScopedDiagnosticHandler handler;
};

} // namespace bessemer
