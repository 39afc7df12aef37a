// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// tile.dot on a GPU. Both operands are loads of whole depth (the left one may be
// patches of an image, too: Patches.cpp): they go through
// shared memory in steps, `stages` of them, so that copies of later steps are on
// their way (cp.async) while one is multiplied:
//
//   start the copies of steps 0 .. stages - 2
//   for each step:
//     wait until its copies are there; barrier: all see it, and all are done
//       with the step before
//     start the copies of the step stages - 1 ahead, into the place of the step
//       before
//     fragments to registers (ldmatrix), multiply
//
// An operand of float8 is converted on its way: it comes to registers where its copy would
// start, and goes to shared memory, as f16 or bf16, when the step has been multiplied.
//
// One commit in each step, even when there is nothing left to copy: so the
// number of groups that may be on their way is a constant.
#include "passes/Lower/Gpu/GpuExpander.h"

#include "dialects/Tile/GpuMatmulScheduleAttr.h"
#include "passes/Lower/TileParts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::gpu;

int64_t bessemer::gpu::rowStepOf(const GpuMatmulSchedule &schedule) {
  return schedule.instruction == MatmulInstruction::Fma ? 4 : 1;
}

Value GpuExpander::zeroOf(Type type) { return arith::ConstantOp::create(b, b.getZeroAttr(type)); }

FailureOr<GpuMatmulSchedule> GpuExpander::scheduleOf(tile::DotOp op) {
  auto typeA = cast<RankedTensorType>(op.getA().getType()), typeB = cast<RankedTensorType>(op.getB().getType());
  if (typeB.getRank() != 2)
    return op.emitError("expected a right operand [K, N] or [N, K] on a GPU, got panels");
  for (RankedTensorType type : {typeA, typeB})
    if (!isa<FloatType>(type.getElementType()) || type.getElementTypeBitWidth() > 32)
      return op.emitError("expected operands of f32, f16 or bf16, got ") << type.getElementType();
  int64_t bits = std::max(typeA.getElementTypeBitWidth(), typeB.getElementTypeBitWidth());
  FailureOr<GpuMatmulSchedule> schedule = tile::readGpuMatmulSchedule(kernel, bits / 8, machine);
  if (succeeded(schedule)) {
    schedule->blockColumns = std::max<int64_t>(cast<RankedTensorType>(op.getTile().getType()).getDimSize(1), 1);
    if (stagedLoop)
      schedule->blockColumns = paddedColumns(schedule->blockColumns, schedule->instruction);
  }
  return schedule;
}

LogicalResult GpuExpander::expandDot(tile::DotOp op) {
  if (isAddedOnce(op) && stagedLoop)
    return success(); // with the addition
  if (stagedLoop)
    return expandStagedDot(op, {});
  FailureOr<GpuMatmulSchedule> schedule = scheduleOf(op);
  if (failed(schedule))
    return failure();
  auto a = op.getA().getDefiningOp<tile::LoadOp>(), right = op.getB().getDefiningOp<tile::LoadOp>();
  if (auto patches = op.getA().getDefiningOp<tile::PatchesOp>(); patches && right)
    return expandPipelinedDot(op, *schedule, patches, right);
  if (!a || !right)
    return op.emitError("expected operands that are loads: a product of computed tiles has no code outside of a loop");
  return isWgmma(schedule->instruction) ? expandWgmmaDot(op, *schedule, a, right)
                                        : expandPipelinedDot(op, *schedule, a, right);
}

