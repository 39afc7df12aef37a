// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Candidate periods are the most frequent distances between equal windows of op
// hashes. For each, a pass finds the segments in which op i corresponds to op
// i + period as far as can be told without knowing the start; the exact test is
// made from the few starts at which the answer can change.

#include "bessemer/Algorithms/RepeatFinder.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>

namespace bessemer {

namespace {

constexpr size_t windowSizes[] = {1, 3, 8, 32};
constexpr size_t periodsPerWindow = 24;
constexpr size_t allPeriodsUpTo = 256; // ops; below, all periods are tried
constexpr size_t maxStarts = 48;       // of one segment
constexpr size_t maxRuns = 256;

struct Interval {
  size_t begin, end;
};

class Finder {
public:
  Finder(std::span<const RepeatOp> ops, const RepeatOptions &options) : ops(ops), options(options) {}

  std::vector<RepeatRun> run() {
    std::vector<RepeatRun> runs;
    std::vector<Interval> todo{{0, ops.size()}};
    while (!todo.empty() && runs.size() < maxRuns) {
      Interval interval = todo.back();
      todo.pop_back();
      std::optional<RepeatRun> best = findBest(interval);
      if (!best)
        continue;
      chooseCut(*best, interval);
      runs.push_back(*best);
      todo.push_back({interval.begin, best->start});
      todo.push_back({best->end(), interval.end});
    }
    std::sort(runs.begin(), runs.end(), [](const RepeatRun &a, const RepeatRun &b) { return a.start < b.start; });
    return runs;
  }

private:
  static size_t saved(const RepeatRun &run) { return run.count > 0 ? (run.count - 1) * run.period : 0; }

  std::vector<size_t> candidatePeriods(Interval interval) const {
    std::vector<size_t> periods;
    size_t length = interval.end - interval.begin;
    if (length <= allPeriodsUpTo) {
      for (size_t p = options.minPeriod; 2 * p <= length; ++p)
        periods.push_back(p);
      return periods;
    }
    for (size_t window : windowSizes) {
      if (window > length)
        break;
      std::unordered_map<uint64_t, size_t> last;
      std::unordered_map<size_t, size_t> histogram;
      for (size_t i = interval.begin; i + window <= interval.end; ++i) {
        uint64_t key = window;
        for (size_t k = i; k < i + window; ++k) {
          key ^= ops[k].hash + ops[k].producers.size();
          key *= 0x9e3779b97f4a7c15ull;
          key ^= key >> 29;
        }
        auto [it, fresh] = last.try_emplace(key, i);
        if (!fresh) {
          ++histogram[i - it->second];
          it->second = i;
        }
      }
      std::vector<std::pair<size_t, size_t>> ranked; // count, period
      for (auto [period, count] : histogram)
        if (period >= options.minPeriod)
          ranked.push_back({count, period});
      std::sort(ranked.begin(), ranked.end(), [](const auto &a, const auto &b) {
        return a.first != b.first ? a.first > b.first : a.second < b.second;
      });
      for (size_t i = 0; i < ranked.size() && i < periodsPerWindow; ++i)
        periods.push_back(ranked[i].second);
    }
    std::sort(periods.begin(), periods.end());
    periods.erase(std::unique(periods.begin(), periods.end()), periods.end());
    return periods;
  }

  bool sameKind(size_t a, size_t b) const {
    return ops[a].hash == ops[b].hash && ops[a].producers.size() == ops[b].producers.size();
  }

  /// Whether op i + p of a run that starts at `start` corresponds to op i.
  bool corresponds(size_t i, size_t p, size_t start) const {
    size_t j = i + p;
    if (!sameKind(i, j))
      return false;
    int64_t from = int64_t(start), iteration = int64_t((j - start) / p), base = from + iteration * int64_t(p);
    for (size_t k = 0; k < ops[j].producers.size(); ++k) {
      int64_t before = ops[i].producers[k], now = ops[j].producers[k];
      bool same;
      if (now < from) // outside
        same = before == now;
      else if (now >= base) // in the iteration itself
        same = before == now - int64_t(p);
      else if (now >= base - int64_t(p)) // carried
        same = iteration == 1 ? before < from : before == now - int64_t(p);
      else
        same = false;
      if (!same)
        return false;
    }
    return true;
  }

  RepeatRun measure(size_t start, size_t p, size_t end) const {
    size_t i = start;
    while (i + p < end && corresponds(i, p, start))
      ++i;
    return {start, p, (i - start) / p + 1, 0};
  }

  /// What is known of op i against i + p without a start. `starts` receives
  /// the places after which its answer may be another one.
  bool mayCorrespond(size_t i, size_t p, std::vector<size_t> &starts) const {
    if (!sameKind(i, i + p))
      return false;
    for (size_t k = 0; k < ops[i].producers.size(); ++k) {
      int64_t before = ops[i].producers[k], now = ops[i + p].producers[k];
      if (now - before == int64_t(p) && before >= 0)
        continue;
      if (now == before) {
        addStart(starts, size_t(now + 1));
        continue;
      }
      // Only in a first iteration, with a carried value.
      if (now < before || now < 0 || now >= int64_t(i + p))
        return false;
      addStart(starts, size_t(before + 1));
      addStart(starts, i + 1 >= p ? i + 1 - p : 0);
      addStart(starts, i + 1);
    }
    return true;
  }

