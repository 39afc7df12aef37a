// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Exporters write a product of rows [M, K] between reshapes from and to
// [batch, sequence, K]. What follows it is computed in the product's shape
// instead, and the reshape goes behind it: down to its inverse, with which it
// vanishes, or to an op that needs the shape.
#include "dialects/Tile/TargetSchedule.h"
#include "passes/Simplify/Match.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace bessemer::simplify {
#define GEN_PASS_DEF_BESSEMERMOVERESHAPES
#include "passes/Simplify/Passes.h.inc"
} // namespace bessemer::simplify

using namespace mlir;
using namespace bessemer;
using namespace bessemer::simplify;

namespace {
/// An op whose every row, along the last dimension, is computed from rows.
bool computesRows(Operation *op) {
  if (!op || isa<bess::QuantizeOp, bess::DequantizeOp, bess::BitcastOp>(op))
    return false;
  return op->hasTrait<bess::Elementwise>() ||
         isa<bess::MatmulOp, bess::LayerNormOp, bess::RmsNormOp, bess::SoftmaxOp>(op);
}

/// The shape of the rows that the op goes over: its result's, or that of a product's left operand.
Dims rowsOf(Operation *op) {
  if (auto matmul = dyn_cast<bess::MatmulOp>(op))
    return dimsOf(matmul.getA());
  return dimsOf(op->getResult(0));
}

/// An op on rows in another shape: how its operands change, if they can.
class Reshaped {
public:
  /// `to` has the elements and the last dimension of `from`.
  Reshaped(Operation *op, Dims from, Dims to) : op(op), from(std::move(from)), to(std::move(to)) {
    while (same < std::min(this->from.size(), this->to.size()) &&
           this->from[this->from.size() - 1 - same] == this->to[this->to.size() - 1 - same])
      ++same;
  }

  bool isPossible() {
    if (same == 0 || to.empty())
      return false;
    if (auto matmul = dyn_cast<bess::MatmulOp>(op))
      return !matmul.getTransposeA() && rankOf(matmul.getB()) == 2 && to.size() >= 2;
    if (auto axis = op->getAttrOfType<IntegerAttr>("axis")) // of a normalization: all of it in the dimensions that stay
      if (axis.getInt() < 0 || from.size() - axis.getInt() > same)
        return false;
    for (Value operand : op->getOperands())
      if (dimsOf(operand) != from && withoutOnes(operand).size() > same)
        return false;
    return true;
  }

  /// The op in the new shape, its result in the old one.
  Value rewrite(PatternRewriter &rewriter) {
    Location loc = op->getLoc();
    auto reshape = [&](Value value, ArrayRef<SymbolicExpr> dims) -> Value {
      Type type = bess::getTensorType(dims, typeOf(value).getElementType());
      return type == value.getType() ? value : bess::ReshapeOp::create(rewriter, loc, type, value);
    };
    IRMapping mapping;
    auto matmul = dyn_cast<bess::MatmulOp>(op);
    for (Value operand : op->getOperands()) {
      if (matmul ? operand == matmul.getA() : dimsOf(operand) == from)
        mapping.map(operand, reshape(operand, to));
      else if (!matmul && rankOf(operand) > int64_t(to.size()))
        mapping.map(operand, reshape(operand, withoutOnes(operand)));
    }
    Operation *own = rewriter.clone(*op, mapping);
    Dims dims = to;
    if (matmul)
      dims.back() = dimsOf(matmul.getY()).back();
    own->getResult(0).setType(bess::getTensorType(dims, typeOf(op->getResult(0)).getElementType()));
    if (auto axis = op->getAttrOfType<IntegerAttr>("axis"); axis && !matmul)
      own->setAttr("axis", rewriter.getI64IntegerAttr(axis.getInt() + to.size() - from.size()));
    return bess::ReshapeOp::create(rewriter, loc, op->getResult(0).getType(), own->getResult(0));
  }

private:
  static Dims withoutOnes(Value value) {
    Dims dims = dimsOf(value);
    return Dims(ArrayRef(dims).drop_while([](const SymbolicExpr &dim) { return dim == SymbolicExpr(1); }));
  }

