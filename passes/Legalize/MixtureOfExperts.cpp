// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// com.microsoft MoE: each token goes through the feed-forward blocks of its k best experts.
//
//   weights, experts = top k of softmax(router)              [T, k]
//   each (token, expert) is a row; rows are sorted by expert:
//     position[i] = how many rows come before row i           [T * k]
//     offsets[e]  = how many rows have an expert before e     [E + 1]
//   h = act(grouped_matmul(tokens in that order, fc1, offsets))
//   y = grouped_matmul(h, fc2, offsets)
//   result[t] = sum over k of weights[t, k] * y[position[t, k]]
//
// A row's position is counted, not scanned: T * k numbers are compared with each other in parallel, which is
// little beside the products as long as T * k is below some ten thousand.
//
// Definition: docs/ContribOperators.md of ONNX Runtime. That fc3 without swiglu is a gate (Mixtral's silu(x w1) * (x
// w3)) is said by its tests alone.
#include "passes/Legalize/Handlers.h"

#include <cmath>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

namespace {
enum Inputs { tokens, router, weights1, bias1, weights2, bias2, weights3, bias3 };

/// Rows of tokens, sorted by expert.
struct Routing {
  Value weights;  ///< f32 [T, k, 1]
  Value token;    ///< i64 [T * k]: of each sorted row
  Value position; ///< i64 [T * k]: of row t * k + j among the sorted ones
  Value offsets;  ///< i64 [E + 1]
};

Routing route(Node &n, Value router, int64_t experts, int64_t k) {
  Type i64 = n.b.getI64Type(), f32 = n.b.getF32Type();
  SymbolicExpr count = n.dim(router, 0), rows = count * k;
  Value probabilities = n.softmax(n.cast(router, f32), 1);
  if (n.failed())
    return {};
  auto best = n.makeAll("bess.topk", {probabilities}, n.attrs().i("axis", 1),
                        {n.tensor({count, k}, f32), n.tensor({count, k}, i64)});
  if (n.failed())
    return {};
  Value weights = best[0];
  if (n.i("normalize_routing_weights", 0))
    weights = n.div(weights, n.reduce(weights, "sum", {1}, true));
  Value expert = n.reshape(best[1], {rows});

  // Keys in the order wanted, all different.
  Value key = n.add(n.mul(expert, n.reshape(n.fromDims({rows}, {1}, i64), {})), n.iota({rows}, 0, i64));
  auto counted = [&](Value isBefore) { return n.reduce(n.cast(isBefore, i64), "sum", {1}, false); };
  Routing routing;
  routing.weights = n.reshape(weights, {count, k, 1});
  routing.position = counted(n.greater(n.reshape(key, {rows, 1}), n.reshape(key, {1, rows})));
  routing.offsets = counted(n.less(n.reshape(expert, {1, rows}), n.iota({SymbolicExpr(experts + 1), 1}, 0, i64)));
  Value token = n.reshape(n.iota({count, SymbolicExpr(k)}, 0, i64), {rows});
  routing.token = n.make<bess::ScatterElementsOp>({n.splat({rows}, 0, i64), routing.position, token},
                                                  n.attrs().i("axis", 0).s("reduction", "none"));
  return routing;
}

Value product(Node &n, Value x, Value w, Value bias, const Routing &routing) {
  return n.make<bess::GroupedMatmulOp>({x, w, routing.offsets, bias}, n.attrs().unit("transpose_b", true));
}

/// g * sigmoid(alpha * g) * (l + beta), g and l clamped where the node gives a limit.
Value swiglu(Node &n, Value gate, Value linear) {
  if (n.hasAttr("swiglu_limit")) {
    double limit = n.f("swiglu_limit", 0);
    gate = n.min(gate, n.like(gate, limit));
    linear = n.max(n.min(linear, n.like(linear, limit)), n.like(linear, -limit));
  }
  double alpha = n.f("activation_alpha", 1), beta = n.f("activation_beta", 0);
  Value activated = n.mul(gate, n.sigmoid(alpha == 1 ? gate : n.mul(gate, n.like(gate, alpha))));
  return n.mul(activated, beta == 0 ? linear : n.add(linear, n.like(linear, beta)));
}

Value activate(Node &n, Value x, StringRef kind) {
  if (kind == "relu")
    return n.make<bess::ReluOp>({x});
  if (kind == "gelu")
    return n.make<bess::GeluOp>({x}, n.attrs().s("approximate", "tanh"));
  return kind == "silu" ? n.mul(x, n.sigmoid(x)) : x;
}

/// Is the operand, given or not, of this shape?
void expectShape(Node &n, Inputs input, ArrayRef<SymbolicExpr> wanted, StringRef name) {
  Value value = n.in(input);
  if (!value || !n.rankIs(value, wanted.size(), name))
    return;
  for (auto [i, dim] : llvm::enumerate(wanted))
    n.guardEqual(dim, n.dim(value, i), ("dimension " + Twine(i) + " of " + name).str());
}
} // namespace

