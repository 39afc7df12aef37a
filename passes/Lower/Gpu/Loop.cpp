// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// scf.for with products inside, as in attention. Each load that a product of the
// body reads has places in shared memory, the schedule's `stages` shared out among
// them. With one place for each, the operand of the next product is on its way while
// a product is computed:
//
//   start the copies of what comes from outside, and of the first load
//   for each step:
//     for each product: wait for its operand; barrier: all see it, and all are
//       done with the product before; start the copy of the next operand (of
//       the next step's first, behind the last); multiply
//
// With more, whole steps are on their way:
//
//   start the copies of what comes from outside, and of all loads of the first
//   places - 1 steps
//   for each step:
//     for each product: wait for its operand; barrier: all see it, and all are
//       done with it in the step before; start its copy of the step places - 1
//       ahead, there; multiply
#include "passes/Lower/Gpu/GpuExpander.h"

#include "passes/Lower/TileParts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::gpu;

bool GpuExpander::isAddedOnce(tile::DotOp op) {
  return op->hasOneUse() && isa<arith::AddFOp>(*op->user_begin()) && (*op->user_begin())->getBlock() == op->getBlock();
}

void GpuExpander::startStaged(const StagedOperand &operand, Value position) {
  Value before = mapping.lookupOrNull(stagedLoop.getInductionVar());
  mapping.map(stagedLoop.getInductionVar(), position);
  startCopy(operand.copy, stagedBase(operand, position), {});
  if (before)
    mapping.map(stagedLoop.getInductionVar(), before);
}

Value GpuExpander::stagedBase(const StagedOperand &operand, Value position) {
  Value base = sharedBase(operand.place);
  if (stagedPlaces == 1)
    return base;
  Value number = arith::SubIOp::create(b, position, stagedLower);
  number = arith::RemUIOp::create(b, arith::DivUIOp::create(b, number, stagedStep), index(stagedPlaces));
  number = arith::IndexCastOp::create(b, b.getI32Type(), mul(number, index(operand.copy.tile.bytes)));
  return LLVM::GEPOp::create(b, base.getType(), b.getI8Type(), base, ArrayRef<LLVM::GEPArg>{number});
}

void GpuExpander::startStagedIfAny(const StagedOperand &operand, Value position) {
  OpBuilder::InsertionGuard guard(b);
  Value exists = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, position, stagedEnd);
  b.setInsertionPointToStart(scf::IfOp::create(b, exists, /*withElseRegion=*/false).thenBlock());
  startStaged(operand, position);
}

void GpuExpander::useStaged(tile::LoadOp load) {
  auto found = stagedNumbers.find(load);
  if (found == stagedNumbers.end())
    return; // copied once, outside
  const StagedOperand &operand = staged[found->second];
  // One group for each operand and step.
  NVVM::CpAsyncWaitGroupOp::create(b, stagedPlaces == 1 ? 0 : int64_t(staged.size()) * (stagedPlaces - 1) - 1);
  blockBarrier();
  if (stagedPlaces > 1)
    startStagedIfAny(operand, add(stagedPosition, mul(stagedStep, index(stagedPlaces - 1))));
  else if (operand.isNextStep)
    startStagedIfAny(staged[operand.next], add(stagedPosition, stagedStep));
  else
    startStaged(staged[operand.next], stagedPosition);
  NVVM::CpAsyncCommitGroupOp::create(b);
}

LogicalResult GpuExpander::expandStagedDot(tile::DotOp op, Registers sums) {
  FailureOr<GpuMatmulSchedule> schedule = scheduleOf(op);
  if (failed(schedule))
    return failure();
  auto a = op.getA().getDefiningOp<tile::LoadOp>(), right = op.getB().getDefiningOp<tile::LoadOp>();
  auto typeA = cast<RankedTensorType>(op.getA().getType());
  if (!right || !stagedNumbers.count(right))
    return op.emitError("expected a right operand that is a load of the loop's body");
  DotOperands operands;
  operands.transposed = op.getTransposeB();
  bool isFma = schedule->instruction == MatmulInstruction::Fma;
  // Beyond the depth both operands are zeros in shared memory.
  operands.depth = schedule->blockDepth = llvm::alignTo(typeA.getDimSize(1), isFma ? 4 : 16);
  if (sums.empty())
    sums.assign(schedule->accumulatorLayout().registers(), zeroOf(b.getF32Type()));
  Registers fragments;
  if (a) {
    const StagedOperand &left = outside.find(a)->second;
    operands.a = left.copy.tile;
    operands.baseA = sharedBase(left.place);
  } else if (isFma) {
    // Written where the warp's own lanes read it; the barrier before the
    // product orders it.
    FailureOr<TileLayout> layout = layoutOf(op, op.getA());
    if (failed(layout))
      return failure();
    operands.a = makeSharedTile(schedule->blockRows, operands.depth, typeA.getElementType());
    operands.baseA = sharedBase(computedPlace);
    ThreadColumns columns = threadColumns(operands.a, *layout);
    int64_t width = std::min<int64_t>(contiguousRegisters(*layout), 16 / operands.a.elementBytes());
    const Registers &values = tiles[op.getA()];
    for (int64_t reg = 0; reg < layout->registers(); reg += width) {
      std::vector<int64_t> at = layout->locate(reg, {});
      Value whole = values[reg];
      if (width > 1)
        whole = vector::FromElementsOp::create(b, VectorType::get({width}, operands.a.element),
                                               ArrayRef<Value>(values).slice(reg, width));
      LLVM::StoreOp::create(b, whole, sharedPlace(operands.baseA, columns, operands.a.place(at[0], at[1])),
                            width * operands.a.elementBytes());
    }
  } else {
    operands.registersA = &tiles[op.getA()];
  }
  useStaged(right);
  const StagedOperand &staging = staged[stagedNumbers[right]];
  operands.b = staging.copy.tile;
  operands.baseB = stagedBase(staging, stagedPosition);
  multiplyStep(*schedule, operands, sums);
  tiles[op.getTile()] = std::move(sums);
  return success();
}

