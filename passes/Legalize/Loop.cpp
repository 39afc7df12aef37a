// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Loop and Scan: unrolled when the number of iterations is a small constant,
// else `scf.while` on tensors.
#include "passes/Legalize/Control.h"
#include "passes/Legalize/Handlers.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

namespace {

constexpr int64_t maxUnrolled = 64;

/// One turn: the condition for the next (null: go on), states, rows of scan outputs.
struct Turn {
  Value condition;
  SmallVector<Entry> states;
  SmallVector<Value> rows;
};
/// Legalizes the body; false when it did not come out (reported already, or `fail` was called).
using Body = llvm::function_ref<bool(Value iteration, Value condition, ArrayRef<Entry> states, Turn &turn)>;

struct LoopShape {
  std::optional<SymbolicExpr> trips; ///< at most that many turns
  Value condition;                   ///< before the first turn; null: true
  SmallVector<Entry> states;
  size_t rowCount = 0;
  int64_t bodySize = 1; ///< ops in the body
};

std::optional<bool> known(Node &n, Value condition) {
  if (!condition)
    return true;
  std::optional<Ints> value = n.constInts(condition);
  if (!value || value->size() != 1)
    return std::nullopt;
  return (*value)[0] != 0;
}

/// Stacks rows along a new first dimension.
Value stack(Node &n, ArrayRef<Value> rows) {
  SmallVector<Value> parts;
  for (Value row : rows)
    parts.push_back(n.unsqueeze(row, {0}));
  return n.concat(parts, 0);
}

/// Results: the states, then the stacked rows. False: it cannot be unrolled.
bool unroll(Node &n, const LoopShape &loop, Body body, SmallVectorImpl<Entry> &results) {
  if (!loop.trips || !loop.trips->isConstant() || *loop.trips->isConstant() > maxUnrolled)
    return false;
  int64_t trips = std::max<int64_t>(0, *loop.trips->isConstant());
  if (!n.lz.mayUnroll(trips * loop.bodySize))
    return false;
  std::optional<bool> go = known(n, loop.condition);
  if (!go)
    return false;
  SmallVector<Entry> states = loop.states;
  SmallVector<SmallVector<Value>> rows(loop.rowCount);
  Type i64 = n.b.getI64Type();
  for (int64_t i = 0; i < trips && *go; ++i) {
    Turn turn;
    if (!body(n.scalar(double(i), i64), n.scalar(1, n.b.getI1Type()), states, turn))
      return true; // reported
    go = known(n, turn.condition);
    if (!go)
      return false;
    states = turn.states;
    for (auto [k, row] : llvm::enumerate(turn.rows))
      rows[k].push_back(row);
  }
  results.assign(states.begin(), states.end());
  if (loop.rowCount && rows[0].empty()) {
    // No turn: the rows' types come from a body that is thrown away.
    Turn turn;
    if (!body(n.scalar(0, i64), n.scalar(1, n.b.getI1Type()), states, turn))
      return true;
    for (Value row : turn.rows) {
      Dims dims = n.dims(row);
      dims.insert(dims.begin(), SymbolicExpr(0));
      results.push_back(Entry::ofTensor(n.splat(dims, 0, n.elt(row))));
    }
    return true;
  }
  for (auto &list : rows)
    results.push_back(Entry::ofTensor(stack(n, list)));
  return true;
}

/// The general loop. `shapes` are the dimensions of the carried states.
struct WhileLoop {
  Node &n;
  const LoopShape &loop;
  Body body;
  std::set<std::string> generalized = {};

  WhileLoop(Node &n, const LoopShape &loop, Body body) : n(n), loop(loop), body(body) {}

