// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Greedy memory planning: buffers are placed one after another, each into the
// lowest (first fit) or tightest (best fit) hole between those that are placed
// already and live at the same time. The order decides; several are tried.

#include "bessemer/Algorithms/MemoryPlanner.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>

namespace bessemer {

namespace {

int64_t alignUp(int64_t value, int64_t alignment) { return (value + alignment - 1) / alignment * alignment; }

/// Pairs of buffers that are live at the same time, as adjacency lists. Left
/// empty when there are too many for run-time use; see `overlap`.
class OverlapGraph {
public:
  OverlapGraph(std::span<const PlanBuffer> buffers, size_t maxPairs) : buffers(buffers) {
    size_t n = buffers.size();
    std::vector<uint32_t> byStart(n);
    std::iota(byStart.begin(), byStart.end(), 0);
    std::sort(byStart.begin(), byStart.end(),
              [&](uint32_t a, uint32_t b) { return buffers[a].lower < buffers[b].lower; });
    std::vector<std::pair<uint32_t, uint32_t>> pairs;
    std::vector<uint32_t> live, next, degree(n + 1, 0);
    for (uint32_t b : byStart) {
      if (buffers[b].size == 0)
        continue;
      next.clear();
      for (uint32_t a : live) {
        if (buffers[a].upper <= buffers[b].lower)
          continue;
        next.push_back(a);
        if (overlap(a, b)) {
          pairs.push_back({a, b});
          ++degree[a], ++degree[b];
        }
      }
      next.push_back(b);
      live.swap(next);
      if (pairs.size() > maxPairs)
        return;
    }
    begins.assign(n + 1, 0);
    for (size_t i = 0; i < n; ++i)
      begins[i + 1] = begins[i] + degree[i];
    neighbors.resize(begins[n]);
    std::vector<uint32_t> fill(begins.begin(), begins.end() - 1);
    for (auto [a, b] : pairs) {
      neighbors[fill[a]++] = b;
      neighbors[fill[b]++] = a;
    }
  }

  bool isComplete() const { return !begins.empty(); }
  std::span<const uint32_t> of(size_t buffer) const {
    return std::span(neighbors).subspan(begins[buffer], begins[buffer + 1] - begins[buffer]);
  }

  /// Whether a and b are live at the same time, gaps considered.
  bool overlap(size_t a, size_t b) const {
    const PlanBuffer &x = buffers[a], &y = buffers[b];
    if (x.upper <= y.lower || y.upper <= x.lower)
      return false;
    if (x.gaps.empty() && y.gaps.empty())
      return true;
    for (const TimeInterval &p : liveIntervals(x))
      for (const TimeInterval &q : liveIntervals(y))
        if (p.lower < q.upper && q.lower < p.upper)
          return true;
    return false;
  }

private:
  std::span<const PlanBuffer> buffers;
  std::vector<uint32_t> begins, neighbors;
};

class Placer {
public:
  Placer(std::span<const PlanBuffer> buffers, const OverlapGraph &graph) : buffers(buffers), graph(graph) {}

  /// False when a fixed buffer collides.
  bool place(std::span<const uint32_t> order, bool bestFit, MemoryPlan &plan) {
    plan.offsets.assign(buffers.size(), 0);
    plan.peak = 0;
    placed.assign(buffers.size(), false);
    placedByOffset.clear();
    // Fixed ones first: the others work around them.
    for (uint32_t b : order)
      if (buffers[b].fixedOffset && !placeFixed(b, plan))
        return false;
    for (uint32_t b : order)
      if (!buffers[b].fixedOffset && buffers[b].size != 0)
        commit(b, findHole(b, bestFit, plan), plan);
    return true;
  }

private:
  void commit(uint32_t b, int64_t offset, MemoryPlan &plan) {
    plan.offsets[b] = offset;
    plan.peak = std::max(plan.peak, offset + buffers[b].size);
    placed[b] = true;
    if (!graph.isComplete() && buffers[b].size != 0) {
      std::pair<int64_t, uint32_t> entry{offset, b};
      placedByOffset.insert(std::upper_bound(placedByOffset.begin(), placedByOffset.end(), entry), entry);
    }
  }

  /// Placed neighbours of b as [offset, end), sorted by offset.
  void collect(uint32_t b, const MemoryPlan &plan) {
    occupied.clear();
    if (graph.isComplete()) {
      for (uint32_t other : graph.of(b))
        if (placed[other])
          occupied.push_back({plan.offsets[other], plan.offsets[other] + buffers[other].size});
      std::sort(occupied.begin(), occupied.end());
    } else {
      for (auto [offset, other] : placedByOffset)
        if (graph.overlap(b, other))
          occupied.push_back({offset, offset + buffers[other].size});
    }
  }

  bool placeFixed(uint32_t b, MemoryPlan &plan) {
    int64_t offset = *buffers[b].fixedOffset;
    collect(b, plan);
    if (buffers[b].size != 0)
      for (auto [from, to] : occupied)
        if (from < offset + buffers[b].size && offset < to)
          return false;
    commit(b, offset, plan);
    return true;
  }