  Operation *op;
  Dims from, to;
  size_t same = 0; ///< trailing dimensions of both
};

/// f(reshape(x), y) -> reshape(f(x, reshape(y))), where x has fewer dimensions
/// and an op on rows has computed it: what another one writes, or an argument,
/// is as well read in this shape as in that one. The rank of f shrinks, so this
/// comes to an end.
struct ReshapeBehind : RewritePattern {
  explicit ReshapeBehind(MLIRContext *context) : RewritePattern(MatchAnyOpTypeTag(), /*benefit=*/1, context) {}
  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    if (!computesRows(op))
      return failure();
    Dims from = rowsOf(op);
    for (Value operand : op->getOperands()) {
      Value x = operandOf<bess::ReshapeOp>(operand);
      if (!x || !computesRows(x.getDefiningOp()) || rankOf(x) >= int64_t(from.size()) || dimsOf(operand) != from)
        continue;
      // A reshape of another operand must not come between it and its only reader, with which it would be one kernel.
      bool separates = llvm::any_of(op->getOperands(), [&](Value other) {
        return other != operand && dimsOf(other) == from && other.hasOneUse() && computesRows(other.getDefiningOp());
      });
      Reshaped reshaped(op, from, dimsOf(x));
      if (separates || !reshaped.isPossible())
        continue;
      rewriter.replaceOp(op, reshaped.rewrite(rewriter));
      return success();
    }
    return failure();
  }
};

/// A transpose that moves dimensions of 1 only is a reshape.
struct TransposeOfOnes : OpRewritePattern<bess::TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(bess::TransposeOp op, PatternRewriter &rewriter) const override {
    Dims dims = dimsOf(op.getX());
    SmallVector<int64_t> moved;
    for (int64_t axis : op.getPermutation())
      if (dims[axis] != SymbolicExpr(1))
        moved.push_back(axis);
    if (!llvm::is_sorted(moved))
      return failure();
    rewriter.replaceOpWithNewOp<bess::ReshapeOp>(op, op.getType(), op.getX());
    return success();
  }
};

/// transpose(reshape(slice(x))) where the slice takes whole heads out of the last dimension, which the reshape splits
/// into heads -> transpose(slice(reshape(x))): slice and transpose then both move whole rows, and become one. So does
/// attention on a GPU, which reads heads out of a slice.
struct SplitBeforeSlice : OpRewritePattern<bess::ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(bess::ReshapeOp op, PatternRewriter &rewriter) const override {
    auto slice = op.getX().getDefiningOp<bess::SliceOp>();
    if (!slice || !op->hasOneUse())
      return failure();
    Operation *reader = *op->getUsers().begin();
    bool attends = isa<bess::AttentionOp>(reader) && tile::getGpuMachine(op->getParentOfType<ModuleOp>());
    if (!attends && !isa<bess::TransposeOp>(reader))
      return failure();
    Dims whole = dimsOf(slice.getX()), part = dimsOf(slice.getY()), to = dimsOf(op.getY());
    SmallVector<SymbolicExpr> offsets = bess::parseDims(slice.getOffsets());
    size_t last = whole.size() - 1;
    for (size_t d = 0; d < last; ++d)
      if (part[d] != whole[d] || offsets[d] != SymbolicExpr(0) || slice.getSteps()[d] != 1)
        return failure();
    if (to.size() < 2 || slice.getSteps()[last] != 1 || to[to.size() - 2] * to.back() != part[last])
      return failure();
    std::optional<int64_t> depth = to.back().isConstant(), offset = offsets[last].isConstant(),
                           columns = whole[last].isConstant();
    if (!depth || !offset || !columns || *depth < 1 || *offset % *depth || *columns % *depth)
      return failure();
    Dims heads = to;
    heads[to.size() - 2] = *columns / *depth;
    Value split = bess::ReshapeOp::create(rewriter, op.getLoc(),
                                          bess::getTensorType(heads, typeOf(op.getY()).getElementType()), slice.getX());
    SmallVector<SymbolicExpr> at(to.size(), SymbolicExpr(0));
    at[to.size() - 2] = *offset / *depth;
    auto own = bess::SliceOp::create(rewriter, slice.getLoc(), op.getType(), split,
                                     bess::getDimsAttr(op.getContext(), at), SmallVector<int64_t>(to.size(), 1));
    rewriter.replaceOp(op, own.getY());
    return success();
  }
};

struct MoveReshapes : bessemer::simplify::impl::BessemerMoveReshapesBase<MoveReshapes> {
  void runOnOperation() override {
    Matcher matcher({});
    RewritePatternSet patterns(&getContext());
    patterns.add<ReshapeBehind, TransposeOfOnes, SplitBeforeSlice>(&getContext());
    addMovePatterns(patterns, matcher);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      return signalPassFailure();
  }
};
} // namespace
