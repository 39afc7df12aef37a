// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The walk over the tile program: scalars are cloned, roots start traversals.
#include "passes/Lower/Cpu/KernelExpander.h"

#include "bessemer/Support/KernelFault.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace bessemer;

LogicalResult KernelExpander::expandBlock(Block &block, llvm::function_ref<LogicalResult()> atEnd) {
  // Scratch lives as long as the block that asked for it, and so does what was
  // written there.
  Value savedOffset = scratchOffset;
  SymbolicExpr savedBound = scratchBound;
  auto savedMemory = memory;
  for (Operation &op : block.without_terminator())
    if (failed(expandOp(op)))
      return failure();
  if (atEnd && failed(atEnd()))
    return failure();
  scratchOffset = savedOffset;
  scratchBound = savedBound;
  memory = savedMemory;
  return success();
}

LogicalResult KernelExpander::expandOp(Operation &op) {
  b.setLoc(op.getLoc());
  if (auto load = dyn_cast<tile::LoadOp>(op)) {
    bindLoad(load);
    return success();
  }
  if (auto load = dyn_cast<tile::LoadScalarOp>(op)) {
    MemoryTile at = viewTile(load.getView(), load.getOffsets(), {}, /*inBounds=*/true);
    mapping.map(load.getValue(), loadVector(at.base, at.element, 0, {}));
    return success();
  }
  if (isa<tile::StoreOp>(op)) {
    auto group = storeGroups.find(&op);
    return group == storeGroups.end() ? success() : expandStores(group->second);
  }
  if (auto patches = dyn_cast<tile::PatchesOp>(op))
    return expandPatches(patches);
  if (auto panels = dyn_cast<tile::PanelsOp>(op))
    return expandPanels(panels);
  if (auto check = dyn_cast<tile::CheckOp>(op))
    return expandCheck(check);
  if (auto reduce = dyn_cast<tile::ReduceOp>(op)) {
    bool alongColumns = int64_t(reduce.getAxis()) == cast<RankedTensorType>(reduce.getX().getType()).getRank() - 1;
    return alongColumns ? expandReduce(reduce) : success();
  }
  if (isa<scf::ForOp>(op))
    return expandFor(op);
  if (isa<scf::IfOp>(op))
    return expandIf(op);
  // Tiles wait until a traversal asks for them.
  if (op.getNumResults() == 1 && isa<RankedTensorType>(op.getResult(0).getType()))
    return success();
  if (isa<tile::TileDialect>(op.getDialect()))
    return op.emitError("expected an op that the CPU lowering knows");
  b.clone(op, mapping);
  return success();
}

LogicalResult KernelExpander::expandFor(Operation &op) {
  auto loop = cast<scf::ForOp>(op);
  SmallVector<Value> initial;
  auto wholeWidth = [](Value tile) -> int64_t {
    auto type = cast<RankedTensorType>(tile.getType());
    return type.getShape().back() == 1 ? 0 : type.getShape().back();
  };
  // A loop-carried tile is one vector: the generator keeps it small.
  auto whole = [&](Value value) -> FailureOr<Value> {
    if (!isa<RankedTensorType>(value.getType()))
      return mapped(value);
    Point point(index(0), index(0), wholeWidth(value), {});
    return evaluate(value, point);
  };
  for (Value value : loop.getInitArgs()) {
    FailureOr<Value> v = whole(value);
    if (failed(v))
      return failure();
    initial.push_back(*v);
  }
  auto expanded = scf::ForOp::create(b, mapped(loop.getLowerBound()), mapped(loop.getUpperBound()),
                                     mapped(loop.getStep()), initial);
  mapping.map(loop.getInductionVar(), expanded.getInductionVar());
  auto bind = [&](ValueRange from, ValueRange to) {
    for (auto [f, t] : llvm::zip(from, to))
      if (isa<RankedTensorType>(f.getType()))
        registers[f] = t;
      else
        mapping.map(f, t);
  };
  bind(loop.getRegionIterArgs(), expanded.getRegionIterArgs());
  {
    OpBuilder::InsertionGuard guard(b);
    if (initial.empty())
      b.setInsertionPoint(expanded.getBody()->getTerminator());
    else
      b.setInsertionPointToStart(expanded.getBody());
    SmallVector<Value> yielded;
    auto evaluateYielded = [&]() -> LogicalResult {
      for (Value value : loop.getBody()->getTerminator()->getOperands()) {
        FailureOr<Value> v = whole(value);
        if (failed(v))
          return failure();
        yielded.push_back(*v);
      }
      return success();
    };
    if (failed(expandBlock(*loop.getBody(), evaluateYielded)))
      return failure();
    if (!initial.empty())
      scf::YieldOp::create(b, yielded);
  }
  bind(loop.getResults(), expanded.getResults());
  return success();
}

