// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// An If whose branches give tensors of different rank: what follows it is
// legalized once for each branch. Exporters write such nodes where only one
// branch fits what follows ("squeeze if the dimension is 1"); then the other
// cannot be legalized, and a guard says that the program holds for the one.
#include "passes/Legalize/Control.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

static constexpr int maxSplits = 8;

void Legalizer::notePredicate(onnx::NodeOp node, Scope &scope) {
  if (node.getNumResults() != 1 || node.getInputs().empty())
    return;
  auto tensor = [&](Value v) -> Value {
    const Entry *entry = scope.lookup(v);
    return entry && entry->kind == Entry::Kind::Tensor ? entry->tensor : Value();
  };
  Value result = tensor(node.getResult(0)), x = tensor(node.getInputs()[0]);
  if (!result || !x || predicates.count(result))
    return;
  StringRef op = node.getOpType();
  if (op == "Equal" && node.getInputs().size() == 2) {
    Value y = tensor(node.getInputs()[1]);
    auto a = contents(x), b = y ? contents(y) : std::nullopt;
    if (a && b && a->size() == 1 && b->size() == 1)
      predicates[result] = {(*a)[0], (*b)[0], false};
    return;
  }
  auto it = predicates.find(x);
  if (it == predicates.end())
    return;
  Predicate predicate = it->second;
  if (op == "Not")
    predicate.negated = !predicate.negated;
  else if (op != "Cast" && op != "Identity" && op != "Reshape" && op != "Squeeze" && op != "Unsqueeze")
    return;
  predicates[result] = predicate;
}

bool Legalizer::guardCondition(Value condition, bool holds, Location loc) {
  auto it = predicates.find(condition);
  if (it == predicates.end() || it->second.negated == holds)
    return false;
  return guardEqual(it->second.lhs, it->second.rhs, loc, "only one branch of an If fits what follows it");
}

void Legalizer::splitRest(Block &source, Block::iterator rest, onnx::NodeOp ifNode, Scope &scope,
                          SmallVectorImpl<Entry> &results, std::string why) {
  auto refuse = [&] {
    reportFailure(ifNode.getLoc(), why);
    for (Value result : ifNode.getOutputs())
      scope.values[result] = Entry::poison();
    block(source, rest, scope, results);
  };
  if (++splits > maxSplits)
    return refuse();
  SmallVector<Entry> operands = {*scope.lookup(ifNode.getInputs()[0])};
  Node n(*this, ifNode, "", scope, operands);
  Region *graphs[2] = {subgraphOf(n, "then_branch"), subgraphOf(n, "else_branch")};
  Value condition = n.in(0), truth = truthOf(n, condition);
  if (!truth)
    return refuse();

  auto draft = scf::IfOp::create(b, ifNode.getLoc(), TypeRange(), truth, true, true);
  SmallVector<Entry> ends[2];
  bool fits[2];
  // What follows, with the results of one branch. Failures are kept apart: that
  // a side does not fit is an answer.
  auto runSide = [&](int side, Scope &inner, SmallVectorImpl<Entry> &out) {
    SmallVector<Entry> branch;
    subgraph(*graphs[side], scope, {}, branch);
    for (auto [result, entry] : llvm::zip(ifNode.getOutputs(), branch))
      inner.values[result] = entry;
    block(source, rest, inner, out);
  };
  for (int side = 0; side < 2; ++side) {
    size_t before = failures.size();
    OpBuilder::InsertionGuard guard(b);
    Block *body = side == 0 ? draft.thenBlock() : draft.elseBlock();
    body->clear();
    b.setInsertionPointToEnd(body);
    Scope inner;
    inner.parent = &scope;
    inner.depth = scope.depth;
    runSide(side, inner, ends[side]);
    fits[side] = failures.size() == before;
    for (const Entry &entry : ends[side])
      fits[side] &= entry.kind == Entry::Kind::Tensor;
    takeFailures(before);
  }
  if (fits[0] != fits[1]) {
    int side = fits[0] ? 0 : 1;
    discard(draft);
    b.setInsertionPointToEnd(truth.getParentBlock());
    if (!guardCondition(condition, side == 0, ifNode.getLoc()))
      return refuse();
    return runSide(side, scope, results);
  }
  bool alike = fits[0] && fits[1] && ends[0].size() == ends[1].size();
  if (alike)
    for (auto [x, y] : llvm::zip(ends[0], ends[1]))
      alike &= n.rank(x.tensor) == n.rank(y.tensor) && n.elt(x.tensor) == n.elt(y.tensor);
  if (!alike) {
    discard(draft);
    b.setInsertionPointToEnd(truth.getParentBlock());
    return refuse();
  }
  SmallVector<Type> types;
  SmallVector<Dims> shapes;
  for (auto [x, y] : llvm::zip(ends[0], ends[1])) {
    Dims dims;
    for (auto [p, q] : llvm::zip(n.dims(x.tensor), n.dims(y.tensor)))
      dims.push_back(p == q ? p : freshSymbol("branch"));
    types.push_back(bess::getTensorType(dims, n.elt(x.tensor)));
    shapes.push_back(dims);
  }
  for (int side = 0; side < 2; ++side) {
    b.setInsertionPointToEnd(side == 0 ? draft.thenBlock() : draft.elseBlock());
    SmallVector<Value> values;
    for (auto [entry, dims] : llvm::zip(ends[side], shapes))
      values.push_back(retype(n, entry.tensor, dims));
    scf::YieldOp::create(b, ifNode.getLoc(), values);
  }
  b.setInsertionPointAfter(draft);
  auto made = scf::IfOp::create(b, ifNode.getLoc(), types, truth, false, false);
  made.getThenRegion().takeBody(draft.getThenRegion());
  made.getElseRegion().takeBody(draft.getElseRegion());
  draft.erase();
  for (Value value : made.getResults())
    results.push_back(Entry::ofTensor(value));
}
