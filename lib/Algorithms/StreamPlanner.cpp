// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bessemer/Algorithms/StreamPlanner.h"
#include "bessemer/Algorithms/MemoryPlanner.h"

#include <algorithm>
#include <numeric>

namespace bessemer {

namespace {

int64_t rounded(int64_t bytes) { return (bytes + streamAlignment - 1) / streamAlignment * streamAlignment; }

class Planner {
public:
  explicit Planner(const StreamProblem &problem) : problem(problem) {}

  StreamPlan run() {
    StreamPlan plan = minimum();
    int64_t all = 0;
    for (int64_t bytes : problem.unitBytes)
      all += rounded(bytes);
    std::vector<char> everything(problem.unitBytes.size(), 1);
    if (problem.fixedBytes + all <= problem.limit)
      return finish(plan, everything, true);
    // Reading ahead first: it hides what the other does not.
    for (bool ahead : {true, false}) {
      std::vector<char> resident(problem.unitBytes.size(), 0);
      if (total(resident, ahead) > problem.limit)
        continue;
      fill(resident, ahead);
      return finish(plan, resident, ahead);
    }
    return plan;
  }

private:
  /// Everything is read when it is needed.
  StreamPlan minimum() {
    StreamPlan plan;
    std::vector<char> none(problem.unitBytes.size(), 0);
    plan.minimumBytes = total(none, false);
    int64_t largest = 0;
    for (const StreamProblem::Use &use : problem.uses)
      if (problem.unitBytes[use.unit] > largest) {
        largest = problem.unitBytes[use.unit];
        plan.largestUnit = use.unit;
      }
    return plan;
  }

  /// Units that stay save what they would be read for, byte for byte: the
  /// largest first, as they also make the area smaller; then whatever still fits.
  void fill(std::vector<char> &resident, bool ahead) {
    std::vector<int> order(problem.unitBytes.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](int a, int b) {
      return problem.unitBytes[a] != problem.unitBytes[b] ? problem.unitBytes[a] > problem.unitBytes[b] : a < b;
    });
    for (int unit : order) {
      resident[unit] = 1;
      if (total(resident, ahead) > problem.limit)
        resident[unit] = 0;
    }
  }

  int64_t total(const std::vector<char> &resident, bool ahead) {
    int64_t sum = problem.fixedBytes, area = 0;
    for (size_t u = 0; u < resident.size(); ++u)
      sum += resident[u] ? rounded(problem.unitBytes[u]) : 0;
    requests(resident, ahead, area);
    return sum + area;
  }

  StreamPlan finish(StreamPlan plan, const std::vector<char> &resident, bool ahead) {
    plan.fits = true;
    plan.resident = resident;
    plan.requests = requests(resident, ahead, plan.areaBytes);
    plan.readsAhead = ahead && !plan.requests.empty();
    for (size_t u = 0; u < resident.size(); ++u)
      plan.residentBytes += resident[u] ? rounded(problem.unitBytes[u]) : 0;
    for (const StreamRequest &request : plan.requests)
      plan.streamedBytes += problem.unitBytes[request.unit];
    plan.totalBytes = problem.fixedBytes + plan.residentBytes + plan.areaBytes;
    return plan;
  }

  /// A reading for each run of uses that no other streamed unit interrupts.
  std::vector<StreamRequest> requests(const std::vector<char> &resident, bool ahead, int64_t &area) {
    std::vector<StreamRequest> list;
    std::vector<int> open(problem.unitBytes.size(), -1); // the unit's newest request
    int64_t newest = -1;                                 // largest first step so far
    for (const StreamProblem::Use &use : problem.uses) {
      if (resident[use.unit])
        continue;
      int &mine = open[use.unit];
      // Nothing else began since, or began in this very step.
      if (mine >= 0 && (list[mine].first == newest || list[mine].last == use.step)) {
        list[mine].last = use.step;
        continue;
      }
      mine = int(list.size());
      list.push_back({use.unit, use.step, use.step, use.step, 0});
      newest = use.step;
    }
    if (ahead) {
      int64_t before = 0, current = -1; // first steps of the group before, and of this one
      for (StreamRequest &request : list) {
        if (request.first != current) {
          before = std::max<int64_t>(current, 0);
          current = request.first;
        }
        request.start = std::min(before, request.first);
      }
    }
    std::vector<PlanBuffer> buffers;
    for (const StreamRequest &request : list) {
      PlanBuffer buffer;
      buffer.lower = request.start;
      buffer.upper = request.last + 1;
      buffer.size = rounded(problem.unitBytes[request.unit]);
      buffer.alignment = streamAlignment;
      buffers.push_back(std::move(buffer));
    }
    MemoryPlan plan = planGreedy(buffers, /*maxOrders=*/2).plan;
    for (size_t i = 0; i < list.size(); ++i)
      list[i].offset = plan.offsets[i];
    area = plan.peak;
    return list;
  }

  const StreamProblem &problem;
};

} // namespace

StreamPlan planStreams(const StreamProblem &problem) { return Planner(problem).run(); }

std::optional<std::string> checkStreams(const StreamProblem &problem, const StreamPlan &plan) {
  auto text = [](auto number) { return std::to_string(number); };
  size_t units = problem.unitBytes.size();
  if (plan.resident.size() != units)
    return "expected a decision for each of " + text(units) + " units, got " + text(plan.resident.size());
  int64_t resident = 0, streamed = 0;
  for (size_t u = 0; u < units; ++u)
    resident += plan.resident[u] ? rounded(problem.unitBytes[u]) : 0;
  for (size_t i = 0; i < plan.requests.size(); ++i) {
    const StreamRequest &a = plan.requests[i];
    if (a.unit < 0 || size_t(a.unit) >= units)
      return "request " + text(i) + ": expected a unit, got " + text(a.unit);
    if (a.start > a.first || a.first > a.last)
      return "request " + text(i) + ": expected start, first and last step in order";
    if (i > 0 && (a.start < plan.requests[i - 1].start || a.first < plan.requests[i - 1].first))
      return "request " + text(i) + " begins before the one in front of it";
    if (a.offset < 0 || a.offset % streamAlignment || a.offset + problem.unitBytes[a.unit] > plan.areaBytes)
      return "request " + text(i) + ": expected a place in the area of " + text(plan.areaBytes) + " bytes, got " +
             text(a.offset);
    streamed += problem.unitBytes[a.unit];
    for (size_t j = 0; j < i; ++j) {
      const StreamRequest &b = plan.requests[j];
      bool together = a.start <= b.last && b.start <= a.last;
      if (together && a.offset < b.offset + problem.unitBytes[b.unit] &&
          b.offset < a.offset + problem.unitBytes[a.unit])
        return "requests " + text(j) + " and " + text(i) + " share bytes of the area at the same time";
    }
  }
  for (const StreamProblem::Use &use : problem.uses) {
    bool there = plan.resident[use.unit];
    for (const StreamRequest &request : plan.requests)
      there |= request.unit == use.unit && request.first <= use.step && use.step <= request.last;
    if (!there)
      return "step " + text(use.step) + " does not find unit " + text(use.unit);
  }
  if (plan.residentBytes != resident || plan.streamedBytes != streamed ||
      plan.totalBytes != problem.fixedBytes + resident + plan.areaBytes)
    return "the sums of the plan are wrong";
  if (plan.totalBytes > problem.limit)
    return "expected at most " + text(problem.limit) + " bytes, got " + text(plan.totalBytes);
  return std::nullopt;
}

} // namespace bessemer
