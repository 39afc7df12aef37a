// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Masks that are nothing but causal: key j is seen by query i iff
// j <= i + offset, offset 0 or keys - queries.
#include "passes/Simplify/Attention.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::simplify;

namespace {
/// base + index along one of the last two dimensions (0: neither, a scalar).
struct Index {
  SymbolicExpr base;
  int64_t axisFromEnd; ///< 1: keys, 2: queries
};

/// The value of a scalar over symbols.
std::optional<SymbolicExpr> scalarExpr(Matcher &matcher, Value value) {
  for (int i = 0; i < 4; ++i) {
    if (auto dims = value.getDefiningOp<bess::FromDimsOp>())
      return dims.getDims().getExprs().size() == 1
                 ? std::optional(bess::parseDims(dims.getDims())[0])
                 : std::nullopt;
    if (std::optional<double> constant = matcher.splat(value))
      return SymbolicExpr(static_cast<int64_t>(*constant));
    Value inner = operandOf<bess::ReshapeOp>(value);
    if (!inner)
      inner = operandOf<bess::CastOp>(value);
    if (!inner)
      return std::nullopt;
    value = inner;
  }
  return std::nullopt;
}

/// The dimension, counted from the end, in which `value` has elements; all
/// others are 1. 0 when it is a scalar, -1 when there is no such dimension.
int64_t onlyAxisFromEnd(Value value) {
  int64_t axis = 0;
  ArrayRef<int64_t> shape = typeOf(value).getShape();
  for (size_t i = 0; i < shape.size(); ++i)
    if (shape[i] != 1) {
      if (axis)
        return -1;
      axis = static_cast<int64_t>(shape.size() - i);
    }
  return axis;
}

/// An index tensor: a range or iota, plus scalars, reshaped to lie along one dimension.
std::optional<Index> matchIndex(Matcher &matcher, Value value, int depth = 6) {
  Operation *op = value.getDefiningOp();
  int64_t axis = onlyAxisFromEnd(value);
  if (!op || depth == 0 || axis < 1)
    return std::nullopt;
  if (auto range = dyn_cast<bess::RangeOp>(op)) {
    std::optional<SymbolicExpr> start = scalarExpr(matcher, range.getStart());
    if (!start || !matcher.isSplat(range.getDelta(), 1))
      return std::nullopt;
    return Index{*start, axis};
  }
  if (isa<bess::IotaOp>(op))
    return Index{0, axis};
  if (isa<bess::ReshapeOp, bess::CastOp>(op)) {
    std::optional<Index> inner = matchIndex(matcher, op->getOperand(0), depth - 1);
    if (inner)
      inner->axisFromEnd = axis;
    return inner;
  }
  if (auto add = dyn_cast<bess::AddOp>(op))
    for (auto [x, scalar] : {std::pair<Value, Value>{add.getA(), add.getB()}, {add.getB(), add.getA()}}) {
      std::optional<SymbolicExpr> expr =
          onlyAxisFromEnd(scalar) == 0 ? scalarExpr(matcher, scalar) : std::nullopt;
      std::optional<Index> inner = expr ? matchIndex(matcher, x, depth - 1) : std::nullopt;
      if (inner)
        return Index{inner->base + *expr, inner->axisFromEnd};
    }
  return std::nullopt;
}

/// offset of a condition that is true iff j <= i + offset.
std::optional<SymbolicExpr> matchCondition(Matcher &matcher, Value condition, bool keepsWhereTrue) {
  for (int i = 0; i < 8; ++i) {
    Operation *op = condition.getDefiningOp();
    if (isa_and_nonnull<bess::NotOp>(op))
      keepsWhereTrue = !keepsWhereTrue;
    else if (!isa_and_nonnull<bess::ReshapeOp, bess::BroadcastOp, bess::CastOp>(op) ||
             !typeOf(op->getOperand(0)).getElementType().isInteger(1))
      break;
    else if (auto reshape = dyn_cast<bess::ReshapeOp>(op)) {
      // Leading dimensions of 1 come and go.
      Dims from = dimsOf(reshape.getX()), to = dimsOf(reshape.getY());
      if (from.size() < 2 || to.size() < 2 || from.back() != to.back() ||
          from[from.size() - 2] != to[to.size() - 2])
        return std::nullopt;
    }
    condition = op->getOperand(0);
  }
  if (auto trilu = condition.getDefiningOp<bess::TriluOp>()) {
    std::optional<double> filled = matcher.splat(trilu.getX());
    std::optional<SymbolicExpr> k = SymbolicExpr::parse(trilu.getK());
    if (!filled || *filled != 1 || !k)
      return std::nullopt;
    // Lower: true iff j - i <= k. Upper: true iff j - i >= k, so false iff j - i <= k - 1.
    if (trilu.getUpper() != keepsWhereTrue)
      return trilu.getUpper() ? *k - 1 : *k;
    return std::nullopt;
  }
  // left <= right, or left < right, of which one is the index of the keys.
  Operation *op = condition.getDefiningOp();
  if (!isa_and_nonnull<bess::LessEqualOp, bess::LessOp, bess::GreaterEqualOp, bess::GreaterOp>(op))
    return std::nullopt;
  std::optional<Index> left = matchIndex(matcher, op->getOperand(0)),
                       right = matchIndex(matcher, op->getOperand(1));
  if (!left || !right)
    return std::nullopt;
  bool strict = isa<bess::LessOp, bess::GreaterOp>(op);
  if (isa<bess::GreaterEqualOp, bess::GreaterOp>(op))
    std::swap(left, right);
  if (!keepsWhereTrue) { // not (left <= right) is right < left
    std::swap(left, right);
    strict = !strict;
  }
  if (left->axisFromEnd != 1 || right->axisFromEnd != 2)
    return std::nullopt;
  // j + left <= i + right
  return right->base - left->base - (strict ? 1 : 0);
}
} // namespace

void simplify::matchCausal(Matcher &matcher, AttentionMatch &match) {
  Dims scores = dimsOf(match.scores.getY());
  SymbolicExpr queries = scores[scores.size() - 2], keys = scores.back();
  for (auto it = match.masks.begin(); it != match.masks.end(); ++it) {
    MaskTerm term = *it;
    if (!term.isCondition) { // added: where(condition, 0, -large)
      Value added = term.value;
      while (Value inner = operandOf<bess::BroadcastOp>(added))
        added = inner;
      auto where = added.getDefiningOp<bess::WhereOp>();
      if (!where)
        continue;
      std::optional<double> a = matcher.splat(where.getA()), b = matcher.splat(where.getB());
      if (!a || !b || !((*a == 0 && *b < -9.9e3) || (*b == 0 && *a < -9.9e3)))
        continue;
      term = {where.getCond(), true, *a == 0, 0};
    }
    std::optional<SymbolicExpr> offset = matchCondition(matcher, term.value, term.keepsWhereTrue);
    bool topLeft = offset && *offset == SymbolicExpr(0);
    bool bottomRight = offset && *offset == keys - queries;
    if (!topLeft && !bottomRight)
      continue;
    match.causal = true;
    match.causalBottomRight = !topLeft;
    match.masks.erase(it);
    return;
  }
}
