// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Options of the compiler on the command line, and a compilation with progress.
#include "lib/Driver/Commands/Commands.h"

#include "lib/Driver/Commands/CrashGuard.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <unistd.h>

using namespace bessemer;
using namespace bessemer::commands;

static std::string phaseHelp() {
  std::string help = "Stop after this phase and print the module:";
  for (const PhaseInfo &info : phaseTable)
    help += "\n  " + std::string(info.name) + ": " + std::string(info.sentence);
  return help;
}

void CompileArguments::add(CLI::App &command, bool stages, bool withMemory) {
  const char *group = "Compiler";
  command
      .add_option("--target", target,
                  "What to compile for: cpu, cuda:sm_80 (A100 and newer GPUs), cuda:sm_90a (H100, H200)")
      ->type_name("TARGET")
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--cpu", cpu,
                  "LLVM's name of a processor: native (this machine), generic, x86-64-v3 (AVX2), x86-64-v4 and\n"
                  "skylake-avx512 (AVX-512), neoverse-n1, cortex-a76, ... (AArch64)")
      ->type_name("NAME")
      ->capture_default_str()
      ->group(group);
  addList(command, "--dim", dims, "N=V",
          "Bind a named dimension (batch=1) or bound it ('seq<=512'); others stay free.\n"
          "May be given several times")
      ->group(group);
  command
      .add_option("--numerics", numerics,
                  "default: f32 stays accurate, functions within 4 ulp, convolutions may be Winograd's,\n"
                  "denormal numbers are 0. strict: none of it, and upstream's polynomial of erf.\n"
                  "fast: as default today; leave for approximate, narrow-accumulate. Or a list of\n"
                  "reassociate, approximate, narrow-accumulate, flush-denormals; -WORD switches one off")
      ->type_name("POLICY")
      ->group(group);
  command
      .add_option("--tuned", tuned,
                  "Measured schedules of matrix products on a GPU (`bessemer tune`), in place of the compiler's own;\n"
                  "none: the cost model alone")
      ->type_name("F.json")
      ->group(group);
  if (withMemory)
    command
        .add_option("--memory", memory,
                    "What the arena and the weights in memory may take (64M, 1.5G, ...); weights that do\n"
                    "not fit are read again in each run")
        ->type_name("BYTES")
        ->group(group);
  command.add_option("--dump-phases", dumpDirectory, "Write the module after each phase to DIR/NN-PHASE.mlir")
      ->type_name("DIR")
      ->group(group);
  command.add_flag("--no-kernels", noKernels, "Compile no kernels: every op runs on the reference kernels")
      ->group(group);
  command
      .add_flag("--allow-fallback", allowFallback,
                "Run ops that a device has no code for on the host; without it they are an error")
      ->group(group);
  if (stages)
    command.add_option("--compile-to", compileTo, phaseHelp())->type_name("PHASE")->group(group);
}

void CompileArguments::addEmulator(CLI::App &command) {
  const char *group = "Compiler";
  command
      .add_flag("--access-costs", accessCosts,
                "With --sanitize: print the accesses of kernels that take more sectors of memory, or passes over\n"
                "the banks of shared memory, than their bytes need")
      ->group(group);
  command.add_flag("--emulate", emulate, "Run GPU kernels in an emulator on the CPU: no GPU is needed")->group(group);
  command
      .add_option("--kernels", kernels,
                  "Run the kernels of FILE, which --dump-phases wrote for the phase lower, in place of those\n"
                  "that the compiler makes: to try a change by hand")
      ->type_name("FILE")
      ->group(group);
  command
      .add_flag("--sanitize", sanitize,
                "With --emulate: look for races, reads of what nobody wrote, misaligned accesses and\n"
                "barriers that not all threads reach (accesses out of bounds are always found); exit 1\n"
                "when there is one")
      ->group(group);
}

