// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The transforms around the products of Winograd's convolution: a point of the
// grid is a tile of the image; its a x a rows of channels are read, transformed
// in registers and written a vector at a time.
#include "passes/Tile/MatmulProgram.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tilegen;

namespace {
/// One-dimensional transforms of F(m, 3) on tiles (the matrices are in lib/Kernels/Winograd.cpp).
struct Transform {
  ProgramBuilder &p;
  SmallVector<Extent> extents;

  Value add(Value x, Value y) { return arith::AddFOp::create(p.b, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(p.b, x, y); }
  /// factor * x + y
  Value scaled(double factor, Value x, Value y) {
    return math::FmaOp::create(p.b, p.constant(factor, p.b.getF32Type(), extents), x, y);
  }
  Value times(double factor, Value x) {
    return arith::MulFOp::create(p.b, p.constant(factor, p.b.getF32Type(), extents), x);
  }

  SmallVector<Value> input(ArrayRef<Value> d) {
    if (d.size() == 4)
      return {sub(d[0], d[2]), add(d[1], d[2]), sub(d[2], d[1]), sub(d[1], d[3])};
    Value even = scaled(-4, d[2], d[4]), odd = scaled(-4, d[1], d[3]);
    Value evenHalf = sub(d[4], d[2]), oddHalf = sub(d[3], d[1]);
    return {scaled(4, d[0], scaled(-5, d[2], d[4])),
            add(even, odd),
            sub(even, odd),
            scaled(2, oddHalf, evenHalf),
            scaled(-2, oddHalf, evenHalf),
            scaled(4, d[1], scaled(-5, d[3], d[5]))};
  }
  SmallVector<Value> output(ArrayRef<Value> v) {
    Value sum = add(v[1], v[2]), difference = sub(v[1], v[2]);
    if (v.size() == 4)
      return {add(v[0], sum), sub(difference, v[3])};
    Value sum2 = add(v[3], v[4]), difference2 = sub(v[3], v[4]);
    return {add(add(v[0], sum), sum2), scaled(2, difference2, difference), scaled(4, sum2, sum),
            scaled(8, difference2, add(difference, v[5]))};
  }

  /// A matrix [n, n] of tiles: columns, then rows.
  using Step = SmallVector<Value> (Transform::*)(ArrayRef<Value>);
  SmallVector<SmallVector<Value>> both(ArrayRef<SmallVector<Value>> x, Step step) {
    SmallVector<SmallVector<Value>> half, turned;
    for (size_t j = 0; j < x.size(); ++j) {
      SmallVector<Value> column;
      for (const auto &row : x)
        column.push_back(row[j]);
      half.push_back((this->*step)(column));
    }
    for (size_t i = 0; i < half[0].size(); ++i) {
      SmallVector<Value> row;
      for (const auto &column : half)
        row.push_back(column[i]);
      turned.push_back((this->*step)(row));
    }
    return turned;
  }
};

/// Tiles of an image's result [N, H, W, C]: number of them down and across, in all.
struct Tiles {
  SymbolicExpr down, across, count;

