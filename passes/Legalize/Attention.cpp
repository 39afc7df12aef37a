// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention, RotaryEmbedding, LinearAttention and CausalConvWithState of the
// default domain.
#include "passes/Legalize/AttentionParts.h"
#include "passes/Legalize/Handlers.h"

#include <cmath>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

Value legalize::splitHeads(Node &n, Value x, int64_t heads) {
  if (n.failed() || !x || n.rank(x) == 4)
    return x;
  auto depth = heads > 0 ? SymbolicExpr::exactDivide(n.dim(x, 2), heads) : std::nullopt;
  if (n.rank(x) != 3 || !depth) {
    n.fail("expected an operand of rank 4, or of rank 3 with a last dimension that the heads divide");
    return {};
  }
  return n.transpose(n.reshape(x, {n.dim(x, 0), n.dim(x, 1), heads, *depth}), {0, 2, 1, 3});
}

Value legalize::mergeHeads(Node &n, Value x) {
  if (n.failed() || !x)
    return {};
  Value y = n.transpose(x, {0, 2, 1, 3});
  return n.reshape(y, {n.dim(y, 0), n.dim(y, 1), n.dim(y, 2) * n.dim(y, 3)});
}

Value legalize::repeatHeads(Node &n, Value x, const SymbolicExpr &heads) {
  if (n.failed() || !x || n.dim(x, 1) == heads)
    return x;
  auto group = SymbolicExpr::exactDivide(heads, n.dim(x, 1));
  if (!group) {
    n.fail("expected heads of q to be a multiple of those of k");
    return {};
  }
  SymbolicExpr batch = n.dim(x, 0), kept = n.dim(x, 1), length = n.dim(x, 2), depth = n.dim(x, 3);
  Value wide = n.broadcast(n.reshape(x, {batch, kept, 1, length, depth}), {batch, kept, *group, length, depth});
  return n.reshape(wide, {batch, heads, length, depth});
}

namespace {

/// The bias that is added to the scores: minus infinity where a key is not seen.
Value additive(Node &n, Value mask, Type element) {
  if (!mask || !n.isBool(mask))
    return mask;
  return n.where(mask, n.scalar(0, element), n.scalar(-INFINITY, element));
}

/// Pads the last dimension of a mask that is shorter than the keys.
Value padMask(Node &n, Value mask, const SymbolicExpr &keys) {
  if (n.failed() || !mask || n.rank(mask) == 0)
    return mask;
  SymbolicExpr have = n.dim(mask, -1);
  auto length = have.isConstant(), wanted = keys.isConstant();
  if (!length || !wanted || *length == 1 || *length >= *wanted)
    return mask;
  Dims low(n.rank(mask), SymbolicExpr(0)), high = low;
  high.back() = *wanted - *length;
  return n.pad(mask, n.isBool(mask) ? n.like(mask, 0) : n.like(mask, -INFINITY), low, high);
}

} // namespace

