// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the ops of a tile program require of one another.
#include "dialects/Tile/Tile.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::tile;

namespace {

/// As a program sees an element that lies in memory: integers have no sign, float8 is its bits.
Type loadedType(Type stored) {
  if (isa<FloatType>(stored) && stored.getIntOrFloatBitWidth() <= 8)
    return IntegerType::get(stored.getContext(), 8);
  if (stored.isInteger() && !stored.isSignlessInteger())
    return IntegerType::get(stored.getContext(), stored.getIntOrFloatBitWidth());
  return stored;
}

RankedTensorType tileOf(Value value) { return cast<RankedTensorType>(value.getType()); }
ViewType viewOf(Value value) { return cast<ViewType>(value.getType()); }

LogicalResult verifySizes(Operation *op, RankedTensorType type, ValueRange sizes) {
  if (static_cast<int64_t>(sizes.size()) != static_cast<int64_t>(type.getNumDynamicDims()))
    return op->emitOpError("expected a size for each of ")
           << type.getNumDynamicDims() << " dynamic extents of " << type << ", got " << sizes.size();
  return success();
}

LogicalResult verifyOffsets(Operation *op, ViewType view, ValueRange offsets) {
  if (static_cast<int64_t>(offsets.size()) != view.getRank())
    return op->emitOpError("expected an offset for each of ")
           << view.getRank() << " dimensions of the view, got " << offsets.size();
  return success();
}

LogicalResult verifyElement(Operation *op, Type tile, Type stored) {
  // An operand of a product keeps its format.
  if (tile == stored && isa<LoadOp>(op) && llvm::all_of(op->getUsers(), llvm::IsaPred<DotOp>))
    return success();
  if (tile != loadedType(stored))
    return op->emitOpError("expected elements of ")
           << loadedType(stored) << " for a view of " << stored << ", got " << tile;
  return success();
}

/// A tile of a view: `dims[j]` is the dimension along which extent j runs.
LogicalResult verifyAccess(Operation *op, RankedTensorType tile, ViewType view, ValueRange offsets,
                           ArrayRef<int64_t> dims) {
  if (failed(verifyOffsets(op, view, offsets)) ||
      failed(verifyElement(op, tile.getElementType(), view.getElementType())))
    return failure();
  if (static_cast<int64_t>(dims.size()) != tile.getRank())
    return op->emitOpError("expected a dimension of the view for each of ")
           << tile.getRank() << " extents of the tile, got " << dims.size();
  llvm::SmallDenseSet<int64_t> taken;
  for (auto [extent, dim] : llvm::zip(tile.getShape(), dims)) {
    if (dim < 0 || dim >= view.getRank())
      return op->emitOpError("expected dimensions from 0 to ") << view.getRank() - 1 << ", got " << dim;
    if (extent != 1 && !taken.insert(dim).second)
      return op->emitOpError("expected each dimension of the view at most once, got ") << dim << " twice";
  }
  return success();
}

/// Extents are equal where both are known.
bool mayBeEqual(int64_t x, int64_t y) { return x == y || ShapedType::isDynamic(x) || ShapedType::isDynamic(y); }

LogicalResult verifyExpression(Operation *op, StringRef what, const SymbolicExpr &expr, int64_t symbols) {
  if (!expr.isValid())
    return op->emitOpError("expected an expression as ") << what;
  for (StringRef name : expr.symbols()) {
    StringRef number = name;
    int64_t index = 0;
    if (!number.consume_front("s") || number.getAsInteger(10, index) || index >= symbols)
      return op->emitOpError("expected ")
             << what << " over the kernel's " << symbols << " symbols s0, s1, …, got '" << name << "'";
  }
  return success();
}

LogicalResult verifyText(Operation *op, StringRef what, StringRef text, int64_t symbols) {
  std::optional<SymbolicExpr> expr = SymbolicExpr::parse(text);
  return verifyExpression(op, what, expr.value_or(SymbolicExpr::invalid()), symbols);
}

} // namespace

