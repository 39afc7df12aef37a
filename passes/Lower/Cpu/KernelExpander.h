// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Expands one tile program into loops over vectors. The idea is to pull: a
// store asks for its operand at a point (a row and a stretch of columns), the
// elementwise op asks its operands at the same point, and so on down to the
// loads. So a chain of elementwise ops is one loop without being fused first.
//
//   roots        what starts a traversal: a store (or several of one shape that
//                follow each other), a reduction along the last axis,
//                `tile.panels`, an operand of a dot that is no load
//   materialize  a value that several roots read and that is not cheap is
//                written to scratch memory by the first traversal that meets it
//   dot          register blocks; the tree above it is evaluated while the sums
//                are in registers
//
// Tiles have rank 1 (one row) or 2 (rows, columns); panels have rank 3.
#pragma once

#include "bessemer/Algorithms/MatmulSchedule.h"
#include "bessemer/Algorithms/SymbolicExpr.h"
#include "bessemer/Support/CpuSchedule.h"
#include "dialects/Tile/Tile.h"
#include "passes/Lower/TileParts.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

#include <functional>

namespace bessemer {

/// A tile in memory. Strides count elements.
struct MemoryTile {
  mlir::Value base;   ///< !llvm.ptr of element (0, 0)
  mlir::Type element; ///< as stored: i1 takes a byte
  mlir::Value rowStride = {};
  mlir::Value columnStride = {};                 ///< null: 1
  mlir::Value panelStride = {};                  ///< rank 3 only
  mlir::Value validRows = {}, validColumns = {}; ///< null: the whole tile is inside of the view
  mlir::Value condition = {};                    ///< null: true; false: reads are 0, writes are dropped
};

/// Where a tile is asked for: `width` columns from `column` of `row`; width 0
/// stands for the one element of a tile whose last extent is 1.
struct Point {
  Point(mlir::Value row, mlir::Value column, int64_t width, mlir::Value mask = {})
      : row(row), column(column), width(width), mask(mask) {}

  mlir::Value row, column;
  int64_t width;
  mlir::Value mask; ///< vector<width x i1>, null: all lanes
  llvm::DenseMap<mlir::Value, mlir::Value> cache;
};

class KernelExpander {
public:
  KernelExpander(tile::KernelOp kernel, const CpuSchedule &schedule);

  /// Makes the function at the end of `kernels`; fails with a diagnostic.
  mlir::FailureOr<mlir::func::FuncOp> expand(mlir::ModuleOp kernels);

private:
  using Value = mlir::Value;
  using Type = mlir::Type;
  using PointFn = std::function<mlir::LogicalResult(Point &)>;
  using AccumulateFn = llvm::function_ref<mlir::FailureOr<Value>(Value index, Value sofar)>;

  // ---- Roots.cpp: the walk over the program
  /// `atEnd` may read what the block has in memory.
  mlir::LogicalResult expandBlock(mlir::Block &block, llvm::function_ref<mlir::LogicalResult()> atEnd = {});
  mlir::LogicalResult expandOp(mlir::Operation &op);
  mlir::LogicalResult expandFor(mlir::Operation &op);
  mlir::LogicalResult expandIf(mlir::Operation &op);
  mlir::LogicalResult expandStores(mlir::ArrayRef<tile::StoreOp> group);
  mlir::LogicalResult expandReduce(tile::ReduceOp op);
  mlir::LogicalResult expandPanels(tile::PanelsOp op);
  mlir::LogicalResult expandCheck(tile::CheckOp op);
  mlir::LogicalResult traverse(mlir::ValueRange tiles, const PointFn &fn);
  mlir::LogicalResult forEachPoint(Value tile, int64_t width, const PointFn &fn);
  mlir::LogicalResult ensureMaterialized(Value tile);

  // ---- Materialize.cpp: what goes to scratch memory
  void planMaterialization();
  llvm::SmallVector<Value> pendingIn(mlir::ValueRange tiles);
  Value findDot(Value tile);
  void findDots(Value tile, llvm::SetVector<Value> &dots);
  int64_t chooseWidth(mlir::ValueRange tiles);
  bool computesFunctions(Value tile);

  // ---- Images.cpp: windows of channels-last images
  mlir::LogicalResult expandPatches(tile::PatchesOp op);
  mlir::FailureOr<Value> evaluateGatherRows(tile::GatherRowsOp op, Point &point);