void handlers::attention(Node &n) {
  Value q = n.in(0), k = n.in(1), v = n.in(2), mask = n.in(3), pastK = n.in(4), pastV = n.in(5), valid = n.in(6);
  if (!q || !k || !v)
    return n.fail("expected q, k and v");
  bool packed = n.rank(q) == 3;
  q = splitHeads(n, q, n.i("q_num_heads", 0));
  k = splitHeads(n, k, n.i("kv_num_heads", 0));
  v = splitHeads(n, v, n.i("kv_num_heads", 0));
  if (n.failed())
    return;
  SymbolicExpr queries = n.dim(q, 2), fresh = n.dim(k, 2), past = 0;
  if (pastK && pastV) {
    past = n.dim(pastK, 2);
    k = n.concat({pastK, k}, 2);
    v = n.concat({pastV, v}, 2);
  }
  SymbolicExpr keys = n.dim(k, 2), heads = n.dim(q, 1);
  auto depth = n.staticDim(q, 3);
  if (!depth && !n.hasAttr("scale"))
    return n.fail("expected a constant head size");
  double scale = n.f("scale", 1 / std::sqrt(double(depth.value_or(1)))), softcap = n.f("softcap", 0);
  bool causal = n.i("is_causal", 0) != 0;
  int64_t left = n.i("left_window_size", -1), right = n.i("right_window_size", -1);
  mask = padMask(n, mask, keys);
  Type element = n.elt(q);

  // What the flags of bess.attention do not say becomes a mask of positions.
  bool plainCausal = causal && !valid && left < 0 && right < 0 && (past == SymbolicExpr(0) ? true : fresh == queries);
  if (n.wants(3))
    plainCausal = false;
  if ((causal && !plainCausal) || left >= 0 || right >= 0) {
    Type i64 = n.b.getI64Type();
    Value row = n.iota({queries, 1}, 0, i64), column = n.iota({SymbolicExpr(1), keys}, 1, i64);
    Value position = n.add(row, n.fromDims(past, ArrayRef<int64_t>(), i64));
    if (valid && !pastK) {
      Value offset = n.sub(n.cast(valid, i64), n.fromDims(queries, ArrayRef<int64_t>(), i64));
      position = n.add(n.reshape(offset, {n.dim(valid, 0), 1, 1, 1}), row);
    }
    Value seen;
    auto also = [&](Value condition) { seen = seen ? n.logicalAnd(seen, condition) : condition; };
    if (causal)
      also(n.make<bess::LessEqualOp>({column, position}));
    if (left >= 0)
      also(n.make<bess::GreaterEqualOp>({column, n.sub(position, n.scalar(double(left), i64))}));
    if (right >= 0)
      also(n.make<bess::LessEqualOp>({column, n.add(position, n.scalar(double(right), i64))}));
    mask = !mask ? seen : n.isBool(mask) ? n.logicalAnd(mask, seen) : n.where(seen, mask, n.like(mask, -INFINITY));
  }
  Attrs attributes = n.attrs()
                         .f("scale", scale)
                         .f("softcap", softcap)
                         .flag("causal", plainCausal)
                         .flag("causal_bottom_right", plainCausal && pastK);
  Value y = n.make<bess::AttentionOp>({q, k, v, mask, valid}, attributes);
  n.out(0, packed ? mergeHeads(n, y) : y);
  n.out(1, k);
  n.out(2, v);
  if (!n.wants(3))
    return;
  // The scores, at the stage that is asked for.
  int64_t mode = n.i("qk_matmul_output_mode", 0);
  Value scores = n.mul(n.matmul(q, repeatHeads(n, k, heads), false, true), n.scalar(scale, element));
  if (mode >= 1 && softcap > 0)
    scores = n.mul(n.make<bess::TanhOp>({n.div(scores, n.like(scores, softcap))}), n.like(scores, softcap));
  if (mode >= 2) {
    if (mask)
      scores = n.add(scores, additive(n, mask, element));
    if (valid) {
      Type i64 = n.b.getI64Type();
      Value inside = n.less(n.iota({SymbolicExpr(1), 1, 1, keys}, 3, i64),
                            n.reshape(n.cast(valid, i64), {n.dim(valid, 0), 1, 1, 1}));
      scores = n.where(inside, scores, n.like(scores, -INFINITY));
    }
  }
  if (mode >= 3) {
    Value nothing = n.equal(n.reduce(scores, "max", 3, true), n.like(scores, -INFINITY));
    scores = n.where(nothing, n.like(scores, 0), n.softmax(scores, 3));
  }
  n.out(3, scores);
}

Value legalize::rotate(Node &n, Value x, Value cosCache, Value sinCache, Value positions, int64_t heads, int64_t rotary,
                       bool interleaved) {
  if (n.failed() || !x)
    return {};
  bool packed = n.rank(x) == 3;
  x = splitHeads(n, x, heads);
  auto depth = n.staticDim(x, 3);
  if (!depth) {
    n.fail("expected a constant head size");
    return {};
  }
  if (rotary == 0)
    rotary = *depth;
  auto angles = [&](Value cache) {
    if (positions)
      cache = n.gather(cache, positions, 0);
    return n.rank(cache) == 3 ? n.unsqueeze(cache, {1}) : cache;
  };
  Value y = n.make<bess::RopeOp>({x, angles(cosCache), angles(sinCache)},
                                 n.attrs().i("rotary", rotary).flag("interleaved", interleaved));
  return packed ? mergeHeads(n, y) : y;
}

void handlers::rotaryEmbedding(Node &n) {
  if (!n.in(1) || !n.in(2))
    return n.fail("expected cos_cache and sin_cache");
  n.out(0, rotate(n, n.in(0), n.in(1), n.in(2), n.in(3), n.i("num_heads", 0), n.i("rotary_embedding_dim", 0),
                  n.i("interleaved", 0) != 0));
}