LogicalResult GpuExpander::expandPipelinedDot(tile::DotOp op, const GpuMatmulSchedule &schedule, Operation *a,
                                              tile::LoadOp right) {
  auto typeA = cast<RankedTensorType>(op.getA().getType()), typeB = cast<RankedTensorType>(op.getB().getType());
  /// float8 becomes what it meets, where that has 16 bits.
  auto inShared = [&](RankedTensorType own, RankedTensorType other) -> Type {
    if (own.getElementTypeBitWidth() > 8)
      return {};
    return other.getElementType().isBF16() ? other.getElementType() : Type(b.getF16Type());
  };
  DotOperands operands;
  operands.transposed = op.getTransposeB();
  operands.transposedA = op.getTransposeA();
  operands.depth = schedule.blockDepth;
  int64_t threads = 32 * schedule.warps(), stages = schedule.stages;
  unsigned depthDim = op.getTransposeA() ? 0 : 1; // of the left operand
  // tf32 in columns is read word by word (below): two groups of 16 bytes apart, or lanes meet in a bank.
  int64_t wordGroups = schedule.instruction == MatmulInstruction::MmaTf32 ? 32 : 16;
  SharedCopy copyA;
  if (auto patches = dyn_cast<tile::PatchesOp>(a)) {
    FailureOr<SharedCopy> copy = makePatchesCopy(patches, schedule.blockRows, schedule.blockDepth, threads);
    if (failed(copy))
      return failure();
    copyA = *copy;
  } else if (op.getTransposeA()) {
    copyA = makeSharedCopy(cast<tile::LoadOp>(a), schedule.blockDepth, schedule.blockRows, 0, threads, 1, wordGroups,
                           inShared(typeA, typeB));
  } else {
    copyA = makeSharedCopy(cast<tile::LoadOp>(a), schedule.blockRows, schedule.blockDepth, 1, threads, 1, 16,
                           inShared(typeA, typeB));
  }
  Type elementB = inShared(typeB, typeA);
  SharedCopy copyB = operands.transposed ? makeSharedCopy(right, schedule.blockColumns, schedule.blockDepth, 1, threads,
                                                          rowStepOf(schedule), 16, elementB)
                                         : makeSharedCopy(right, schedule.blockDepth, schedule.blockColumns, 0, threads,
                                                          1, wordGroups, elementB);
  operands.a = copyA.tile;
  operands.b = copyB.tile;
  int64_t stageBytes = copyA.tile.bytes + copyB.tile.bytes;
  fenceShared();
  int64_t arena = takeShared(stages * stageBytes);
  Value base = sharedBase(arena);
  auto stagePlace = [&](Value stage, int64_t offset) -> Value {
    return moved(LLVM::GEPOp::create(b, base.getType(), b.getI8Type(), base, ArrayRef<LLVM::GEPArg>{stage}), offset);
  };
  auto constant = [&](int64_t v) { return Value(arith::ConstantOp::create(b, b.getI32IntegerAttr(v))); };

  Value depth =
      typeA.isDynamicDim(depthDim) ? mapped(tileSizeOperand(op.getA(), depthDim)) : index(typeA.getDimSize(depthDim));
  Value steps = b.createOrFold<arith::DivUIOp>(add(depth, index(schedule.blockDepth - 1)), index(schedule.blockDepth));
  std::optional<int64_t> knownSteps;
  if (!typeA.isDynamicDim(depthDim))
    knownSteps = llvm::divideCeil(typeA.getDimSize(depthDim), schedule.blockDepth);
  steps = knownSteps ? index(*knownSteps) : steps;
  Value firstStep = index(0);
  if (stepsOfItem) {
    firstStep = stepsOfItem->first, steps = stepsOfItem->end;
    knownSteps.reset();
  }
  /// The copies of a step, when there is such a step.
  auto start = [&](Value step, Value stage, std::optional<bool> exists, bool left = true, bool right = true) {
    OpBuilder::InsertionGuard guard(b);
    if (!exists)
      b.setInsertionPointToStart(scf::IfOp::create(b, below(step, steps), /*withElseRegion=*/false).thenBlock());
    if (exists.value_or(true)) {
      if (!copyA.narrow && left)
        startCopy(copyA, stagePlace(stage, 0), step);
      if (!copyB.narrow && right)
        startCopy(copyB, stagePlace(stage, copyA.tile.bytes), step);
    }
  };
  /// Of operands that are converted: words in registers, then their place in shared memory.
  auto fetch = [&](const SharedCopy &copy, Value step, Value exists) {
    return copy.narrow ? fetchNarrow(copy, base, step, exists) : Registers();
  };
  auto put = [&](Value step, Value stage, Value exists, const Registers &wordsA, const Registers &wordsB) {
    if (!copyA.narrow && !copyB.narrow)
      return;
    guarded(exists, [&] {
      if (copyA.narrow)
        storeNarrow(copyA, stagePlace(stage, 0), step, wordsA);
      if (copyB.narrow)
        storeNarrow(copyB, stagePlace(stage, copyA.tile.bytes), step, wordsB);
    });
  };
  auto exists = [&](int64_t step) { return knownSteps ? std::optional(step < *knownSteps) : std::nullopt; };
  // Those of weights before the others, with which they are waited for.
  bool early = !copyB.narrow && startsBeforeWait(op, right);
  if (early) {
    for (int64_t number = 0; number + 1 < stages; ++number)
      start(add(firstStep, index(number)), constant(number * stageBytes), exists(number), /*left=*/false);
    waitForLaunches();
  }
  for (int64_t number = 0; number + 1 < stages; ++number) {
    Value stage = constant(number * stageBytes), step = add(firstStep, index(number));
    start(step, stage, exists(number), /*left=*/true, /*right=*/!early);
    NVVM::CpAsyncCommitGroupOp::create(b);
    if (exists(number).value_or(true)) {
      Value isThere = exists(number) ? Value() : below(step, steps);
      put(step, stage, isThere, fetch(copyA, step, isThere), fetch(copyB, step, isThere));
    }
  }

  int64_t count = schedule.accumulatorLayout().registers();
  SmallVector<Value> initial(count, zeroOf(b.getF32Type()));
  initial.push_back(constant(0));                         // where this step is
  initial.push_back(constant((stages - 1) * stageBytes)); // where the copies go
  auto loop = scf::ForOp::create(b, firstStep, steps, index(1), initial);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    NVVM::CpAsyncWaitGroupOp::create(b, stages - 2);
    blockBarrier();
    Value readPlace = loop.getRegionIterArgs()[count], copyPlace = loop.getRegionIterArgs()[count + 1];
    Value next = add(loop.getInductionVar(), index(stages - 1));
    start(next, copyPlace, std::nullopt);
    NVVM::CpAsyncCommitGroupOp::create(b);
    Value isThere = copyA.narrow || copyB.narrow ? below(next, steps) : Value();
    Registers wordsA = fetch(copyA, next, isThere), wordsB = fetch(copyB, next, isThere);
    operands.baseA = stagePlace(readPlace, 0);
    operands.baseB = stagePlace(readPlace, copyA.tile.bytes);
    Registers sums(loop.getRegionIterArgs().take_front(count));
    multiplyStep(schedule, operands, sums);
    put(next, copyPlace, isThere, wordsA, wordsB);
    auto following = [&](Value place) -> Value {
      Value next = arith::AddIOp::create(b, place, constant(stageBytes));
      Value atEnd = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, next, constant(stages * stageBytes));
      return arith::SelectOp::create(b, atEnd, constant(0), next);
    };
    sums.push_back(following(readPlace));
    sums.push_back(following(copyPlace));
    scf::YieldOp::create(b, sums);
  }
  releaseShared(arena);
  sharedUsed = true;
  tiles[op.getTile()] = Registers(loop.getResults().take_front(count));
  return success();
}