  Tiles(ArrayRef<SymbolicExpr> y, int64_t tile)
      : down(SymbolicExpr::ceilDiv(y[1], tile)), across(SymbolicExpr::ceilDiv(y[2], tile)),
        count(y[0] * down * across) {}
};
} // namespace

tile::KernelOp tilegen::writeWinogradInputProgram(ProgramBuilder &p) {
  auto op = dyn_cast<WinogradInputOp>(p.fusion.getBody().front().front());
  if (!op || p.fusion.getBody().front().getOperations().size() != 2)
    return {};
  auto x = getDims(op.getX().getType()), y = getDims(op.getY().getType());
  int64_t m = op.getTile(), a = m + 2;
  SmallVector<SymbolicExpr> result = {x[0], x[1] + (op.getPads()[0] + op.getPads()[2] - 2),
                                      x[2] + (op.getPads()[1] + op.getPads()[3] - 2)};
  Tiles tiles(result, m);
  p.begin({SmallVector<SymbolicExpr>(x), SmallVector<SymbolicExpr>(y)}, {x[0], tiles.down, tiles.across});
  ImplicitLocOpBuilder &b = p.b;
  Value image = p.gridId(0), zero = p.index(0);
  SmallVector<Extent> extents = {p.extentOf(x[3])};
  Value number =
      p.add(p.mul(p.add(p.mul(image, p.indexOf(tiles.down)), p.gridId(1)), p.indexOf(tiles.across)), p.gridId(2));
  SmallVector<Value> places[2], inside[2];
  for (int64_t dim = 0; dim < 2; ++dim)
    for (int64_t i = 0; i < a; ++i) {
      Value at = p.add(p.mul(p.gridId(dim + 1), p.index(m)), p.index(i - op.getPads()[dim]));
      places[dim].push_back(at);
      inside[dim].push_back(arith::CmpIOp::create(b, arith::CmpIPredicate::ult, at, p.indexOf(x[dim + 1])));
    }
  SmallVector<SmallVector<Value>> values(a);
  for (int64_t i = 0; i < a; ++i)
    for (int64_t j = 0; j < a; ++j)
      values[i].push_back(p.load(p.view(0), {image, places[0][i], places[1][j], zero}, {3}, extents, true,
                                 arith::AndIOp::create(b, inside[0][i], inside[1][j])));
  Transform transform{p, extents};
  auto turned = transform.both(values, &Transform::input);
  for (int64_t i = 0; i < a * a; ++i)
    p.store(turned[i / a][i % a], p.view(1), {p.index(i), number, zero}, {2}, true);
  return p.finish(product(y) * 4);
}

tile::KernelOp tilegen::writeWinogradOutputProgram(ProgramBuilder &p) {
  Block &body = p.fusion.getBody().front();
  auto yield = cast<YieldOp>(body.getTerminator());
  WinogradOutputOp op;
  for (Operation &o : body)
    if (auto found = dyn_cast<WinogradOutputOp>(o))
      op = found;
  if (!op || yield.getNumOperands() != 1)
    return {};
  auto v = getDims(op.getV().getType()), y = getDims(op.getY().getType());
  int64_t m = op.getTile(), a = m + 2;
  Tiles tiles(y, m);
  SmallVector<SmallVector<SymbolicExpr>> views;
  for (BlockArgument argument : body.getArguments()) {
    auto dims = getDims(argument.getType());
    if (argument == op.getV() || dims == y)
      views.push_back(SmallVector<SymbolicExpr>(dims));
    else
      views.push_back({dims.empty() ? SymbolicExpr(1) : dims.back()});
  }
  views.push_back(SmallVector<SymbolicExpr>(y));
  p.begin(views, {y[0], tiles.down, tiles.across});
  ImplicitLocOpBuilder &b = p.b;
  Value image = p.gridId(0), zero = p.index(0);
  SmallVector<Extent> extents = {p.extentOf(y[3])};
  Value number =
      p.add(p.mul(p.add(p.mul(image, p.indexOf(tiles.down)), p.gridId(1)), p.indexOf(tiles.across)), p.gridId(2));
  Value products = p.view(cast<BlockArgument>(op.getV()).getArgNumber());
  SmallVector<SmallVector<Value>> values(a);
  for (int64_t i = 0; i < a * a; ++i)
    values[i / a].push_back(p.load(products, {p.index(i), number, zero}, {2}, extents, true));
  Transform transform{p, extents};
  auto turned = transform.both(values, &Transform::output);

  // The last tiles may reach over the edge of the result.
  SmallVector<Value> places[2], inside[2];
  for (int64_t dim = 0; dim < 2; ++dim)
    for (int64_t i = 0; i < m; ++i) {
      std::optional<int64_t> extent = y[dim + 1].isConstant();
      Value at = p.add(p.mul(p.gridId(dim + 1), p.index(m)), p.index(i));
      places[dim].push_back(at);
      inside[dim].push_back(
          i == 0 || (extent && *extent % m == 0)
              ? Value()
              : Value(arith::CmpIOp::create(b, arith::CmpIPredicate::ult, at, p.indexOf(y[dim + 1]))));
    }
  // What is read once for all places of the tile.
  DenseMap<Value, Value> ofChannel;
  auto channelTile = [&](BlockArgument argument) {
    Value &tile = ofChannel[argument];
    if (!tile) {
      Value view = p.view(argument.getArgNumber());
      bool one = cast<tile::ViewType>(view.getType()).getDims() == getDimsAttr(b.getContext(), {SymbolicExpr(1)}) &&
                 !(y[3] == SymbolicExpr::constant(1));
      tile = one ? p.broadcast(p.load(view, {zero}, {0}, {Extent::of(1)}, true), extents)
                 : p.load(view, {zero}, {0}, extents, true);
    }
    return tile;
  };
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < m; ++j) {
      Value row = inside[0][i], column = inside[1][j];
      Value condition = row && column ? Value(arith::AndIOp::create(b, row, column)) : row ? row : column;
      SmallVector<Value> at = {image, places[0][i], places[1][j], zero};
      Value sum = turned[i][j];
      if (op.getBias())
        sum = arith::AddFOp::create(b, sum, channelTile(cast<BlockArgument>(op.getBias())));
      Value result = emitEpilogue(
          p, yield.getValues()[0],
          [&](Value value) -> Value {
            if (value == op.getY())
              return sum;
            auto argument = dyn_cast<BlockArgument>(value);
            if (!argument)
              return {};
            if (getDims(argument.getType()) == y)
              return p.load(p.view(argument.getArgNumber()), at, {3}, extents, true, condition);
            return channelTile(argument);
          },
          extents);
      if (!result)
        return {};
      p.store(result, p.view(views.size() - 1), at, {3}, true, condition);
    }
  return p.finish(product(v) * 4);
}
