// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From the second product of an attention up to its queries and keys.
#include "passes/Simplify/Attention.h"

#include <cmath>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::simplify;

static constexpr int64_t swapHeads[] = {0, 2, 1, 3}, keysFromBshd[] = {0, 2, 3, 1}, keysFromBhsd[] = {0, 1, 3, 2};
/// What is below this hides a key. (Old models use -1e4.)
static constexpr double hiding = -9.9e3;

/// x of x * constant or x / constant; multiplies `scale` by it.
static bool peelConstant(Matcher &matcher, Value &value, double &scale) {
  if (!isa<FloatType>(typeOf(value).getElementType()))
    return false;
  if (auto scaled = matcher.withConstant<bess::MulOp>(value)) {
    if (scaled->first.getType() != value.getType())
      return false;
    value = scaled->first;
    scale *= scaled->second;
    return true;
  }
  auto div = value.getDefiningOp<bess::DivOp>();
  std::optional<double> divisor = div ? matcher.splat(div.getB()) : std::nullopt;
  if (!divisor || *divisor == 0 || div.getA().getType() != value.getType())
    return false;
  value = div.getA();
  scale /= *divisor;
  return true;
}

/// Looks through a transpose of heads and positions.
static void peelHeads(Value &value, StringRef &layout) {
  auto transpose = value.getDefiningOp<bess::TransposeOp>();
  if (!transpose || transpose.getPermutation() != ArrayRef(swapHeads))
    return;
  value = transpose.getX();
  layout = layout == "bhsd" ? "bshd" : "bhsd";
}

/// [B, H, T, D] of a repetition of each head: [B, H, 1, T, D] broadcast to
/// [B, H, n, T, D] and reshaped to [B, H * n, T, D].
static void peelRepeatedHeads(Value &value) {
  Value five = operandOf<bess::ReshapeOp>(value);
  Value one = operandOf<bess::BroadcastOp>(five);
  Value x = operandOf<bess::ReshapeOp>(one);
  if (!x || rankOf(x) != 4 || rankOf(one) != 5 || rankOf(value) != 4)
    return;
  Dims repeated = dimsOf(five), single = dimsOf(one), merged = dimsOf(value), heads = dimsOf(x);
  bool matches = single[2] == SymbolicExpr(1) && single[1] == repeated[1] && merged[1] == repeated[1] * repeated[2];
  for (auto [fiveAxis, axis] : {std::pair(0, 0), std::pair(3, 2), std::pair(4, 3)})
    matches &= repeated[fiveAxis] == merged[axis] && single[fiveAxis] == merged[axis] && heads[axis] == merged[axis];
  if (matches && heads[1] == single[1])
    value = x;
}

/// Is there a product of two computed tensors within a few ops above?
static bool leadsToProduct(Value value, int depth = 6) {
  Operation *op = value.getDefiningOp();
  if (!op || depth == 0)
    return false;
  if (isa<bess::MatmulOp>(op))
    return true;
  if (!isa<bess::AddOp, bess::MulOp, bess::DivOp, bess::WhereOp, bess::CastOp, bess::TanhOp>(op))
    return false;
  return llvm::any_of(op->getOperands(), [&](Value operand) {
    return rankOf(operand) == rankOf(value) && leadsToProduct(operand, depth - 1);
  });
}

/// Attention broadcasts its mask itself.
static Value stripBroadcast(Value value) {
  while (Value x = operandOf<bess::BroadcastOp>(value))
    value = x;
  return value;
}

/// One step from the softmax towards the product; false when there is none.
static bool peelScores(Matcher &matcher, Value &scores, AttentionMatch &match, double &outer) {
  if (Value x = stripFloatCasts(scores); x != scores) {
    scores = x;
    return true;
  }
  if (auto capped = matcher.withConstant<bess::MulOp>(scores); capped && match.softcap == 0 && outer == 1)
    if (Value inner = operandOf<bess::TanhOp>(capped->first)) {
      match.softcap = capped->second;
      scores = inner;
      // tanh(x * c) is tanh(score / softcap) of scores scaled by c * softcap.
      match.scale *= match.softcap;
      return true;
    }
  double factor = 1;
  if (peelConstant(matcher, scores, factor)) {
    match.scale *= factor;
    outer *= factor;
    return true;
  }
  if (outer != 1 || match.softcap != 0)
    return false; // a mask under a factor would have to be scaled
  if (auto add = scores.getDefiningOp<bess::AddOp>()) {
    for (auto [inner, mask] : {std::pair<Value, Value>{add.getA(), add.getB()}, {add.getB(), add.getA()}})
      if (inner.getType() == scores.getType() && leadsToProduct(inner)) {
        match.masks.push_back({stripBroadcast(mask)});
        scores = inner;
        return true;
      }
    return false;
  }
  auto where = scores.getDefiningOp<bess::WhereOp>();
  if (!where)
    return false;
  for (bool keepsWhereTrue : {true, false}) {
    Value inner = keepsWhereTrue ? where.getA() : where.getB();
    std::optional<double> fill = matcher.splat(keepsWhereTrue ? where.getB() : where.getA());
    if (!fill || !(*fill <= hiding) || inner.getType() != scores.getType())
      continue;
    match.masks.push_back({stripBroadcast(where.getCond()), true, keepsWhereTrue, *fill});
    scores = inner;
    return true;
  }
  return false;
}

