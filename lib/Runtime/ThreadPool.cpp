// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Runtime/ThreadPool.h"

#include <algorithm>
#include <chrono>
#include <climits>
#include <fstream>
#include <linux/futex.h>
#include <map>
#include <mutex>
#include <pthread.h>
#include <sched.h>
#include <set>
#include <string>
#include <sys/syscall.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

namespace bessemer::runtime {

namespace {
/// Spin this many rounds before giving the core away for a moment: about 20 us,
/// far longer than a joined loop is uneven, far shorter than a time slice.
constexpr int spinsBeforeYield = 2000;
/// Idle workers sleep after this time. Within a region they stay awake longer:
/// a long serial stretch of an inference must not cost a wake-up.
constexpr auto idleSleep = std::chrono::milliseconds(2);
constexpr auto regionSleep = std::chrono::milliseconds(20);

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

void futexWait(std::atomic<uint32_t> &word, uint32_t expected) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}
void futexWakeAll(std::atomic<uint32_t> &word) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

/// Worker `t` of `count` gets [n*t/count, n*(t+1)/count), without overflow.
std::pair<int64_t, int64_t> rangeOf(int64_t n, int64_t t, int64_t count) {
  auto cut = [&](int64_t i) { return n / count * i + n % count * i / count; };
  return {cut(t), cut(t + 1)};
}

/// Into how many pieces a worker takes its range.
int64_t piecesOf(int64_t tasks) { return std::min<int64_t>(tasks, 8); }

/// Counts forks: a child process has none of the threads of its parent.
std::atomic<uint32_t> forks{0};
uint32_t watchForks() {
  static int once = pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1); });
  (void)once;
  return forks.load();
}

/// One logical CPU for each physical core that this process may use.
std::vector<int> allowedCores() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  std::vector<int> cores;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
    return {0};
  std::set<std::string> seen;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed))
      continue;
    std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list");
    std::string siblings;
    if (!std::getline(file, siblings) || seen.insert(siblings).second)
      cores.push_back(cpu);
  }
  return cores.empty() ? std::vector<int>{0} : cores;
}
} // namespace

struct ThreadPool::Worker {
  int number = 0;
  int cpu = -1; // pinned to it; -1: free to move
  std::thread thread;
};

/// How many pieces of a worker's range nobody has claimed: in the low half; in the high half the loop's epoch, so that
/// nobody claims a piece of another loop.
struct alignas(64) ThreadPool::Cursor {
  std::atomic<uint64_t> unclaimed{0};
};

int ThreadPool::physicalCores() { return static_cast<int>(allowedCores().size()); }

ThreadPool::ThreadPool(int threads, bool pin) : forkCount(watchForks()) {
  cores = allowedCores();
  threadCount = threads > 0 ? std::min(threads, 1024) : static_cast<int>(cores.size());
  // With more threads than cores pinning would only queue them up.
  pinned = pin && threadCount > 1 && threadCount <= static_cast<int>(cores.size());
  cursors = std::make_unique<Cursor[]>(static_cast<size_t>(threadCount));
  for (int i = 1; i < threadCount; ++i) {
    auto worker = std::make_unique<Worker>();
    worker->number = i;
    workers.push_back(std::move(worker));
    Worker &w = *workers.back();
    try {
      w.thread = std::thread([this, &w] { workerLoop(w); });
    } catch (const std::system_error &) {
      workers.pop_back();
      break;
    }
    if (pinned) {
      w.cpu = cores[i];
      cpu_set_t set;
      CPU_ZERO(&set);
      CPU_SET(w.cpu, &set);
      if (pthread_setaffinity_np(w.thread.native_handle(), sizeof(set), &set) != 0)
        w.cpu = -1;
    }
  }
  threadCount = static_cast<int>(workers.size()) + 1;
}

ThreadPool::ThreadPool(const ThreadPoolCallbacks &callbacks)
    : threadCount(callbacks.parallel ? std::clamp(callbacks.threads, 1, 1024) : 1), callbacks(callbacks),
      forkCount(watchForks()) {}

ThreadPool::~ThreadPool() {
  if (forks.load() != forkCount) {
    for (auto &worker : workers)
      worker->thread.detach(); // they live in the parent process only
    return;
  }
  stop.store(true);
  epoch.fetch_add(1);
  futexWakeAll(epoch);
  for (auto &worker : workers)
    worker->thread.join();
}

std::shared_ptr<ThreadPool> ThreadPool::shared(int threads) {
  static std::mutex mutex;
  static auto *pools = new std::map<int, std::weak_ptr<ThreadPool>>();
  std::lock_guard<std::mutex> lock(mutex);
  if (threads <= 0)
    threads = physicalCores();
  std::weak_ptr<ThreadPool> &entry = (*pools)[threads];
  std::shared_ptr<ThreadPool> pool = entry.lock();
  if (!pool) {
    pool = std::make_shared<ThreadPool>(threads);
    entry = pool;
  }
  return pool;
}

void ThreadPool::workerLoop(Worker &worker) {
  uint32_t seen = 0;
  while (true) {
    // Wait for the next loop: spin, then yield, then sleep.
    uint32_t now;
    int spins = 0;
    auto start = std::chrono::steady_clock::time_point();
    while ((now = epoch.load(std::memory_order_acquire)) == seen) {
      pause();
      if (++spins < spinsBeforeYield)
        continue;
      spins = 0;
      auto time = std::chrono::steady_clock::now();
      if (start == std::chrono::steady_clock::time_point())
        start = time;
      if (time - start < (inRegion.load(std::memory_order_relaxed) ? regionSleep : idleSleep)) {
        sched_yield();
        continue;
      }
      // The owner counts `epoch` up first and reads `sleepers` after it; we do it
      // the other way round, so one of the two always sees the other.
      sleepers.fetch_add(1);
      if (epoch.load() == seen)
        futexWait(epoch, seen);
      sleepers.fetch_sub(1);
      start = std::chrono::steady_clock::time_point();
    }
    seen = now;
    if (stop.load(std::memory_order_relaxed))
      return;
    work(now, worker.number);
  }
}

