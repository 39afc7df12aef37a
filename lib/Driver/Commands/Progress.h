// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a command is doing, on a terminal, when it takes more than two seconds.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace bessemer::commands {

/// One line on stderr that is written over again and again, by a thread of its own so that it moves also while
/// one step takes long. Nothing when stderr is no terminal. The line is gone when this is.
class Progress {
public:
  Progress();
  ~Progress();
  /// The step that begins.
  void say(std::string step);
  /// Takes the line away, so that other text can be printed; the next step brings it back.
  void clear();

private:
  void show();
  void draw();

  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  std::mutex mutex;
  std::condition_variable wake;
  std::string step;
  bool ended = false, visible = false;
  std::thread thread;
};

} // namespace bessemer::commands
