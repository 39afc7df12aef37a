// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bessemer/Algorithms/OperationOrder.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <numeric>
#include <random>

using namespace bessemer;

namespace {

OrderProblem twoBranches() {
  OrderProblem problem;
  problem.valueBytes = {8, 1, 8, 1, 1};
  problem.operations = {{{}, {0}}, {{}, {2}}, {{0}, {1}}, {{2}, {3}}, {{1, 3}, {4}}};
  problem.liveOut = {4};
  return problem;
}

/// Random operations, each reading up to three earlier values.
OrderProblem randomProblem(std::mt19937_64 &random, int operations) {
  OrderProblem problem;
  problem.valueBytes.push_back(int64_t(random() % 50)); // an input
  for (int o = 0; o < operations; ++o) {
    OrderedOperation operation;
    int known = int(problem.valueBytes.size());
    for (int r = int(random() % 4); r > 0; --r)
      operation.reads.push_back(int(random() % uint64_t(known)));
    for (int w = 1 + int(random() % 2); w > 0; --w) {
      operation.writes.push_back(int(problem.valueBytes.size()));
      problem.valueBytes.push_back(int64_t(random() % 100));
    }
    if (!operation.reads.empty() && random() % 3 == 0)
      operation.takesOver.push_back(operation.reads[0]);
    if (o > 0 && random() % 6 == 0)
      operation.after.push_back(int(random() % uint64_t(o)));
    if (random() % 5 == 0)
      operation.extraBytes = int64_t(random() % 60);
    problem.operations.push_back(operation);
  }
  problem.liveOut.push_back(int(problem.valueBytes.size()) - 1);
  return problem;
}

/// What is live while each operation runs, written down from the definition and not by steps.
int64_t plainPeak(const OrderProblem &problem, const std::vector<int> &order) {
  auto reads = [&](int o, int v) {
    const auto &list = problem.operations[o].reads;
    return std::find(list.begin(), list.end(), v) != list.end();
  };
  int64_t peak = 0;
  for (size_t at = 0; at < order.size(); ++at) {
    const OrderedOperation &now = problem.operations[order[at]];
    int64_t live = now.extraBytes, written = 0, takenOver = 0;
    for (int v = 0; v < int(problem.valueBytes.size()); ++v) {
      size_t from = order.size(), last = 0;
      bool used = std::find(problem.liveOut.begin(), problem.liveOut.end(), v) != problem.liveOut.end();
      if (used)
        last = order.size();
      for (size_t i = 0; i < order.size(); ++i) {
        const auto &writes = problem.operations[order[i]].writes;
        if (std::find(writes.begin(), writes.end(), v) != writes.end())
          from = i;
        if (reads(order[i], v) && last < order.size())
          last = i;
      }
      if (from == order.size())
        continue;
      if (from == at)
        written += problem.valueBytes[v];
      else if (from < at && last >= at) {
        live += problem.valueBytes[v];
        bool taken = std::find(now.takesOver.begin(), now.takesOver.end(), v) != now.takesOver.end();
        if (taken && last == at)
          takenOver += problem.valueBytes[v];
      }
    }
    peak = std::max(peak, live + written - std::min(written, takenOver));
  }
  return peak;
}

std::vector<int> givenOrder(const OrderProblem &problem) {
  std::vector<int> order(problem.operations.size());
  std::iota(order.begin(), order.end(), 0);
  return order;
}

} // namespace

TEST(OperationOrder, RunsOneBranchAfterTheOther) {
  OrderProblem problem = twoBranches();
  OrderResult result = orderOperations(problem, {});
  EXPECT_EQ(result.givenPeak, 17);
  EXPECT_EQ(result.peak, 10);
  EXPECT_TRUE(result.optimal);
  EXPECT_EQ(checkOrder(problem, result.order), std::nullopt);
}

TEST(OperationOrder, KeepsWhatMustComeBefore) {
  OrderProblem problem = twoBranches();
  problem.operations[2].after = {1}; // the first branch waits for the second
  problem.operations[3].after = {2};
  OrderResult result = orderOperations(problem, {});
  EXPECT_EQ(checkOrder(problem, result.order), std::nullopt);
  EXPECT_EQ(result.peak, 17);
}

TEST(OperationOrder, KeepsTheGivenOrderWhenNoneIsBetter) {
  OrderProblem problem;
  problem.valueBytes = {4, 4, 4};
  problem.operations = {{{}, {0}}, {{0}, {1}}, {{1}, {2}}};
  OrderResult result = orderOperations(problem, {});
  EXPECT_EQ(result.order, (std::vector<int>{0, 1, 2}));
  EXPECT_TRUE(result.optimal);
}

TEST(OperationOrder, AcceptsNoOperations) { EXPECT_EQ(orderOperations({}, {}).peak, 0); }

TEST(OperationOrder, CheckerFindsBrokenOrders) {
  OrderProblem problem = twoBranches();
  EXPECT_NE(checkOrder(problem, {0, 1, 2, 3}), std::nullopt);
  EXPECT_NE(checkOrder(problem, {0, 1, 2, 3, 3}), std::nullopt);
  EXPECT_NE(checkOrder(problem, {2, 0, 1, 3, 4}), std::nullopt);
  EXPECT_NE(checkOrder(problem, {0, 1, 2, 3, 9}), std::nullopt);
  problem.operations[0].after = {1};
  EXPECT_NE(checkOrder(problem, givenOrder(problem)), std::nullopt);
}

TEST(OperationOrder, PeakIsTheSumOfWhatIsLive) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 300; ++i) {
    OrderProblem problem = randomProblem(random, 1 + int(random() % 9));
    EXPECT_EQ(peakOfOrder(problem, givenOrder(problem)), plainPeak(problem, givenOrder(problem)));
  }
}

TEST(OperationOrder, FindsTheBestOfAllOrdersOfSmallGraphs) {
  std::mt19937_64 random(11);
  int improved = 0;
  for (int i = 0; i < 150; ++i) {
    OrderProblem problem = randomProblem(random, 2 + int(random() % 6));
    int64_t best = INT64_MAX;
    std::vector<int> order = givenOrder(problem);
    do {
      if (!checkOrder(problem, order))
        best = std::min(best, plainPeak(problem, order));
    } while (std::next_permutation(order.begin(), order.end()));
    OrderResult result = orderOperations(problem, {});
    ASSERT_EQ(checkOrder(problem, result.order), std::nullopt);
    EXPECT_EQ(result.peak, best);
    EXPECT_EQ(result.peak, plainPeak(problem, result.order));
    EXPECT_TRUE(result.optimal);
    improved += result.peak < result.givenPeak;
  }
  EXPECT_GT(improved, 20); // the instances are not all trivial
}

TEST(OperationOrder, LargeGraphsStayRight) {
  std::mt19937_64 random(3);
  OrderProblem problem = randomProblem(random, 1000);
  OrderResult result = orderOperations(problem, {});
  EXPECT_EQ(checkOrder(problem, result.order), std::nullopt);
  EXPECT_LE(result.peak, result.givenPeak);
}
