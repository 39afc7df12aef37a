// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Transposes of heads and positions around attention: it reads and writes both
// orders. A rotary embedding between the two does not care either.
#include "passes/Simplify/Match.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::simplify;

namespace {
constexpr int64_t swapHeads[] = {0, 2, 1, 3};

/// x of a transpose that swaps heads and positions.
Value matchSwappedHeads(Value value) {
  auto transpose = value.getDefiningOp<bess::TransposeOp>();
  return transpose && transpose.getPermutation() == ArrayRef(swapHeads) ? transpose.getX() : Value();
}

StringRef otherLayout(StringRef layout) { return layout == "bhsd" ? "bshd" : "bhsd"; }

struct AbsorbTransposes : OpRewritePattern<bess::AttentionOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(bess::AttentionOp op, PatternRewriter &rewriter) const override {
    Value q = matchSwappedHeads(op.getQ()), k = matchSwappedHeads(op.getK()), v = matchSwappedHeads(op.getV());
    if (!q && !k && !v)
      return failure();
    rewriter.modifyOpInPlace(op, [&] {
      if (q) {
        op.getQMutable().assign(q);
        op.setQLayout(otherLayout(op.getQLayout()));
      }
      if (k) {
        op.getKMutable().assign(k);
        op.setKLayout(otherLayout(op.getKLayout()));
      }
      if (v) {
        op.getVMutable().assign(v);
        op.setVLayout(otherLayout(op.getVLayout()));
      }
    });
    return success();
  }
};

/// transpose(attention) -> attention in the other order, when nothing else reads it.
struct AbsorbResultTranspose : OpRewritePattern<bess::TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(bess::TransposeOp op, PatternRewriter &rewriter) const override {
    auto attention = op.getX().getDefiningOp<bess::AttentionOp>();
    if (!attention || !attention->hasOneUse() || op.getPermutation() != ArrayRef(swapHeads))
      return failure();
    rewriter.modifyOpInPlace(attention, [&] {
      attention.setYLayout(otherLayout(attention.getYLayout()));
      attention.getY().setType(op.getType());
      attention->setLoc(rewriter.getFusedLoc({attention.getLoc(), op.getLoc()}));
    });
    rewriter.replaceOp(op, attention.getY());
    return success();
  }
};

/// The dimensions of a table [B, 1, S, d], or one with fewer leading dimensions
/// of 1, as [B, S, 1, d].
std::optional<Dims> swappedDims(Value table) {
  Dims dims = dimsOf(table);
  while (dims.size() < 4)
    dims.insert(dims.begin(), SymbolicExpr(1));
  if (dims.size() != 4 || dims[1] != SymbolicExpr(1))
    return std::nullopt;
  std::swap(dims[1], dims[2]);
  return dims;
}

Value swapTable(Value table, ArrayRef<SymbolicExpr> dims, Location loc, PatternRewriter &rewriter) {
  return bess::ReshapeOp::create(rewriter, loc, bess::getTensorType(dims, typeOf(table).getElementType()), table);
}

/// rope(transpose(x)) -> transpose(rope(x)), for the queries of an attention.
struct RotateBeforeTranspose : OpRewritePattern<bess::RopeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(bess::RopeOp op, PatternRewriter &rewriter) const override {
    Value x = matchSwappedHeads(op.getX());
    auto isAttention = [](Operation *user) { return isa<bess::AttentionOp>(user); };
    if (!x || op->use_empty() || !llvm::all_of(op->getUsers(), isAttention))
      return failure();
    std::optional<Dims> cosDims = swappedDims(op.getCos()), sinDims = swappedDims(op.getSin());
    if (!cosDims || !sinDims)
      return failure();
    Value cos = swapTable(op.getCos(), *cosDims, op.getLoc(), rewriter);
    Value sin = swapTable(op.getSin(), *sinDims, op.getLoc(), rewriter);
    auto rope =
        bess::RopeOp::create(rewriter, op.getLoc(), x.getType(), x, cos, sin, op.getRotary(), op.getInterleaved());
    rewriter.replaceOpWithNewOp<bess::TransposeOp>(op, op.getType(), rope, rewriter.getDenseI64ArrayAttr(swapHeads));
    return success();
  }
};
} // namespace

void simplify::addAttentionLayoutPatterns(RewritePatternSet &patterns, Matcher &) {
  patterns.add<AbsorbTransposes, AbsorbResultTranspose, RotateBeforeTranspose>(patterns.getContext());
}
