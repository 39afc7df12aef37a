// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The general lowering of a tile program to a GPU: right for every program, not
// the fastest for any. A block runs points of the grid; the elements of a tile
// are dealt out to its threads, and each thread *pulls* the value of an element
// through the program down to the loads, as the CPU lowering pulls vectors.
//
//   store, check      elements e = thread, thread + threads, ...
//   reduce            along the last axis: a warp for each row, or the block for
//                     the only row; shuffles, then shared memory. Along others:
//                     a loop in the thread that asks
//   dot               a loop over the depth in the thread that asks
//   carried tiles     of scf.for: registers, element e in register e / threads
//   scratch           what is read again and is not cheap (Traversal.h): shared
//                     memory, or the block's part of the workspace where it is
//                     large or of unknown size
//
// Barriers stand where a root reads what another has written, or writes what
// another may still read. Scalars of a program are the same in all threads, so
// every barrier is reached by the whole block.
//
// The function takes, behind views and symbols, `workspace` (pointer), the bytes
// of a block's part of it (i64) and `faults` (pointer to one i64, tile.check).
#pragma once

#include "bessemer/Algorithms/SymbolicExpr.h"
#include "passes/Lower/Traversal.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace bessemer::gpu {

class ThreadExpander {
public:
  explicit ThreadExpander(tile::KernelOp kernel) : kernel(kernel), b(kernel.getLoc(), kernel.getContext()) {}

  /// Makes the function at the end of `kernels`; fails with a diagnostic.
  mlir::LogicalResult expand(mlir::ModuleOp kernels);

private:
  using Value = mlir::Value;
  using Type = mlir::Type;

  /// An element of a tile.
  struct Place {
    Place() = default;
    Place(llvm::SmallVector<Value> at, int64_t slot = -1) : at(std::move(at)), slot(slot) {}
    llvm::SmallVector<Value> at; ///< a coordinate for each dimension
    int64_t slot = -1;           ///< which of the thread's elements it is; -1: known when it runs
    llvm::DenseMap<Value, Value> cache;
  };
  using PlaceFn = llvm::function_ref<mlir::LogicalResult(Place &)>;

  /// A tile in memory. Strides count elements.
  struct Memory {
    Value base;
    Type element; ///< as the view says; i1 takes a byte
    llvm::SmallVector<Value> strides;
    /// Where an element may lie outside of the view: what is added to the coordinate, and the view's extent.
    llvm::SmallVector<std::pair<Value, Value>> view;
    Value condition; ///< null: true
  };

  // ---- ThreadExpander.cpp: the walk over the program
  mlir::LogicalResult expandBlock(mlir::Block &block, llvm::function_ref<mlir::LogicalResult()> atEnd = {});
  mlir::LogicalResult expandOp(mlir::Operation &op);
  mlir::LogicalResult expandFor(mlir::scf::ForOp op);
  mlir::LogicalResult expandIf(mlir::scf::IfOp op);
  mlir::LogicalResult expandStores(mlir::ArrayRef<tile::StoreOp> group);
  mlir::LogicalResult expandCheck(tile::CheckOp op);
  mlir::LogicalResult materialize(Value tile);
  /// What is to be in scratch memory before the tile is evaluated.
  mlir::LogicalResult prepare(Value tile);
  /// The registers of a tile that a loop carries.
  mlir::LogicalResult canonical(Value tile, llvm::SmallVector<Value> &registers);
  mlir::LogicalResult forEachElement(Value tile, bool unrolled, PlaceFn fn);
  void beginRoot(bool writes);
  void endRoot(bool writes);
  void barrier();
  bool hasRoots(mlir::Block &block);
  bool readsCarried(Value tile);

  // ---- ThreadEvaluate.cpp: a value at a place
  mlir::FailureOr<Value> evaluate(Value tile, Place &place);
  mlir::FailureOr<Value> evaluateOp(Value tile, Place &place);
  mlir::FailureOr<Value> evaluateReduce(tile::ReduceOp op, Place &place);
  mlir::FailureOr<Value> evaluateDot(tile::DotOp op, Place &place);
  mlir::FailureOr<Value> evaluatePanels(tile::PanelsOp op, Value depth, Value column);
  mlir::FailureOr<Value> evaluatePatches(tile::PatchesOp op, Place &place);
  mlir::FailureOr<Value> evaluateGather(mlir::Operation *op, Value view, Value linear, Value mask, Place &place,
                                        Value column);

  // ---- ThreadReduce.cpp
  mlir::LogicalResult expandReduce(tile::ReduceOp op);
  mlir::FailureOr<Value> partial(tile::ReduceOp op, Value row, Value first, int64_t step);
  mlir::FailureOr<Value> chain(tile::ReduceOp op, Value row, Value first, Value end, int64_t step);
  Value acrossLanes(tile::ReductionKind kind, Value value);

  // ---- ThreadMemory.cpp: addresses, loads, stores, scratch
  Memory viewMemory(Value view, mlir::ValueRange offsets, mlir::ArrayRef<int64_t> dims, bool inBounds);
  Value address(const Memory &memory, mlir::ArrayRef<Value> at);
  Value guardOf(const Memory &memory, mlir::ArrayRef<Value> at);
  Value loadAt(const Memory &memory, mlir::ArrayRef<Value> at);
  void storeAt(const Memory &memory, mlir::ArrayRef<Value> at, Value value);
  Value read(Value pointer, Type element, Value guard);
  void write(Value pointer, Type element, Value value);
  Value element(Value base, Type element, Value linear);
  mlir::FailureOr<Memory> allocate(Value tile);
  Value sharedArray(Type element, int64_t count);

  // ---- helpers
  Value index(int64_t value);
  Value add(Value x, Value y);
  Value sub(Value x, Value y);
  Value mul(Value x, Value y);
  Value div(Value x, Value y);
  Value rem(Value x, Value y);
  Value both(Value x, Value y); ///< null is true
  Value isLess(Value x, Value y);
  Value fromExpr(const SymbolicExpr &expr);
  Value extent(Value tile, unsigned dim);
  llvm::SmallVector<Value> viewStrides(Value view);
  Value mapped(Value value) { return mapping.lookupOrDefault(value); }
  /// `body` where the condition holds (null: always); gives a value, which is zero elsewhere.
  mlir::FailureOr<Value> under(Value condition, Type type, llvm::function_ref<mlir::FailureOr<Value>()> body);

  tile::KernelOp kernel;
  mlir::ImplicitLocOpBuilder b;
  mlir::ModuleOp module;
  TraversalPlan plan;
  int64_t threads = 128;
  mlir::IRMapping mapping; ///< scalars of the program -> the function's
  llvm::DenseMap<Value, Memory> memory;
  llvm::DenseMap<Value, llvm::SmallVector<Value>> registers;
  llvm::DenseMap<Value, Value> buffers; ///< views -> pointers
  Value thread, lane, warp, workspace, faults;
  Value scratchOffset;
  SymbolicExpr scratchBound = 0, workspaceBytes = 0;
  int64_t sharedBytes = 0;
  unsigned sharedCount = 0;
  bool hazards = false;              ///< an output is read, or written by several stores
  bool scratchUsed = false;          ///< by some root of the program
  bool wrote = false, reads = false; ///< since the last barrier
  bool readByAll = false;            ///< and an element that another thread may store in its place
};

} // namespace bessemer::gpu
