// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The `bessemer` tool: compile, run, bench, explain, plan-buffers.
#pragma once

namespace bessemer {

/// Exit codes: 0 fine; 1 the result differs or the run failed; 2 the model or
/// the request is refused, with a diagnostic on stderr. Never throws.
int runCommandLine(int argc, const char *const *argv);

} // namespace bessemer