  static void addStart(std::vector<size_t> &starts, size_t start) {
    if (starts.empty() || starts.back() != start)
      starts.push_back(start);
  }

  std::optional<RepeatRun> findBest(Interval interval) const {
    std::optional<RepeatRun> best;
    std::vector<size_t> starts;
    for (size_t p : candidatePeriods(interval)) {
      if (interval.begin + 2 * p > interval.end)
        continue;
      size_t segment = interval.begin;
      starts.clear();
      for (size_t i = interval.begin; i + p <= interval.end; ++i) {
        if (i + p < interval.end && mayCorrespond(i, p, starts))
          continue;
        searchSegment({segment, i}, p, starts, interval, best);
        segment = i + 1;
        starts.clear();
      }
    }
    return best;
  }

  void searchSegment(Interval segment, size_t p, std::vector<size_t> &starts, Interval interval,
                     std::optional<RepeatRun> &best) const {
    size_t bestSaved = best ? saved(*best) : 0;
    size_t length = segment.end - segment.begin;
    // At most so many iterations match after the first.
    if (length / p * p <= std::max(bestSaved, options.minSaved - 1))
      return;
    starts.push_back(segment.begin);
    std::sort(starts.begin(), starts.end());
    starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
    size_t tried = 0;
    for (size_t start : starts) {
      if (start < segment.begin || start >= segment.end)
        continue;
      if ((segment.end - start) / p * p <= bestSaved || ++tried > maxStarts)
        break;
      RepeatRun found = measure(start, p, interval.end);
      if (found.count >= options.minCount && saved(found) >= options.minSaved && saved(found) > bestSaved) {
        best = found;
        bestSaved = saved(found);
      }
    }
  }

  /// Ops of the first iteration that the second one reads.
  size_t cutWidth(const RepeatRun &run) const {
    std::vector<int32_t> read;
    for (size_t j = run.start + run.period; j < run.start + 2 * run.period; ++j)
      for (int32_t producer : ops[j].producers)
        if (producer >= int64_t(run.start) && producer < int64_t(run.start + run.period))
          read.push_back(producer);
    std::sort(read.begin(), read.end());
    return size_t(std::unique(read.begin(), read.end()) - read.begin());
  }

  /// Of two starts with the same iterations, is the cut before `a` the better one?
  bool cutsBetter(const RepeatRun &a, const RepeatRun &b) const {
    auto order = [&](const RepeatRun &run) {
      return std::tuple(run.liveAcross, ops[run.start].joinsProducer, run.start);
    };
    return order(a) < order(b);
  }

  /// Moves the start, as long as no iteration is lost, to the best cut.
  void chooseCut(RepeatRun &run, Interval interval) const {
    run.liveAcross = cutWidth(run);
    RepeatRun best = run;
    // Earlier starts too: the one found is the first of its kind only.
    size_t first = std::max(interval.begin, run.start >= run.period ? run.start - run.period + 1 : size_t(0));
    // Widths cost little; the exact test is made where the cut is better.
    for (size_t start = first; start < run.start + run.period; ++start) {
      RepeatRun other{start, run.period, run.count, 0};
      if (other.end() > interval.end)
        break;
      other.liveAcross = cutWidth(other);
      if (cutsBetter(other, best) && measure(start, run.period, other.end()).count >= run.count)
        best = other;
    }
    run = best;
  }

  std::span<const RepeatOp> ops;
  const RepeatOptions &options;
};

} // namespace

std::vector<RepeatRun> findRepeats(std::span<const RepeatOp> ops, const RepeatOptions &options) {
  RepeatOptions limits = options;
  limits.minCount = std::max<size_t>(limits.minCount, 2);
  limits.minPeriod = std::max<size_t>(limits.minPeriod, 1);
  limits.minSaved = std::max<size_t>(limits.minSaved, 1);
  return Finder(ops, limits).run();
}

std::optional<std::string> checkRepeat(std::span<const RepeatOp> ops, const RepeatRun &run) {
  if (run.period == 0 || run.count < 2 || run.count > (ops.size() - std::min(run.start, ops.size())) / run.period)
    return "expected at least two iterations within the sequence";
  // Each iteration is compared with the second one, the first with its own
  // rule for what is carried.
  int64_t period = int64_t(run.period), start = int64_t(run.start);
  for (size_t iteration = 0; iteration < run.count; ++iteration) {
    for (size_t k = 0; k < run.period; ++k) {
      int64_t shift = (int64_t(iteration) - 1) * period;
      size_t model = run.start + run.period + k;
      size_t self = run.start + iteration * run.period + k;
      std::string where = "op " + std::to_string(self) + " and op " + std::to_string(model);
      const RepeatOp &a = ops[model], &b = ops[self];
      if (a.hash != b.hash || a.producers.size() != b.producers.size())
        return where + " differ";
      for (size_t o = 0; o < a.producers.size(); ++o) {
        int64_t expected = a.producers[o];
        bool carried = expected >= start && expected < start + period;
        if (expected >= start)
          expected += shift;
        bool same = iteration == 0 && carried ? b.producers[o] < start : b.producers[o] == expected;
        if (!same)
          return where + " read operand " + std::to_string(o) + " from ops that do not correspond";
      }
    }
  }
  return std::nullopt;
}

} // namespace bessemer
