// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rotary position embedding in the form of rotated halves:
//
//   x * cos + concat(-x[.., D/2:], x[.., :D/2]) * sin
//
// where cos and sin hold their D/2 different columns twice. `bess.rope` wants
// them once, so the ops that make them are written again on one half; where it
// cannot be seen that the halves are equal, the pattern does not match.
#include "passes/Simplify/Match.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::simplify;

namespace {
/// The operand of a slice of the last dimension alone, [begin, begin + size).
Value matchLastSlice(Value value, int64_t begin, int64_t size) {
  auto slice = value.getDefiningOp<bess::SliceOp>();
  if (!slice || typeOf(slice.getY()).getShape().back() != size ||
      llvm::any_of(slice.getSteps(), [](int64_t step) { return step != 1; }))
    return {};
  SmallVector<SymbolicExpr> offsets = bess::parseDims(slice.getOffsets());
  Dims from = dimsOf(slice.getX()), to = dimsOf(slice.getY());
  for (size_t i = 0; i + 1 < from.size(); ++i)
    if (from[i] != to[i])
      return {};
  return offsets.back() == SymbolicExpr(begin) ? slice.getX() : Value();
}

/// x of concat(-x[.., D/2:], x[.., :D/2]).
Value matchRotatedHalves(Value value) {
  auto concat = value.getDefiningOp<bess::ConcatOp>();
  if (!concat || concat.getXs().size() != 2 || static_cast<int64_t>(concat.getAxis()) != rankOf(value) - 1)
    return {};
  int64_t depth = typeOf(value).getShape().back();
  if (ShapedType::isDynamic(depth) || depth % 2)
    return {};
  Value negated = operandOf<bess::NegOp>(concat.getXs()[0]);
  Value high = negated ? matchLastSlice(negated, depth / 2, depth / 2) : Value();
  Value low = matchLastSlice(concat.getXs()[1], 0, depth / 2);
  return high && high == low && typeOf(low) == typeOf(value) ? low : Value();
}

RankedTensorType halved(Value value) {
  Dims dims = dimsOf(value);
  dims.back() = typeOf(value).getShape().back() / 2;
  return bess::getTensorType(dims, typeOf(value).getElementType());
}

/// One half of a table whose two halves along the last dimension are equal.
/// With a null builder: only whether there is one (then any value that is not
/// null).
Value halve(Matcher &matcher, Value value, PatternRewriter *rewriter, int depth = 8) {
  Operation *op = value.getDefiningOp();
  if (!op || depth == 0 || rankOf(value) == 0)
    return {};
  if (auto concat = dyn_cast<bess::ConcatOp>(op)) {
    bool twice = concat.getXs().size() == 2 && concat.getXs()[0] == concat.getXs()[1] &&
                 static_cast<int64_t>(concat.getAxis()) == rankOf(value) - 1;
    return twice ? concat.getXs()[0] : Value();
  }
  unsigned through = 0; // the operand that has the halves
  if (isa<bess::MulOp, bess::DivOp>(op)) {
    if (matcher.splat(op->getOperand(0)))
      through = 1;
    else if (!matcher.splat(op->getOperand(1)))
      return {};
    // The constant is a scalar, not a row of equal elements.
    Value constant = op->getOperand(1 - through);
    if (rankOf(constant) > 0 && typeOf(constant).getShape().back() != 1)
      return {};
  } else if (auto reshape = dyn_cast<bess::ReshapeOp>(op)) {
    // Only unit dimensions come and go: the last one stays.
    if (rankOf(reshape.getX()) == 0 || dimsOf(reshape.getX()).back() != dimsOf(value).back())
      return {};
  } else if (!isa<bess::CosOp, bess::SinOp, bess::CastOp, bess::NegOp>(op)) {
    return {};
  }
  Value inner = halve(matcher, op->getOperand(through), rewriter, depth - 1);
  if (!inner || !rewriter)
    return inner;
  IRMapping mapping;
  mapping.map(op->getOperand(through), inner);
  Operation *copy = rewriter->clone(*op, mapping);
  copy->getResult(0).setType(halved(value));
  return copy->getResult(0);
}

struct RaiseRope : MatchPattern<bess::AddOp> {
  using MatchPattern::MatchPattern;

