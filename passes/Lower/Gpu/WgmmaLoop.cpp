// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// scf.for with two products by wgmma in each step, as in attention: the first one of a tile from outside of the loop
// (queries) and a load of the body (keys), the second one of what is computed from the first (weights, in registers)
// and another load (values), added to a carried tile. Loops that go on with what the one before carries are one
// pipeline with it. The points of the grid that share a block are warp groups, which share keys and values: two rings
// of stages, filled by one thread of the producer group, with two mbarriers for each stage as in Wgmma.cpp.
//
//   one thread of the producer group     each group that multiplies
//   for each step of all loops:          copy the queries; wait for them
//     wait for keys.empty[stage]         for each step:
//     start the copy of the keys           wait for keys.full[stage], values.full[the stage before]
//     wait for values.empty[stage]         start scores = queries * keys
//     start the copy of the values         start sums += weights of the step before * values
//                                          wait for the scores; arrive at keys.empty[stage]
//                                          compute the weights, while the other product runs
//                                          wait for the sums; arrive at values.empty[the stage before]
//                                          scale the sums
//                                        wait for values.full; sums += weights * values
//
// Groups take turns to start products (`bar.sync`, `bar.arrive`): while those of one run, the next one computes its
// weights. The first step is by itself, without a product of the step before; so the first loop must have one. The
// program says all this without a pipeline: what must wait for the sums is what depends on them, all else of the body
// comes before.
#include "passes/Lower/Gpu/GpuExpander.h"

#include "bessemer/Support/WgmmaText.h"
#include "passes/Lower/TileParts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::gpu;

static constexpr int64_t tileAlignment = 1024, barrierBytes = 8, groupRowCount = 64, instructionDepth = 16;

/// One loop of the chain, taken apart.
struct LoopParts {
  scf::ForOp loop;
  tile::DotOp scores, product;
  tile::LoadOp queries, keys, values;
  arith::AddFOp added;                    ///< of the product to the carried sums
  unsigned carried = 0;                   ///< their number among what the loop carries
  llvm::SmallPtrSet<Operation *, 8> late; ///< depend on the carried sums
};

static FailureOr<LoopParts> takeApart(scf::ForOp loop) {
  LoopParts parts;
  parts.loop = loop;
  SmallVector<tile::DotOp> dots(loop.getBody()->getOps<tile::DotOp>());
  if (dots.size() != 2)
    return loop.emitError("expected two matrix products in a loop with wgmma, got ") << dots.size();
  parts.scores = dots[0];
  parts.product = dots[1];
  parts.queries = parts.scores.getA().getDefiningOp<tile::LoadOp>();
  parts.keys = parts.scores.getB().getDefiningOp<tile::LoadOp>();
  parts.values = parts.product.getB().getDefiningOp<tile::LoadOp>();
  Operation *weights = parts.product.getA().getDefiningOp();
  auto inBody = [&](Operation *op) { return op && op->getBlock() == loop.getBody(); };
  if (!parts.queries || inBody(parts.queries) || !inBody(parts.keys) || !inBody(parts.values) || !inBody(weights) ||
      !parts.scores.getTransposeB() || parts.product.getTransposeB())
    return loop.emitError("expected a product of a load from outside and one of the body, [columns, depth], and a "
                          "product of what is computed and another load of the body");
  parts.added = parts.product->hasOneUse() ? dyn_cast<arith::AddFOp>(*parts.product->user_begin()) : arith::AddFOp();
  auto yielded =
      parts.added && parts.added->hasOneUse() ? dyn_cast<scf::YieldOp>(*parts.added->user_begin()) : scf::YieldOp();
  if (!yielded)
    return parts.product.emitError("expected a product that is added to what the loop carries");
  parts.carried = parts.added->use_begin()->getOperandNumber();
  DenseSet<Value> dependent{loop.getRegionIterArgs()[parts.carried]};
  for (Operation &op : loop.getBody()->without_terminator())
    if (llvm::any_of(op.getOperands(), [&](Value value) { return dependent.contains(value); })) {
      parts.late.insert(&op);
      dependent.insert(op.getResults().begin(), op.getResults().end());
    }
  for (auto [i, value] : llvm::enumerate(loop.getBody()->getTerminator()->getOperands()))
    if (i != parts.carried && dependent.contains(value))
      return loop.emitError("expected sums on which nothing else that the loop carries depends");
  if (parts.late.contains(weights) || parts.late.contains(parts.scores))
    return parts.product.emitError("expected a left operand that does not depend on the carried sums");
  return parts;
}

