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
//
// Of the candidates at the lowest floor those go first that a section needs
// most: it has few others that can be its lowest, or it is where dives have
// failed (fail first, with failures as weights: Boussemart et al., ECAI 2004).
// A wrong choice then shows while few others hang on it, and what is tried next
// goes to the same place. This is what decides most of the time: with the
// caller's order alone dense instances take ten times the nodes.

#include "OffsetSearch.h"
#include "OffsetState.h"

namespace bessemer {

namespace {

template <typename T> class Search : public OffsetSearch {
public:
  Search(const SectionedBuffers &problem, DiveControl &control, std::vector<double> &failures)
      : problem(problem), n(problem.count()), state(problem, failures), ranks(n), needs(problem.sections),
        needsAt(problem.sections, 0), frames(n + 2), hopeless(memorySize), control(control), failures(failures) {}

  DiveResult dive(const DiveOrder &order, uint64_t nodeLimit, std::vector<int64_t> &offsets) override;

private:
  using Part = std::vector<int>; // by first section
  static constexpr size_t memorySize = size_t(1) << 16;

  /// What the outcome below a node depends on: two independent hashes.
  struct Key {
    uint64_t first = 0, second = 0;
    bool operator==(const Key &) const = default;
  };
  struct Candidate {
    T at;
    double need; // the least one goes first
    int rank, buffer;
    bool operator<(const Candidate &other) const {
      return at != other.at ? at < other.at : need != other.need ? need < other.need : rank < other.rank;
    }
  };
  /// Vectors of one depth, kept to spare allocations.
  struct Frame {
    std::vector<Candidate> candidates;
    Part rest;
    std::vector<Part> parts;
  };

  DiveResult solve(const Part &part, size_t depth);
  DiveResult branch(const Part &part, size_t depth);
  DiveResult solveParts(Frame &frame, size_t depth);
  void findCandidates(const Part &part, Frame &frame);
  double needOf(int buffer);
  void split(Frame &frame);
  Key keyOf(const Part &part) const;

  const SectionedBuffers &problem;
  int n;
  OffsetState<T> state;
  std::vector<int> ranks;
  double evenness = 1, mostFailures = 1;
  std::vector<double> needs; // by section, as of the node in `needsAt`
  std::vector<uint64_t> needsAt;
  std::vector<Frame> frames;
  std::vector<Key> hopeless;

  uint64_t nodes = 0, nodeLimit = 0, branchings = 0;
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

template <typename T> typename Search<T>::Key Search<T>::keyOf(const Part &part) const {
  Key key{part.size(), 0};
  for (int u : part) {
    uint64_t word = mix(static_cast<uint64_t>(u)) + static_cast<uint64_t>(state.floorOf(u));
    word = mix(word) + static_cast<uint64_t>(state.boundOf(u));
    key.first += mix(word);
    key.second += mix(word ^ 0x9e3779b97f4a7c15ull);
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

/// frame.rest into parts that share no section, the smallest first: it costs
/// least to learn that one of them fails.
template <typename T> void Search<T>::split(Frame &frame) {
  size_t count = 0;
  int end = -1;
  for (int u : frame.rest) {
    if (state.firstSection(u) >= end) {
      if (count == frame.parts.size())
        frame.parts.emplace_back();
      frame.parts[count++].clear();
    }
    end = std::max(end, state.lastSection(u));
    frame.parts[count - 1].push_back(u);
  }
  frame.parts.resize(count);
  std::sort(frame.parts.begin(), frame.parts.end(),
            [](const Part &a, const Part &b) { return a.size() != b.size() ? a.size() < b.size() : a < b; });
}

template <typename T> double Search<T>::needOf(int buffer) {
  double least = std::numeric_limits<double>::infinity();
  for (const SectionedBuffers::Range &range : problem.ranges[buffer])
    for (int s = range.begin; s < range.end; ++s) {
      if (needsAt[s] != branchings) {
        needsAt[s] = branchings;
        needs[s] = state.countLowest(s) / (evenness + failures[s] / mostFailures);
      }
      least = std::min(least, needs[s]);
    }
  return least;
}

template <typename T> void Search<T>::findCandidates(const Part &part, Frame &frame) {
  T dominance = OffsetState<T>::infinity, lowest = OffsetState<T>::infinity;
  for (int u : part)
    dominance = std::min(dominance, state.endAtFloor(u));
  auto isCandidate = [&](int u) { return state.floorOf(u) < dominance && state.boundOf(u) <= state.floorOf(u); };
  for (int u : part)
    if (isCandidate(u))
      lowest = std::min(lowest, state.floorOf(u));
  ++branchings;
  frame.candidates.clear();
  for (int u : part)
    if (isCandidate(u))
      frame.candidates.push_back({state.floorOf(u), state.floorOf(u) == lowest ? needOf(u) : 0, ranks[u], u});
  std::sort(frame.candidates.begin(), frame.candidates.end());
}

template <typename T> DiveResult Search<T>::solveParts(Frame &frame, size_t depth) {
  split(frame);
  for (const Part &next : frame.parts)
    if (DiveResult result = solve(next, depth + 1); result != DiveResult::Found)
      return result;
  return DiveResult::Found;
}

template <typename T> DiveResult Search<T>::branch(const Part &part, size_t depth) {
  Frame &frame = frames[depth];
  findCandidates(part, frame);
  for (const Candidate &candidate : frame.candidates) {
    int buffer = candidate.buffer;
    if (state.boundOf(buffer) > candidate.at)
      continue; // by what the rejections before have told
    if (++nodes > nodeLimit || (nodes % 256 == 0 && control.stop.load(std::memory_order_relaxed)))
      return DiveResult::LimitReached;
    typename OffsetState<T>::Mark mark = state.mark();
    frame.rest.clear();
    for (int u : part)
      if (u != buffer)
        frame.rest.push_back(u);
    if (state.place(buffer, candidate.at, frame.rest))
      if (DiveResult result = solveParts(frame, depth); result != DiveResult::Exhausted)
        return result;
    state.undo(mark, part);
    if (!state.reject(buffer))
      break;
  }
  return DiveResult::Exhausted;
}

template <typename T>
DiveResult Search<T>::dive(const DiveOrder &order, uint64_t limit, std::vector<int64_t> &offsets) {
  for (int i = 0; i < n; ++i)
    ranks[order.order[i]] = i;
  evenness = order.evenness;
  mostFailures = std::max(1.0, *std::max_element(failures.begin(), failures.end()));
  nodes = 0;
  nodeLimit = limit;
  Part all(n);
  for (int u = 0; u < n; ++u)
    all[u] = u;
  std::sort(all.begin(), all.end(), [&](int a, int b) {
    int x = state.firstSection(a), y = state.firstSection(b);
    return x != y ? x < y : a < b;
  });
  DiveResult result = state.start() ? solve(all, 0) : DiveResult::Exhausted;
  control.nodes += nodes;
  if (result == DiveResult::Found) {
    offsets.assign(n, 0);
    for (int u = 0; u < n; ++u)
      offsets[u] = state.offsetOf(u);
  }
  return result;
}

} // namespace

std::unique_ptr<OffsetSearch> OffsetSearch::make(const SectionedBuffers &problem, DiveControl &control,
                                                 std::vector<double> &failures) {
  if (problem.capacity < (int64_t(1) << 29))
    return std::make_unique<Search<int32_t>>(problem, control, failures);
  return std::make_unique<Search<int64_t>>(problem, control, failures);
}

} // namespace bessemer
