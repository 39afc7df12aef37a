// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Restarts around OffsetSearch. The time that one search takes depends on its
// order with a heavy tail: short dives with many orders find a plan sooner than
// one long dive. Orders are random mixtures of what makes a buffer hard to
// place, and of where the dives before have failed. Limits grow, so that each
// instance is decided in the end.

#include "OffsetSearch.h"
#include "bessemer/Algorithms/MemoryPlanner.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <numeric>
#include <random>
#include <thread>

namespace bessemer {

namespace {

using Clock = std::chrono::steady_clock;

/// Buffers of one independent part: it shares no time with the others.
struct IndependentPart {
  SectionedBuffers problem;
  std::vector<size_t> original; // position in the caller's list
};

/// The maximal sets of buffers live together: at each start that an end follows.
std::vector<int64_t> sectionTimes(std::span<const PlanBuffer> buffers, std::span<const size_t> used) {
  std::vector<std::pair<int64_t, bool>> events; // time, is start
  for (size_t b : used)
    for (const TimeInterval &live : liveIntervals(buffers[b])) {
      events.push_back({live.lower, true});
      events.push_back({live.upper, false});
    }
  std::sort(events.begin(), events.end());
  std::vector<int64_t> times;
  for (size_t i = 0; i + 1 < events.size(); ++i)
    if (events[i].second && !events[i + 1].second)
      times.push_back(events[i].first);
  return times;
}

IndependentPart makePart(std::span<const PlanBuffer> buffers, std::vector<size_t> members, int64_t capacity) {
  int64_t unit = 0;
  for (size_t b : members) {
    unit = std::gcd(unit, buffers[b].size);
    // An alignment of one is met by any multiple of the unit.
    if (buffers[b].alignment > 1)
      unit = std::gcd(unit, buffers[b].alignment);
    unit = std::gcd(unit, buffers[b].fixedOffset.value_or(0));
  }
  IndependentPart part;
  part.problem.capacity = capacity / unit;
  std::vector<int64_t> times = sectionTimes(buffers, members);
  auto sectionOf = [&](int64_t time) {
    return static_cast<int>(std::lower_bound(times.begin(), times.end(), time) - times.begin());
  };
  part.problem.sections = static_cast<int>(times.size());
  for (size_t b : members) {
    const PlanBuffer &buffer = buffers[b];
    part.problem.sizes.push_back(buffer.size / unit);
    part.problem.alignments.push_back(std::max<int64_t>(buffer.alignment / unit, 1));
    part.problem.fixed.push_back(buffer.fixedOffset ? *buffer.fixedOffset / unit : -1);
    std::vector<SectionedBuffers::Range> ranges;
    for (const TimeInterval &live : liveIntervals(buffer)) {
      int begin = sectionOf(live.lower), end = sectionOf(live.upper);
      if (!ranges.empty() && ranges.back().end == begin)
        ranges.back().end = end;
      else
        ranges.push_back({begin, end});
    }
    part.problem.ranges.push_back(std::move(ranges));
    part.problem.durations.push_back(buffer.upper - buffer.lower);
  }
  part.original = std::move(members);
  return part;
}

std::vector<IndependentPart> splitParts(std::span<const PlanBuffer> buffers, int64_t capacity) {
  std::vector<size_t> byStart;
  for (size_t b = 0; b < buffers.size(); ++b)
    if (buffers[b].size > 0 && !liveIntervals(buffers[b]).empty())
      byStart.push_back(b);
  std::sort(byStart.begin(), byStart.end(), [&](size_t a, size_t b) {
    return buffers[a].lower != buffers[b].lower ? buffers[a].lower < buffers[b].lower : a < b;
  });
  std::vector<IndependentPart> parts;
  std::vector<size_t> members;
  int64_t end = 0;
  for (size_t b : byStart) {
    if (!members.empty() && buffers[b].lower >= end)
      parts.push_back(makePart(buffers, std::move(members), capacity)), members = {};
    end = members.empty() ? buffers[b].upper : std::max(end, buffers[b].upper);
    members.push_back(b);
  }
  if (!members.empty())
    parts.push_back(makePart(buffers, std::move(members), capacity));
  // The hardest last: the others cost little, and may fail.
  std::sort(parts.begin(), parts.end(), [](const auto &a, const auto &b) {
    return a.original.size() != b.original.size() ? a.original.size() < b.original.size() : a.original < b.original;
  });
  return parts;
}

/// What makes a buffer hard to place, each scaled to [0, 1].
struct Features {
  std::vector<double> contention, width, area, size, start;
};

void scaleToOne(std::vector<double> &values) {
  double largest = 0;
  for (double value : values)
    largest = std::max(largest, value);
  if (largest > 0)
    for (double &value : values)
      value /= largest;
}

Features featuresOf(const SectionedBuffers &problem) {
  std::vector<double> totals(problem.sections, 0);
  for (int b = 0; b < problem.count(); ++b)
    for (const auto &range : problem.ranges[b])
      for (int s = range.begin; s < range.end; ++s)
        totals[s] += static_cast<double>(problem.sizes[b]);
  Features features;
  for (int b = 0; b < problem.count(); ++b) {
    double most = 0, width = 0;
    for (const auto &range : problem.ranges[b]) {
      width += range.end - range.begin;
      for (int s = range.begin; s < range.end; ++s)
        most = std::max(most, totals[s]);
    }
    double size = static_cast<double>(problem.sizes[b]);
    features.contention.push_back(most);
    features.width.push_back(std::log1p(width));
    features.area.push_back(std::log1p(width * size));
    features.size.push_back(std::log1p(size));
    features.start.push_back(problem.ranges[b].front().begin);
  }
  scaleToOne(features.contention);
  scaleToOne(features.width);
  scaleToOne(features.area);
  scaleToOne(features.size);
  scaleToOne(features.start);
  return features;
}

/// Deterministic on every platform, which std::uniform_real_distribution is
/// not.
double uniform(std::mt19937_64 &random) { return static_cast<double>(random() >> 11) * 0x1.0p-53; }

std::vector<int> randomOrder(const SectionedBuffers &problem, const Features &features,
                             const std::vector<double> &failures, std::mt19937_64 &random) {
  auto weight = [&](double chance) {
    double value = uniform(random);
    return uniform(random) < chance ? value : 0.0;
  };
  double contention = weight(2. / 3), width = weight(2. / 3), area = weight(2. / 3), size = weight(2. / 3),
         failed = weight(1), start = (2 * uniform(random) - 1) * (uniform(random) < 0.5), noise = 0.2 * uniform(random);
  double mostFailures = 1e-9;
  for (double count : failures)
    mostFailures = std::max(mostFailures, count);
  std::vector<double> key(problem.count());
  for (int b = 0; b < problem.count(); ++b) {
    double worst = 0;
    for (const auto &range : problem.ranges[b])
      for (int s = range.begin; s < range.end; ++s)
        worst = std::max(worst, failures[s]);
    key[b] = contention * features.contention[b] + width * features.width[b] + area * features.area[b] +
             size * features.size[b] + failed * worst / mostFailures + start * features.start[b] +
             noise * uniform(random);
  }
  std::vector<int> order(problem.count());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int a, int b) { return key[a] != key[b] ? key[a] > key[b] : a < b; });
  return order;
}

