// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ptxas as a program of its own: PTX in, cubin out, and its report read.
#include "bessemer/Target/CUDA.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

using namespace bessemer;
using llvm::StringRef;

std::string cuda::findPtxas() {
  llvm::ErrorOr<std::string> path = llvm::sys::findProgramByName("ptxas");
  return path ? *path : "";
}

/// "Used 24 registers" -> 24 for the word behind the number.
static unsigned numberBefore(StringRef line, StringRef word) {
  size_t at = line.find(word);
  if (at == StringRef::npos)
    return 0;
  StringRef before = line.take_front(at).rtrim();
  StringRef digits = before.take_back(before.size() - (before.find_last_not_of("0123456789") + 1));
  unsigned value = 0;
  return digits.getAsInteger(10, value) ? 0 : value;
}

std::vector<cuda::KernelResources> cuda::parseResources(const std::string &report) {
  std::vector<KernelResources> kernels;
  llvm::SmallVector<StringRef> lines;
  StringRef(report).split(lines, '\n');
  for (StringRef line : lines) {
    if (line.contains("Compiling entry function '")) {
      kernels.emplace_back();
      kernels.back().name = line.split("function '").second.split('\'').first.str();
    }
    if (kernels.empty())
      continue;
    KernelResources &kernel = kernels.back();
    if (line.contains("bytes stack frame")) {
      kernel.stackBytes = numberBefore(line, " bytes stack frame");
      kernel.spillStoreBytes = numberBefore(line, " bytes spill stores");
      kernel.spillLoadBytes = numberBefore(line, " bytes spill loads");
    }
    if (line.contains(" registers")) {
      kernel.registers = numberBefore(line, " registers");
      kernel.sharedBytes = numberBefore(line, " bytes smem");
    }
  }
  return kernels;
}

cuda::Cubin cuda::assemble(const std::string &ptx, const std::string &architecture) {
  Cubin result;
  std::string program = findPtxas();
  if (program.empty()) {
    result.error = "expected ptxas on the PATH (scripts/setup installs it)";
    return result;
  }
  llvm::SmallString<128> input, output, log;
  int descriptor = -1;
  if (llvm::sys::fs::createTemporaryFile("bessemer", "ptx", descriptor, input) ||
      llvm::sys::fs::createTemporaryFile("bessemer", "cubin", output) ||
      llvm::sys::fs::createTemporaryFile("bessemer", "log", log)) {
    result.error = "cannot make a temporary file for ptxas";
    return result;
  }
  llvm::FileRemover removeInput(input), removeOutput(output), removeLog(log);
  {
    llvm::raw_fd_ostream file(descriptor, /*shouldClose=*/true);
    file << ptx;
  }
  std::string arch = "-arch=" + architecture;
  StringRef arguments[] = {program, arch, "-v", "-O3", input, "-o", output};
  std::optional<StringRef> redirects[] = {StringRef(), StringRef(log), StringRef(log)};
  std::string message;
  int code = llvm::sys::ExecuteAndWait(program, arguments, std::nullopt, redirects,
                                       /*SecondsToWait=*/300, 0, &message);
  auto report = llvm::MemoryBuffer::getFile(log);
  std::string text = report ? (*report)->getBuffer().str() : message;
  if (code != 0) {
    result.error = "ptxas: " + (text.empty() ? message : text);
    return result;
  }
  result.kernels = parseResources(text);
  llvm::SmallVector<StringRef> lines;
  StringRef(text).split(lines, '\n');
  for (StringRef line : lines)
    if (line.contains("warning"))
      result.warnings.push_back(line.str());
  if (auto cubin = llvm::MemoryBuffer::getFile(output))
    result.bytes.assign((*cubin)->getBufferStart(), (*cubin)->getBufferEnd());
  else
    result.error = "ptxas left no cubin";
  return result;
}
