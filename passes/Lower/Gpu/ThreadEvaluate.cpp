// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The value of an element of a tile, pulled through the program.
#include "passes/Lower/Gpu/ThreadExpander.h"

#include "passes/Lower/TileParts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::gpu;

FailureOr<Value> ThreadExpander::evaluate(Value tile, Place &place) {
  if (Value known = place.cache.lookup(tile))
    return known;
  FailureOr<Value> value = evaluateOp(tile, place);
  if (succeeded(value))
    place.cache[tile] = *value;
  return value;
}

FailureOr<Value> ThreadExpander::evaluateOp(Value tile, Place &place) {
  auto type = cast<RankedTensorType>(tile.getType());
  if (auto it = memory.find(tile); it != memory.end()) {
    if (Operation *op = tile.getDefiningOp())
      b.setLoc(op->getLoc());
    return loadAt(it->second, place.at);
  }
  if (auto it = registers.find(tile); it != registers.end()) {
    if (type.getNumElements() == 1)
      return it->second[0];
    if (place.slot < 0 || place.slot >= static_cast<int64_t>(it->second.size()))
      return kernel.emitError("expected a tile that a loop carries to be read element by element");
    return it->second[place.slot];
  }
  Operation *op = tile.getDefiningOp();
  if (!op)
    return kernel.emitError("expected a tile that an op of the kernel makes");
  b.setLoc(op->getLoc());

  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    auto dense = dyn_cast<SplatElementsAttr>(constant.getValue());
    if (!dense)
      return op->emitError("expected a constant tile of one value");
    return Value(arith::ConstantOp::create(b, cast<TypedAttr>(dense.getSplatValue<Attribute>())));
  }
  if (auto convert = dyn_cast<tile::ConvertOp>(op)) // of layouts, which there are none of here
    return evaluate(convert.getX(), place);
  if (auto splat = dyn_cast<tile::SplatOp>(op))
    return mapped(splat.getValue());
  if (auto iota = dyn_cast<tile::IotaOp>(op))
    return Value(arith::IndexCastOp::create(b, b.getI64Type(), add(mapped(iota.getStart()), place.at[iota.getAxis()])));
  if (auto broadcast = dyn_cast<tile::BroadcastOp>(op)) {
    auto from = cast<RankedTensorType>(broadcast.getX().getType());
    Place inner{place.at, place.slot};
    for (int64_t d = 0; d < from.getRank(); ++d)
      if (from.getDimSize(d) == 1 && type.getDimSize(d) != 1) {
        inner.at[d] = index(0);
        inner.slot = -1;
      }
    return evaluate(broadcast.getX(), inner);
  }
  if (auto gather = dyn_cast<tile::GatherOp>(op))
    return evaluateGather(op, gather.getView(), gather.getLinear(), gather.getMask(), place, {});
  if (auto gather = dyn_cast<tile::GatherRowsOp>(op)) {
    Place row{{place.at[0], index(0)}};
    return evaluateGather(op, gather.getView(), gather.getLinear(), gather.getMask(), row, place.at[1]);
  }
  if (auto reduce = dyn_cast<tile::ReduceOp>(op))
    return evaluateReduce(reduce, place);
  if (auto dot = dyn_cast<tile::DotOp>(op))
    return evaluateDot(dot, place);
  if (auto patches = dyn_cast<tile::PatchesOp>(op))
    return evaluatePatches(patches, place);
  if (auto panels = dyn_cast<tile::PanelsOp>(op)) {
    Value column = add(mul(place.at[0], index(panels.getBlock())), place.at[2]);
    Value exists = isLess(column, extent(panels.getX(), panels.getTransposed() ? 0 : 1));
    return under(exists, type.getElementType(), [&] { return evaluatePanels(panels, place.at[1], column); });
  }
  if (!isElementwiseTileOp(op))
    return op->emitError("expected an op that can be evaluated element by element, got ") << op->getName();

  SmallVector<Value> operands;
  for (Value operand : op->getOperands()) {
    if (!isTile(operand)) {
      operands.push_back(mapped(operand));
      continue;
    }
    FailureOr<Value> value = evaluate(operand, place);
    if (failed(value))
      return failure();
    operands.push_back(*value);
  }
  b.setLoc(op->getLoc());
  OperationState state(op->getLoc(), op->getName(), operands, {type.getElementType()}, op->getAttrs());
  return b.create(state)->getResult(0);
}

/// Element `linear`, or with `column` element `linear + column`, where the mask is true.
FailureOr<Value> ThreadExpander::evaluateGather(Operation *op, Value view, Value linearTile, Value maskTile,
                                                Place &place, Value column) {
  FailureOr<Value> linear = evaluate(linearTile, place);
  if (failed(linear))
    return failure();
  Value mask;
  if (maskTile) {
    FailureOr<Value> wanted = evaluate(maskTile, place);
    if (failed(wanted))
      return failure();
    mask = *wanted;
  }
  b.setLoc(op->getLoc());
  Value number = arith::IndexCastOp::create(b, b.getIndexType(), *linear);
  if (column)
    number = add(number, column);
  Type stored = cast<tile::ViewType>(view.getType()).getElementType();
  return read(element(buffers[view], stored, number), stored, mask);
}

