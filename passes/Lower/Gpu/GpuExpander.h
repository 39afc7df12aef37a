// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Expands one tile program, whose tiles have layouts, into the code of one
// thread: a tile is a list of scalars, one for each register of its layout.
//
//   elementwise   the op, once for each register
//   load, store   contiguous registers in one access, guarded where the tile or
//                 the view ends; of lanes that hold copies the first one stores
//   reduce        over the registers, then lanes by butterfly shuffles, then
//                 warps through shared memory
//   broadcast     registers taken again, where the layouts say they are the
//   same
//   convert       by the plan of bessemer/Algorithms/LayoutConversion.h
//   dot           operands that are loads go through stages of shared memory
//                 (Dot.cpp), fragments to mma.sync or multiply-adds; or, by the copy
//                 engine, to wgmma (Wgmma.cpp, WgmmaLoop.cpp)
#pragma once

#include "bessemer/Algorithms/GpuMatmulSchedule.h"
#include "bessemer/Algorithms/LayoutConversion.h"
#include "bessemer/Algorithms/WgmmaOperand.h"
#include "passes/Lower/Gpu/Layouts.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

#include "llvm/ADT/MapVector.h"

#include <memory>

namespace bessemer::gpu {

struct PatchPlaces; ///< Patches.cpp

class GpuExpander {
public:
  GpuExpander(tile::KernelOp kernel, const GpuMachine &machine)
      : kernel(kernel), machine(machine), b(kernel.getLoc(), kernel.getContext()) {}

  /// Makes `func.func @name(pointer<1> for each view, i64 for each symbol)`
  /// at the end of `kernels`, with the threads of a block in `bess.block`;
  /// fails with a diagnostic. The grid is one-dimensional: the product of the
  /// kernel's.
  mlir::LogicalResult expand(mlir::ModuleOp kernels);

private:
  using Value = mlir::Value;
  using Registers = llvm::SmallVector<Value>;

  // ---- GpuExpander.cpp: the frame, elementwise ops
  /// Where in the grid the block with this number is.
  void mapBlock(Value number);
  void mapGroupedBlock(int64_t group, Value &rest);
  mlir::LogicalResult expandOp(mlir::Operation &op);
  mlir::LogicalResult expandElementwise(mlir::Operation &op);
  mlir::LogicalResult expandIota(tile::IotaOp op);
  mlir::LogicalResult expandBroadcast(tile::BroadcastOp op);
  Value elementwiseRegister(mlir::Operation &op, int64_t reg);
  Value widenPair(Value narrow);
  Value iotaRegister(tile::IotaOp op, const TileLayout &layout, int64_t reg);
  /// Of the result's registers, the operand's that hold the same.
  mlir::FailureOr<llvm::SmallVector<int64_t>> broadcastRegisters(tile::BroadcastOp op);
  Value index(int64_t value);
  Value add(Value x, Value y);
  Value mul(Value x, Value y);
  Value both(Value x, Value y); ///< null is true
  Value below(Value x, Value limit);
  Value fromExpr(const SymbolicExpr &expr);
  Value mapped(Value value) { return mapping.lookupOrDefault(value); }
  /// Where register `reg` of this thread lies in the tile.
  Registers coordinates(const TileLayout &layout, int64_t reg);

  // ---- Pieces.cpp: what follows a product
  /// An op that is computed when its registers are wanted.
  bool canWait(mlir::Operation &op) const;
  /// All registers of the tile, a piece at a time; or some of them.
  mlir::LogicalResult ensureTile(Value tile);
  mlir::LogicalResult ensureRegisters(Value tile, mlir::ArrayRef<int64_t> wanted);
  bool inPieces = false; ///< a kernel of one product, without a loop