  /// One attempt with these dimensions; `next` gets what the body makes of
  /// them. Null when the body failed or the dimensions do not hold.
  scf::WhileOp attempt(ArrayRef<Dims> shapes, ArrayRef<Dims> rowShapes, SmallVectorImpl<Dims> &next,
                       SmallVectorImpl<Dims> &nextRows, SmallVectorImpl<Type> &rowTypes, bool &bodyFailed) {
    Type i64 = n.b.getI64Type(), i1 = n.b.getI1Type();
    SmallVector<Value> inits = {n.scalar(0, i64), loop.condition ? n.reshape(loop.condition, {}) : n.scalar(1, i1)};
    for (auto [entry, dims] : llvm::zip(loop.states, shapes))
      inits.push_back(retype(n, entry.tensor, dims));
    bool withRows = !rowShapes.empty() || loop.rowCount == 0;
    if (withRows)
      for (auto [dims, type] : llvm::zip(rowShapes, rowTypes)) {
        Dims all = dims;
        all.insert(all.begin(), *loop.trips);
        inits.push_back(n.splat(all, 0, type));
      }
    if (n.failed())
      return {};
    SmallVector<Type> types;
    for (Value init : inits)
      types.push_back(init.getType());
    auto op = scf::WhileOp::create(n.b, n.loc, types, inits);
    SmallVector<Location> locs(types.size(), n.loc);
    OpBuilder::InsertionGuard guard(n.b);
    Block *before = n.b.createBlock(&op.getBefore(), {}, types, locs);
    Value go = before->getArgument(1);
    if (loop.trips) {
      Value limit = n.fromDims(*loop.trips, ArrayRef<int64_t>(), i64);
      go = n.logicalAnd(go, n.less(before->getArgument(0), limit));
    }
    Value truth = truthOf(n, go);
    if (!truth)
      return op;
    scf::ConditionOp::create(n.b, n.loc, truth, before->getArguments());

    Block *after = n.b.createBlock(&op.getAfter(), {}, types, locs);
    SmallVector<Entry> states;
    for (size_t i = 0; i < loop.states.size(); ++i)
      states.push_back(Entry::ofTensor(after->getArgument(2 + i)));
    Turn turn;
    if (!body(after->getArgument(0), after->getArgument(1), states, turn)) {
      bodyFailed = true;
      return op;
    }
    for (const Entry &state : turn.states) {
      if (state.kind != Entry::Kind::Tensor) {
        n.fail("a loop carries a sequence, and its number of turns is not known");
        return op;
      }
      next.push_back(n.dims(state.tensor));
    }
    rowTypes.clear();
    for (Value row : turn.rows) {
      nextRows.push_back(n.dims(row));
      rowTypes.push_back(n.elt(row));
    }
    if (!withRows)
      return op;
    SmallVector<Value> yields = {n.add(after->getArgument(0), n.scalar(1, i64)),
                                 turn.condition ? n.reshape(turn.condition, {}) : after->getArgument(1)};
    for (auto [state, dims] : llvm::zip(turn.states, shapes)) {
      if (next.size() && n.rank(state.tensor) != int64_t(dims.size()))
        return op;
      yields.push_back(retype(n, state.tensor, dims));
    }
    for (auto [k, row] : llvm::enumerate(turn.rows)) {
      Value all = after->getArgument(2 + loop.states.size() + k);
      Value at = n.reshape(after->getArgument(0), {SymbolicExpr(1), SymbolicExpr(1)});
      yields.push_back(n.make<bess::ScatterNdOp>({all, at, n.unsqueeze(row, {0})}, n.attrs().s("reduction", "none")));
    }
    if (!n.failed())
      scf::YieldOp::create(n.b, n.loc, yields);
    return op;
  }

  void run(SmallVectorImpl<Entry> &results) {
    SmallVector<Dims> shapes, rowShapes;
    SmallVector<Type> rowTypes;
    for (const Entry &state : loop.states) {
      if (state.kind != Entry::Kind::Tensor)
        return n.fail("a loop carries a sequence, and its number of turns is not known");
      shapes.push_back(n.dims(state.tensor));
    }
    if (loop.rowCount && !loop.trips)
      return n.fail("scan outputs of a loop without a bound on its turns are not supported");
    for (int round = 0; round < 4; ++round) {
      SmallVector<Dims> next, nextRows;
      bool bodyFailed = false;
      Operation *mark = n.b.getInsertionBlock()->empty() ? nullptr : &n.b.getInsertionBlock()->back();
      scf::WhileOp op = attempt(shapes, rowShapes, next, nextRows, rowTypes, bodyFailed);
      bool settled = op && !n.failed() && !bodyFailed && next.size() == shapes.size();
      bool rowsKnown = rowShapes.size() == loop.rowCount && nextRows == ArrayRef<Dims>(rowShapes);
      bool changed = false;
      if (settled)
        for (auto [dims, after] : llvm::zip(shapes, next)) {
          if (dims.size() != after.size())
            return discard(mark), n.fail("a loop changes the rank of a value that it carries");
          for (auto [a, b] : llvm::zip(dims, after))
            if (a != b && !(a.isSymbol() && generalized.count(a.str()))) {
              a = n.lz.freshSymbol("loop");
              generalized.insert(a.str());
              changed = true;
            }
        }
      if (settled && !changed && rowsKnown)
        return finish(op, results);
      discard(mark);
      if (!settled)
        return;
      rowShapes = nextRows;
    }
    n.fail("the dimensions of the values that a loop carries do not settle");
  }

