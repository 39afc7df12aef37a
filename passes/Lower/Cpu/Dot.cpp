// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// tile.dot in register blocks: columns outside, so that a panel of the right
// operand is read from memory once and serves all rows from the cache.
//
// The inner loop, for R rows and two registers of columns, is R broadcasts of a
// left element, 2 loads and 2 R fused multiply-adds; sums are separate vectors
// in the loop's iter_args (one vector per row, a power of two wide). Its sizes,
// unrolling and prefetch are the kernel's schedule
// (bessemer/Algorithms/MatmulSchedule.h).
#include "passes/Lower/Cpu/KernelExpander.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace bessemer;

static constexpr int64_t cacheLine = 64;
/// Rows of the left operand whose distance is known only when the kernel runs take a general register each.
static constexpr int64_t pointerRows = 12;

/// A stretch of columns of a dot, at most a register block wide.
struct KernelExpander::DotColumns {
  tile::DotOp dot;
  MemoryTile a, right; ///< right: moved to the first of the columns
  Value depth, column;
  int64_t width;
  Value mask, rightMask; ///< of what is stored, of what is read
  MemoryTile buffer;     ///< sums of a block, where the epilogue reads them from memory
  bool streamed;         ///< the next panel follows in memory

  /// The most rows of a block, of those that its registers have room for.
  int64_t mostRows(int64_t inRegisters) const {
    return matchPattern(a.rowStride, m_Constant()) ? inRegisters : std::min(inRegisters, pointerRows);
  }
  /// Cache lines of the next panel that each step of the inner loop fetches when they are spread over so many row
  /// blocks; 0: none are.
  int64_t prefetchLines(const MatmulSchedule &schedule, int64_t blocks) const {
    int64_t bytes = schedule.unroll * width * ((right.element.getIntOrFloatBitWidth() + 7) / 8);
    return streamed ? llvm::divideCeil(bytes, cacheLine * std::max<int64_t>(blocks, 1)) : 0;
  }
};

struct KernelExpander::RowBlock {
  Value row; ///< the first
  int64_t rows;
  Value number; ///< of the block, from 0
  /// Prefetches of the next panel in a step of the inner loop, and how many
  /// lines a step goes on: fewer where there are many blocks to spread it over.
  int64_t prefetches;
  Value prefetchStep;
  Value prefetchBlocks; ///< that take part in it
  bool buffered;        ///< sums go through memory to the epilogue
  Value done;           ///< leading rows that the block before has stored; null: none
};

LogicalResult KernelExpander::forEachDotBlock(tile::DotOp dot, bool costly, const PointFn &fn) {
  if (failed(ensureMaterialized(dot.getA())) || failed(ensureMaterialized(dot.getB())))
    return failure();
  if (dot.getTransposeA())
    return dot.emitError("expected no transpose_a on a CPU");
  for (Value operand : {dot.getA(), dot.getB()})
    if (auto element = dyn_cast<FloatType>(getElementTypeOrSelf(operand.getType())); element && element.getWidth() < 16)
      return dot.emitError("expected operands of f32, f16 or bf16 on a CPU, got ") << Type(element);
  if (dot.getTransposeB())
    return dot.emitError("a transposed right operand must be in panels here");
  MemoryTile right = memory.lookup(dot.getB());
  auto type = cast<RankedTensorType>(dot.getTile().getType());
  auto rightType = cast<RankedTensorType>(dot.getB().getType());
  Value columns = extent(dot.getTile(), 1);
  bool panels = rightType.getRank() == 3, freeRows = type.isDynamicDim(0);

  // Columns of a block: the panel's, else two registers; more when all columns
  // fit in four and the rows left over are still enough to hide latency.
  int64_t width = panels ? rightType.getDimSize(2) : schedule.panelColumns();
  if (!panels && !type.isDynamicDim(1))
    width = std::min<int64_t>(llvm::PowerOf2Ceil(std::max<int64_t>(type.getDimSize(1), 1)), 4 * schedule.lanes());
  bool partial = type.isDynamicDim(1) || type.getDimSize(1) % width != 0;

  DotColumns part{dot, memory.lookup(dot.getA()), right, extent(dot.getA(), 1), {}, width, {}, {}, {}, false};
  part.streamed = dots.prefetchBlocks > 0 && (panels || type.getDimSize(1) == width);
  // Polynomials over all rows of a block at once would spill: their epilogue is
  // a loop over the rows. So it is where there is a block for each number of
  // rows.
  bool buffered = costly || freeRows;
  if (buffered) {
    int64_t bytes = type.getElementTypeBitWidth() / 8 * width * blockRowsFor(width);
    part.buffer.element = type.getElementType();
    part.buffer.rowStride = index(width);
    part.buffer.base = scratch(index(bytes), SymbolicExpr(bytes));
  }

  auto overRows = [&](Value column, Value panel) -> LogicalResult {
    part.column = column;
    part.mask = partial ? tailMask(column, columns, width) : Value();
    MemoryTile b_ = right;
    Value rightColumn = column;
    if (panels) {
      b_.base = address(right, index(0), index(0), panel);
      b_.panelStride = {};
      rightColumn = index(0);
    }
    // In a panel all columns exist; in a plain matrix the last block is masked.
    part.rightMask = panels ? Value() : part.mask;
    if (!panels && right.validColumns)
      part.rightMask = tailMask(rightColumn, right.validColumns, width);
    part.right = b_;
    part.right.base = address(b_, index(0), rightColumn);
    return freeRows ? freeRowBlocks(part, extent(dot.getTile(), 0), fn)
                    : knownRowBlocks(part, type.getDimSize(0), buffered, fn);
  };

  if (!partial && type.getDimSize(1) == width)
    return overRows(index(0), index(0));
  Value panelCount = div(add(columns, index(width - 1)), index(width));
  auto loop = scf::ForOp::create(b, index(0), panelCount, index(1));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  return overRows(mul(loop.getInductionVar(), index(width)), loop.getInductionVar());
}