  LogicalResult matchAndRewrite(bess::AddOp op, PatternRewriter &rewriter) const override {
    for (auto [left, right] : {std::pair<Value, Value>{op.getA(), op.getB()}, {op.getB(), op.getA()}}) {
      auto plain = left.getDefiningOp<bess::MulOp>(), rotated = right.getDefiningOp<bess::MulOp>();
      if (!plain || !rotated)
        continue;
      for (auto [turned, sin] :
           {std::pair<Value, Value>{rotated.getA(), rotated.getB()}, {rotated.getB(), rotated.getA()}})
        if (Value x = matchRotatedHalves(turned))
          if (plain.getA() == x || plain.getB() == x)
            return raise(op, x, plain.getA() == x ? plain.getB() : plain.getA(), sin, rewriter);
    }
    return failure();
  }

private:
  LogicalResult raise(bess::AddOp op, Value x, Value cos, Value sin, PatternRewriter &rewriter) const {
    if (rankOf(x) != 4)
      return matcher.miss(op, "rope", "expected an operand of rank 4, got rank " + Twine(rankOf(x)));
    if (x.getType() != op.getType())
      return matcher.miss(op, "rope", "expected cos and sin to broadcast to the operand");
    for (Value table : {cos, sin}) {
      if (rankOf(table) == 0 || typeOf(table).getShape().back() != typeOf(x).getShape().back() ||
          !halve(matcher, table, nullptr))
        return matcher.miss(op, "rope", "expected cos and sin whose two halves are seen to be equal");
    }
    Value leaves[] = {x, cos, sin};
    Location loc = locationOf(op, leaves);
    // Where the tables are made, so that layers share their halves (CSE).
    auto halveInPlace = [&](Value table) {
      OpBuilder::InsertionGuard guard(rewriter);
      rewriter.setInsertionPointAfterValue(table);
      return halve(matcher, table, &rewriter);
    };
    Value halfCos = halveInPlace(cos), halfSin = halveInPlace(sin);
    rewriter.setInsertionPoint(op);
    auto rope = bess::RopeOp::create(rewriter, loc, op.getType(), x, halfCos, halfSin,
                                     static_cast<uint64_t>(typeOf(x).getShape().back()),
                                     /*interleaved=*/false);
    rewriter.replaceOp(op, rope);
    return success();
  }
};

/// concat(rope(x[.., :r]), x[.., r:]) -> rope(x) of the first r elements.
struct WidenRope : OpRewritePattern<bess::ConcatOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(bess::ConcatOp op, PatternRewriter &rewriter) const override {
    if (op.getXs().size() != 2 || rankOf(op.getY()) != 4 || op.getAxis() != 3)
      return failure();
    auto rope = op.getXs()[0].getDefiningOp<bess::RopeOp>();
    if (!rope)
      return failure();
    int64_t rotated = typeOf(rope.getX()).getShape().back(), rest = typeOf(op.getXs()[1]).getShape().back();
    Value x = matchLastSlice(rope.getX(), 0, rotated), same = matchLastSlice(op.getXs()[1], rotated, rest);
    if (!x || x != same || x.getType() != op.getType())
      return failure();
    Location loc = locationOf(op, {x, rope.getCos(), rope.getSin()});
    rewriter.replaceOp(op, bess::RopeOp::create(rewriter, loc, op.getType(), x, rope.getCos(), rope.getSin(),
                                                rope.getRotary(), rope.getInterleaved()));
    return success();
  }
};
} // namespace

void simplify::addRopePatterns(RewritePatternSet &patterns, Matcher &matcher) {
  patterns.add<RaiseRope>(patterns.getContext(), matcher, /*benefit=*/1);
  patterns.add<WidenRope>(patterns.getContext());
}
