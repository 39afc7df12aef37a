// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Convolution of images [N, spatial.., C]: a matrix product whose rows are the
// places of the result and whose columns are the output channels of a group. Of a
// 1x1 convolution with stride 1 the left operand is the image; else patches of a
// block of places are copied to scratch memory, once for all panels of columns
// that a thread computes.
// A depthwise convolution multiplies and adds rows of channels.
#include "passes/Tile/ChannelsLast.h"
#include "passes/Tile/ConvEpilogue.h"
#include "passes/Tile/MatmulProgram.h"
#include "passes/Tile/Places.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tilegen;

namespace {
constexpr int64_t fewRows = 64; ///< are one task

tile::KernelOp writeDepthwise(ProgramBuilder &p, ConvOp conv) {
  auto x = getDims(conv.getX().getType()), y = getDims(conv.getY().getType());
  int64_t channels = conv.getGroups();
  ConvEpilogue epilogue{p, conv, 1, channels};
  WindowPlaces window(x, y, conv.getWeightShape()->drop_front(2), conv.getStrides(), conv.getDilations(),
                      conv.getPads());
  SmallVector<SmallVector<SymbolicExpr>> views;
  for (BlockArgument argument : p.fusion.getBody().front().getArguments()) {
    if (argument == conv.getX())
      views.push_back({product(x)});
    else if (argument == conv.getW())
      views.push_back({SymbolicExpr(window.taps()), SymbolicExpr(channels)});
    else
      views.push_back(epilogue.view(argument));
  }
  views.push_back({ConvEpilogue::placesOf(conv), SymbolicExpr(1), SymbolicExpr(channels)});
  p.begin(views, window.grid());
  unsigned xNumber = cast<BlockArgument>(conv.getX()).getArgNumber(),
           wNumber = cast<BlockArgument>(conv.getW()).getArgNumber();
  bool complete = true;
  window.forEachPlace(p, [&](ArrayRef<Value> at) {
    Value zero = p.index(0), row = window.number(p, at);
    SmallVector<Extent> extents = {Extent::of(1), Extent::of(channels)},
                        all = {Extent::of(window.taps()), Extent::of(channels)};
    Value values = window.gather(p, p.view(xNumber), at, Extent::of(channels));
    Value weights = p.load(p.view(wNumber), {zero, zero}, {0, 1}, all, true);
    Value sum = p.reduce("sum", arith::MulFOp::create(p.b, values, weights), 0);
    Value result = epilogue.emit(sum, row, zero, zero, extents, true);
    complete = bool(result);
    if (result)
      p.store(result, p.view(views.size() - 1), {row, zero, zero}, {0, 2}, true);
  });
  return complete ? p.finish(product(y) * (2 * window.taps())) : tile::KernelOp();
}
} // namespace

