// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// sum_parts with its epilogue: what follows a product whose depth was cut. A point of the grid is a piece of a row; the
// parts are added in their order. With a normalization behind it is a program on rows.
#include "passes/Tile/MatmulProgram.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tilegen;

/// Columns of a block: long pieces, unless few rows would leave multiprocessors without one.
static int64_t pieceColumns(std::optional<int64_t> rows, std::optional<int64_t> columns, int64_t multiprocessors) {
  constexpr int64_t longest = 2048, shortest = 128, blocksOfEach = 4;
  int64_t width = longest;
  while (width > shortest && ((columns && width / 2 >= *columns) ||
                              (rows && columns && *rows * (*columns / width) < blocksOfEach * multiprocessors)))
    width /= 2;
  return width;
}

tile::KernelOp tilegen::writeSumPartsProgram(ProgramBuilder &p) {
  Block &body = p.fusion.getBody().front();
  auto yield = cast<YieldOp>(body.getTerminator());
  if (llvm::any_of(body, llvm::IsaPred<LayerNormOp, RmsNormOp>))
    return writeRowProgram(p);
  SumPartsOp sum;
  for (Operation &op : body)
    if (auto found = dyn_cast<SumPartsOp>(op))
      sum = found;
  auto input = sum ? dyn_cast<BlockArgument>(sum.getX()) : BlockArgument();
  if (!input || yield.getNumOperands() != 1)
    return {};
  auto parts = getDims(input.getType()), dims = getDims(sum.getY().getType());
  std::optional<int64_t> count = parts.front().isConstant();
  if (!count || *count < 1)
    return {};
  SymbolicExpr rows = product(ArrayRef<SymbolicExpr>(dims).drop_back()), columns = dims.back();
  int64_t width = pieceColumns(rows.isConstant(), columns.isConstant(), p.gpu ? p.gpu->multiprocessors : int64_t(1));
  SmallVector<SmallVector<SymbolicExpr>> views;
  for (BlockArgument argument : body.getArguments()) {
    auto own = getDims(argument.getType());
    if (argument == input)
      views.push_back({SymbolicExpr(*count), rows, columns});
    else if (own == dims)
      views.push_back({rows, columns});
    else
      views.push_back({own.empty() ? SymbolicExpr(1) : own.back()});
  }
  views.push_back({rows, columns});
  p.begin(views, {rows, SymbolicExpr::ceilDiv(columns, width)});

  std::optional<int64_t> knownColumns = columns.isConstant();
  bool whole = knownColumns && *knownColumns % width == 0;
  Value row = p.gridId(0), column = p.mul(p.gridId(1), p.index(width)), zero = p.index(0);
  SmallVector<Extent> extents = {Extent::of(width)};
  auto loadSum = [&]() -> Value {
    Value total;
    for (int64_t part = 0; part < *count; ++part) {
      Value own = p.load(p.view(input.getArgNumber()), {p.index(part), row, column}, {2}, extents, whole);
      total = total ? Value(arith::AddFOp::create(p.b, total, own)) : own;
    }
    return total;
  };
  Value result = emitEpilogue(
      p, yield.getValues()[0],
      [&](Value value) -> Value {
        if (value == sum.getY())
          return loadSum();
        auto argument = dyn_cast<BlockArgument>(value);
        if (!argument)
          return {};
        Value view = p.view(argument.getArgNumber());
        auto own = getDims(argument.getType());
        if (own == dims)
          return p.load(view, {row, column}, {1}, extents, whole);
        bool one = own.empty() || own.back() == SymbolicExpr::constant(1);
        if (one && !(columns == SymbolicExpr::constant(1)))
          return p.broadcast(p.load(view, {zero}, {0}, {Extent::of(1)}, true), extents);
        return p.load(view, {column}, {0}, extents, whole);
      },
      extents);
  if (!result)
    return {};
  p.store(result, p.view(views.size() - 1), {row, column}, {1}, whole);
  return p.finish(rows * columns * *count);
}