/// The softmax under what exporters put around it: casts, and a guard against
/// rows of NaN.
static bess::SoftmaxOp matchSoftmax(Matcher &matcher, Value value) {
  value = stripFloatCasts(value);
  if (auto where = value.getDefiningOp<bess::WhereOp>())
    if (Value tested = operandOf<bess::IsNanOp>(where.getCond()))
      if (tested == where.getB() && matcher.isSplat(where.getA(), 0))
        value = stripFloatCasts(tested);
  auto softmax = value.getDefiningOp<bess::SoftmaxOp>();
  if (!softmax || softmax.getLog() || static_cast<int64_t>(softmax.getAxis()) != rankOf(value) - 1)
    return {};
  return softmax;
}

static bool matchKeys(Matcher &matcher, AttentionMatch &match) {
  bess::MatmulOp product = match.scores;
  Value keys = product.getB();
  bool transposed = product.getTransposeB();
  while (peelConstant(matcher, keys, match.scale)) {
  }
  if (!transposed) {
    auto transpose = keys.getDefiningOp<bess::TransposeOp>();
    if (!transpose)
      return false;
    ArrayRef<int64_t> permutation = transpose.getPermutation();
    if (permutation == ArrayRef(keysFromBshd))
      match.kLayout = "bshd";
    else if (permutation != ArrayRef(keysFromBhsd) && permutation != ArrayRef<int64_t>({0, 2, 1}))
      return false;
    keys = transpose.getX();
    while (peelConstant(matcher, keys, match.scale)) {
    }
  }
  match.k = keys;
  return true;
}

std::optional<AttentionMatch> simplify::matchAttention(Matcher &matcher, bess::MatmulOp root) {
  bess::SoftmaxOp softmax = matchSoftmax(matcher, root.getA());
  if (!softmax || root.getTransposeA() || root.getTo() || !isa<FloatType>(typeOf(root.getY()).getElementType()))
    return std::nullopt;
  auto miss = [&](const Twine &reason) {
    matcher.note(root, "attention", reason);
    return std::nullopt;
  };
  int64_t rank = rankOf(root.getY());
  if (rank != 3 && rank != 4)
    return miss("expected operands of rank 3 or 4, got rank " + Twine(rank));
  if (rankOf(root.getB()) != rank || root.getTransposeB())
    return miss("expected values of the scores' rank that are not transposed");

  AttentionMatch match;
  Value scores = softmax.getX();
  double outer = 1;
  while (!scores.getDefiningOp<bess::MatmulOp>())
    if (!peelScores(matcher, scores, match, outer))
      return miss("expected a scaled and masked product under the softmax");
  match.scores = scores.getDefiningOp<bess::MatmulOp>();
  if (match.scores.getTransposeA() || rankOf(match.scores.getA()) != rank || rankOf(match.scores.getB()) != rank)
    return miss("expected the scores to be a batched product of queries and keys");
  if (!matchKeys(matcher, match))
    return miss("expected keys that are transposed");
  match.q = match.scores.getA();
  while (peelConstant(matcher, match.q, match.scale)) {
  }
  match.v = root.getB();
  if (match.q.getType() != match.scores.getA().getType())
    return miss("expected queries of one type");
  if (match.scale == 0 || !std::isfinite(match.scale))
    return miss("expected a finite scale");
  if (rank == 4) {
    peelHeads(match.q, match.qLayout);
    while (match.qLayout == "bshd" && peelConstant(matcher, match.q, match.scale)) {
    }
    if (match.kLayout == "bhsd") {
      peelRepeatedHeads(match.k);
      peelHeads(match.k, match.kLayout);
    }
    peelRepeatedHeads(match.v);
    peelHeads(match.v, match.vLayout);
  }
  matchCausal(matcher, match);
  return match;
}
