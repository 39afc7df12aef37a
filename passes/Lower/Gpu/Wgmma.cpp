// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// tile.dot by wgmma (sm_90a). Both operands are loads of whole depth: the copy engine
// brings them to a ring of stages in shared memory, at the word of one thread of a warp
// group that does nothing else; the other groups multiply. Two mbarriers for each stage:
// `full`, when the copies are there, and `empty`, when all who multiply are done with it:
//
//   one thread of the producer group         each group that multiplies
//   for each step:                           for each step:
//     wait for empty[stage]                    wait for full[stage]
//     announce the bytes to full[stage]        start its products
//     start the copies                         wait for those of the step before
//                                              arrive at empty[the stage before]
//
// The producers give registers up, the others take them (setmaxnreg). All that follows
// the product in the kernel is in the branch of those who multiply, and its barriers are
// theirs alone. How many groups, stages and registers: the kernel's schedule.
#include "passes/Lower/Gpu/GpuExpander.h"

#include "bessemer/Algorithms/WgmmaOperand.h"
#include "passes/Lower/TileParts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::gpu;

/// Of a tile in the arena: a pattern of the widest swizzle.
static constexpr int64_t tileAlignment = 1024, barrierBytes = 8, groupRowCount = 64;
/// Nanoseconds that a wait may sleep before it looks again.
static constexpr int64_t waitTicks = 10000000;

/// Barrier 0 is for all threads; those who multiply have one of their own, each point of the grid that is in the block.
void GpuExpander::blockBarrier() {
  if (!consumerThreads) {
    NVVM::Barrier0Op::create(b);
    return;
  }
  Value number = word(1);
  if (pointOfBlock)
    number = arith::AddIOp::create(b, number, arith::IndexCastOp::create(b, b.getI32Type(), pointOfBlock));
  NVVM::BarrierOp::create(b, TypeRange(), number, word(consumerThreads), NVVM::BarrierReductionAttr(), Value());
}

/// A parameter of the kernel, at its end; `bess.tensor_maps` says how the host makes it.
Value GpuExpander::addTensorMap(tile::LoadOp load, ArrayRef<int64_t> box, int64_t swizzleBytes) {
  auto view = cast<tile::ViewType>(load.getView().getType());
  int64_t number = 0;
  while (kernel.getView(number) != load.getView())
    ++number;
  tensorMaps.push_back(b.getDictionaryAttr(
      {b.getNamedAttr("view", b.getI64IntegerAttr(number)), b.getNamedAttr("dims", view.getDims()),
       b.getNamedAttr("element_bytes",
                      b.getI64IntegerAttr(storageType(view.getElementType()).getIntOrFloatBitWidth() / 8)),
       b.getNamedAttr("box", b.getDenseI64ArrayAttr(box)),
       b.getNamedAttr("swizzle_bytes", b.getI64IntegerAttr(swizzleBytes))}));
  unsigned index = function.getNumArguments();
  (void)function.insertArgument(index, LLVM::LLVMPointerType::get(b.getContext()), DictionaryAttr(), load.getLoc());
  function->setAttr("bess.tensor_maps", b.getArrayAttr(tensorMaps));
  return function.getArgument(index);
}

FailureOr<GpuExpander::BulkCopy> GpuExpander::makeBulkCopy(tile::LoadOp load, int64_t rows, int64_t columns,
                                                           unsigned depthDim, int64_t extent) {
  auto type = cast<RankedTensorType>(load.getTile().getType());
  auto view = cast<tile::ViewType>(load.getView().getType());
  int64_t rank = view.getRank(), bytes = type.getElementTypeBitWidth() / 8;
  ArrayRef<int64_t> dims = load.getDims();
  std::optional<int64_t> width = bess::parseDims(view.getDims()).back().isConstant();
  if (load.getCondition() || dims.size() != 2 || dims[1] != rank - 1 || rank > 5 || !width || *width * bytes % 16)
    return load.emitError("expected the last dimension, and another one, of a view whose rows are multiples of 16 "
                          "bytes, for the copy engine");
  if (kernel->hasAttr("bess.strides"))
    return load.emitError("expected rows without gaps for the copy engine, got a cache with room for more");
  BulkCopy copy;
  copy.load = load;
  copy.depthDim = depthDim;
  copy.rows = rows;
  copy.columns = columns;
  copy.elementBytes = bytes;
  copy.layout = bulkTileLayout(rows, columns, bytes);
  std::string error;
  std::optional<WgmmaDescriptor> descriptor = describeWgmmaOperand(copy.layout, bytes, depthDim, extent, &error);
  if (!descriptor)
    return load.emitError("no descriptor for wgmma: ") << error;
  copy.descriptor = *descriptor;
  copy.boxColumns = bulkBoxColumns(columns, bytes);
  SmallVector<int64_t> box(rank, 1);
  box[dims[0]] = rows;
  box[rank - 1] = copy.boxColumns;
  copy.map = addTensorMap(load, box, copy.boxColumns * bytes);
  return copy;
}