LogicalResult KernelExpander::expandIf(Operation &op) {
  auto branch = cast<scf::IfOp>(op);
  if (branch.getNumResults())
    return branch.emitError("expected a branch without results in a tile program");
  auto expanded = scf::IfOp::create(b, mapped(branch.getCondition()), !branch.getElseRegion().empty());
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(expanded.thenBlock());
  if (failed(expandBlock(*branch.thenBlock())))
    return failure();
  if (branch.getElseRegion().empty())
    return success();
  b.setInsertionPointToStart(expanded.elseBlock());
  return expandBlock(*branch.elseBlock());
}

/// Calls `fn` at points that cover the tile, `width` columns at a time. What is left has a mask: all at once where it
/// is known how much that is, else a register at a time.
LogicalResult KernelExpander::forEachPoint(Value tile, int64_t width, const PointFn &fn) {
  auto type = cast<RankedTensorType>(tile.getType());
  unsigned last = type.getRank() - 1;
  int64_t columns = type.getDimSize(last);

  auto overColumns = [&](Value row) -> LogicalResult {
    if (columns == 1) {
      Point point(row, index(0), 0, {});
      return fn(point);
    }
    if (columns == width) {
      Point point(row, index(0), width, {});
      return fn(point);
    }
    Value end = extent(tile, last);
    auto loop = [&](Value from, Value to, int64_t step, bool masked) -> LogicalResult {
      auto loop = scf::ForOp::create(b, from, to, index(step));
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(loop.getBody());
      Value column = loop.getInductionVar();
      Point point(row, column, step, masked ? tailMask(column, end, step) : Value());
      return fn(point);
    };
    if (!ShapedType::isDynamic(columns) && columns < width) {
      Point point(row, index(0), width, tailMask(index(0), end, width));
      return fn(point);
    }
    Value whole = mul(div(end, index(width)), index(width));
    if (failed(loop(index(0), whole, width, false)))
      return failure();
    if (ShapedType::isDynamic(columns))
      return loop(whole, end, std::min(width, schedule.lanes()), true);
    int64_t rest = columns % width;
    if (rest == 0)
      return success();
    // All that is left at once.
    int64_t covering = llvm::PowerOf2Ceil(rest);
    Point point(row, whole, covering, covering == rest ? Value() : tailMask(whole, end, covering));
    return fn(point);
  };

  if (type.getRank() == 1 || type.getDimSize(0) == 1)
    return overColumns(index(0));
  auto rows = scf::ForOp::create(b, index(0), extent(tile, 0), index(1));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(rows.getBody());
  return overColumns(rows.getInductionVar());
}

/// A traversal of `tiles`, which have one shape: `fn` at each point; what is to be
/// kept is written to scratch on the way, and read from there by whoever comes later.
LogicalResult KernelExpander::traverse(ValueRange tiles, const PointFn &fn) {
  // One dot makes the blocks; what others sum is kept before.
  llvm::SetVector<Value> dots;
  for (Value tile : tiles)
    findDots(tile, dots);
  for (size_t i = 0; i + 1 < dots.size(); ++i)
    if (failed(ensureMaterialized(dots[i])))
      return failure();
  SmallVector<std::pair<Value, MemoryTile>> kept;
  Value tile = tiles.front();
  for (Value pending : pendingIn(tiles))
    kept.push_back({pending, allocate(pending)});
  auto withKept = [&](Point &point) -> LogicalResult {
    if (failed(fn(point)))
      return failure();
    for (auto &[value, place] : kept) {
      FailureOr<Value> v = evaluate(value, point);
      if (failed(v))
        return failure();
      storeAt(place, point, *v);
    }
    return success();
  };
  LogicalResult done = success();
  if (Value dot = findDot(tile)) {
    if (cast<RankedTensorType>(dot.getType()).getShape() != cast<RankedTensorType>(tile.getType()).getShape())
      return kernel.emitError("expected what follows a dot to have its shape");
    done = forEachDotBlock(dot.getDefiningOp<tile::DotOp>(), computesFunctions(tile), withKept);
  } else {
    done = forEachPoint(tile, chooseWidth(tiles), withKept);
  }
  for (auto &[value, place] : kept)
    memory[value] = place;
  return done;
}

