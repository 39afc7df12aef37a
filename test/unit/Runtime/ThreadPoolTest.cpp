// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Runtime/ThreadPool.h"

#include <chrono>
#include <gtest/gtest.h>
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

TEST(ThreadPool, RangesAreStaticAndContiguous) {
  ThreadPool pool(3);
  ThreadPool::Region region(pool);
  struct Ranges {
    int64_t begin[3] = {-1, -1, -1}, end[3] = {-1, -1, -1};
  } ranges;
  auto body = [](void *argument, int64_t begin, int64_t end, int worker) {
    auto &r = *static_cast<Ranges *>(argument);
    r.begin[worker] = begin;
    r.end[worker] = end;
  };
  region.run(10, body, &ranges);
  EXPECT_EQ(ranges.begin[0], 0);
  EXPECT_EQ(ranges.end[0], ranges.begin[1]);
  EXPECT_EQ(ranges.end[1], ranges.begin[2]);
  EXPECT_EQ(ranges.end[2], 10);
  Ranges huge;
  region.run(INT64_MAX, body, &huge);
  EXPECT_EQ(huge.end[0], huge.begin[1]);
  EXPECT_EQ(huge.end[2], INT64_MAX);
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
