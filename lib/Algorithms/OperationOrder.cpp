// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bessemer/Algorithms/OperationOrder.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>

namespace bessemer {

namespace {

using Bits = std::vector<uint64_t>;

struct BitsHash {
  size_t operator()(const Bits &bits) const {
    uint64_t hash = 0x9e3779b97f4a7c15ull;
    for (uint64_t word : bits) {
      hash ^= word;
      hash *= 0xbf58476d1ce4e5b9ull;
      hash ^= hash >> 29;
    }
    return hash;
  }
};

bool test(const Bits &bits, int i) { return bits[i / 64] >> (i % 64) & 1; }
void set(Bits &bits, int i) { bits[i / 64] |= uint64_t(1) << (i % 64); }

/// Who writes and who reads each value, and what must come before what.
struct Graph {
  explicit Graph(const OrderProblem &problem)
      : problem(problem), writer(problem.valueBytes.size(), -1), readers(problem.valueBytes.size()),
        kept(problem.valueBytes.size(), 0), before(problem.operations.size()), behind(problem.operations.size()) {
    for (size_t o = 0; o < problem.operations.size(); ++o)
      for (int value : problem.operations[o].writes)
        writer[value] = int(o);
    for (int value : problem.liveOut)
      kept[value] = 1;
    for (size_t o = 0; o < problem.operations.size(); ++o) {
      const OrderedOperation &operation = problem.operations[o];
      for (int value : operation.reads) {
        if (readers[value].empty() || readers[value].back() != int(o))
          readers[value].push_back(int(o));
        if (writer[value] >= 0)
          before[o].push_back(writer[value]);
      }
      for (int other : operation.after)
        before[o].push_back(other);
      std::sort(before[o].begin(), before[o].end());
      before[o].erase(std::unique(before[o].begin(), before[o].end()), before[o].end());
      for (int other : before[o])
        behind[other].push_back(int(o));
    }
  }

  /// Does the value die when `operation` has run, all of `done` having run?
  bool diesAt(int value, int operation, const Bits &done) const {
    if (writer[value] < 0 || kept[value])
      return false;
    return std::all_of(readers[value].begin(), readers[value].end(),
                       [&](int reader) { return reader == operation || test(done, reader); });
  }

  struct Step {
    int64_t during, after; ///< live bytes, relative to those before it
  };
  Step step(int operation, const Bits &done) const {
    const OrderedOperation &op = problem.operations[operation];
    int64_t written = 0, deadOnArrival = 0, freed = 0, takenOver = 0;
    for (int value : op.writes) {
      written += problem.valueBytes[value];
      if (readers[value].empty() && !kept[value])
        deadOnArrival += problem.valueBytes[value];
    }
    for (size_t i = 0; i < op.reads.size(); ++i) {
      int value = op.reads[i];
      if (std::find(op.reads.begin(), op.reads.begin() + i, value) != op.reads.begin() + i ||
          !diesAt(value, operation, done))
        continue;
      freed += problem.valueBytes[value];
      if (std::find(op.takesOver.begin(), op.takesOver.end(), value) != op.takesOver.end())
        takenOver += problem.valueBytes[value];
    }
    return {written - std::min(written, takenOver) + op.extraBytes, written - deadOnArrival - freed};
  }

  const OrderProblem &problem;
  std::vector<int> writer;
  std::vector<std::vector<int>> readers;
  std::vector<char> kept;
  std::vector<std::vector<int>> before, behind;
};

/// A set of operations that have run, reached with the smallest peak known.
struct State {
  Bits done;
  std::vector<int> ready;
  int64_t live = 0, peak = 0;
  int32_t parent = -1, operation = -1; ///< in the layer before
};

class Search {
public:
  Search(const OrderProblem &problem, const OrderBudget &budget)
      : graph(problem), count(problem.operations.size()), beam(std::max<size_t>(1, budget.beam)),
        layerSteps(budget.maxSteps / std::max<size_t>(1, count)) {}

  /// An order with a smaller peak than `limit`, if the beam finds one.
  std::optional<std::vector<int>> run(int64_t limit, bool &complete) {
    complete = true;
    std::vector<std::vector<Trace>> traces;
    std::vector<State> layer(1);
    layer[0].done.assign((count + 63) / 64, 0);
    for (size_t o = 0; o < count; ++o)
      if (graph.before[o].empty())
        layer[0].ready.push_back(int(o));
    for (size_t depth = 0; depth < count; ++depth) {
      std::vector<State> next = expand(layer, limit, complete);
      if (next.empty())
        return std::nullopt;
      std::sort(next.begin(), next.end(), [](const State &a, const State &b) {
        if (a.peak != b.peak)
          return a.peak < b.peak;
        return a.live != b.live ? a.live < b.live : a.done < b.done;
      });
      if (next.size() > beam) {
        complete = false;
        next.resize(beam);
      }
      std::vector<Trace> &trace = traces.emplace_back();
      for (const State &state : next)
        trace.push_back({state.parent, state.operation});
      layer = std::move(next);
    }
    std::vector<int> order(count);
    int32_t at = 0;
    for (size_t depth = count; depth-- > 0;) {
      order[depth] = traces[depth][at].operation;
      at = traces[depth][at].parent;
    }
    return order;
  }

private:
  struct Trace {
    int32_t parent, operation;
  };