LogicalResult KernelExpander::ensureMaterialized(Value tile) {
  if (memory.count(tile))
    return success();
  toMaterialize[tile] = true;
  return traverse(tile, [](Point &) { return success(); });
}

/// All values of a point are computed before the first is written.
LogicalResult KernelExpander::expandStores(ArrayRef<tile::StoreOp> group) {
  SmallVector<Value> tiles;
  SmallVector<MemoryTile> places;
  for (tile::StoreOp op : group) {
    tiles.push_back(op.getTile());
    places.push_back(viewTile(op.getView(), op.getOffsets(), op.getDims(), op->hasAttr("in_bounds")));
    if (op.getCondition())
      places.back().condition = mapped(op.getCondition());
  }
  return traverse(tiles, [&](Point &point) -> LogicalResult {
    SmallVector<Value> values;
    for (Value tile : tiles) {
      FailureOr<Value> value = evaluate(tile, point);
      if (failed(value))
        return failure();
      values.push_back(*value);
    }
    for (auto [place, value] : llvm::zip(places, values))
      storeAt(place, point, value);
    return success();
  });
}

/// The fault's number is written before the workspace, where the executor looks.
LogicalResult KernelExpander::expandCheck(tile::CheckOp op) {
  auto record = [&](Value ok) {
    Value wrong = arith::XOrIOp::create(b, ok, arith::ConstantOp::create(b, b.getBoolAttr(true)));
    auto branch = scf::IfOp::create(b, wrong, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    auto pointer = LLVM::LLVMPointerType::get(b.getContext());
    Value place = LLVM::GEPOp::create(b, pointer, b.getI64Type(), workspace, ArrayRef<LLVM::GEPArg>{-1});
    LLVM::StoreOp::create(b, arith::ConstantOp::create(b, b.getI64IntegerAttr(kernelFaultNumber(op.getWhat().str()))),
                          place);
  };
  if (!isa<RankedTensorType>(op.getOk().getType())) {
    record(mapped(op.getOk()));
    return success();
  }
  return traverse(op.getOk(), [&](Point &point) -> LogicalResult {
    FailureOr<Value> ok = evaluate(op.getOk(), point);
    if (failed(ok))
      return failure();
    Value all = *ok;
    if (point.mask)
      all = arith::SelectOp::create(b, point.mask, all, neutral(tile::ReductionKind::And, all.getType()));
    record(point.width ? Value(vector::ReductionOp::create(b, vector::CombiningKind::AND, all)) : all);
    return success();
  });
}

/// A reduction along the columns. Lanes are summed apart and combined at the
/// end of each row.
LogicalResult KernelExpander::expandReduce(tile::ReduceOp op) {
  Value x = op.getX();
  if (findDot(x) && failed(ensureMaterialized(x)))
    return failure();
  auto type = cast<RankedTensorType>(x.getType());
  Type element = type.getElementType();
  unsigned last = type.getRank() - 1;
  int64_t columns = type.getDimSize(last);
  int64_t width = chooseWidth(x);
  tile::ReductionKind kind = op.getKind();

  SmallVector<std::pair<Value, MemoryTile>> kept;
  for (Value pending : pendingIn(x))
    kept.push_back({pending, allocate(pending)});
  auto visit = [&](Point &point) -> FailureOr<Value> {
    FailureOr<Value> value = evaluate(x, point);
    if (failed(value))
      return failure();
    for (auto &[v, place] : kept) {
      FailureOr<Value> keep = evaluate(v, point);
      if (failed(keep))
        return failure();
      storeAt(place, point, *keep);
    }
    if (!point.mask)
      return value;
    Value none = neutral(kind, VectorType::get({point.width}, element));
    return Value(arith::SelectOp::create(b, point.mask, *value, none));
  };
  auto kindOf = [&]() {
    using vector::CombiningKind;
    bool isFloat = isa<FloatType>(element);
    switch (kind) {
    case tile::ReductionKind::Sum: return CombiningKind::ADD;
    case tile::ReductionKind::Prod: return CombiningKind::MUL;
    case tile::ReductionKind::Max: return isFloat ? CombiningKind::MAXIMUMF : CombiningKind::MAXSI;
    case tile::ReductionKind::Min: return isFloat ? CombiningKind::MINIMUMF : CombiningKind::MINSI;
    case tile::ReductionKind::UMax: return CombiningKind::MAXUI;
    case tile::ReductionKind::UMin: return CombiningKind::MINUI;
    case tile::ReductionKind::And: return CombiningKind::AND;
    case tile::ReductionKind::Or: return CombiningKind::OR;
    }
    llvm_unreachable("a kind of reduction");
  };
  // One instruction, where a maximum that keeps a NaN takes three.
  bool skipsNan = op.getSkipNan() && kind == tile::ReductionKind::Max;
  auto combineHere = [&](Value sum, Value v) -> Value {
    if (!skipsNan)
      return combine(kind, sum, v);
    return arith::SelectOp::create(b, arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, v, sum), v, sum);
  };
  auto horizontal = [&](Value v) -> Value {
    // Halves are added first: a tree of vector adds, not a chain of scalar ones.
    while (cast<VectorType>(v.getType()).getDimSize(0) > (skipsNan ? 1 : schedule.lanes())) {
      int64_t half = cast<VectorType>(v.getType()).getDimSize(0) / 2;
      Value low = vector::ExtractStridedSliceOp::create(b, v, ArrayRef<int64_t>{0}, ArrayRef<int64_t>{half},
                                                        ArrayRef<int64_t>{1});
      Value high = vector::ExtractStridedSliceOp::create(b, v, ArrayRef<int64_t>{half}, ArrayRef<int64_t>{half},
                                                         ArrayRef<int64_t>{1});
      v = combineHere(low, high);
    }
    if (skipsNan)
      return vector::ExtractOp::create(b, v, int64_t(0));
    return vector::ReductionOp::create(b, kindOf(), v, arith::FastMathFlags::reassoc);
  };
  auto reduceRow = [&](Value row) -> FailureOr<Value> {
    if (columns == 1) {
      Point point(row, index(0), 0, {});
      return visit(point);
    }
    Value end = extent(x, last);
    if (!ShapedType::isDynamic(columns) && columns <= width) {
      Point point(row, index(0), width, columns == width ? Value() : tailMask(index(0), end, width));
      FailureOr<Value> value = visit(point);
      return failed(value) ? value : FailureOr<Value>(horizontal(*value));
    }
    auto loop = [&](Value from, Value to, int64_t step, int64_t count, bool masked) -> FailureOr<Value> {
      auto next = [&](Value column, Value sofar) -> FailureOr<Value> {
        Point point(row, column, step, masked ? tailMask(column, end, step) : Value());
        FailureOr<Value> value = visit(point);
        return failed(value) ? value : FailureOr<Value>(combineHere(sofar, *value));
      };
      return accumulate(kind, VectorType::get({step}, element), from, to, step, count, next);
    };
    Value whole = mul(div(end, index(width)), index(width));
    FailureOr<Value> main = loop(index(0), whole, width, columns, false);
    if (failed(main))
      return failure();
    Value result = horizontal(*main);
    if (ShapedType::isDynamic(columns) || columns % width != 0) {
      FailureOr<Value> tail = loop(whole, end, std::min(width, schedule.lanes()), width, true);
      if (failed(tail))
        return failure();
      result = combineHere(result, horizontal(*tail));
    }
    return result;
  };

  if (type.getRank() == 1 || type.getDimSize(0) == 1) {
    FailureOr<Value> value = reduceRow(index(0));
    if (failed(value))
      return failure();
    registers[op.getTile()] = *value;
  } else {
    MemoryTile place = allocate(op.getTile());
    auto rows = scf::ForOp::create(b, index(0), extent(x, 0), index(1));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(rows.getBody());
    FailureOr<Value> value = reduceRow(rows.getInductionVar());
    if (failed(value))
      return failure();
    Point point(rows.getInductionVar(), index(0), 0, {});
    storeAt(place, point, *value);
    memory[op.getTile()] = place;
  }
  for (auto &[value, place] : kept)
    memory[value] = place;
  return success();
}