/// Starts the copies of one step; by one thread.
void GpuExpander::startBulkCopy(const BulkCopy &copy, Value base, Value step, Value barrier) {
  tile::LoadOp load = copy.load;
  auto toI32 = [&](Value v) { return Value(arith::IndexCastOp::create(b, b.getI32Type(), v)); };
  int64_t rank = cast<tile::ViewType>(load.getView().getType()).getRank();
  int64_t stepSize = copy.depthDim ? copy.columns : copy.rows;
  for (int64_t column = 0; column < copy.columns; column += copy.boxColumns) {
    SmallVector<Value> at; // the innermost first
    for (int64_t d = rank - 1; d >= 0; --d) {
      Value place = mapped(load.getOffsets()[d]);
      if (d == load.getDims()[copy.depthDim])
        place = add(place, mul(step, index(stepSize)));
      if (d == rank - 1 && column)
        place = add(place, index(column));
      at.push_back(toI32(place));
    }
    Value to = moved(base, tilePlace(copy.layout, copy.elementBytes, 0, column));
    Value inCluster =
        LLVM::AddrSpaceCastOp::create(b, LLVM::LLVMPointerType::get(b.getContext(), 7), to); // of one block
    NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp::create(b, inCluster, copy.map, at, barrier, ValueRange(), Value(),
                                                           Value(), NVVM::TMALoadMode::TILE, /*isCTAOnly=*/false,
                                                           NVVM::CTAGroupKindAttr(), Value());
  }
}

FailureOr<GpuExpander::WgmmaRing> GpuExpander::makeRing(tile::DotOp op, const GpuMatmulSchedule &schedule,
                                                        tile::LoadOp a, tile::LoadOp right) {
  int64_t depthStep = schedule.blockDepth, columns = schedule.instructionColumns(), stages = schedule.stages;
  WgmmaRing ring;
  ring.schedule = schedule;
  ring.transposedA = op.getTransposeA();
  ring.transposedB = op.getTransposeB();
  ring.isEarly = startsBeforeWait(op, right);
  FailureOr<BulkCopy> copyA = ring.transposedA ? makeBulkCopy(a, depthStep, schedule.blockRows, 0, groupRowCount)
                                               : makeBulkCopy(a, schedule.blockRows, depthStep, 1, groupRowCount);
  FailureOr<BulkCopy> copyB = ring.transposedB ? makeBulkCopy(right, schedule.blockColumns, depthStep, 1, columns)
                                               : makeBulkCopy(right, depthStep, schedule.blockColumns, 0, columns);
  if (failed(copyA) || failed(copyB))
    return failure();
  ring.a = *copyA;
  ring.b = *copyB;
  auto typeA = cast<RankedTensorType>(a.getTile().getType());
  unsigned depthDim = ring.transposedA ? 0 : 1;
  if (typeA.isDynamicDim(depthDim))
    return op.emitError("expected a known depth for the copy engine");
  ring.steps = llvm::divideCeil(typeA.getDimSize(depthDim), depthStep);
  ring.bytesA = copyA->rows * copyA->columns * copyA->elementBytes;
  ring.stageBytes = ring.bytesA + copyB->rows * copyB->columns * copyB->elementBytes;

  // full[0 ..], then empty[0 ..], before the stages.
  fenceShared();
  ring.full = sharedBase(takeShared(2 * stages * barrierBytes));
  ring.empty = moved(ring.full, stages * barrierBytes);
  ring.arena = takeShared(stages * ring.stageBytes, tileAlignment);
  ring.base = sharedBase(ring.arena);
  ring.isFirstLane = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, lane, index(0));
  Value isFirstWarp = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, warp, index(0));
  guarded(arith::AndIOp::create(b, isFirstWarp, ring.isFirstLane), [&] {
    for (int64_t stage = 0; stage < stages; ++stage) {
      NVVM::MBarrierInitOp::create(b, ringBarrier(ring.full, word(stage)), word(1), Value());
      NVVM::MBarrierInitOp::create(b, ringBarrier(ring.empty, word(stage)), word(schedule.warps()), Value());
    }
    NVVM::FenceMbarrierInitOp::create(b);
  });
  NVVM::Barrier0Op::create(b);
  return ring;
}

