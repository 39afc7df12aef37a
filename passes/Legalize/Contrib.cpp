// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// com.microsoft: what ONNX Runtime's optimizer and model builder write.
// Definitions: docs/ContribOperators.md of ONNX Runtime.
#include "passes/Legalize/AttentionParts.h"
#include "passes/Legalize/Handlers.h"

#include <cmath>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

void handlers::skipLayerNormalization(Node &n) {
  Value sum = n.add(n.in(0), n.in(1));
  if (n.has(4))
    sum = n.add(sum, n.in(4));
  if (!n.rankAtLeast(sum, 1, "an operand") || !n.in(2))
    return n.fail("expected an operand, a skip and gamma");
  n.out(0, n.make<bess::LayerNormOp>({sum, n.in(2), n.in(3)},
                                     n.attrs().i("axis", n.rank(sum) - 1).f("epsilon", n.f("epsilon", 1e-12))));
  n.out(3, sum);
}

void handlers::skipSimplifiedLayerNormalization(Node &n) {
  Value sum = n.add(n.in(0), n.in(1));
  if (n.has(3))
    sum = n.add(sum, n.in(3));
  if (!n.rankAtLeast(sum, 1, "an operand") || !n.in(2))
    return n.fail("expected an operand, a skip and gamma");
  n.out(0, n.make<bess::RmsNormOp>({sum, n.in(2)},
                                   n.attrs().i("axis", n.rank(sum) - 1).f("epsilon", n.f("epsilon", 1e-12))));
  n.out(3, sum);
}

void handlers::biasGelu(Node &n) {
  n.out(0, n.make<bess::GeluOp>({n.add(n.in(0), n.in(1))}, n.attrs().s("approximate", "none")));
}

void handlers::fastGelu(Node &n) {
  Value x = n.has(1) ? n.add(n.in(0), n.in(1)) : n.in(0);
  n.out(0, n.make<bess::GeluOp>({x}, n.attrs().s("approximate", "tanh")));
}

void handlers::quickGelu(Node &n) {
  Value x = n.in(0);
  n.out(0, n.mul(x, n.sigmoid(n.mul(x, n.like(x, n.f("alpha", 1.702))))));
}

void handlers::fusedMatMul(Node &n) {
  Value a = n.in(0), b = n.in(1);
  if (n.i("transBatchA", 0) || n.i("transBatchB", 0))
    return n.fail("transBatchA and transBatchB are not supported");
  if (!n.rankAtLeast(a, 2, "operand A") || !n.rankAtLeast(b, 2, "operand B"))
    return;
  Value y = n.matmul(a, b, n.i("transA", 0) != 0, n.i("transB", 0) != 0);
  double alpha = n.f("alpha", 1);
  n.out(0, alpha == 1 ? y : n.mul(y, n.like(y, alpha)));
}

/// Positions [B, S]: as given, or first + 0, 1, ... where one number is given.
static Value positionsOf(Node &n, Value positions, const SymbolicExpr &batch, const SymbolicExpr &length) {
  if (n.failed() || !positions || n.rank(positions) == 2)
    return positions;
  Type element = n.elt(positions);
  Value row = n.iota({SymbolicExpr(1), length}, 1, element);
  return n.broadcast(n.add(row, n.reshape(positions, {SymbolicExpr(1), 1})), {batch, length});
}

void handlers::contribRotaryEmbedding(Node &n) {
  Value x = n.in(0);
  if (!n.rankAtLeast(x, 3, "an operand") || !n.in(2) || !n.in(3))
    return n.fail("expected an operand, positions, and the caches of cos and sin");
  if (n.f("scale", 1) != 1 || n.i("is_packed_batching", 0))
    return n.fail("scale and is_packed_batching are not supported");
  int64_t heads = n.i("num_heads", 0);
  SymbolicExpr length = n.dim(x, n.rank(x) == 4 ? 2 : 1);
  if (heads == 0 && n.rank(x) == 3) {
    // The caches are rows of half a head.
    auto half = n.staticDim(n.in(2), 1), width = n.staticDim(x, 2);
    if (!half || !width || *half == 0)
      return n.fail("expected num_heads");
    heads = *width / (2 * *half);
  }
  Value positions = positionsOf(n, n.in(1), n.dim(x, 0), length);
  n.out(0,
        rotate(n, x, n.in(2), n.in(3), positions, heads, n.i("rotary_embedding_dim", 0), n.i("interleaved", 0) != 0));
}

