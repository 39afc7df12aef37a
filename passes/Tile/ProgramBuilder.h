// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What all writers of tile programs share: the kernel with its views and
// symbols, index arithmetic, elementwise ops.
#pragma once

#include "bessemer/Algorithms/GpuMatmulSchedule.h"
#include "bessemer/Algorithms/MatmulSchedule.h"
#include "bessemer/Algorithms/TunedSchedules.h"
#include "bessemer/Support/CpuSchedule.h"
#include "bessemer/Support/GpuSchedule.h"
#include "dialects/Tile/Tile.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <map>

namespace bessemer::tilegen {

/// A tile's extent: a constant or an index of the program.
struct Extent {
  int64_t constant = -1; ///< -1: `value`
  mlir::Value value;

  static Extent of(int64_t n) { return {n, {}}; }
  bool isOne() const { return constant == 1; }
};

class ProgramBuilder {
public:
  ProgramBuilder(bess::FusionOp fusion, const CpuSchedule &schedule);

  /// Starts the kernel: the views of the fusion's inputs and outputs with the
  /// given dimensions (over the function's symbols; row-major, so they may be
  /// any regrouping of the tensor's own).
  void begin(llvm::ArrayRef<llvm::SmallVector<SymbolicExpr>> viewDims, llvm::ArrayRef<SymbolicExpr> grid);
  /// How its products are cut up; the reason joins the kernel's.
  void setSchedule(const MatmulSchedule &schedule);
  void setSchedule(const GpuMatmulSchedule &schedule);
  /// Ends it and gives the kernel.
  tile::KernelOp finish(const SymbolicExpr &flops);

  bess::FusionOp fusion;
  const CpuSchedule &schedule;
  std::optional<GpuMachine> gpu;         ///< when the program is for one
  const TunedSchedules *tuned = nullptr; ///< what was measured on it, if anything
  mlir::ImplicitLocOpBuilder b;
  tile::KernelOp kernel;
  /// Symbols of the function, in the order of s0, s1, ….
  llvm::SmallVector<std::string> symbols;
  llvm::SmallVector<SymbolicExpr> grid;

  /// An expression over the function's symbols as one over s0, s1, ….
  SymbolicExpr inner(const SymbolicExpr &expr);
  /// … as an index of the program.
  mlir::Value indexOf(const SymbolicExpr &expr);
  Extent extentOf(const SymbolicExpr &expr);

  mlir::Value index(int64_t value);
  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value sub(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, mlir::Value y);
  mlir::Value minimum(mlir::Value x, mlir::Value y);
  mlir::Value sizeOf(const Extent &extent);

  mlir::Value view(unsigned i) { return kernel.getView(i); }
  mlir::Value gridId(unsigned i) { return kernel.getGridId(i); }

  /// A tile of `view` as it is stored (unsigned integers signless): a dot converts its operands itself.
  mlir::Value loadStored(mlir::Value view, mlir::ValueRange offsets, llvm::ArrayRef<int64_t> dims,
                         llvm::ArrayRef<Extent> extents, bool inBounds);
  /// A tile of `view`, converted to the type that programs compute in.
  mlir::Value load(mlir::Value view, mlir::ValueRange offsets, llvm::ArrayRef<int64_t> dims,
                   llvm::ArrayRef<Extent> extents, bool inBounds, mlir::Value condition = {});
  void store(mlir::Value tile, mlir::Value view, mlir::ValueRange offsets, llvm::ArrayRef<int64_t> dims, bool inBounds,
             mlir::Value condition = {});
  mlir::Value splat(mlir::Value scalar, llvm::ArrayRef<Extent> extents);
  mlir::Value constant(double value, mlir::Type element, llvm::ArrayRef<Extent> extents);
  /// The value of a constant that has one; null for others.
  mlir::Value constant(bess::ConstantOp op, llvm::ArrayRef<Extent> extents);
  mlir::Value broadcast(mlir::Value tile, llvm::ArrayRef<Extent> extents);
  mlir::Value iota(mlir::Value start, int64_t axis, llvm::ArrayRef<Extent> extents);
  /// The extent of `axis` becomes 1, or goes away with `drop`. Null for a kind that is none of `tile::ReductionKind`.
  mlir::Value reduce(llvm::StringRef kind, mlir::Value tile, int64_t axis, bool drop = false);
  /// `columns` of the result: those of `right` unless given.
  mlir::Value dot(mlir::Value a, mlir::Value right, int64_t columns = -1, bool transposeB = false,
                  bool transposeA = false);
  /// `right` is [columns, depth].
  mlir::Value dotTransposed(mlir::Value a, mlir::Value right);