  /// All sets of one operation more. `layer` is sorted, the best first: when there
  /// are too many steps to try, the rest is left out.
  std::vector<State> expand(const std::vector<State> &layer, int64_t limit, bool &complete) {
    std::vector<State> next;
    std::unordered_map<Bits, size_t, BitsHash> known;
    size_t steps = 0;
    for (size_t i = 0; i < layer.size(); ++i) {
      const State &state = layer[i];
      steps += state.ready.size();
      if (i > 0 && steps > layerSteps) {
        complete = false;
        break;
      }
      for (int operation : state.ready) {
        Graph::Step step = graph.step(operation, state.done);
        int64_t peak = std::max(state.peak, state.live + step.during);
        if (peak >= limit)
          continue;
        Bits done = state.done;
        set(done, operation);
        auto [it, isNew] = known.try_emplace(done, next.size());
        if (!isNew) {
          State &other = next[it->second];
          if (peak < other.peak) {
            other.peak = peak;
            other.parent = int32_t(i);
            other.operation = operation;
          }
          continue;
        }
        State made;
        made.live = state.live + step.after;
        made.peak = peak;
        made.parent = int32_t(i);
        made.operation = operation;
        for (int other : state.ready)
          if (other != operation)
            made.ready.push_back(other);
        for (int other : graph.behind[operation])
          if (std::all_of(graph.before[other].begin(), graph.before[other].end(),
                          [&](int needed) { return test(done, needed); }))
            made.ready.push_back(other);
        made.done = std::move(done);
        next.push_back(std::move(made));
      }
    }
    return next;
  }

  Graph graph;
  size_t count, beam, layerSteps;
};

} // namespace

int64_t peakOfOrder(const OrderProblem &problem, const std::vector<int> &order) {
  Graph graph(problem);
  Bits done((problem.operations.size() + 63) / 64, 0);
  int64_t live = 0, peak = 0;
  for (int operation : order) {
    Graph::Step step = graph.step(operation, done);
    peak = std::max(peak, live + step.during);
    live += step.after;
    set(done, operation);
  }
  return peak;
}

OrderResult orderOperations(const OrderProblem &problem, const OrderBudget &budget) {
  OrderResult result;
  result.order.resize(problem.operations.size());
  std::iota(result.order.begin(), result.order.end(), 0);
  result.givenPeak = result.peak = peakOfOrder(problem, result.order);
  Search search(problem, budget);
  bool complete = false;
  if (std::optional<std::vector<int>> better = search.run(result.peak, complete)) {
    result.order = std::move(*better);
    result.peak = peakOfOrder(problem, result.order);
  }
  result.optimal = complete;
  return result;
}

std::optional<std::string> checkOrder(const OrderProblem &problem, const std::vector<int> &order) {
  auto text = [](auto number) { return std::to_string(number); };
  size_t count = problem.operations.size();
  if (order.size() != count)
    return "expected " + text(count) + " operations, got " + text(order.size());
  std::vector<size_t> position(count, count);
  for (size_t at = 0; at < count; ++at) {
    if (order[at] < 0 || size_t(order[at]) >= count)
      return "expected operations below " + text(count) + ", got " + text(order[at]);
    if (position[order[at]] != count)
      return "operation " + text(order[at]) + " runs twice";
    position[order[at]] = at;
  }
  std::vector<int> writer(problem.valueBytes.size(), -1);
  for (size_t o = 0; o < count; ++o)
    for (int value : problem.operations[o].writes) {
      if (writer[value] >= 0)
        return "value " + text(value) + " is written twice";
      writer[value] = int(o);
    }
  for (size_t o = 0; o < count; ++o) {
    for (int value : problem.operations[o].reads)
      if (writer[value] >= 0 && position[writer[value]] >= position[o])
        return "operation " + text(o) + " reads value " + text(value) + " before operation " + text(writer[value]) +
               " writes it";
    for (int other : problem.operations[o].after)
      if (position[other] >= position[o])
        return "operation " + text(o) + " runs before operation " + text(other) + ", which it comes after";
  }
  return std::nullopt;
}

} // namespace bessemer
