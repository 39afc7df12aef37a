// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Elementwise ops that do nothing, and broadcasts that they do themselves.
#include "passes/Simplify/Match.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::simplify;

namespace {
/// What `x op constant` is, when it is x.
struct Identity {
  double constant;
  bool onlyRight; ///< not commutative
};

/// x op c -> x, where the constant does not broadcast x.
template <class OpTy> struct NeutralConstant : MatchPattern<OpTy> {
  NeutralConstant(MLIRContext *context, Matcher &matcher, Identity identity)
      : MatchPattern<OpTy>(context, matcher), identity(identity) {}

  LogicalResult matchAndRewrite(OpTy op, PatternRewriter &rewriter) const override {
    for (auto [x, constant] : {std::pair<Value, Value>{op.getA(), op.getB()}, {op.getB(), op.getA()}}) {
      if (x.getType() == op.getType() && this->matcher.isSplat(constant, identity.constant)) {
        rewriter.replaceOp(op, x);
        return success();
      }
      if (identity.onlyRight)
        break;
    }
    return failure();
  }
  Identity identity;
};

/// f(f(x)) -> x.
template <class OpTy> struct Involution : OpRewritePattern<OpTy> {
  using OpRewritePattern<OpTy>::OpRewritePattern;
  LogicalResult matchAndRewrite(OpTy op, PatternRewriter &rewriter) const override {
    Value x = operandOf<OpTy>(op.getX());
    if (!x)
      return failure();
    rewriter.replaceOp(op, x);
    return success();
  }
};

/// f(f(x)) -> f(x).
template <class OpTy> struct Idempotent : OpRewritePattern<OpTy> {
  using OpRewritePattern<OpTy>::OpRewritePattern;
  LogicalResult matchAndRewrite(OpTy op, PatternRewriter &rewriter) const override {
    if (!op.getX().template getDefiningOp<OpTy>())
      return failure();
    rewriter.replaceOp(op, op.getX());
    return success();
  }
};

/// Does `to` hold every value of `from`?
bool holdsAll(Type from, Type to) {
  if (from == to)
    return true;
  if (auto a = dyn_cast<FloatType>(from), b = dyn_cast<FloatType>(to); a && b)
    return llvm::APFloatBase::isRepresentableBy(a.getFloatSemantics(), b.getFloatSemantics());
  auto a = dyn_cast<IntegerType>(from);
  if (!a)
    return false;
  bool isBool = a.getWidth() == 1;
  if (auto b = dyn_cast<FloatType>(to))
    return isBool || a.getWidth() <= b.getFPMantissaWidth();
  auto b = dyn_cast<IntegerType>(to);
  if (!b || b.getWidth() == 1)
    return false;
  if (isBool)
    return true;
  if (a.isUnsigned() == b.isUnsigned())
    return a.getWidth() <= b.getWidth();
  return a.isUnsigned() && a.getWidth() < b.getWidth();
}

struct SimplifyCast : OpRewritePattern<bess::CastOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(bess::CastOp op, PatternRewriter &rewriter) const override {
    Type source = typeOf(op.getX()).getElementType();
    if (op.getX().getType() == op.getType()) {
      rewriter.replaceOp(op, op.getX());
      return success();
    }
    // Through a type that loses nothing: the first cast was for nothing.
    auto inner = op.getX().getDefiningOp<bess::CastOp>();
    if (!inner || !holdsAll(typeOf(inner.getX()).getElementType(), source))
      return failure();
    rewriter.modifyOpInPlace(op, [&] { op.getXMutable().assign(inner.getX()); });
    return success();
  }
};

/// Reads through `bess.broadcast` where the op broadcasts by itself.
struct DropBroadcast : RewritePattern {
  explicit DropBroadcast(MLIRContext *context) : RewritePattern(MatchAnyOpTypeTag(), /*benefit=*/1, context) {}
  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    if (!op->hasTrait<bess::Elementwise>() || isa<bess::QuantizeOp, bess::DequantizeOp>(op) || op->getNumOperands() < 2)
      return failure();
    for (OpOperand &operand : op->getOpOperands()) {
      auto broadcast = operand.get().getDefiningOp<bess::BroadcastOp>();
      if (!broadcast)
        continue;
      SmallVector<Dims> shapes;
      for (OpOperand &other : op->getOpOperands())
        shapes.push_back(dimsOf(&other == &operand ? broadcast.getX() : other.get()));
      SmallVector<std::pair<SymbolicExpr, SymbolicExpr>> mismatches;
      FailureOr<Dims> dims = bess::broadcastDims(shapes, &mismatches);
      if (failed(dims) || !mismatches.empty() || *dims != dimsOf(op->getResult(0)))
        continue;
      rewriter.modifyOpInPlace(op, [&] { operand.set(broadcast.getX()); });
      return success();
    }
    return failure();
  }
};

