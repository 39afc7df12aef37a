// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// `bessemer explain`: what the compiler would do with a model, and why.
#include "lib/Driver/Commands/Commands.h"

#include <cstdio>

using namespace bessemer;
using namespace bessemer::commands;

namespace {
struct Arguments {
  std::string model;
  bool json = false;
  CompileArguments compile;
};

int explain(const Arguments &arguments) {
  CompileOptions options;
  if (!arguments.compile.convert(options))
    return Refused;
  CompileResult result = compileModel(arguments.model, options);
  std::fputs((arguments.json ? reportJson(result.report) : reportText(result.report)).c_str(), stdout);
  return result.ok() ? Fine : Refused;
}
} // namespace

Action commands::addExplainCommand(CLI::App &app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App *command = app.add_subcommand("explain", "Say what is fused and why, what runs where, and what it takes");
  command->add_option("model", arguments->model, "MODEL.onnx")->required();
  command->add_flag("--json", arguments->json, "As JSON");
  arguments->compile.add(*command);
  return [arguments] { return explain(*arguments); };
}