/// Shared by both attentions: [B, H, S, D] operands to [B, S, H*D].
static Value attend(Node &n, Value q, Value k, Value v, Value mask, Value valid, bool causal) {
  auto depth = n.staticDim(q, 3);
  if (n.failed() || (!depth && n.f("scale", 0) == 0)) {
    n.fail("expected a constant head size");
    return {};
  }
  double scale = n.f("scale", 0) != 0 ? n.f("scale", 0) : 1 / std::sqrt(double(*depth));
  return mergeHeads(n, n.make<bess::AttentionOp>({q, k, v, mask, valid}, n.attrs()
                                                                             .f("scale", scale)
                                                                             .f("softcap", n.f("softcap", 0))
                                                                             .flag("causal", causal)
                                                                             .flag("causal_bottom_right", causal)));
}

void handlers::multiHeadAttention(Node &n) {
  int64_t heads = n.i("num_heads", 0);
  Value q = n.in(0), k = n.in(1), v = n.in(2), bias = n.in(3), padding = n.in(4), scores = n.in(5);
  if (!q || !k || !v || n.rank(q) != 3 || n.rank(k) == 5)
    return n.fail("packed operands are not supported");
  if (n.inputCount() > 8 && n.has(8))
    return n.fail("past_sequence_length is not supported");
  if (bias) {
    SymbolicExpr width = n.dim(q, 2);
    q = n.add(q, n.sliceAxis(bias, 0, 0, width));
    if (n.rank(k) == 3)
      k = n.add(k, n.sliceAxis(bias, 0, width, n.dim(k, 2)));
    if (n.rank(v) == 3)
      v = n.add(v, n.sliceAxis(bias, 0, n.dim(bias, 0) - n.dim(v, 2), n.dim(v, 2)));
  }
  q = splitHeads(n, q, heads);
  k = splitHeads(n, k, heads);
  v = splitHeads(n, v, heads);
  if (n.has(6) && n.has(7)) {
    k = n.concat({n.in(6), k}, 2);
    v = n.concat({n.in(7), v}, 2);
  }
  Value mask = scores;
  if (padding && !n.failed()) {
    Value keep = n.make<bess::NotEqualOp>({padding, n.like(padding, 0)});
    if (n.rank(padding) == 2)
      keep = n.unsqueeze(keep, {1, 2});
    else if (n.rank(padding) == 3)
      keep = n.unsqueeze(keep, {1});
    else
      return n.fail("a key_padding_mask of lengths is not supported");
    double masked = n.f("mask_filter_value", -10000);
    Value added = n.where(keep, n.scalar(0, n.elt(q)), n.scalar(masked, n.elt(q)));
    mask = mask ? n.add(mask, added) : added;
  }
  n.out(0, attend(n, q, k, v, mask, Value(), n.i("unidirectional", 0) != 0));
  n.out(1, k);
  n.out(2, v);
}

