// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// combine_parts: a point of the grid is a row of the result; the parts are added in their order.
#include "passes/Tile/ProgramBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <algorithm>
#include <limits>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tilegen;

tile::KernelOp tilegen::writeCombinePartsProgram(ProgramBuilder &p) {
  Block &body = p.fusion.getBody().front();
  auto op = dyn_cast<CombinePartsOp>(body.front());
  if (!op || body.getOperations().size() != 2)
    return {};
  auto dims = getDims(op.getY().getType());
  SymbolicExpr parts = dims.front();
  std::optional<int64_t> known = parts.isConstant(), depth = dims.back().isConstant();
  int64_t most = known ? *known : static_cast<int64_t>(op.getMostParts().value_or(0));
  if (most < 1 || !depth || *depth < 1)
    return {};
  SymbolicExpr rows = product(ArrayRef<SymbolicExpr>(dims).drop_front().drop_back());
  auto number = [](Value value) { return cast<BlockArgument>(value).getArgNumber(); };
  SmallVector<SmallVector<SymbolicExpr>> views(p.fusion.getInputs().size(), {parts, rows, 1});
  views[number(op.getY())].back() = *depth;
  views.push_back({rows, *depth});
  p.begin(views, {rows});
  // A block for each row (a kernel with a schedule gets no further ones, see ShortRows.cpp): addresses of up to 64
  // parts of several rows would spill.
  p.kernel.setScheduleAttr(p.b.getDictionaryAttr(p.b.getNamedAttr("parts", p.b.getI64IntegerAttr(most))));

  Value row = p.gridId(0), zero = p.index(0);
  constexpr double lowest = -std::numeric_limits<float>::max();
  Type f32 = p.b.getF32Type();
  SmallVector<Extent> one = {Extent::of(1)}, extents = {Extent::of(*depth)};
  // In place of a part that there is not the last one is read, and counts nothing: branches around 64 reads would
  // spill.
  SmallVector<Value> exists(most), numbers(most);
  for (int64_t part = 0; part < most; ++part) {
    numbers[part] = p.index(part);
    if (known || part == 0)
      continue;
    exists[part] = arith::CmpIOp::create(p.b, arith::CmpIPredicate::slt, numbers[part], p.indexOf(parts));
    numbers[part] = p.minimum(numbers[part], p.sub(p.indexOf(parts), p.index(1)));
  }
  auto load = [&](Value operand, int64_t part, ArrayRef<Extent> tile) {
    return p.load(p.view(number(operand)), {numbers[part], row, zero}, {2}, tile, true);
  };
  // A few parts at a time, with a running maximum, so that few numbers are held.
  constexpr int64_t atATime = 8;
  Value largest, total, result;
  for (int64_t first = 0; first < most; first += atATime) {
    int64_t end = std::min(most, first + atATime);
    SmallVector<Value> own;
    Value before = largest;
    for (int64_t part = first; part < end; ++part) {
      Value value = load(op.getLargest(), part, one);
      if (exists[part])
        value = arith::SelectOp::create(p.b, p.splat(exists[part], one), value, p.constant(lowest, f32, one));
      own.push_back(value);
      largest = largest ? Value(arith::MaximumFOp::create(p.b, largest, value)) : value;
    }
    if (before) {
      Value weight = math::Exp2Op::create(p.b, arith::SubFOp::create(p.b, before, largest));
      total = arith::MulFOp::create(p.b, total, weight);
      result = arith::MulFOp::create(p.b, result, p.broadcast(weight, extents));
    }
    for (int64_t part = first; part < end; ++part) {
      Value weight = math::Exp2Op::create(p.b, arith::SubFOp::create(p.b, own[part - first], largest));
      Value sum = arith::MulFOp::create(p.b, weight, load(op.getSum(), part, one));
      Value y = arith::MulFOp::create(p.b, p.broadcast(weight, extents), load(op.getY(), part, extents));
      total = total ? Value(arith::AddFOp::create(p.b, total, sum)) : sum;
      result = result ? Value(arith::AddFOp::create(p.b, result, y)) : y;
    }
  }
  Value none = arith::CmpFOp::create(p.b, arith::CmpFPredicate::OEQ, total, p.constant(0, f32, one));
  total = arith::SelectOp::create(p.b, none, p.constant(1, f32, one), total);
  Value inverse = arith::DivFOp::create(p.b, p.constant(1, f32, one), total);
  result = arith::MulFOp::create(p.b, result, p.broadcast(inverse, extents));
  p.store(result, p.view(views.size() - 1), {row, zero}, {1}, true);
  return p.finish(parts * rows * (2 * *depth));
}