void handlers::mixtureOfExperts(Node &n) {
  Value x = n.in(tokens), logits = n.in(router), fc1 = n.in(weights1), fc2 = n.in(weights2), fc3 = n.in(weights3);
  if (!x || !logits || !fc1 || !fc2)
    return n.fail("expected tokens, router_probs, fc1_experts_weights and fc2_experts_weights");
  if (n.rank(x) != 2 && n.rank(x) != 3)
    return n.fail("expected tokens of rank 2 or 3, got rank " + Twine(n.rank(x)));
  if (!n.rankIs(logits, 2, "router_probs") || !n.rankIs(fc1, 3, "fc1_experts_weights") ||
      !n.rankIs(fc2, 3, "fc2_experts_weights"))
    return;
  std::string kind = n.s("activation_type", "relu");
  if (!llvm::is_contained({"relu", "gelu", "silu", "swiglu", "identity"}, kind))
    return n.fail("expected relu, gelu, silu, swiglu or identity as activation_type, got '" + kind + "'");
  if (n.i("use_sparse_mixer", 0))
    return n.fail("use_sparse_mixer is not supported: export the model without it");
  int64_t fusion = n.i("swiglu_fusion", 0), k = n.i("k", 1);
  bool isSwiglu = kind == "swiglu", isFused = isSwiglu && fusion;
  if (fusion < 0 || fusion > 2)
    return n.fail("expected a swiglu_fusion of 0, 1 or 2, got " + Twine(fusion));
  if (isFused == bool(fc3) && isSwiglu)
    return n.fail("expected fc3_experts_weights with a swiglu_fusion of 0, and without them else");
  std::optional<int64_t> experts = n.staticDim(fc1, 0);
  if (!experts || *experts < 1)
    return n.fail("expected fc1_experts_weights of a known number of experts, 1 at least");
  if (k < 1 || k > *experts)
    return n.fail("expected k from 1 to the " + Twine(*experts) + " experts, got " + Twine(k));
  if (!n.isFloat(x))
    return n.fail("expected tokens of floats");

  SymbolicExpr hidden = n.dim(x, -1), inner = n.dim(fc2, 2), count = n.dim(x, 0), all = *experts;
  if (n.rank(x) == 3)
    count *= n.dim(x, 1);
  SymbolicExpr outer = isFused ? inner * 2 : inner;
  expectShape(n, router, {count, all}, "router_probs [tokens, experts]");
  expectShape(n, weights1, {all, outer, hidden}, "fc1_experts_weights [experts, inner, hidden]");
  expectShape(n, bias1, {all, outer}, "fc1_experts_bias [experts, inner]");
  expectShape(n, weights2, {all, hidden, inner}, "fc2_experts_weights [experts, hidden, inner]");
  expectShape(n, bias2, {all, hidden}, "fc2_experts_bias [experts, hidden]");
  expectShape(n, weights3, {all, inner, hidden}, "fc3_experts_weights [experts, inner, hidden]");
  expectShape(n, bias3, {all, inner}, "fc3_experts_bias [experts, inner]");
  // In the names of the tokens' dimensions from here on.
  logits = n.failed() ? logits : n.reshape(logits, {count, all});
  Routing routing = n.failed() ? Routing() : route(n, logits, *experts, k);
  if (n.failed())
    return;

  Value sorted = n.gather(n.reshape(x, {count, hidden}), routing.token, 0);
  Value h = product(n, sorted, fc1, n.in(bias1), routing);
  Value other = fc3 ? product(n, sorted, fc3, n.in(bias3), routing) : Value();
  if (isFused && !n.failed()) {
    // g and l: every other column, or one half each.
    bool interleaved = fusion == 1;
    SymbolicExpr rows = n.dim(h, 0);
    auto half = [&](const SymbolicExpr &first) {
      return n.slice(h, {0, first}, {rows, inner}, {1, interleaved ? 2 : 1});
    };
    other = half(interleaved ? SymbolicExpr(1) : inner);
    h = half(0);
  }
  if (isSwiglu)
    h = swiglu(n, h, other);
  else
    h = other ? n.mul(activate(n, h, kind), other) : activate(n, h, kind);
  Value y = product(n, h, fc2, n.in(bias2), routing);

  Value back = n.reshape(n.gather(y, routing.position, 0), {count, SymbolicExpr(k), hidden});
  Value combined = n.reduce(n.mul(n.cast(back, n.b.getF32Type()), routing.weights), "sum", {1}, false);
  n.out(0, n.reshape(n.cast(combined, n.elt(x)), n.dims(x)));
}
