// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Driver/DiagnosticText.h"

#include "bessemer/Driver/Provenance.h"

using namespace mlir;
using namespace bessemer;

static const char *severityName(DiagnosticSeverity severity) {
  switch (severity) {
  case DiagnosticSeverity::Error: return "error";
  case DiagnosticSeverity::Warning: return "warning";
  case DiagnosticSeverity::Note: return "note";
  case DiagnosticSeverity::Remark: return "remark";
  }
  return "error";
}

/// Diagnostics of a model with thousands of bad nodes stay readable.
static constexpr int maxErrors = 1000;

static std::string render(Diagnostic &diagnostic) {
  std::string message = diagnostic.str();
  // An op that is printed in a message may be huge.
  if (message.size() > 2000)
    message = message.substr(0, 2000) + "…";
  std::string file = fileText(diagnostic.getLocation()), node = provenanceText(diagnostic.getLocation(), 2);
  std::string line = file.empty() ? "" : file + ": ";
  line += std::string(severityName(diagnostic.getSeverity())) + ": ";
  if (!node.empty() && message.find(node) == std::string::npos)
    line += "node '" + node + "': ";
  return line + message;
}

DiagnosticText::DiagnosticText(MLIRContext *context)
    : handler(context, [this](Diagnostic &diagnostic) { add(diagnostic); }) {}

void DiagnosticText::add(Diagnostic &diagnostic) {
  if (diagnostic.getSeverity() == DiagnosticSeverity::Error) {
    if (++errors > maxErrors)
      return;
    lines.push_back(render(diagnostic));
    byNode.emplace_back(nodeNames(diagnostic.getLocation()), diagnostic.str());
  }
  collected += render(diagnostic) + "\n";
  for (Diagnostic &note : diagnostic.getNotes())
    collected += "  " + render(note) + "\n";
}

void DiagnosticText::error(const std::string &message) {
  ++errors;
  lines.push_back("error: " + message);
  collected += "error: " + message + "\n";
}