/// Rows of the cache [B, H, P, D], the first `used[b]` of them valid, then the new rows [B, H, S, D]. The result has
/// P + S rows; those behind the last valid one are of no meaning, and no query may see them.
static Value appendToCache(Node &n, Value cache, Value fresh, Value used) {
  if (n.failed())
    return {};
  Value joined = n.concat({cache, fresh}, 2);
  if (n.failed() || !used)
    return joined;
  Type i64 = n.b.getI64Type();
  SymbolicExpr batch = n.dim(joined, 0), heads = n.dim(joined, 1), rows = n.dim(joined, 2), depth = n.dim(joined, 3);
  auto number = [&](const SymbolicExpr &value) { return n.fromDims(value, ArrayRef<int64_t>(), i64); };
  // Row j comes from the cache while j < used, then from the new rows.
  Value row = n.iota({SymbolicExpr(1), rows}, 1, i64);
  Value shifted = n.min(n.add(row, n.sub(number(n.dim(cache, 2)), used)), number(rows - 1));
  Value from = n.where(n.less(row, used), row, shifted); // [B, P + S]
  Value head = n.add(n.mul(n.iota({batch, SymbolicExpr(1), SymbolicExpr(1)}, 0, i64), number(heads)),
                     n.iota({SymbolicExpr(1), heads, SymbolicExpr(1)}, 1, i64));
  Value place = n.add(n.mul(head, number(rows)), n.unsqueeze(from, {1}));
  return n.gather(n.reshape(joined, {batch * heads * rows, depth}), place, 0);
}

/// The KV cache grows by concatenation: a guard says that it has the length of the longest sequence (ONNX Runtime can
/// also write into a cache of maximum length). Sequences of a batch may be shorter: `seqlens_k` tells the valid length
/// of each, its new rows follow its own, and a query sees what is before it.
void handlers::groupQueryAttention(Node &n) {
  int64_t heads = n.i("num_heads", 0), kept = n.i("kv_num_heads", 0);
  Value q = n.in(0), k = n.in(1), v = n.in(2), pastK = n.in(3), pastV = n.in(4), lengths = n.in(5);
  if (!n.rankIs(q, 3, "query") || heads < 1 || kept < 1)
    return n.fail("expected query, num_heads and kv_num_heads");
  for (auto [operand, what] :
       {std::pair<size_t, StringRef>{10, "attention_bias"}, {11, "head_sink"}, {12, "k_scale"}, {14, "q_norm_weight"}})
    if (n.has(operand))
      return n.fail(what + " is not supported");
  if (n.i("local_window_size", -1) >= 0 || n.i("smooth_softmax", 0) || n.i("causal", 1) == 0)
    return n.fail("local windows and smooth softmax are not supported");
  if (!k) { // packed: heads of q, then of k, then of v
    auto depth = SymbolicExpr::exactDivide(n.dim(q, 2), heads + 2 * kept);
    if (!depth)
      return n.fail("expected a packed query of num_heads + 2 kv_num_heads heads");
    SmallVector<Value> parts = splitInto(n, q, 2, {*depth * heads, *depth * kept, *depth * kept});
    q = parts[0], k = parts[1], v = parts[2];
  }
  SymbolicExpr batch = n.dim(q, 0), length = n.dim(q, 1);
  SymbolicExpr past = pastK ? n.dim(pastK, 2) : SymbolicExpr(0);
  Type i64 = n.b.getI64Type();
  q = splitHeads(n, q, heads);
  k = splitHeads(n, k, kept);
  v = splitHeads(n, v, kept);
  if (n.has(6)) {
    Dims total = n.elements(n.reshape(n.in(6), {}), "total");
    if (n.failed())
      return;
    n.guardEqual(past + length, total[0], "total_sequence_length of a cache that grows");
  }
  // The rows of the cache that each sequence uses, [B, 1]; null: all of them.
  Value used;
  if (lengths && pastK && batch == SymbolicExpr(1)) {
    // One sequence is the longest; a prompt, whose cache is empty, may have padding behind it.
    Dims last = n.elements(n.reshape(lengths, {}), "last");
    if (n.failed())
      return;
    n.guardEqual((last[0] + 1) * past, (past + length) * past, "seqlens_k of the only sequence of a cache that grows");
  } else if (lengths && pastK) {
    Value before = n.sub(n.cast(lengths, i64), n.fromDims(length - 1, ArrayRef<int64_t>(), i64));
    used = n.reshape(n.max(before, n.scalar(0, i64)), {batch, SymbolicExpr(1)});
  }
  Value row = n.iota({SymbolicExpr(1), length}, 1, i64);
  if (n.i("do_rotary", 0)) {
    Value positions = n.in(9);
    if (!positions)
      positions = n.broadcast(n.add(row, used ? used : n.fromDims(past, ArrayRef<int64_t>(), i64)), {batch, length});
    bool interleaved = n.i("rotary_interleaved", 0) != 0;
    auto half = n.in(7) ? n.staticDim(n.in(7), 1) : std::nullopt;
    if (!half || !n.in(8))
      return n.fail("expected caches of cos and sin");
    q = rotate(n, q, n.in(7), n.in(8), positions, heads, 2 * *half, interleaved);
    k = rotate(n, k, n.in(7), n.in(8), positions, kept, 2 * *half, interleaved);
  }
  Value mask;
  if (pastK && pastV) {
    k = appendToCache(n, pastK, k, used);
    v = appendToCache(n, pastV, v, used);
    if (used && !n.failed()) {
      Value query = n.unsqueeze(n.add(row, used), {1, 3}); // [B, 1, S, 1]
      mask = n.make<bess::LessEqualOp>({n.iota({SymbolicExpr(1), 1, 1, n.dim(k, 2)}, 3, i64), query});
    }
  }
  n.out(0, attend(n, q, k, v, mask, Value(), /*causal=*/!mask));
  n.out(1, k);
  n.out(2, v);
}

