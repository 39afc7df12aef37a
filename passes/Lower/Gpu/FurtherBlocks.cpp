// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A product in fewer blocks of the grid than it has blocks, or shares of the work: each block of the grid has a list
// of items, steps [first, end) of a block of the product. By wgmma the producer goes through the same list, ahead in
// the ring while the others store.
//
// Without streamed blocks an item is a whole block: those with the numbers g, g + grid, g + 2 grid, …
//
// Stream-K (Osama et al., "Stream-K: Work-centric Parallel Decomposition for Dense Matrix-Matrix Multiplication on the
// GPU", 2023) deals the steps of the first `streamedBlocks` blocks out evenly. 3 blocks of 4 steps to 4 blocks of the
// grid, which have 3 steps each:
//
//   block of the product   0          1          2
//   step                   0 1 2 3    0 1 2 3    0 1 2 3
//   share                  0 0 0 1    1 1 2 2    2 3 3 3
//
// A share's sums of a block whose first step is another's (there is at most one such block) go to the workspace, in
// f32, and a word says that they are there (`turns`; release and acquire, in the scope of the device). The one with the
// first step waits for all of them, sets the words back to zero for the next launch, adds the sums in the order of the
// steps, and goes on with the program. Shares are dealt out from the last block of the grid to the first: who waits,
// waits for blocks with lower numbers, which have been started before it, so no grid is too large for the device. A
// share begins with what others wait for and ends with what waits for others.
#include "passes/Lower/Gpu/GpuExpander.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::gpu;

/// What a block of the grid has to do: a loop over items, of which item `i` is a whole block of the product, or, where
/// blocks are streamed, the first `segments` items are shares.
struct GpuExpander::WorkList {
  GpuMatmulSchedule schedule;
  Value lower, upper, stride; ///< of the loop
  int64_t steps = 0;          ///< of a block of the product
  // Of streamed blocks:
  int64_t share = 0;
  Value number;     ///< of the share
  Value first, end; ///< of it, in steps of all streamed blocks
  Value segments;   ///< blocks that it has steps of
};

FailureOr<GpuExpander::WorkList> GpuExpander::makeWorkList(tile::DotOp op, const GpuMatmulSchedule &schedule,
                                                           Value blockOfGrid) {
  WorkList work;
  work.schedule = schedule;
  auto typeA = cast<RankedTensorType>(op.getA().getType());
  unsigned depthDim = op.getTransposeA() ? 0 : 1;
  if (typeA.isDynamicDim(depthDim))
    return op.emitError("expected a known depth for blocks that go on to further ones");
  work.steps = llvm::divideCeil(typeA.getDimSize(depthDim), schedule.blockDepth);
  Value blocks = index(1);
  std::optional<int64_t> known = 1;
  for (const SymbolicExpr &extent : bess::parseDims(kernel.getGrid())) {
    blocks = mul(blocks, fromExpr(extent));
    std::optional<int64_t> size = extent.isConstant();
    known = known && size ? std::optional(*known * *size) : std::nullopt;
  }
  if (!schedule.streamedBlocks) {
    // Not the grid's size: a launch may have more blocks than work, which leave at once.
    work.lower = blockOfGrid, work.upper = blocks;
    work.stride = b.createOrFold<arith::MinUIOp>(blocks, index(schedule.gridBlocks));
    return work;
  }
  int64_t grid = schedule.gridBlocks, streamed = schedule.streamedBlocks;
  if (!known || *known < streamed || (*known - streamed) % grid)
    return op.emitError("expected a product of known size, and as many whole blocks for each of ")
           << grid << " blocks of the grid, got " << kernel.getGrid() << " with " << streamed << " that are streamed";
  work.share = schedule.streamedShare(work.steps);
  partialBytes = schedule.partialBytes();
  auto quotient = [&](Value x, int64_t y) { return b.createOrFold<arith::DivUIOp>(x, index(y)); };
  auto minimum = [&](Value x, Value y) { return b.createOrFold<arith::MinUIOp>(x, y); };
  Value all = index(streamed * work.steps);
  work.number = b.createOrFold<arith::SubIOp>(index(grid - 1), blockOfGrid);
  work.first = minimum(mul(work.number, index(work.share)), all);
  work.end = minimum(add(work.first, index(work.share)), all);
  work.segments = b.createOrFold<arith::SubIOp>(quotient(add(work.end, index(work.steps - 1)), work.steps),
                                                quotient(work.first, work.steps));
  work.lower = index(0), work.stride = index(1);
  work.upper = add(work.segments, index((*known - streamed) / grid));
  return work;
}

