// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Tile/Places.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::tilegen;

WindowPlaces::WindowPlaces(ArrayRef<SymbolicExpr> x, ArrayRef<SymbolicExpr> y, ArrayRef<int64_t> window,
                           ArrayRef<int64_t> strides, ArrayRef<int64_t> dilations, ArrayRef<int64_t> pads)
    : in(x.drop_back()), out(y.drop_back()), channelCount(x.back()), window(window), strides(strides),
      dilations(dilations), pads(pads.take_front(window.size())) {}

int64_t WindowPlaces::taps() const {
  int64_t count = 1;
  for (int64_t extent : window)
    count *= extent;
  return count;
}

SmallVector<SymbolicExpr> WindowPlaces::grid() const {
  return SmallVector<SymbolicExpr>(ArrayRef<SymbolicExpr>(out).drop_back());
}

void WindowPlaces::forEachPlace(ProgramBuilder &p, function_ref<void(ArrayRef<Value>)> body) const {
  SmallVector<Value> at;
  for (size_t i = 0; i + 1 < out.size(); ++i)
    at.push_back(p.gridId(i));
  auto loop = scf::ForOp::create(p.b, p.index(0), p.indexOf(out.back()), p.index(1));
  OpBuilder::InsertionGuard guard(p.b);
  p.b.setInsertionPointToStart(loop.getBody());
  at.push_back(loop.getInductionVar());
  body(at);
}

Value WindowPlaces::number(ProgramBuilder &p, ArrayRef<Value> at) const {
  Value result = at[0];
  for (size_t i = 1; i < at.size(); ++i)
    result = p.add(p.mul(result, p.indexOf(out[i])), at[i]);
  return result;
}

Value WindowPlaces::tapsInside(ProgramBuilder &p, ArrayRef<Value> at) const {
  ImplicitLocOpBuilder &b = p.b;
  Value count = p.index(1), zero = p.index(0);
  for (size_t i = 0; i < window.size(); ++i) {
    // Taps t with 0 <= begin + t * dilation < extent.
    Value begin = p.sub(p.mul(at[i + 1], p.index(strides[i])), p.index(pads[i])), step = p.index(dilations[i]);
    auto stepsTo = [&](Value distance) -> Value {
      Value positive = b.createOrFold<arith::MaxSIOp>(distance, zero);
      return b.createOrFold<arith::DivUIOp>(p.add(positive, p.index(dilations[i] - 1)), step);
    };
    Value first = p.minimum(stepsTo(p.sub(zero, begin)), p.index(window[i]));
    Value end = p.minimum(stepsTo(p.sub(p.indexOf(in[i + 1]), begin)), p.index(window[i]));
    count = p.mul(count, p.sub(end, b.createOrFold<arith::MinSIOp>(first, end)));
  }
  return b.createOrFold<arith::MaxSIOp>(count, p.index(1));
}

Value WindowPlaces::gather(ProgramBuilder &p, Value view, ArrayRef<Value> at, const Extent &channels,
                           std::optional<double> outside) const {
  ImplicitLocOpBuilder &b = p.b;
  int64_t spatial = window.size();
  SmallVector<Extent> column = {Extent::of(taps()), Extent::of(1)}, extents = {Extent::of(taps()), channels};
  Type i64 = b.getI64Type();
  auto c = [&](int64_t v) { return p.constant(v, i64, column); };
  auto e = [&](Value index) { return p.splat(b.createOrFold<arith::IndexCastOp>(i64, index), column); };
  Value tap = p.iota(p.index(0), 0, column), linear, inside;
  // Padding alone puts a tap outside.
  SymbolicExpr plane = channelCount;
  for (int64_t i = spatial - 1; i >= 0; --i) {
    Value t = tap;
    if (i > 0) {
      t = arith::RemUIOp::create(b, tap, c(window[i]));
      tap = arith::DivUIOp::create(b, tap, c(window[i]));
    }
    Value begin = e(p.sub(p.mul(at[i + 1], p.index(strides[i])), p.index(pads[i])));
    Value place = arith::AddIOp::create(b, begin, arith::MulIOp::create(b, t, c(dilations[i])));
    Value ok = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, place, e(p.indexOf(in[i + 1])));
    inside = inside ? Value(arith::AndIOp::create(b, inside, ok)) : ok;
    Value step = arith::MulIOp::create(b, place, e(p.indexOf(plane)));
    linear = linear ? Value(arith::AddIOp::create(b, linear, step)) : step;
    plane *= in[i + 1];
  }
  linear = arith::AddIOp::create(b, linear, e(p.mul(at[0], p.indexOf(plane))));
  Type stored = cast<tile::ViewType>(view.getType()).getElementType();
  SmallVector<Value> sizes;
  if (channels.constant < 0)
    sizes.push_back(channels.value);
  Value values = tile::GatherRowsOp::create(b, tileType(extents, stored), view, linear, inside, sizes);
  Type compute = computeType(stored);
  if (compute != stored)
    values = arith::ExtFOp::create(b, tileType(extents, compute), values);
  if (!outside)
    return values;
  return arith::SelectOp::create(b, p.broadcast(inside, extents), values, p.constant(*outside, compute, extents));
}
