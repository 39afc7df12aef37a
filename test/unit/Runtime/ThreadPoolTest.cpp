// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Runtime/ThreadPool.h"

#include <chrono>
#include <gtest/gtest.h>
#include <map>
#include <mutex>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace bessemer::runtime;

namespace {

struct Counts {
  std::vector<std::atomic<int>> seen;
  std::atomic<int> workers{0};
  explicit Counts(size_t n) : seen(n) {}
};

void count(void *argument, int64_t begin, int64_t end, int worker) {
  auto &counts = *static_cast<Counts *>(argument);
  counts.workers |= 1 << worker;
  for (int64_t i = begin; i < end; ++i)
    ++counts.seen[static_cast<size_t>(i)];
}

void expectOnceEach(ThreadPool::Region &region, int64_t tasks) {
  Counts counts(static_cast<size_t>(tasks));
  region.run(tasks, count, &counts);
  for (auto &seen : counts.seen)
    ASSERT_EQ(seen, 1);
}

TEST(ThreadPool, EveryTaskRunsOnce) {
  for (int threads : {1, 2, 3, 7}) { // more than there are cores, too
    ThreadPool pool(threads);
    for (int round = 0; round < 20; ++round) {
      ThreadPool::Region region(pool);
      for (int64_t tasks : {0, 1, 2, 3, 10, 1000})
        expectOnceEach(region, tasks);
    }
  }
}

TEST(ThreadPool, PiecesCutTheTasks) {
  ThreadPool pool(3);
  ThreadPool::Region region(pool);
  struct Pieces {
    std::mutex mutex;
    std::map<int64_t, int64_t> ends; ///< by begin
  };
  auto body = [](void *argument, int64_t begin, int64_t end, int) {
    auto &pieces = *static_cast<Pieces *>(argument);
    std::lock_guard<std::mutex> lock(pieces.mutex);
    pieces.ends[begin] = end;
  };
  for (int64_t tasks : {int64_t{10}, int64_t{1000}, INT64_MAX}) {
    Pieces pieces;
    region.run(tasks, body, &pieces);
    int64_t at = 0;
    for (auto [begin, end] : pieces.ends) {
      EXPECT_EQ(begin, at);
      EXPECT_GT(end, begin);
      at = end;
    }
    EXPECT_EQ(at, tasks);
    EXPECT_LE(pieces.ends.size(), 24u); // a call is not free
  }
}

TEST(ThreadPool, AStalledWorkerHoldsUpOnePiece) {
  ThreadPool pool(2);
  ThreadPool::Region region(pool);
  struct Stall {
    std::atomic<int> done{0};
    std::atomic<bool> stalled{false};
  } stall;
  // Whoever gets the first task waits until all others are done: by the other thread, or they never are.
  region.run(
      16,
      [](void *argument, int64_t begin, int64_t end, int) {
        auto &stall = *static_cast<Stall *>(argument);
        for (int64_t i = begin; i < end; ++i) {
          if (!stall.stalled.exchange(true))
            while (stall.done.load() != 15)
              std::this_thread::yield();
          ++stall.done;
        }
      },
      &stall);
  EXPECT_EQ(stall.done, 16);
}

TEST(ThreadPool, LoopsOfChangingSizeOneAfterTheOther) {
  // Workers come late to most of them: more threads than cores.
  ThreadPool pool(6);
  ThreadPool::Region region(pool);
  for (int round = 0; round < 3000; ++round)
    expectOnceEach(region, round % 7 == 0 ? 200 : round % 5);
}

TEST(ThreadPool, WakesUpAfterSleep) {
  ThreadPool pool(3);
  for (int round = 0; round < 5; ++round) {
    {
      ThreadPool::Region region(pool);
      expectOnceEach(region, 100);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

TEST(ThreadPool, ManyCallersNeverWaitForEachOther) {
  ThreadPool pool(2);
  std::vector<std::thread> callers;
  for (int c = 0; c < 6; ++c)
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        ThreadPool::Region region(pool);
        for (int loop = 0; loop < 5; ++loop)
          expectOnceEach(region, 64);
      }
    });
  for (std::thread &caller : callers)
    caller.join();
}

TEST(ThreadPool, NestedRegionRunsAlone) {
  ThreadPool pool(2);
  ThreadPool::Region outer(pool);
  EXPECT_TRUE(outer.isParallel());
  ThreadPool::Region inner(pool);
  EXPECT_FALSE(inner.isParallel());
  expectOnceEach(inner, 10);
  expectOnceEach(outer, 10);
}

TEST(ThreadPool, CallersThreads) {
  int loops = 0;
  ThreadPoolCallbacks callbacks;
  callbacks.threads = 4;
  callbacks.user = &loops;
  callbacks.parallel = [](void *user, int tasks, void (*body)(void *, int), void *argument) {
    ++*static_cast<int *>(user);
    EXPECT_LE(tasks, 4);
    for (int i = tasks; i-- > 0;)
      body(argument, i);
  };
  ThreadPool pool(callbacks);
  ThreadPool::Region region(pool);
  for (int64_t tasks : {1, 2, 3, 100})
    expectOnceEach(region, tasks);
  EXPECT_EQ(loops, 3); // one task needs no loop
}

TEST(ThreadPool, ChildProcessRunsAlone) {
  ThreadPool pool(2);
  pid_t child = fork();
  if (child == 0) {
    ThreadPool::Region region(pool);
    Counts counts(100);
    region.run(100, count, &counts);
    bool all = true;
    for (auto &seen : counts.seen)
      all &= seen == 1;
    _exit(all && !region.isParallel() ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(ThreadPool, SharedByThreadCount) {
  std::shared_ptr<ThreadPool> two = ThreadPool::shared(2);
  EXPECT_EQ(two, ThreadPool::shared(2));
  EXPECT_NE(two, ThreadPool::shared(1));
  EXPECT_GE(ThreadPool::physicalCores(), 1);
}

} // namespace
