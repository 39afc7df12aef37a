// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sequences and optionals that are known at compile time: lists of values that
// leave no op behind. Those that come from outside or from data are refused.
#include "passes/Legalize/Control.h"
#include "passes/Legalize/Handlers.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

static Entry sequenceOf(ArrayRef<Value> values) {
  Entry entry;
  entry.kind = Entry::Kind::Sequence;
  entry.sequence.assign(values.begin(), values.end());
  return entry;
}

/// The list behind operand i; null after a failure.
static const Entry *list(Node &n, size_t i) {
  if (n.has(i) && n.entry(i).kind == Entry::Kind::Sequence)
    return &n.entry(i);
  n.fail("expected a sequence that is known at compile time");
  return nullptr;
}

/// A constant position, `count` standing for one past the end.
static std::optional<size_t> position(Node &n, size_t operand, size_t count, size_t end, int64_t absent) {
  int64_t at = absent;
  if (n.has(operand)) {
    Ints known = n.needInts(n.in(operand), "position in a sequence");
    if (n.failed() || known.size() != 1)
      return std::nullopt;
    at = known[0];
  }
  if (at < 0)
    at += int64_t(count);
  if (at < 0 || at >= int64_t(end)) {
    n.fail("expected a position within a sequence of " + Twine(count) + " elements, got " + Twine(at));
    return std::nullopt;
  }
  return size_t(at);
}

void handlers::sequenceConstruct(Node &n) { n.out(0, sequenceOf(n.allInputs())); }
void handlers::sequenceEmpty(Node &n) { n.out(0, sequenceOf({})); }

void handlers::sequenceInsert(Node &n) {
  const Entry *sequence = list(n, 0);
  if (!sequence)
    return;
  size_t count = sequence->sequence.size();
  std::optional<size_t> at = position(n, 2, count, count + 1, int64_t(count));
  Value value = n.in(1);
  if (!at || n.failed())
    return;
  Entry result = *sequence;
  result.sequence.insert(result.sequence.begin() + *at, value);
  n.out(0, result);
}

void handlers::sequenceErase(Node &n) {
  const Entry *sequence = list(n, 0);
  if (!sequence)
    return;
  size_t count = sequence->sequence.size();
  std::optional<size_t> at = position(n, 1, count, count, -1);
  if (!at)
    return;
  Entry result = *sequence;
  result.sequence.erase(result.sequence.begin() + *at);
  n.out(0, result);
}

void handlers::sequenceAt(Node &n) {
  const Entry *sequence = list(n, 0);
  if (!sequence)
    return;
  if (std::optional<size_t> at = position(n, 1, sequence->sequence.size(), sequence->sequence.size(), 0))
    n.out(0, sequence->sequence[*at]);
}

void handlers::sequenceLength(Node &n) {
  if (const Entry *sequence = list(n, 0))
    n.out(0, n.fromDims(SymbolicExpr(int64_t(sequence->sequence.size())), ArrayRef<int64_t>(), n.b.getI64Type()));
}

void handlers::splitToSequence(Node &n) {
  Value x = n.in(0);
  if (!n.rankAtLeast(x, 1, "an operand"))
    return;
  int64_t axis = n.axis(n.i("axis", 0), n.rank(x));
  Dims sizes;
  bool drop = false;
  auto extent = n.staticDim(x, axis);
  if (!n.has(1) || n.rank(n.in(1)) == 0) {
    int64_t each = 1;
    if (n.has(1)) {
      Ints known = n.needInts(n.in(1), "split");
      if (n.failed() || known[0] < 1)
        return n.fail("expected a positive split");
      each = known[0];
    }
    if (!extent || *extent / each > 1024)
      return n.fail("expected a constant dimension to split, got " + n.dim(x, axis).str());
    for (int64_t at = 0; at < *extent; at += each)
      sizes.push_back(std::min(each, *extent - at));
    drop = !n.has(1) && n.i("keepdims", 1) == 0;
  } else {
    sizes = n.elements(n.in(1), "split");
  }
  SmallVector<Value> parts = splitInto(n, x, axis, sizes);
  if (drop)
    for (Value &part : parts)
      part = n.squeeze(part, {axis});
  n.out(0, sequenceOf(parts));
}

void handlers::concatFromSequence(Node &n) {
  const Entry *sequence = list(n, 0);
  if (!sequence || sequence->sequence.empty())
    return n.fail("expected a sequence of at least one tensor");
  SmallVector<Value> parts = sequence->sequence;
  bool fresh = n.i("new_axis", 0) != 0;
  int64_t axis = n.axis(n.i("axis", 0), n.rank(parts[0]) + (fresh ? 1 : 0));
  if (fresh)
    for (Value &part : parts)
      part = n.unsqueeze(part, {axis});
  n.out(0, n.concat(parts, axis));
}

void handlers::sequenceMap(Node &n) {
  const Entry *sequence = list(n, 0);
  Region *graph = subgraphOf(n, "body");
  if (!sequence || !graph)
    return;
  SmallVector<SmallVector<Value>> results(n.op->getNumResults());
  for (size_t i = 0; i < sequence->sequence.size(); ++i) {
    SmallVector<Entry> arguments = {Entry::ofTensor(sequence->sequence[i])}, values;
    for (size_t k = 1; k < n.inputCount(); ++k) {
      const Entry &operand = n.entry(k);
      if (operand.kind == Entry::Kind::Sequence) {
        if (operand.sequence.size() <= i)
          return n.fail("expected sequences of one length");
        arguments.push_back(Entry::ofTensor(operand.sequence[i]));
      } else {
        arguments.push_back(operand);
      }
    }
    n.lz.subgraph(*graph, n.scope, arguments, values);
    for (auto [list, value] : llvm::zip(results, values)) {
      if (value.kind != Entry::Kind::Tensor)
        return n.poison();
      list.push_back(value.tensor);
    }
  }
  for (auto [i, values] : llvm::enumerate(results))
    n.out(i, sequenceOf(values));
}

// ---- optionals: a value that is there, or is not ---------------------------------------

void handlers::optional(Node &n) { n.out(0, n.has(0) ? n.entry(0) : Entry::absent()); }

void handlers::optionalHasElement(Node &n) {
  n.out(0, n.fromDims(SymbolicExpr(n.has(0) ? 1 : 0), ArrayRef<int64_t>(), n.b.getI1Type()));
}

void handlers::optionalGetElement(Node &n) {
  if (!n.has(0))
    return n.fail("expected an optional that has an element");
  n.out(0, n.entry(0));
}