/// The loop itself, with a value for each register of the tiles that it carries.
LogicalResult GpuExpander::expandLoop(scf::ForOp op) {
  Registers initial;
  for (Value value : op.getInitArgs()) {
    if (isa<RankedTensorType>(value.getType()))
      llvm::append_range(initial, tiles[value]);
    else
      initial.push_back(mapped(value));
  }
  auto loop =
      scf::ForOp::create(b, mapped(op.getLowerBound()), mapped(op.getUpperBound()), mapped(op.getStep()), initial);
  // The values of the old loop's, in order, from a flat list.
  auto spread = [&](ValueRange olds, ValueRange flat) {
    size_t next = 0;
    for (auto [old, start] : llvm::zip(olds, op.getInitArgs())) {
      size_t count = isa<RankedTensorType>(old.getType()) ? tiles[start].size() : 1;
      Registers values(flat.slice(next, count));
      next += count;
      if (isa<RankedTensorType>(old.getType()))
        tiles[old] = values;
      else
        mapping.map(old, values[0]);
    }
  };
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    stagedPosition = loop.getInductionVar();
    mapping.map(op.getInductionVar(), stagedPosition);
    spread(op.getRegionIterArgs(), loop.getRegionIterArgs());
    waitForKept(op);
    for (Operation &inner : op.getBody()->without_terminator())
      if (failed(expandOp(inner)))
        return failure();
    refillKept(op);
    Registers results;
    for (Value value : op.getBody()->getTerminator()->getOperands()) {
      if (isa<RankedTensorType>(value.getType()))
        llvm::append_range(results, tiles[value]);
      else
        results.push_back(mapped(value));
    }
    b.setLoc(op.getLoc());
    if (!initial.empty()) // else it is there
      scf::YieldOp::create(b, results);
  }
  spread(op.getResults(), loop.getResults());
  return success();
}

LogicalResult GpuExpander::expandIf(scf::IfOp op) {
  if (op.getNumResults() == 0) {
    if (!op.getElseRegion().empty())
      return op.emitError("expected an scf.if with results, or without an else, in a GPU kernel");
    auto branch = scf::IfOp::create(b, mapped(op.getCondition()), /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    for (Operation &inner : op.thenBlock()->without_terminator())
      if (failed(expandOp(inner)))
        return failure();
    return success();
  }
  SmallVector<Type> types;
  for (Value result : op.getResults()) {
    auto tile = dyn_cast<RankedTensorType>(result.getType());
    FailureOr<TileLayout> layout = tile ? layoutOf(op, result) : TileLayout();
    if (failed(layout))
      return failure();
    types.append(tile ? layout->registers() : 1, tile ? tile.getElementType() : result.getType());
  }
  auto branch = scf::IfOp::create(b, types, mapped(op.getCondition()), /*withElseRegion=*/true);
  for (auto [from, to] :
       {std::pair(op.thenBlock(), branch.thenBlock()), std::pair(op.elseBlock(), branch.elseBlock())}) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(to);
    for (Operation &inner : from->without_terminator())
      if (failed(expandOp(inner)))
        return failure();
    Registers values;
    for (Value value : from->getTerminator()->getOperands()) {
      if (isa<RankedTensorType>(value.getType()))
        llvm::append_range(values, tiles[value]);
      else
        values.push_back(mapped(value));
    }
    scf::YieldOp::create(b, values);
  }
  size_t next = 0;
  for (auto [result, value] : llvm::zip(op.getResults(), op.thenYield().getOperands())) {
    if (!isa<RankedTensorType>(result.getType())) {
      mapping.map(result, branch.getResult(next++));
      continue;
    }
    size_t count = tiles[value].size();
    tiles[result] = Registers(branch.getResults().slice(next, count));
    next += count;
  }
  return success();
}

