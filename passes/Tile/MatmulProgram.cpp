// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// matmul with its epilogue. A point of the grid is a block of rows and one
// panel of columns; panels run fastest, so that threads share the rows.
#include "passes/Tile/MatmulProgram.h"

#include "dialects/Tile/ProductShape.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

#include <cmath>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tilegen;

Value tilegen::emitEpilogue(ProgramBuilder &p, Value root, const EpilogueLeaves &leaves, ArrayRef<Extent> extents) {
  DenseMap<Value, Value> done;
  std::function<Value(Value)> emit = [&](Value value) -> Value {
    if (Value known = done.lookup(value))
      return known;
    Value tile = leaves(value);
    if (!tile) {
      Operation *op = value.getDefiningOp();
      if (!op)
        return {};
      if (auto constant = dyn_cast<ConstantOp>(op))
        return done[value] = p.constant(constant, extents);
      SmallVector<Value> operands;
      for (Value operand : op->getOperands()) {
        Value o = emit(operand);
        if (!o)
          return {};
        operands.push_back(o);
      }
      p.b.setLoc(op->getLoc());
      tile = p.elementwise(op, operands, extents);
    }
    return done[value] = tile;
  };
  return emit(root);
}

SymbolicExpr tilegen::evenTaskRows(const SymbolicExpr &rows, int64_t most) {
  if (std::optional<int64_t> known = rows.isConstant(); known && *known % most == 0)
    return most;
  SymbolicExpr tasks = SymbolicExpr::max(SymbolicExpr::ceilDiv(rows, most), 1);
  return SymbolicExpr::ceilDiv(rows, tasks);
}

static ProductEpilogue epilogueOf(Block &body) {
  auto epilogue = ProductEpilogue::None;
  for (Operation &op : body) {
    if (isa<MatmulOp, MatmulPartsOp, GroupedMatmulOp, ConvOp, YieldOp, ConstantOp>(op))
      continue;
    if (!isa<AddOp, SubOp, MulOp, DivOp, MaxOp, MinOp, NegOp, AbsOp, ReluOp, CastOp, WhereOp>(op))
      return ProductEpilogue::Functions;
    epilogue = ProductEpilogue::Arithmetic;
  }
  return epilogue;
}

std::optional<GpuMatmulSchedule> tilegen::chooseProductSchedule(const GpuMachine &machine, const GpuMatmulShape &shape,
                                                                Block &body, bool guarded) {
  std::optional<GpuMatmulSchedule> schedule = chooseGpuMatmulSchedule(shape, machine);
  return schedule && (guarded || isRagged(*schedule, shape)) && epilogueOf(body) == ProductEpilogue::Functions
             ? chooseGpuMatmulSchedule(shape, machine, guardedSumsWithFunctions)
             : schedule;
}

/// How a GPU cuts the product up: as was measured, or as the model finds cheapest.
static std::optional<GpuMatmulSchedule> gpuSchedule(const ProgramBuilder &p, const tile::ProductOp &product,
                                                    const GpuMatmulShape &shape) {
  Block &body = *product.op->getBlock();
  ProductEpilogue epilogue = epilogueOf(body);
  const TunedProduct *tuned = nullptr;
  if (p.tuned)
    tuned = product.partDepth ? p.tuned->findParts(shape) : p.tuned->find(shape, epilogue);
  // One that was measured with another epilogue, or in parts that this product was not cut into.
  if (tuned &&
      (product.partDepth ||
       (tuned->parts == 1 && checkGpuProduct({shape, epilogue}, {1, 0, tuned->schedule, 0}, *p.gpu).empty()))) {
    GpuMatmulSchedule schedule = tuned->schedule;
    schedule.reason = tuned->reason();
    return schedule;
  }
  // Where a group ends no block knows before it runs.
  return tilegen::chooseProductSchedule(*p.gpu, shape, body, shape.mayBeEmpty);
}

