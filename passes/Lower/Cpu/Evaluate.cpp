// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The value of a tile at a point: pulled through elementwise ops to the loads.
#include "passes/Lower/Cpu/KernelExpander.h"
#include "passes/Lower/Traversal.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace bessemer;

/// The type of a tile's element(s) at a point.
static Type typeAt(Type element, int64_t width) { return width ? Type(VectorType::get({width}, element)) : element; }

FailureOr<Value> KernelExpander::evaluate(Value tile, Point &point) {
  if (Value known = point.cache.lookup(tile))
    return known;
  FailureOr<Value> value = evaluateOp(tile, point);
  if (succeeded(value))
    point.cache[tile] = *value;
  return value;
}

FailureOr<Value> KernelExpander::evaluateOp(Value tile, Point &point) {
  Type element = cast<RankedTensorType>(tile.getType()).getElementType();
  if (auto it = memory.find(tile); it != memory.end())
    return loadAt(it->second, point, element);
  if (Value held = registers.lookup(tile)) {
    auto vector = dyn_cast<VectorType>(held.getType());
    if ((vector ? vector.getDimSize(0) : 0) != point.width)
      return kernel.emitError("a loop-carried tile is read in stretches of ") << point.width << " columns";
    return held;
  }

  Operation *op = tile.getDefiningOp();
  if (!op)
    return kernel.emitError("expected a tile that an op of the kernel makes");
  b.setLoc(op->getLoc());
  Type type = typeAt(element, point.width);
  auto splat = [&](Value scalar) -> Value {
    return point.width ? Value(vector::BroadcastOp::create(b, type, scalar)) : scalar;
  };

  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    auto dense = dyn_cast<SplatElementsAttr>(constant.getValue());
    if (!dense)
      return op->emitError("expected a constant tile of one value");
    auto value = cast<TypedAttr>(dense.getSplatValue<Attribute>());
    if (point.width)
      return Value(arith::ConstantOp::create(b, DenseElementsAttr::get(cast<ShapedType>(type), Attribute(value))));
    return Value(arith::ConstantOp::create(b, value));
  }
  if (auto splatOp = dyn_cast<tile::SplatOp>(op))
    return splat(mapped(splatOp.getValue()));
  if (auto iota = dyn_cast<tile::IotaOp>(op)) {
    bool alongColumns = int64_t(iota.getAxis()) == cast<RankedTensorType>(tile.getType()).getRank() - 1;
    Value first = add(mapped(iota.getStart()), alongColumns ? point.column : point.row);
    Value wide = splat(arith::IndexCastOp::create(b, b.getI64Type(), first));
    if (!alongColumns || !point.width)
      return wide;
    auto lanes = llvm::to_vector(llvm::seq<int64_t>(0, point.width));
    Value steps =
        arith::ConstantOp::create(b, DenseElementsAttr::get(cast<ShapedType>(type), ArrayRef<int64_t>(lanes)));
    return Value(arith::AddIOp::create(b, wide, steps));
  }
  if (auto broadcast = dyn_cast<tile::BroadcastOp>(op)) {
    auto from = cast<RankedTensorType>(broadcast.getX().getType());
    auto to = cast<RankedTensorType>(tile.getType());
    bool stretchColumns = from.getShape().back() == 1 && to.getShape().back() != 1;
    bool stretchRows = from.getRank() == 2 && from.getDimSize(0) == 1 && to.getDimSize(0) != 1;
    Point inner(stretchRows ? index(0) : point.row, stretchColumns ? index(0) : point.column,
                stretchColumns ? 0 : point.width, stretchColumns ? Value() : point.mask);
    FailureOr<Value> value = evaluate(broadcast.getX(), inner);
    if (failed(value))
      return failure();
    return stretchColumns ? splat(*value) : *value;
  }
  if (auto gather = dyn_cast<tile::GatherOp>(op)) {
    FailureOr<Value> linear = evaluate(gather.getLinear(), point);
    if (failed(linear))
      return failure();
    Value mask = point.mask;
    if (gather.getMask()) {
      FailureOr<Value> wanted = evaluate(gather.getMask(), point);
      if (failed(wanted))
        return failure();
      mask = mask ? Value(arith::AndIOp::create(b, mask, *wanted)) : *wanted;
    }
    Type stored = cast<tile::ViewType>(gather.getView().getType()).getElementType();
    Value base = bufferPointers[cast<BlockArgument>(gather.getView()).getArgNumber()];
    // One lane is a vector of one: the mask then guards a scalar read, too.
    int64_t width = std::max<int64_t>(point.width, 1);
    auto widen = [&](Value v) -> Value {
      return point.width ? v : Value(vector::BroadcastOp::create(b, VectorType::get({1}, v.getType()), v));
    };
    auto i1s = VectorType::get({width}, b.getI1Type());
    mask = mask ? widen(mask) : Value(arith::ConstantOp::create(b, DenseElementsAttr::get(i1s, true)));
    auto pointers = VectorType::get({width}, LLVM::LLVMPointerType::get(b.getContext()));
    Value addresses =
        LLVM::GEPOp::create(b, pointers, storageType(stored), base, ArrayRef<LLVM::GEPArg>{widen(*linear)});
    auto resultType = VectorType::get({width}, storageType(stored));
    Value zero = arith::ConstantOp::create(b, b.getZeroAttr(resultType));
    unsigned alignment = (storageType(stored).getIntOrFloatBitWidth() + 7) / 8;
    Value value = LLVM::masked_gather::create(b, resultType, addresses, mask, ValueRange{zero}, alignment);
    if (stored.isInteger(1))
      value = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, value, zero);
    return point.width ? value : Value(vector::ExtractOp::create(b, value, int64_t(0)));
  }
  if (auto gather = dyn_cast<tile::GatherRowsOp>(op))
    return evaluateGatherRows(gather, point);
  if (auto reduce = dyn_cast<tile::ReduceOp>(op))
    return reduceRows(reduce, point);
  if (!isElementwiseTileOp(op))
    return op->emitError("expected an op that can be evaluated element by element");

  SmallVector<Value> operands;
  for (Value operand : op->getOperands()) {
    if (!isa<RankedTensorType>(operand.getType())) {
      operands.push_back(mapped(operand));
      continue;
    }
    FailureOr<Value> value = evaluate(operand, point);
    if (failed(value))
      return failure();
    operands.push_back(*value);
  }
  OperationState state(op->getLoc(), op->getName(), operands, {type}, op->getAttrs());
  return b.create(state)->getResult(0);
}