/// The pipeline of a chain of loops.
struct GpuExpander::WgmmaLoops {
  GpuExpander &e;
  ImplicitLocOpBuilder &b;
  GpuMatmulSchedule schedule;
  SmallVector<LoopParts> loops;
  BulkCopy queries;
  WgmmaRing ring; ///< a: keys, b: values; its barriers are those of the keys
  Value valuesFull, valuesEmpty, queriesDescriptor;
  bool isBrain = false;

  /// What goes from step to step.
  struct State {
    Registers carried; ///< of the loop, flat
    Registers weights; ///< in words
    RingPlace at, before;
    Registers flat() const {
      Registers all(carried);
      all.append(weights);
      all.append({at.stage, at.parity, before.stage, before.parity});
      return all;
    }
  };

  WgmmaLoops(GpuExpander &e, const GpuMatmulSchedule &schedule) : e(e), b(e.b), schedule(schedule) {}

  LogicalResult makeRings() {
    LoopParts &first = loops[0];
    auto sizes = [](tile::LoadOp load) { return cast<RankedTensorType>(load.getTile().getType()).getShape(); };
    for (tile::LoadOp load : {first.queries, first.keys, first.values})
      if (!cast<RankedTensorType>(load.getTile().getType()).hasStaticShape())
        return load.emitError("expected a tile of known size in a GPU's loop");
    auto width = [&](tile::LoadOp load) -> int64_t {
      return llvm::PowerOf2Ceil(paddedColumns(sizes(load)[1], schedule.instruction));
    };
    int64_t keys = sizes(first.keys)[0];
    FailureOr<BulkCopy> q = e.makeBulkCopy(first.queries, groupRowCount, width(first.queries), 1, groupRowCount),
                        k = e.makeBulkCopy(first.keys, keys, width(first.keys), 1, keys),
                        v = e.makeBulkCopy(first.values, keys, width(first.values), 0, width(first.values));
    if (failed(q) || failed(k) || failed(v))
      return failure();
    queries = *q;
    ring.schedule = schedule;
    ring.a = *k;
    ring.b = *v;
    isBrain = cast<RankedTensorType>(first.queries.getTile().getType()).getElementType().isBF16();
    auto bytes = [](const BulkCopy &copy) { return copy.rows * copy.columns * copy.elementBytes; };
    ring.bytesA = bytes(ring.a);
    ring.stageBytes = ring.bytesA + bytes(ring.b);

    int64_t stages = schedule.stages, points = e.pointsOfBlock;
    e.fenceShared();
    int64_t barriers = e.takeShared((4 * stages + points) * barrierBytes);
    ring.full = e.sharedBase(barriers);
    ring.empty = e.moved(ring.full, stages * barrierBytes);
    valuesFull = e.moved(ring.full, 2 * stages * barrierBytes);
    valuesEmpty = e.moved(ring.full, 3 * stages * barrierBytes);
    queriesBarriers = e.moved(ring.full, 4 * stages * barrierBytes);
    // A group's queries are read by no other; in their place it turns its results around.
    pointBytes = std::max(bytes(queries), queries.rows * ring.b.columns * queries.elementBytes);
    queriesPlace = e.takeShared(points * pointBytes, tileAlignment);
    ring.arena = e.takeShared(stages * ring.stageBytes, tileAlignment);
    ring.base = e.sharedBase(ring.arena);
    ring.isFirstLane = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, e.lane, e.index(0));
    Value isFirstWarp = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, e.warpOfBlock, e.index(0));
    e.guarded(arith::AndIOp::create(b, isFirstWarp, ring.isFirstLane), [&] {
      for (int64_t i = 0; i < 4 * stages + points; ++i) {
        bool isEmpty = i < 4 * stages && i / stages % 2;
        NVVM::MBarrierInitOp::create(b, e.ringBarrier(ring.full, e.word(i)),
                                     e.word(isEmpty ? schedule.warps() * points : 1), Value());
      }
      NVVM::FenceMbarrierInitOp::create(b);
    });
    NVVM::Barrier0Op::create(b);
    return success();
  }

  /// All steps of all loops, by one thread.
  void startCopies() {
    RingPlace at{e.word(0), e.word(1)}; // the first time all stages are empty
    for (LoopParts &parts : loops) {
      auto loop = scf::ForOp::create(b, e.mapped(parts.loop.getLowerBound()), e.mapped(parts.loop.getUpperBound()),
                                     e.mapped(parts.loop.getStep()), ValueRange{at.stage, at.parity});
      OpBuilder::InsertionGuard inLoop(b);
      b.setInsertionPointToStart(loop.getBody());
      at = {loop.getRegionIterArgs()[0], loop.getRegionIterArgs()[1]};
      e.mapping.map(parts.loop.getInductionVar(), loop.getInductionVar());
      for (Operation &op : parts.loop.getBody()->without_terminator())
        if (isScalar(op))
          b.clone(op, e.mapping);
      Value place = e.ringStage(ring, at.stage);
      auto start = [&](BulkCopy copy, tile::LoadOp load, Value to, Value full, Value empty) {
        copy.load = load;
        e.waitFor(e.ringBarrier(empty, at.stage), at.parity);
        Value barrier = e.ringBarrier(full, at.stage);
        announce(copy, barrier);
        e.startBulkCopy(copy, to, e.index(0), barrier);
      };
      start(ring.a, parts.keys, place, ring.full, ring.empty);
      start(ring.b, parts.values, e.moved(place, ring.bytesA), valuesFull, valuesEmpty);
      RingPlace next = e.following(ring, at);
      scf::YieldOp::create(b, ValueRange{next.stage, next.parity});
      at = {loop.getResult(0), loop.getResult(1)};
    }
  }

  void announce(const BulkCopy &copy, Value barrier) {
    NVVM::MBarrierArriveExpectTxOp::create(b, TypeRange(), barrier,
                                           e.word(copy.rows * copy.columns * copy.elementBytes),
                                           NVVM::MemScopeKind::CTA, /*relaxed=*/false, Value());
  }

  /// The group's own: one of its threads starts the copy.
  void copyQueries() {
    Value point = ownPoint();
    Value offset = arith::MulIOp::create(b, point, e.word(pointBytes)), base = e.sharedBase(queriesPlace);
    Value place = LLVM::GEPOp::create(b, base.getType(), b.getI8Type(), base, ArrayRef<LLVM::GEPArg>{offset});
    Value barrier = e.ringBarrier(queriesBarriers, point);
    Value isFirstWarp = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, e.warp, e.index(0));
    e.guarded(arith::AndIOp::create(b, isFirstWarp, ring.isFirstLane), [&] {
      announce(queries, barrier);
      e.startBulkCopy(queries, place, e.index(0), barrier);
    });
    e.waitFor(barrier, e.word(0));
    queriesDescriptor = e.descriptorAt(queries, place);
  }

  Value moved(Value descriptor, const BulkCopy &copy, int64_t row, int64_t column) {
    int64_t bytes = tilePlace(copy.layout, copy.elementBytes, row, column);
    return b.createOrFold<arith::AddIOp>(descriptor, arith::ConstantOp::create(b, b.getI64IntegerAttr(bytes / 16)));
  }

  /// Starts queries * keys; the sums, on their way.
  Registers startScores(LoopParts &parts, Value stage) {
    int64_t columns = ring.a.rows, depth = cast<RankedTensorType>(parts.queries.getTile().getType()).getDimSize(1);
    auto type = LLVM::LLVMStructType::getLiteral(b.getContext(), SmallVector<Type>(columns / 2, b.getF32Type()));
    Value keys = e.descriptorAt(ring.a, e.ringStage(ring, stage));
    Value sums = LLVM::UndefOp::create(b, type); // the first instruction does not add to them
    NVVM::WGMMATypes element = isBrain ? NVVM::WGMMATypes::bf16 : NVVM::WGMMATypes::f16;
    for (int64_t k = 0; k < depth; k += instructionDepth)
      sums = NVVM::WgmmaMmaAsyncOp::create(
          b, type, sums, moved(queriesDescriptor, queries, 0, k), moved(keys, ring.a, 0, k),
          NVVM::MMAShapeAttr::get(b.getContext(), groupRowCount, columns, instructionDepth), element, element,
          NVVM::WGMMATypes::f32, k ? NVVM::WGMMAScaleOut::one : NVVM::WGMMAScaleOut::zero, NVVM::WGMMAScaleIn::one,
          NVVM::WGMMAScaleIn::one, NVVM::MMALayout::row, NVVM::MMALayout::col, NVVM::MMAIntOverflowAttr());
    NVVM::WgmmaGroupSyncAlignedOp::create(b);
    Registers inFlight;
    for (int64_t i = 0; i < columns / 2; ++i)
      inFlight.push_back(LLVM::ExtractValueOp::create(b, sums, i));
    return inFlight;
  }

  /// Starts sums + weights * values; the sums, on their way.
  Registers startProduct(LoopParts &parts, ArrayRef<Value> sums, ArrayRef<Value> weights, Value stage) {
    int64_t columns = 2 * sums.size(), depth = ring.b.rows;
    auto type = LLVM::LLVMStructType::getLiteral(b.getContext(), SmallVector<Type>(sums.size(), b.getF32Type()));
    Value values = e.descriptorAt(ring.b, e.moved(e.ringStage(ring, stage), ring.bytesA));
    std::string constraints;
    for (size_t i = 0; i < sums.size(); ++i)
      constraints += "=f,";
    constraints += "r,r,r,r,l";
    for (size_t i = 0; i < sums.size(); ++i)
      constraints += "," + std::to_string(i);
    std::string text = wgmmaFromRegistersText(columns, isBrain, /*alongRows=*/!ring.b.descriptor.isDepthMajor);
    Registers current(sums);
    for (int64_t k = 0; k < depth; k += instructionDepth) {
      Registers operands(weights.slice(k / 4, 4));
      operands.push_back(moved(values, ring.b, k, 0));
      operands.append(current);
      Value all = LLVM::InlineAsmOp::create(b, type, operands, text, constraints, /*has_side_effects=*/true,
                                            /*is_align_stack=*/false, LLVM::TailCallKind::None, LLVM::AsmDialectAttr(),
                                            ArrayAttr())
                      .getRes();
      for (size_t i = 0; i < sums.size(); ++i)
        current[i] = LLVM::ExtractValueOp::create(b, all, i);
    }
    NVVM::WgmmaGroupSyncAlignedOp::create(b);
    return current;
  }

  void giveBack(Value barriers, Value stage) {
    e.guarded(ring.isFirstLane, [&] {
      NVVM::MBarrierArriveOp::create(b, TypeRange(), e.ringBarrier(barriers, stage), Value(), NVVM::MemScopeKind::CTA);
    });
  }

  // Turns: barriers behind those that groups have for themselves (blockBarrier), two groups at each.
  Value turnOf(Value point) { return arith::AddIOp::create(b, point, e.word(1 + e.pointsOfBlock)); }
  Value ownPoint() { return arith::IndexCastOp::create(b, b.getI32Type(), e.pointOfBlock); }
  void waitForTurn() {
    if (e.pointsOfBlock > 1)
      NVVM::BarrierOp::create(b, TypeRange(), turnOf(ownPoint()), e.word(2 * 32 * schedule.warps()),
                              NVVM::BarrierReductionAttr(), Value());
  }
  /// To the group behind; from the last one to the first one.
  void passTurn() {
    if (e.pointsOfBlock == 1)
      return;
    Value next = arith::AddIOp::create(b, ownPoint(), e.word(1));
    Value isLast = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, next, e.word(e.pointsOfBlock));
    next = arith::SelectOp::create(b, isLast, e.word(0), next);
    NVVM::BarrierArriveOp::create(b, turnOf(next), e.word(2 * 32 * schedule.warps()));
  }

  /// Which of the flat values are the sums.
  std::pair<size_t, size_t> placeOfSums(LoopParts &parts) {
    size_t begin = 0;
    for (unsigned i = 0; i < parts.carried; ++i)
      begin += sizeOf(parts.loop.getInitArgs()[i]);
    return {begin, sizeOf(parts.loop.getInitArgs()[parts.carried])};
  }
  size_t sizeOf(Value value) { return isa<RankedTensorType>(value.getType()) ? e.tiles[value].size() : 1; }

  /// Values of the program, from a flat list.
  void spread(LoopParts &parts, ValueRange values, ArrayRef<Value> flat) {
    size_t next = 0;
    for (auto [value, initial] : llvm::zip(values, parts.loop.getInitArgs())) {
      size_t count = sizeOf(initial);
      if (isa<RankedTensorType>(value.getType()))
        e.tiles[value] = Registers(flat.slice(next, count));
      else
        e.mapping.map(value, flat[next]);
      next += count;
    }
  }

  FailureOr<State> step(LoopParts &parts, Value number, const State &in, bool isFirst) {
    e.mapping.map(parts.loop.getInductionVar(), number);
    spread(parts, parts.loop.getRegionIterArgs(), in.carried);
    auto [sumsBegin, sumsCount] = placeOfSums(parts);

    e.waitFor(e.ringBarrier(ring.full, in.at.stage), in.at.parity);
    // What was asked for before the keys is there with them, or soon after.
    auto waitForValues = [&] { e.waitFor(e.ringBarrier(valuesFull, in.before.stage), in.before.parity); };
    if (!isFirst) {
      waitForValues();
      waitForTurn();
    }
    NVVM::WgmmaFenceAlignedOp::create(b);
    Registers scores = startScores(parts, in.at.stage), sums;
    if (!isFirst) {
      sums = startProduct(parts, ArrayRef<Value>(in.carried).slice(sumsBegin, sumsCount), in.weights, in.before.stage);
      passTurn();
    }
    e.tiles[parts.scores.getTile()] = e.waitForSums(scores, isFirst ? 0 : 1);
    giveBack(ring.empty, in.at.stage);

    for (Operation &op : parts.loop.getBody()->without_terminator())
      if (!isa<tile::DotOp>(op) && !parts.late.contains(&op) && &op != parts.keys && &op != parts.values)
        if (failed(e.expandOp(op)))
          return failure();
    State out;
    if (!isFirst) {
      // Once more, for its loop: ptxas knows of nothing that the wait for the sums has to come behind, and moves it
      // before the weights' code within a block of code.
      waitForValues();
      e.tiles[parts.loop.getRegionIterArgs()[parts.carried]] = e.waitForSums(sums, 0);
      giveBack(valuesEmpty, in.before.stage);
    }
    // Two of the weights in a word, in the instruction's order; see multiplyMma.
    const Registers &weights = e.tiles[parts.product.getA()];
    Type element = cast<RankedTensorType>(parts.product.getA().getType()).getElementType();
    for (size_t i = 0; i < weights.size(); i += 2) {
      Value pair =
          vector::FromElementsOp::create(b, VectorType::get({2}, element), ValueRange{weights[i], weights[i + 1]});
      out.weights.push_back(LLVM::BitcastOp::create(b, b.getI32Type(), pair));
    }
    for (Operation &op : parts.loop.getBody()->without_terminator())
      if (parts.late.contains(&op) && &op != parts.added && failed(e.expandOp(op)))
        return failure();
    Value scaled = parts.added.getLhs() == parts.product.getTile() ? parts.added.getRhs() : parts.added.getLhs();
    for (auto [i, value] : llvm::enumerate(parts.loop.getBody()->getTerminator()->getOperands())) {
      Value from = i == parts.carried ? scaled : value;
      if (isa<RankedTensorType>(from.getType()))
        llvm::append_range(out.carried, e.tiles[from]);
      else
        out.carried.push_back(e.mapped(from));
    }
    out.before = in.at;
    out.at = e.following(ring, in.at);
    return out;
  }

  LogicalResult multiply() {
    Value isLast = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, e.pointOfBlock, e.index(e.pointsOfBlock - 1));
    e.guarded(isLast, [&] { passTurn(); }); // the first group begins
    copyQueries();
    State state;
    for (Value value : loops[0].loop.getInitArgs()) {
      if (isa<RankedTensorType>(value.getType()))
        llvm::append_range(state.carried, e.tiles[value]);
      else
        state.carried.push_back(e.mapped(value));
    }
    state.at = {e.word(0), e.word(0)};
    Value lower = e.mapped(loops[0].loop.getLowerBound());
    FailureOr<State> first = step(loops[0], lower, state, /*isFirst=*/true);
    if (failed(first))
      return failure();
    state = *first;
    for (auto [i, parts] : llvm::enumerate(loops)) {
      Value by = e.mapped(parts.loop.getStep()), begin = i ? e.mapped(parts.loop.getLowerBound()) : e.add(lower, by);
      auto loop = scf::ForOp::create(b, begin, e.mapped(parts.loop.getUpperBound()), by, state.flat());
      size_t carried = state.carried.size(), weights = state.weights.size();
      auto unpacked = [&](ValueRange flat) {
        State s;
        s.carried = Registers(flat.take_front(carried));
        s.weights = Registers(flat.slice(carried, weights));
        ValueRange rest = flat.drop_front(carried + weights);
        s.at = {rest[0], rest[1]};
        s.before = {rest[2], rest[3]};
        return s;
      };
      {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToStart(loop.getBody());
        FailureOr<State> next =
            step(parts, loop.getInductionVar(), unpacked(loop.getRegionIterArgs()), /*isFirst=*/false);
        if (failed(next))
          return failure();
        scf::YieldOp::create(b, next->flat());
      }
      state = unpacked(loop.getResults());
      spread(parts, parts.loop.getResults(), state.carried); // what the next one begins with
    }
    LoopParts &last = loops.back();
    e.waitFor(e.ringBarrier(valuesFull, state.before.stage), state.before.parity);
    NVVM::WgmmaFenceAlignedOp::create(b);
    auto [begin, count] = placeOfSums(last);
    e.tiles[last.loop.getResult(last.carried)] = e.waitForSums(
        startProduct(last, ArrayRef<Value>(state.carried).slice(begin, count), state.weights, state.before.stage), 0);
    // From here on a point of the grid has what were its queries.
    e.releaseShared(queriesPlace);
    Value point = ownPoint();
    e.sharedArena =
        LLVM::GEPOp::create(b, ring.base.getType(), b.getI8Type(), e.sharedBase(0),
                            ArrayRef<LLVM::GEPArg>{arith::MulIOp::create(b, point, e.word(pointBytes)).getResult()});
    e.sharedUsed = true;
    return success();
  }

  Value queriesBarriers;
  int64_t queriesPlace = 0, pointBytes = 0;
};