/// The most rows of a block that is `columns` wide: the schedule's where it
/// speaks of such a block.
int64_t KernelExpander::blockRowsFor(int64_t columns) {
  return columns == dots.blockColumns() ? dots.blockRows() : schedule.blockRows(columns);
}

/// Even blocks: 128 rows of at most 14 are 8 blocks of 13 and 2 of 12.
LogicalResult KernelExpander::knownRowBlocks(DotColumns &columns, int64_t rows, bool buffered, const PointFn &fn) {
  int64_t blocks = llvm::divideCeil(rows, columns.mostRows(blockRowsFor(columns.width)));
  if (blocks == 0)
    return success();
  int64_t small = rows / blocks, large = small + 1, largeCount = rows % blocks;
  int64_t lines = columns.prefetchLines(dots, std::min(blocks, dots.prefetchBlocks));
  Value step = index(lines), taking = index(dots.prefetchBlocks);
  auto loop = [&](int64_t first, int64_t last, int64_t size) -> LogicalResult {
    if (first == last)
      return success();
    int64_t firstRow = first == 0 ? 0 : largeCount * large;
    if (last - first == 1)
      return dotBlock(columns, {index(firstRow), size, index(first), lines, step, taking, buffered, {}}, fn);
    auto loop = scf::ForOp::create(b, index(first), index(last), index(1));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Value row = add(mul(loop.getInductionVar(), index(size)), index(firstRow - first * size));
    return dotBlock(columns, {row, size, loop.getInductionVar(), lines, step, taking, buffered, {}}, fn);
  };
  if (failed(loop(0, largeCount, large)))
    return failure();
  return loop(largeCount, blocks, small);
}

