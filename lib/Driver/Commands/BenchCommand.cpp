// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// `bessemer bench`: medians, and where the time goes.
#include "lib/Driver/Commands/Commands.h"

using namespace bessemer;
using namespace bessemer::commands;

Action commands::addBenchCommand(CLI::App &app) {
  app.add_subcommand("bench", "Measure a model");
  return [] {
    printError("bench: not there yet");
    return int(Refused);
  };
}