/// Copies a [K, N] tile (or [N, K] when transposed) into panels. What is behind
/// the last column is not defined: no result reads it.
LogicalResult KernelExpander::expandPanels(tile::PanelsOp op) {
  if (failed(ensureMaterialized(op.getX())))
    return failure();
  MemoryTile from = memory.lookup(op.getX());
  int64_t block = op.getBlock(), lanes = std::min(schedule.lanes(), block);
  unsigned rowDim = op.getTransposed() ? 1 : 0, columnDim = 1 - rowDim;
  Value rows = extent(op.getX(), rowDim), columns = extent(op.getX(), columnDim);
  MemoryTile to = allocatePanels(rows, columns, extentBound(op.getX(), rowDim), extentBound(op.getX(), columnDim),
                                 block, from.element);
  // Rows of the panels that are made by transposing squares of registers.
  Value squares = index(0);
  bool plainMemory = !from.columnStride && !from.validRows && !from.validColumns && !from.condition;
  if (op.getTransposed() && plainMemory && llvm::isPowerOf2_64(lanes) && block % lanes == 0)
    squares = mul(div(rows, index(lanes)), index(lanes));
  // Columns `row`.. of the tile become rows `column`.. of the panel, from its column `toColumn` on; behind the last the
  // last again. Each step zips the two halves of the rows; after log2(lanes) of them row and column have changed
  // places.
  auto transposeSquare = [&](const MemoryTile &from, Value row, Value column, const MemoryTile &to, int64_t toColumn) {
    SmallVector<Value> values;
    Value last = sub(columns, index(1));
    for (int64_t i = 0; i < lanes; ++i) {
      Value at = arith::MinUIOp::create(b, add(row, index(i)), last);
      values.push_back(loadVector(address(from, at, column), from.element, lanes, {}));
    }
    SmallVector<int64_t> low, high;
    for (int64_t i = 0; i < lanes / 2; ++i) {
      low.append({i, i + lanes});
      high.append({i + lanes / 2, i + lanes + lanes / 2});
    }
    for (int64_t step = 1; step < lanes; step *= 2) {
      SmallVector<Value> next;
      for (int64_t i = 0; i < lanes / 2; ++i) {
        next.push_back(vector::ShuffleOp::create(b, values[i], values[i + lanes / 2], low));
        next.push_back(vector::ShuffleOp::create(b, values[i], values[i + lanes / 2], high));
      }
      values = next;
    }
    for (auto [i, value] : llvm::enumerate(values)) {
      Point write(add(column, index(i)), index(toColumn), lanes, {});
      storeAt(to, write, value);
    }
  };
  MemoryTile plain = from;
  if (op.getTransposed()) {
    // Row k, column n of the panels is element (n, k).
    Value rowStride = from.columnStride ? from.columnStride : index(1);
    from.columnStride = from.rowStride;
    from.rowStride = rowStride;
    std::swap(from.validRows, from.validColumns);
  }
  IntegerAttr knownColumns;
  bool whole = matchPattern(columns, m_Constant(&knownColumns)) && knownColumns.getInt() % block == 0;
  Value panels = div(add(columns, index(block - 1)), index(block));
  auto overPanels = scf::ForOp::create(b, index(0), panels, index(1));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(overPanels.getBody());
  Value panel = overPanels.getInductionVar();
  Value first = mul(panel, index(block));
  MemoryTile place = to;
  place.base = address(to, index(0), index(0), panel);
  place.panelStride = {};
  if (!matchPattern(squares, m_Zero())) {
    auto overSquares = scf::ForOp::create(b, index(0), squares, index(lanes));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(overSquares.getBody());
    for (int64_t column = 0; column < block; column += lanes)
      transposeSquare(plain, add(first, index(column)), overSquares.getInductionVar(), place, column);
  }
  auto overRows = scf::ForOp::create(b, squares, rows, index(1));
  b.setInsertionPointToStart(overRows.getBody());
  Value row = overRows.getInductionVar();
  Point read(row, first, block, whole ? Value() : tailMask(first, columns, block));
  Value value = loadAt(from, read, cast<RankedTensorType>(op.getX().getType()).getElementType());
  Point write(row, index(0), block, {});
  storeAt(place, write, value);
  memory[op.getTile()] = to;
  return success();
}
