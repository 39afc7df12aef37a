// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ops that move elements: those that do nothing, and chains of them.
#include "passes/Simplify/Match.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::simplify;

namespace {
/// An op whose result has its operand's type and elements.
template <class OpTy> struct DropWhenSameType : OpRewritePattern<OpTy> {
  using OpRewritePattern<OpTy>::OpRewritePattern;
  LogicalResult matchAndRewrite(OpTy op, PatternRewriter &rewriter) const override {
    if (op->getOperand(0).getType() != op.getType())
      return failure();
    rewriter.replaceOp(op, op->getOperand(0));
    return success();
  }
};

struct JoinReshapes : OpRewritePattern<bess::ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(bess::ReshapeOp op, PatternRewriter &rewriter) const override {
    Value x = operandOf<bess::ReshapeOp>(op.getX());
    if (!x)
      return failure();
    rewriter.modifyOpInPlace(op, [&] { op.getXMutable().assign(x); });
    return success();
  }
};

struct JoinBroadcasts : OpRewritePattern<bess::BroadcastOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(bess::BroadcastOp op, PatternRewriter &rewriter) const override {
    Value x = operandOf<bess::BroadcastOp>(op.getX());
    if (!x)
      return failure();
    rewriter.modifyOpInPlace(op, [&] { op.getXMutable().assign(x); });
    return success();
  }
};

struct SimplifyTranspose : OpRewritePattern<bess::TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(bess::TransposeOp op, PatternRewriter &rewriter) const override {
    ArrayRef<int64_t> outer = op.getPermutation();
    if (llvm::equal(outer, llvm::seq<int64_t>(0, outer.size()))) {
      if (op.getX().getType() != op.getType())
        return failure();
      rewriter.replaceOp(op, op.getX());
      return success();
    }
    auto inner = op.getX().getDefiningOp<bess::TransposeOp>();
    if (!inner)
      return failure();
    SmallVector<int64_t> joined;
    for (int64_t axis : outer)
      joined.push_back(inner.getPermutation()[axis]);
    rewriter.modifyOpInPlace(op, [&] {
      op.getXMutable().assign(inner.getX());
      op.setPermutation(joined);
    });
    return success();
  }
};

struct SimplifySlice : OpRewritePattern<bess::SliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(bess::SliceOp op, PatternRewriter &rewriter) const override {
    SmallVector<SymbolicExpr> offsets = bess::parseDims(op.getOffsets());
    bool whole = op.getX().getType() == op.getType();
    for (auto [offset, step] : llvm::zip(offsets, op.getSteps()))
      whole &= offset == SymbolicExpr(0) && step == 1;
    if (whole) {
      rewriter.replaceOp(op, op.getX());
      return success();
    }
    auto inner = op.getX().getDefiningOp<bess::SliceOp>();
    if (!inner)
      return failure();
    SmallVector<int64_t> steps;
    for (auto [offset, innerOffset, step, innerStep] :
         llvm::zip(offsets, bess::parseDims(inner.getOffsets()), op.getSteps(), inner.getSteps())) {
      offset = innerOffset + offset * innerStep;
      steps.push_back(step * innerStep);
    }
    rewriter.modifyOpInPlace(op, [&] {
      op.getXMutable().assign(inner.getX());
      op.setOffsetsAttr(bess::getDimsAttr(op.getContext(), offsets));
      op.setSteps(steps);
    });
    return success();
  }
};

/// concat(x) -> x, and operands without elements go.
struct SimplifyConcat : OpRewritePattern<bess::ConcatOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(bess::ConcatOp op, PatternRewriter &rewriter) const override {
    if (op.getXs().size() == 1 && op.getXs()[0].getType() == op.getType()) {
      rewriter.replaceOp(op, op.getXs()[0]);
      return success();
    }
    SmallVector<Value> kept;
    for (Value x : op.getXs())
      if (typeOf(x).getDimSize(op.getAxis()) != 0)
        kept.push_back(x);
    if (kept.size() == op.getXs().size() || kept.empty())
      return failure();
    rewriter.modifyOpInPlace(op, [&] { op.getXsMutable().assign(kept); });
    return success();
  }
};