tile::KernelOp tilegen::writeChannelsLastConv(ProgramBuilder &p, ConvOp conv) {
  if (!conv.getWeightShape() || !isa<BlockArgument>(conv.getX()) || !isa<BlockArgument>(conv.getW()))
    return {};
  ArrayRef<int64_t> shape = *conv.getWeightShape();
  auto x = getDims(conv.getX().getType()), w = getDims(conv.getW().getType()), y = getDims(conv.getY().getType());
  if (w.size() == 2)
    return writeDepthwise(p, conv);
  if (p.gpu)
    return writeGpuConv(p, conv);
  int64_t groups = conv.getGroups(), perGroup = shape[0] / groups, channels = shape[1];
  ArrayRef<int64_t> window = shape.drop_front(2);
  int64_t depth = channels;
  for (int64_t extent : window)
    depth *= extent;
  int64_t panels = *w[1].isConstant(), width = *w[3].isConstant();
  auto all = [](ArrayRef<int64_t> values, int64_t wanted) {
    return llvm::all_of(values, [&](int64_t v) { return v == wanted; });
  };
  bool direct = depth == channels && all(conv.getStrides(), 1) && all(conv.getPads(), 0);

  SymbolicExpr rows = ConvEpilogue::placesOf(conv);
  int64_t blockRows = p.schedule.blockRows(width);
  // The left operand of a block stays in the second-level cache with a panel;
  // patches take less of it, for the image is read from there, too.
  int64_t room = p.schedule.l2Bytes / (direct ? 2 : 4) / (4 * depth);
  int64_t wanted = std::clamp<int64_t>(room / blockRows * blockRows, 4 * blockRows, 24 * blockRows);
  std::optional<int64_t> knownRows = rows.isConstant();
  int64_t block = knownRows && *knownRows <= std::max(fewRows, wanted) ? *knownRows : chooseTaskRows(knownRows, wanted);
  bool wholeBlocks = knownRows && *knownRows % block == 0;
  // When only the run knows the rows, its tasks are even, too.
  SymbolicExpr some = SymbolicExpr::max(rows, 1);
  SymbolicExpr taskRows =
      knownRows ? SymbolicExpr(block) : SymbolicExpr::ceilDiv(some, SymbolicExpr::ceilDiv(some, block));
  bool wholeColumns = perGroup % width == 0 || panels == 1;
  int64_t columns = panels == 1 ? perGroup : width;

  ConvEpilogue epilogue{p, conv, groups, perGroup};
  SmallVector<SmallVector<SymbolicExpr>> views;
  for (BlockArgument argument : p.fusion.getBody().front().getArguments()) {
    if (argument == conv.getX() && direct) {
      views.push_back({rows, SymbolicExpr(groups), SymbolicExpr(channels)});
    } else if (argument == conv.getX()) {
      SmallVector<SymbolicExpr> image(ArrayRef<SymbolicExpr>(x).drop_back());
      image.append({SymbolicExpr(groups), SymbolicExpr(channels)});
      views.push_back(image);
    } else if (argument == conv.getW()) {
      views.push_back(w);
    } else {
      views.push_back(epilogue.view(argument));
    }
  }
  views.push_back({rows, SymbolicExpr(groups), SymbolicExpr(perGroup)});
  // Panels run fastest: a thread that has several of them copies the patches once.
  p.begin(views, {SymbolicExpr::ceilDiv(rows, taskRows), SymbolicExpr(groups), SymbolicExpr(panels)});
  std::optional<int64_t> rowsOfTask = knownRows ? std::optional(block) : std::nullopt;
  MatmulSchedule schedule = chooseMatmulSchedule({rowsOfTask, depth, perGroup, /*streamed=*/true, width}, p.schedule);
  schedule.taskRows = block;
  p.setSchedule(schedule);

  Value zero = p.index(0), firstRow = p.mul(p.gridId(0), p.indexOf(taskRows)), group = p.gridId(1);
  Value panel = p.gridId(2), column = p.mul(panel, p.index(width));
  Extent rowExtent =
      wholeBlocks
          ? Extent::of(block)
          : Extent{-1, p.minimum(p.index(block), p.minimum(p.indexOf(taskRows), p.sub(p.indexOf(rows), firstRow)))};
  unsigned xNumber = cast<BlockArgument>(conv.getX()).getArgNumber(),
           wNumber = cast<BlockArgument>(conv.getW()).getArgNumber();
  Value left;
  if (direct) {
    left = p.loadStored(p.view(xNumber), {firstRow, group, zero}, {0, 2}, {rowExtent, Extent::of(depth)}, true);
  } else {
    SmallVector<Value> out, sizes;
    for (const SymbolicExpr &extent : ArrayRef<SymbolicExpr>(y).drop_front().drop_back())
      out.push_back(p.indexOf(extent));
    if (!wholeBlocks)
      sizes.push_back(rowExtent.value);
    Type stored = cast<tile::ViewType>(p.view(xNumber).getType()).getElementType();
    left = tile::PatchesOp::create(p.b, tileType({rowExtent, Extent::of(depth)}, stored), p.view(xNumber), firstRow,
                                   group, out, sizes, window, conv.getStrides(), conv.getDilations(),
                                   conv.getPads().take_front(window.size()));
  }
  // Of the only panel of a group some columns may not exist.
  Value right = columns == width ? p.loadStored(p.view(wNumber), {group, panel, zero, zero}, {2, 3},
                                                {Extent::of(depth), Extent::of(width)}, true)
                                 : p.loadStored(p.view(wNumber), {group, panel, zero, zero}, {1, 2, 3},
                                                {Extent::of(1), Extent::of(depth), Extent::of(width)}, true);
  Value sum = p.dot(left, right, columns);
  Value result = epilogue.emit(sum, firstRow, group, column, {rowExtent, Extent::of(columns)}, wholeColumns);
  if (!result)
    return {};
  p.store(result, p.view(views.size() - 1), {firstRow, group, column}, {0, 2}, wholeColumns);
  return p.finish(rows * (2 * shape[0] * depth));
}

tile::KernelOp tilegen::writeChannelsLastPool(ProgramBuilder &p, PoolOp pool) {
  auto x = getDims(pool.getX().getType()), y = getDims(pool.getY().getType());
  bool isMax = pool.getKind() == "max";
  if (!isMax && pool.getCountIncludePad() && !llvm::all_of(pool.getCeilPads(), [](int64_t v) { return v == 0; }))
    return {};
  WindowPlaces window(x, y, pool.getWindow(), pool.getStrides(), pool.getDilations(), pool.getPads());
  SymbolicExpr places = product(ArrayRef<SymbolicExpr>(y).drop_back()), channels = x.back();
  p.begin({{product(x)}, {places, channels}}, window.grid());
  window.forEachPlace(p, [&](ArrayRef<Value> at) {
    Value row = window.number(p, at), zero = p.index(0);
    Extent columns = p.extentOf(channels);
    SmallVector<Extent> extents = {Extent::of(1), columns};
    Value values = window.gather(p, p.view(0), at, columns,
                                 isMax ? std::optional(-std::numeric_limits<double>::infinity()) : std::nullopt);
    Value result = p.reduce(isMax ? "max" : "sum", values, 0);
    if (!isMax) {
      Type f32 = p.b.getF32Type();
      Value count = pool.getCountIncludePad() ? p.index(window.taps()) : window.tapsInside(p, at);
      Value number = arith::UIToFPOp::create(p.b, f32, p.b.createOrFold<arith::IndexCastOp>(p.b.getI32Type(), count));
      Value inverse = arith::DivFOp::create(p.b, arith::ConstantOp::create(p.b, p.b.getF32FloatAttr(1)), number);
      result = arith::MulFOp::create(p.b, result, p.splat(inverse, extents));
    }
    p.store(result, p.view(1), {row, zero}, {0, 1}, true);
  });
  return p.finish(product(y) * window.taps());
}