  /// An elementwise bess op on tiles of one shape; null when there is none.
  /// `extents` is that shape.
  mlir::Value elementwise(mlir::Operation *op, mlir::ValueRange operands, llvm::ArrayRef<Extent> extents);
  /// Of the tiles that elementwise ops work on, the elements that exist; null: all.
  mlir::Value existing;
  mlir::Value gelu(mlir::Value x, llvm::StringRef approximate, llvm::ArrayRef<Extent> extents);
  mlir::Value sigmoid(mlir::Value x, llvm::ArrayRef<Extent> extents);

private:
  mlir::Value arithmetic(mlir::Operation *op, mlir::ValueRange operands, llvm::ArrayRef<Extent> extents);
  mlir::Value convert(bess::CastOp op, mlir::Value x, llvm::ArrayRef<Extent> extents);
  mlir::Value bitcast(bess::BitcastOp op, mlir::Value x, llvm::ArrayRef<Extent> extents);
  mlir::Value floatToInteger(mlir::Value x, mlir::Type graphTo, llvm::ArrayRef<Extent> extents);
  mlir::Value safeDivisor(mlir::Value divisor, llvm::ArrayRef<Extent> extents);

  std::map<std::string, std::string, std::less<>> renamed;
};

/// The element type that programs compute with: f16 and bf16 in f32, unsigned
/// integers signless; what is narrower than a byte, and float8, as NarrowTypes.h says.
mlir::Type computeType(mlir::Type element);
mlir::RankedTensorType tileType(llvm::ArrayRef<Extent> extents, mlir::Type element);

/// The writers. Null: no program for this fusion.
tile::KernelOp writeRowProgram(ProgramBuilder &p);
tile::KernelOp writeMatmulProgram(ProgramBuilder &p);
tile::KernelOp writeSumPartsProgram(ProgramBuilder &p);
tile::KernelOp writeAttentionProgram(ProgramBuilder &p);
/// The program for a GPU, also of attention_parts; the one by wgmma, where that is cheaper; and the one that combines
/// parts.
tile::KernelOp writeFlashAttentionProgram(ProgramBuilder &p);
tile::KernelOp writeWgmmaAttentionProgram(ProgramBuilder &p);
tile::KernelOp writeCombinePartsProgram(ProgramBuilder &p);
tile::KernelOp writeConvProgram(ProgramBuilder &p);
tile::KernelOp writePoolProgram(ProgramBuilder &p);
tile::KernelOp writeWinogradInputProgram(ProgramBuilder &p);
tile::KernelOp writeWinogradOutputProgram(ProgramBuilder &p);
tile::KernelOp writeConcatProgram(ProgramBuilder &p);
tile::KernelOp writeRopeProgram(ProgramBuilder &p);
tile::KernelOp writeRecurrentProgram(ProgramBuilder &p);
tile::KernelOp writeCumulateProgram(ProgramBuilder &p);
tile::KernelOp writeTopKProgram(ProgramBuilder &p);
tile::KernelOp writeScatterElementsProgram(ProgramBuilder &p);
tile::KernelOp writeScatterNdProgram(ProgramBuilder &p);
tile::KernelOp writeMaxUnpoolProgram(ProgramBuilder &p);
/// The general one (Point/PointWriter.h): what no other writer takes.
tile::KernelOp writePointProgram(ProgramBuilder &p);

} // namespace bessemer::tilegen