  // ---- Evaluate.cpp: a value at a point
  mlir::FailureOr<Value> evaluate(Value tile, Point &point);
  mlir::FailureOr<Value> evaluateOp(Value tile, Point &point);
  mlir::FailureOr<Value> reduceRows(tile::ReduceOp op, Point &point);
  /// A reduction of `count` (or kDynamic) things: `next` combines what lies at an index of from, from + step, ... below
  /// `to` with the result so far, which is of `type`.
  mlir::FailureOr<Value> accumulate(tile::ReductionKind kind, Type type, Value from, Value to, int64_t step,
                                    int64_t count, AccumulateFn next);

  // ---- Memory.cpp: addresses, loads, stores, scratch
  void bindLoad(tile::LoadOp op);
  MemoryTile viewTile(Value view, mlir::ValueRange offsets, mlir::ArrayRef<int64_t> dims, bool inBounds);
  Value address(const MemoryTile &tile, Value row, Value column, Value panel = {});
  Value loadAt(const MemoryTile &tile, Point &point, Type element);
  void storeAt(const MemoryTile &tile, Point &point, Value value);
  Value loadVector(Value pointer, Type element, int64_t width, Value mask);
  Value restrictMask(const MemoryTile &tile, Point &point);
  MemoryTile allocate(Value tile);
  MemoryTile allocatePanels(Value rows, Value columns, SymbolicExpr rowsExpr, SymbolicExpr columnsExpr, int64_t block,
                            Type element);
  Value scratch(Value bytes, const SymbolicExpr &bound);
  Value viewExtent(Value view, unsigned dim);
  llvm::SmallVector<Value> viewStrides(Value view);

  // ---- Dot.cpp: register blocks
  struct DotColumns;
  struct RowBlock;
  mlir::LogicalResult forEachDotBlock(tile::DotOp dot, bool costly, const PointFn &fn);
  mlir::LogicalResult knownRowBlocks(DotColumns &columns, int64_t rows, bool buffered, const PointFn &fn);
  mlir::LogicalResult freeRowBlocks(DotColumns &columns, Value rows, const PointFn &fn);
  mlir::LogicalResult dotBlock(DotColumns &columns, const RowBlock &block, const PointFn &fn);
  int64_t blockRowsFor(int64_t columns);
  mlir::SmallVector<Value> dotSums(DotColumns &columns, const RowBlock &block);

  // ---- helpers
  Value extent(Value tile, unsigned dim);             ///< index, in the new function
  SymbolicExpr extentBound(Value tile, unsigned dim); ///< over s0, s1, …: what it is at most
  SymbolicExpr bound(Value index);
  Value original(Value tile, unsigned dim); ///< the size operand of a `?`, or null
  Value mapped(Value value) { return mapping.lookupOrDefault(value); }
  Value index(int64_t value);
  Value add(Value a, Value b);
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value div(Value a, Value b);
  Value fromExpr(const SymbolicExpr &expr);
  Value laneIndices(int64_t width); ///< vector<width x index> 0, 1, …
  Value tailMask(Value column, Value columns, int64_t width);
  Value combine(tile::ReductionKind kind, Value a, Value b);
  Value neutral(tile::ReductionKind kind, Type type);

  tile::KernelOp kernel;
  CpuSchedule schedule;
  MatmulSchedule dots; ///< of the products: what the kernel's `schedule` says
  mlir::ImplicitLocOpBuilder b;
  mlir::IRMapping mapping; ///< scalars of the program -> the function's
  llvm::DenseMap<Value, MemoryTile> memory;
  llvm::DenseMap<Value, Value> registers; ///< loop-carried tiles: one vector; reductions of one row: a scalar
  llvm::MapVector<Value, bool> toMaterialize;
  llvm::DenseMap<mlir::Operation *, llvm::SmallVector<tile::StoreOp>> storeGroups; ///< by the last of a group
  llvm::SmallVector<Value> bufferPointers;
  Value workspace, scratchOffset;
  Value point;                     ///< of the grid, which is computed
  tile::GatherRowsOp windowInside; ///< whose mask is known to be true for all rows, where code is made now
  SymbolicExpr scratchBound = 0, workspaceBytes = 0;
};

} // namespace bessemer