/// Orders that published solvers start from: long-lived, large or contended
/// buffers first. They decide many instances outright, and need the long dives
/// that random orders do not.
std::vector<std::vector<int>> fixedOrders(const SectionedBuffers &problem, const Features &features) {
  using Keys = std::array<const std::vector<double> *, 3>;
  Features f = features;
  for (int b = 0; b < problem.count(); ++b) {
    f.width[b] = double(problem.durations[b]);
    f.area[b] = f.width[b] * double(problem.sizes[b]);
  }
  const Keys keys[] = {
      {&f.width, &f.area, &f.contention}, {&f.contention, &f.area, &f.width}, {&f.contention, &f.width, &f.area}};
  std::vector<std::vector<int>> orders;
  for (const Keys &by : keys) {
    std::vector<int> order(problem.count());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](int a, int b) {
      for (const std::vector<double> *key : by)
        if ((*key)[a] != (*key)[b])
          return (*key)[a] > (*key)[b];
      return a < b;
    });
    orders.push_back(std::move(order));
  }
  return orders;
}

/// Restarts until one dive decides, `control.stop`, or the node limit.
DiveResult restartDives(const SectionedBuffers &problem, uint64_t seed, uint64_t maxNodes, DiveControl &control,
                        std::vector<int64_t> &offsets) {
  // Where the dives before have failed; or, every third time, where fewest fit.
  constexpr std::array<double, 3> evenness = {0.05, 0.1, 1e4};
  const auto count = uint64_t(problem.count());
  std::mt19937_64 random(seed);
  Features features = featuresOf(problem);
  std::vector<std::vector<int>> fixed = fixedOrders(problem, features);
  std::vector<double> failures(problem.sections, 0);
  std::unique_ptr<OffsetSearch> search = OffsetSearch::make(problem, control, failures);
  uint64_t shortDives = 0, longDives = 0, fixedDives = 0;
  uint64_t longNodes = 0, fixedNodes = 0, allNodes = 0;
  while (!control.stop && control.nodes < maxNodes) {
    // Most plans are found by a dive that hardly ever fails: it has a node for
    // each buffer. A sixth of the work goes into long dives in random order,
    // longer each time, so that the search is complete; a sixth into the fixed
    // orders.
    uint64_t *share = nullptr;
    uint64_t limit;
    DiveOrder order{{}, evenness[random() % evenness.size()]};
    if (fixedNodes * 6 <= allNodes) {
      order.order = fixed[fixedDives % fixed.size()];
      limit = 2 * count << std::min<uint64_t>(fixedDives / fixed.size(), 40);
      ++fixedDives;
      share = &fixedNodes;
    } else {
      order.order = randomOrder(problem, features, failures, random);
      if (longNodes * 6 <= allNodes) {
        limit = 4 * count << std::min<uint64_t>(longDives++ / 2, 40);
        share = &longNodes;
      } else {
        limit = (shortDives % 2 ? 4 * count + 400 : count + count / 2 + 100) * (1 + shortDives / 400);
        ++shortDives;
      }
    }
    limit = std::min(limit, maxNodes - std::min<uint64_t>(control.nodes, maxNodes));
    uint64_t before = control.nodes;
    DiveResult result = search->dive(order, limit, offsets);
    if (result != DiveResult::LimitReached)
      return result;
    uint64_t spent = control.nodes - before;
    allNodes += spent;
    if (share)
      *share += spent;
    for (double &failed : failures)
      failed *= 0.95;
  }
  return DiveResult::LimitReached;
}

