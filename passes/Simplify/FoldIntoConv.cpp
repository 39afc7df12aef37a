// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A factor and a summand for each channel after a convolution (what a batch
// norm is once it is written out) become part of its weights and bias. The
// loader computes those, once. Zeros around its image become its padding.
#include "passes/Simplify/Match.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::simplify;

namespace {
/// Can the loader compute it: from weights and constants alone, of known size?
bool isLoadTime(Value value, int depth = 16) {
  Operation *op = value.getDefiningOp();
  if (!op || depth == 0 || !isa<bess::BessDialect>(op->getDialect()) || !isPure(op) || op->getNumRegions() ||
      !typeOf(value).hasStaticShape())
    return false;
  if (isa<bess::WeightOp, bess::ConstantOp>(op))
    return true;
  return op->getNumOperands() > 0 &&
         llvm::all_of(op->getOperands(), [&](Value operand) { return isLoadTime(operand, depth - 1); });
}

/// The convolution in `a` or `b` that only this op reads, and the other operand
/// when that has one element for each channel.
struct ChannelOperand {
  bess::ConvOp conv;
  Value value;
};
std::optional<ChannelOperand> matchChannelOperand(Value a, Value b, Type type) {
  for (auto [product, value] : {std::pair(a, b), std::pair(b, a)}) {
    auto conv = product.getDefiningOp<bess::ConvOp>();
    if (!conv || !conv->hasOneUse() || conv.getTo() || conv.getType() != type)
      continue;
    Type element = typeOf(product).getElementType();
    ArrayRef<int64_t> shape = typeOf(value).getShape(), weights = typeOf(conv.getW()).getShape();
    // Aligned at the right, the channels are dimension 1.
    int64_t channelAxis = static_cast<int64_t>(shape.size()) - rankOf(product) + 1;
    if ((!element.isF32() && !element.isF64()) || channelAxis < 0 || ShapedType::isDynamic(weights[0]))
      continue;
    bool fits = true;
    for (auto [i, extent] : llvm::enumerate(shape))
      fits &= extent == (static_cast<int64_t>(i) == channelAxis ? weights[0] : 1);
    if (fits && isLoadTime(value) && isLoadTime(conv.getW()) && (!conv.getBias() || isLoadTime(conv.getBias())))
      return ChannelOperand{conv, value};
  }
  return std::nullopt;
}

Value reshape(Value value, ArrayRef<int64_t> shape, Location loc, PatternRewriter &rewriter) {
  auto type = RankedTensorType::get(shape, typeOf(value).getElementType());
  return type == typeOf(value) ? value : Value(bess::ReshapeOp::create(rewriter, loc, type, value));
}

void replaceConv(Operation *op, bess::ConvOp conv, Value weights, Value bias, PatternRewriter &rewriter) {
  Location loc = rewriter.getFusedLoc({conv.getLoc(), op->getLoc()});
  rewriter.replaceOp(op, bess::ConvOp::create(rewriter, loc, conv.getType(), conv.getX(), weights, bias,
                                              conv.getStrides(), conv.getDilations(), conv.getPads(), conv.getGroups(),
                                              TypeAttr(), bess::channelsFirst, DenseI64ArrayAttr()));
}

struct FoldFactor : OpRewritePattern<bess::MulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(bess::MulOp op, PatternRewriter &rewriter) const override {
    std::optional<ChannelOperand> match = matchChannelOperand(op.getA(), op.getB(), op.getType());
    if (!match)
      return failure();
    auto [conv, factor] = *match;
    Location loc = op.getLoc();
    int64_t channels = typeOf(conv.getW()).getDimSize(0);
    SmallVector<int64_t> shape(rankOf(conv.getW()), 1);
    shape[0] = channels;
    Value weights =
        bess::MulOp::create(rewriter, loc, conv.getW().getType(), conv.getW(), reshape(factor, shape, loc, rewriter));
    Value bias = conv.getBias();
    if (bias)
      bias = bess::MulOp::create(rewriter, loc, bias.getType(), bias, reshape(factor, channels, loc, rewriter));
    replaceConv(op, conv, weights, bias, rewriter);
    return success();
  }
};

struct FoldSummand : OpRewritePattern<bess::AddOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(bess::AddOp op, PatternRewriter &rewriter) const override {
    std::optional<ChannelOperand> match = matchChannelOperand(op.getA(), op.getB(), op.getType());
    if (!match)
      return failure();
    auto [conv, summand] = *match;
    int64_t channels = typeOf(conv.getW()).getDimSize(0);
    Value bias = reshape(summand, channels, op.getLoc(), rewriter);
    if (conv.getBias())
      bias = bess::AddOp::create(rewriter, op.getLoc(), bias.getType(), conv.getBias(), bias);
    replaceConv(op, conv, conv.getW(), bias, rewriter);
    return success();
  }
};

/// Zeros around the spatial dimensions of the image ("same" padding of strided convolutions, which ONNX's own pads
/// could say as well).
struct FoldPad : MatchPattern<bess::ConvOp> {
  using MatchPattern::MatchPattern;
  LogicalResult matchAndRewrite(bess::ConvOp op, PatternRewriter &rewriter) const override {
    auto pad = op.getX().getDefiningOp<bess::PadOp>();
    if (!pad || pad.getMode() != "constant" || (pad.getValue() && matcher.splat(pad.getValue()) != 0.0))
      return failure();
    auto low = bess::parseDims(pad.getLow()), from = bess::getDims(pad.getX().getType()),
         to = bess::getDims(pad.getType());
    SmallVector<int64_t> pads(op.getPads());
    int64_t spatial = rankOf(op.getX()) - 2;
    for (int64_t i = 0; i < spatial + 2; ++i) {
      std::optional<int64_t> before = low[i].isConstant(), after = (to[i] - from[i] - low[i]).isConstant();
      if (!before || !after || *before < 0 || *after < 0 || (i < 2 && *before + *after != 0))
        return failure();
      if (i >= 2) {
        pads[i - 2] += *before;
        pads[i - 2 + spatial] += *after;
      }
    }
    rewriter.modifyOpInPlace(op, [&] {
      op.getXMutable().assign(pad.getX());
      op.setPads(pads);
    });
    return success();
  }
};
} // namespace

void simplify::addConvPatterns(RewritePatternSet &patterns, Matcher &matcher) {
  patterns.add<FoldFactor, FoldSummand>(patterns.getContext());
  patterns.add<FoldPad>(patterns.getContext(), matcher);
}
