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
#pragma once

#include "passes/Lower/Gpu/Layouts.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace bessemer::gpu {

class GpuExpander {
public:
  explicit GpuExpander(tile::KernelOp kernel) : kernel(kernel), b(kernel.getLoc(), kernel.getContext()) {}

  /// Makes `func.func @name(pointer<1> for each view, i64 for each symbol)`
  /// at the end of `kernels`, with the threads of a block in `bess.block`;
  /// fails with a diagnostic. The grid is one-dimensional: the product of the
  /// kernel's.
  mlir::LogicalResult expand(mlir::ModuleOp kernels);

private:
  using Value = mlir::Value;
  using Registers = llvm::SmallVector<Value>;

  // ---- GpuExpander.cpp: the frame, elementwise ops
  mlir::LogicalResult expandOp(mlir::Operation &op);
  mlir::LogicalResult expandElementwise(mlir::Operation &op);
  mlir::LogicalResult expandIota(tile::IotaOp op);
  mlir::LogicalResult expandBroadcast(tile::BroadcastOp op);
  Value index(int64_t value);
  Value add(Value x, Value y);
  Value mul(Value x, Value y);
  Value both(Value x, Value y); ///< null is true
  Value fromExpr(const SymbolicExpr &expr);
  Value mapped(Value value) { return mapping.lookupOrDefault(value); }
  /// Where register `reg` of this thread lies in the tile.
  Registers coordinates(const TileLayout &layout, int64_t reg);

  // ---- GpuMemory.cpp
  mlir::LogicalResult expandLoad(tile::LoadOp op);
  mlir::LogicalResult expandLoadScalar(tile::LoadScalarOp op);
  mlir::LogicalResult expandGather(tile::GatherOp op);
  mlir::LogicalResult expandStore(tile::StoreOp op);
  /// Whether the coordinates are within the tile, and, unless `inBounds`,
  /// within the view; null: always.
  Value isInside(Value tile, const TileLayout &layout, mlir::ArrayRef<Value> at);
  Value isInView(Value view, mlir::ValueRange offsets, mlir::ArrayRef<int64_t> dims, mlir::ArrayRef<Value> at);
  Value isOwner(const TileLayout &layout);
  Value pointer(Value view, mlir::ValueRange offsets, mlir::ArrayRef<int64_t> dims, mlir::ArrayRef<Value> at);
  /// Reads `count` neighbours, or zeros where `guard` is false.
  Registers read(Value pointer, mlir::Type element, int64_t count, Value guard);

  // ---- GpuReduce.cpp
  mlir::LogicalResult expandReduce(tile::ReduceOp op);
  Value shuffle(Value value, int64_t laneBit);
  Registers acrossWarps(tile::ReductionKind kind, const Registers &parts, int64_t distinct, int64_t warps);

  tile::KernelOp kernel;
  mlir::ImplicitLocOpBuilder b;
  mlir::ModuleOp module;
  mlir::IRMapping mapping; ///< scalars of the program -> the function's
  llvm::DenseMap<Value, Registers> tiles;
  llvm::DenseMap<Value, Value> buffers; ///< views -> pointers
  Value lane, warp;                     ///< index
  llvm::StringMap<Registers> bases;     ///< by layout: coordinates of register 0
  unsigned sharedCount = 0;
};

/// How many registers from each multiple of that number on are neighbours along
/// the last dimension.
int64_t contiguousRegisters(const TileLayout &layout);

} // namespace bessemer::gpu
