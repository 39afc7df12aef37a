// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Threads for kernels: persistent workers that spin while an inference runs, so
// that starting and joining a parallel loop takes 0.1 to 0.6 us instead of the
// 70 us of a condition variable. They sleep when nothing has come for a while.
//
//   ThreadPool::Region region(pool);            // one wake-up for an inference
//   region.run(tasks, function, argument);      // contiguous ranges
//   region.run(...);
//
// Each worker has a contiguous range of the tasks and takes it in a few pieces;
// who is done takes pieces of the others. So a worker that the system has put
// aside (the machine is shared) holds up one piece and not its whole range, and
// one that does not wake in time holds up nothing.
//
// One region at a time owns the workers; a second one (another context on the
// same pool) runs its loops on its own thread alone, so that two callers never
// wait for each other. The caller's thread is worker 0.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace bessemer::runtime {

/// Runs a contiguous range of tasks as worker number `worker`.
using RangeFunction = void (*)(void *argument, int64_t begin, int64_t end, int worker);

/// A caller's own thread pool. `parallel` must call `body(argument, i)` exactly
/// once for each i in [0, tasks), in any order and on any threads, and return
/// when all are done. `tasks` is never above `threads`.
struct ThreadPoolCallbacks {
  int threads = 1;
  void (*parallel)(void *user, int tasks, void (*body)(void *argument, int task), void *argument) = nullptr;
  void *user = nullptr;
};

class ThreadPool {
public:
  /// `threads` counts the caller's; 0: one for each physical core that the
  /// process may use. Workers that cannot be started are left out.
  explicit ThreadPool(int threads, bool pin = true);
  explicit ThreadPool(const ThreadPoolCallbacks &callbacks);
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;

  /// One pool for each thread count in the process, shared by all models, so
  /// that two models do not fight for the cores.
  static std::shared_ptr<ThreadPool> shared(int threads);
  static int physicalCores();

  int threads() const { return threadCount; }

  class Region {
  public:
    explicit Region(ThreadPool &pool);
    ~Region();
    Region(const Region &) = delete;
    Region &operator=(const Region &) = delete;

    /// Calls `function` on ranges that cut [0, tasks): pieces of [tasks*t/T,
    /// tasks*(t+1)/T) for worker t, ascending while nobody helps it. A worker may
    /// be called several times or never. Returns when all are done.
    void run(int64_t tasks, RangeFunction function, void *argument);
    /// False when another region has the workers: everything runs here.
    bool isParallel() const { return owner; }

  private:
    ThreadPool &pool;
    bool owner;
  };

private:
  struct Worker;
  struct Cursor;
  void workerLoop(Worker &worker);
  void work(uint32_t epoch, int worker);
  void moveAwayFromCaller();

  int threadCount = 1;
  bool pinned = false;
  ThreadPoolCallbacks callbacks;
  uint32_t forkCount = 0;
  std::vector<int> cores; ///< a CPU of each physical core that we may use
  std::vector<std::unique_ptr<Worker>> workers;
  std::unique_ptr<Cursor[]> cursors; ///< one for each worker, the caller's first

  // The current loop, written by the owner before `epoch` counts up. A worker that comes late may read those of the
  // next one; it finds out when it claims a piece.
  std::atomic<RangeFunction> function{nullptr};
  std::atomic<void *> argument{nullptr};
  std::atomic<int64_t> tasks{0};
  alignas(64) std::atomic<uint32_t> epoch{0};
  alignas(64) std::atomic<int64_t> left{0}; ///< pieces of the current loop that are not done
  alignas(64) std::atomic<uint32_t> sleepers{0};
  alignas(64) std::atomic<bool> busy{false};
  std::atomic<bool> inRegion{false};
  std::atomic<bool> stop{false};
};

} // namespace bessemer::runtime