/// Rows known only when the kernel runs: as `evenRowBlocks` says, with code for
/// each size of a block. The last block is moved back to end with the rows;
/// what it computes again is not stored again (the result may lie on an
/// operand).
LogicalResult KernelExpander::freeRowBlocks(DotColumns &columns, Value rows, const PointFn &fn) {
  int64_t most = columns.mostRows(blockRowsFor(columns.width));
  std::vector<int64_t> sizes = rowBlockSizes(most);
  auto compare = [&](arith::CmpIPredicate predicate, Value x, Value y) {
    return Value(arith::CmpIOp::create(b, predicate, x, y));
  };
  auto select = [&](Value condition, Value x, Value y) { return Value(arith::SelectOp::create(b, condition, x, y)); };
  auto ceilDiv = [&](Value x, Value y) { return div(sub(add(x, y), index(1)), y); };
  // The next size for which there is code.
  auto up = [&](Value x) {
    Value result = index(most);
    for (int64_t size : llvm::reverse(ArrayRef<int64_t>(sizes).drop_back()))
      result = select(compare(arith::CmpIPredicate::ule, x, index(size)), index(size), result);
    return result;
  };
  Value few = arith::MaxUIOp::create(b, rows, index(1));
  Value atLeast = ceilDiv(few, index(most));
  Value size = up(ceilDiv(few, atLeast)), smaller = up(ceilDiv(few, add(atLeast, index(1))));
  auto computed = [&](Value size) { return mul(ceilDiv(few, size), size); };
  Value ofMany = select(compare(arith::CmpIPredicate::ult, computed(smaller), computed(size)), smaller, size);
  Value exact = up(few);
  Value ofFew = select(compare(arith::CmpIPredicate::eq, exact, few), exact, up(ceilDiv(few, index(2))));
  size = select(compare(arith::CmpIPredicate::uge, few, index(most)), ofMany, ofFew);
  Value count = ceilDiv(rows, size);

  // What the fewest blocks need is in the code; more of them go on more slowly.
  Value full = index(columns.prefetchLines(dots, 1));
  Value step = arith::MaxUIOp::create(b, ceilDiv(full, arith::MaxUIOp::create(b, count, index(1))), index(1));
  Value taking = ceilDiv(full, step);

  auto choice =
      scf::IndexSwitchOp::create(b, TypeRange(), size, ArrayRef<int64_t>(sizes).drop_back(), sizes.size() - 1);
  for (auto [i, known] : llvm::enumerate(sizes)) {
    Region &region = i + 1 == sizes.size() ? choice.getDefaultRegion() : choice.getCaseRegions()[i];
    OpBuilder::InsertionGuard guard(b);
    b.createBlock(&region);
    scf::YieldOp::create(b);
    b.setInsertionPointToStart(&region.front());
    auto loop = scf::ForOp::create(b, index(0), count, index(1));
    b.setInsertionPointToStart(loop.getBody());
    Value wanted = mul(loop.getInductionVar(), index(known));
    Value row = arith::MinUIOp::create(b, wanted, sub(rows, index(known)));
    // A small block may be the only one; of others there are at least two.
    int64_t lines = columns.prefetchLines(dots, 2 * known <= most ? 1 : std::min<int64_t>(2, dots.prefetchBlocks));
    RowBlock block{row,    known, loop.getInductionVar(), lines, arith::MinUIOp::create(b, step, index(lines)),
                   taking, true,  sub(wanted, row)};
    if (failed(dotBlock(columns, block, fn)))
      return failure();
  }
  return success();
}

/// The sums of a block and what the program does with them.
LogicalResult KernelExpander::dotBlock(DotColumns &columns, const RowBlock &block, const PointFn &fn) {
  SmallVector<Value> sums = dotSums(columns, block);
  auto emit = [&](Value row, Value sum) {
    Point point(row, columns.column, columns.width, columns.mask);
    point.cache[columns.dot.getTile()] = sum;
    return fn(point);
  };
  if (!block.buffered) {
    for (auto [r, sum] : llvm::enumerate(sums))
      if (failed(emit(add(block.row, index(r)), sum)))
        return failure();
    return success();
  }
  const MemoryTile &buffer = columns.buffer;
  int64_t alignment = cast<VectorType>(sums.front().getType()).getElementTypeBitWidth() / 8;
  for (auto [r, sum] : llvm::enumerate(sums))
    LLVM::StoreOp::create(b, sum, address(buffer, index(r), index(0)), alignment);
  auto loop = scf::ForOp::create(b, block.done ? block.done : index(0), index(block.rows), index(1));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value r = loop.getInductionVar();
  return emit(add(block.row, r), loadVector(address(buffer, r, index(0)), buffer.element, columns.width, {}));
}

