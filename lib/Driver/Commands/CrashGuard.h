// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The tool never ends by a signal: a crash of the compiler or of a kernel
// becomes a sentence on stderr and an exit code. (The guard is for the tool
// alone; the libraries leave a host's signals as they are.)
#pragma once

#include <string_view>

namespace bessemer::commands {

void installCrashGuard();

/// What the tool is doing, for the sentence, and the exit code that a crash in
/// it stands for. `doing` must live on.
void enterStage(std::string_view doing, int exitCode);

} // namespace bessemer::commands
