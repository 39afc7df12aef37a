// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// matmul with its epilogue. A point of the grid is a block of rows and one
// panel of columns; panels run fastest, so that threads share the rows.
#include "passes/Tile/MatmulProgram.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

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

/// Whether the copy engine can bring the operands for wgmma: rows of known lengths that are multiples of 16 bytes.
static bool hasBulkOperands(MatmulOp matmul, const GpuMatmulShape &shape) {
  auto fits = [&](std::optional<int64_t> row) { return row && *row > 0 && *row * shape.elementBytes % 16 == 0; };
  // tf32 wants neighbours along the depth.
  return fits(shape.depth) &&
         (matmul.getTransposeB() || (shape.instruction == MatmulInstruction::MmaHalf && fits(shape.columns)));
}

std::optional<GpuMatmulShape> tilegen::gpuProductShape(const GpuMachine &machine, Type a, Type right, Block &body) {
  for (Type type : {a, right})
    if (!type.isF32() && !type.isF16() && !type.isBF16())
      return std::nullopt;
  GpuMatmulShape shape;
  shape.elementBytes = std::max(a.getIntOrFloatBitWidth(), right.getIntOrFloatBitWidth()) / 8;
  bool isHalf = a == right && !a.isF32(), isTf32 = machine.tf32 && a.isF32() && right.isF32();
  shape.instruction = isHalf   ? MatmulInstruction::MmaHalf
                      : isTf32 ? MatmulInstruction::MmaTf32
                               : MatmulInstruction::Fma;
  shape.functions = llvm::any_of(body, [](Operation &op) {
    return !isa<MatmulOp, ConvOp, YieldOp, ConstantOp, AddOp, SubOp, MulOp, DivOp, MaxOp, MinOp, NegOp, AbsOp, ReluOp,
                CastOp, WhereOp>(op);
  });
  return shape;
}

/// How a GPU cuts the product up; nullopt: it has no code for these types.
static std::optional<GpuMatmulSchedule> gpuSchedule(const GpuMachine &machine, MatmulOp matmul,
                                                    const GpuMatmulShape &sizes) {
  std::optional<GpuMatmulShape> shape =
      tilegen::gpuProductShape(machine, getElementTypeOrSelf(matmul.getA().getType()),
                               getElementTypeOrSelf(matmul.getB().getType()), *matmul->getBlock());
  if (!shape)
    return std::nullopt;
  shape->batches = sizes.batches;
  shape->rows = sizes.rows;
  shape->columns = sizes.columns;
  shape->depth = sizes.depth;
  shape->bulkOperands = hasBulkOperands(matmul, *shape);
  return chooseGpuMatmulSchedule(*shape, machine);
}

