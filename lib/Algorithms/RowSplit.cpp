// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Algorithms/RowSplit.h"

#include <algorithm>
#include <limits>

namespace bessemer {

namespace {

class Lives {
public:
  explicit Lives(const SplitProblem &problem) : problem(problem) {
    auto count = static_cast<int>(problem.operations.size());
    first.assign(problem.values.size(), -1);
    last.assign(problem.values.size(), -1);
    for (int op = 0; op < count; ++op) {
      for (int value : problem.operations[op].writes)
        first[value] = last[value] = op;
      for (const SplitRead &read : problem.operations[op].reads)
        last[read.value] = op;
    }
    for (int value : problem.liveOut)
      last[value] = count;
  }

  /// While one operation runs as it is.
  int64_t alone(int op) const {
    int64_t sum = problem.operations[op].extraBytes;
    for (size_t v = 0; v < problem.values.size(); ++v)
      if (first[v] <= op && op <= last[v])
        sum += bytes(v);
    return sum;
  }

  /// May [from, to) be a group? All of its rows are the same, and nothing in it
  /// needs all rows of what it computes.
  bool isGroup(int from, int to) const {
    for (int op = from; op < to; ++op) {
      const SplitOperation &operation = problem.operations[op];
      if (operation.rows < 2 || operation.rows != problem.operations[from].rows)
        return false;
      for (const SplitRead &read : operation.reads)
        if (first[read.value] >= from && first[read.value] < to && !read.byRows)
          return false;
    }
    return true;
  }

  int64_t group(int from, int to, int64_t pieces, int *at) const {
    pieces = std::min(pieces, problem.operations[from].rows);
    int64_t whole = 0, most = 0;
    for (size_t v = 0; v < problem.values.size(); ++v)
      if (first[v] < to && last[v] >= from && !isInner(v, from, to))
        whole += bytes(v);
    for (int op = from; op < to; ++op) {
      int64_t sum = problem.operations[op].extraBytes;
      for (size_t v = 0; v < problem.values.size(); ++v)
        if (isInner(v, from, to) && first[v] <= op && op <= last[v])
          sum += (bytes(v) + pieces - 1) / pieces;
      if (sum >= most && at)
        *at = op;
      most = std::max(most, sum);
    }
    return whole + most;
  }

private:
  bool isInner(size_t v, int from, int to) const { return first[v] >= from && last[v] < to; }
  int64_t bytes(size_t v) const { return problem.values[v].counts ? problem.values[v].bytes : 0; }

  const SplitProblem &problem;
  std::vector<int> first, last; ///< operations by value: writes it (-1: there before), reads it last
};

} // namespace

std::optional<int64_t> peakOfSplit(const SplitProblem &problem, const std::vector<std::pair<int, int>> &groups,
                                   int64_t pieces, int *at) {
  Lives lives(problem);
  int64_t peak = -1;
  int op = 0;
  auto count = static_cast<int>(problem.operations.size());
  auto note = [&](int64_t bytes, int where) {
    if (bytes > peak && at)
      *at = where;
    peak = std::max(peak, bytes);
  };
  for (auto [from, to] : groups) {
    if (from < op || to <= from || to > count || !lives.isGroup(from, to) || pieces < 1)
      return std::nullopt;
    for (; op < from; ++op)
      note(lives.alone(op), op);
    int where = from;
    int64_t bytes = lives.group(from, to, pieces, &where);
    note(bytes, where);
    op = to;
  }
  for (; op < count; ++op)
    note(lives.alone(op), op);
  return std::max<int64_t>(peak, 0);
}

SplitPlan planRowSplit(const SplitProblem &problem, int64_t pieces) {
  // Groups are looked for from the end: best[i] is for the operations from i on. Long ones never
  // pay: everything that comes in stays whole.
  constexpr int longest = 64;
  struct Best {
    int64_t peak = 0;
    int grouped = 0, end = -1; ///< operations in groups; where the group that begins here ends
  };
  Lives lives(problem);
  auto count = static_cast<int>(problem.operations.size());
  std::vector<Best> best(count + 1);
  for (int from = count - 1; from >= 0; --from) {
    best[from] = {std::max(lives.alone(from), best[from + 1].peak), best[from + 1].grouped, -1};
    for (int to = from + 1; to <= std::min(count, from + longest) && lives.isGroup(from, to); ++to) {
      int64_t peak = std::max(lives.group(from, to, pieces, nullptr), best[to].peak);
      int grouped = best[to].grouped + to - from;
      if (peak < best[from].peak || (peak == best[from].peak && grouped < best[from].grouped))
        best[from] = {peak, grouped, to};
    }
  }
  SplitPlan plan;
  plan.peak = count ? best[0].peak : 0;
  for (int op = 0; op < count;) {
    if (best[op].end < 0) {
      ++op;
      continue;
    }
    plan.groups.emplace_back(op, best[op].end);
    op = best[op].end;
  }
  return plan;
}

} // namespace bessemer