LogicalResult KernelOp::verify() {
  int64_t views = getViews(), outputs = getOutputs(), symbols = getSymbols();
  int64_t points = getGrid().getExprs().size();
  if (views < 1 || outputs < 1 || outputs > views || symbols < 0)
    return emitOpError("expected at least one view, of which at least one is an output, got ")
           << views << " views, " << outputs << " outputs and " << symbols << " symbols";
  Block &body = getBody().front();
  if (static_cast<int64_t>(body.getNumArguments()) != views + symbols + points)
    return emitOpError("expected ") << views + symbols + points << " arguments (" << views << " views, " << symbols
                                    << " symbols, " << points << " indices of the grid), got "
                                    << body.getNumArguments();
  for (BlockArgument argument : body.getArguments()) {
    if (argument.getArgNumber() >= views) {
      if (!argument.getType().isIndex())
        return emitOpError("expected an index as argument ")
               << argument.getArgNumber() << ", got " << argument.getType();
      continue;
    }
    auto view = dyn_cast<ViewType>(argument.getType());
    if (!view)
      return emitOpError("expected a view as argument ") << argument.getArgNumber() << ", got " << argument.getType();
    for (const SymbolicExpr &dim : bess::parseDims(view.getDims()))
      if (failed(verifyExpression(*this, "dimensions of a view", dim, symbols)))
        return failure();
  }
  // How far apart the rows of a view lie, where its dimensions do not tell: see bessemer-append-in-place.
  if (auto strides = (*this)->getAttrOfType<ArrayAttr>("bess.strides")) {
    if (static_cast<int64_t>(strides.size()) != views)
      return emitOpError("expected bess.strides for each of ") << views << " views, got " << strides.size();
    for (auto [i, attribute] : llvm::enumerate(strides)) {
      auto own = dyn_cast<bess::DimsAttr>(attribute);
      int64_t rank = viewOf(getView(i)).getRank();
      if (own && static_cast<int64_t>(own.getExprs().size()) != rank)
        return emitOpError("expected a stride for each of ")
               << rank << " dimensions of view " << i << ", got " << own.getExprs().size();
      for (const SymbolicExpr &stride : own ? bess::parseDims(own) : SmallVector<SymbolicExpr>())
        if (failed(verifyExpression(*this, "strides of a view", stride, symbols)))
          return failure();
    }
  }
  for (const SymbolicExpr &extent : bess::parseDims(getGrid()))
    if (failed(verifyExpression(*this, "extents of the grid", extent, symbols)))
      return failure();
  for (NamedAttribute entry : getSchedule())
    if (!isa<IntegerAttr, StringAttr, LayoutAttr>(entry.getValue()))
      return emitOpError("expected an integer, a word or a layout as entry '")
             << entry.getName().getValue() << "' of the schedule, got " << entry.getValue();
  if (failed(verifyText(*this, "flops", getFlops(), symbols)) ||
      failed(verifyText(*this, "bytes", getBytes(), symbols)))
    return failure();
  if (body.empty() || !isa<ReturnOp>(body.back()))
    return emitOpError("expected tile.return at the end");
  return success();
}

LogicalResult LoadOp::verify() {
  RankedTensorType tile = tileOf(getTile());
  if (failed(verifyAccess(*this, tile, viewOf(getView()), getOffsets(), getDims())))
    return failure();
  return verifySizes(*this, tile, getSizes());
}

LogicalResult LoadScalarOp::verify() {
  if (failed(verifyOffsets(*this, viewOf(getView()), getOffsets())))
    return failure();
  return verifyElement(*this, getValue().getType(), viewOf(getView()).getElementType());
}

LogicalResult StoreOp::verify() {
  if (failed(verifyAccess(*this, tileOf(getTile()), viewOf(getView()), getOffsets(), getDims())))
    return failure();
  auto argument = dyn_cast<BlockArgument>(getView());
  auto kernel = argument ? dyn_cast<KernelOp>(argument.getOwner()->getParentOp()) : KernelOp();
  if (kernel && argument.getArgNumber() + kernel.getOutputs() < kernel.getViews())
    return emitOpError("expected one of the last ") << kernel.getOutputs() << " of " << kernel.getViews()
                                                    << " views, the outputs, got view " << argument.getArgNumber();
  return success();
}

LogicalResult GatherOp::verify() {
  RankedTensorType tile = tileOf(getTile()), linear = tileOf(getLinear());
  if (!linear.getElementType().isSignlessInteger() && !linear.getElementType().isIndex())
    return emitOpError("expected numbers of elements as integers, got ") << linear.getElementType();
  if (linear.getShape() != tile.getShape())
    return emitOpError("expected the shape of the numbers, ") << linear << ", got " << tile;
  if (getMask()) {
    RankedTensorType mask = tileOf(getMask());
    if (!mask.getElementType().isInteger(1) || mask.getShape() != tile.getShape())
      return emitOpError("expected a mask of i1 in the shape of ") << tile << ", got " << mask;
  }
  return verifyElement(*this, tile.getElementType(), viewOf(getView()).getElementType());
}

