// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bessemer/Algorithms/MemoryPlanner.h"
#include "PlanTestUtils.h"
#include "bessemer/Algorithms/MemoryPlanChecker.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

using namespace bessemer;
using namespace bessemer::plantest;

namespace {

PlanBuffer makeBuffer(int64_t lower, int64_t upper, int64_t size, int64_t alignment = 1) {
  PlanBuffer buffer;
  buffer.lower = lower;
  buffer.upper = upper;
  buffer.size = size;
  buffer.alignment = alignment;
  return buffer;
}

int64_t pick(int64_t from, int64_t to) { return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange(from, to)); }

std::vector<PlanBuffer> smallInstance() {
  std::vector<PlanBuffer> buffers;
  int64_t count = pick(1, 7);
  for (int64_t i = 0; i < count; ++i) {
    int64_t lower = pick(0, 7), upper = lower + pick(1, 6);
    PlanBuffer buffer = makeBuffer(lower, upper, pick(1, 9));
    if (pick(0, 4) == 0)
      buffer.alignment = pick(1, 5);
    if (upper - lower > 2 && pick(0, 4) == 0)
      buffer.gaps.push_back({lower + 1, upper - 1});
    buffers.push_back(buffer);
  }
  return buffers;
}

SearchBudget nodesOnly(uint64_t nodes) {
  SearchBudget budget;
  budget.seconds = 600;
  budget.maxNodes = nodes;
  return budget;
}

TEST(MemoryPlanner, ReusesDeadBytes) {
  std::vector<PlanBuffer> buffers{makeBuffer(0, 2, 4), makeBuffer(1, 3, 2), makeBuffer(2, 4, 4)};
  MemoryPlanResult result = planMemory(buffers, {});
  EXPECT_EQ(result.status, MemoryPlanResult::Status::Planned);
  EXPECT_EQ(result.plan.peak, 6);
  EXPECT_TRUE(result.optimal);
  EXPECT_EQ(result.plan.offsets[0], result.plan.offsets[2]);
}

TEST(MemoryPlanner, AcceptsNoBuffersAndEmptyBuffers) {
  EXPECT_EQ(planMemory({}, {}).plan.peak, 0);
  std::vector<PlanBuffer> buffers{makeBuffer(0, 5, 0), makeBuffer(0, 5, 3)};
  EXPECT_EQ(planMemory(buffers, {}).plan.peak, 3);
}

TEST(MemoryPlanner, RefusesInvalidBuffers) {
  auto messageFor = [](PlanBuffer buffer) {
    MemoryPlanResult result = planMemory(std::vector{buffer}, {});
    EXPECT_EQ(result.status, MemoryPlanResult::Status::InvalidBuffers);
    return result.message;
  };
  EXPECT_EQ(messageFor(makeBuffer(0, 1, -4)), "buffer 0: expected a size of at least 0, got -4");
  EXPECT_EQ(messageFor(makeBuffer(3, 3, 4)), "buffer 0: expected lower < upper, got 3 and 3");
  EXPECT_EQ(messageFor(makeBuffer(0, 1, 4, 0)), "buffer 0: expected an alignment of at least 1, got 0");
  EXPECT_NE(messageFor(makeBuffer(0, 1, INT64_MAX)), "");
  PlanBuffer fixed = makeBuffer(0, 1, 4, 8);
  fixed.fixedOffset = 4;
  EXPECT_NE(messageFor(fixed), "");
  PlanBuffer gap = makeBuffer(0, 9, 4);
  gap.gaps = {{4, 6}, {5, 7}};
  EXPECT_NE(messageFor(gap), "");
}

TEST(MemoryPlanner, KeepsFixedOffsets) {
  std::vector<PlanBuffer> buffers{makeBuffer(0, 4, 4), makeBuffer(0, 4, 4), makeBuffer(0, 4, 2)};
  buffers[1].fixedOffset = 2;
  MemoryPlanResult result = planMemory(buffers, {});
  EXPECT_EQ(result.status, MemoryPlanResult::Status::Planned);
  EXPECT_EQ(result.plan.offsets, (std::vector<int64_t>{6, 2, 0}));
  EXPECT_EQ(result.plan.peak, 10);
}