  // ---- GpuMemory.cpp
  mlir::LogicalResult expandLoad(tile::LoadOp op);
  /// Registers of one access, and those of the access that begins with `first`.
  int64_t loadWidth(tile::LoadOp op, const TileLayout &layout);
  Registers loadRegisters(tile::LoadOp op, const TileLayout &layout, int64_t first, int64_t width);
  mlir::LogicalResult expandLoadScalar(tile::LoadScalarOp op);
  mlir::LogicalResult expandCheck(tile::CheckOp op);
  /// All points of the block's, of a kernel with checks.
  mlir::LogicalResult expandPoints(mlir::Value block);
  mlir::LogicalResult expandBody();
  mlir::LogicalResult expandGather(tile::GatherOp op);
  mlir::LogicalResult expandStore(tile::StoreOp op);
  /// Whether the coordinates are within the tile, and, unless `inBounds`,
  /// within the view; null: always.
  Value isInside(Value tile, const TileLayout &layout, mlir::ArrayRef<Value> at);
  Value isInView(Value view, mlir::ValueRange offsets, mlir::ArrayRef<int64_t> dims, mlir::ArrayRef<Value> at);
  Value isOwner(const TileLayout &layout);
  /// What `body` makes runs where the condition holds; null is true.
  void guarded(Value condition, llvm::function_ref<void()> body);
  Value pointer(Value view, mlir::ValueRange offsets, mlir::ArrayRef<int64_t> dims, mlir::ArrayRef<Value> at);
  /// Reads `count` neighbours, or zeros where `guard` is false.
  Registers read(Value pointer, mlir::Type element, int64_t count, Value guard);

  // ---- GpuReduce.cpp
  mlir::LogicalResult expandReduce(tile::ReduceOp op);
  Value shuffle(Value value, int64_t laneBit);
  Registers acrossWarps(tile::ReductionKind kind, const Registers &parts, int64_t distinct, int64_t warps,
                        bool ofLanes);

  // ---- Shared.cpp: one arena of shared memory, and tiles in it
  /// Bytes from the arena's begin on; the arena is as large as the most that
  /// was taken at a time. `releaseShared` gives back all behind the place.
  int64_t takeShared(int64_t bytes, int64_t alignment = 128);
  void releaseShared(int64_t place);
  void finishShared(mlir::func::FuncOp function);
  /// Of all threads that go on with the program.
  void blockBarrier();
  /// Threads may still use what was given back: waits for them when that is so.
  void fenceShared();
  /// A linear function of lane and warp: bytes for each of their bits.
  struct ThreadColumns {
    std::vector<int64_t> lane, warp;
  };
  /// base + (columns of this thread ^ offset)
  Value sharedPlace(Value base, const ThreadColumns &columns, int64_t offset);
  Value sharedBase(int64_t bytes);           ///< of the arena, moved by a constant
  Value moved(Value pointer, int64_t bytes); ///< the pointer itself, by 0
  Value threadSum(const ThreadColumns &columns);
  /// A tile in shared memory: rows of `columns` elements, in groups of 16 (32) bytes
  /// that trade places so that eight neighbours of a column of groups, and
  /// eight neighbours of a row, are in different banks.
  struct SharedTile {
    TileLayout layout;
    mlir::Type element; ///< as stored
    int64_t bytes = 0;
    int64_t elementBytes() const { return element.getIntOrFloatBitWidth() / 8; }
    int64_t rows() const { return layout.shape()[0]; }
    int64_t columns() const { return layout.shape()[1]; }
    /// Bytes from the tile's begin.
    int64_t place(int64_t row, int64_t column) const;
  };
  static SharedTile makeSharedTile(int64_t rows, int64_t columns, mlir::Type element, int64_t rowStep = 1,
                                   int64_t groupBytes = 16);
  /// Places of lanes and warps of a register layout over (row, column).
  ThreadColumns threadColumns(const SharedTile &tile, const TileLayout &layout);
  /// Copies a part of a view to shared memory; see `expandDot`.
  struct SharedCopy {
    tile::LoadOp load;
    std::shared_ptr<PatchPlaces> patches; ///< instead of `load`: of an image, what a window sees
    SharedTile tile;
    TileLayout layout;    ///< of the copies: `vector` elements in a register group
    int64_t vector = 1;   ///< elements of a copy
    int64_t depthDim = 0; ///< the dimension of the tile along which steps go
    bool asynchronous = false;
    bool wholeDepth = false; ///< all steps are whole
    mlir::Type narrow;       ///< float8 in memory, which is converted to the tile's element; null: nothing is
  };
  /// `element` in shared memory; null: as the view's. Only float8 is converted, to f16 or bf16.
  SharedCopy makeSharedCopy(tile::LoadOp load, int64_t rows, int64_t columns, int64_t depthDim, int64_t threads,
                            int64_t rowStep = 1, int64_t groupBytes = 16, mlir::Type element = {});
  /// What a lane copies of a step: where from, where to.
  void eachAccess(const SharedCopy &copy, Value base, Value step,
                  llvm::function_ref<void(Value from, Value to, Value guard)> access);

