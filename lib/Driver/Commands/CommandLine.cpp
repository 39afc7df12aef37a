// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Driver/CommandLine.h"

#include "bessemer/Runtime/Artifact.h"
#include "lib/Driver/Commands/Commands.h"
#include "lib/Driver/Commands/CrashGuard.h"

#include <cstdio>
#include <exception>
#include <new>
#include <vector>

using namespace bessemer;
using namespace bessemer::commands;

void commands::printError(const std::string &message) {
  std::fprintf(stderr, "bessemer: error: %s\n", message.c_str());
}

int commands::exitCodeOf(runtime::StatusCode code) {
  switch (code) {
  case runtime::StatusCode::Ok: return Fine;
  case runtime::StatusCode::OutOfMemory:
  case runtime::StatusCode::Cancelled:
  case runtime::StatusCode::Failed: return commands::Failed;
  default: return Refused;
  }
}

/// What is wrong with the request, in our words where the library's do not say it.
static std::string requestError(const CLI::ParseError &error, int argc, const char *const *argv) {
  std::string text = error.what();
  if (error.get_exit_code() == int(CLI::ExitCodes::ExtrasError) && argc > 1 && argv[1][0] != '-' &&
      text.find(std::string(" ") + argv[1]) != std::string::npos)
    return std::string("expected one of the commands compile, run, bench, explain, tune, plan-buffers, got '") +
           argv[1] + "'";
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z' && !(text.size() > 1 && text[1] >= 'A' && text[1] <= 'Z'))
    text[0] = char(text[0] - 'A' + 'a');
  return text;
}

int bessemer::runCommandLine(int argc, const char *const *argv) {
  installCrashGuard();
  try {
    CLI::App app("Bessemer: compiles ONNX models to native code and runs them.", "bessemer");
    app.require_subcommand(0, 1);
    app.set_version_flag("--version", std::string("bessemer ") + runtime::compilerVersion,
                         "Print the version and exit");
    app.get_formatter()->column_width(34);
    app.footer(
        "Exit codes: 0 fine; 1 the result differs or the run failed; 2 the model or the request is refused, with a\n"
        "diagnostic on stderr.\n\n"
        "`bessemer COMMAND --help` has the options of a command. Beside this tool: bessemer-opt (passes on MLIR "
        "text),\n"
        "bessemer-translate (ONNX to MLIR text and back), bessemer-reduce (smallest module that still fails) and\n"
        "bessemer-lsp-server (for editors).");
    std::vector<std::pair<CLI::App *, Action>> actions;
    for (auto add : {addCompileCommand, addRunCommand, addBenchCommand, addExplainCommand, addTuneCommand,
                     addPlanBuffersCommand}) {
      Action action = add(app);
      actions.emplace_back(app.get_subcommands([](CLI::App *) { return true; }).back(), std::move(action));
    }
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError &error) {
      if (error.get_exit_code() == 0) // --help, --version
        return app.exit(error);
      std::string command;
      for (auto &[sub, action] : actions)
        if (sub->parsed())
          command = " " + sub->get_name();
      printError(requestError(error, argc, argv) + "\nSee `bessemer" + command + " --help`.");
      return Refused;
    }
    for (auto &[command, action] : actions)
      if (command->parsed())
        return action();
    std::fputs(app.help().c_str(), stderr);
    return Refused;
  } catch (const std::bad_alloc &) {
    printError("out of memory");
    return Refused;
  } catch (const std::exception &error) {
    printError(error.what());
    return Refused;
  }
}
