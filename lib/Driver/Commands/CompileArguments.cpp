// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Options of the compiler on the command line, and a compilation with progress.
#include "lib/Driver/Commands/Commands.h"

#include "lib/Driver/Commands/CrashGuard.h"

#include <chrono>
#include <cstdio>
#include <unistd.h>

using namespace bessemer;
using namespace bessemer::commands;

static std::string phaseHelp() {
  std::string help = "Stop after this phase and print the module:";
  for (const PhaseInfo &info : phaseTable)
    help += "\n  " + std::string(info.name) + ": " + std::string(info.sentence);
  return help;
}

void CompileArguments::add(CLI::App &command) {
  command.add_option("--target", target, "What to compile for: cpu")->capture_default_str();
  command.add_option("--cpu", cpu, "native, generic, x86-64-v3, skylake-avx512, neoverse-n1, …")->capture_default_str();
  command.add_option("--dim", dims, "Bind (NAME=VALUE) or bound (NAME<=VALUE) a dimension");
  command.add_option("--numerics", numerics, "default, strict, fast, or a list of reassociate, approximate, "
                                             "narrow-accumulate");
  command.add_option("--compile-to", compileTo, phaseHelp());
  command.add_option("--dump-phases", dumpDirectory, "Write the module after each phase to this folder");
  command.add_flag("--no-kernels", noKernels, "Compile no kernels: every op runs on the reference kernels");
}

bool CompileArguments::convert(CompileOptions &options) const {
  options.target = target;
  options.cpu = cpu;
  options.compileTo = compileTo;
  options.dumpDirectory = dumpDirectory;
  options.compileKernels = !noKernels;
  std::string error;
  if (!parseNumerics(numerics, options.numerics, error)) {
    printError("--numerics: " + error);
    return false;
  }
  for (const std::string &text : dims) {
    std::optional<DimOption> dim = parseDimOption(text, error);
    if (!dim) {
      printError("--dim: " + error);
      return false;
    }
    options.dims.push_back(*dim);
  }
  return true;
}

CompileResult commands::compileModel(const std::string &path, const CompileOptions &options) {
  Compiler compiler(options);
  auto start = std::chrono::steady_clock::now();
  bool terminal = isatty(STDERR_FILENO), shown = false;
  compiler.onPhase = [&](const PhaseInfo &phase) {
    enterStage(phase.name, Refused);
    std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    if (!terminal || elapsed.count() < 2)
      return true;
    std::fprintf(stderr, "\r\033[K%5.1f s  %.*s", elapsed.count(), int(phase.name.size()), phase.name.data());
    return shown = true;
  };
  CompileResult result = compiler.compileFile(path);
  if (shown)
    std::fputs("\r\033[K", stderr);
  std::fputs(result.diagnostics.c_str(), stderr);
  return result;
}

/// An artifact is known by its first bytes; a missing file is left to the importer.
static bool isArtifact(const std::string &path) { return path.size() > 4 && path.ends_with(".bsm"); }

std::shared_ptr<const runtime::Model> commands::loadModel(const std::string &path, const CompileArguments &arguments,
                                                          const runtime::LoadOptions &options, int &exitCode) {
  enterStage("loading the model", Refused);
  std::shared_ptr<runtime::Model> model;
  runtime::Status status;
  if (isArtifact(path)) {
    status = runtime::Model::load(path, options, model);
  } else {
    CompileOptions compileOptions;
    compileOptions.threads = options.threads;
    exitCode = Refused;
    if (!arguments.convert(compileOptions))
      return nullptr;
    CompileResult result = compileModel(path, compileOptions);
    if (!result.ok())
      return nullptr;
    if (!result.program) {
      printError("expected a whole compilation, got --compile-to=" + compileOptions.compileTo);
      return nullptr;
    }
    enterStage("loading the program", commands::Failed);
    status = runtime::Model::create(std::move(*result.program), options, model);
  }
  exitCode = exitCodeOf(status.code);
  if (!status.ok()) {
    printError(path + ": " + status.message);
    return nullptr;
  }
  return model;
}