void GpuExpander::multiplyStep(const GpuMatmulSchedule &schedule, const DotOperands &operands, Registers &sums) {
  if (schedule.instruction == MatmulInstruction::Fma)
    multiplyFma(schedule, operands, sums);
  else
    multiplyMma(schedule, operands, sums);
}

/// Four 8 x 8 matrices of 16 bits: lane l gives the place of a row of matrix
/// l / 8.
GpuExpander::Registers GpuExpander::loadMatrices(Value place, bool transposed) {
  Type i32 = b.getI32Type();
  auto type = LLVM::LLVMStructType::getLiteral(b.getContext(), {i32, i32, i32, i32});
  Value four =
      NVVM::LdMatrixOp::create(b, type, place, 4, transposed ? NVVM::MMALayout::col : NVVM::MMALayout::row,
                               NVVM::LdStMatrixShapeAttr::get(b.getContext(), 8, 8), NVVM::LdStMatrixEltType::B16);
  Registers words;
  for (int64_t i = 0; i < 4; ++i)
    words.push_back(LLVM::ExtractValueOp::create(b, four, i));
  return words;
}

/// Of an operand [8, own] of mma.sync m16n8k8 on tf32 (PTX ISA, "Matrix Fragments for mma.m16n8k8"): two words for each
/// eight columns of the right one, four for each sixteen rows of the left one.
static TileLayout tf32Words(const GpuMatmulSchedule &schedule, bool isLeft) {
  std::vector<LinearLayout::InputBases> inputs{
      {"register", {{4, 0}}}, {"lane", {{1, 0}, {2, 0}, {0, 1}, {0, 2}, {0, 4}}}, {"warp", {}}};
  int64_t own = isLeft ? 16 : 8, block = isLeft ? schedule.blockRows : schedule.blockColumns;
  if (isLeft)
    inputs[0].bases.insert(inputs[0].bases.begin(), {0, 8});
  for (; own < block / (isLeft ? schedule.warpRows : schedule.warpColumns); own *= 2)
    inputs[0].bases.push_back({0, own});
  // Warps along the columns first; those along the other dimension hold copies.
  for (bool alongRows : {false, true})
    for (int64_t w = 1; w < (alongRows ? schedule.warpRows : schedule.warpColumns); w *= 2) {
      inputs[2].bases.push_back({0, alongRows == isLeft ? own : 0});
      own *= alongRows == isLeft ? 2 : 1;
    }
  std::pair<std::string, int64_t> outputs[] = {{"row", 8}, {"col", block}};
  std::optional<LinearLayout> linear = LinearLayout::fromBases(inputs, outputs);
  return linear ? TileLayout::create(std::move(*linear), {1, 1}).value_or(TileLayout()) : TileLayout();
}

