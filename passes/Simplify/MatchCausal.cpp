// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Masks that are nothing but causal: key j is seen by query i iff
// j <= i + offset, offset 0 or keys - queries.
#include "passes/Simplify/Attention.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::simplify;

namespace {
/// What is below this hides a key, as in MatchAttention.cpp.
constexpr double hiding = -9.9e3;

/// base + index along one of the last two dimensions (0: neither, a scalar).
struct Index {
  SymbolicExpr base;
  int64_t axisFromEnd; ///< 1: keys, 2: queries
};

/// The value of a scalar over symbols.
std::optional<SymbolicExpr> scalarExpr(Matcher &matcher, Value value) {
  for (int i = 0; i < 4; ++i) {
    if (auto dims = value.getDefiningOp<bess::FromDimsOp>())
      return dims.getDims().getExprs().size() == 1 ? std::optional(bess::parseDims(dims.getDims())[0]) : std::nullopt;
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
  if (auto constant = dyn_cast<bess::ConstantOp>(op)) { // a folded range
    auto elements = dyn_cast<DenseElementsAttr>(constant.getValue());
    if (!elements || !isa<IntegerType>(elements.getElementType()))
      return std::nullopt;
    std::optional<int64_t> first;
    for (auto [i, element] : llvm::enumerate(elements.getValues<APInt>()))
      if (int64_t value = element.getSExtValue() - static_cast<int64_t>(i); first.value_or(value) != value)
        return std::nullopt;
      else
        first = value;
    return first ? std::optional(Index{*first, axis}) : std::nullopt;
  }
  if (isa<bess::ReshapeOp, bess::CastOp>(op)) {
    std::optional<Index> inner = matchIndex(matcher, op->getOperand(0), depth - 1);
    if (inner)
      inner->axisFromEnd = axis;
    return inner;
  }
  if (auto add = dyn_cast<bess::AddOp>(op))
    for (auto [x, scalar] : {std::pair<Value, Value>{add.getA(), add.getB()}, {add.getB(), add.getA()}}) {
      std::optional<SymbolicExpr> expr = onlyAxisFromEnd(scalar) == 0 ? scalarExpr(matcher, scalar) : std::nullopt;
      std::optional<Index> inner = expr ? matchIndex(matcher, x, depth - 1) : std::nullopt;
      if (inner)
        return Index{inner->base + *expr, inner->axisFromEnd};
    }
  return std::nullopt;
}

/// Are these the queries and keys of the scores, and not one row or column
/// that is stretched to them?
bool isWholeMask(Value mask, ArrayRef<SymbolicExpr> scores) {
  Dims dims = dimsOf(mask);
  return dims.size() >= 2 && dims.back() == scores.back() && dims[dims.size() - 2] == scores[scores.size() - 2];
}

/// offset of a mask of known elements: conditions, or 0 and large negative
/// numbers that are added.
std::optional<SymbolicExpr> matchElements(DenseElementsAttr elements, bool keepsWhereTrue) {
  auto type = elements ? cast<RankedTensorType>(elements.getType()) : RankedTensorType();
  if (!type || type.getRank() < 2 || elements.empty() ||
      llvm::any_of(type.getShape().drop_back(2), [](int64_t extent) { return extent != 1; }))
    return std::nullopt;
  SmallVector<bool> keeps;
  if (type.getElementType().isInteger(1)) {
    for (bool value : elements.getValues<bool>())
      keeps.push_back(value == keepsWhereTrue);
  } else if (isa<FloatType>(type.getElementType())) {
    for (const APFloat &value : elements.getValues<APFloat>()) {
      APFloat wide = value;
      bool lossy;
      wide.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lossy);
      if (!value.isZero() && !(wide.convertToDouble() <= hiding))
        return std::nullopt;
      keeps.push_back(value.isZero());
    }
  } else {
    return std::nullopt;
  }
  int64_t rows = type.getShape()[type.getRank() - 2], columns = type.getShape().back();
  int64_t offset = std::count(keeps.begin(), keeps.begin() + columns, true) - 1;
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      if (keeps[i * columns + j] != (j <= i + offset))
        return std::nullopt;
  return SymbolicExpr(offset);
}

/// offset of a condition that is true iff j <= i + offset.
std::optional<SymbolicExpr> matchCondition(Matcher &matcher, Value condition, bool keepsWhereTrue,
                                           ArrayRef<SymbolicExpr> scores) {
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
      if (from.size() < 2 || to.size() < 2 || from.back() != to.back() || from[from.size() - 2] != to[to.size() - 2])
        return std::nullopt;
    }
    condition = op->getOperand(0);
  }
  if (!isWholeMask(condition, scores))
    return std::nullopt;
  if (auto constant = condition.getDefiningOp<bess::ConstantOp>())
    return matchElements(dyn_cast<DenseElementsAttr>(constant.getValue()), keepsWhereTrue);
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
  std::optional<Index> left = matchIndex(matcher, op->getOperand(0)), right = matchIndex(matcher, op->getOperand(1));
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

/// Makes the attention causal and drops the mask, when the offset is one of the two.
static bool takeOffset(AttentionMatch &match, MaskTerm *term, std::optional<SymbolicExpr> offset) {
  Dims scores = dimsOf(match.scores.getY());
  bool topLeft = offset && *offset == SymbolicExpr(0);
  bool bottomRight = offset && *offset == scores.back() - scores[scores.size() - 2];
  if (!topLeft && !bottomRight)
    return false;
  match.causal = true;
  match.causalBottomRight = !topLeft;
  match.masks.erase(term);
  return true;
}

void simplify::matchCausal(Matcher &matcher, AttentionMatch &match) {
  const Dims scores = dimsOf(match.scores.getY());
  for (auto it = match.masks.begin(); it != match.masks.end(); ++it) {
    MaskTerm term = *it;
    if (!term.isCondition) { // added: where(condition, 0, -large)
      Value added = term.value;
      while (Value inner = operandOf<bess::BroadcastOp>(added))
        added = inner;
      auto where = added.getDefiningOp<bess::WhereOp>();
      if (!where) {
        auto constant = added.getDefiningOp<bess::ConstantOp>();
        auto elements = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
        if (isWholeMask(added, scores) && takeOffset(match, it, matchElements(elements, true)))
          return;
        continue;
      }
      std::optional<double> a = matcher.splat(where.getA()), b = matcher.splat(where.getB());
      if (!a || !b || !((*a == 0 && *b <= hiding) || (*b == 0 && *a <= hiding)))
        continue;
      term = {where.getCond(), true, *a == 0, 0};
    }
    if (takeOffset(match, it, matchCondition(matcher, term.value, term.keepsWhereTrue, scores)))
      return;
  }
}
