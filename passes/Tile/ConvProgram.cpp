// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Convolution of [N, C, spatial..] as an implicit matrix product: for one image and group, the
// weights [O, C * window] times the patches [C * window, pixels], of which a
// block of pixels is gathered into scratch memory at a time. A 1x1 convolution
// with stride 1 reads the image itself. Pooling reduces the same patches.
#include "passes/Tile/ChannelsLast.h"
#include "passes/Tile/MatmulProgram.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <limits>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tilegen;

namespace {
struct Window {
  SmallVector<int64_t> window, strides, dilations, pads; ///< pads: the low ones
  SmallVector<SymbolicExpr> in, out;                     ///< spatial extents

  /// For tap number `tap` and pixel number `pixel` (i64 tiles of one shape): the
  /// place in the image plane, and whether it is inside.
  std::pair<Value, Value> place(ProgramBuilder &p, Value tap, Value pixel, ArrayRef<Extent> extents) const {
    ImplicitLocOpBuilder &b = p.b;
    auto c = [&](int64_t v) { return p.constant(v, b.getI64Type(), extents); };
    auto e = [&](const SymbolicExpr &expr) {
      return p.splat(b.createOrFold<arith::IndexCastOp>(b.getI64Type(), p.indexOf(expr)), extents);
    };
    Value linear, inside;
    SymbolicExpr plane = 1;
    for (int64_t i = window.size() - 1; i >= 0; --i) {
      Value t = tap, o = pixel;
      if (i > 0) {
        t = arith::RemUIOp::create(b, tap, c(window[i]));
        tap = arith::DivUIOp::create(b, tap, c(window[i]));
        o = arith::RemUIOp::create(b, pixel, e(out[i]));
        pixel = arith::DivUIOp::create(b, pixel, e(out[i]));
      }
      Value at =
          arith::AddIOp::create(b, arith::MulIOp::create(b, o, c(strides[i])),
                                arith::SubIOp::create(b, arith::MulIOp::create(b, t, c(dilations[i])), c(pads[i])));
      // One unsigned comparison covers both ends.
      Value ok = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, at, e(in[i]));
      inside = inside ? Value(arith::AndIOp::create(b, inside, ok)) : ok;
      Value step = arith::MulIOp::create(b, at, e(plane));
      linear = linear ? Value(arith::AddIOp::create(b, linear, step)) : step;
      plane *= in[i];
    }
    return {linear, inside};
  }
};
} // namespace