bool CompileArguments::convert(CompileOptions &options) const {
  options.target = target;
  options.cpu = cpu;
  options.compileTo = compileTo;
  options.tuned = tuned;
  options.dumpDirectory = dumpDirectory;
  options.compileKernels = !noKernels;
  options.allowFallback = allowFallback;
  options.kernels = kernels;
  options.emulate = emulate;
  options.sanitize = sanitize;
  if ((sanitize && !emulate) || (accessCosts && !sanitize)) {
    printError(sanitize ? "--sanitize: expected --emulate as well" : "--access-costs: expected --sanitize as well");
    return false;
  }
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

std::optional<int64_t> CompileArguments::memoryLimit() const {
  std::string error;
  std::optional<int64_t> limit = memory.empty() ? 0 : parseBytes(memory, error);
  if (!limit)
    printError("--memory: " + error);
  return limit;
}

CompileResult commands::compileModel(const std::string &path, const CompileOptions &options, int64_t memoryLimit,
                                     Progress &progress, Exposure exposure) {
  Compiler compiler(options);
  compiler.memoryLimit = memoryLimit;
  compiler.exposure = exposure;
  compiler.onPhase = [&](const PhaseInfo &phase) {
    enterStage(phase.name, Refused);
    progress.say(std::string(phase.name) + ": " + std::string(phase.sentence));
    return true;
  };
  CompileResult result = compiler.compileFile(path);
  progress.clear();
  std::fputs(result.diagnostics.c_str(), stderr);
  return result;
}

bool commands::checkWritable(const std::string &path) {
  std::error_code code;
  std::filesystem::path file(path), folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  std::string why;
  if (std::filesystem::is_directory(file, code))
    why = "it is a folder";
  else if (!std::filesystem::is_directory(folder, code))
    why = "there is no folder '" + folder.string() + "'";
  else if (access(folder.c_str(), W_OK) != 0)
    why = std::strerror(errno);
  if (!why.empty())
    printError("cannot write '" + path + "': " + why);
  return why.empty();
}

/// An artifact is known by its first bytes; a missing file is left to the importer.
static bool isArtifact(const std::string &path) { return path.size() > 4 && path.ends_with(".bsm"); }

std::shared_ptr<const runtime::Model> commands::loadModel(const std::string &path, const CompileArguments &arguments,
                                                          const runtime::LoadOptions &options, Progress &progress,
                                                          int &exitCode, Exposure exposure,
                                                          std::shared_ptr<EmulatorFindings> *emulator) {
  enterStage("loading the model", Refused);
  std::shared_ptr<runtime::Model> model;
  runtime::Status status;
  if (isArtifact(path) && exposure != Exposure::Nothing) {
    printError("expected an ONNX model whose kernels can be compared, got the artifact '" + path + "'");
    exitCode = Refused;
    return nullptr;
  }
  std::optional<int64_t> limit = arguments.memoryLimit();
  exitCode = Refused;
  if (!limit)
    return nullptr;
  if (isArtifact(path) && arguments.emulate) {
    printError("--emulate: expected an ONNX model, got the artifact '" + path + "'");
    return nullptr;
  }
  if (isArtifact(path)) {
    progress.say("load: check the artifact, prepare its weights");
    runtime::LoadOptions limited = options;
    limited.memoryLimit = *limit;
    status = runtime::Model::load(path, limited, model);
  } else {
    CompileOptions compileOptions;
    compileOptions.threads = options.threads;
    exitCode = Refused;
    if (!arguments.convert(compileOptions))
      return nullptr;
    CompileResult result = compileModel(path, compileOptions, *limit, progress, exposure);
    if (!result.ok())
      return nullptr;
    enterStage("loading the program", commands::Failed);
    progress.say("load: prepare the weights");
    runtime::LoadOptions onDevice = options;
    onDevice.device = result.device;
    if (emulator)
      *emulator = result.emulator;
    status = runtime::Model::create(std::move(*result.program), onDevice, model);
  }
  progress.clear();
  exitCode = exitCodeOf(status.code);
  if (!status.ok()) {
    printError(path + ": " + status.message);
    return nullptr;
  }
  return model;
}
