// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Algorithms/PlanBuffersCommand.h"

#include "lib/Driver/Commands/Commands.h"

using namespace bessemer;
using namespace bessemer::commands;

namespace {
struct Arguments {
  std::string input, output = "-";
  int64_t capacity = 0;
  double seconds = 60;
};
} // namespace

Action commands::addPlanBuffersCommand(CLI::App &app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App *command = app.add_subcommand("plan-buffers", "Plan the offsets of buffers in a CSV file");
  command
      ->add_option("input", arguments->input,
                   "A table with the columns id, lower, upper, size; may have alignment, gaps, fixed")
      ->required();
  command->add_option("--capacity", arguments->capacity, "Bytes of the arena")->required();
  command->add_option("-o,--output", arguments->output, "The table with offsets")->capture_default_str();
  command->add_option("--seconds", arguments->seconds, "Time to search")->capture_default_str();
  return [arguments] {
    std::string error;
    int code = planBuffersCommand(arguments->input, arguments->capacity, arguments->output, arguments->seconds, error);
    if (!error.empty())
      printError(error);
    return code;
  };
}