/// f(broadcast(x), scalars) -> broadcast(f(x, scalars)): fewer elements, and the
/// broadcast may then vanish into what reads it.
struct SinkBroadcast : RewritePattern {
  explicit SinkBroadcast(MLIRContext *context) : RewritePattern(MatchAnyOpTypeTag(), /*benefit=*/1, context) {}
  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    if (!op->hasTrait<bess::Elementwise>() || isa<bess::QuantizeOp, bess::DequantizeOp>(op))
      return failure();
    OpOperand *large = nullptr;
    for (OpOperand &operand : op->getOpOperands()) {
      if (llvm::all_of(typeOf(operand.get()).getShape(), [](int64_t extent) { return extent == 1; }))
        continue;
      if (large)
        return failure();
      large = &operand;
    }
    auto broadcast = large ? large->get().getDefiningOp<bess::BroadcastOp>() : bess::BroadcastOp();
    if (!broadcast || dimsOf(large->get()) != dimsOf(op->getResult(0)))
      return failure();
    Value x = broadcast.getX();
    for (Value operand : op->getOperands())
      if (rankOf(operand) > rankOf(x) && operand != large->get())
        return failure();
    IRMapping mapping;
    mapping.map(large->get(), x);
    Operation *small = rewriter.clone(*op, mapping);
    small->getResult(0).setType(bess::getTensorType(dimsOf(x), typeOf(op->getResult(0)).getElementType()));
    rewriter.replaceOpWithNewOp<bess::BroadcastOp>(op, op->getResult(0).getType(), small->getResult(0));
    return success();
  }
};

/// where(c, a, a) -> a; where(true, a, b) -> a.
struct SimplifyWhere : MatchPattern<bess::WhereOp> {
  using MatchPattern::MatchPattern;
  LogicalResult matchAndRewrite(bess::WhereOp op, PatternRewriter &rewriter) const override {
    Value chosen = op.getA() == op.getB() ? op.getA() : Value();
    if (std::optional<double> condition = matcher.splat(op.getCond()))
      chosen = *condition != 0 ? op.getA() : op.getB();
    if (!chosen || chosen.getType() != op.getType())
      return failure();
    rewriter.replaceOp(op, chosen);
    return success();
  }
};

/// Powers that are a multiplication or a root.
struct StrengthReducePow : MatchPattern<bess::PowOp> {
  using MatchPattern::MatchPattern;
  LogicalResult matchAndRewrite(bess::PowOp op, PatternRewriter &rewriter) const override {
    std::optional<double> exponent = matcher.splat(op.getB());
    Value x = op.getA();
    if (!exponent || x.getType() != op.getType())
      return failure();
    if (*exponent == 1)
      return rewriter.replaceOp(op, x), success();
    if (*exponent == 2)
      return rewriter.replaceOpWithNewOp<bess::MulOp>(op, op.getType(), x, x), success();
    if (*exponent == 3) {
      Value square = bess::MulOp::create(rewriter, op.getLoc(), op.getType(), x, x);
      return rewriter.replaceOpWithNewOp<bess::MulOp>(op, op.getType(), square, x), success();
    }
    if (!isa<FloatType>(typeOf(x).getElementType()))
      return failure();
    if (*exponent == -1)
      return rewriter.replaceOpWithNewOp<bess::ReciprocalOp>(op, op.getType(), x), success();
    return failure();
  }
};
} // namespace

void simplify::addElementwisePatterns(RewritePatternSet &patterns, Matcher &matcher) {
  MLIRContext *context = patterns.getContext();
  // x + 0 is not x for x = -0, which nobody can tell but by its sign bit.
  patterns.add<NeutralConstant<bess::AddOp>>(context, matcher, Identity{0, false});
  patterns.add<NeutralConstant<bess::SubOp>>(context, matcher, Identity{0, true});
  patterns.add<NeutralConstant<bess::MulOp>>(context, matcher, Identity{1, false});
  patterns.add<NeutralConstant<bess::DivOp>>(context, matcher, Identity{1, true});
  patterns.add<NeutralConstant<bess::AndOp>>(context, matcher, Identity{1, false});
  patterns.add<NeutralConstant<bess::OrOp>>(context, matcher, Identity{0, false});
  patterns.add<NeutralConstant<bess::XorOp>>(context, matcher, Identity{0, false});
  patterns.add<Involution<bess::NegOp>, Involution<bess::NotOp>, Involution<bess::BitwiseNotOp>,
               Idempotent<bess::ReluOp>, Idempotent<bess::AbsOp>, Idempotent<bess::FloorOp>, Idempotent<bess::CeilOp>,
               Idempotent<bess::RoundOp>, SimplifyCast, DropBroadcast, SinkBroadcast>(context);
  patterns.add<SimplifyWhere, StrengthReducePow>(context, matcher);
}