/// What the kernel computes, for `bessemer tune`, and what the model expects of it, for the emulated device.
static void describeProduct(ProgramBuilder &p, const tile::ProductOp &product, const GpuMatmulShape &shape,
                            const GpuMatmulSchedule &schedule) {
  StringAttr name = product.op->getAttrOfType<StringAttr>(tile::productName);
  if (!name)
    name = p.b.getStringAttr(
        isNamed(shape) && !product.partDepth ? productText(shape, epilogueOf(*product.op->getBlock())) : std::string());
  p.kernel->setAttr(tile::productName, name);
  double cycles = gpuMatmulCost(schedule, shape, *p.gpu).cycles;
  p.kernel->setAttr("bess.cycles", p.b.getI64IntegerAttr(std::llround(cycles)));
}

GroupRows tilegen::findGroupRows(ProgramBuilder &p, Value offsets, int64_t groups, Value number, int64_t blockRows,
                                 Value total) {
  Value zero = p.index(0), size = p.index(blockRows);
  auto most = [&](Value x, Value y) { return Value(arith::MaxSIOp::create(p.b, x, y)); };
  auto offsetAt = [&](Value place) {
    Value offset = tile::LoadScalarOp::create(p.b, p.b.getI64Type(), offsets, place);
    return p.minimum(most(arith::IndexCastOp::create(p.b, p.b.getIndexType(), offset), zero), total);
  };
  auto firstBlock = [&](Value group, Value offset) { return p.add(arith::DivUIOp::create(p.b, offset, size), group); };
  // The last group whose first block is not behind this one.
  Value group = zero;
  for (int64_t step = groups > 1 ? llvm::bit_floor(uint64_t(groups - 1)) : 0; step; step /= 2) {
    Value further = p.minimum(p.add(group, p.index(step)), p.index(groups));
    Value isBefore =
        arith::CmpIOp::create(p.b, arith::CmpIPredicate::sle, firstBlock(further, offsetAt(further)), number);
    Value exists = arith::CmpIOp::create(p.b, arith::CmpIPredicate::slt, further, p.index(groups));
    group = arith::SelectOp::create(p.b, arith::AndIOp::create(p.b, exists, isBefore), further, group);
  }
  Value start = offsetAt(group), end = offsetAt(p.add(group, p.index(1)));
  Value ownBlock = most(p.sub(number, firstBlock(group, start)), zero);
  Value first = p.add(start, p.mul(ownBlock, size));
  return {group, first, p.minimum(most(p.sub(end, first), zero), size)};
}

