// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bessemer/Algorithms/StreamPlanner.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <random>

using namespace bessemer;

namespace {

StreamProblem threeUnits(int64_t limit) { return {{64, 64, 64}, {{0, 0}, {1, 1}, {2, 2}}, 100, limit}; }

StreamProblem randomProblem(std::mt19937_64 &random) {
  StreamProblem problem;
  int units = 1 + int(random() % 8);
  for (int u = 0; u < units; ++u)
    problem.unitBytes.push_back(1 + int64_t(random() % 1000));
  int64_t step = 0;
  for (int i = int(random() % 20); i > 0; --i) {
    step += int64_t(random() % 3);
    problem.uses.push_back({step, int(random() % uint64_t(units))});
  }
  problem.fixedBytes = int64_t(random() % 500);
  problem.limit = int64_t(random() % 6000);
  return problem;
}

} // namespace

TEST(StreamPlanner, AllStayWhenTheyFit) {
  StreamPlan plan = planStreams(threeUnits(100 + 3 * 64));
  ASSERT_TRUE(plan.fits);
  EXPECT_EQ(plan.streamedBytes, 0);
  EXPECT_EQ(plan.totalBytes, 292);
  EXPECT_TRUE(plan.requests.empty());
}

TEST(StreamPlanner, ReadsAheadWhereThereIsRoomForTwo) {
  StreamPlan plan = planStreams(threeUnits(100 + 2 * 64));
  ASSERT_TRUE(plan.fits);
  EXPECT_TRUE(plan.readsAhead);
  EXPECT_EQ(plan.areaBytes, 128);
  ASSERT_EQ(plan.requests.size(), 3u);
  EXPECT_EQ(plan.requests[2].start, 1); // while unit 1 is in use
}

TEST(StreamPlanner, ReadsWhenNeededWhereThereIsRoomForOne) {
  StreamPlan plan = planStreams(threeUnits(100 + 64));
  ASSERT_TRUE(plan.fits);
  EXPECT_FALSE(plan.readsAhead);
  EXPECT_EQ(plan.areaBytes, 64);
  EXPECT_EQ(plan.streamedBytes, 192);
}

TEST(StreamPlanner, SaysTheSmallestLimit) {
  StreamPlan plan = planStreams(threeUnits(163));
  EXPECT_FALSE(plan.fits);
  EXPECT_EQ(plan.minimumBytes, 164);
  EXPECT_EQ(plan.largestUnit, 0);
}

TEST(StreamPlanner, CheckerFindsBrokenPlans) {
  StreamProblem problem = threeUnits(100 + 2 * 64);
  const StreamPlan right = planStreams(problem);
  ASSERT_EQ(checkStreams(problem, right), std::nullopt);
  auto broken = [&](auto change) {
    StreamPlan plan = right;
    change(plan);
    return checkStreams(problem, plan).has_value();
  };
  EXPECT_TRUE(broken([](StreamPlan &p) { p.requests[1].offset = p.requests[0].offset; }));
  EXPECT_TRUE(broken([](StreamPlan &p) { p.requests.pop_back(); }));
  EXPECT_TRUE(broken([](StreamPlan &p) { p.requests[2].start = 0; }));
  EXPECT_TRUE(broken([](StreamPlan &p) { p.areaBytes = 64; }));
  EXPECT_TRUE(broken([](StreamPlan &p) { p.resident[0] = 1; }));
  EXPECT_TRUE(broken([](StreamPlan &p) { p.requests[1].start = 2; }));
}

TEST(StreamPlannerProperty, PlansAreRightAndTheMinimumIsReached) {
  std::mt19937_64 random(5);
  int streamed = 0;
  for (int i = 0; i < 2000; ++i) {
    StreamProblem problem = randomProblem(random);
    StreamPlan plan = planStreams(problem);
    ASSERT_EQ(plan.fits, problem.limit >= plan.minimumBytes) << i;
    if (plan.fits)
      ASSERT_EQ(checkStreams(problem, plan), std::nullopt) << i;
    streamed += plan.fits && plan.streamedBytes > 0;
    problem.limit = plan.minimumBytes;
    StreamPlan least = planStreams(problem);
    ASSERT_TRUE(least.fits);
    ASSERT_EQ(checkStreams(problem, least), std::nullopt);
    // A larger limit never reads more.
    problem.limit = plan.minimumBytes + 100000;
    EXPECT_EQ(planStreams(problem).streamedBytes, 0);
  }
  EXPECT_GT(streamed, 100);
}
