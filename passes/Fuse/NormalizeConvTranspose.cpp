// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A transposed convolution as a convolution. With stride s, what tap k of the
// window adds goes to place i s + k - pad. So the s places of a residue r see
// only the taps k = m s + r, and they see them as a convolution of stride 1
// with the taps reversed:
//
//   y[q s + r - pad] = sum over m of x[q - m] w[m s + r]
//
// All residues of all axes are channels of one convolution, whose result is
// turned from channels to places (a pixel shuffle) and cut to size:
//
//   w [C, O, K]  ->  [O, s, C, M], M = ceil(K / s), reversed along M     (once, at load)
//   x [N, C, X]  ->  conv, M - 1 of padding  ->  [N, O s, Q]  ->  [N, O, Q s]  ->  [N, O, Y]
#include "passes/Fuse/Normalize.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;

namespace {
using Dims = SmallVector<SymbolicExpr>;
using Ints = SmallVector<int64_t>;

struct ConvTransposeToConv : OpRewritePattern<ConvTransposeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ConvTransposeOp op, PatternRewriter &rewriter) const override {
    auto weight = cast<RankedTensorType>(op.getW().getType());
    Dims x = getDims(op.getX().getType()), y = getDims(op.getY().getType());
    int64_t spatial = x.size() - 2, groups = op.getGroups();
    if (!weight.hasStaticShape() || weight.getNumElements() == 0 || weight.getDimSize(0) % groups ||
        !isa<FloatType>(weight.getElementType()))
      return failure();
    Location loc = op.getLoc();
    Type element = weight.getElementType();
    auto reshape = [&](Value v, ArrayRef<SymbolicExpr> dims) -> Value {
      Type type = getTensorType(dims, element);
      return v.getType() == type ? v : Value(ReshapeOp::create(rewriter, loc, type, v));
    };
    auto transpose = [&](Value v, ArrayRef<int64_t> permutation) -> Value {
      return llvm::is_sorted(permutation) ? v : Value(TransposeOp::create(rewriter, loc, v, permutation));
    };
    // Zeros behind, to `to` along each axis.
    auto padTo = [&](Value v, Dims to) -> Value {
      Type type = getTensorType(to, element);
      Dims low(to.size(), SymbolicExpr(0));
      return v.getType() == type ? v
                                 : Value(PadOp::create(rewriter, loc, type, v, Value(),
                                                       getDimsAttr(rewriter.getContext(), low), "constant"));
    };

    Dims taps; // after dilation, padded to whole strides
    Ints counts, lowPads, highPads;
    Dims full; // extents before they are cut
    for (int64_t i = 0; i < spatial; ++i) {
      int64_t stride = op.getStrides()[i], span = (weight.getDimSize(i + 2) - 1) * op.getDilations()[i] + 1;
      int64_t count = (span + stride - 1) / stride, low = op.getPads()[i];
      std::optional<int64_t> missing = (y[i + 2] + low - (x[i + 2] + (count - 1)) * stride).isConstant();
      if (low < 0 || !missing)
        return failure();
      int64_t extra = std::max<int64_t>(0, (*missing + stride - 1) / stride);
      taps.push_back(count * stride);
      counts.push_back(count);
      lowPads.push_back(count - 1);
      highPads.push_back(count - 1 + extra);
      full.push_back((x[i + 2] + (count - 1 + extra)) * stride);
    }

