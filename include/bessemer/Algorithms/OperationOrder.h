// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The order in which the operations of a graph run, chosen so that few bytes are
// live at a time. Any order in which values are written before they are read is
// right; which one is taken decides how large the arena must be.
//
// Worked example: two branches of a big (8) and a small (1) value each.
//
//   big1 -> small1 ┐
//   big2 -> small2 ┴> sum
//
// Both big ones first: 8 + 8 + 1 = 17 bytes are live at once. One branch after
// the other: small1 + big2 + small2 = 10.
//
//   OrderProblem problem;
//   problem.valueBytes = {8, 1, 8, 1, 1};
//   problem.operations = {{{}, {0}}, {{}, {2}}, {{0}, {1}}, {{2}, {3}}, {{1, 3}, {4}}};
//   OrderResult result = orderOperations(problem, {});
//   result.order;     // {0, 2, 1, 3, 4}
//   result.peak;      // 10, and result.optimal is true
//
// The search goes through the sets of operations that have run ("downsets"),
// breadth first: how one came to a set does not matter, only the smallest peak on the way.
// (Ahn et al., Serenity, MLSys 2020.) With more sets than the budget the best
// ones go on: a beam.

#ifndef BESSEMER_ALGORITHMS_OPERATIONORDER_H
#define BESSEMER_ALGORITHMS_OPERATIONORDER_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bessemer {

struct OrderedOperation {
  std::vector<int> reads;  ///< values; each is written by another operation, or was there before
  std::vector<int> writes; ///< values; no other operation writes them
  /// Among `reads`: when they die here, their bytes become those of `writes`
  /// (an update in place, a concat whose operands are made in its result).
  std::vector<int> takesOver = {};
  std::vector<int> after = {}; ///< operations that must have run before
  int64_t extraBytes = 0;      ///< needed only while it runs
};

struct OrderProblem {
  std::vector<int64_t> valueBytes;
  std::vector<OrderedOperation> operations; ///< in an order that is right
  std::vector<int> liveOut;                 ///< values that are needed after the last operation
};

struct OrderBudget {
  /// Sets of operations kept for each number of operations that have run.
  size_t beam = 256;
  /// Operations tried in all: an equal share for each number of operations that
  /// have run, but at least all that can follow the best set.
  size_t maxSteps = 400'000;
};

struct OrderResult {
  std::vector<int> order;
  int64_t peak = 0;
  int64_t givenPeak = 0; ///< of the order 0, 1, 2, ...
  bool optimal = false;  ///< no order has a smaller peak
};

/// The best order found; the given one when none is better. The problem must be
/// valid (`checkOrder` of 0, 1, 2, ... finds nothing).
OrderResult orderOperations(const OrderProblem &problem, const OrderBudget &budget);

/// The largest number of bytes live at a time. Values that nobody writes count nothing.
int64_t peakOfOrder(const OrderProblem &problem, const std::vector<int> &order);

/// What is wrong with the order, or nullopt: every operation once, after what it reads and what it names.
std::optional<std::string> checkOrder(const OrderProblem &problem, const std::vector<int> &order);

} // namespace bessemer

#endif // BESSEMER_ALGORITHMS_OPERATIONORDER_H
