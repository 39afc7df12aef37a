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
  if (!arguments.compile.convert(options))
    return Refused;
  CompileResult result = compileModel(arguments.model, options);
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
  if (arguments.output.empty()) {
    printError("expected -o FILE.bsm");
    return Refused;
  }
  runtime::WriteOptions write;
  write.selfContained = arguments.embedWeights;
  runtime::Status status = runtime::writeArtifact(*result.program, write, arguments.output);
  if (!status.ok())
    printError(arguments.output + ": " + status.message);
  return status.ok() ? Fine : Refused;
}

} // namespace

Action commands::addCompileCommand(CLI::App &app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App *command = app.add_subcommand("compile", "Compile a model to an artifact");
  command->add_option("model", arguments->model, "MODEL.onnx")->required();
  command->add_option("-o,--output", arguments->output, "The artifact, MODEL.bsm");
  command->add_option("--report", arguments->report, "Write what was decided as JSON");
  command->add_flag("--embed-weights", arguments->embedWeights,
                    "Put the weights in the artifact (else it reads them from the model's files)");
  arguments->compile.add(*command);
  return [arguments] { return compile(*arguments); };
}
