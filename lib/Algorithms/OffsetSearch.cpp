// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Canonical form (MiniMalloc, Moffitt, ASPLOS 2023): if a plan exists, one
// exists in which no buffer can be moved to any lower place. It is reached by
// placing buffers in order of offset, each at its floor: the highest end of
// the placed buffers that it overlaps. So a node of the search is a set of
// placed buffers, and branches on which one comes next. Inference at a node:
//
//  * dominance: if a buffer that is not placed would end at or below the offset
//    of the candidate, then it could later drop below it: not canonical;
//  * rejection: a candidate that was tried and given up will lie on top of some
//    buffer that is not placed yet, so above the lowest end of those;
//  * bounds: `bound[u]` >= floor[u] is the lowest offset that u can still have.
//    In a section whose buffers still to be placed sum up to `total`, a buffer
//    with bound > capacity - total cannot be the lowest of them. So every such
//    buffer lies above the earliest end of those that can be the lowest; if
//    there are none, the node fails. (The not-first rule of edge finding.)
//  * decomposition: what is left splits into parts that share no section;
//  * memory: a part's fate depends only on its buffers and their floors and
//    bounds; those found hopeless are remembered (128-bit keys).

#include "OffsetSearch.h"

#include <algorithm>
#include <limits>

namespace bessemer {

namespace {

/// T is int32_t where the capacity allows it: the loops over sections are what
/// the time goes into, and vectorize twice as wide.
template <typename T> class Search {
public:
  Search(const SectionedBuffers &problem, std::span<const int> order, uint64_t nodeLimit, DiveControl &control,
         std::vector<double> &failures);

  DiveResult run(std::vector<int64_t> &offsets);

private:
  using Range = SectionedBuffers::Range;
  using Part = std::vector<int>; // sorted ranks
  static constexpr T infinity = std::numeric_limits<T>::max();
  static constexpr int propagationRounds = 3;
  static constexpr size_t memorySize = size_t(1) << 16;

  /// What the outcome below a node depends on: two independent hashes.
  struct Key {
    uint64_t first = 0, second = 0;
    bool operator==(const Key &) const = default;
  };
  /// Vectors of one depth, kept to spare allocations.
  struct Frame {
    std::vector<std::pair<T, int>> candidates;
    std::vector<T> savedBounds;
    Part rest;
    std::vector<Part> parts;
  };

  DiveResult solve(const Part &part, size_t depth);
  DiveResult branch(const Part &part, size_t depth);
  bool reject(int rank, const Part &part);
  bool place(int rank, T offset, const Part &rest);
  bool propagate(const Part &rest);
  void split(Frame &frame);
  Key keyOf(const Part &part) const;
  T alignUp(T value, int u) const {
    if (align[u] == 1)
      return value;
    int64_t wide = (static_cast<int64_t>(value) + align[u] - 1) / align[u] * align[u];
    return wide > capacity ? capacity + 1 : static_cast<T>(wide);
  }
  template <typename Fn> void forSections(int u, Fn fn) const {
    for (const Range &range : ranges[u])
      fn(range.begin, range.end);
  }

  int n, sections;
  T capacity;
  std::vector<int> buffers; // rank -> buffer of the problem
  std::vector<T> size, align, fixed;
  std::vector<std::vector<Range>> ranges;
  std::vector<int> hullBegin, hullEnd;
  std::vector<std::vector<int>> neighbors;

  std::vector<T> floor, bound, offset;
  std::vector<char> placed;
  std::vector<T> latest;   // by section: capacity - total still to place
  std::vector<T> firstEnd; // by section: scratch of `propagate`
  std::vector<std::pair<int, T>> trail;
  std::vector<Frame> frames;
  std::vector<Key> hopeless;

  uint64_t nodes = 0, nodeLimit;
  DiveControl &control;
  std::vector<double> &failures;
};

uint64_t mix(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ull;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

template <typename T>
Search<T>::Search(const SectionedBuffers &problem, std::span<const int> order, uint64_t nodeLimit, DiveControl &control,
                  std::vector<double> &failures)
    : n(problem.count()), sections(problem.sections), capacity(static_cast<T>(problem.capacity)),
      buffers(order.begin(), order.end()), size(n), align(n), fixed(n), ranges(n), hullBegin(n), hullEnd(n),
      neighbors(n), floor(n, 0), bound(n, 0), offset(n, 0), placed(n, 0), latest(sections, capacity),
      firstEnd(sections, 0), frames(n + 2), hopeless(memorySize), nodeLimit(nodeLimit), control(control),
      failures(failures) {
  std::vector<std::vector<int>> members(sections);
  for (int u = 0; u < n; ++u) {
    int b = buffers[u];
    size[u] = static_cast<T>(problem.sizes[b]);
    align[u] = static_cast<T>(std::min(problem.alignments[b], problem.capacity + 1));
    fixed[u] = static_cast<T>(problem.fixed[b]);
    if (fixed[u] >= 0)
      floor[u] = bound[u] = fixed[u];
    ranges[u] = problem.ranges[b];
    hullBegin[u] = ranges[u].front().begin;
    hullEnd[u] = ranges[u].back().end;
    forSections(u, [&](int begin, int end) {
      for (int s = begin; s < end; ++s) {
        latest[s] -= size[u];
        members[s].push_back(u);
      }
    });
  }
  std::vector<int> seen(n, -1);
  for (int u = 0; u < n; ++u) {
    seen[u] = u;
    forSections(u, [&](int begin, int end) {
      for (int s = begin; s < end; ++s)
        for (int other : members[s])
          if (seen[other] != u) {
            seen[other] = u;
            neighbors[u].push_back(other);
          }
    });
  }
}

template <typename T> typename Search<T>::Key Search<T>::keyOf(const Part &part) const {
  Key key{part.size(), 0};
  for (int u : part) {
    uint64_t state = mix(static_cast<uint64_t>(u)) + static_cast<uint64_t>(floor[u]);
    state = mix(state) + static_cast<uint64_t>(bound[u]);
    key.first += mix(state);
    key.second += mix(state ^ 0x9e3779b97f4a7c15ull);
  }
  return key;
}

template <typename T> DiveResult Search<T>::solve(const Part &part, size_t depth) {
  if (part.empty())
    return DiveResult::Found;
  Key key = keyOf(part);
  if (hopeless[key.first % memorySize] == key)
    return DiveResult::Exhausted;
  DiveResult result = branch(part, depth);
  if (result == DiveResult::Exhausted)
    hopeless[key.first % memorySize] = key;
  return result;
}

template <typename T> bool Search<T>::place(int rank, T at, const Part &rest) {
  placed[rank] = true;
  offset[rank] = at;
  T end = at + size[rank];
  forSections(rank, [&](int begin, int stop) {
    for (int s = begin; s < stop; ++s)
      latest[s] += size[rank];
  });
  for (int u : neighbors[rank]) {
    if (placed[u] || floor[u] >= end)
      continue;
    T raised = alignUp(end, u);
    trail.push_back({u, floor[u]});
    floor[u] = raised;
    if (raised > capacity - size[u] || fixed[u] >= 0)
      return false;
  }
  for (int u : rest)
    bound[u] = std::max(bound[u], std::max(floor[u], at));
  return propagate(rest);
}

/// The buffer is not at its floor: something placed later comes beneath it.
template <typename T> bool Search<T>::reject(int rank, const Part &part) {
  T lowestEnd = infinity;
  for (int u : neighbors[rank])
    if (!placed[u])
      lowestEnd = std::min(lowestEnd, bound[u] + size[u]);
  if (fixed[rank] >= 0 || lowestEnd == infinity)
    return false;
  bound[rank] = alignUp(std::max(lowestEnd, floor[rank] + 1), rank);
  return bound[rank] <= capacity - size[rank] && propagate(part);
}

template <typename T> bool Search<T>::propagate(const Part &rest) {
  int from = sections, to = 0;
  for (int u : rest) {
    from = std::min(from, hullBegin[u]);
    to = std::max(to, hullEnd[u]);
  }
  T *first = firstEnd.data();
  const T *last = latest.data();
  for (int round = 0; round < propagationRounds; ++round) {
    std::fill(first + from, first + std::max(from, to), infinity);
    for (int u : rest) {
      T lowest = bound[u], end = lowest + size[u];
      forSections(u, [&](int begin, int stop) {
        for (int s = begin; s < stop; ++s) {
          T mine = lowest <= last[s] ? end : infinity;
          first[s] = std::min(first[s], mine);
        }
      });
    }
    for (int s = from; s < to; ++s)
      if (first[s] == infinity && last[s] < capacity) {
        failures[s] += 1;
        return false;
      }
    bool changed = false;
    for (int u : rest) {
      T lowest = bound[u], raised = lowest;
      forSections(u, [&](int begin, int stop) {
        for (int s = begin; s < stop; ++s) {
          T other = lowest > last[s] ? first[s] : 0;
          raised = std::max(raised, other);
        }
      });
      if (raised == lowest)
        continue;
      raised = alignUp(raised, u);
      bound[u] = raised;
      changed = true;
      if (raised > capacity - size[u] || (fixed[u] >= 0 && raised > fixed[u])) {
        failures[hullBegin[u]] += 1;
        return false;
      }
    }
    if (!changed)
      break;
  }
  return true;
}

/// frame.rest into parts that share no section, the smallest first: it costs
/// least to learn that one of them fails.
template <typename T> void Search<T>::split(Frame &frame) {
  Part byStart = frame.rest;
  std::sort(byStart.begin(), byStart.end(), [&](int a, int b) { return hullBegin[a] < hullBegin[b]; });
  frame.parts.clear();
  int end = -1;
  for (int u : byStart) {
    if (hullBegin[u] >= end)
      frame.parts.emplace_back();
    end = std::max(end, hullEnd[u]);
    frame.parts.back().push_back(u);
  }
  for (Part &part : frame.parts)
    std::sort(part.begin(), part.end());
  std::sort(frame.parts.begin(), frame.parts.end(),
            [](const Part &a, const Part &b) { return a.size() != b.size() ? a.size() < b.size() : a < b; });
}

template <typename T> DiveResult Search<T>::branch(const Part &part, size_t depth) {
  Frame &frame = frames[depth];
  T dominance = infinity;
  for (int u : part)
    dominance = std::min(dominance, floor[u] + size[u]);
  frame.candidates.clear();
  for (int u : part)
    if (floor[u] < dominance && bound[u] <= floor[u])
      frame.candidates.push_back({floor[u], u});
  std::sort(frame.candidates.begin(), frame.candidates.end());

  for (auto [at, rank] : frame.candidates) {
    if (bound[rank] > at)
      continue; // by what the rejections before have told
    frame.savedBounds.clear();
    for (int u : part)
      frame.savedBounds.push_back(bound[u]);
    if (++nodes > nodeLimit || (nodes % 256 == 0 && control.stop.load(std::memory_order_relaxed)))
      return DiveResult::LimitReached;
    size_t mark = trail.size();
    frame.rest.clear();
    for (int u : part)
      if (u != rank)
        frame.rest.push_back(u);
    if (place(rank, at, frame.rest)) {
      split(frame);
      DiveResult result = DiveResult::Found;
      for (const Part &next : frame.parts) {
        result = solve(next, depth + 1);
        if (result != DiveResult::Exhausted && result != DiveResult::Found)
          return result;
        if (result == DiveResult::Exhausted)
          break;
      }
      if (result == DiveResult::Found)
        return result;
    }
    while (trail.size() > mark) {
      floor[trail.back().first] = trail.back().second;
      trail.pop_back();
    }
    for (size_t i = 0; i < part.size(); ++i) {
      int u = part[i];
      bound[u] = frame.savedBounds[i];
      if (!placed[u])
        continue;
      placed[u] = false;
      forSections(u, [&](int begin, int stop) {
        for (int s = begin; s < stop; ++s)
          latest[s] -= size[u];
      });
    }
    if (!reject(rank, part))
      break;
  }
  return DiveResult::Exhausted;
}

template <typename T> DiveResult Search<T>::run(std::vector<int64_t> &offsets) {
  for (int u = 0; u < n; ++u)
    if (floor[u] > capacity - size[u])
      return DiveResult::Exhausted;
  for (T room : latest)
    if (room < 0)
      return DiveResult::Exhausted;
  Part all(n);
  for (int u = 0; u < n; ++u)
    all[u] = u;
  DiveResult result = DiveResult::Exhausted;
  if (propagate(all))
    result = solve(all, 0);
  control.nodes += nodes;
  if (result == DiveResult::Found) {
    offsets.assign(n, 0);
    for (int u = 0; u < n; ++u)
      offsets[buffers[u]] = offset[u];
  }
  return result;
}

} // namespace

DiveResult searchOffsets(const SectionedBuffers &problem, std::span<const int> order, uint64_t nodeLimit,
                         DiveControl &control, std::vector<double> &failures, std::vector<int64_t> &offsets) {
  int64_t largest = problem.capacity;
  for (int64_t size : problem.sizes) {
    if (size > problem.capacity)
      return DiveResult::Exhausted;
    largest = std::max(largest, size);
  }
  for (int64_t fixed : problem.fixed)
    if (fixed > problem.capacity)
      return DiveResult::Exhausted;
  // Sums over a section go below zero; those are refused before they overflow.
  std::vector<int64_t> totals(problem.sections, 0);
  for (int b = 0; b < problem.count(); ++b)
    for (const SectionedBuffers::Range &range : problem.ranges[b])
      for (int s = range.begin; s < range.end; ++s)
        if ((totals[s] += problem.sizes[b]) > problem.capacity)
          return DiveResult::Exhausted;
  if (largest < (int64_t(1) << 29))
    return Search<int32_t>(problem, order, nodeLimit, control, failures).run(offsets);
  return Search<int64_t>(problem, order, nodeLimit, control, failures).run(offsets);
}

} // namespace bessemer