void GpuExpander::multiplyMma(const GpuMatmulSchedule &schedule, const DotOperands &operands, Registers &sums) {
  int64_t rows = schedule.blockRows / schedule.warpRows, columns = schedule.blockColumns / schedule.warpColumns;
  TileLayout layout = schedule.accumulatorLayout();
  MLIRContext *context = b.getContext();
  // Elements of 32 bits go as pairs of 16: a matrix has four of the depth then.
  bool isTf32 = schedule.instruction == MatmulInstruction::MmaTf32;
  int64_t half = isTf32 ? 4 : 8, depth = 2 * half;
  NVVM::MMATypes type = isTf32                        ? NVVM::MMATypes::tf32
                        : operands.b.element.isBF16() ? NVVM::MMATypes::bf16
                                                      : NVVM::MMATypes::f16;
  auto asOperand = [&](Value value) -> Value {
    return type == NVVM::MMATypes::f16 ? LLVM::BitcastOp::create(b, VectorType::get({2}, b.getF16Type()), value)
                                       : value;
  };
  SmallVector<Type> four(4, b.getF32Type());
  auto resultType = LLVM::LLVMStructType::getLiteral(context, four);

  // Places of a fragment's matrices: which of the rows and columns of shared
  // memory the lanes name. Bits 0 to 2 are the row of a matrix.
  auto fragment = [&](const SharedTile &tile, std::pair<int64_t, int64_t> bit3, std::pair<int64_t, int64_t> bit4,
                      bool alongRows, int64_t warpColumns, int64_t warpRows) {
    auto place = [&](int64_t own) { return alongRows ? tile.place(own, 0) : tile.place(0, own); };
    ThreadColumns places;
    for (int64_t row : {1, 2, 4})
      places.lane.push_back(tile.place(row, 0));
    places.lane.push_back(tile.place(bit3.first, bit3.second));
    places.lane.push_back(tile.place(bit4.first, bit4.second));
    for (int64_t w = 1; w < schedule.warpColumns; w *= 2)
      places.warp.push_back(warpColumns ? place(w * warpColumns) : 0);
    for (int64_t w = 1; w < schedule.warpRows; w *= 2)
      places.warp.push_back(warpRows ? place(w * warpRows) : 0);
    return places;
  };
  ThreadColumns placesA;
  if (operands.baseA && !operands.transposedA)
    placesA = fragment(operands.a, {8, 0}, {0, half}, true, 0, rows);
  else if (operands.baseA && !isTf32)
    placesA = fragment(operands.a, {0, 8}, {8, 0}, false, 0, rows);
  ThreadColumns placesB;
  if (operands.transposed)
    placesB = fragment(operands.b, {0, half}, {8, 0}, true, columns, 0);
  else if (!isTf32)
    placesB = fragment(operands.b, {8, 0}, {0, 8}, false, columns, 0);
  TileLayout wordsA = isTf32 && operands.transposedA ? tf32Words(schedule, true) : TileLayout(),
             wordsB = isTf32 && !operands.transposed ? tf32Words(schedule, false) : TileLayout();
  for (int64_t k = 0; k < operands.depth; k += depth) {
    SmallVector<Registers> a, right;
    // ldmatrix transposes elements of 16 bits alone.
    Registers single;
    if (isTf32 && operands.transposedA)
      single = readShared(operands.a, operands.baseA, wordsA, k, 0);
    for (int64_t m = 0; m < rows / 16; ++m) {
      Registers words;
      if (!single.empty()) {
        for (Value word : ArrayRef<Value>(single).slice(4 * m, 4))
          words.push_back(arith::BitcastOp::create(b, b.getI32Type(), word));
      } else if (operands.baseA) {
        int64_t place = operands.transposedA ? operands.a.place(k, 16 * m) : operands.a.place(16 * m, k);
        words = loadMatrices(sharedPlace(operands.baseA, placesA, place), operands.transposedA);
      } else {
        // Registers 8 (k / 16 + (depth / 16) m) on are the fragment's, two to a
        // word.
        int64_t first = 8 * (k / 16 + operands.depth / 16 * m);
        for (int64_t i = 0; i < 4; ++i) {
          Value pair = vector::FromElementsOp::create(
              b, VectorType::get({2}, operands.b.element),
              ValueRange{(*operands.registersA)[first + 2 * i], (*operands.registersA)[first + 2 * i + 1]});
          words.push_back(LLVM::BitcastOp::create(b, b.getI32Type(), pair));
        }
      }
      for (Value &value : words)
        value = asOperand(value);
      a.push_back(words);
    }
    for (int64_t n = 0; n < columns / 16; ++n) {
      if (isTf32 && !operands.transposed)
        break; // below
      int64_t place = operands.transposed ? operands.b.place(16 * n, k) : operands.b.place(k, 16 * n);
      Registers words = loadMatrices(sharedPlace(operands.baseB, placesB, place), !operands.transposed);
      for (int64_t i = 0; i < 4; i += 2)
        right.push_back({asOperand(words[i]), asOperand(words[i + 1])});
    }
    if (isTf32 && !operands.transposed) {
      Registers words = readShared(operands.b, operands.baseB, wordsB, k, 0);
      for (size_t i = 0; i < words.size(); i += 2)
        right.push_back({arith::BitcastOp::create(b, b.getI32Type(), words[i]),
                         arith::BitcastOp::create(b, b.getI32Type(), words[i + 1])});
    }
    for (int64_t m = 0; m < rows / 16; ++m)
      for (int64_t n = 0; n < columns / 8; ++n) {
        int64_t place[] = {16 * m, 8 * n};
        auto own = MutableArrayRef<Value>(sums).slice(layout.find(place).reg, 4);
        Value result = NVVM::MmaOp::create(b, resultType, a[m], right[n], own, {16, 8, depth}, std::nullopt,
                                           std::nullopt, std::array<NVVM::MMATypes, 2>{type, type},
                                           std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row, NVVM::MMALayout::col});
        for (int64_t i = 0; i < 4; ++i)
          own[i] = LLVM::ExtractValueOp::create(b, result, i);
      }
  }
}