/// y = x * dequantized(B)^T: the weight is unpacked by ops that the loader may run.
void handlers::matMulNBits(Node &n) {
  Value x = n.in(0), packed = n.in(1), scales = n.in(2), zeros = n.in(3), order = n.in(4), bias = n.in(5);
  int64_t depth = n.i("K", 0), columns = n.i("N", 0), bits = n.i("bits", 4), block = n.i("block_size", 0);
  if (!n.rankAtLeast(x, 1, "an operand") || !packed || !scales || depth < 1 || columns < 1 || block < 16 ||
      (bits != 2 && bits != 4 && bits != 8))
    return n.fail("expected K, N, block_size of at least 16, and bits 2, 4 or 8");
  if (order)
    return n.fail("g_idx is not supported");
  int64_t blocks = (depth + block - 1) / block, perByte = 8 / bits;
  Type element = n.elt(x), u8 = n.elt(packed);
  // Bytes to numbers, the lowest bits first.
  auto unpack = [&](Value bytes, int64_t rows, int64_t perRow) {
    bytes = n.reshape(bytes, {SymbolicExpr(rows), perRow, 1});
    SmallVector<Value> parts;
    for (int64_t i = 0; i < perByte; ++i) {
      Value part = i == 0 ? bytes : n.make<bess::ShiftRightOp>({bytes, n.scalar(double(i * bits), u8)});
      parts.push_back(bits == 8 ? part : n.make<bess::BitwiseAndOp>({part, n.scalar(double((1 << bits) - 1), u8)}));
    }
    return n.cast(n.reshape(n.concat(parts, 2), {SymbolicExpr(rows), perRow * perByte}), element);
  };
  Value weight = n.reshape(unpack(packed, columns, blocks * block / perByte), {SymbolicExpr(columns), blocks, block});
  Dims perBlock = {columns, blocks, 1};
  Value zero = n.scalar(double(1 << (bits - 1)), element);
  if (zeros && n.isFloat(zeros)) {
    zero = n.reshape(n.cast(zeros, element), perBlock);
  } else if (zeros) {
    int64_t bytes = (blocks * bits + 7) / 8;
    Value all = unpack(zeros, columns, bytes);
    zero = n.reshape(n.sliceAxis(all, 1, 0, blocks), perBlock);
  }
  weight = n.mul(n.sub(weight, zero), n.reshape(n.cast(scales, element), perBlock));
  weight = n.sliceAxis(n.reshape(weight, {SymbolicExpr(columns), blocks * block}), 1, 0, depth);
  bool vector = n.rank(x) == 1;
  Value y = n.matmul(vector ? n.unsqueeze(x, {0}) : x, weight, false, true);
  if (bias)
    y = n.add(y, bias);
  n.out(0, vector ? n.squeeze(y, {0}) : y);
}