  /// Erases what an attempt has made.
  void discard(Operation *mark) {
    Block *block = n.b.getInsertionBlock();
    while (!block->empty() && &block->back() != mark)
      n.lz.discard(&block->back());
    n.b.setInsertionPointToEnd(block);
  }

  void finish(scf::WhileOp op, SmallVectorImpl<Entry> &results) {
    for (size_t i = 0; i < loop.states.size(); ++i)
      results.push_back(Entry::ofTensor(op.getResult(2 + i)));
    if (!loop.rowCount)
      return;
    // A loop that ends early has filled only the first rows.
    Value count = op.getResult(0);
    Dims taken = n.elements(count, "turns");
    for (size_t k = 0; k < loop.rowCount && !n.failed(); ++k) {
      Value all = op.getResult(2 + loop.states.size() + k);
      results.push_back(Entry::ofTensor(n.sliceAxis(all, 0, 0, taken[0])));
    }
  }
};

void runLoop(Node &n, const LoopShape &loop, Body body) {
  SmallVector<Entry> results;
  size_t failures = n.lz.failureCount();
  if (!unroll(n, loop, body, results) && !n.failed() && n.lz.failureCount() == failures)
    WhileLoop(n, loop, body).run(results);
  n.poison();
  if (!n.failed())
    for (auto [i, entry] : llvm::enumerate(results))
      n.out(i, entry);
}

} // namespace

void handlers::loop(Node &n) {
  Region *graph = subgraphOf(n, "body");
  if (n.failed())
    return;
  LoopShape loop;
  for (size_t i = 2; i < n.inputCount(); ++i)
    loop.states.push_back(n.entry(i));
  size_t carried = loop.states.size();
  if (n.op->getNumResults() < carried)
    return n.fail("expected a result for each value that the loop carries");
  loop.rowCount = graph->front().getTerminator()->getNumOperands() -
                  std::min<size_t>(1 + carried, graph->front().getTerminator()->getNumOperands());
  graph->walk([&](Operation *) { ++loop.bodySize; });
  if (n.has(1)) {
    loop.condition = n.in(1);
    if (known(n, loop.condition) == true)
      loop.condition = {};
  }
  if (n.has(0)) {
    if (std::optional<Ints> count = n.constInts(n.in(0)); count && count->size() == 1)
      loop.trips = SymbolicExpr(std::max<int64_t>(0, (*count)[0]));
    else if (std::optional<Dims> count = n.contents(n.in(0)); count && count->size() == 1)
      loop.trips = SymbolicExpr::max((*count)[0], 0);
    else {
      Dims bound =
          n.elements(n.max(n.cast(n.reshape(n.in(0), {}), n.b.getI64Type()), n.scalar(0, n.b.getI64Type())), "trips");
      if (n.failed())
        return;
      loop.trips = bound[0];
    }
    if (auto count = loop.trips->isConstant(); count && *count > (int64_t(1) << 40))
      loop.trips.reset();
  }
  runLoop(n, loop, [&](Value iteration, Value condition, ArrayRef<Entry> states, Turn &turn) {
    SmallVector<Entry> arguments = {Entry::ofTensor(iteration), Entry::ofTensor(condition)}, results;
    arguments.append(states.begin(), states.end());
    n.lz.subgraph(*graph, n.scope, arguments, results);
    if (results.size() != 1 + carried + loop.rowCount)
      return n.fail("expected the body to give a condition and every carried value"), false;
    for (const Entry &entry : results)
      if (entry.kind == Entry::Kind::Poison)
        return false;
    turn.condition = results[0].tensor;
    turn.states.assign(results.begin() + 1, results.begin() + 1 + carried);
    for (const Entry &row : ArrayRef<Entry>(results).drop_front(1 + carried)) {
      if (row.kind != Entry::Kind::Tensor)
        return n.fail("expected scan outputs to be tensors"), false;
      turn.rows.push_back(row.tensor);
    }
    return true;
  });
}