/// Claims pieces of loop `epoch` and runs them, worker's own first, until none is left.
void ThreadPool::work(uint32_t epoch, int worker) {
  RangeFunction body = function.load(std::memory_order_relaxed);
  void *data = argument.load(std::memory_order_relaxed);
  int64_t all = tasks.load(std::memory_order_relaxed), done = 0;
  for (int turn = 0; turn < threadCount; ++turn) {
    int owner = (worker + turn) % threadCount;
    auto [first, last] = rangeOf(all, owner, threadCount);
    int64_t pieces = piecesOf(last - first);
    std::atomic<uint64_t> &unclaimed = cursors[owner].unclaimed;
    uint64_t at = unclaimed.load(std::memory_order_relaxed);
    while (static_cast<uint32_t>(at >> 32) == epoch && static_cast<uint32_t>(at) > 0) {
      if (!unclaimed.compare_exchange_weak(at, at - 1, std::memory_order_acq_rel))
        continue;
      // The loop cannot end before this piece, so what was read above is of this loop.
      auto [begin, end] = rangeOf(last - first, pieces - static_cast<uint32_t>(at), pieces);
      body(data, first + begin, first + end, worker);
      ++done;
      at = unclaimed.load(std::memory_order_relaxed);
    }
  }
  if (done > 0)
    left.fetch_sub(done, std::memory_order_release);
}

void ThreadPool::moveAwayFromCaller() {
  // A worker pinned to the very core that the caller runs on would halve both;
  // it changes places with the core that the caller does not use.
  int here = sched_getcpu();
  for (auto &worker : workers) {
    if (worker->cpu != here)
      continue;
    for (int core : cores) {
      bool taken = core == here;
      for (auto &other : workers)
        taken |= other->cpu == core;
      if (taken)
        continue;
      cpu_set_t set;
      CPU_ZERO(&set);
      CPU_SET(core, &set);
      if (pthread_setaffinity_np(worker->thread.native_handle(), sizeof(set), &set) == 0)
        worker->cpu = core;
      return;
    }
    return;
  }
}

ThreadPool::Region::Region(ThreadPool &pool) : pool(pool) {
  bool expected = false;
  owner = pool.threadCount > 1 && forks.load(std::memory_order_relaxed) == pool.forkCount &&
          pool.busy.compare_exchange_strong(expected, true);
  if (!owner || pool.workers.empty())
    return;
  pool.inRegion.store(true, std::memory_order_relaxed);
  if (pool.pinned)
    pool.moveAwayFromCaller();
  // Wake them without work, so that they spin by the time of the first loop.
  if (pool.sleepers.load() > 0)
    futexWakeAll(pool.epoch);
}

ThreadPool::Region::~Region() {
  if (!owner)
    return;
  pool.inRegion.store(false, std::memory_order_relaxed);
  pool.busy.store(false, std::memory_order_release);
}

namespace {
struct CallbackLoop {
  RangeFunction function;
  void *argument;
  int64_t tasks;
  int count;
};
} // namespace

void ThreadPool::Region::run(int64_t tasks, RangeFunction function, void *argument) {
  if (!owner || tasks <= 1) {
    if (tasks > 0)
      function(argument, 0, tasks, 0);
    return;
  }
  if (pool.callbacks.parallel) {
    CallbackLoop loop{function, argument, tasks, static_cast<int>(std::min<int64_t>(tasks, pool.threadCount))};
    pool.callbacks.parallel(
        pool.callbacks.user, loop.count,
        [](void *data, int task) {
          auto &loop = *static_cast<CallbackLoop *>(data);
          auto [begin, end] = rangeOf(loop.tasks, task, loop.count);
          loop.function(loop.argument, begin, end, task);
        },
        &loop);
    return;
  }
  pool.function.store(function, std::memory_order_relaxed);
  pool.argument.store(argument, std::memory_order_relaxed);
  pool.tasks.store(tasks, std::memory_order_relaxed);
  uint32_t epoch = pool.epoch.load(std::memory_order_relaxed) + 1;
  int64_t left = 0;
  for (int t = 0; t < pool.threadCount; ++t) {
    auto [begin, end] = rangeOf(tasks, t, pool.threadCount);
    left += piecesOf(end - begin);
  }
  pool.left.store(left, std::memory_order_relaxed);
  for (int t = 0; t < pool.threadCount; ++t) {
    auto [begin, end] = rangeOf(tasks, t, pool.threadCount);
    pool.cursors[t].unclaimed.store(uint64_t{epoch} << 32 | static_cast<uint64_t>(piecesOf(end - begin)),
                                    std::memory_order_release);
  }
  pool.epoch.store(epoch);
  if (pool.sleepers.load() > 0)
    futexWakeAll(pool.epoch);
  pool.work(epoch, 0);
  int spins = 0;
  while (pool.left.load(std::memory_order_acquire) != 0) {
    pause();
    if (++spins >= spinsBeforeYield) {
      sched_yield();
      spins = 0;
    }
  }
}

} // namespace bessemer::runtime