  // ---- Float8.cpp: what is converted on its way goes through registers, in two halves, between which a step is
  // multiplied
  /// Words as they lie in memory, for each access of the copy; 0 outside of the view, and where `exists` is false
  /// (null: there is such a step).
  Registers fetchNarrow(const SharedCopy &copy, Value base, Value step, Value exists);
  void storeNarrow(const SharedCopy &copy, Value base, Value step, const Registers &words);
  bool copiesWiden = false; ///< a step's bytes are in registers beside the sums
  /// `count` float8 in a word of so many bytes, as f16 or bf16: exact, and NaN stays NaN.
  Value widenFloat8(Value word, int64_t count, mlir::Type from, mlir::Type to);
  /// Starts copying step number `step` (of the tile's size along the depth) to
  /// `base`; with a null step the whole tile.
  void startCopy(const SharedCopy &copy, Value base, Value step);
  /// Of a copy: `vector` neighbours in registers, then a row in neighbouring lanes (with `rowsFirst` a column), then
  /// the next; what is left goes to registers.
  static TileLayout copyLayout(int64_t rows, int64_t columns, int64_t vector, int64_t threads, bool rowsFirst);

  // ---- Patches.cpp: the same of `tile.patches`, step by step along the depth
  /// Computes what stays the same for all steps, at the insertion point.
  mlir::FailureOr<SharedCopy> makePatchesCopy(tile::PatchesOp op, int64_t rows, int64_t columns, int64_t threads);
  void startPatchesCopy(const SharedCopy &copy, Value base, Value step);

  // ---- Convert.cpp
  mlir::LogicalResult expandConvert(tile::ConvertOp op);
  Registers exchangeWords(const WarpExchange &plan, const Registers &part, mlir::Type element);
  void convertThroughShared(const LayoutConversion &plan, const Registers &from, mlir::Type element, Registers &to);
  Value isOdd(uint32_t lanes); ///< of the lane's bits among these

  // ---- Dot.cpp
  mlir::LogicalResult expandDot(tile::DotOp op);
  /// Fragments of a step and their products, added to `sums`.
  struct DotOperands {
    SharedTile a, b;
    Value baseA, baseB; ///< null: `a` is in registers
    const Registers *registersA = nullptr;
    bool transposed = false;  ///< b is [columns, depth]
    bool transposedA = false; ///< a is [depth, rows]
    int64_t depth = 0;        ///< of the step
  };
  /// The kernel's schedule for a product of these sizes.
  mlir::FailureOr<GpuMatmulSchedule> scheduleOf(tile::DotOp op);
  /// `a`: a load or patches of an image.
  mlir::LogicalResult expandPipelinedDot(tile::DotOp op, const GpuMatmulSchedule &schedule, mlir::Operation *a,
                                         tile::LoadOp right);
  void multiplyStep(const GpuMatmulSchedule &schedule, const DotOperands &operands, Registers &sums);
  void multiplyMma(const GpuMatmulSchedule &schedule, const DotOperands &operands, Registers &sums);
  void multiplyFma(const GpuMatmulSchedule &schedule, const DotOperands &operands, Registers &sums);
  Registers loadMatrices(Value place, bool transposed);
  Registers readShared(const SharedTile &tile, Value base, const TileLayout &layout, int64_t row, int64_t column);
  Value zeroOf(mlir::Type type);

  // ---- Early.cpp: what is copied before the launches in front have ended
  /// Whether the first copies of this operand of the product may start before that: it is a weight in all launches,
  /// and nothing before the product reads or writes other memory.
  bool startsBeforeWait(tile::DotOp op, tile::LoadOp operand);
  /// Until the launches in front have ended, and what they wrote is seen.
  void waitForLaunches();

