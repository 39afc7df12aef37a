// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Programs that write their result in pieces: concat and rotary embedding.
#include "passes/Tile/ProgramBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tilegen;

/// Every operand is [outer, its part of the row].
tile::KernelOp tilegen::writeConcatProgram(ProgramBuilder &p) {
  Block &body = p.fusion.getBody().front();
  auto concat = dyn_cast<ConcatOp>(body.front());
  if (!concat || body.getOperations().size() != 2)
    return {};
  int64_t axis = concat.getAxis();
  auto y = getDims(concat.getY().getType());
  SymbolicExpr outer = product(ArrayRef<SymbolicExpr>(y).take_front(axis));
  auto row = [&](Value v) { return product(ArrayRef<SymbolicExpr>(getDims(v.getType())).drop_front(axis)); };
  SmallVector<SmallVector<SymbolicExpr>> views;
  for (BlockArgument argument : body.getArguments())
    views.push_back({outer, row(argument)});
  views.push_back({outer, row(concat.getY())});
  p.begin(views, {outer});
  SymbolicExpr offset = 0;
  for (Value x : concat.getXs()) {
    auto argument = dyn_cast<BlockArgument>(x);
    if (!argument)
      return {};
    // As it is stored: a copy has nothing to compute, and caches are only appended to in place by plain copies.
    Value tile =
        p.loadStored(p.view(argument.getArgNumber()), {p.gridId(0), p.index(0)}, {1}, {p.extentOf(row(x))}, true);
    p.store(tile, p.view(views.size() - 1), {p.gridId(0), p.indexOf(offset)}, {1}, true);
    offset += row(x);
  }
  return p.finish(0);
}

/// Rotates the halves (or the pairs) of each row; what is behind `rotary` is copied.
tile::KernelOp tilegen::writeRopeProgram(ProgramBuilder &p) {
  Block &body = p.fusion.getBody().front();
  auto rope = dyn_cast<RopeOp>(body.front());
  if (!rope || body.getOperations().size() != 2 || rope.getInterleaved())
    return {};
  auto x = getDims(rope.getX().getType());
  int64_t rotary = rope.getRotary(), half = rotary / 2;
  std::optional<int64_t> depth = x[3].isConstant();
  if (!depth)
    return {};
  SmallVector<SmallVector<SymbolicExpr>> views;
  for (BlockArgument argument : body.getArguments()) {
    auto dims = getDims(argument.getType());
    dims.insert(dims.begin(), 4 - dims.size(), SymbolicExpr::constant(1));
    views.push_back(dims);
  }
  views.push_back(x);
  p.begin(views, ArrayRef<SymbolicExpr>(x).drop_back());
  ImplicitLocOpBuilder &b = p.b;
  Value out = p.view(views.size() - 1);
  auto part = [&](Value operand, int64_t from, int64_t count) {
    unsigned number = cast<BlockArgument>(operand).getArgNumber();
    SmallVector<Value> at;
    for (int i = 0; i < 3; ++i)
      at.push_back(views[number][i] == SymbolicExpr::constant(1) ? p.index(0) : p.gridId(i));
    at.push_back(p.index(from));
    return p.load(p.view(number), at, {3}, {Extent::of(count)}, true);
  };
  auto put = [&](Value tile, int64_t at) {
    p.store(tile, out, {p.gridId(0), p.gridId(1), p.gridId(2), p.index(at)}, {3}, true);
  };
  auto mul = [&](Value l, Value r) -> Value { return arith::MulFOp::create(b, l, r); };
  Value low = part(rope.getX(), 0, half), high = part(rope.getX(), half, half);
  Value cos = part(rope.getCos(), 0, half), sin = part(rope.getSin(), 0, half);
  put(arith::SubFOp::create(b, mul(low, cos), mul(high, sin)), 0);
  put(arith::AddFOp::create(b, mul(high, cos), mul(low, sin)), half);
  if (*depth > rotary)
    put(part(rope.getX(), rotary, *depth - rotary), rotary);
  return p.finish(product(x) * 3);
}
