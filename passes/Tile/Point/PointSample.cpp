// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Point programs of the ops that interpolate: for each axis a few taps, each an
// index and a weight; the result is the sum over their product.
//
// Coordinates are in f64, as the reference has them: which of two elements is
// the nearest must not depend on how a quotient was rounded.
#include "passes/Tile/Point/PointWriter.h"

#include "passes/Tile/Point/Reals.h"

#include <cmath>
#include <functional>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tilegen;

namespace {
struct Tap {
  Index source;
  Value weight; ///< f64 scalar or tile; null: 1
  Value exists; ///< i1 tile; null: everywhere
};

/// More taps than this for one element are not written out.
constexpr int64_t maxTaps = 256;

/// The weight of a tap at a distance (f64, not negative) from the place.
Value cubicWeight(Reals &r, Value distance, double a) {
  auto near = [&](Value x) { return r.add(r.mul(r.mul(r.sub(r.mul(x, a + 2), a + 3), x), x), 1); };
  auto far = [&](Value x) { return r.sub(r.mul(r.mul(r.add(r.mul(r.sub(x, 5), x), 8), x), a), 4 * a); };
  Value isNear = r.compare(arith::CmpFPredicate::OLE, distance, r.number(1));
  Value isFar = r.compare(arith::CmpFPredicate::OLT, distance, r.number(2));
  return r.choose(isNear, near(distance), r.choose(isFar, far(distance), r.number(0)));
}
} // namespace

/// The sum over all combinations of one tap an axis.
static LogicalResult overTaps(ArrayRef<SmallVector<Tap>> axes,
                              llvm::function_ref<LogicalResult(ArrayRef<const Tap *>)> fn) {
  SmallVector<const Tap *> chosen(axes.size());
  std::function<LogicalResult(size_t)> nest = [&](size_t axis) -> LogicalResult {
    if (axis == axes.size())
      return fn(chosen);
    for (const Tap &tap : axes[axis]) {
      chosen[axis] = &tap;
      if (failed(nest(axis + 1)))
        return failure();
    }
    return success();
  };
  return nest(0);
}