/// The loop over depth: one vector of sums for each row.
SmallVector<Value> KernelExpander::dotSums(DotColumns &columns, const RowBlock &block) {
  const MemoryTile &a = columns.a, &right = columns.right;
  int64_t rows = block.rows, width = columns.width;
  Type sumType = cast<RankedTensorType>(columns.dot.getTile().getType()).getElementType();
  auto vectorType = VectorType::get({width}, sumType);
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(vectorType));
  auto toSum = [&](Value v) -> Value {
    Type wanted = isa<VectorType>(v.getType()) ? Type(vectorType) : sumType;
    if (v.getType() == wanted)
      return v;
    if (isa<FloatType>(sumType))
      return arith::ExtFOp::create(b, wanted, v);
    return arith::ExtSIOp::create(b, wanted, v);
  };
  SmallVector<Value> rowIndices;
  for (int64_t r = 0; r < rows; ++r)
    rowIndices.push_back(add(block.row, index(r)));

  auto step = [&](Value k, SmallVector<Value> sums) {
    Value rightRow = toSum(loadVector(address(right, k, index(0)), right.element, width, columns.rightMask));
    for (int64_t r = 0; r < rows; ++r) {
      Value left = toSum(loadVector(address(a, rowIndices[r], k), a.element, 0, {}));
      Value wide = vector::BroadcastOp::create(b, vectorType, left);
      if (isa<FloatType>(sumType))
        sums[r] = vector::FMAOp::create(b, wide, rightRow, sums[r]);
      else
        sums[r] = arith::AddIOp::create(b, sums[r], arith::MulIOp::create(b, wide, rightRow));
    }
    return sums;
  };

  IntegerAttr constantDepth;
  bool known = matchPattern(columns.depth, m_Constant(&constantDepth));
  int64_t unroll = known && constantDepth.getInt() < dots.unroll ? 1 : dots.unroll;
  Value whole =
      known ? index(constantDepth.getInt() / unroll * unroll) : mul(div(columns.depth, index(unroll)), index(unroll));

  // The next panel, spread over the row blocks; once it is there, this one's
  // own lines, which cost next to nothing.
  int64_t rowBytes = width * ((right.element.getIntOrFloatBitWidth() + 7) / 8), lines = block.prefetches;
  auto beyond = [&](Value from, Value bytes) -> Value {
    Value offset = arith::IndexCastOp::create(b, b.getI64Type(), bytes);
    return LLVM::GEPOp::create(b, from.getType(), b.getI8Type(), from, ArrayRef<LLVM::GEPArg>{offset});
  };
  Value prefetchFrom;
  if (lines) {
    Value start = mul(block.number, mul(div(whole, index(unroll)), mul(block.prefetchStep, index(cacheLine))));
    Value place = beyond(address(right, columns.depth, index(0)), start);
    Value open = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, block.number, block.prefetchBlocks);
    prefetchFrom = arith::SelectOp::create(b, open, place, right.base);
  }
  auto prefetch = [&](Value from, Value bytes, unsigned locality) {
    LLVM::Prefetch::create(b, beyond(from, bytes), /*rw=*/0, locality, /*data cache=*/1);
  };

  auto depthLoop = [&](Value from, Value to, int64_t by, SmallVector<Value> carried) -> SmallVector<Value> {
    // The prefetch's place is carried, too: a register, where computing it would take some from the sums.
    bool fetches = by == unroll && lines;
    if (fetches)
      carried.push_back(prefetchFrom);
    auto loop = scf::ForOp::create(b, from, to, index(by), carried);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Value k = loop.getInductionVar();
    SmallVector<Value> sums(loop.getRegionIterArgs().take_front(rows));
    for (int64_t u = 0; u < by; ++u)
      sums = step(add(k, index(u)), sums);
    if (fetches) {
      Value place = loop.getRegionIterArgs().back();
      for (int64_t line = 0; line < lines; ++line)
        prefetch(place, index(line * cacheLine), /*L2=*/2);
      sums.push_back(beyond(place, mul(block.prefetchStep, index(cacheLine))));
    }
    if (by == unroll && columns.streamed && dots.prefetchRows)
      for (int64_t line = 0; line * cacheLine < unroll * rowBytes; ++line)
        prefetch(right.base, add(mul(add(k, index(dots.prefetchRows)), index(rowBytes)), index(line * cacheLine)),
                 /*L1=*/3);
    scf::YieldOp::create(b, sums);
    return SmallVector<Value>(loop.getResults().take_front(rows));
  };
  SmallVector<Value> sums = depthLoop(index(0), whole, unroll, SmallVector<Value>(rows, zero));
  if (unroll > 1 && !(known && constantDepth.getInt() % unroll == 0))
    sums = depthLoop(whole, columns.depth, 1, sums);
  return sums;
}
