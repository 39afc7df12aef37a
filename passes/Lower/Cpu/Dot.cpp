// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// tile.dot in register blocks: columns outside, so that a panel of the right
// operand is read from memory once and serves all rows from the cache.
//
// The inner loop, for R rows and two registers of columns, is R broadcasts of a
// left element, 2 loads and 2 R fused multiply-adds; sums are separate vectors
// in the loop's iter_args (one vector per row, a power of two wide).
#include "passes/Lower/Cpu/KernelExpander.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace bessemer;

/// Unrolling of the loop over depth: more only makes code larger.
static constexpr int64_t depthUnroll = 4;

LogicalResult KernelExpander::forEachDotBlock(tile::DotOp dot, const PointFn &fn) {
  if (failed(ensureMaterialized(dot.getA())) || failed(ensureMaterialized(dot.getB())))
    return failure();
  if (dot.getTransposeB())
    return dot.emitError("a transposed right operand must be in panels here");
  MemoryTile a = memory.lookup(dot.getA());
  MemoryTile right = memory.lookup(dot.getB());
  auto type = cast<RankedTensorType>(dot.getTile().getType());
  auto rightType = cast<RankedTensorType>(dot.getB().getType());
  Value depth = extent(dot.getA(), 1);
  Value columns = extent(dot.getTile(), 1);
  bool panels = rightType.getRank() == 3;

  // Columns of a block: the panel's, else two registers; more when all columns
  // fit in four and the rows left over are still enough to hide latency.
  int64_t width = panels ? rightType.getDimSize(2) : schedule.panelColumns();
  if (!panels && !type.isDynamicDim(1))
    width = std::min<int64_t>(llvm::PowerOf2Ceil(type.getDimSize(1)), 4 * schedule.lanes());
  bool partial = type.isDynamicDim(1) || type.getDimSize(1) % width != 0;
  int64_t blockRows = schedule.blockRows(width);

  auto overRows = [&](Value column, Value panel) -> LogicalResult {
    Value mask = partial ? tailMask(column, columns, width) : Value();
    MemoryTile b_ = right;
    Value rightColumn = column;
    if (panels) {
      b_.base = address(right, index(0), index(0), panel);
      b_.panelStride = {};
      rightColumn = index(0);
    }
    // In a panel all columns exist; in a plain matrix the last block is masked.
    Value rightMask = panels ? Value() : mask;
    if (!panels && right.validColumns)
      rightMask = tailMask(rightColumn, right.validColumns, width);
    auto block = [&](Value row, int64_t rows) -> LogicalResult {
      MemoryTile shifted = b_;
      shifted.base = address(b_, index(0), rightColumn);
      return dotBlock(dot, a, shifted, depth, row, rows, column, width, rightMask, [&](Point &p) {
        p.mask = mask;
        return fn(p);
      });
    };
    auto rowLoop = [&](Value from, Value to, int64_t rows) -> LogicalResult {
      auto loop = scf::ForOp::create(b, from, to, index(rows));
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(loop.getBody());
      return block(loop.getInductionVar(), rows);
    };

    if (!type.isDynamicDim(0)) {
      // Even blocks: 128 rows of at most 14 are 8 blocks of 13 and 2 of 12.
      int64_t rows = type.getDimSize(0);
      if (rows == 0)
        return success();
      int64_t blocks = llvm::divideCeil(rows, blockRows);
      int64_t small = rows / blocks, large = small + 1, largeCount = rows % blocks;
      if (largeCount && failed(rowLoop(index(0), index(largeCount * large), large)))
        return failure();
      if (blocks == 1)
        return block(index(0), small);
      return rowLoop(index(largeCount * large), index(rows), small);
    }
    // Full blocks, then halves of them for what is left.
    Value rows = extent(dot.getTile(), 0);
    Value from = index(0);
    for (int64_t size = blockRows; size >= 1; size = size == 1 ? 0 : size / 2) {
      Value count = div(sub(rows, from), index(size));
      Value to = add(from, mul(count, index(size)));
      if (failed(rowLoop(from, to, size)))
        return failure();
      from = to;
    }
    return success();
  };

  if (!partial && type.getDimSize(1) == width)
    return overRows(index(0), index(0));
  Value panelCount = div(add(columns, index(width - 1)), index(width));
  auto loop = scf::ForOp::create(b, index(0), panelCount, index(1));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  return overRows(mul(loop.getInductionVar(), index(width)), loop.getInductionVar());
}

LogicalResult KernelExpander::dotBlock(tile::DotOp dot, const MemoryTile &a, const MemoryTile &right, Value depth, Value row, int64_t rows,
                                       Value column, int64_t columns, Value mask, const PointFn &fn) {
  Type sumType = cast<RankedTensorType>(dot.getTile().getType()).getElementType();
  auto vectorType = VectorType::get({columns}, sumType);
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
    rowIndices.push_back(add(row, index(r)));

  auto step = [&](Value k, SmallVector<Value> sums) {
    Value rightRow = toSum(loadVector(address(right, k, index(0)), right.element, columns, mask));
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
  bool known = matchPattern(depth, m_Constant(&constantDepth));
  int64_t unroll = known && constantDepth.getInt() % depthUnroll == 0 ? depthUnroll : 1;
  auto loop = scf::ForOp::create(b, index(0), depth, index(unroll), SmallVector<Value>(rows, zero));
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    SmallVector<Value> sums(loop.getRegionIterArgs());
    for (int64_t u = 0; u < unroll; ++u)
      sums = step(add(loop.getInductionVar(), index(u)), sums);
    scf::YieldOp::create(b, sums);
  }
  for (int64_t r = 0; r < rows; ++r) {
    Point point(rowIndices[r], column, columns, {});
    point.cache[dot.getTile()] = loop.getResult(r);
    if (failed(fn(point)))
      return failure();
  }
  return success();
}