/// Sets `stop` when the time is over.
class Watchdog {
public:
  Watchdog(DiveControl &control, Clock::time_point deadline)
      : thread([this, &control, deadline] {
          std::unique_lock<std::mutex> lock(mutex);
          while (!done)
            if (wake.wait_until(lock, deadline) == std::cv_status::timeout)
              break;
          control.stop = true;
        }) {}
  ~Watchdog() {
    {
      std::lock_guard<std::mutex> lock(mutex);
      done = true;
    }
    wake.notify_all();
    thread.join();
  }

private:
  std::mutex mutex;
  std::condition_variable wake;
  bool done = false;
  std::thread thread; // last: it uses the others
};

DiveResult searchPart(const SectionedBuffers &problem, const SearchBudget &budget, Clock::time_point deadline,
                      uint64_t &nodes, std::vector<int64_t> &offsets) {
  DiveControl control;
  control.nodes = nodes;
  Watchdog watchdog(control, deadline);
  unsigned threads = std::clamp(budget.threads, 1u, 64u);
  std::mutex mutex;
  DiveResult answer = DiveResult::LimitReached;
  auto work = [&](unsigned index) {
    std::vector<int64_t> mine;
    DiveResult result = restartDives(problem, budget.seed + index * 7919, budget.maxNodes, control, mine);
    if (result == DiveResult::LimitReached)
      return;
    std::lock_guard<std::mutex> lock(mutex);
    control.stop = true;
    if (answer == DiveResult::LimitReached) {
      answer = result;
      offsets = std::move(mine);
    }
  };
  std::vector<std::thread> helpers;
  for (unsigned i = 1; i < threads; ++i)
    helpers.emplace_back(work, i);
  work(0);
  for (std::thread &helper : helpers)
    helper.join();
  nodes = control.nodes;
  return answer;
}

} // namespace

SearchOutcome searchPlan(std::span<const PlanBuffer> buffers, int64_t capacity, const SearchBudget &budget) {
  SearchOutcome outcome;
  Clock::time_point deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                                  std::chrono::duration<double>(std::clamp(budget.seconds, 0.0, 1e6)));
  if (capacity < peakLowerBound(buffers)) {
    outcome.status = SearchStatus::Impossible;
    return outcome;
  }
  capacity = std::min(capacity, int64_t(1) << 62); // more than all sizes together, and sums still fit
  outcome.plan.offsets.assign(buffers.size(), 0);
  for (size_t b = 0; b < buffers.size(); ++b)
    outcome.plan.offsets[b] = buffers[b].fixedOffset.value_or(0);
  bool undecided = false;
  for (const IndependentPart &part : splitParts(buffers, capacity)) {
    std::vector<int64_t> offsets;
    DiveResult result = searchPart(part.problem, budget, deadline, outcome.nodes, offsets);
    if (result == DiveResult::Exhausted) {
      outcome.status = SearchStatus::Impossible;
      return outcome;
    }
    if (result == DiveResult::LimitReached) {
      undecided = true; // a later part may still be impossible
      continue;
    }
    int64_t unit = buffers[part.original[0]].size / part.problem.sizes[0];
    for (size_t i = 0; i < part.original.size(); ++i)
      outcome.plan.offsets[part.original[i]] = offsets[i] * unit;
  }
  if (undecided)
    return outcome;
  outcome.status = SearchStatus::Found;
  for (size_t b = 0; b < buffers.size(); ++b)
    outcome.plan.peak = std::max(outcome.plan.peak, outcome.plan.offsets[b] + buffers[b].size);
  return outcome;
}

} // namespace bessemer