scf::ForOp GpuExpander::workLoop(const WorkList &work, ValueRange initial) {
  auto loop = scf::ForOp::create(b, work.lower, work.upper, work.stride, initial);
  b.setInsertionPointToStart(loop.getBody());
  Value item = loop.getInductionVar();
  stepsOfItem = DepthSteps{index(0), index(work.steps)};
  if (!work.schedule.streamedBlocks) {
    mapBlock(item);
    return loop;
  }
  Value isShare = below(item, work.segments);
  Value shared = add(b.createOrFold<arith::DivUIOp>(work.first, index(work.steps)), item);
  Value whole = add(add(index(work.schedule.streamedBlocks), work.number),
                    mul(arith::SubIOp::create(b, item, work.segments), index(work.schedule.gridBlocks)));
  auto select = [&](Value condition, Value x, Value y) { return Value(arith::SelectOp::create(b, condition, x, y)); };
  Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, item, index(0));
  Value firstOfFirst = b.createOrFold<arith::RemUIOp>(work.first, index(work.steps)); // 0 where there is no share
  Value left = arith::SubIOp::create(b, work.end, mul(shared, index(work.steps)));
  stepsOfItem->first = select(isFirst, firstOfFirst, index(0));
  stepsOfItem->end = select(isShare, arith::MinUIOp::create(b, left, index(work.steps)), index(work.steps));
  mapBlock(select(isShare, shared, whole));
  return loop;
}

Value GpuExpander::partialPlace(const WorkList &work, Value number) {
  Value offset = mul(number, index(work.schedule.partialBytes()));
  Value bytes = arith::IndexCastOp::create(b, b.getI64Type(), offset);
  return LLVM::GEPOp::create(b, partials.getType(), b.getI8Type(), partials, ArrayRef<LLVM::GEPArg>{bytes});
}

void GpuExpander::shareSums(const WorkList &work, Registers &sums) {
  const GpuMatmulSchedule &schedule = work.schedule;
  int64_t threads = 32 * schedule.warps();
  constexpr int64_t vectorSize = 4; // 16 bytes of each lane, those of a warp in a row
  Value thread = add(mul(warp, index(32)), lane);
  Value isFirstThread = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, thread, index(0));
  auto vectorType = VectorType::get({vectorSize}, b.getF32Type());
  auto eachVector = [&](Value base, llvm::function_ref<void(size_t reg, Value place)> access) {
    for (size_t reg = 0; reg < sums.size(); reg += vectorSize) {
      Value offset = add(mul(thread, index(4 * vectorSize)), index(int64_t(reg) * 4 * threads));
      Value bytes = arith::IndexCastOp::create(b, b.getI64Type(), offset);
      access(reg, LLVM::GEPOp::create(b, base.getType(), b.getI8Type(), base, ArrayRef<LLVM::GEPArg>{bytes}));
    }
  };
  auto turnOf = [&](Value number) -> Value {
    Value at = arith::IndexCastOp::create(b, b.getI64Type(), number);
    return LLVM::GEPOp::create(b, turns.getType(), b.getI32Type(), turns, ArrayRef<LLVM::GEPArg>{at});
  };
  auto storeWord = [&](int64_t value, Value place, LLVM::AtomicOrdering ordering) {
    LLVM::StoreOp::create(b, word(value), place, /*alignment=*/4, /*isVolatile=*/false, /*isNonTemporal=*/false,
                          /*isInvariantGroup=*/false, ordering,
                          ordering == LLVM::AtomicOrdering::not_atomic ? "" : "device");
  };

  Value isOwner = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, stepsOfItem->first, index(0));
  auto roles = scf::IfOp::create(b, isOwner, /*withElseRegion=*/true);
  b.setInsertionPointToStart(roles.elseBlock());
  eachVector(partialPlace(work, work.number), [&](size_t reg, Value place) {
    Value four = vector::FromElementsOp::create(b, vectorType, ArrayRef<Value>(sums).slice(reg, vectorSize));
    LLVM::StoreOp::create(b, four, place, /*alignment=*/16);
  });
  blockBarrier();
  guarded(isFirstThread, [&] { storeWord(1, turnOf(work.number), LLVM::AtomicOrdering::release); });

  // Who has the rest: the shares up to the one with the block's last step.
  b.setInsertionPointToStart(roles.thenBlock());
  Value next = add(work.number, index(1));
  Value begin = arith::SubIOp::create(b, work.end, stepsOfItem->end); // of the block, where its end is another's
  Value behind = add(b.createOrFold<arith::DivUIOp>(add(begin, index(work.steps - 1)), index(work.share)), index(1));
  Value isCut = below(stepsOfItem->end, index(work.steps));
  Value last = arith::SelectOp::create(b, isCut, behind, next);
  {
    // Each thread waits for words of its own.
    OpBuilder::InsertionGuard guard(b);
    auto words = scf::ForOp::create(b, add(next, thread), last, index(threads));
    b.setInsertionPointToStart(words.getBody());
    Value turn = turnOf(words.getInductionVar());
    auto wait = scf::WhileOp::create(b, TypeRange(), ValueRange());
    {
      OpBuilder::InsertionGuard inWait(b);
      b.createBlock(&wait.getBefore());
      Value there = LLVM::LoadOp::create(b, b.getI32Type(), turn, /*alignment=*/4, /*isVolatile=*/false,
                                         /*isNonTemporal=*/false, /*isInvariant=*/false, /*isInvariantGroup=*/false,
                                         LLVM::AtomicOrdering::acquire, "device");
      scf::ConditionOp::create(b, arith::CmpIOp::create(b, arith::CmpIPredicate::eq, there, word(0)), ValueRange());
      b.createBlock(&wait.getAfter());
      scf::YieldOp::create(b);
    }
    storeWord(0, turn, LLVM::AtomicOrdering::not_atomic);
  }
  guarded(isCut, [&] { blockBarrier(); });
  auto others = scf::ForOp::create(b, next, last, index(1), sums);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(others.getBody());
    Registers added(others.getRegionIterArgs());
    eachVector(partialPlace(work, others.getInductionVar()), [&](size_t reg, Value place) {
      Value four = LLVM::LoadOp::create(b, vectorType, place, /*alignment=*/16);
      for (int64_t i = 0; i < vectorSize; ++i)
        added[reg + i] = arith::AddFOp::create(b, added[reg + i], vector::ExtractOp::create(b, four, i));
    });
    scf::YieldOp::create(b, added);
  }
  sums.assign(others.getResults().begin(), others.getResults().end());
}