Value PointWriter::resize(ResizeOp op, ArrayRef<Index> place) {
  auto from = getDims(op.getX().getType()), to = getDims(op.getY().getType());
  Type graph = getElementTypeOrSelf(op.getX().getType()), element = computeType(graph);
  StringRef mode = op.getMode(), coordinates = op.getCoordinateTransformationMode(), nearest = op.getNearestMode();
  bool cubic = mode == "cubic", isNearest = mode == "nearest", crop = coordinates == "tf_crop_and_resize";
  double a = op.getCubicCoeffA().convertToDouble();
  ArrayRef<double> scales = op.getScales(), roi = op.getRoi();
  Reals r(p, extents);
  Place own(place);
  SmallVector<SmallVector<Tap>> axes;
  Value outside;
  int64_t combinations = 1;
  for (auto [number, axis] : llvm::enumerate(op.getAxes())) {
    std::optional<int64_t> fromKnown = from[axis].isConstant(), toKnown = to[axis].isConstant();
    std::optional<double> scaleKnown;
    if (!scales.empty())
      scaleKnown = scales[number];
    else if (fromKnown && toKnown)
      scaleKnown = double(*toKnown) / double(*fromKnown);
    Value extent = r.fromExpr(from[axis]), result = r.fromExpr(to[axis]), last = r.sub(extent, 1);
    Value scale = scaleKnown ? r.number(*scaleKnown) : r.div(result, extent);
    Value width = scales.empty() ? result : r.mul(extent, scale);
    Value i = real(place[axis]);
    Value single = r.compare(arith::CmpFPredicate::OEQ, width, r.number(1));
    auto halfPixel = [&] { return r.sub(r.div(r.add(i, 0.5), scale), 0.5); };
    Value x;
    if (coordinates == "half_pixel") {
      x = halfPixel();
    } else if (coordinates == "asymmetric") {
      x = r.div(i, scale);
    } else if (coordinates == "align_corners") {
      x = r.choose(single, r.number(0), r.div(r.mul(i, last), r.sub(width, 1)));
    } else if (coordinates == "pytorch_half_pixel") {
      x = r.choose(single, r.number(-0.5), halfPixel());
    } else if (coordinates == "half_pixel_symmetric") {
      Value adjustment = r.div(result, width);
      x = r.add(r.mul(r.mul(extent, 0.5), r.sub(r.number(1), adjustment)), halfPixel());
    } else if (crop) {
      double start = roi[number], end = roi[number + op.getAxes().size()];
      Value within = r.div(r.mul(r.mul(i, end - start), last), r.sub(width, 1));
      x = r.add(r.choose(single, r.mul(last, (end - start) / 2), within), r.mul(last, start));
      Value isOutside = r.wide(r.compare(arith::CmpFPredicate::OLT, x, r.number(0)));
      Value isBehind = r.wide(r.compare(arith::CmpFPredicate::OGT, x, last));
      isOutside = arith::OrIOp::create(b, isOutside, isBehind);
      outside = outside ? Value(arith::OrIOp::create(b, outside, isOutside)) : isOutside;
    } else {
      return {};
    }
    // What no image holds must still convert to a whole number.
    x = r.max(r.min(x, r.number(0x1p40)), r.number(-0x1p40));
    Value low = r.floor(x), fraction = r.sub(x, low);
    SmallVector<Tap> taps;
    if (isNearest) {
      Value down;
      if (nearest == "round_prefer_floor")
        down = r.compare(arith::CmpFPredicate::OLE, fraction, r.number(0.5));
      else if (nearest == "round_prefer_ceil")
        down = r.compare(arith::CmpFPredicate::OLT, fraction, r.number(0.5));
      else if (nearest == "ceil")
        down = r.compare(arith::CmpFPredicate::OEQ, fraction, r.number(0));
      Value chosen = down ? r.choose(down, low, r.add(low, 1)) : low;
      taps.push_back({clamped(r.toIndex(chosen), from[axis]), {}, {}});
    } else {
      // The filter widens where the image shrinks, if it is to be antialiased.
      double stretch = 1;
      if (op.getAntialias()) {
        if (!scaleKnown)
          return {};
        stretch = std::min(*scaleKnown, 1.0);
      }
      int64_t begin = int64_t(std::floor((cubic ? -2 : -1) / stretch)) + 1;
      combinations *= 2 - 2 * begin;
      if (combinations > maxTaps)
        return {};
      Index base = r.toIndex(low);
      Value sum;
      for (int64_t t = begin; t <= 1 - begin; ++t) {
        Value distance = r.abs(r.mul(r.sub(r.number(double(t)), fraction), stretch));
        Value weight = cubic ? cubicWeight(r, distance, a) : r.max(r.sub(r.number(1), distance), r.number(0));
        Index source = plus(base, t);
        if (op.getExcludeOutside())
          weight = r.choose(inside(source, from[axis]), weight, r.number(0));
        sum = sum ? r.add(sum, weight) : weight;
        taps.push_back({clamped(source, from[axis]), weight, {}});
      }
      if (op.getAntialias() || op.getExcludeOutside())
        for (Tap &tap : taps)
          tap.weight = r.div(tap.weight, sum);
    }
    axes.push_back(taps);
  }
  auto placeOf = [&](ArrayRef<const Tap *> chosen) {
    for (auto [axis, tap] : llvm::zip(op.getAxes(), chosen))
      own[axis] = tap->source;
    return own;
  };
  bool isFloat = isa<FloatType>(element);
  Value y;
  if (isNearest) {
    if (failed(overTaps(
            axes, [&](ArrayRef<const Tap *> chosen) { return success(bool(y = at(op.getX(), placeOf(chosen)))); })))
      return {};
    if (!outside)
      return y;
    if (!isFloat)
      return {};
    return selectNew(outside, constant(op.getExtrapolationValue().convertToDouble(), element), y);
  }
  // 32-bit integers need the digits of f64.
  Type sumType =
      element.isF32() || (!isFloat && element.getIntOrFloatBitWidth() <= 16) ? Type(b.getF32Type()) : Type(f64());
  auto toSum = [&](Value v) -> Value {
    Type type = tileType(extents, sumType);
    if (v.getType() == type)
      return v;
    if (isFloat)
      return {};
    return graph.isUnsignedInteger() ? Value(arith::UIToFPOp::create(b, type, v))
                                     : Value(arith::SIToFPOp::create(b, type, v));
  };
  auto narrow = [&](Value weight) -> Value {
    if (!sumType.isF64())
      weight = arith::TruncFOp::create(b, r.isTile(weight) ? Type(tileType(extents, sumType)) : sumType, weight);
    return r.wide(weight);
  };
  LogicalResult done = overTaps(axes, [&](ArrayRef<const Tap *> chosen) -> LogicalResult {
    Value value = at(op.getX(), placeOf(chosen));
    value = value ? toSum(value) : Value();
    if (!value)
      return failure();
    Value weight;
    for (const Tap *tap : chosen)
      weight = weight ? r.mul(weight, tap->weight) : tap->weight;
    y = y ? Value(math::FmaOp::create(b, value, narrow(weight), y))
          : Value(arith::MulFOp::create(b, value, narrow(weight)));
    return success();
  });
  if (failed(done))
    return {};
  if (outside)
    y = selectNew(outside, constant(op.getExtrapolationValue().convertToDouble(), sumType), y);
  if (isFloat)
    return y;
  if (element.getIntOrFloatBitWidth() > 16)
    return {};
  // Rounded and saturated: an interpolated byte is no truncated one.
  unsigned bits = element.getIntOrFloatBitWidth();
  bool isUnsigned = graph.isUnsignedInteger();
  double low = isUnsigned ? 0 : -std::ldexp(1.0, bits - 1), high = std::ldexp(1.0, isUnsigned ? bits : bits - 1) - 1;
  y = math::RoundEvenOp::create(b, y);
  y = arith::MinimumFOp::create(b, arith::MaximumFOp::create(b, y, constant(low, sumType)), constant(high, sumType));
  return arith::TruncIOp::create(b, tileType(extents, element),
                                 arith::FPToSIOp::create(b, tileType(extents, b.getI32Type()), y));
}

