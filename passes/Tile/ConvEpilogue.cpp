// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Tile/ConvEpilogue.h"

#include "passes/Tile/MatmulProgram.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tilegen;

SymbolicExpr ConvEpilogue::placesOf(ConvOp conv) {
  return product(ArrayRef<SymbolicExpr>(getDims(conv.getY().getType())).drop_back());
}

SmallVector<SymbolicExpr> ConvEpilogue::view(Value argument) {
  bool isImage = getDims(argument.getType()) == getDims(conv.getY().getType());
  if (isImage && argument != conv.getBias())
    return {placesOf(conv), SymbolicExpr(groups), SymbolicExpr(perGroup)};
  if (product(getDims(argument.getType())) == SymbolicExpr::constant(1))
    return {SymbolicExpr(1)};
  return {SymbolicExpr(groups), SymbolicExpr(perGroup)};
}

Value ConvEpilogue::emit(Value sum, Value row, Value group, Value column, ArrayRef<Extent> extents, bool wholeColumns) {
  auto load = [&](BlockArgument argument) -> Value {
    Value view = p.view(argument.getArgNumber()), zero = p.index(0);
    size_t rank = cast<tile::ViewType>(view.getType()).getRank();
    if (rank == 3)
      return p.load(view, {row, group, column}, {0, 2}, extents, wholeColumns);
    if (rank == 1)
      return p.broadcast(p.load(view, {zero}, {0, 0}, {Extent::of(1), Extent::of(1)}, true), extents);
    return p.broadcast(p.load(view, {group, column}, {0, 1}, {Extent::of(1), extents[1]}, wholeColumns), extents);
  };
  if (conv.getBias())
    sum = arith::AddFOp::create(p.b, sum, load(cast<BlockArgument>(conv.getBias())));
  auto yield = cast<YieldOp>(p.fusion.getBody().front().getTerminator());
  return emitEpilogue(
      p, yield.getValues()[0],
      [&](Value value) -> Value {
        if (value == conv.getY())
          return sum;
        auto argument = dyn_cast<BlockArgument>(value);
        return argument ? load(argument) : Value();
      },
      extents);
}
