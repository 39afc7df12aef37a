// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Convolution of images [N, spatial.., C] on a GPU: an implicit matrix product. Rows are places of the result, columns
// the output channels of a group, and the depth goes over the taps of the window, each with all channels. The left
// operand is `tile.patches`, which never exists as a whole: the lowering copies from the image to shared memory what a
// step of the depth reads.
//
//   %a = tile.patches %x at %row group %g ...       : tensor<128x576xf16>
//   %b = tile.load %w[%g, 0, %column] dims [1, 2]   : tensor<576x64xf16>
//   %y = tile.dot %a, %b                            : tensor<128x64xf32>
#include "dialects/Tile/ProductShape.h"
#include "passes/Tile/ChannelsLast.h"
#include "passes/Tile/ConvEpilogue.h"
#include "passes/Tile/MatmulProgram.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tilegen;

tile::KernelOp tilegen::writeGpuConv(ProgramBuilder &p, ConvOp conv) {
  ArrayRef<int64_t> shape = *conv.getWeightShape(), window = shape.drop_front(2);
  auto x = getDims(conv.getX().getType()), w = getDims(conv.getW().getType()), y = getDims(conv.getY().getType());
  int64_t groups = conv.getGroups(), perGroup = shape[0] / groups, channels = shape[1], depth = channels;
  for (int64_t extent : window)
    depth *= extent;
  if (!(w[1] == SymbolicExpr::constant(1)))
    return {}; // panels of a CPU
  int64_t width = *w[3].isConstant();
  SymbolicExpr rows = ConvEpilogue::placesOf(conv);
  std::optional<int64_t> knownRows = rows.isConstant();

  Block &body = p.fusion.getBody().front();
  std::optional<GpuMatmulShape> product = tile::gpuOperandShape(getElementTypeOrSelf(conv.getX().getType()),
                                                                getElementTypeOrSelf(conv.getW().getType()), *p.gpu);
  if (!product)
    return {};
  product->batches = groups;
  product->rows = knownRows;
  product->columns = perGroup;
  product->depth = depth;
  product->mayStream = knownRows && *knownRows > 0;
  std::optional<GpuMatmulSchedule> schedule = chooseProductSchedule(*p.gpu, *product, body, /*guarded=*/true);
  if (!schedule)
    return {};
  schedule->reason =
      "implicit matrix product, its depth the taps of the window with their channels: " + schedule->reason;
  int64_t blockRows = schedule->blockRows, blockColumns = schedule->blockColumns;

  ConvEpilogue epilogue{p, conv, groups, perGroup};
  SmallVector<SmallVector<SymbolicExpr>> views;
  for (BlockArgument argument : body.getArguments()) {
    if (argument == conv.getX()) {
      SmallVector<SymbolicExpr> image(ArrayRef<SymbolicExpr>(x).drop_back());
      image.append({SymbolicExpr(groups), SymbolicExpr(channels)});
      views.push_back(image);
    } else if (argument == conv.getW()) {
      views.push_back({SymbolicExpr(groups), SymbolicExpr(depth), SymbolicExpr(width)});
    } else {
      views.push_back(epilogue.view(argument));
    }
  }
  views.push_back({rows, SymbolicExpr(groups), SymbolicExpr(perGroup)});
  // Blocks of columns run fastest, so that those at work together read the same part of the image.
  p.begin(views, {SymbolicExpr(groups), SymbolicExpr::ceilDiv(rows, blockRows),
                  SymbolicExpr::ceilDiv(SymbolicExpr(perGroup), blockColumns)});
  p.setSchedule(*schedule);

  Value zero = p.index(0), group = p.gridId(0), firstRow = p.mul(p.gridId(1), p.index(blockRows)),
        column = p.mul(p.gridId(2), p.index(blockColumns));
  bool wholeRows = knownRows && *knownRows % blockRows == 0;
  Extent rowExtent =
      wholeRows ? Extent::of(blockRows) : Extent{-1, p.minimum(p.index(blockRows), p.sub(p.indexOf(rows), firstRow))};
  SmallVector<Extent> extents = {rowExtent, Extent::of(blockColumns)};
  unsigned xNumber = cast<BlockArgument>(conv.getX()).getArgNumber(),
           wNumber = cast<BlockArgument>(conv.getW()).getArgNumber();
  SmallVector<Value> out, sizes;
  for (const SymbolicExpr &extent : ArrayRef<SymbolicExpr>(y).drop_front().drop_back())
    out.push_back(p.indexOf(extent));
  if (!wholeRows)
    sizes.push_back(rowExtent.value);
  Type stored = cast<tile::ViewType>(p.view(xNumber).getType()).getElementType();
  Value left = tile::PatchesOp::create(p.b, tileType({rowExtent, Extent::of(depth)}, stored), p.view(xNumber), firstRow,
                                       group, out, sizes, window, conv.getStrides(), conv.getDilations(),
                                       conv.getPads().take_front(window.size()));
  Value right = p.loadStored(p.view(wNumber), {group, zero, column}, {1, 2},
                             {Extent::of(depth), Extent::of(blockColumns)}, width % blockColumns == 0);
  bool wholeColumns = perGroup % blockColumns == 0;
  Value result = epilogue.emit(p.dot(left, right), firstRow, group, column, extents, wholeColumns);
  if (!result)
    return {};
  p.store(result, p.view(views.size() - 1), {firstRow, group, column}, {0, 2}, wholeColumns);
  return p.finish(rows * (2 * shape[0] * depth));
}