LogicalResult GpuExpander::expandFor(scf::ForOp op) {
  if (pointOfBlock)
    return expandedLoops.contains(op) ? success() : expandWgmmaLoops(op);
  SmallVector<tile::DotOp> dots;
  for (Operation &inner : op.getBody()->without_terminator()) {
    if (auto dot = dyn_cast<tile::DotOp>(inner))
      dots.push_back(dot);
    else if (inner.getNumRegions() && !isa<scf::IfOp>(inner))
      return inner.emitError("expected no control flow but scf.if in the loop of a GPU kernel");
  }
  if (op->hasAttr(piecesName) && dots.empty())
    return expandLoop(op);
  if (dots.empty() || stagedLoop)
    return op.emitError("expected a loop with matrix products in it");
  auto warps = kernel.getSchedule().getAs<IntegerAttr>("warps");
  int64_t threads = 32 * (warps ? warps.getInt() : 1), mark = sharedTop;
  fenceShared();
  stagedLoop = op;
  auto place = [&](tile::LoadOp load, MatmulInstruction instruction, int64_t rowStep, int64_t places) -> StagedOperand {
    auto type = cast<RankedTensorType>(load.getTile().getType());
    StagedOperand operand;
    operand.copy =
        makeSharedCopy(load, type.getDimSize(0), paddedColumns(type.getDimSize(1), instruction), 1, threads, rowStep);
    operand.place = takeShared(operand.copy.tile.bytes * places);
    return operand;
  };
  auto stages = kernel.getSchedule().getAs<IntegerAttr>("stages");
  stagedPlaces = std::max<int64_t>(1, (stages ? stages.getInt() : 1) / int64_t(dots.size()));
  for (tile::DotOp dot : dots) {
    auto a = dot.getA().getDefiningOp<tile::LoadOp>(), right = dot.getB().getDefiningOp<tile::LoadOp>();
    if ((a && op->isAncestor(a)) || !right || !op->isAncestor(right) || stagedNumbers.count(right))
      return dot.emitError("expected a left operand that is computed or comes from outside of the loop, and a right "
                           "one that is a load of its body");
    for (tile::LoadOp load : {a, right})
      if (load && !cast<RankedTensorType>(load.getTile().getType()).hasStaticShape())
        return load.emitError("expected a tile of known size in a GPU's loop");
    FailureOr<GpuMatmulSchedule> schedule = scheduleOf(dot);
    if (failed(schedule))
      return failure();
    if (a && !outside.count(a))
      outside[a] = place(a, schedule->instruction, 1, 1);
    if (!a) {
      auto type = cast<RankedTensorType>(dot.getA().getType());
      if (cast<IntegerAttr>(kernel.getSchedule().get("block_rows")).getInt() != type.getDimSize(0))
        return dot.emitError("expected a left operand of the block's rows");
      if (schedule->instruction == MatmulInstruction::Fma)
        computedPlace = takeShared(type.getNumElements() * type.getElementTypeBitWidth() / 8);
    }
    stagedNumbers[right] = staged.size();
    staged.push_back(place(right, schedule->instruction, dot.getTransposeB() ? rowStepOf(*schedule) : 1, stagedPlaces));
  }
  for (auto [i, operand] : llvm::enumerate(staged)) {
    operand.next = (i + 1) % staged.size();
    operand.isNextStep = i + 1 == staged.size();
  }
  if (staged.size() < 2)
    return op.emitError("expected at least two products in the loop of a GPU kernel");

  stagedLower = mapped(op.getLowerBound());
  stagedEnd = mapped(op.getUpperBound());
  stagedStep = mapped(op.getStep());
  for (auto &[load, operand] : outside)
    startCopy(operand.copy, sharedBase(operand.place), {});
  if (stagedPlaces == 1) {
    startStagedIfAny(staged[0], stagedLower);
    NVVM::CpAsyncCommitGroupOp::create(b);
  }
  for (int64_t ahead = 0; ahead + 1 < stagedPlaces; ++ahead)
    for (const StagedOperand &operand : staged) {
      startStagedIfAny(operand, add(stagedLower, mul(stagedStep, index(ahead))));
      NVVM::CpAsyncCommitGroupOp::create(b);
    }

  if (failed(expandLoop(op)))
    return failure();
  // The schedule counts on the registers of few large blocks; to make room for one block more ptxas would spill.
  function->setAttr("bess.least_resident", b.getI32IntegerAttr(1));
  // What was asked for and never came into use must not arrive later.
  NVVM::CpAsyncWaitGroupOp::create(b, 0);
  stagedLoop = {};
  staged.clear();
  stagedNumbers.clear();
  outside.clear();
  releaseShared(mark);
  sharedUsed = true;
  return success();
}
