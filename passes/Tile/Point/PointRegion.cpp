// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Point programs of the ops that read an image between its elements, at places
// that other operands give. In f64, as the reference has it.
#include "passes/Tile/Point/PointWriter.h"

#include "passes/Tile/Point/Reals.h"

#include <limits>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tilegen;

/// The largest place that still counts; an image has fewer elements.
static constexpr double farthest = 0x1p40;

Value PointWriter::roiAlign(RoiAlignOp op, ArrayRef<Index> place) {
  auto dims = getDims(op.getX().getType());
  Type element = elementType(op.getX()), roiElement = getElementTypeOrSelf(op.getRois().getType());
  int64_t sampling = op.getSamplingRatio();
  // 0: a number of samples that the data say.
  if (sampling < 1 || !isa<FloatType>(element) || !isa<FloatType>(roiElement))
    return {};
  Reals r(p, extents);
  Index batch = rawFromData(op.getBatchIndices(), {place[0]});
  if (!batch.base && !batch.lanes)
    return {};
  Value fits = inside(batch, dims[0]);
  if (mask)
    fits = arith::OrIOp::create(b, fits, arith::XOrIOp::create(b, mask, constant(1, b.getI1Type())));
  tile::CheckOp::create(b, fits, "index");
  batch = clamped(batch, dims[0]);

  double shift = op.getHalfPixel() ? 0.5 : 0;
  SmallVector<Value> edges; // x0, y0, x1, y1
  for (int64_t i = 0; i < 4; ++i) {
    Value edge = at(op.getRois(), {place[0], uniform(i)});
    if (!edge)
      return {};
    edge = toFloat(edge, roiElement, f64());
    edges.push_back(r.sub(r.mul(edge, op.getSpatialScale().convertToDouble()), shift));
  }
  // By axis: height, width.
  SmallVector<Value> bins;
  for (int64_t d = 0; d < 2; ++d) {
    Value extent = r.sub(edges[3 - d], edges[1 - d]);
    // The older convention has no empty regions.
    if (shift == 0)
      extent = r.max(extent, r.number(1));
    bins.push_back(r.div(extent, r.number(double(d == 0 ? op.getOutputHeight() : op.getOutputWidth()))));
  }
  bool isMax = op.getMode() == "max";
  double none = -std::numeric_limits<double>::infinity();
  auto sample = [&](ArrayRef<Value> number, ValueRange carried) -> SmallVector<Value> {
    Value valid;
    SmallVector<Index> low, high;
    SmallVector<Value> fraction;
    for (int64_t d = 0; d < 2; ++d) {
      Value within = r.div(r.add(real(uniform(number[d])), 0.5), r.number(double(sampling)));
      Value v = r.wide(r.add(edges[1 - d], r.mul(r.add(real(place[d + 2]), within), bins[d])));
      Value extent = r.fromExpr(dims[d + 2]), last = r.sub(extent, 1);
      valid = both(valid, r.compare(arith::CmpFPredicate::OGE, v, r.number(-1)));
      valid = both(valid, r.compare(arith::CmpFPredicate::OLE, v, extent));
      Value isNumber = r.compare(arith::CmpFPredicate::ORD, v, v);
      v = r.choose(isNumber, r.max(r.min(v, extent), r.number(0)), r.number(0));
      Value whole = r.min(r.floor(v), last);
      low.push_back(clamped(r.toIndex(whole), dims[d + 2]));
      high.push_back(clamped(r.toIndex(r.add(whole, 1)), dims[d + 2]));
      Value isLast = r.compare(arith::CmpFPredicate::OGE, whole, last);
      fraction.push_back(r.choose(isLast, r.number(0), r.sub(v, whole)));
    }
    Value result = carried[0];
    for (int64_t corner = 0; corner < 4; ++corner) {
      bool lower = corner & 2, right = corner & 1;
      Value value = at(op.getX(), {batch, place[1], lower ? high[0] : low[0], right ? high[1] : low[1]});
      if (!value)
        return {};
      Value dy = lower ? fraction[0] : r.sub(r.number(1), fraction[0]);
      Value dx = right ? fraction[1] : r.sub(r.number(1), fraction[1]);
      Value part = r.mul(toFloat(value, element, f64()), r.choose(valid, r.mul(dy, dx), r.number(0)));
      // ONNX's max takes the largest weighted corner, not the largest sample.
      result = isMax ? r.max(result, part) : r.add(result, part);
    }
    return {result};
  };
  auto result =
      loops({SymbolicExpr(sampling), SymbolicExpr(sampling)}, ValueRange{constant(isMax ? none : 0, f64())}, sample);
  if (result.empty())
    return {};
  Value y = isMax ? result[0] : r.div(result[0], r.number(double(sampling * sampling)));
  return toFloat(y, f64(), element);
}