tile::KernelOp tilegen::writeConvProgram(ProgramBuilder &p) {
  Block &body = p.fusion.getBody().front();
  auto yield = cast<YieldOp>(body.getTerminator());
  ConvOp conv;
  for (Operation &op : body)
    if (auto c = dyn_cast<ConvOp>(op))
      conv = c;
  if (!conv || yield.getNumOperands() != 1)
    return {};
  if (conv.getLayout() == channelsLast)
    return writeChannelsLastConv(p, conv);
  auto x = getDims(conv.getX().getType()), w = getDims(conv.getW().getType()), y = getDims(conv.getY().getType());
  int64_t spatial = x.size() - 2, groups = conv.getGroups();
  Window window;
  for (int64_t i = 0; i < spatial; ++i) {
    std::optional<int64_t> size = w[i + 2].isConstant();
    if (!size)
      return {};
    window.window.push_back(*size);
    window.in.push_back(x[i + 2]);
    window.out.push_back(y[i + 2]);
    window.pads.push_back(conv.getPads()[i]);
  }
  window.strides.assign(conv.getStrides().begin(), conv.getStrides().end());
  window.dilations.assign(conv.getDilations().begin(), conv.getDilations().end());
  std::optional<int64_t> outChannels = w[0].isConstant(), channels = w[1].isConstant();
  if (!outChannels || !channels || *outChannels % groups)
    return {};
  int64_t perGroup = *outChannels / groups, taps = 1;
  for (int64_t size : window.window)
    taps *= size;
  SymbolicExpr pixels = product(window.out), plane = product(window.in);
  auto all = [](ArrayRef<int64_t> values, int64_t v) {
    return llvm::all_of(values, [&](int64_t x) { return x == v; });
  };
  bool direct = taps == 1 && all(window.strides, 1) && all(conv.getPads(), 0);

  Type resultType = conv.getY().getType();
  SmallVector<SmallVector<SymbolicExpr>> views;
  auto isBias = [&](Value v) { return v == conv.getBias(); };
  for (BlockArgument argument : body.getArguments()) {
    auto dims = getDims(argument.getType());
    if (argument == conv.getX())
      views.push_back({x[0], SymbolicExpr(groups), SymbolicExpr(*channels), plane});
    else if (argument == conv.getW())
      views.push_back({SymbolicExpr(groups), SymbolicExpr(perGroup), SymbolicExpr(*channels * taps)});
    else if (!isBias(argument) && dims == getDims(resultType))
      views.push_back({x[0], SymbolicExpr(groups), SymbolicExpr(perGroup), pixels});
    else if (product(dims) == SymbolicExpr::constant(1))
      views.push_back({SymbolicExpr(1), SymbolicExpr(1), SymbolicExpr(1)});
    else
      views.push_back({SymbolicExpr(groups), SymbolicExpr(perGroup), SymbolicExpr(1)});
  }
  views.push_back({x[0], SymbolicExpr(groups), SymbolicExpr(perGroup), pixels});
  int64_t width = p.schedule.panelColumns();
  p.begin(views, {x[0], SymbolicExpr(groups), SymbolicExpr::ceilDiv(pixels, width)});

  ImplicitLocOpBuilder &b = p.b;
  Value image = p.gridId(0), group = p.gridId(1), first = p.mul(p.gridId(2), p.index(width)), zero = p.index(0);
  std::optional<int64_t> knownPixels = pixels.isConstant();
  bool whole = knownPixels && *knownPixels % width == 0;
  Extent rows = Extent::of(perGroup), columns = Extent::of(width), depth = Extent::of(*channels * taps);
  unsigned xNumber = cast<BlockArgument>(conv.getX()).getArgNumber(),
           wNumber = cast<BlockArgument>(conv.getW()).getArgNumber();
  Value weights = p.loadStored(p.view(wNumber), {group, zero, zero}, {1, 2}, {rows, depth}, true);
  Value patches;
  if (direct) {
    patches = p.loadStored(p.view(xNumber), {image, group, zero, first}, {2, 3}, {depth, columns}, whole);
  } else {
    SmallVector<Extent> shape = {depth, columns};
    Value row = p.iota(zero, 0, shape), pixel = p.iota(first, 1, shape);
    auto c = [&](int64_t v) { return p.constant(v, b.getI64Type(), shape); };
    Value channel = arith::DivUIOp::create(b, row, c(taps)), tap = arith::RemUIOp::create(b, row, c(taps));
    auto [linear, inside] = window.place(p, tap, pixel, shape);
    auto e = [&](Value index) { return p.splat(b.createOrFold<arith::IndexCastOp>(b.getI64Type(), index), shape); };
    Value base = p.add(p.mul(image, p.index(groups * *channels)), p.mul(group, p.index(*channels)));
    Value start = arith::MulIOp::create(b, arith::AddIOp::create(b, e(base), channel), e(p.indexOf(plane)));
    if (!whole) {
      Value exists = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, pixel, e(p.indexOf(pixels)));
      inside = arith::AndIOp::create(b, inside, exists);
    }
    Type stored = cast<tile::ViewType>(p.view(xNumber).getType()).getElementType();
    patches = tile::GatherOp::create(b, tileType(shape, stored), p.view(xNumber),
                                     arith::AddIOp::create(b, start, linear), inside);
  }
  Value sum = p.dot(weights, patches);
  SmallVector<Extent> shape = {rows, columns};
  auto perChannel = [&](BlockArgument argument) -> Value {
    bool single = product(getDims(argument.getType())) == SymbolicExpr::constant(1) && *outChannels != 1;
    if (single)
      return p.broadcast(
          p.load(p.view(argument.getArgNumber()), {zero, zero, zero}, {1, 2}, {Extent::of(1), Extent::of(1)}, true),
          shape);
    return p.broadcast(
        p.load(p.view(argument.getArgNumber()), {group, zero, zero}, {1, 2}, {rows, Extent::of(1)}, true), shape);
  };
  if (conv.getBias())
    sum = arith::AddFOp::create(b, sum, perChannel(cast<BlockArgument>(conv.getBias())));
  Value result = emitEpilogue(
      p, yield.getValues()[0],
      [&](Value value) -> Value {
        if (value == conv.getY())
          return sum;
        auto argument = dyn_cast<BlockArgument>(value);
        if (!argument)
          return {};
        if (getDims(argument.getType()) == getDims(resultType))
          return p.load(p.view(argument.getArgNumber()), {image, group, zero, first}, {2, 3}, shape, whole);
        return perChannel(argument);
      },
      shape);
  if (!result)
    return {};
  p.store(result, p.view(views.size() - 1), {image, group, zero, first}, {2, 3}, whole);
  return p.finish(x[0] * pixels * (2 * *outChannels * *channels * taps));
}