/// A slice along the axis of a concat that lies within one of its operands.
struct SliceOfConcat : OpRewritePattern<bess::SliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(bess::SliceOp op, PatternRewriter &rewriter) const override {
    auto concat = op.getX().getDefiningOp<bess::ConcatOp>();
    if (!concat)
      return failure();
    int64_t axis = concat.getAxis();
    SmallVector<SymbolicExpr> offsets = bess::parseDims(op.getOffsets());
    if (op.getSteps()[axis] != 1)
      return failure();
    SymbolicExpr begin = offsets[axis], end = begin + dimsOf(op.getY())[axis], position = 0;
    for (Value x : concat.getXs()) {
      SymbolicExpr next = position + dimsOf(x)[axis];
      if (SymbolicExpr::knownLessEqual(position, begin) && SymbolicExpr::knownLessEqual(end, next)) {
        offsets[axis] = begin - position;
        rewriter.modifyOpInPlace(op, [&] {
          op.getXMutable().assign(x);
          op.setOffsetsAttr(bess::getDimsAttr(op.getContext(), offsets));
        });
        return success();
      }
      position = next;
    }
    return failure();
  }
};

struct DropEmptyReduce : OpRewritePattern<bess::ReduceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(bess::ReduceOp op, PatternRewriter &rewriter) const override {
    bool keeps = llvm::is_contained({"sum", "mean", "prod", "max", "min", "and", "or"}, op.getKind());
    if (!op.getAxes().empty() || !keeps || op.getX().getType() != op.getType())
      return failure();
    rewriter.replaceOp(op, op.getX());
    return success();
  }
};

/// A pad by nothing on all sides.
struct DropPad : OpRewritePattern<bess::PadOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(bess::PadOp op, PatternRewriter &rewriter) const override {
    for (const SymbolicExpr &low : bess::parseDims(op.getLow()))
      if (low != SymbolicExpr(0))
        return failure();
    if (op.getX().getType() != op.getType())
      return failure();
    rewriter.replaceOp(op, op.getX());
    return success();
  }
};

/// The permutation that swaps the last two axes, and nothing else.
bool swapsLastTwo(ArrayRef<int64_t> permutation) {
  int64_t rank = permutation.size();
  if (rank < 2 || permutation[rank - 1] != rank - 2 || permutation[rank - 2] != rank - 1)
    return false;
  return llvm::equal(permutation.drop_back(2), llvm::seq<int64_t>(0, rank - 2));
}

struct FoldTransposeIntoMatmul : OpRewritePattern<bess::MatmulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(bess::MatmulOp op, PatternRewriter &rewriter) const override {
    auto source = [](Value operand) -> Value {
      auto transpose = operand.getDefiningOp<bess::TransposeOp>();
      return transpose && swapsLastTwo(transpose.getPermutation()) ? transpose.getX() : Value();
    };
    Value a = source(op.getA()), b = source(op.getB());
    if (!a && !b)
      return failure();
    rewriter.modifyOpInPlace(op, [&] {
      if (a) {
        op.getAMutable().assign(a);
        op.setTransposeA(!op.getTransposeA());
      }
      if (b) {
        op.getBMutable().assign(b);
        op.setTransposeB(!op.getTransposeB());
      }
    });
    return success();
  }
};
} // namespace

void simplify::addMovePatterns(RewritePatternSet &patterns, Matcher &) {
  patterns.add<DropWhenSameType<bess::ReshapeOp>, DropWhenSameType<bess::BroadcastOp>, DropWhenSameType<bess::RepeatOp>,
               JoinReshapes, JoinBroadcasts, SimplifyTranspose, SimplifySlice, SimplifyConcat, SliceOfConcat,
               DropEmptyReduce, DropPad>(patterns.getContext());
}

void simplify::addMatmulPatterns(RewritePatternSet &patterns, Matcher &) {
  patterns.add<FoldTransposeIntoMatmul>(patterns.getContext());
}