LogicalResult GpuExpander::expandFurtherBlocks(tile::DotOp op, Value blockOfGrid) {
  FailureOr<GpuMatmulSchedule> schedule = scheduleOf(op);
  if (failed(schedule))
    return failure();
  bool byWgmma = isWgmma(schedule->instruction);
  auto a = op.getA().getDefiningOp<tile::LoadOp>(), right = op.getB().getDefiningOp<tile::LoadOp>();
  if (byWgmma && (!a || !right))
    return op.emitError("expected a product of loads by wgmma in blocks that go on to further ones");
  if (op->getBlock() != &kernel.getBody().front())
    return op.emitError("expected a product that every block computes in blocks that go on to further ones");
  FailureOr<WgmmaRing> ring;
  if (byWgmma && failed(ring = makeRing(op, *schedule, a, right)))
    return failure();
  FailureOr<WorkList> work = makeWorkList(op, *schedule, blockOfGrid);
  if (failed(work))
    return failure();
  auto ops = kernel.getBody().front().without_terminator();
  SmallVector<Value> carried;
  if (byWgmma) {
    partRoles(*ring, [&] {
      auto loop = workLoop(*work, {word(0), word(1)});
      for (Operation &o : ops) // where the operands are
        if (isScalar(o))
          b.clone(o, mapping);
      Value isFirst = ring->isEarly
                          ? arith::CmpIOp::create(b, arith::CmpIPredicate::eq, loop.getInductionVar(), work->lower)
                          : Value();
      RingPlace next =
          startBlockCopies(*ring, {loop.getRegionIterArgs()[0], loop.getRegionIterArgs()[1]}, *stepsOfItem, isFirst);
      scf::YieldOp::create(b, ValueRange{next.stage, next.parity});
    });
    persistentRing = *ring;
    carried = {word(0), word(0)};
  }
  auto loop = workLoop(*work, carried);
  if (byWgmma)
    consumerPlace = {loop.getRegionIterArgs()[0], loop.getRegionIterArgs()[1]};
  // The stages stay taken. What the block before had in the rest of shared memory may be in use still.
  sharedUsed = true;
  for (Operation &o : ops) {
    if (failed(expandOp(o)))
      return failure();
    if (&o == op && schedule->streamedBlocks)
      shareSums(*work, tiles[op.getTile()]);
  }
  b.setInsertionPointToEnd(loop.getBody());
  if (byWgmma)
    scf::YieldOp::create(b, ValueRange{consumerPlace.stage, consumerPlace.parity});
  return success();
}