  int64_t findHole(uint32_t b, bool bestFit, const MemoryPlan &plan) {
    const PlanBuffer &buffer = buffers[b];
    collect(b, plan);
    int64_t cursor = 0, best = -1;
    int64_t bestHole = std::numeric_limits<int64_t>::max();
    for (auto [from, to] : occupied) {
      int64_t hole = from - cursor;
      if (hole >= buffer.size && hole < bestHole) {
        if (!bestFit)
          return cursor;
        best = cursor;
        bestHole = hole;
      }
      if (to > cursor)
        cursor = alignUp(to, buffer.alignment);
    }
    return best >= 0 ? best : cursor;
  }

  std::span<const PlanBuffer> buffers;
  const OverlapGraph &graph;
  std::vector<char> placed;
  std::vector<std::pair<int64_t, uint32_t>> placedByOffset;
  std::vector<std::pair<int64_t, int64_t>> occupied;
};

/// For each buffer the largest sum of live bytes during its lifetime.
std::vector<int64_t> contention(std::span<const PlanBuffer> buffers) {
  std::vector<int64_t> times;
  for (const PlanBuffer &buffer : buffers)
    times.push_back(buffer.lower);
  std::sort(times.begin(), times.end());
  times.erase(std::unique(times.begin(), times.end()), times.end());
  auto indexOf = [&](int64_t time) { return std::lower_bound(times.begin(), times.end(), time) - times.begin(); };
  std::vector<int64_t> live(times.size() + 1, 0);
  for (const PlanBuffer &buffer : buffers) {
    live[indexOf(buffer.lower)] += buffer.size;
    live[indexOf(buffer.upper)] -= buffer.size;
  }
  std::partial_sum(live.begin(), live.end(), live.begin());
  // Sparse table of maxima: lifetimes may span all of time.
  std::vector<std::vector<int64_t>> table{live};
  for (size_t width = 1; 2 * width <= live.size(); width *= 2) {
    const std::vector<int64_t> &last = table.back();
    std::vector<int64_t> wider(live.size() - 2 * width + 1);
    for (size_t i = 0; i < wider.size(); ++i)
      wider[i] = std::max(last[i], last[i + width]);
    table.push_back(std::move(wider));
  }
  std::vector<int64_t> result;
  for (const PlanBuffer &buffer : buffers) {
    size_t from = indexOf(buffer.lower), to = indexOf(buffer.upper);
    size_t level = 0;
    while ((size_t(2) << level) <= to - from)
      ++level;
    result.push_back(std::max(table[level][from], table[level][to - (size_t(1) << level)]));
  }
  return result;
}

} // namespace

GreedyResult planGreedy(std::span<const PlanBuffer> buffers, size_t maxOrders) {
  size_t n = buffers.size();
  OverlapGraph graph(buffers, /*maxPairs=*/400000);
  Placer placer(buffers, graph);
  int64_t lowerBound = peakLowerBound(buffers);

  std::vector<double> area(n);
  for (size_t i = 0; i < n; ++i)
    area[i] = static_cast<double>(buffers[i].size) * static_cast<double>(buffers[i].upper - buffers[i].lower);
  std::vector<int64_t> contended = contention(buffers);

  auto size = [&](uint32_t i) { return static_cast<double>(buffers[i].size); };
  auto span = [&](uint32_t i) { return static_cast<double>(buffers[i].upper - buffers[i].lower); };
  using Key = std::pair<double, double>; // largest first
  struct Order {
    const char *name;
    bool bestFit;
    std::function<Key(uint32_t)> key;
  };
  const Order orders[] = {
      {"largest first", false, [&](uint32_t i) { return Key(size(i), span(i)); }},
      {"largest first, tightest hole", true, [&](uint32_t i) { return Key(size(i), span(i)); }},
      {"largest size times lifetime first", false, [&](uint32_t i) { return Key(area[i], size(i)); }},
      {"most contended first", false, [&](uint32_t i) { return Key(double(contended[i]), size(i)); }},
      {"longest lived first", false, [&](uint32_t i) { return Key(span(i), size(i)); }},
      {"order of start, tightest hole", true, [&](uint32_t i) { return Key(-double(buffers[i].lower), size(i)); }},
      {"most contended first, by size times lifetime", false,
       [&](uint32_t i) { return Key(double(contended[i]), area[i]); }},
  };

  GreedyResult best;
  best.valid = false;
  size_t tried = 0;
  for (const Order &order : orders) {
    // Without the graph an order costs a pass over all pairs.
    if (tried == maxOrders || (!graph.isComplete() && tried == 2))
      break;
    ++tried;
    std::vector<std::pair<Key, uint32_t>> keyed(n);
    for (uint32_t i = 0; i < n; ++i)
      keyed[i] = {order.key(i), i};
    std::sort(keyed.begin(), keyed.end(), [](const auto &a, const auto &b) {
      return a.first != b.first ? a.first > b.first : a.second < b.second;
    });
    std::vector<uint32_t> sequence(n);
    for (size_t i = 0; i < n; ++i)
      sequence[i] = keyed[i].second;
    MemoryPlan plan;
    bool valid = placer.place(sequence, order.bestFit, plan);
    if (valid && (!best.valid || plan.peak < best.plan.peak))
      best = {std::move(plan), order.name, true};
    if (best.valid && best.plan.peak <= lowerBound)
      break;
  }
  if (!best.valid)
    best.plan.offsets.assign(n, 0);
  return best;
}

} // namespace bessemer
