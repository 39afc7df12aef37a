// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the commands share. Each command adds itself to the command line and is
// run when it was named.
#pragma once

#include "bessemer/Driver/Compiler.h"
#include "bessemer/Runtime/Model.h"
#include "lib/Driver/Commands/Options.h"
#include "lib/Driver/Commands/Progress.h"

#include <functional>
#include <memory>
#include <string>

namespace bessemer::commands {

enum ExitCode { Fine = 0, Failed = 1, Refused = 2 };

/// A subcommand's action: its exit code. Options live in the closure.
using Action = std::function<int()>;

Action addCompileCommand(CLI::App &app);
Action addRunCommand(CLI::App &app);
Action addBenchCommand(CLI::App &app);
Action addExplainCommand(CLI::App &app);
Action addTuneCommand(CLI::App &app);
Action addPlanBuffersCommand(CLI::App &app);

/// Options of the compiler as they come from the command line.
struct CompileArguments {
  std::string target = "cpu", cpu = "native", numerics, compileTo, dumpDirectory, memory, kernels, tuned;
  std::vector<std::string> dims;
  bool noKernels = false, allowFallback = false, emulate = false, sanitize = false, accessCosts = false;

  /// `stages`: also what looks at the phases one by one. `withMemory`: `--memory` as well; `explain` has one of its
  /// own.
  void add(CLI::App &command, bool stages, bool withMemory = true);
  /// `--emulate`, `--sanitize`: for commands that run a model.
  void addEmulator(CLI::App &command);
  /// False after a diagnostic.
  bool convert(CompileOptions &options) const;
  /// The limit of `--memory`, 0 without it; none after a diagnostic.
  std::optional<int64_t> memoryLimit() const;
};

/// Compiles; prints diagnostics on stderr.
CompileResult compileModel(const std::string &path, const CompileOptions &options, int64_t memoryLimit,
                           Progress &progress, Exposure exposure = Exposure::Nothing);

/// A model made ready: from an artifact, or compiled in memory. Null after a diagnostic.
std::shared_ptr<const runtime::Model> loadModel(const std::string &path, const CompileArguments &arguments,
                                                const runtime::LoadOptions &options, Progress &progress, int &exitCode,
                                                Exposure exposure = Exposure::Nothing,
                                                std::shared_ptr<EmulatorFindings> *emulator = nullptr);

/// False after a diagnostic: `path` lies in no folder, or is one. Before the work, not behind it.
bool checkWritable(const std::string &path);

/// 2 when the request was at fault, 1 when the run was.
int exitCodeOf(runtime::StatusCode code);

/// "bessemer: error: …" on stderr.
void printError(const std::string &message);

/// The report for people; reportJson of Compiler.h has it for programs.
std::string reportText(const Report &report);

} // namespace bessemer::commands
