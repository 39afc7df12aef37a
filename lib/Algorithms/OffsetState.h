// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a node of the search for offsets knows, and what follows from it. Each
// change is on a trail, so that a node is left in the time of its changes; only
// the sections whose lowest end has moved are looked at again. The rules are in
// OffsetSearch.cpp.

#ifndef BESSEMER_LIB_ALGORITHMS_OFFSETSTATE_H
#define BESSEMER_LIB_ALGORITHMS_OFFSETSTATE_H

#include "OffsetSearch.h"

#include <algorithm>
#include <limits>

namespace bessemer {

/// T is int32_t where the capacity allows it: loops over sections vectorize twice
/// as wide.
template <typename T> class OffsetState {
public:
  static constexpr T infinity = std::numeric_limits<T>::max();
  struct Mark {
    size_t buffers, sections;
  };

  OffsetState(const SectionedBuffers &problem, std::vector<double> &failures);

  /// Nothing is placed; false when it follows at once that there is no plan.
  bool start();
  /// Puts the next buffer in order of offsets: none of `rest`, those that share
  /// a component with it and are not placed, will lie lower. False: a dead end.
  bool place(int buffer, T at, std::span<const int> rest);
  /// The buffer is not at its floor: something placed later comes beneath it.
  bool reject(int buffer);
  Mark mark() const { return {bufferTrail.size(), sectionTrail.size()}; }
  /// Back to the mark; none of `part` is placed then.
  void undo(Mark mark, std::span<const int> part);

  bool isPlaced(int buffer) const { return placed[buffer]; }
  T floorOf(int buffer) const { return floor[buffer]; }
  T boundOf(int buffer) const { return bound[buffer]; }
  T endAtFloor(int buffer) const { return floor[buffer] + size[buffer]; }
  T offsetOf(int buffer) const { return offset[buffer]; }
  int firstSection(int buffer) const { return hullBegin[buffer]; }
  int lastSection(int buffer) const { return hullEnd[buffer]; }
  /// How many buffers can be the lowest of those to be placed in the section.
  int countLowest(int section) const {
    T last = latest[section];
    return static_cast<int>(
        std::count_if(members[section].begin(), members[section].end(), [&](int u) { return bound[u] <= last; }));
  }

private:
  struct BufferChange {
    int buffer;
    T floor, bound;
  };
  struct SectionChange {
    int section;
    T firstEnd;
    int lowest;
  };

  bool propagate();
  bool raiseFromSections(int buffer);
  bool updateSection(int section);
  bool abandon();
  void setBounds(int buffer, T newFloor, T newBound);
  void enqueue(int buffer);
  void enqueueSection(int section);
  T alignUp(T value, int u) const {
    if (align[u] == 1)
      return value;
    int64_t wide = (static_cast<int64_t>(value) + align[u] - 1) / align[u] * align[u];
    return wide > capacity ? capacity + 1 : static_cast<T>(wide);
  }
  template <typename Fn> void forSections(int u, Fn fn) const {
    for (const SectionedBuffers::Range &range : problem.ranges[u])
      fn(range.begin, range.end);
  }

  const SectionedBuffers &problem;
  std::vector<double> &failures;
  int n;
  T capacity;
  std::vector<T> size, align, fixed, latestAtStart;
  std::vector<int> hullBegin, hullEnd;
  std::vector<std::vector<int>> neighbors, members; // members: by section

  std::vector<T> floor, bound, offset; // the bound of a placed buffer is infinite
  std::vector<char> placed;
  std::vector<T> latest;   // by section: capacity - total still to place
  std::vector<T> firstEnd; // by section: the earliest end of those that can be the lowest,
  std::vector<int> lowest; // and whose it is
  std::vector<BufferChange> bufferTrail;
  std::vector<SectionChange> sectionTrail;
  std::vector<int> raisedQueue, sectionQueue;
  std::vector<char> isRaised, isQueuedSection;
};

template <typename T>
OffsetState<T>::OffsetState(const SectionedBuffers &problem, std::vector<double> &failures)
    : problem(problem), failures(failures), n(problem.count()), capacity(static_cast<T>(problem.capacity)), size(n),
      align(n), fixed(n), latestAtStart(problem.sections, capacity), hullBegin(n), hullEnd(n), neighbors(n),
      members(problem.sections), offset(n, 0), isRaised(n, 0), isQueuedSection(problem.sections, 0) {
  for (int u = 0; u < n; ++u) {
    size[u] = static_cast<T>(problem.sizes[u]);
    align[u] = static_cast<T>(std::min(problem.alignments[u], problem.capacity + 1));
    fixed[u] = static_cast<T>(problem.fixed[u]);
    hullBegin[u] = problem.ranges[u].front().begin;
    hullEnd[u] = problem.ranges[u].back().end;
    forSections(u, [&](int begin, int end) {
      for (int s = begin; s < end; ++s) {
        latestAtStart[s] -= size[u];
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

template <typename T> bool OffsetState<T>::start() {
  abandon();
  bufferTrail.clear();
  sectionTrail.clear();
  floor.assign(n, 0);
  placed.assign(n, 0);
  latest = latestAtStart;
  firstEnd.assign(problem.sections, 0);
  lowest.assign(problem.sections, -1);
  for (int u = 0; u < n; ++u)
    if (fixed[u] >= 0)
      floor[u] = fixed[u];
  bound = floor;
  for (int u = 0; u < n; ++u)
    if (floor[u] > capacity - size[u])
      return false;
  for (int s = 0; s < problem.sections; ++s) {
    if (latest[s] < 0)
      return false;
    enqueueSection(s);
  }
  return propagate();
}

template <typename T> void OffsetState<T>::enqueue(int buffer) {
  if (isRaised[buffer])
    return;
  isRaised[buffer] = true;
  raisedQueue.push_back(buffer);
}

template <typename T> void OffsetState<T>::enqueueSection(int section) {
  if (isQueuedSection[section])
    return;
  isQueuedSection[section] = true;
  sectionQueue.push_back(section);
}

template <typename T> void OffsetState<T>::setBounds(int buffer, T newFloor, T newBound) {
  bufferTrail.push_back({buffer, floor[buffer], bound[buffer]});
  floor[buffer] = newFloor;
  bound[buffer] = newBound;
  enqueue(buffer);
}

/// Forgets what was to be looked at; false for the caller to return.
template <typename T> bool OffsetState<T>::abandon() {
  for (int u : raisedQueue)
    isRaised[u] = false;
  for (int s : sectionQueue)
    isQueuedSection[s] = false;
  raisedQueue.clear();
  sectionQueue.clear();
  return false;
}

template <typename T> void OffsetState<T>::undo(Mark mark, std::span<const int> part) {
  while (bufferTrail.size() > mark.buffers) {
    const BufferChange &change = bufferTrail.back();
    floor[change.buffer] = change.floor;
    bound[change.buffer] = change.bound;
    bufferTrail.pop_back();
  }
  while (sectionTrail.size() > mark.sections) {
    const SectionChange &change = sectionTrail.back();
    firstEnd[change.section] = change.firstEnd;
    lowest[change.section] = change.lowest;
    sectionTrail.pop_back();
  }
  for (int u : part) {
    if (!placed[u])
      continue;
    placed[u] = false;
    forSections(u, [&](int begin, int stop) {
      for (int s = begin; s < stop; ++s)
        latest[s] -= size[u];
    });
  }
}

template <typename T> bool OffsetState<T>::place(int buffer, T at, std::span<const int> rest) {
  placed[buffer] = true;
  offset[buffer] = at;
  bufferTrail.push_back({buffer, floor[buffer], bound[buffer]});
  bound[buffer] = infinity;
  T end = at + size[buffer];
  forSections(buffer, [&](int begin, int stop) {
    for (int s = begin; s < stop; ++s) {
      latest[s] += size[buffer];
      enqueueSection(s);
    }
  });
  for (int u : neighbors[buffer]) {
    if (placed[u] || floor[u] >= end)
      continue;
    T raised = alignUp(end, u);
    if (raised > capacity - size[u] || fixed[u] >= 0)
      return abandon();
    setBounds(u, raised, std::max(bound[u], raised));
  }
  for (int u : rest)
    if (bound[u] < at)
      setBounds(u, floor[u], at);
  return propagate();
}

template <typename T> bool OffsetState<T>::reject(int buffer) {
  T lowestEnd = infinity;
  for (int u : neighbors[buffer])
    if (!placed[u])
      lowestEnd = std::min(lowestEnd, bound[u] + size[u]);
  if (fixed[buffer] >= 0 || lowestEnd == infinity)
    return false;
  T raised = alignUp(std::max(lowestEnd, floor[buffer] + 1), buffer);
  if (raised > capacity - size[buffer])
    return false;
  setBounds(buffer, floor[buffer], raised);
  return propagate();
}

/// What its sections say of the buffer, until that stays; then what its rise
/// says of the sections.
template <typename T> bool OffsetState<T>::raiseFromSections(int u) {
  const T *first = firstEnd.data(), *last = latest.data();
  for (;;) {
    T now = bound[u], raised = now;
    forSections(u, [&](int begin, int stop) {
      for (int s = begin; s < stop; ++s) {
        T other = now > last[s] ? first[s] : 0;
        raised = std::max(raised, other);
      }
    });
    if (raised == now)
      break;
    raised = alignUp(raised, u);
    if (raised > capacity - size[u] || (fixed[u] >= 0 && raised > fixed[u])) {
      failures[hullBegin[u]] += 1;
      return false;
    }
    bufferTrail.push_back({u, floor[u], now});
    bound[u] = raised;
  }
  forSections(u, [&](int begin, int stop) {
    for (int s = begin; s < stop; ++s)
      if (lowest[s] == u)
        enqueueSection(s);
  });
  return true;
}

template <typename T> bool OffsetState<T>::updateSection(int s) {
  T last = latest[s], end = infinity;
  int first = -1;
  for (int u : members[s])
    if (bound[u] <= last && bound[u] + size[u] < end) {
      end = bound[u] + size[u];
      first = u;
    }
  if (first < 0 && last < capacity) {
    failures[s] += 1;
    return false;
  }
  if (end == firstEnd[s] && first == lowest[s])
    return true;
  sectionTrail.push_back({s, firstEnd[s], lowest[s]});
  lowest[s] = first;
  bool isLater = end > firstEnd[s];
  firstEnd[s] = end;
  if (isLater && first >= 0)
    for (int u : members[s])
      if (bound[u] > last && bound[u] < end)
        enqueue(u);
  return true;
}

template <typename T> bool OffsetState<T>::propagate() {
  // Two buffers that push each other up byte by byte end here: what is not
  // inferred is searched.
  size_t steps = 64 + 16 * static_cast<size_t>(n);
  while (!raisedQueue.empty() || !sectionQueue.empty()) {
    if (--steps == 0) {
      abandon();
      return true;
    }
    if (!raisedQueue.empty()) {
      int u = raisedQueue.back();
      raisedQueue.pop_back();
      isRaised[u] = false;
      if (!raiseFromSections(u))
        return abandon();
      continue;
    }
    int s = sectionQueue.back();
    sectionQueue.pop_back();
    isQueuedSection[s] = false;
    if (!updateSection(s))
      return abandon();
  }
  return true;
}

} // namespace bessemer

#endif // BESSEMER_LIB_ALGORITHMS_OFFSETSTATE_H
