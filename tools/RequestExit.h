// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Exit code 2 for a request that LLVM's option parser refuses. It ends the process with 1, which is ours for a
// result that differs.
#pragma once

#include <cstdlib>
#include <string_view>
#include <unistd.h>

namespace bessemer {

/// Call first in main, and `requestUnderstood` when the options are parsed.
inline bool requestPending = false;

inline void requestUnderstood() { requestPending = false; }

inline void refuseWithExitCode2(int argc, char **argv) {
  for (int i = 1; i < argc; ++i)
    if (std::string_view(argv[i]).find("-help") != std::string_view::npos ||
        std::string_view(argv[i]).ends_with("-version"))
      return; // these end the process as well, and all is fine
  requestPending = true;
  std::atexit([] {
    if (requestPending)
      _exit(2);
  });
}

} // namespace bessemer
