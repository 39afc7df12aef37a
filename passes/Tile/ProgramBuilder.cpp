// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Tile/ProgramBuilder.h"

#include "dialects/Tile/GpuMatmulScheduleAttr.h"
#include "dialects/Tile/IndexExpr.h"
#include "dialects/Tile/MatmulScheduleAttr.h"
#include "dialects/Tile/TargetSchedule.h"
#include "passes/Tile/NarrowTypes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::tilegen;

Type tilegen::computeType(Type element) {
  if (element.isF16() || element.isBF16())
    return Float32Type::get(element.getContext());
  if (isNarrowFloat(element) || elementsPerByte(element) > 1)
    return IntegerType::get(element.getContext(), 8);
  if (element.isInteger() && !element.isSignlessInteger())
    return IntegerType::get(element.getContext(), element.getIntOrFloatBitWidth());
  return element;
}

RankedTensorType tilegen::tileType(ArrayRef<Extent> extents, Type element) {
  SmallVector<int64_t> shape;
  for (const Extent &extent : extents)
    shape.push_back(extent.constant >= 0 ? extent.constant : ShapedType::kDynamic);
  return RankedTensorType::get(shape, element);
}

static SmallVector<Value> dynamicSizes(ArrayRef<Extent> extents) {
  SmallVector<Value> sizes;
  for (const Extent &extent : extents)
    if (extent.constant < 0)
      sizes.push_back(extent.value);
  return sizes;
}

ProgramBuilder::ProgramBuilder(bess::FusionOp fusion, const CpuSchedule &schedule)
    : fusion(fusion), schedule(schedule), gpu(tile::getGpuMachine(fusion->getParentOfType<ModuleOp>())),
      b(fusion.getLoc(), fusion.getContext()) {}

SymbolicExpr ProgramBuilder::inner(const SymbolicExpr &expr) {
  SymbolicExpr::Substitution substitution;
  for (const std::string &symbol : expr.symbols()) {
    auto [it, isNew] = renamed.try_emplace(symbol, "s" + std::to_string(symbols.size()));
    if (isNew)
      symbols.push_back(symbol);
    substitution[symbol] = SymbolicExpr::symbol(it->second);
  }
  return substitution.empty() ? expr : expr.substitute(substitution);
}

void ProgramBuilder::begin(ArrayRef<SmallVector<SymbolicExpr>> viewDims, ArrayRef<SymbolicExpr> gridDims) {
  auto module = fusion->getParentOfType<ModuleOp>();
  b.setInsertionPointToEnd(module.getBody());
  SmallVector<Type> types;
  SmallVector<Value> tensors(fusion.getInputs());
  llvm::append_range(tensors, fusion.getOutputs());
  for (auto [tensor, dims] : llvm::zip(tensors, viewDims)) {
    SmallVector<SymbolicExpr> own;
    for (const SymbolicExpr &dim : dims)
      own.push_back(inner(dim));
    Type element = getElementTypeOrSelf(tensor.getType());
    if (elementsPerByte(element) > 1)
      element = b.getI8Type();
    types.push_back(tile::ViewType::get(b.getContext(), bess::getDimsAttr(b.getContext(), own), element));
  }
  SmallVector<SymbolicExpr> own;
  for (const SymbolicExpr &dim : gridDims) {
    grid.push_back(dim);
    own.push_back(inner(dim));
  }
  // Everything that the body says about sizes comes from the fusion's types.
  fusion.getBody().walk([&](Operation *op) {
    for (Type type : op->getResultTypes())
      for (const SymbolicExpr &dim : bess::getDims(type))
        inner(dim);
    if (auto trilu = dyn_cast<bess::TriluOp>(op))
      if (std::optional<SymbolicExpr> diagonal = SymbolicExpr::parse(trilu.getK()))
        inner(*diagonal);
    for (NamedAttribute attribute : op->getAttrs())
      if (auto dims = dyn_cast<bess::DimsAttr>(attribute.getValue()))
        for (const SymbolicExpr &dim : bess::parseDims(dims))
          inner(dim);
  });
  for (Value input : fusion.getInputs())
    for (const SymbolicExpr &dim : bess::getDims(input.getType()))
      inner(dim);

  kernel =
      tile::KernelOp::create(b, "kernel", bess::getDimsAttr(b.getContext(), own), types.size(), fusion.getNumResults(),
                             symbols.size(), fusion.getKind(), fusion.getReason(), b.getDictionaryAttr({}), "0", "0");
  Block *body = b.createBlock(&kernel.getBody());
  for (Type type : types)
    body->addArgument(type, b.getLoc());
  for (size_t i = 0; i < symbols.size() + grid.size(); ++i)
    body->addArgument(b.getIndexType(), b.getLoc());
}