tile::KernelOp tilegen::writePoolProgram(ProgramBuilder &p) {
  Block &body = p.fusion.getBody().front();
  auto pool = dyn_cast<PoolOp>(body.front());
  if (!pool || body.getOperations().size() != 2)
    return {};
  if (pool.getLayout() == channelsLast)
    return writeChannelsLastPool(p, pool);
  auto x = getDims(pool.getX().getType()), y = getDims(pool.getY().getType());
  int64_t spatial = x.size() - 2, taps = 1;
  Window window;
  for (int64_t i = 0; i < spatial; ++i) {
    window.in.push_back(x[i + 2]);
    window.out.push_back(y[i + 2]);
    window.window.push_back(pool.getWindow()[i]);
    window.pads.push_back(pool.getPads()[i]);
    taps *= pool.getWindow()[i];
  }
  window.strides.assign(pool.getStrides().begin(), pool.getStrides().end());
  window.dilations.assign(pool.getDilations().begin(), pool.getDilations().end());
  bool isMax = pool.getKind() == "max";
  if (!isMax && pool.getCountIncludePad() && !llvm::all_of(pool.getCeilPads(), [](int64_t v) { return v == 0; }))
    return {};
  SymbolicExpr planes = x[0] * x[1], pixels = product(window.out), plane = product(window.in);
  p.begin({{planes, plane}, {planes, pixels}}, {planes});
  ImplicitLocOpBuilder &b = p.b;
  Value zero = p.index(0), image = p.gridId(0);
  SmallVector<Extent> shape = {Extent::of(taps), p.extentOf(pixels)}, row = {p.extentOf(pixels)};
  Type f32 = computeType(getElementTypeOrSelf(pool.getX().getType()));
  auto [linear, inside] = window.place(p, p.iota(zero, 0, shape), p.iota(zero, 1, shape), shape);
  Value start = p.splat(b.createOrFold<arith::IndexCastOp>(b.getI64Type(), p.mul(image, p.indexOf(plane))), shape);
  Type stored = cast<tile::ViewType>(p.view(0).getType()).getElementType();
  Value values =
      tile::GatherOp::create(b, tileType(shape, stored), p.view(0), arith::AddIOp::create(b, start, linear), inside);
  if (stored != f32)
    values = arith::ExtFOp::create(b, tileType(shape, f32), values);
  Value result;
  if (isMax) {
    values =
        arith::SelectOp::create(b, inside, values, p.constant(-std::numeric_limits<double>::infinity(), f32, shape));
    result = p.reduce("max", values, 0, /*drop=*/true);
  } else {
    Value sum = p.reduce("sum", values, 0, true), count;
    if (pool.getCountIncludePad()) {
      count = p.constant(taps, f32, row);
    } else {
      Value ones = arith::SelectOp::create(b, inside, p.constant(1, f32, shape), p.constant(0, f32, shape));
      count = p.reduce("sum", ones, 0, true);
    }
    result = arith::DivFOp::create(b, sum, count);
  }
  p.store(result, p.view(1), {image, zero}, {1}, true);
  return p.finish(planes * pixels * taps);
}