  // ---- FurtherBlocks.cpp: blocks of the grid that go on to further blocks of the product, or to shares of them
  /// Steps of depth.
  struct DepthSteps {
    Value first, end;
  };
  /// All ops of such a kernel.
  mlir::LogicalResult expandFurtherBlocks(tile::DotOp op, Value blockOfGrid);
  struct WorkList;
  mlir::FailureOr<WorkList> makeWorkList(tile::DotOp op, const GpuMatmulSchedule &schedule, Value blockOfGrid);
  /// A loop over what the block of the grid has to do; `body`: an item of it, where the block of the product is
  /// mapped.
  mlir::scf::ForOp workLoop(const WorkList &work, mlir::ValueRange initial);
  /// Of a block that several have shares of: hands the sums to the one with its first step, in whose branch all goes
  /// on, with everybody's sums.
  void shareSums(const WorkList &work, Registers &sums);
  Value partialPlace(const WorkList &work, Value number);
  std::optional<DepthSteps> stepsOfItem; ///< of the product; else all
  Value faults;                          ///< parameter: the word for tile.check
  Value partials, turns;                 ///< parameters: sums that are handed on, and a word for each block
  int64_t partialBytes = 0;              ///< of each block

  // ---- Wgmma.cpp
  mlir::LogicalResult expandWgmmaDot(tile::DotOp op, const GpuMatmulSchedule &schedule, tile::LoadOp a,
                                     tile::LoadOp right);
  /// A tile of rows x columns, copied by the copy engine, step by step along `depthDim`.
  struct BulkCopy {
    tile::LoadOp load;
    TileLayout layout; ///< in shared memory
    WgmmaDescriptor descriptor;
    unsigned depthDim = 1;
    int64_t rows = 0, columns = 0, boxColumns = 0, elementBytes = 0;
    Value map; ///< parameter of the kernel
  };
  /// `extent`: rows (columns, if the depth goes along the rows) that an instruction reads.
  mlir::FailureOr<BulkCopy> makeBulkCopy(tile::LoadOp load, int64_t rows, int64_t columns, unsigned depthDim,
                                         int64_t extent);
  void startBulkCopy(const BulkCopy &copy, Value base, Value step, Value barrier);
  Value addTensorMap(tile::LoadOp load, mlir::ArrayRef<int64_t> box, int64_t swizzleBytes);
  llvm::SmallVector<mlir::Attribute> tensorMaps;
  /// The ring of stages: what is copied to it, and where it lies.
  struct WgmmaRing {
    GpuMatmulSchedule schedule;
    BulkCopy a, b;
    bool transposedA = false, transposedB = false;
    bool isEarly = false; ///< the right operand is a weight: `startsBeforeWait`
    int64_t steps = 0, bytesA = 0, stageBytes = 0, arena = 0;
    Value full, empty, base; ///< barriers, stages
    Value isFirstLane;
  };
  /// A stage, and the parity of the phase of its barrier that is waited for.
  struct RingPlace {
    Value stage, parity;
  };
  mlir::FailureOr<WgmmaRing> makeRing(tile::DotOp op, const GpuMatmulSchedule &schedule, tile::LoadOp a,
                                      tile::LoadOp right);
  Value ringBarrier(Value barriers, Value stage);
  Value ringStage(const WgmmaRing &ring, Value stage);
  RingPlace following(const WgmmaRing &ring, const RingPlace &place);
  void waitFor(Value barrier, Value parity);
  Value word(int64_t value); ///< i32
  /// One thread of the producers does what `produce` makes; then the branch of the others.
  mlir::scf::IfOp partRoles(const WgmmaRing &ring, llvm::function_ref<void()> produce);
  RingPlace startBlockCopies(const WgmmaRing &ring, const RingPlace &from, const DepthSteps &steps, Value early);
  Registers multiplyBlock(const WgmmaRing &ring, RingPlace &place, const DepthSteps &steps, bool goesOn);
  std::optional<WgmmaRing> persistentRing;
  RingPlace consumerPlace;
  int64_t consumerThreads = 0; ///< of those who multiply, while the others copy
  /// The wait until so many groups of products are left, and what it hands on.
  Registers waitForSums(mlir::ArrayRef<Value> inFlight, int64_t left);
  /// Of the operand that begins at `place`, in shared memory.
  Value descriptorAt(const BulkCopy &copy, Value place);
  /// An op on scalars, which each role may compute for itself.
  static bool isScalar(mlir::Operation &op);

