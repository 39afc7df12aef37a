// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rotary embedding: a row is written in pieces.
#include "passes/Tile/ProgramBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tilegen;

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
