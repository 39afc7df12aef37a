// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// If: a known condition leaves one branch; else `scf.if` on tensors. Branches
// whose results differ in a dimension bind it to a symbol, each on its side.
// Where the sizes fit one branch only (a frame that is right for one of two
// sample rates), that one is the program, and a guard says so of the condition.
// Loops are in Loop.cpp.
#include "passes/Legalize/Control.h"
#include "passes/Legalize/Handlers.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

Region *legalize::subgraphOf(Node &n, StringRef name) {
  for (auto [i, spelled] : llvm::enumerate(n.op.getSubgraphNames()))
    if (cast<StringAttr>(spelled).getValue() == name && i < n.op.getSubgraphs().size() &&
        !n.op.getSubgraphs()[i].empty())
      return &n.op.getSubgraphs()[i];
  n.fail("expected a graph attribute " + name);
  return nullptr;
}

Value legalize::truthOf(Node &n, Value condition) {
  if (n.failed() || !condition)
    return {};
  Value scalar = n.reshape(condition, {});
  if (!scalar)
    return {};
  return tensor::ExtractOp::create(n.b, n.loc, scalar, ValueRange());
}

Value legalize::retype(Node &n, Value value, ArrayRef<SymbolicExpr> dims) {
  Dims old, symbols;
  SmallVector<std::string> names;
  for (auto [have, want] : llvm::zip(n.dims(value), dims))
    if (have != want) {
      old.push_back(have);
      names.push_back(std::string(want.isSymbol().value_or("")));
    }
  if (old.empty())
    return value;
  SmallVector<StringRef> references(names.begin(), names.end());
  Value sizes = bess::FromDimsOp::create(n.b, n.loc, RankedTensorType::get(int64_t(old.size()), n.b.getI64Type()),
                                         bess::getDimsAttr(n.b.getContext(), old));
  bess::BindSymbolsOp::create(n.b, n.loc, sizes, n.b.getStrArrayAttr(references));
  return bess::ReshapeOp::create(n.b, n.loc, n.tensor(dims, n.elt(value)), value);
}

/// The program holds where `condition` has this value; `why` says what is wrong
/// with the other branch.
static bool guardBranch(Node &n, Value condition, bool value, StringRef why) {
  Dims taken = n.elements(n.cast(condition, n.b.getI64Type()), "condition");
  return !n.failed() && taken.size() == 1 &&
         n.guardEqual(taken[0], SymbolicExpr(int64_t(value)), ("this branch cannot run: " + why).str());
}

void handlers::ifOp(Node &n) {
  Region *thenGraph = subgraphOf(n, "then_branch"), *elseGraph = subgraphOf(n, "else_branch");
  Value condition = n.in(0);
  if (n.failed() || !condition)
    return n.fail("expected a condition");
  auto takeBranch = [&](bool first) {
    SmallVector<Entry> results;
    n.lz.subgraph(first ? *thenGraph : *elseGraph, n.scope, {}, results);
    for (auto [i, entry] : llvm::enumerate(results))
      n.out(i, entry);
  };
  if (std::optional<Ints> known = n.constInts(condition); known && known->size() == 1)
    return takeBranch((*known)[0]);
  Value truth = truthOf(n, condition);
  if (!truth)
    return;
  // Branches go into an scf.if without results first: their types are not known yet.
  auto draft = scf::IfOp::create(n.b, n.loc, TypeRange(), truth, true, true);
  SmallVector<SmallVector<Value>, 2> yields(2);
  OpBuilder::InsertionGuard guard(n.b);
  bool complete = true;
  std::vector<Legalizer::Failure> failures[2];
  for (int side = 0; side < 2; ++side) {
    size_t before = n.lz.failureCount();
    Block *block = side == 0 ? draft.thenBlock() : draft.elseBlock();
    block->clear();
    n.b.setInsertionPointToEnd(block);
    SmallVector<Entry> results;
    n.lz.subgraph(side == 0 ? *thenGraph : *elseGraph, n.scope, {}, results);
    for (Entry &entry : results) {
      complete &= entry.kind == Entry::Kind::Tensor;
      yields[side].push_back(entry.tensor);
      if (entry.kind == Entry::Kind::Sequence || entry.kind == Entry::Kind::Absent)
        n.fail("a branch gives a sequence or nothing, and the condition is not known");
    }
    failures[side] = n.lz.takeFailures(before);
  }
  auto discard = [&] {
    n.b.setInsertionPoint(draft);
    n.lz.discard(draft);
  };
  if (!n.failed() && failures[0].empty() != failures[1].empty()) {
    bool first = failures[0].empty();
    const std::vector<Legalizer::Failure> &wrong = failures[first];
    if (llvm::all_of(wrong, [](const auto &failure) { return failure.isOperands; })) {
      n.b.setInsertionPointAfter(draft);
      n.lz.discard(draft);
      if (!guardBranch(n, condition, first, wrong.front().text))
        return n.fail(wrong.front().text);
      n.lz.warnOfGuard("one branch is left out, and a run that takes it fails: " + wrong.front().text);
      return takeBranch(first);
    }
  }
  for (std::vector<Legalizer::Failure> &side : failures)
    for (Legalizer::Failure &failure : side)
      n.lz.reportFailure(std::move(failure));
  if (n.failed() || !complete || yields[0].size() != yields[1].size()) {
    // Nodes within that failed are reported themselves.
    n.poison();
    return discard();
  }
  SmallVector<Type> types;
  SmallVector<Dims> shapes;
  for (auto [x, y] : llvm::zip(yields[0], yields[1])) {
    if (n.rank(x) != n.rank(y) || n.elt(x) != n.elt(y)) {
      std::string text;
      llvm::raw_string_ostream(text) << "the branches give " << x.getType() << " and " << y.getType()
                                     << ", and the condition is not known; binding dimensions or inputs may decide it";
      n.branchesDiffer = n.rank(x) != n.rank(y);
      n.fail(text);
      return discard();
    }
    Dims dims;
    for (auto [a, b] : llvm::zip(n.dims(x), n.dims(y)))
      dims.push_back(a == b ? a : n.lz.freshSymbol("branch"));
    types.push_back(n.tensor(dims, n.elt(x)));
    shapes.push_back(dims);
  }
  for (int side = 0; side < 2; ++side) {
    n.b.setInsertionPointToEnd(side == 0 ? draft.thenBlock() : draft.elseBlock());
    for (auto [value, dims] : llvm::zip(yields[side], shapes))
      value = retype(n, value, dims);
    scf::YieldOp::create(n.b, n.loc, yields[side]);
  }
  n.b.setInsertionPointAfter(draft);
  auto made = scf::IfOp::create(n.b, n.loc, types, truth, false, false);
  made.getThenRegion().takeBody(draft.getThenRegion());
  made.getElseRegion().takeBody(draft.getElseRegion());
  draft.erase();
  for (auto [i, value] : llvm::enumerate(made.getResults()))
    n.out(i, value);
}