LogicalResult GpuExpander::expandWgmmaLoops(scf::ForOp first) {
  SmallVector<LoopParts> chain;
  for (scf::ForOp loop = first; loop;) {
    FailureOr<LoopParts> parts = takeApart(loop);
    if (failed(parts))
      return failure();
    if (!chain.empty() &&
        (parts->queries != chain[0].queries || parts->carried != chain[0].carried ||
         parts->keys.getView() != chain[0].keys.getView() || parts->values.getView() != chain[0].values.getView() ||
         parts->keys.getTile().getType() != chain[0].keys.getTile().getType()))
      return loop.emitError("expected a loop over the operands of the one before");
    chain.push_back(*parts);
    expandedLoops.insert(loop);
    auto next = dyn_cast_or_null<scf::ForOp>(loop->getNextNode());
    loop = next && ValueRange(next.getInitArgs()) == ValueRange(loop.getResults()) ? next : scf::ForOp();
  }
  FailureOr<GpuMatmulSchedule> schedule = scheduleOf(chain[0].scores);
  if (failed(schedule))
    return failure();
  if (schedule->instruction != MatmulInstruction::WgmmaHalf)
    return first.emitError("expected products by wgmma on f16 or bf16 in points of the grid that share a block");
  WgmmaLoops pipeline(*this, *schedule);
  pipeline.loops = std::move(chain);
  if (failed(pipeline.makeRings()))
    return failure();
  partRoles(pipeline.ring, [&] { pipeline.startCopies(); });
  return pipeline.multiply();
}
