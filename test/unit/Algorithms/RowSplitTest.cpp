// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bessemer/Algorithms/RowSplit.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <random>

using namespace bessemer;

namespace {

/// x -> wide -> y, as in the header.
SplitProblem wideInTheMiddle() {
  SplitProblem problem;
  problem.values = {{8, true}, {32, true}, {8, true}};
  problem.operations = {{{}, {0}}, {{{0, true}}, {1}, 64}, {{{1, true}}, {2}, 64}};
  problem.liveOut = {2};
  return problem;
}

TEST(RowSplit, TheWideValueIsThereForOnePieceAtATime) {
  SplitProblem problem = wideInTheMiddle();
  EXPECT_EQ(peakOfSplit(problem, {}, 1), 40);
  SplitPlan plan = planRowSplit(problem, 4);
  EXPECT_EQ(plan.groups, (std::vector<std::pair<int, int>>{{1, 3}}));
  EXPECT_EQ(plan.peak, 24);
  EXPECT_EQ(peakOfSplit(problem, plan.groups, 4), 24);
}

TEST(RowSplit, ThereAreNoMorePiecesThanRows) {
  SplitProblem problem = wideInTheMiddle();
  problem.operations[1].rows = problem.operations[2].rows = 2;
  EXPECT_EQ(planRowSplit(problem, 100).peak, 8 + 8 + 16);
}

/// An attention needs all keys: they are made before the group.
TEST(RowSplit, WhatIsNeededWholeComesBeforeTheGroup) {
  SplitProblem problem;
  problem.values = {{8, true}, {8, true}, {40, true}, {40, true}, {8, true}}; // x, keys, queries, attended, y
  problem.operations = {{{}, {0}},
                        {{{0, true}}, {2}, 16},
                        {{{0, true}}, {1}, 16},
                        {{{2, true}, {1, false}}, {3}, 16},
                        {{{3, true}}, {4}, 16}};
  problem.liveOut = {4};
  EXPECT_EQ(peakOfSplit(problem, {{1, 5}}, 8), std::nullopt) << "the keys are made within";
  std::swap(problem.operations[1], problem.operations[2]);
  SplitPlan plan = planRowSplit(problem, 8);
  EXPECT_EQ(plan.groups, (std::vector<std::pair<int, int>>{{2, 5}}));
  EXPECT_EQ(plan.peak, 8 + 8 + 8 + 5 + 5);
}

TEST(RowSplit, RowsOfOneGroupAreTheSame) {
  SplitProblem problem = wideInTheMiddle();
  problem.operations[2].rows = 32;
  EXPECT_EQ(peakOfSplit(problem, {{1, 3}}, 4), std::nullopt);
  EXPECT_TRUE(planRowSplit(problem, 4).groups.empty());
}

TEST(RowSplit, MemoryOfOthersDoesNotCount) {
  SplitProblem problem = wideInTheMiddle();
  problem.values[2].counts = false;
  EXPECT_EQ(peakOfSplit(problem, {}, 1), 40);
  EXPECT_EQ(planRowSplit(problem, 4).peak, 16);
}

TEST(RowSplit, GroupsThatAreNoneAreRefused) {
  SplitProblem problem = wideInTheMiddle();
  for (const std::vector<std::pair<int, int>> &groups :
       {std::vector<std::pair<int, int>>{{0, 2}}, {{2, 1}}, {{1, 4}}, {{1, 3}, {2, 3}}})
    EXPECT_EQ(peakOfSplit(problem, groups, 4), std::nullopt);
  EXPECT_EQ(peakOfSplit(problem, {{1, 3}}, 0), std::nullopt);
}

SplitProblem randomProblem(std::mt19937_64 &random, int operations) {
  SplitProblem problem;
  problem.values.push_back({int64_t(random() % 50), random() % 2 == 0});
  for (int o = 0; o < operations; ++o) {
    SplitOperation operation;
    int known = int(problem.values.size());
    for (int r = int(random() % 3); r >= 0; --r)
      operation.reads.push_back({int(random() % uint64_t(known)), random() % 4 != 0});
    operation.writes.push_back(known);
    operation.rows = random() % 5 ? 16 : 0;
    operation.extraBytes = random() % 4 ? 0 : int64_t(random() % 30);
    problem.values.push_back({int64_t(random() % 100), random() % 6 != 0});
    problem.operations.push_back(operation);
  }
  problem.liveOut.push_back(int(problem.values.size()) - 1);
  return problem;
}

/// Every set of ranges, one after the other.
int64_t smallestPeak(const SplitProblem &problem, int64_t pieces, std::vector<std::pair<int, int>> &groups, int from) {
  int64_t best = peakOfSplit(problem, groups, pieces).value_or(INT64_MAX);
  auto count = int(problem.operations.size());
  for (int begin = from; begin < count; ++begin)
    for (int end = begin + 1; end <= count; ++end) {
      groups.emplace_back(begin, end);
      if (peakOfSplit(problem, groups, pieces))
        best = std::min(best, smallestPeak(problem, pieces, groups, end));
      groups.pop_back();
    }
  return best;
}

TEST(RowSplit, RandomProblemsAgainstEverySetOfGroups) {
  std::mt19937_64 random(7);
  int split = 0;
  for (int round = 0; round < 300; ++round) {
    SplitProblem problem = randomProblem(random, 2 + int(random() % 6));
    int64_t pieces = 2 << (random() % 3);
    SplitPlan plan = planRowSplit(problem, pieces);
    EXPECT_EQ(peakOfSplit(problem, plan.groups, pieces), plan.peak);
    std::vector<std::pair<int, int>> groups;
    EXPECT_EQ(plan.peak, smallestPeak(problem, pieces, groups, 0)) << "round " << round;
    split += !plan.groups.empty();
  }
  EXPECT_GT(split, 30);
}

} // namespace