TEST(MemoryPlanner, ReportsFixedOffsetsThatCollide) {
  std::vector<PlanBuffer> buffers{makeBuffer(0, 4, 4), makeBuffer(3, 5, 4)};
  buffers[0].fixedOffset = 0;
  buffers[1].fixedOffset = 2;
  EXPECT_EQ(planMemory(buffers, {}).status, MemoryPlanResult::Status::Impossible);
}

TEST(MemoryPlanner, PutsOthersIntoGaps) {
  std::vector<PlanBuffer> buffers{makeBuffer(0, 10, 8), makeBuffer(3, 6, 8)};
  buffers[0].gaps = {{2, 7}};
  EXPECT_EQ(planMemory(buffers, {}).plan.peak, 8);
}

// Where the largest live sum cannot be reached, only the search can tell.
TEST(MemoryPlanner, ProvesThatACapacityIsImpossible) {
  int proved = 0;
  for (uint64_t seed = 0; proved < 20; ++seed) {
    ASSERT_LT(seed, 2000u);
    std::mt19937_64 random(seed);
    std::vector<PlanBuffer> buffers;
    for (int i = 0; i < 6; ++i) {
      int64_t lower = int64_t(random() % 6);
      buffers.push_back(
          makeBuffer(lower, lower + 1 + int64_t(random() % 4), 1 + int64_t(random() % 6), 1 + int64_t(random() % 2)));
    }
    int64_t bound = peakLowerBound(buffers), best = exhaustivePeak(buffers);
    ASSERT_LE(bound, best);
    if (bound == best)
      continue;
    ++proved;
    MemoryPlannerOptions options;
    options.capacity = best - 1;
    MemoryPlanResult result = planMemory(buffers, options);
    EXPECT_EQ(result.status, MemoryPlanResult::Status::Impossible);
    EXPECT_EQ(result.lowerBound, best);
    options.capacity = best;
    EXPECT_EQ(planMemory(buffers, options).status, MemoryPlanResult::Status::Planned);
  }
}

TEST(MemoryPlanner, SameSeedGivesSamePlan) {
  std::vector<PlanBuffer> buffers = cutRectangle(80, 100, 4096, 5);
  SearchOutcome first = searchPlan(buffers, 4096, nodesOnly(20000000));
  SearchOutcome second = searchPlan(buffers, 4096, nodesOnly(20000000));
  ASSERT_EQ(first.status, SearchStatus::Found);
  EXPECT_EQ(first.plan.offsets, second.plan.offsets);
}

class HardInstance : public ::testing::TestWithParam<std::pair<int, int>> {};

// Dense to the last byte: only the search finds these.
TEST_P(HardInstance, IsSolvedAtFullDensity) {
  auto [pieces, seed] = GetParam();
  std::vector<PlanBuffer> buffers = cutRectangle(size_t(pieces), 4 * pieces, 1024, uint64_t(seed));
  ASSERT_EQ(peakLowerBound(buffers), 1024);
  SearchBudget budget;
  budget.seconds = 300;
  budget.threads = 2;
  SearchOutcome outcome = searchPlan(buffers, 1024, budget);
  ASSERT_EQ(outcome.status, SearchStatus::Found);
  EXPECT_EQ(checkPlan(buffers, outcome.plan, 1024), std::nullopt);
}

INSTANTIATE_TEST_SUITE_P(CutRectangles, HardInstance,
                         ::testing::Values(std::pair(40, 1), std::pair(80, 2), std::pair(150, 3), std::pair(250, 1),
                                           // as many as the largest published one
                                           std::pair(454, 2)));

/// As many buffers as the published instances F to K, sizes up to the capacity of
/// those, and no byte to spare. With `loose`, buffers are left out until 94 % of it are
/// live at the peak, as in J.
class PublishedSize : public ::testing::TestWithParam<int> {};

