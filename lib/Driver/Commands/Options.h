// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Options in the form that all commands share.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace bessemer::commands {

/// An option that may be given several times, one value each. (Otherwise it would take the model's name, too.)
inline CLI::Option *addList(CLI::App &command, const std::string &name, std::vector<std::string> &values,
                            const std::string &type, const std::string &help) {
  return command.add_option(name, values, help)->allow_extra_args(false)->type_name(type)->take_all();
}

inline void addThreads(CLI::App &command, int &threads) {
  command.add_option("--threads", threads, "Threads; 0: one for each physical core")
      ->type_name("N")
      ->check(CLI::Range(0, 4096).description(""))
      ->capture_default_str();
}

} // namespace bessemer::commands