Value GpuExpander::word(int64_t value) { return arith::ConstantOp::create(b, b.getI32IntegerAttr(value)); }

Value GpuExpander::ringBarrier(Value barriers, Value stage) {
  return LLVM::GEPOp::create(b, barriers.getType(), b.getI64Type(), barriers, ArrayRef<LLVM::GEPArg>{stage});
}

Value GpuExpander::ringStage(const WgmmaRing &ring, Value stage) {
  Value offset = arith::MulIOp::create(b, stage, word(ring.stageBytes));
  return LLVM::GEPOp::create(b, ring.base.getType(), b.getI8Type(), ring.base, ArrayRef<LLVM::GEPArg>{offset});
}

void GpuExpander::waitFor(Value barrier, Value parity) {
  NVVM::MBarrierTryWaitParityOp::create(b, barrier, parity, word(waitTicks));
}

GpuExpander::RingPlace GpuExpander::following(const WgmmaRing &ring, const RingPlace &place) {
  Value next = arith::AddIOp::create(b, place.stage, word(1));
  Value wraps = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, next, word(ring.schedule.stages));
  Value turned = arith::XOrIOp::create(b, place.parity, word(1));
  return {arith::SelectOp::create(b, wraps, word(0), next), arith::SelectOp::create(b, wraps, turned, place.parity)};
}

/// The copies of these steps of a block, by one thread. `early`: of the first steps, for which all stages are free,
/// those of weights start before the launches in front have ended.
GpuExpander::RingPlace GpuExpander::startBlockCopies(const WgmmaRing &ring, const RingPlace &from,
                                                     const DepthSteps &steps, Value early) {
  /// A loop over steps, from a place of the ring on.
  auto over = [&](Value first, Value end, const RingPlace &from,
                  llvm::function_ref<void(Value step, const RingPlace &at, Value place, Value barrier)> body) {
    auto loop = scf::ForOp::create(b, first, end, index(1), ValueRange{from.stage, from.parity});
    OpBuilder::InsertionGuard inLoop(b);
    b.setInsertionPointToStart(loop.getBody());
    RingPlace at{loop.getRegionIterArgs()[0], loop.getRegionIterArgs()[1]};
    body(loop.getInductionVar(), at, ringStage(ring, at.stage), ringBarrier(ring.full, at.stage));
    RingPlace next = following(ring, at);
    scf::YieldOp::create(b, ValueRange{next.stage, next.parity});
    return RingPlace{loop.getResult(0), loop.getResult(1)};
  };
  auto announce = [&](Value barrier) {
    NVVM::MBarrierArriveExpectTxOp::create(b, TypeRange(), barrier, word(ring.stageBytes), NVVM::MemScopeKind::CTA,
                                           /*relaxed=*/false, Value());
  };
  RingPlace at = from;
  Value first = steps.first;
  if (early) {
    Value end = b.createOrFold<arith::MinUIOp>(add(first, index(ring.schedule.stages)), steps.end);
    end = arith::SelectOp::create(b, early, end, first);
    at = over(first, end, from, [&](Value step, const RingPlace &, Value place, Value barrier) {
      announce(barrier);
      startBulkCopy(ring.b, moved(place, ring.bytesA), step, barrier);
    });
    waitForLaunches();
    over(first, end, from, [&](Value step, const RingPlace &, Value place, Value barrier) {
      startBulkCopy(ring.a, place, step, barrier);
    });
    first = end;
  }
  return over(first, steps.end, at, [&](Value step, const RingPlace &at, Value place, Value barrier) {
    waitFor(ringBarrier(ring.empty, at.stage), at.parity);
    announce(barrier);
    startBulkCopy(ring.a, place, step, barrier);
    startBulkCopy(ring.b, moved(place, ring.bytesA), step, barrier);
  });
}

