// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The tool: see lib/Driver/Commands.
#include "bessemer/Driver/CommandLine.h"

int main(int argc, char **argv) { return bessemer::runCommandLine(argc, argv); }
