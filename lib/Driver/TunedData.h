// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The measured schedules that the compiler has of its own: lib/Driver/Tuned/TARGET.json, with `-` for `:`.
#pragma once

#include <string_view>

namespace bessemer {

/// The file's text; empty when there is none for the target.
std::string_view builtInTunedSchedules(std::string_view target);

} // namespace bessemer