scf::IfOp GpuExpander::partRoles(const WgmmaRing &ring, llvm::function_ref<void()> produce) {
  const GpuMatmulSchedule &schedule = ring.schedule;
  Value isProducer =
      arith::CmpIOp::create(b, arith::CmpIPredicate::uge, warpOfBlock, index(schedule.warps() * pointsOfBlock));
  auto roles = scf::IfOp::create(b, isProducer, /*withElseRegion=*/true);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(roles.thenBlock());
    if (schedule.producerRegisters)
      NVVM::SetMaxRegisterOp::create(b, schedule.producerRegisters, NVVM::SetMaxRegisterAction::decrease);
    Value isFirst =
        arith::CmpIOp::create(b, arith::CmpIPredicate::eq, warpOfBlock, index(schedule.warps() * pointsOfBlock));
    guarded(arith::AndIOp::create(b, isFirst, ring.isFirstLane), produce);
  }
  // From here on all is in the branch of those who multiply.
  b.setInsertionPointToStart(roles.elseBlock());
  consumerThreads = 32 * schedule.warps();
  if (ring.isEarly)
    waitForLaunches();
  if (schedule.consumerRegisters)
    NVVM::SetMaxRegisterOp::create(b, schedule.consumerRegisters, NVVM::SetMaxRegisterAction::increase);
  return roles;
}

LogicalResult GpuExpander::expandWgmmaDot(tile::DotOp op, const GpuMatmulSchedule &schedule, tile::LoadOp a,
                                          tile::LoadOp right) {
  if (persistentRing) {
    // A block of those that this one computes: the ring is where the block before left it.
    tiles[op.getTile()] = multiplyBlock(*persistentRing, consumerPlace, *stepsOfItem, /*goesOn=*/true);
    return success();
  }
  FailureOr<WgmmaRing> ring = makeRing(op, schedule, a, right);
  if (failed(ring))
    return failure();
  auto all = [&] { return DepthSteps{index(0), index(ring->steps)}; };
  // The first time all stages are empty: as if the phase before were complete.
  partRoles(*ring, [&] {
    Value isEarly = ring->isEarly ? arith::ConstantOp::create(b, b.getBoolAttr(true)) : Value();
    startBlockCopies(*ring, {word(0), word(1)}, all(), isEarly);
  });
  RingPlace place{word(0), word(0)};
  tiles[op.getTile()] = multiplyBlock(*ring, place, all(), /*goesOn=*/false);
  releaseShared(ring->arena);
  sharedUsed = true;
  return success();
}