TEST_P(PublishedSize, IsSolvedForManySeeds) {
  constexpr int64_t capacity = 1048576;
  for (uint64_t seed = 2; seed < 5; ++seed)
    for (bool loose : {false, true}) {
      std::vector<PlanBuffer> buffers = cutRectangle(size_t(GetParam()), 4 * GetParam(), capacity, seed);
      while (loose && peakLowerBound(buffers) > capacity / 100 * 94)
        buffers.pop_back();
      SearchBudget budget;
      budget.seconds = 300;
      budget.threads = 2;
      SearchOutcome outcome = searchPlan(buffers, capacity, budget);
      ASSERT_EQ(outcome.status, SearchStatus::Found) << seed;
      EXPECT_EQ(checkPlan(buffers, outcome.plan, capacity), std::nullopt);
    }
}

INSTANTIATE_TEST_SUITE_P(CutRectangles, PublishedSize, ::testing::Values(296, 308, 316, 374, 409, 454));

// As many buffers as the largest published one, and no byte to spare anywhere.
TEST(MemoryPlanner, FindsTheLargestDenseInstancesOfManySeeds) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    std::vector<PlanBuffer> buffers = cutRectangle(454, 4 * 454, 1048576, seed);
    SearchBudget budget;
    budget.seconds = 300;
    budget.threads = 2;
    SearchOutcome outcome = searchPlan(buffers, 1048576, budget);
    ASSERT_EQ(outcome.status, SearchStatus::Found) << seed;
    EXPECT_EQ(checkPlan(buffers, outcome.plan, 1048576), std::nullopt);
  }
}

TEST(MemoryPlannerProperty, GreedyPlansAreValid) {
  EXPECT_TRUE(rc::check([] {
    std::vector<PlanBuffer> buffers = smallInstance();
    GreedyResult greedy = planGreedy(buffers);
    RC_ASSERT(greedy.valid);
    RC_ASSERT(checkPlan(buffers, greedy.plan) == std::nullopt);
    RC_ASSERT(greedy.plan.peak >= peakLowerBound(buffers));
  }));
}

TEST(MemoryPlannerProperty, FindsTheOptimumOfSmallInstances) {
  EXPECT_TRUE(rc::check([] {
    std::vector<PlanBuffer> buffers = smallInstance();
    int64_t best = exhaustivePeak(buffers);
    SearchOutcome fits = searchPlan(buffers, best, nodesOnly(1000000));
    RC_ASSERT(fits.status == SearchStatus::Found);
    RC_ASSERT(checkPlan(buffers, fits.plan, best) == std::nullopt);
    SearchOutcome tooSmall = searchPlan(buffers, best - 1, nodesOnly(1000000));
    RC_ASSERT(tooSmall.status == SearchStatus::Impossible);
  }));
}

TEST(MemoryPlannerProperty, FixedOffsetsOfAPlanStayPlannable) {
  EXPECT_TRUE(rc::check([] {
    std::vector<PlanBuffer> buffers = smallInstance();
    MemoryPlanResult free = planMemory(buffers, {});
    for (size_t i = 0; i < buffers.size(); ++i)
      if (pick(0, 2))
        buffers[i].fixedOffset = free.plan.offsets[i];
    SearchOutcome again = searchPlan(buffers, free.plan.peak, nodesOnly(1000000));
    RC_ASSERT(again.status == SearchStatus::Found);
    RC_ASSERT(checkPlan(buffers, again.plan, free.plan.peak) == std::nullopt);
  }));
}

TEST(MemoryPlanner, GreedyPlansThousandsOfBuffers) {
  std::mt19937_64 random(1);
  std::vector<PlanBuffer> buffers;
  for (int i = 0; i < 5000; ++i) {
    int64_t lower = i, length = 1 + int64_t(random() % 30);
    buffers.push_back(makeBuffer(lower, lower + length, int64_t(random() % 4096), 64));
  }
  GreedyResult greedy = planGreedy(buffers);
  EXPECT_EQ(checkPlan(buffers, greedy.plan), std::nullopt);
  // All live together: no overlap graph is kept.
  for (PlanBuffer &buffer : buffers)
    buffer.lower = 0, buffer.upper = 6000;
  greedy = planGreedy(buffers);
  EXPECT_EQ(checkPlan(buffers, greedy.plan), std::nullopt);
}

} // namespace