/// A reduction that no root has made: a loop in this thread.
FailureOr<Value> ThreadExpander::evaluateReduce(tile::ReduceOp op, Place &place) {
  int64_t axis = op.getAxis();
  bool dropped =
      cast<RankedTensorType>(op.getTile().getType()).getRank() < cast<RankedTensorType>(op.getX().getType()).getRank();
  Type element = cast<RankedTensorType>(op.getTile().getType()).getElementType();
  auto loop = scf::ForOp::create(b, index(0), extent(op.getX(), axis), index(1),
                                 ValueRange{neutralValue(b, op.getKind(), element)});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Place inner{place.at};
  if (dropped)
    inner.at.insert(inner.at.begin() + axis, loop.getInductionVar());
  else
    inner.at[axis] = loop.getInductionVar();
  FailureOr<Value> value = evaluate(op.getX(), inner);
  if (failed(value))
    return failure();
  b.setLoc(op.getLoc());
  scf::YieldOp::create(b, ValueRange{combineValues(b, op.getKind(), loop.getRegionIterArgs()[0], *value)});
  return loop.getResult(0);
}

FailureOr<Value> ThreadExpander::evaluatePanels(tile::PanelsOp op, Value depth, Value column) {
  Place place;
  if (op.getTransposed())
    place.at = {column, depth};
  else
    place.at = {depth, column};
  return evaluate(op.getX(), place);
}

FailureOr<Value> ThreadExpander::evaluateDot(tile::DotOp op, Place &place) {
  Type sum = cast<RankedTensorType>(op.getTile().getType()).getElementType();
  auto right = cast<RankedTensorType>(op.getB().getType());
  for (Value operand : {op.getA(), op.getB()})
    if (Type element = getElementTypeOrSelf(operand.getType());
        element.getIntOrFloatBitWidth() < 16 && isa<FloatType>(element))
      return op.emitError("expected operands of f32, f16 or bf16 in a product element by element, got ") << element;
  Value row = place.at[0], column = place.at[1], panel, within;
  auto panels = memory.count(op.getB()) ? tile::PanelsOp() : op.getB().getDefiningOp<tile::PanelsOp>();
  if (right.getRank() == 3 && !panels) {
    panel = div(column, index(right.getDimSize(2)));
    within = rem(column, index(right.getDimSize(2)));
  }
  auto widen = [&](Value v) -> Value {
    if (v.getType() == sum)
      return v;
    if (isa<FloatType>(sum))
      return arith::ExtFOp::create(b, sum, v);
    return arith::ExtSIOp::create(b, sum, v);
  };
  auto loop = scf::ForOp::create(b, index(0), extent(op.getA(), op.getTransposeA() ? 0 : 1), index(1),
                                 ValueRange{arith::ConstantOp::create(b, b.getZeroAttr(sum))});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value k = loop.getInductionVar();
  Place left, other;
  left.at = op.getTransposeA() ? decltype(left.at){k, row} : decltype(left.at){row, k};
  FailureOr<Value> x = evaluate(op.getA(), left), y;
  if (panels) {
    y = evaluatePanels(panels, k, column);
  } else {
    if (right.getRank() == 3)
      other.at = {panel, k, within};
    else if (op.getTransposeB())
      other.at = {column, k};
    else
      other.at = {k, column};
    y = evaluate(op.getB(), other);
  }
  if (failed(x) || failed(y))
    return failure();
  b.setLoc(op.getLoc());
  Value before = loop.getRegionIterArgs()[0], l = widen(*x), r = widen(*y), after;
  if (isa<FloatType>(sum))
    after = math::FmaOp::create(b, l, r, before);
  else
    after = arith::AddIOp::create(b, before, arith::MulIOp::create(b, l, r));
  scf::YieldOp::create(b, ValueRange{after});
  return loop.getResult(0);
}

FailureOr<Value> ThreadExpander::evaluatePatches(tile::PatchesOp op, Place &place) {
  auto view = cast<tile::ViewType>(op.getView().getType());
  auto dims = bess::parseDims(view.getDims());
  int64_t spatial = op.getWindow().size();
  std::optional<int64_t> channels = dims.back().isConstant();
  if (!channels || static_cast<int64_t>(dims.size()) != spatial + 3)
    return op.emitError("expected a view [N, in.., groups, C] with a known number of channels");
  SmallVector<Value> strides = viewStrides(op.getView());
  Value tap = div(place.at[1], index(*channels)), channel = rem(place.at[1], index(*channels));
  Value rest = add(mapped(op.getFirst()), place.at[0]);
  Value linear = add(mul(mapped(op.getGroup()), index(*channels)), channel), inside;
  for (int64_t i = spatial - 1; i >= 0; --i) {
    Value out = mapped(op.getOut()[i]);
    Value o = rem(rest, out);
    rest = div(rest, out);
    Value t = i == 0 ? tap : rem(tap, index(op.getWindow()[i]));
    tap = i == 0 ? tap : div(tap, index(op.getWindow()[i]));
    Value at = add(sub(mul(o, index(op.getStrides()[i])), index(op.getPads()[i])), mul(t, index(op.getDilations()[i])));
    inside = both(inside, isLess(at, fromExpr(dims[i + 1])));
    linear = add(linear, mul(at, strides[i + 1]));
  }
  linear = add(linear, mul(rest, strides[0]));
  return read(element(buffers[op.getView()], view.getElementType(), linear), view.getElementType(), inside);
}