    // The weights: dilation written out, whole strides, residues to the channels.
    Dims w = getDims(weight);
    Value weights = op.getW();
    for (int64_t i = 0; i < spatial; ++i) {
      int64_t dilation = op.getDilations()[i], size = weight.getDimSize(i + 2);
      if (dilation == 1)
        continue;
      Dims apart = w;
      apart.insert(apart.begin() + i + 3, SymbolicExpr(1));
      weights = reshape(weights, apart);
      apart[i + 3] = dilation;
      weights = padTo(weights, apart);
      w[i + 2] = size * dilation;
      weights = reshape(weights, w);
      Dims cut = w;
      cut[i + 2] = (size - 1) * dilation + 1;
      Dims zeros(w.size(), SymbolicExpr(0));
      weights = SliceOp::create(rewriter, loc, getTensorType(cut, element), weights,
                                getDimsAttr(rewriter.getContext(), zeros), Ints(w.size(), 1));
      w = cut;
    }
    Dims padded = w;
    std::copy(taps.begin(), taps.end(), padded.begin() + 2);
    weights = padTo(weights, padded);
    // [g, C/g, O/g, M0, s0, M1, s1, ..] -> [g, O/g, s0, s1, .., C/g, M0, M1, ..]
    int64_t inputs = weight.getDimSize(0) / groups, outputs = weight.getDimSize(1), residues = 1;
    Dims apart = {SymbolicExpr(groups), SymbolicExpr(inputs), SymbolicExpr(outputs)};
    Ints order = {0, 2};
    Dims conv = {SymbolicExpr(0), SymbolicExpr(inputs)};
    for (int64_t i = 0; i < spatial; ++i) {
      apart.push_back(counts[i]);
      apart.push_back(op.getStrides()[i]);
      residues *= op.getStrides()[i];
      order.push_back(4 + 2 * i);
      conv.push_back(counts[i]);
    }
    order.push_back(1);
    Ints reversed;
    for (int64_t i = 0; i < spatial; ++i) {
      order.push_back(3 + 2 * i);
      if (counts[i] > 1)
        reversed.push_back(2 + i);
    }
    conv[0] = groups * outputs * residues;
    weights = reshape(transpose(reshape(weights, apart), order), conv);
    if (!reversed.empty())
      weights = ReverseOp::create(rewriter, loc, weights, reversed);

    // A bias for each residue of its channel.
    Value bias = op.getBias();
    if (bias && residues > 1) {
      bias = reshape(bias, {SymbolicExpr(groups * outputs), SymbolicExpr(1)});
      bias = BroadcastOp::create(
          rewriter, loc, getTensorType({SymbolicExpr(groups * outputs), SymbolicExpr(residues)}, element), bias);
      bias = reshape(bias, {conv[0]});
    }
    Ints pads = lowPads;
    pads.append(highPads);
    Value sums = ConvOp::create(rewriter, loc, op.getX(), weights, bias, Ints(spatial, 1), Ints(spatial, 1), pads,
                                groups, TypeAttr(), channelsFirst, DenseI64ArrayAttr());

    // [N, O, s0, s1, .., Q0, Q1, ..] -> [N, O, Q0, s0, Q1, s1, ..]
    Dims spread = {x[0], SymbolicExpr(groups * outputs)}, whole = spread;
    for (int64_t i = 0; i < spatial; ++i)
      spread.push_back(op.getStrides()[i]);
    Dims q = getDims(sums.getType());
    Ints shuffle = {0, 1};
    for (int64_t i = 0; i < spatial; ++i) {
      spread.push_back(q[i + 2]);
      shuffle.append({2 + spatial + i, 2 + i});
      whole.push_back(q[i + 2] * op.getStrides()[i]);
    }
    if (residues > 1)
      sums = reshape(transpose(reshape(sums, spread), shuffle), whole);
    if (whole != y) {
      Dims offsets = {SymbolicExpr(0), SymbolicExpr(0)};
      for (int64_t i = 0; i < spatial; ++i)
        offsets.push_back(op.getPads()[i]);
      sums = SliceOp::create(rewriter, loc, op.getType(), sums, getDimsAttr(rewriter.getContext(), offsets),
                             Ints(y.size(), 1));
    }
    if (sums.getType() != op.getType())
      sums = ReshapeOp::create(rewriter, loc, op.getType(), sums);
    rewriter.replaceOp(op, sums);
    return success();
  }
};
} // namespace

void fuse::addConvTransposePatterns(RewritePatternSet &patterns) {
  patterns.add<ConvTransposeToConv>(patterns.getContext());
}