/// The rows of a window that are gathered, of what `x` is computed from; null: none, or several windows.
static tile::GatherRowsOp findWindow(Value x) {
  llvm::SetVector<Value> tree;
  collectTree(x, tree);
  tile::GatherRowsOp found;
  for (Value value : tree)
    if (auto gather = value.getDefiningOp<tile::GatherRowsOp>()) {
      if (found)
        return {};
      found = gather;
    }
  return found;
}

/// Rows of a window that are code of their own each: where they are is then known but for one address.
static constexpr int64_t mostUnrolledRows = 64;

/// A reduction along the rows is not a traversal of its own: the stretch of
/// columns that is asked for is summed over all rows.
FailureOr<Value> KernelExpander::reduceRows(tile::ReduceOp op, Point &point) {
  Type type = typeAt(cast<RankedTensorType>(op.getTile().getType()).getElementType(), point.width);
  int64_t rows = cast<RankedTensorType>(op.getX().getType()).getDimSize(0);
  auto next = [&](Value row, Value sum) -> FailureOr<Value> {
    Point inner(row, point.column, point.width, point.mask);
    // A sum of products is a chain of fused multiply-adds.
    if (auto product = op.getX().getDefiningOp<arith::MulFOp>();
        product && op.getKind() == tile::ReductionKind::Sum && point.width && !memory.count(op.getX())) {
      FailureOr<Value> left = evaluate(product.getLhs(), inner), right = evaluate(product.getRhs(), inner);
      if (failed(left) || failed(right))
        return failure();
      return Value(vector::FMAOp::create(b, *left, *right, sum));
    }
    FailureOr<Value> value = evaluate(op.getX(), inner);
    return failed(value) ? value : FailureOr<Value>(combine(op.getKind(), sum, *value));
  };
  auto inALoop = [&] { return accumulate(op.getKind(), type, index(0), extent(op.getX(), 0), /*step=*/1, rows, next); };

  // A window that lies inside of the image, as most do, needs no masks; nor does it need a loop.
  tile::GatherRowsOp window = findWindow(op.getX());
  if (!window || !window.getMask() || memory.count(window.getTile()) || ShapedType::isDynamic(rows) || rows < 2 ||
      rows > mostUnrolledRows)
    return inALoop();
  Value inside;
  for (int64_t row = 0; row < rows; ++row) {
    Point place(index(row), index(0), 0);
    FailureOr<Value> here = evaluate(window.getMask(), place);
    if (failed(here))
      return failure();
    inside = inside ? Value(arith::AndIOp::create(b, inside, *here)) : *here;
  }
  auto branch = scf::IfOp::create(b, type, inside, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  windowInside = window;
  FailureOr<Value> sum = neutral(op.getKind(), type);
  for (int64_t row = 0; row < rows && succeeded(sum); ++row)
    sum = next(index(row), *sum);
  windowInside = {};
  if (failed(sum))
    return failure();
  scf::YieldOp::create(b, ValueRange{*sum});
  b.setInsertionPointToStart(branch.elseBlock());
  FailureOr<Value> masked = inALoop();
  if (failed(masked))
    return failure();
  scf::YieldOp::create(b, ValueRange{*masked});
  return branch.getResult(0);
}

/// How many numbers are added to one sum, one after the other: rounding errors grow with it.
static constexpr int64_t addsInAChain = 128;

FailureOr<Value> KernelExpander::accumulate(tile::ReductionKind kind, Type type, Value from, Value to, int64_t step,
                                            int64_t count, AccumulateFn next) {
  auto loop = [&](Value first, Value end) -> FailureOr<Value> {
    auto loop = scf::ForOp::create(b, first, end, index(step), ValueRange{neutral(kind, type)});
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    FailureOr<Value> sum = next(loop.getInductionVar(), loop.getRegionIterArgs()[0]);
    if (failed(sum))
      return failure();
    scf::YieldOp::create(b, ValueRange{*sum});
    return Value(loop.getResult(0));
  };
  // A long sum is a sum of sums: one of 25600 pixels in float loses 12 bits as a chain, and 8 this way.
  bool rounds = isa<FloatType>(getElementTypeOrSelf(type)) && kind == tile::ReductionKind::Sum;
  if (!rounds || (!ShapedType::isDynamic(count) && count <= 2 * addsInAChain * step))
    return loop(from, to);
  int64_t stretch = addsInAChain * step;
  auto stretches = scf::ForOp::create(b, from, to, index(stretch), ValueRange{neutral(kind, type)});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(stretches.getBody());
  Value first = stretches.getInductionVar();
  FailureOr<Value> part = loop(first, arith::MinSIOp::create(b, add(first, index(stretch)), to));
  if (failed(part))
    return failure();
  scf::YieldOp::create(b, ValueRange{combine(kind, stretches.getRegionIterArgs()[0], *part)});
  return Value(stretches.getResult(0));
}
