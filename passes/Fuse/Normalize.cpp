// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Fuse/Normalize.h"
#include "passes/Fuse/Passes.h"
#include "passes/Fuse/Rules.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace bessemer {
#define GEN_PASS_DEF_NORMALIZEFORFUSION
#include "passes/Fuse/Passes.h.inc"
} // namespace bessemer

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;

namespace {
/// A reduction over neighbouring axes becomes [outer, reduced, inner] (or
/// [outer, reduced] when they are the last), with keepdims.
struct ReduceOverNeighbours : OpRewritePattern<ReduceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ReduceOp op, PatternRewriter &rewriter) const override {
    auto dims = getDims(op.getX().getType());
    SmallVector<int64_t> axes(op.getAxes());
    llvm::sort(axes);
    if (axes.empty() || axes.back() - axes.front() + 1 != static_cast<int64_t>(axes.size()) || axes.front() < 0)
      return failure();
    int64_t rank = dims.size(), first = axes.front(), end = axes.back() + 1;
    bool last = end == rank;
    // Outer dimensions may stay; what must change is more than one axis, inner
    // dimensions that are not one row, and dropped dimensions.
    if (op.getKeepdims() && axes.size() == 1 && (last || end == rank - 1))
      return failure();
    ArrayRef<SymbolicExpr> all(dims);
    SmallVector<SymbolicExpr> shape(all.take_front(first));
    shape.push_back(product(all.slice(first, end - first)));
    if (!last)
      shape.push_back(product(all.drop_front(end)));
    Type element = getElementTypeOrSelf(op.getX().getType());
    // A reshape to the same shape would only stand between the op and its producer.
    Value x = op.getX();
    if (Type flat = getTensorType(shape, element); flat != x.getType())
      x = ReshapeOp::create(rewriter, op.getLoc(), flat, x);
    Value y = ReduceOp::create(rewriter, op.getLoc(), x, op.getKind(), ArrayRef<int64_t>{first}, true);
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op.getType(), y);
    return success();
  }
};

/// A normalization over several trailing dimensions works on one of their product.
template <typename Norm> struct NormOverTrailing : OpRewritePattern<Norm> {
  using OpRewritePattern<Norm>::OpRewritePattern;
  LogicalResult matchAndRewrite(Norm op, PatternRewriter &rewriter) const override {
    auto dims = getDims(op.getX().getType());
    int64_t rank = dims.size(), axis = op.getAxis();
    if (axis < 0 || axis >= rank - 1)
      return failure();
    ArrayRef<SymbolicExpr> all(dims);
    SmallVector<SymbolicExpr> shape(all.take_front(axis));
    SymbolicExpr row = product(all.drop_front(axis));
    shape.push_back(row);
    Type element = getElementTypeOrSelf(op.getX().getType());
    // Scale and bias must cover the whole of the trailing dimensions: asked of
    // all before anything is made, since a pattern that fails may leave nothing.
    auto parameters = op->getOperands().drop_front();
    if (!llvm::all_of(parameters, [&](Value v) { return getElementCount(v.getType()) == row; }))
      return failure();
    SmallVector<Value> operands;
    for (Value v : parameters)
      operands.push_back(
          ReshapeOp::create(rewriter, op.getLoc(), getTensorType({row}, getElementTypeOrSelf(v.getType())), v));
    Value x = ReshapeOp::create(rewriter, op.getLoc(), getTensorType(shape, element), op.getX());
    operands.insert(operands.begin(), x);
    OperationState state(op.getLoc(), op->getName(), operands,
                         {getTensorType(shape, getElementTypeOrSelf(op.getType()))}, op->getAttrs());
    state.attributes.set("axis", rewriter.getI64IntegerAttr(axis));
    Operation *flatNorm = rewriter.create(state);
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op.getType(), flatNorm->getResult(0));
    return success();
  }
};

/// Matrix programs read rows of the left operand.
struct TransposeLeft : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    if (!op.getTransposeA() || fuse::isTileableAnchor(op))
      return failure();
    int64_t rank = cast<RankedTensorType>(op.getA().getType()).getRank();
    auto permutation = llvm::to_vector(llvm::seq<int64_t>(0, rank));
    std::swap(permutation[rank - 1], permutation[rank - 2]);
    Value rows = TransposeOp::create(rewriter, op.getLoc(), op.getA(), permutation);
    rewriter.modifyOpInPlace(op, [&] {
      op.getAMutable().set(rows);
      op.setTransposeA(false);
    });
    return success();
  }
};

/// Softmax along another axis than the last goes there and back.
struct SoftmaxAlongLast : OpRewritePattern<SoftmaxOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SoftmaxOp op, PatternRewriter &rewriter) const override {
    int64_t rank = getDims(op.getX().getType()).size(), axis = op.getAxis();
    if (axis < 0 || axis >= rank - 1)
      return failure();
    auto permutation = llvm::to_vector(llvm::seq<int64_t>(0, rank));
    std::swap(permutation[axis], permutation[rank - 1]);
    Value x = TransposeOp::create(rewriter, op.getLoc(), op.getX(), permutation);
    Value y = SoftmaxOp::create(rewriter, op.getLoc(), x, rank - 1, op.getLog());
    rewriter.replaceOpWithNewOp<TransposeOp>(op, y, permutation);
    return success();
  }
};

/// A composite op without a tile program for its form is what it is short for.
struct DecomposeWithoutProgram : OpInterfaceRewritePattern<CompositeOp> {
  DecomposeWithoutProgram(MLIRContext *context) : OpInterfaceRewritePattern(context, /*benefit=*/0) {}
  LogicalResult matchAndRewrite(CompositeOp op, PatternRewriter &rewriter) const override {
    if (fuse::isRowOp(op) || fuse::isTileableAnchor(op))
      return failure();
    return fuse::decompose(op, rewriter);
  }
};

struct NormalizeForFusion : bessemer::impl::NormalizeForFusionBase<NormalizeForFusion> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<ReduceOverNeighbours, NormOverTrailing<LayerNormOp>, NormOverTrailing<RmsNormOp>, TransposeLeft,
                 SoftmaxAlongLast, DecomposeWithoutProgram>(&getContext());
    fuse::addConvTransposePatterns(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns)))) {
      getOperation().emitError("expected the patterns that precede fusion to come to an end");
      return signalPassFailure();
    }
  }
};
} // namespace
