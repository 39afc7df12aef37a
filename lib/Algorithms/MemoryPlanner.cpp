// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bessemer/Algorithms/MemoryPlanner.h"
#include "bessemer/Algorithms/MemoryPlanChecker.h"

#include <algorithm>
#include <chrono>

namespace bessemer {

namespace {

double secondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

class Minimizer {
public:
  Minimizer(std::span<const PlanBuffer> buffers, const SearchBudget &budget, MemoryPlanResult &result, bool havePlan)
      : buffers(buffers), budget(budget), result(result), havePlan(havePlan) {}

  /// First the lower bound itself, which most models reach; then halfway
  /// between what is known and what was not found in its share of the budget.
  void run() {
    int64_t notFound = result.lowerBound;
    attempt(result.lowerBound, 0.4);
    while (havePlan && result.plan.peak > result.lowerBound && !isSpent()) {
      // Below a thousandth, the bytes are not worth the time.
      int64_t room = result.plan.peak - std::max(notFound, result.lowerBound);
      if (room <= result.plan.peak / 1000)
        break;
      int64_t target = result.plan.peak - std::max<int64_t>(room / 2, 1);
      if (attempt(target, 0.3) == SearchStatus::BudgetSpent)
        notFound = target;
    }
  }

  /// The capacity asked for; in between the lower bound, as a dense plan can be
  /// easier to find than a loose one: less room, stronger inference.
  void reach(int64_t goal) {
    if (attempt(goal, 0.25) != SearchStatus::BudgetSpent)
      return;
    if (goal > result.lowerBound && attempt(result.lowerBound, 0.3) == SearchStatus::Found)
      return;
    ++budget.seed; // other orders than in the first attempt
    attempt(goal, 1.0);
  }

  SearchStatus attempt(int64_t capacity, double share) {
    SearchBudget slice = budget;
    double left = std::max(budget.seconds - secondsSince(start), 0.0);
    slice.seconds = left * share;
    if (budget.maxNodes != UINT64_MAX)
      slice.maxNodes = static_cast<uint64_t>(static_cast<double>(budget.maxNodes - result.nodes) * share);
    SearchOutcome outcome = searchPlan(buffers, capacity, slice);
    result.nodes += outcome.nodes;
    if (outcome.status == SearchStatus::Found) {
      result.plan = std::move(outcome.plan);
      result.message = "complete search";
      havePlan = true;
    } else if (outcome.status == SearchStatus::Impossible) {
      result.lowerBound = std::max(result.lowerBound, capacity + 1);
    }
    return outcome.status;
  }

  bool hasPlan() const { return havePlan; }

private:
  bool isSpent() const {
    return secondsSince(start) > 0.95 * budget.seconds || result.nodes >= budget.maxNodes - budget.maxNodes / 20;
  }

  std::span<const PlanBuffer> buffers;
  SearchBudget budget;
  MemoryPlanResult &result;
  bool havePlan;
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
};

} // namespace

MemoryPlanResult planMemory(std::span<const PlanBuffer> buffers, const MemoryPlannerOptions &options) {
  using Status = MemoryPlanResult::Status;
  MemoryPlanResult result;
  if (std::optional<std::string> error = validateBuffers(buffers)) {
    result.status = Status::InvalidBuffers;
    result.message = *error;
    return result;
  }
  result.lowerBound = peakLowerBound(buffers);
  GreedyResult greedy = planGreedy(buffers);
  result.plan = std::move(greedy.plan);
  result.message = std::string("greedy, ") + greedy.order;

  Minimizer search(buffers, options.budget, result, greedy.valid);
  int64_t goal = options.capacity.value_or(result.lowerBound);
  if ((!greedy.valid || result.plan.peak > goal) && buffers.size() <= options.maxSearchedBuffers) {
    if (!options.capacity)
      search.run();
    else if (goal >= result.lowerBound)
      search.reach(goal);
  }

  result.optimal = search.hasPlan() && result.plan.peak == result.lowerBound;
  if (!search.hasPlan()) {
    // Fixed offsets that collide have no plan at any capacity.
    result.status = result.lowerBound > goal ? Status::Impossible : Status::NotFound;
    result.message = "no plan was found that honours the fixed offsets";
  } else if (std::optional<std::string> error = checkPlan(buffers, result.plan)) {
    result.status = Status::NotFound;
    result.message = "the planner made a wrong plan: " + *error;
  } else if (options.capacity && result.lowerBound > *options.capacity) {
    result.status = Status::Impossible;
    result.message = "no plan fits " + std::to_string(*options.capacity) + " bytes: at least " +
                     std::to_string(result.lowerBound) + " are needed";
  } else if (options.capacity && result.plan.peak > *options.capacity) {
    result.status = Status::NotFound;
    result.message = "no plan within " + std::to_string(*options.capacity) +
                     " bytes was found in the time given; the best one found takes " + std::to_string(result.plan.peak);
  }
  return result;
}

} // namespace bessemer