void handlers::scan(Node &n) {
  if (n.version < 9)
    return n.fail("Scan before version 9 is not supported");
  Region *graph = subgraphOf(n, "body");
  size_t inputs = size_t(std::max<int64_t>(0, n.i("num_scan_inputs", 0)));
  if (n.failed() || inputs > n.inputCount() || inputs == 0)
    return n.fail("expected num_scan_inputs from 1 to the number of operands");
  size_t carried = n.inputCount() - inputs,
         rows = n.op->getNumResults() - std::min<size_t>(carried, n.op->getNumResults());
  Ints inputAxes = n.ints("scan_input_axes", Ints(inputs, 0)),
       inputDirections = n.ints("scan_input_directions", Ints(inputs, 0));
  Ints outputAxes = n.ints("scan_output_axes", Ints(rows, 0)),
       outputDirections = n.ints("scan_output_directions", Ints(rows, 0));
  if (inputAxes.size() != inputs || inputDirections.size() != inputs || outputAxes.size() != rows ||
      outputDirections.size() != rows)
    return n.fail("expected axes and directions for each scan input and output");
  LoopShape loop;
  loop.rowCount = rows;
  graph->walk([&](Operation *) { ++loop.bodySize; });
  SmallVector<Value> sources;
  for (size_t i = 0; i < n.inputCount(); ++i) {
    if (i < carried) {
      loop.states.push_back(n.entry(i));
      continue;
    }
    Value source = n.in(i);
    int64_t &axis = inputAxes[i - carried];
    axis = n.axis(axis, n.rank(source));
    if (n.failed())
      return;
    if (!loop.trips)
      loop.trips = n.dim(source, axis);
    n.guardEqual(*loop.trips, n.dim(source, axis), "length of scan inputs");
    if (inputDirections[i - carried])
      source = n.make<bess::ReverseOp>({source}, n.attrs().ints("axes", axis));
    sources.push_back(source);
  }
  runLoop(n, loop, [&](Value iteration, Value, ArrayRef<Entry> states, Turn &turn) {
    SmallVector<Entry> arguments(states), results;
    for (auto [source, axis] : llvm::zip(sources, inputAxes))
      arguments.push_back(Entry::ofTensor(n.gather(source, iteration, axis)));
    if (n.failed())
      return false;
    n.lz.subgraph(*graph, n.scope, arguments, results);
    if (results.size() != carried + rows)
      return n.fail("expected the body to give every state and scan output"), false;
    for (const Entry &entry : results)
      if (entry.kind != Entry::Kind::Tensor)
        return false;
    turn.states.assign(results.begin(), results.begin() + carried);
    for (const Entry &row : ArrayRef<Entry>(results).drop_front(carried))
      turn.rows.push_back(row.tensor);
    return true;
  });
  for (size_t k = 0; k < rows && !n.failed(); ++k) {
    const Entry &entry = n.outputs()[carried + k];
    if (entry.kind != Entry::Kind::Tensor)
      continue;
    Value y = entry.tensor;
    if (outputDirections[k])
      y = n.make<bess::ReverseOp>({y}, n.attrs().ints("axes", 0));
    int64_t axis = n.axis(outputAxes[k], n.rank(y));
    Ints permutation;
    for (int64_t i = 1; i < n.rank(y); ++i)
      permutation.push_back(i);
    permutation.insert(permutation.begin() + axis, 0);
    n.out(carried + k, n.transpose(y, permutation));
  }
}