tile::KernelOp tilegen::writeMatmulProgram(ProgramBuilder &p) {
  Block &body = p.fusion.getBody().front();
  auto yield = cast<YieldOp>(body.getTerminator());
  MatmulOp matmul;
  for (Operation &op : body)
    if (auto m = dyn_cast<MatmulOp>(op))
      matmul = m;
  if (!matmul || yield.getNumOperands() != 1 || matmul.getTransposeA())
    return {};
  auto left = dyn_cast<BlockArgument>(matmul.getA());
  auto right = dyn_cast<BlockArgument>(matmul.getB());
  if (!left || !right)
    return {};
  auto a = getDims(left.getType()), w = getDims(right.getType()), y = getDims(matmul.getY().getType());
  bool packed = matmul->hasAttr(packedColumnsName); // [.., panels, K, columns]
  size_t weightRank = packed ? w.size() - 1 : w.size();
  SymbolicExpr depth = a.back(), columns = y.back();
  auto ones = [](ArrayRef<SymbolicExpr> dims) {
    return llvm::all_of(dims, [](const SymbolicExpr &d) { return d == SymbolicExpr::constant(1); });
  };
  bool shared = ones(ArrayRef<SymbolicExpr>(w).take_front(weightRank - 2));
  ArrayRef<SymbolicExpr> yBatch = ArrayRef<SymbolicExpr>(y).drop_back(2);

  // With one right operand for all, leading dimensions are rows. Else they
  // are batches: equal on both sides, or 1 on the left or right as a whole.
  SymbolicExpr rows = shared ? product(ArrayRef<SymbolicExpr>(y).drop_back()) : y[y.size() - 2];
  SymbolicExpr batches = shared ? SymbolicExpr(1) : product(yBatch);
  bool leftOnce = !shared && ones(ArrayRef<SymbolicExpr>(a).drop_back(2));
  if (!shared) {
    SmallVector<SymbolicExpr> wBatch(w.begin(), w.begin() + (weightRank - 2)), aBatch(a.begin(), a.end() - 2);
    if (!(product(wBatch) == batches) || !(leftOnce || product(aBatch) == batches))
      return {};
  } else if (!(product(ArrayRef<SymbolicExpr>(a).drop_back()) == rows)) {
    return {};
  }

  int64_t width;
  MatmulSchedule schedule;
  std::optional<GpuMatmulSchedule> onGpu;
  if (p.gpu && !packed)
    onGpu = gpuSchedule(*p.gpu, matmul,
                        {batches.isConstant(), rows.isConstant(), columns.isConstant(), depth.isConstant()});
  if (onGpu) {
    width = onGpu->blockColumns;
  } else {
    width = packed ? *w.back().isConstant() : p.schedule.panelColumns();
    MatmulShape shape = {rows.isConstant(), depth.isConstant(), columns.isConstant(), /*streamed=*/packed, width};
    schedule = chooseMatmulSchedule(shape, p.schedule);
  }
  std::optional<int64_t> knownRows = rows.isConstant();
  // Rows that come in no whole tasks are shared out evenly: threads end together.
  // A GPU's block has one size.
  int64_t most = onGpu ? onGpu->blockRows : schedule.taskRows;
  SymbolicExpr block = onGpu ? SymbolicExpr(most) : evenTaskRows(rows, most), tasks = SymbolicExpr::ceilDiv(rows, most);
  bool wholeBlocks = knownRows && *knownRows % *block.isConstant() == 0;

  SmallVector<SmallVector<SymbolicExpr>> views;
  Type resultType = matmul.getY().getType();
  for (BlockArgument argument : body.getArguments()) {
    auto dims = getDims(argument.getType());
    if (argument == left)
      views.push_back({leftOnce ? SymbolicExpr(1) : batches, rows, depth});
    else if (argument == right && packed)
      views.push_back({shared ? SymbolicExpr(1) : batches, w[weightRank - 2], depth, w.back()});
    else if (argument == right)
      views.push_back({shared ? SymbolicExpr(1) : batches, matmul.getTransposeB() ? columns : depth,
                       matmul.getTransposeB() ? depth : columns});
    else if (dims == getDims(resultType))
      views.push_back({batches, rows, columns});
    else
      views.push_back({dims.empty() ? SymbolicExpr(1) : dims.back()});
  }
  views.push_back({batches, rows, columns});
  SymbolicExpr panelCount = SymbolicExpr::ceilDiv(columns, width);
  bool ownPanels = !packed && !onGpu && matmul.getTransposeB();
  // Panels that the kernel makes itself serve all rows and columns of a batch.
  SmallVector<SymbolicExpr> grid = {batches, tasks};
  if (!ownPanels)
    grid.push_back(panelCount);
  p.begin(views, grid);
  if (onGpu)
    p.setSchedule(*onGpu);
  else
    p.setSchedule(schedule);

  Value batch = p.gridId(0), taskRows = p.indexOf(block), firstRow = p.mul(p.gridId(1), taskRows);
  Value column = ownPanels ? p.index(0) : p.mul(p.gridId(2), p.index(width));
  Extent rowExtent =
      wholeBlocks ? Extent::of(*block.isConstant()) : Extent{-1, p.minimum(taskRows, p.sub(p.indexOf(rows), firstRow))};
  std::optional<int64_t> knownColumns = columns.isConstant();
  Extent columnExtent = ownPanels ? p.extentOf(columns) : Extent::of(width);
  bool wholeColumns = ownPanels || (knownColumns && *knownColumns % width == 0);
  Extent depthExtent = p.extentOf(depth);
  Value zero = p.index(0);

  Value aTile = p.loadStored(p.view(left.getArgNumber()), {leftOnce ? zero : batch, firstRow, zero}, {1, 2},
                             {rowExtent, depthExtent}, true);
  Value rightView = p.view(right.getArgNumber());
  Value rightBatch = shared ? zero : batch;
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
  } else if (matmul.getTransposeB()) {
    bTile = p.loadStored(rightView, {rightBatch, column, zero}, {1, 2}, {columnExtent, depthExtent}, wholeColumns);
  } else {
    bTile = p.loadStored(rightView, {rightBatch, zero, column}, {1, 2}, {depthExtent, columnExtent}, wholeColumns);
  }
  bool transposed = matmul.getTransposeB() && !packed && !ownPanels;
  Value sum = transposed ? p.dotTransposed(aTile, bTile) : p.dot(aTile, bTile);

  SmallVector<Extent> extents = {rowExtent, columnExtent};
  Value result = emitEpilogue(
      p, yield.getValues()[0],
      [&](Value value) -> Value {
        if (value == matmul.getY())
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
  p.store(result, p.view(views.size() - 1), {batch, firstRow, column}, {1, 2}, wholeColumns);
  return p.finish(batches * rows * columns * depth * 2);
}
