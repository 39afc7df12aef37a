// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Driver/Dump.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace bessemer;

/// For people: big constants and locations are left out.
static OpPrintingFlags forReading() {
  return OpPrintingFlags().elideLargeElementsAttrs(16).elideLargeResourceString(64).assumeVerified();
}

std::string bessemer::moduleText(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream, OpPrintingFlags().enableDebugInfo().assumeVerified());
  return text + "\n";
}

std::string bessemer::dumpPhase(ModuleOp module, const PhaseInfo &phase, const std::string &directory) {
  if (directory.empty())
    return "";
  if (std::error_code error = llvm::sys::fs::create_directories(directory))
    return "cannot make the folder '" + directory + "': " + error.message();
  int number = int(phase.phase) + 1;
  std::string name = (number < 10 ? "0" : "") + std::to_string(number) + "-" + std::string(phase.name) + ".mlir";
  llvm::SmallString<256> path(directory);
  llvm::sys::path::append(path, name);
  std::error_code error;
  llvm::raw_fd_ostream file(path, error);
  if (error)
    return "cannot write '" + std::string(path) + "': " + error.message();
  module.print(file, forReading());
  file << "\n";
  return "";
}
