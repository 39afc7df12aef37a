// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// `bessemer compile`: a model to an artifact.
#include "bessemer/Runtime/Artifact.h"
#include "lib/Driver/Commands/Commands.h"

#include <cstdio>
#include <fstream>

using namespace bessemer;
using namespace bessemer::commands;

namespace {

struct Arguments {
  std::string model, output, report;
  bool embedWeights = false;
  CompileArguments compile;
};

int compile(const Arguments &arguments) {
  CompileOptions options;
  std::optional<int64_t> limit = arguments.compile.memoryLimit();
  if (!limit || !arguments.compile.convert(options))
    return Refused;
  // Before the work, not behind it.
  if (arguments.output.empty() && (options.compileTo.empty() || options.compileTo == "emit")) {
    printError("expected -o FILE.bsm, or --compile-to=PHASE to look at the module");
    return Refused;
  }
  for (const std::string &file : {arguments.output, arguments.report})
    if (!file.empty() && file != "-" && !checkWritable(file))
      return Refused;
  Progress progress;
  CompileResult result = compileModel(arguments.model, options, *limit, progress);
  if (!arguments.report.empty()) {
    std::ofstream file(arguments.report);
    file << reportJson(result.report);
    file.close();
    if (!file) {
      printError("cannot write '" + arguments.report + "'");
      return Refused;
    }
  }
  if (!result.ok())
    return Refused;
  if (!result.program) {
    if (arguments.output.empty() || arguments.output == "-") {
      std::fputs(result.module.c_str(), stdout);
      return Fine;
    }
    std::ofstream file(arguments.output);
    file << result.module;
    file.close();
    if (!file)
      printError("cannot write '" + arguments.output + "'");
    return file ? Fine : Refused;
  }
  progress.say("write: " + arguments.output);
  runtime::WriteOptions write;
  write.selfContained = arguments.embedWeights;
  runtime::Status status = runtime::writeArtifact(*result.program, write, arguments.output);
  progress.clear();
  if (!status.ok())
    printError(arguments.output + ": " + status.message);
  return status.ok() ? Fine : Refused;
}

} // namespace

Action commands::addCompileCommand(CLI::App &app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App *command =
      app.add_subcommand("compile", "Compile a model to an artifact that `run`, `bench` and the runtime library load");
  command->add_option("model", arguments->model, "MODEL.onnx")->required()->type_name("");
  command
      ->add_option("-o,--output", arguments->output,
                   "The artifact, MODEL.bsm; with --compile-to the module (- or none: stdout)")
      ->type_name("FILE");
  command
      ->add_option("--report", arguments->report,
                   "Write what was decided, and why, as JSON; also when the model is refused")
      ->type_name("F.json");
  command->add_flag("--embed-weights", arguments->embedWeights,
                    "Put the weights into the artifact; else it reads them from the model's files, and checks that\n"
                    "they are the same");
  arguments->compile.add(*command, /*stages=*/true);
  command->footer("Examples:\n"
                  "  bessemer compile m.onnx -o m.bsm --embed-weights\n"
                  "  bessemer compile m.onnx -o m.bsm --cpu=x86-64-v3 --dim batch=1 --dim 'seq<=512' --report=m.json\n"
                  "  bessemer compile m.onnx --compile-to=fuse | less");
  return [arguments] { return compile(*arguments); };
}