/// Each lane reads four of the depth of its rows, and of its columns, and adds
/// their products to its sums.
void GpuExpander::multiplyFma(const GpuMatmulSchedule &schedule, const DotOperands &operands, Registers &sums) {
  TileLayout layout = schedule.accumulatorLayout();
  const LinearLayout &atom = layout.atom();
  // The lane's sums along one dimension, and `depth` neighbours along the other
  // of an operand, in that order or, where the depth goes along the rows of
  // shared memory, each for itself.
  auto operandLayout = [&](size_t dim, int64_t depth, bool depthFirst) {
    std::vector<LinearLayout::InputBases> inputs{{"register", {}}, {"lane", {}}, {"warp", {}}};
    auto basis = [&](int64_t own, int64_t k) {
      return depthFirst ? std::vector<int64_t>{k, own} : std::vector<int64_t>{own, k};
    };
    for (LinearLayout::InputBases &input : inputs)
      for (unsigned bit = 0; int64_t(1) << bit < atom.inputSize(input.name); ++bit)
        if (int64_t own = atom.basis(input.name, bit, atom.outputs()[dim].name); own || input.name != "register")
          input.bases.push_back(basis(own, 0));
    std::vector<std::vector<int64_t>> along;
    for (int64_t k = 1; k < depth; k *= 2)
      along.push_back(basis(0, k));
    auto &registers = inputs[0].bases;
    registers.insert(depthFirst ? registers.end() : registers.begin(), along.begin(), along.end());
    int64_t own = atom.outputs()[dim].size();
    std::vector<std::pair<std::string, int64_t>> outputs{{"row", depthFirst ? depth : own},
                                                         {"col", depthFirst ? own : depth}};
    std::vector<int64_t> repeats{1, 1};
    repeats[depthFirst] = layout.repeats()[dim];
    std::optional<LinearLayout> linear = LinearLayout::fromBases(inputs, outputs);
    return linear ? TileLayout::create(std::move(*linear), repeats).value_or(TileLayout()) : TileLayout();
  };
  constexpr int64_t group = 4;
  TileLayout layoutA = operandLayout(0, group, operands.transposedA),
             layoutB = operandLayout(1, group, !operands.transposed);
  auto widened = [&](Registers values) {
    for (Value &value : values)
      if (value.getType() != b.getF32Type())
        value = arith::ExtFOp::create(b, b.getF32Type(), value);
    return values;
  };
  for (int64_t k = 0; k < operands.depth; k += group) {
    Registers a = widened(operands.transposedA ? readShared(operands.a, operands.baseA, layoutA, k, 0)
                                               : readShared(operands.a, operands.baseA, layoutA, 0, k));
    Registers right = widened(operands.transposed ? readShared(operands.b, operands.baseB, layoutB, 0, k)
                                                  : readShared(operands.b, operands.baseB, layoutB, k, 0));
    for (int64_t step = 0; step < group; ++step)
      for (int64_t reg = 0; reg < layout.registers(); ++reg) {
        std::vector<int64_t> at = layout.locate(reg, {});
        int64_t fromA[] = {operands.transposedA ? step : at[0], operands.transposedA ? at[0] : step};
        int64_t fromB[] = {operands.transposed ? at[1] : step, operands.transposed ? step : at[1]};
        sums[reg] = math::FmaOp::create(b, a[layoutA.find(fromA).reg], right[layoutB.find(fromB).reg], sums[reg]);
      }
  }
}