  // ---- WgmmaLoop.cpp
  /// scf.for whose products are by wgmma, and those behind it that go on with what it carries.
  mlir::LogicalResult expandWgmmaLoops(mlir::scf::ForOp first);
  struct WgmmaLoops;
  /// Points of the grid that are warp groups of one block (`tile::groupBlocksName`), and the number of this one; null:
  /// a block is a point.
  int64_t pointsOfBlock = 1;
  Value pointOfBlock;
  Value warpOfBlock; ///< index; `warp` is that of the point
  llvm::SmallPtrSet<mlir::Operation *, 2> expandedLoops;

  // ---- KeptRows.cpp
  /// All ops of a kernel whose blocks go on to further rows, with a ring of pieces in shared memory.
  mlir::LogicalResult expandKeptRows(Value firstBlock);
  struct KeptRing;
  std::shared_ptr<KeptRing> keptRing; ///< null: the kernel has none
  bool goesOnToRows = false;
  std::shared_ptr<KeptRing> findKeptRing();
  /// Starts copying the piece whose first element is `position` of the row to a place of the ring.
  void startKept(Value row, Value position, Value place);
  /// At the begin and at the end of a loop's step.
  void waitForKept(mlir::scf::ForOp loop);
  void refillKept(mlir::scf::ForOp loop);
  Value keptPlace(Value position);
  Value keptPointer(int64_t number, int64_t reg, Value place);
  Registers readKept(tile::LoadOp op, const TileLayout &layout);

  // ---- Loop.cpp
  /// scf.for. Operands of products that are loads of the body go through shared
  /// memory while the product before is computed; those from outside of the
  /// loop are copied once.
  mlir::LogicalResult expandFor(mlir::scf::ForOp op);
  mlir::LogicalResult expandLoop(mlir::scf::ForOp op);
  /// scf.if with results; the condition is a scalar, so all threads take one side.
  mlir::LogicalResult expandIf(mlir::scf::IfOp op);
  struct StagedOperand {
    SharedCopy copy;
    int64_t place = 0;       ///< the first, in the arena
    int64_t next = -1;       ///< that is copied while this one is in use, where each has one place
    bool isNextStep = false; ///< `next` is of the loop's next step
  };
  /// Copies the load's tile, with the induction variable at `position`.
  void startStaged(const StagedOperand &operand, Value position);
  void startStagedIfAny(const StagedOperand &operand, Value position); ///< … unless it is behind the loop's end
  Value stagedBase(const StagedOperand &operand, Value position);      ///< the place of that step's tile
  /// The operand is there; the copy of the one after it is started.
  void useStaged(tile::LoadOp load);
  mlir::LogicalResult expandStagedDot(tile::DotOp op, Registers sums);
  /// A product that is only added to something: its sums begin there.
  static bool isAddedOnce(tile::DotOp op);
  std::vector<StagedOperand> staged;
  llvm::DenseMap<mlir::Operation *, size_t> stagedNumbers;
  llvm::MapVector<mlir::Operation *, StagedOperand> outside; ///< of the loop
  int64_t computedPlace = 0;                                 ///< of a left operand that is computed, for multiply-adds
  mlir::scf::ForOp stagedLoop;
  Value stagedPosition, stagedLower, stagedEnd, stagedStep; ///< of the loop: induction variable, bounds, step
  int64_t stagedPlaces = 1;                                 ///< of each operand

  tile::KernelOp kernel;
  GpuMachine machine;
  mlir::ImplicitLocOpBuilder b;
  mlir::ModuleOp module;
  mlir::func::FuncOp function;
  mlir::IRMapping mapping; ///< scalars of the program -> the function's
  llvm::DenseMap<Value, Registers> tiles;
  llvm::DenseMap<Value, Value> buffers; ///< views -> pointers
  Value lane, warp;                     ///< index
  llvm::StringMap<Registers> bases;     ///< by layout: coordinates of register 0
  unsigned sharedCount = 0;
  int64_t sharedTop = 0, sharedSize = 0, sharedAlignment = 128; ///< of the arena, in bytes
  bool sharedUsed = false;                                      ///< since the last barrier
  Value sharedArena;                                            ///< pointer<3>
  llvm::StringMap<Value> threadSums;                            ///< by columns (and what they are trade with)
};

/// How many registers from each multiple of that number on are neighbours along
/// the last dimension.
int64_t contiguousRegisters(const TileLayout &layout);

/// Of a right operand [columns, depth]: how far the columns of neighbouring
/// lanes are apart.
int64_t rowStepOf(const GpuMatmulSchedule &schedule);

} // namespace bessemer::gpu
