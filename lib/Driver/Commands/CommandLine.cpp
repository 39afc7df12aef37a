// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Driver/CommandLine.h"

#include "lib/Driver/Commands/Commands.h"
#include "lib/Driver/Commands/CrashGuard.h"

#include <cstdio>
#include <exception>
#include <new>

using namespace bessemer;
using namespace bessemer::commands;

void commands::printError(const std::string &message) { std::fprintf(stderr, "bessemer: error: %s\n", message.c_str()); }

int commands::exitCodeOf(runtime::StatusCode code) {
  switch (code) {
  case runtime::StatusCode::Ok: return Fine;
  case runtime::StatusCode::OutOfMemory:
  case runtime::StatusCode::Cancelled:
  case runtime::StatusCode::Failed: return commands::Failed;
  default: return Refused;
  }
}

int bessemer::runCommandLine(int argc, const char *const *argv) {
  installCrashGuard();
  try {
    CLI::App app("Bessemer: an optimizing compiler for ONNX models.", "bessemer");
    app.require_subcommand(1);
    app.set_version_flag("--version", "bessemer 0.1.0");
    std::pair<CLI::App *, Action> actions[5];
    using Add = Action (*)(CLI::App &);
    Add adders[] = {addCompileCommand, addRunCommand, addBenchCommand, addExplainCommand, addPlanBuffersCommand};
    for (size_t i = 0; i < std::size(adders); ++i) {
      Action action = adders[i](app);
      actions[i] = {app.get_subcommands([](CLI::App *) { return true; }).back(), std::move(action)};
    }
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError &error) {
      return app.exit(error) == 0 ? Fine : Refused;
    }
    for (auto &[command, action] : actions)
      if (command->parsed())
        return action();
    return Refused;
  } catch (const std::bad_alloc &) {
    printError("out of memory");
    return Refused;
  } catch (const std::exception &error) {
    printError(error.what());
    return Refused;
  }
}