static void addReason(tile::KernelOp kernel, const std::string &more) {
  std::string reason = kernel.getReason().str();
  kernel.setReason(reason + (reason.empty() ? "" : "; ") + more);
}

void ProgramBuilder::setSchedule(const MatmulSchedule &schedule) {
  kernel.setScheduleAttr(tile::toScheduleAttr(b.getContext(), schedule));
  addReason(kernel, schedule.reason);
}

void ProgramBuilder::setSchedule(const GpuMatmulSchedule &schedule) {
  kernel.setScheduleAttr(tile::toScheduleAttr(b.getContext(), schedule));
  addReason(kernel, schedule.reason);
}

tile::KernelOp ProgramBuilder::finish(const SymbolicExpr &flops) {
  tile::ReturnOp::create(b);
  SymbolicExpr bytes = 0;
  auto count = [&](Value tensor) {
    Type element = getElementTypeOrSelf(tensor.getType());
    SymbolicExpr count = bess::getElementCount(tensor.getType());
    int64_t shared = elementsPerByte(element);
    bytes += shared > 1 ? SymbolicExpr::ceilDiv(count, shared) : count * ((element.getIntOrFloatBitWidth() + 7) / 8);
  };
  for (auto [input, argument] : llvm::zip(fusion.getInputs(), fusion.getBody().front().getArguments())) {
    // Of a table, what is gathered or sliced out of it is read, not the rest.
    bool partly = !argument.use_empty() && llvm::all_of(argument.getUses(), [](OpOperand &use) {
      return isa<bess::GatherOp, bess::SliceOp>(use.getOwner()) && use.getOperandNumber() == 0;
    });
    if (!partly)
      count(input);
    else
      for (Operation *user : argument.getUsers())
        count(user->getResult(0));
  }
  for (Value output : fusion.getOutputs())
    count(output);
  kernel.setFlops(inner(flops).str());
  kernel.setBytes(inner(bytes).str());
  return kernel;
}

Value ProgramBuilder::indexOf(const SymbolicExpr &expr) {
  return tile::buildIndex(b, expr, [&](StringRef name) -> Value {
    auto it = renamed.find(name.str());
    if (it == renamed.end())
      return {};
    unsigned number = std::stoul(it->second.substr(1));
    return number < kernel.getSymbols() ? kernel.getSymbolArgument(number) : Value();
  });
}

Extent ProgramBuilder::extentOf(const SymbolicExpr &expr) {
  if (std::optional<int64_t> constant = expr.isConstant())
    return Extent::of(*constant);
  return {-1, indexOf(expr)};
}

Value ProgramBuilder::index(int64_t value) { return arith::ConstantIndexOp::create(b, value); }
Value ProgramBuilder::add(Value x, Value y) { return b.createOrFold<arith::AddIOp>(x, y); }
Value ProgramBuilder::sub(Value x, Value y) { return b.createOrFold<arith::SubIOp>(x, y); }
Value ProgramBuilder::mul(Value x, Value y) { return b.createOrFold<arith::MulIOp>(x, y); }
Value ProgramBuilder::minimum(Value x, Value y) { return b.createOrFold<arith::MinSIOp>(x, y); }
Value ProgramBuilder::sizeOf(const Extent &extent) {
  return extent.constant >= 0 ? index(extent.constant) : extent.value;
}

Value ProgramBuilder::loadStored(Value view, ValueRange offsets, ArrayRef<int64_t> dims, ArrayRef<Extent> extents,
                                 bool inBounds) {
  Type stored = cast<tile::ViewType>(view.getType()).getElementType();
  Type loaded = stored.isInteger() ? computeType(stored) : stored;
  auto load = tile::LoadOp::create(b, tileType(extents, loaded), view, offsets, dynamicSizes(extents), dims);
  if (inBounds)
    load->setAttr("in_bounds", b.getUnitAttr());
  return load.getTile();
}

