// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Driver/Commands/Progress.h"

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <sys/ioctl.h>
#include <unistd.h>

namespace bessemer::commands {

static constexpr std::chrono::milliseconds silence{2000}, interval{200};

static bool onTerminal() {
  const char *term = std::getenv("TERM");
  return isatty(STDERR_FILENO) && !(term && std::string_view(term) == "dumb");
}

Progress::Progress() {
  if (onTerminal())
    thread = std::thread([this] { show(); });
}

Progress::~Progress() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    ended = true;
  }
  wake.notify_all();
  if (thread.joinable())
    thread.join();
  clear();
}

void Progress::say(std::string text) {
  std::lock_guard<std::mutex> lock(mutex);
  step = std::move(text);
}

void Progress::clear() {
  std::lock_guard<std::mutex> lock(mutex);
  step.clear();
  if (visible)
    std::fputs("\r\033[K", stderr);
  visible = false;
}

void Progress::show() {
  std::unique_lock<std::mutex> lock(mutex);
  wake.wait_until(lock, start + silence, [&] { return ended; });
  while (!ended) {
    draw();
    wake.wait_for(lock, interval, [&] { return ended; });
  }
}

void Progress::draw() {
  if (step.empty())
    return;
  std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  char time[32];
  std::snprintf(time, sizeof time, "%6.1f s  ", elapsed.count());
  winsize window{};
  size_t width = ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col ? window.ws_col : 80;
  std::string line = (time + step).substr(0, width - 1); // one that wraps cannot be written over
  std::fprintf(stderr, "\r\033[K%s", line.c_str());
  std::fflush(stderr);
  visible = true;
}

} // namespace bessemer::commands