Value PointWriter::deformConv(DeformConvOp op, ArrayRef<Index> place) {
  auto x = getDims(op.getX().getType()), w = getDims(op.getW().getType());
  Type element = elementType(op.getX());
  int64_t groups = op.getGroups(), rank = x.size() - 2;
  std::optional<SymbolicExpr> perGroup = SymbolicExpr::exactDivide(w[0], groups),
                              perOffsetGroup = SymbolicExpr::exactDivide(x[1], op.getOffsetGroups());
  if (!perGroup || !perOffsetGroup || !isa<FloatType>(element))
    return {};
  Reals r(p, extents);
  auto read = [&](Value tensor, ArrayRef<Index> where) -> Value {
    Value value = at(tensor, where);
    return value ? toFloat(value, getElementTypeOrSelf(tensor.getType()), f64()) : Value();
  };
  Index firstChannel = groups == 1 ? uniform(int64_t(0)) : times(divide(place[1], *perGroup), w[1]);
  SymbolicExpr taps = product(ArrayRef<SymbolicExpr>(w).drop_front(2));
  auto step = [&](ArrayRef<Value> tap, ValueRange carried) -> SmallVector<Value> {
    Index channel = plus(firstChannel, uniform(tap[0])), number = uniform(int64_t(0));
    Place weight = {place[1], uniform(tap[0])};
    for (int64_t d = 0; d < rank; ++d) {
      number = plus(times(number, w[d + 2]), uniform(tap[d + 1]));
      weight.push_back(uniform(tap[d + 1]));
    }
    Index control = plus(times(divide(channel, *perOffsetGroup), taps), number);
    auto placeOf = [&](const Index &row) {
      Place own = {place[0], row};
      own.append(place.begin() + 2, place.end());
      return own;
    };
    SmallVector<Value> low, fraction;
    for (int64_t d = 0; d < rank; ++d) {
      Value shift = read(op.getOffset(), placeOf(plus(times(control, rank), d)));
      if (!shift)
        return {};
      Index source = plus(times(place[d + 2], op.getStrides()[d]), times(uniform(tap[d + 1]), op.getDilations()[d]));
      Value v = r.add(real(plus(source, -op.getPads()[d])), shift);
      // NaN, and what no image holds, lies outside.
      Value isNumber = r.compare(arith::CmpFPredicate::ORD, v, v);
      v = r.choose(isNumber, r.max(r.min(v, r.number(farthest)), r.number(-farthest)), r.number(-farthest));
      low.push_back(r.floor(v));
      fraction.push_back(r.sub(v, low.back()));
    }
    Value sample = constant(0, f64());
    for (int64_t corner = 0; corner < int64_t(1) << rank; ++corner) {
      Place from = {place[0], channel};
      Value inImage, share;
      for (int64_t d = 0; d < rank; ++d) {
        bool upper = corner >> d & 1;
        from.push_back(r.toIndex(upper ? r.add(low[d], 1) : low[d]));
        inImage = both(inImage, inside(from.back(), x[d + 2]));
        Value own = upper ? fraction[d] : r.sub(r.number(1), fraction[d]);
        share = share ? r.mul(share, own) : own;
      }
      Value value = under(inImage, [&] { return read(op.getX(), from); });
      if (!value)
        return {};
      value = select(inImage, value, constant(0, f64()));
      sample = r.add(sample, r.mul(value, share));
    }
    if (op.getMask()) {
      Value factor = read(op.getMask(), placeOf(control));
      if (!factor)
        return {};
      sample = r.mul(sample, factor);
    }
    Value factor = read(op.getW(), weight);
    return factor ? SmallVector<Value>{r.add(carried[0], r.mul(sample, factor))} : SmallVector<Value>{};
  };
  auto result = loops(ArrayRef<SymbolicExpr>(w).drop_front(1), ValueRange{constant(0, f64())}, step);
  if (result.empty())
    return {};
  Value y = result[0];
  if (op.getBias()) {
    Value bias = read(op.getBias(), {place[1]});
    if (!bias)
      return {};
    y = r.add(y, bias);
  }
  return toFloat(y, f64(), element);
}
