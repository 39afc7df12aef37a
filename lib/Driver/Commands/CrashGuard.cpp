// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Driver/Commands/CrashGuard.h"

#include <csignal>
#include <cstring>
#include <unistd.h>

namespace bessemer::commands {

// Read by the handler: plain data only.
static std::string_view stage = "starting";
static int stageExitCode = 2;

void enterStage(std::string_view doing, int exitCode) {
  stage = doing;
  stageExitCode = exitCode;
}

static void put(std::string_view text) {
  [[maybe_unused]] ssize_t written = write(STDERR_FILENO, text.data(), text.size());
}

extern "C" {
static void onCrash(int signal) {
  put("bessemer: error: internal error (");
  put(signal == SIGABRT  ? "aborted"
      : signal == SIGFPE ? "arithmetic"
      : signal == SIGILL ? "instruction"
                         : "memory access");
  put(") while ");
  put(stage);
  put("\n");
  _exit(stageExitCode);
}
}

void installCrashGuard() {
  // A stack of its own, for a stack that has run over.
  static char memory[64 * 1024];
  stack_t stack{};
  stack.ss_sp = memory;
  stack.ss_size = sizeof(memory);
  sigaltstack(&stack, nullptr);
  struct sigaction action{};
  action.sa_handler = onCrash;
  action.sa_flags = SA_ONSTACK | SA_RESETHAND;
  for (int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT})
    sigaction(signal, &action, nullptr);
}

} // namespace bessemer::commands