/// These steps of a block, by those who multiply. `goesOn`: the last stage is given back, too; `place` moves on.
GpuExpander::Registers GpuExpander::multiplyBlock(const WgmmaRing &ring, RingPlace &place, const DepthSteps &steps,
                                                  bool goesOn) {
  const GpuMatmulSchedule &schedule = ring.schedule;
  const BulkCopy &copyA = ring.a, &copyB = ring.b;
  bool transposed = ring.transposedB, transposedA = ring.transposedA;
  int64_t depthStep = schedule.blockDepth, columns = schedule.instructionColumns();
  tile::LoadOp left = copyA.load;
  Type i64 = b.getI64Type(), elementType = cast<RankedTensorType>(left.getTile().getType()).getElementType();
  int64_t groupRows = schedule.blockRows / schedule.groupRows(), tilesOfRows = groupRows / groupRowCount;
  auto sumsType = LLVM::LLVMStructType::getLiteral(b.getContext(), SmallVector<Type>(columns / 2, b.getF32Type()));
  // Which part of the block the group has: columns run fastest, as in accumulatorLayout.
  Value group = arith::ShRUIOp::create(b, arith::IndexCastOp::create(b, i64, warp),
                                       arith::ConstantOp::create(b, b.getI64IntegerAttr(2)));
  auto constant64 = [&](uint64_t v) {
    return Value(arith::ConstantOp::create(b, b.getI64IntegerAttr(static_cast<int64_t>(v))));
  };
  Value groupColumn = arith::AndIOp::create(b, group, constant64(schedule.warpColumns - 1));
  Value groupRow = arith::ShRUIOp::create(b, group, constant64(llvm::Log2_64(schedule.warpColumns)));
  /// The descriptor of the group's first operand in a stage.
  auto descriptorOf = [&](const BulkCopy &copy, Value place, Value part, int64_t partRows) -> Value {
    int64_t partPlace =
        tilePlace(copy.layout, copy.elementBytes, copy.depthDim ? partRows : 0, copy.depthDim ? 0 : partRows);
    if (part)
      place = LLVM::GEPOp::create(
          b, place.getType(), b.getI8Type(), place,
          ArrayRef<LLVM::GEPArg>{arith::MulIOp::create(b, part, constant64(partPlace)).getResult()});
    return descriptorAt(copy, place);
  };
  bool isFloat8 = schedule.instruction == MatmulInstruction::WgmmaFloat8;
  NVVM::WGMMATypes element = isa<Float8E4M3FNType>(elementType)                     ? NVVM::WGMMATypes::e4m3
                             : isa<Float8E5M2Type>(elementType)                     ? NVVM::WGMMATypes::e5m2
                             : schedule.instruction == MatmulInstruction::WgmmaTf32 ? NVVM::WGMMATypes::tf32
                             : elementType.isBF16()                                 ? NVVM::WGMMATypes::bf16
                                                                                    : NVVM::WGMMATypes::f16;
  int64_t instructionDepth = 32 / copyA.elementBytes;
  // Of float8, sums of all steps, which the lanes keep; else those that the instruction adds to.
  int64_t carried = isFloat8 ? tilesOfRows * columns / 2 : tilesOfRows;
  SmallVector<Value> initial(carried, isFloat8 ? zeroOf(b.getF32Type()) : Value(LLVM::ZeroOp::create(b, sumsType)));
  initial.append({place.stage, place.parity, place.stage}); // …, the stage before
  auto giveBack = [&](Value condition, Value stage) {
    guarded(condition, [&] {
      NVVM::MBarrierArriveOp::create(b, TypeRange(), ringBarrier(ring.empty, stage), Value(), NVVM::MemScopeKind::CTA);
    });
  };
  auto flattened = [&](ValueRange products) {
    Registers all;
    for (Value product : products)
      for (int64_t i = 0; i < columns / 2; ++i)
        all.push_back(LLVM::ExtractValueOp::create(b, product, i));
    return all;
  };
  auto loop = scf::ForOp::create(b, steps.first, steps.end, index(1), initial);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    SmallVector<Value> kept(loop.getRegionIterArgs().take_front(carried)), sums = kept;
    if (isFloat8)
      sums.assign(tilesOfRows, LLVM::UndefOp::create(b, sumsType));
    RingPlace at{loop.getRegionIterArgs()[carried], loop.getRegionIterArgs()[carried + 1]};
    Value before = loop.getRegionIterArgs()[carried + 2];
    waitFor(ringBarrier(ring.full, at.stage), at.parity);
    Value placeA = ringStage(ring, at.stage), placeB = moved(placeA, ring.bytesA);
    Value leftD = descriptorOf(copyA, placeA, schedule.groupRows() > 1 ? groupRow : Value(), groupRows),
          rightD = descriptorOf(copyB, placeB, schedule.warpColumns > 1 ? groupColumn : Value(), columns);
    NVVM::WgmmaFenceAlignedOp::create(b);
    for (int64_t k = 0; k < depthStep; k += instructionDepth)
      for (int64_t m = 0; m < tilesOfRows; ++m) {
        int64_t row = m * groupRowCount;
        int64_t offsetA = tilePlace(copyA.layout, copyA.elementBytes, transposedA ? k : row, transposedA ? row : k),
                offsetB = tilePlace(copyB.layout, copyB.elementBytes, transposed ? 0 : k, transposed ? k : 0);
        sums[m] = NVVM::WgmmaMmaAsyncOp::create(
            b, sumsType, sums[m], b.createOrFold<arith::AddIOp>(leftD, constant64(offsetA / 16)),
            b.createOrFold<arith::AddIOp>(rightD, constant64(offsetB / 16)),
            NVVM::MMAShapeAttr::get(b.getContext(), groupRowCount, columns, instructionDepth), element, element,
            NVVM::WGMMATypes::f32, isFloat8 && k == 0 ? NVVM::WGMMAScaleOut::zero : NVVM::WGMMAScaleOut::one,
            NVVM::WGMMAScaleIn::one, NVVM::WGMMAScaleIn::one, transposedA ? NVVM::MMALayout::col : NVVM::MMALayout::row,
            transposed ? NVVM::MMALayout::col : NVVM::MMALayout::row, NVVM::MMAIntOverflowAttr());
      }
    NVVM::WgmmaGroupSyncAlignedOp::create(b);
    if (isFloat8) {
      // The instruction keeps about 14 bits of a sum: it adds up one step, the lanes the rest.
      for (auto [sum, step] : llvm::zip(kept, waitForSums(flattened(sums), 0)))
        sum = arith::AddFOp::create(b, sum, step);
      sums = kept;
      giveBack(ring.isFirstLane, at.stage);
    } else {
      NVVM::WgmmaWaitGroupSyncOp::create(b, 1);
      Value hasBefore = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, loop.getInductionVar(), steps.first);
      giveBack(arith::AndIOp::create(b, hasBefore, ring.isFirstLane), before);
    }
    RingPlace next = following(ring, at);
    sums.append({next.stage, next.parity, at.stage});
    scf::YieldOp::create(b, sums);
  }

  place = {loop.getResult(carried), loop.getResult(carried + 1)};
  if (isFloat8)
    return Registers(loop.getResults().take_front(carried));
  Registers done = waitForSums(flattened(loop.getResults().take_front(carried)), 0);
  if (goesOn)
    giveBack(ring.isFirstLane, loop.getResult(carried + 2));
  return done;
}

