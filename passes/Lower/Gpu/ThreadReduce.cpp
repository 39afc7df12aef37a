// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reductions along the last axis: threads take elements in turn, lanes combine
// by butterfly shuffles, warps through shared memory.
#include "passes/Lower/Gpu/Shuffle.h"
#include "passes/Lower/Gpu/ThreadExpander.h"

#include "passes/Lower/TileParts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::gpu;

/// Terms of one chain of additions; a longer sum is a sum of such sums, or its error would grow with its length.
constexpr int64_t mostTerms = 128;

/// What this thread has of a row: elements `first`, `first + step`, …
FailureOr<Value> ThreadExpander::partial(tile::ReduceOp op, Value row, Value first, int64_t step) {
  auto type = cast<RankedTensorType>(op.getX().getType());
  int64_t axis = op.getAxis();
  Value end = extent(op.getX(), axis);
  if (op.getKind() != tile::ReductionKind::Sum || !isa<FloatType>(type.getElementType()) ||
      (!type.isDynamicDim(axis) && type.getDimSize(axis) <= mostTerms * step))
    return chain(op, row, first, end, step);
  auto loop = scf::ForOp::create(b, first, end, index(mostTerms * step),
                                 ValueRange{neutralValue(b, op.getKind(), type.getElementType())});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value last = arith::AddIOp::create(b, loop.getInductionVar(), index(mostTerms * step));
  FailureOr<Value> part = chain(op, row, loop.getInductionVar(), arith::MinSIOp::create(b, end, last), step);
  if (failed(part))
    return failure();
  scf::YieldOp::create(b, ValueRange{combineValues(b, op.getKind(), loop.getRegionIterArgs()[0], *part)});
  return loop.getResult(0);
}

FailureOr<Value> ThreadExpander::chain(tile::ReduceOp op, Value row, Value first, Value end, int64_t step) {
  auto type = cast<RankedTensorType>(op.getX().getType());
  auto loop =
      scf::ForOp::create(b, first, end, index(step), ValueRange{neutralValue(b, op.getKind(), type.getElementType())});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Place place;
  if (type.getRank() == 2)
    place.at.push_back(row);
  place.at.push_back(loop.getInductionVar());
  FailureOr<Value> value = evaluate(op.getX(), place);
  if (failed(value))
    return failure();
  b.setLoc(op.getLoc());
  scf::YieldOp::create(b, ValueRange{combineValues(b, op.getKind(), loop.getRegionIterArgs()[0], *value)});
  return loop.getResult(0);
}

Value ThreadExpander::acrossLanes(tile::ReductionKind kind, Value value) {
  for (int64_t bit = 1; bit < 32; bit *= 2)
    value = combineValues(b, kind, value, shuffleButterfly(b, value, bit));
  return value;
}

LogicalResult ThreadExpander::expandReduce(tile::ReduceOp op) {
  auto type = cast<RankedTensorType>(op.getX().getType());
  if (type.getRank() > 2)
    return op.emitError("expected a tile of rank 1 or 2, got ") << type;
  if (failed(prepare(op.getX())))
    return failure();
  b.setLoc(op.getLoc());
  Type element = type.getElementType();
  tile::ReductionKind kind = op.getKind();
  bool single = type.getRank() == 1 || type.getDimSize(0) == 1;
  if (single && type.getShape().back() == 1) {
    SmallVector<Value> own;
    if (failed(canonical(op.getX(), own)))
      return failure();
    registers[op.getTile()] = own;
    return success();
  }
  if (!single) {
    FailureOr<Memory> place = allocate(op.getTile());
    if (failed(place))
      return failure();
    beginRoot(/*writes=*/true);
    auto rows = scf::ForOp::create(b, warp, extent(op.getX(), 0), index(threads / 32));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(rows.getBody());
    FailureOr<Value> value = partial(op, rows.getInductionVar(), lane, 32);
    if (failed(value))
      return failure();
    Value total = acrossLanes(kind, *value);
    Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, lane, index(0));
    auto branch = scf::IfOp::create(b, isFirst, /*withElseRegion=*/false);
    b.setInsertionPointToStart(branch.thenBlock());
    SmallVector<Value> at = {rows.getInductionVar()};
    if (cast<RankedTensorType>(op.getTile().getType()).getRank() == 2)
      at.push_back(index(0));
    storeAt(*place, at, total);
    endRoot(/*writes=*/true);
    memory[op.getTile()] = std::move(*place);
    return success();
  }

  int64_t warps = threads / 32;
  beginRoot(/*writes=*/warps > 1);
  FailureOr<Value> value = partial(op, index(0), thread, threads);
  if (failed(value))
    return failure();
  Value total = acrossLanes(kind, *value);
  if (warps > 1) {
    Memory parts;
    parts.element = element;
    parts.base = sharedArray(element, warps);
    parts.strides = {index(1)};
    Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, lane, index(0));
    auto branch = scf::IfOp::create(b, isFirst, /*withElseRegion=*/false);
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(branch.thenBlock());
      storeAt(parts, {warp}, total);
    }
    barrier();
    total = {};
    for (int64_t w = 0; w < warps; ++w) {
      Value part = loadAt(parts, {index(w)});
      total = total ? combineValues(b, kind, total, part) : part;
    }
  }
  endRoot(/*writes=*/false);
  registers[op.getTile()] = {total};
  return success();
}