Value PointWriter::gridSample(GridSampleOp op, ArrayRef<Index> place) {
  auto dims = getDims(op.getX().getType());
  Type element = elementType(op.getX()), gridElement = elementType(op.getGrid());
  if (!isa<FloatType>(element) || !isa<FloatType>(gridElement))
    return {};
  int64_t spatial = dims.size() - 2;
  StringRef mode = op.getMode(), padding = op.getPaddingMode();
  bool align = op.getAlignCorners();
  Reals r(p, extents);
  /// Mirrored at both ends of [from, from + range].
  auto reflect = [&](Value x, Value range) {
    double from = align ? 0 : -0.5;
    Value period = r.mul(range, 2), distance = r.abs(r.sub(x, from));
    Value rest = r.sub(distance, r.mul(r.floor(r.div(distance, period)), period));
    Value back = r.choose(r.compare(arith::CmpFPredicate::OLE, rest, range), rest, r.sub(period, rest));
    Value empty = r.compare(arith::CmpFPredicate::OLE, range, r.number(0));
    return r.choose(empty, r.number(0), r.add(back, from));
  };
  SmallVector<SmallVector<Tap>> axes;
  for (int64_t d = 0; d < spatial; ++d) {
    // The grid's coordinates come innermost dimension first.
    Place where = {place[0]};
    where.append(place.begin() + 2, place.end());
    where.push_back(uniform(spatial - 1 - d));
    Value x = at(op.getGrid(), where);
    if (!x)
      return {};
    if (!gridElement.isF64())
      x = arith::ExtFOp::create(b, tileType(extents, f64()), x);
    Value extent = r.fromExpr(dims[d + 2]), last = r.sub(extent, 1);
    x = align ? r.mul(r.mul(r.add(x, 1), 0.5), last) : r.mul(r.sub(r.mul(r.add(x, 1), extent), 1), 0.5);
    // NaN and what no image holds.
    Value isNumber = r.compare(arith::CmpFPredicate::ORD, x, x);
    x = r.choose(isNumber, r.max(r.min(x, r.number(0x1p40)), r.number(-0x1p40)), r.number(-0x1p40));
    if (mode == "nearest")
      x = math::RoundEvenOp::create(b, x);
    Value high = align ? last : r.sub(extent, 0.5), low = r.number(align ? 0 : -0.5);
    Value range = r.sub(high, low);
    Value fits = arith::AndIOp::create(b, r.wide(r.compare(arith::CmpFPredicate::OGE, x, low)),
                                       r.wide(r.compare(arith::CmpFPredicate::OLE, x, high)));
    if (padding == "border")
      x = r.choose(fits, x, r.max(r.min(x, last), r.number(0)));
    else if (padding == "reflection")
      x = r.choose(fits, x, reflect(x, range));
    SmallVector<Tap> taps;
    auto addTap = [&](Value coordinate, Value weight) {
      Index source = r.toIndex(coordinate);
      Value exists;
      if (padding == "zeros") {
        exists = inside(source, dims[d + 2]);
      } else if (padding == "reflection") {
        Index turned = r.toIndex(reflect(coordinate, range));
        source = lanesOf(selectNew(inside(source, dims[d + 2]), toTile(source), toTile(turned)));
      }
      taps.push_back({clamped(source, dims[d + 2]), weight, exists});
    };
    if (mode == "nearest") {
      addTap(x, {});
    } else {
      Value base = r.floor(x), t = r.sub(x, base);
      if (mode == "linear") {
        addTap(base, r.sub(r.number(1), t));
        addTap(r.add(base, 1), t);
      } else {
        for (int64_t i = -1; i <= 2; ++i)
          addTap(r.add(base, double(i)), cubicWeight(r, r.abs(r.sub(r.number(double(i)), t)), -0.75));
      }
    }
    axes.push_back(taps);
  }
  Value y = constant(0, element);
  LogicalResult done = overTaps(axes, [&](ArrayRef<const Tap *> chosen) -> LogicalResult {
    Place from = {place[0], place[1]};
    Value exists, weight;
    for (const Tap *tap : chosen) {
      from.push_back(tap->source);
      exists = both(exists, tap->exists);
      if (tap->weight)
        weight = weight ? r.mul(weight, tap->weight) : tap->weight;
    }
    Value value = under(exists, [&] { return at(op.getX(), from); });
    if (!value)
      return failure();
    value = select(exists, value, constant(0, element));
    if (!weight) {
      y = value;
      return success();
    }
    if (!element.isF64())
      weight = arith::TruncFOp::create(b, r.isTile(weight) ? Type(tileType(extents, element)) : element, weight);
    y = math::FmaOp::create(b, value, r.wide(weight), y);
    return success();
  });
  return succeeded(done) ? y : Value();
}
