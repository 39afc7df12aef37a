// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// LSTM, GRU and RNN. Layout 1 (batch first) goes through transposes.
#include "passes/Legalize/Handlers.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

namespace {

struct Recurrent {
  Value x, w, r, bias, lengths, initialH;
  bool batchFirst = false;
  Attrs attributes;
};

/// What the three have in common. `defaults` are the activations of one direction.
Recurrent common(Node &n, ArrayRef<StringRef> defaults) {
  Recurrent result{n.in(0), n.in(1), n.in(2), n.in(3), n.in(4), n.in(5), n.i("layout", 0) != 0, n.attrs()};
  if (!n.rankIs(result.x, 3, "operand X") || !n.rankIs(result.w, 3, "operand W") || !n.rankIs(result.r, 3, "operand R"))
    return result;
  std::string direction = n.s("direction", "forward");
  if (!llvm::is_contained({"forward", "reverse", "bidirectional"}, direction)) {
    n.fail("expected direction forward, reverse or bidirectional, got \"" + direction + "\"");
    return result;
  }
  size_t directions = direction == "bidirectional" ? 2 : 1;
  SmallVector<std::string> activations = n.strings("activations");
  if (activations.empty())
    for (size_t d = 0; d < directions; ++d)
      for (StringRef name : defaults)
        activations.push_back(name.str());
  if (activations.size() != directions * defaults.size()) {
    n.fail("expected " + Twine(directions * defaults.size()) + " activations, got " + Twine(activations.size()));
    return result;
  }
  for (std::string &name : activations)
    name = StringRef(name).lower();
  result.attributes.s("direction", direction).strings("activations", activations).f("clip", n.f("clip", 0));
  if (n.hasAttr("activation_alpha"))
    result.attributes.floats("activation_alpha", n.floats("activation_alpha"));
  if (n.hasAttr("activation_beta"))
    result.attributes.floats("activation_beta", n.floats("activation_beta"));
  if (result.batchFirst) {
    result.x = n.transpose(result.x, {1, 0, 2});
    if (result.initialH)
      result.initialH = n.transpose(result.initialH, {1, 0, 2});
  }
  return result;
}

/// Gives y [S, D, B, H] and the last states [D, B, H].
void give(Node &n, bool batchFirst, ArrayRef<Value> results) {
  if (n.failed())
    return;
  for (auto [i, result] : llvm::enumerate(results)) {
    Value value = result;
    if (batchFirst)
      value = i == 0 ? n.transpose(value, {2, 0, 1, 3}) : n.transpose(value, {1, 0, 2});
    n.out(i, value);
  }
}

} // namespace

void handlers::lstm(Node &n) {
  Recurrent c = common(n, {"sigmoid", "tanh", "tanh"});
  if (n.failed())
    return;
  Value initialC = n.in(6);
  if (initialC && c.batchFirst)
    initialC = n.transpose(initialC, {1, 0, 2});
  c.attributes.flag("input_forget", n.i("input_forget", 0) != 0);
  SmallVector<Value> results =
      n.makeAll("bess.lstm", {c.x, c.w, c.r, c.bias, c.lengths, c.initialH, initialC, n.in(7)}, c.attributes);
  give(n, c.batchFirst, ArrayRef<Value>(results).take_front(3));
}

void handlers::gru(Node &n) {
  Recurrent c = common(n, {"sigmoid", "tanh"});
  if (n.failed())
    return;
  c.attributes.flag("linear_before_reset", n.i("linear_before_reset", 0) != 0);
  SmallVector<Value> results = n.makeAll("bess.gru", {c.x, c.w, c.r, c.bias, c.lengths, c.initialH}, c.attributes);
  give(n, c.batchFirst, ArrayRef<Value>(results).take_front(2));
}

void handlers::rnn(Node &n) {
  Recurrent c = common(n, {"tanh"});
  if (n.failed())
    return;
  SmallVector<Value> results = n.makeAll("bess.rnn", {c.x, c.w, c.r, c.bias, c.lengths, c.initialH}, c.attributes);
  give(n, c.batchFirst, ArrayRef<Value>(results).take_front(2));
}