void handlers::causalConvWithState(Node &n) {
  Value x = n.in(0), w = n.in(1), past = n.in(3);
  if (!n.rankIs(x, 3, "an operand") || !n.rankIs(w, 3, "weights"))
    return;
  auto width = n.staticDim(w, 2), channels = n.staticDim(w, 0);
  std::string activation = n.s("activation", "none");
  if (!width || !channels || !llvm::is_contained({"none", "silu", "swish"}, activation))
    return n.fail("expected weights of constant shape and activation none, silu or swish");
  Value joined =
      past ? n.concat({past, x}, 2) : n.pad(x, Value(), {SymbolicExpr(0), 0, *width - 1}, {SymbolicExpr(0), 0, 0});
  Value y = n.make<bess::ConvOp>(
      {joined, w, n.in(2)},
      n.attrs().ints("strides", 1).ints("dilations", 1).ints("pads", {0, 0}).i("groups", *channels));
  n.out(0, activation == "none" ? y : n.mul(y, n.sigmoid(y)));
  n.out(1, n.sliceAxis(joined, 2, n.dim(joined, 2) - (*width - 1), *width - 1));
}

void handlers::linearAttention(Node &n) {
  Value q = n.in(0), k = n.in(1), v = n.in(2), state = n.in(3), decay = n.in(4), beta = n.in(5);
  int64_t heads = n.i("q_num_heads", 0), kept = n.i("kv_num_heads", 0);
  std::string rule = n.s("update_rule", "gated_delta");
  bool gated = rule == "gated" || rule == "gated_delta", delta = rule == "delta" || rule == "gated_delta";
  if (!gated && !delta && rule != "linear")
    return n.fail("expected update_rule linear, gated, delta or gated_delta, got \"" + rule + "\"");
  if (!n.rankIs(q, 3, "q") || !n.rankIs(k, 3, "k") || !n.rankIs(v, 3, "v") || (gated && !decay) || (delta && !beta) ||
      heads < 1 || kept < 1)
    return n.fail("expected q, k, v, their heads, and decay and beta where the rule has them");
  auto steps = n.staticDim(q, 1);
  if (!steps || *steps > 256)
    return n.fail("expected a constant length of at most 256, got " + n.dim(q, 1).str());
  q = splitHeads(n, q, heads);
  k = splitHeads(n, k, kept);
  v = splitHeads(n, v, kept);
  auto depth = n.staticDim(q, 3);
  if (n.failed() || !depth)
    return n.fail("expected a constant head size");
  double scale = n.f("scale", 0) != 0 ? n.f("scale", 0) : 1 / std::sqrt(double(*depth));
  Type element = n.elt(q), f32 = n.b.getF32Type();
  bool narrow = element.getIntOrFloatBitWidth() < 32;
  Type wide = narrow ? f32 : element;
  SymbolicExpr batch = n.dim(q, 0);
  Value s = state ? n.cast(state, wide) : n.splat({batch, kept, n.dim(k, 3), n.dim(v, 3)}, 0, wide);
  // Rows of one time step: [B, H, 1, D].
  auto at = [&](Value x, int64_t t) { return n.cast(n.sliceAxis(x, 2, t, 1), wide); };
  // [B, T, n] as [B, n or 1, T, per head].
  auto perHead = [&](Value x) {
    auto each = SymbolicExpr::exactDivide(n.dim(x, 2), kept);
    return n.dim(x, 2) == SymbolicExpr(1) || !each ? n.unsqueeze(x, {1}) : splitHeads(n, x, kept);
  };
  Value gate = gated ? perHead(decay) : Value(), rate = delta ? perHead(beta) : Value();
  SmallVector<Value> outputs;
  for (int64_t t = 0; t < *steps && !n.failed(); ++t) {
    Value key = at(k, t), value = at(v, t), column = n.transpose(key, {0, 1, 3, 2});
    if (gated)
      s = n.mul(s, n.exp(n.transpose(at(gate, t), {0, 1, 3, 2})));
    Value update = value;
    if (delta)
      update = n.mul(n.sub(value, n.matmul(key, s)), at(rate, t));
    s = n.add(s, n.mul(column, update));
    Value query = at(q, t);
    outputs.push_back(n.mul(n.matmul(query, repeatHeads(n, s, heads)), n.scalar(scale, wide)));
  }
  n.out(0, mergeHeads(n, n.cast(n.concat(outputs, 2), element)));
  n.out(1, n.cast(s, state ? n.elt(state) : element));
}