LogicalResult GatherRowsOp::verify() {
  RankedTensorType tile = tileOf(getTile()), linear = tileOf(getLinear());
  if (tile.getRank() != 2 || linear.getRank() != 2 || linear.getDimSize(1) != 1 ||
      !mayBeEqual(linear.getDimSize(0), tile.getDimSize(0)) || !linear.getElementType().isSignlessInteger(64))
    return emitOpError("expected a tile [rows, columns] and numbers [rows, 1] of i64, got ")
           << tile << " and " << linear;
  if (getMask() &&
      (tileOf(getMask()).getShape() != linear.getShape() || !tileOf(getMask()).getElementType().isInteger(1)))
    return emitOpError("expected a mask of i1 in the shape of ") << linear << ", got " << tileOf(getMask());
  if (static_cast<int64_t>(getSizes().size()) != (tile.isDynamicDim(1) ? 1 : 0))
    return emitOpError("expected a size for ? columns alone, got ") << getSizes().size();
  return verifyElement(*this, tile.getElementType(), viewOf(getView()).getElementType());
}

LogicalResult PatchesOp::verify() {
  RankedTensorType tile = tileOf(getTile());
  int64_t spatial = getWindow().size(), taps = 1;
  auto dims = bess::parseDims(viewOf(getView()).getDims());
  if (spatial < 1 || static_cast<int64_t>(dims.size()) != spatial + 3)
    return emitOpError("expected a view [N, in.., groups, C] for a window of ")
           << spatial << " extents, got " << dims.size() << " dimensions";
  if (static_cast<int64_t>(getStrides().size()) != spatial || static_cast<int64_t>(getDilations().size()) != spatial ||
      static_cast<int64_t>(getPads().size()) != spatial || static_cast<int64_t>(getOut().size()) != spatial)
    return emitOpError("expected ") << spatial << " strides, dilations, low pads and extents of the result";
  for (auto [extent, stride, dilation] : llvm::zip(getWindow(), getStrides(), getDilations())) {
    if (extent < 1 || stride < 1 || dilation < 1)
      return emitOpError("expected positive window extents, strides and dilations");
    taps *= extent;
  }
  std::optional<int64_t> channels = dims.back().isConstant();
  if (!channels || tile.getRank() != 2 || tile.getDimSize(1) != taps * *channels)
    return emitOpError("expected a tile [rows, taps * C] of a known number of channels, got ") << tile;
  if (failed(verifyElement(*this, tile.getElementType(), viewOf(getView()).getElementType())))
    return failure();
  return verifySizes(*this, tile, getSizes());
}

LogicalResult SplatOp::verify() {
  RankedTensorType tile = tileOf(getTile());
  if (getValue().getType() != tile.getElementType())
    return emitOpError("expected a value of ") << tile.getElementType() << ", got " << getValue().getType();
  return verifySizes(*this, tile, getSizes());
}

LogicalResult IotaOp::verify() {
  RankedTensorType tile = tileOf(getTile());
  if (!tile.getElementType().isSignlessInteger(64))
    return emitOpError("expected elements of i64, got ") << tile.getElementType();
  if (static_cast<int64_t>(getAxis()) < 0 || static_cast<int64_t>(getAxis()) >= tile.getRank())
    return emitOpError("expected an axis from 0 to ")
           << tile.getRank() - 1 << ", got " << static_cast<int64_t>(getAxis());
  return verifySizes(*this, tile, getSizes());
}

LogicalResult BroadcastOp::verify() {
  RankedTensorType from = tileOf(getX()), to = tileOf(getTile());
  if (from.getRank() != to.getRank() || from.getElementType() != to.getElementType())
    return emitOpError("expected a tile of rank ")
           << to.getRank() << " and of " << to.getElementType() << ", got " << from;
  for (auto [x, y] : llvm::zip(from.getShape(), to.getShape()))
    if (x != 1 && !mayBeEqual(x, y))
      return emitOpError("expected extents of 1 or of the result, got ") << from << " for " << to;
  return verifySizes(*this, to, getSizes());
}