tile::KernelOp tilegen::writeMatmulProgram(ProgramBuilder &p) {
  Block &body = p.fusion.getBody().front();
  auto yield = cast<YieldOp>(body.getTerminator());
  std::optional<tile::ProductOp> found;
  for (Operation &op : body)
    if (auto product = tile::ProductOp::of(&op))
      found = product;
  if (!found || yield.getNumOperands() != 1)
    return {};
  tile::ProductOp matmul = *found;
  auto left = dyn_cast<BlockArgument>(matmul.a);
  auto right = dyn_cast<BlockArgument>(matmul.b);
  if (!left || !right || (matmul.offsets && !isa<BlockArgument>(matmul.offsets)) ||
      (matmul.bias && !isa<BlockArgument>(matmul.bias)))
    return {};
  auto w = getDims(right.getType());
  bool packed = matmul.op->hasAttr(packedColumnsName); // [.., panels, K, columns]
  std::optional<tile::ProductSizes> sizes = tile::productSizes(matmul, packed);
  if (!sizes)
    return {};
  const SymbolicExpr &rows = sizes->rows, &columns = sizes->columns, &batches = sizes->batches, &depth = sizes->depth;
  bool shared = sizes->shared, leftOnce = sizes->leftOnce;
  int64_t groups = sizes->groups;
  SymbolicExpr rightBatches = groups ? SymbolicExpr(groups) : shared ? SymbolicExpr(1) : batches;

  int64_t width;
  MatmulSchedule schedule;
  std::optional<GpuMatmulShape> gpuShape;
  std::optional<GpuMatmulSchedule> onGpu;
  if (p.gpu && !packed)
    gpuShape = tile::gpuMatmulShape(matmul, *sizes, *p.gpu);
  if (gpuShape)
    onGpu = gpuSchedule(p, matmul, *gpuShape);
  if ((matmul.partDepth || matmul.transposeA) && !onGpu)
    return {};
  if (onGpu) {
    width = onGpu->blockColumns;
  } else {
    width = packed ? *w.back().isConstant() : p.schedule.panelColumns();
    MatmulShape shape = {groups ? std::nullopt : rows.isConstant(), depth.isConstant(), columns.isConstant(),
                         /*streamed=*/packed, width};
    schedule = chooseMatmulSchedule(shape, p.schedule);
  }
  std::optional<int64_t> knownRows = rows.isConstant();
  // Rows that come in no whole tasks are shared out evenly: threads end together.
  // A GPU's block has one size.
  int64_t most = onGpu ? onGpu->blockRows : schedule.taskRows;
  SymbolicExpr block = onGpu || groups ? SymbolicExpr(most) : evenTaskRows(rows, most),
               tasks = groups ? SymbolicExpr::floorDiv(rows, most) + groups : SymbolicExpr::ceilDiv(rows, most);
  bool wholeBlocks = !groups && knownRows && *knownRows % *block.isConstant() == 0;

  SmallVector<SmallVector<SymbolicExpr>> views;
  Type resultType = matmul.y.getType();
  for (BlockArgument argument : body.getArguments()) {
    auto dims = getDims(argument.getType());
    if (argument == left)
      views.push_back(
          {leftOnce ? SymbolicExpr(1) : batches, matmul.transposeA ? depth : rows, matmul.transposeA ? rows : depth});
    else if (argument == right && packed)
      views.push_back({rightBatches, w[w.size() - 3], depth, w.back()});
    else if (argument == right)
      views.push_back({rightBatches, matmul.transposeB ? columns : depth, matmul.transposeB ? depth : columns});
    else if (argument == matmul.bias)
      views.push_back({SymbolicExpr(1), SymbolicExpr(groups), columns});
    else if (argument == matmul.offsets)
      views.push_back({SymbolicExpr(groups + 1)});
    else if (dims == getDims(resultType))
      views.push_back({batches, rows, columns});
    else
      views.push_back({dims.empty() ? SymbolicExpr(1) : dims.back()});
  }
  views.push_back({sizes->parts * batches, rows, columns});
  SymbolicExpr panelCount = SymbolicExpr::ceilDiv(columns, width);
  bool ownPanels = !packed && !onGpu && matmul.transposeB;
  // Panels that the kernel makes itself serve all rows and columns of a batch.
  SmallVector<SymbolicExpr> grid = {batches, tasks};
  if (!ownPanels)
    grid.push_back(panelCount);
  if (matmul.partDepth) // the slowest: blocks that run at a time share operands
    grid.insert(grid.begin(), sizes->parts);
  p.begin(views, grid);
  if (onGpu) {
    p.setSchedule(*onGpu);
    describeProduct(p, matmul, *gpuShape, *onGpu);
  } else {
    p.setSchedule(schedule);
  }

  unsigned firstId = matmul.partDepth ? 1 : 0;
  Value batch = p.gridId(firstId), taskRows = p.indexOf(block), firstRow;
  std::optional<GroupRows> own;
  if (groups) {
    Value offsets = p.view(cast<BlockArgument>(matmul.offsets).getArgNumber());
    own = findGroupRows(p, offsets, groups, p.gridId(firstId + 1), most, p.indexOf(rows));
    firstRow = own->first;
  } else {
    firstRow = p.mul(p.gridId(firstId + 1), taskRows);
  }
  Value column = ownPanels ? p.index(0) : p.mul(p.gridId(firstId + 2), p.index(width));
  Extent rowExtent = own           ? Extent{-1, own->count}
                     : wholeBlocks ? Extent::of(*block.isConstant())
                                   : Extent{-1, p.minimum(taskRows, p.sub(p.indexOf(rows), firstRow))};
  std::optional<int64_t> knownColumns = columns.isConstant();
  Extent columnExtent = ownPanels ? p.extentOf(columns) : Extent::of(width);
  bool wholeColumns = ownPanels || (knownColumns && *knownColumns % width == 0);
  // The last part may end before its last step: what is outside of the view is zero.
  Extent depthExtent = matmul.partDepth ? Extent::of(matmul.partDepth) : p.extentOf(depth);
  std::optional<int64_t> knownDepth = depth.isConstant();
  bool wholeDepth = !matmul.partDepth || (knownDepth && *knownDepth % matmul.partDepth == 0);
  Value zero = p.index(0), firstDepth = matmul.partDepth ? p.mul(p.gridId(0), p.index(matmul.partDepth)) : zero;

  scf::IfOp hasRows;
  if (own) { // a block without rows reads nothing
    Value isThere = arith::CmpIOp::create(p.b, arith::CmpIPredicate::sgt, own->count, zero);
    hasRows = scf::IfOp::create(p.b, isThere, /*withElseRegion=*/false);
    p.b.setInsertionPointToStart(hasRows.thenBlock());
  }
  Value leftView = p.view(left.getArgNumber()), leftBatch = leftOnce ? zero : batch;
  Value aTile =
      matmul.transposeA
          ? p.loadStored(leftView, {leftBatch, firstDepth, firstRow}, {1, 2}, {depthExtent, rowExtent}, wholeDepth)
          : p.loadStored(leftView, {leftBatch, firstRow, firstDepth}, {1, 2}, {rowExtent, depthExtent}, wholeDepth);
  Value rightView = p.view(right.getArgNumber());
  Value rightBatch = own ? own->group : shared ? zero : batch;
  Value bTile;
  if (packed) {
    bTile =
        p.loadStored(rightView, {rightBatch, p.gridId(2), zero, zero}, {2, 3}, {depthExtent, Extent::of(width)}, true);
  } else if (ownPanels) {
    Value plain = p.loadStored(rightView, {rightBatch, zero, zero}, {1, 2}, {columnExtent, depthExtent}, true);
    auto type = cast<RankedTensorType>(plain.getType());
    bTile = tile::PanelsOp::create(
        p.b, RankedTensorType::get({ShapedType::kDynamic, type.getDimSize(1), width}, type.getElementType()), plain,
        width, true);
  } else if (matmul.transposeB) {
    bTile = p.loadStored(rightView, {rightBatch, column, firstDepth}, {1, 2}, {columnExtent, depthExtent},
                         wholeColumns && wholeDepth);
  } else {
    bTile = p.loadStored(rightView, {rightBatch, firstDepth, column}, {1, 2}, {depthExtent, columnExtent},
                         wholeColumns && wholeDepth);
  }
  bool transposed = matmul.transposeB && !packed && !ownPanels;
  Value sum = p.dot(aTile, bTile, /*columns=*/-1, transposed, matmul.transposeA);

  SmallVector<Extent> extents = {rowExtent, columnExtent};
  if (matmul.bias) {
    Value view = p.view(cast<BlockArgument>(matmul.bias).getArgNumber());
    Value bias = p.load(view, {zero, own->group, column}, {1, 2}, {Extent::of(1), columnExtent}, wholeColumns);
    sum = arith::AddFOp::create(p.b, sum, p.broadcast(bias, extents));
  }
  Value result = emitEpilogue(
      p, yield.getValues()[0],
      [&](Value value) -> Value {
        if (value == matmul.y)
          return sum;
        auto argument = dyn_cast<BlockArgument>(value);
        if (!argument)
          return {};
        Value view = p.view(argument.getArgNumber());
        auto dims = getDims(argument.getType());
        if (dims == getDims(resultType))
          return p.load(view, {batch, firstRow, column}, {1, 2}, extents, wholeColumns);
        bool one = dims.empty() || dims.back() == SymbolicExpr::constant(1);
        if (one && !(columns == SymbolicExpr::constant(1)))
          return p.broadcast(p.load(view, {zero}, {0, 0}, {Extent::of(1), Extent::of(1)}, true), extents);
        return p.broadcast(p.load(view, {column}, {0, 0}, {Extent::of(1), columnExtent}, wholeColumns), extents);
      },
      extents);
  if (!result)
    return {};
  Value place = matmul.partDepth ? p.add(p.mul(p.gridId(0), p.indexOf(batches)), batch) : batch;
  p.store(result, p.view(views.size() - 1), {place, firstRow, column}, {1, 2}, wholeColumns);
  if (hasRows)
    p.b.setInsertionPointAfter(hasRows);
  return p.finish(batches * rows * columns * depth * 2);
}