/// What the wait hands on is there; see bessemer/Support/InlinePtx.def.
GpuExpander::Registers GpuExpander::waitForSums(ArrayRef<Value> inFlight, int64_t left) {
  std::string constraints;
  for (size_t i = 0; i < inFlight.size(); ++i)
    constraints += "=f,";
  for (size_t i = 0; i < inFlight.size(); ++i)
    constraints += std::to_string(i) + ",";
  auto allType = LLVM::LLVMStructType::getLiteral(b.getContext(), SmallVector<Type>(inFlight.size(), b.getF32Type()));
  Value all =
      LLVM::InlineAsmOp::create(b, allType, inFlight, "wgmma.wait_group.sync.aligned " + std::to_string(left) + ";",
                                constraints + "~{memory}", /*has_side_effects=*/true, /*is_align_stack=*/false,
                                LLVM::TailCallKind::None, LLVM::AsmDialectAttr(), ArrayAttr())
          .getRes();
  Registers done;
  for (size_t i = 0; i < inFlight.size(); ++i)
    done.push_back(LLVM::ExtractValueOp::create(b, all, i));
  return done;
}

Value GpuExpander::descriptorAt(const BulkCopy &copy, Value place) {
  Type i64 = b.getI64Type();
  auto constant = [&](uint64_t v) {
    return Value(arith::ConstantOp::create(b, b.getI64IntegerAttr(static_cast<int64_t>(v))));
  };
  Value address = LLVM::PtrToIntOp::create(b, i64, place);
  address = arith::ShRUIOp::create(b, arith::AndIOp::create(b, address, constant(0x3ffff)), constant(4));
  return arith::OrIOp::create(b, address, constant(copy.descriptor.fields()));
}

bool GpuExpander::isScalar(Operation &op) {
  return !isa<tile::TileDialect>(op.getDialect()) && !op.getNumRegions() &&
         llvm::none_of(op.getResultTypes(), llvm::IsaPred<RankedTensorType>) &&
         llvm::none_of(op.getOperandTypes(), llvm::IsaPred<RankedTensorType>);
}