LogicalResult ReduceOp::verify() {
  RankedTensorType from = tileOf(getX()), to = tileOf(getTile());
  int64_t axis = getAxis();
  if (axis < 0 || axis >= from.getRank())
    return emitOpError("expected an axis from 0 to ") << from.getRank() - 1 << ", got " << axis;
  if (from.getElementType() != to.getElementType())
    return emitOpError("expected a result of ") << from.getElementType() << ", got " << to.getElementType();
  using Kind = ReductionKind;
  if (isa<FloatType>(from.getElementType()) &&
      llvm::is_contained({Kind::UMax, Kind::UMin, Kind::And, Kind::Or}, getKind()))
    return emitOpError("expected integers for ")
           << stringifyReductionKind(getKind()) << ", got " << from.getElementType();
  SmallVector<int64_t> kept(from.getShape()), dropped(from.getShape());
  kept[axis] = 1;
  dropped.erase(dropped.begin() + axis);
  auto fits = [&](ArrayRef<int64_t> shape) {
    return to.getRank() == static_cast<int64_t>(shape.size()) &&
           llvm::all_of(llvm::zip(to.getShape(), shape),
                        [](auto pair) { return mayBeEqual(std::get<0>(pair), std::get<1>(pair)); });
  };
  if (!fits(kept) && !fits(dropped))
    return emitOpError("expected the shape of ")
           << from << " with an extent of 1 or none along axis " << axis << ", got " << to;
  return success();
}

LogicalResult DotOp::verify() {
  RankedTensorType a = tileOf(getA()), b = tileOf(getB()), y = tileOf(getTile());
  bool panels = b.getRank() == 3;
  if (a.getRank() != 2 || (b.getRank() != 2 && !panels) || y.getRank() != 2)
    return emitOpError("expected operands [M, K] and [K, N] or panels [N / block, K, block] and a result [M, N], got ")
           << a << ", " << b << " and " << y;
  if (panels && getTransposeB())
    return emitOpError("expected no transpose_b with panels");
  if (getTransposeA() && (panels || !getA().getDefiningOp<LoadOp>()))
    return emitOpError("expected, with transpose_a, a load as the left operand and no panels");
  int64_t depth = panels || !getTransposeB() ? b.getDimSize(panels ? 1 : 0) : b.getDimSize(1);
  int64_t rows = a.getDimSize(getTransposeA() ? 1 : 0), depthA = a.getDimSize(getTransposeA() ? 0 : 1);
  if (!mayBeEqual(depthA, depth))
    return emitOpError("expected one depth, got ") << depthA << " and " << depth;
  if (!mayBeEqual(rows, y.getDimSize(0)))
    return emitOpError("expected ") << rows << " rows, got " << y.getDimSize(0);
  int64_t columns = panels ? ShapedType::kDynamic : b.getDimSize(getTransposeB() ? 0 : 1);
  if (!mayBeEqual(columns, y.getDimSize(1)))
    return emitOpError("expected ") << columns << " columns, got " << y.getDimSize(1);
  bool isFloat = isa<FloatType>(y.getElementType());
  if (isa<FloatType>(a.getElementType()) != isFloat || isa<FloatType>(b.getElementType()) != isFloat)
    return emitOpError("expected floats or integers on both sides and in the result, got ")
           << a << ", " << b << " and " << y;
  return success();
}

LogicalResult ConvertOp::verify() {
  RankedTensorType from = tileOf(getX()), to = tileOf(getTile());
  if (from.getShape() != to.getShape() || from.getElementType() != to.getElementType())
    return emitOpError("expected one shape and one element type, got ") << from << " and " << to;
  return success();
}

LogicalResult PanelsOp::verify() {
  RankedTensorType from = tileOf(getX()), to = tileOf(getTile());
  int64_t block = getBlock();
  if (block < 1)
    return emitOpError("expected a block of at least 1 column, got ") << block;
  if (from.getRank() != 2 || to.getRank() != 3 || from.getElementType() != to.getElementType())
    return emitOpError("expected a tile of rank 2 and panels of rank 3 with the same elements, got ")
           << from << " and " << to;
  int64_t depth = from.getDimSize(getTransposed() ? 1 : 0), columns = from.getDimSize(getTransposed() ? 0 : 1);
  int64_t count = ShapedType::isDynamic(columns) ? columns : static_cast<int64_t>(llvm::divideCeil(columns, block));
  if (!mayBeEqual(to.getDimSize(0), count) || !mayBeEqual(to.getDimSize(1), depth) || to.getDimSize(2) != block)
    return emitOpError("expected panels of ") << block << " columns for " << from << ", got " << to;
  return success();
}