Value ProgramBuilder::load(Value view, ValueRange offsets, ArrayRef<int64_t> dims, ArrayRef<Extent> extents,
                           bool inBounds, Value condition) {
  Value tile = loadStored(view, offsets, dims, extents, inBounds);
  if (condition)
    tile.getDefiningOp<tile::LoadOp>().getConditionMutable().assign(condition);
  Type compute = computeType(cast<tile::ViewType>(view.getType()).getElementType());
  if (isNarrowFloat(getElementTypeOrSelf(tile.getType()))) // as bits
    tile.setType(tileType(extents, compute));
  if (compute == getElementTypeOrSelf(tile.getType()))
    return tile;
  return arith::ExtFOp::create(b, tileType(extents, compute), tile);
}

void ProgramBuilder::store(Value tile, Value view, ValueRange offsets, ArrayRef<int64_t> dims, bool inBounds,
                           Value condition) {
  Type stored = cast<tile::ViewType>(view.getType()).getElementType();
  auto type = cast<RankedTensorType>(tile.getType());
  if (isa<FloatType>(type.getElementType()) && stored != type.getElementType())
    tile = arith::TruncFOp::create(b, RankedTensorType::get(type.getShape(), stored), tile);
  auto store = tile::StoreOp::create(b, tile, view, offsets, condition, dims);
  if (inBounds)
    store->setAttr("in_bounds", b.getUnitAttr());
}

Value ProgramBuilder::splat(Value scalar, ArrayRef<Extent> extents) {
  return tile::SplatOp::create(b, tileType(extents, scalar.getType()), scalar, dynamicSizes(extents));
}

Value ProgramBuilder::constant(double value, Type element, ArrayRef<Extent> extents) {
  TypedAttr attribute;
  if (auto floating = dyn_cast<FloatType>(element))
    attribute = b.getFloatAttr(floating, value);
  else
    attribute = b.getIntegerAttr(element, static_cast<int64_t>(value));
  return splat(arith::ConstantOp::create(b, attribute), extents);
}

Value ProgramBuilder::constant(bess::ConstantOp op, ArrayRef<Extent> extents) {
  auto dense = dyn_cast<SplatElementsAttr>(op.getValue());
  if (!dense)
    return {};
  Type element = computeType(dense.getElementType());
  TypedAttr attribute;
  if (auto floating = dyn_cast<FloatType>(element))
    attribute = b.getFloatAttr(floating, dense.getSplatValue<APFloat>().convertToDouble());
  else
    attribute = b.getIntegerAttr(element, dense.getSplatValue<APInt>());
  return splat(arith::ConstantOp::create(b, attribute), extents);
}

Value ProgramBuilder::broadcast(Value tile, ArrayRef<Extent> extents) {
  auto from = cast<RankedTensorType>(tile.getType());
  RankedTensorType to = tileType(extents, from.getElementType());
  if (from == to)
    return tile;
  return tile::BroadcastOp::create(b, to, tile, dynamicSizes(extents));
}

Value ProgramBuilder::iota(Value start, int64_t axis, ArrayRef<Extent> extents) {
  return tile::IotaOp::create(b, tileType(extents, b.getI64Type()), start, dynamicSizes(extents), axis);
}

Value ProgramBuilder::reduce(StringRef kind, Value tile, int64_t axis, bool drop) {
  auto type = cast<RankedTensorType>(tile.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape[axis] = 1;
  if (drop)
    shape.erase(shape.begin() + axis);
  std::optional<tile::ReductionKind> known = tile::symbolizeReductionKind(kind);
  return known
             ? Value(tile::ReduceOp::create(b, RankedTensorType::get(shape, type.getElementType()), *known, tile, axis))
             : Value();
}

Value ProgramBuilder::dot(Value a, Value right, int64_t columns, bool transposeB, bool transposeA) {
  auto x = cast<RankedTensorType>(a.getType()), y = cast<RankedTensorType>(right.getType());
  if (columns < 0)
    columns = y.getDimSize(transposeB ? 0 : 1);
  if (auto panels = right.getDefiningOp<tile::PanelsOp>())
    columns = cast<RankedTensorType>(panels.getX().getType()).getDimSize(panels.getTransposed() ? 0 : 1);
  return tile::DotOp::create(b, RankedTensorType::get({x.getDimSize(transposeA ? 1 : 0), columns}, b.getF32Type()), a,
                             right, transposeB, transposeA);
}

Value ProgramBuilder::dotTransposed(Value a, Value right) { return dot(a, right, -1, /*transposeB=*/true); }
