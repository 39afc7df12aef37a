// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a program's run takes, read off the program as the runtime will see it:
// calls laid out in a row, frames of callees in the caller's, weights by the steps that
// read them.
#pragma once

#include "bessemer/Algorithms/ArenaPicture.h"
#include "bessemer/Algorithms/StreamPlanner.h"
#include "bessemer/Runtime/Program.h"

#include <string>
#include <vector>

namespace bessemer {

struct ProgramMemory {
  /// False when sizes are free: the runtime plans, and the symbols are listed.
  bool known = false;
  std::vector<std::string> freeSymbols;
  std::vector<ArenaBox> boxes;
  int64_t arenaBytes = 0;
  int64_t workspaceBytes = 0;    ///< of all threads
  int64_t launches = 0;          ///< of kernels in a run
  int64_t smallWeightBytes = 0;  ///< stay in memory whatever the limit is
  int64_t mappedWeightBytes = 0; ///< used where they lie in their file: the system gives and takes the pages
  /// Weights that can be read for each run: as the runtime groups them.
  std::vector<int64_t> unitBytes;
  std::vector<std::string> unitNames;
  std::vector<StreamProblem::Use> uses;
};

/// `threads`: that it will run with; 0: one for each physical core.
ProgramMemory describeMemory(const runtime::Program &program, int threads = 0);

/// The plan for a limit.
StreamPlan planMemoryLimit(const ProgramMemory &memory, int64_t limit);

/// "expected a memory limit of at least N bytes, got L: the arena takes …".
std::string limitTooSmall(const ProgramMemory &memory, const StreamPlan &plan, int64_t limit);

} // namespace bessemer
