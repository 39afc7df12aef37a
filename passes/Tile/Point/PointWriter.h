// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The general tile program: an op says what its result is at a place, in terms
// of its operands at other places. Whatever moves, samples or combines elements
// by rules on indices is written so; one writer serves them all.
//
// A point of the grid is a place in all dimensions but one, the *lane
// dimension* (the last that is longer than 1), of which it computes a block,
// `width` lanes at a time. An index is the same for all lanes, or a whole number
// of steps apart from lane to lane, or anything; the first two cost index
// arithmetic on scalars, and reads of them are loads, not gathers:
//
//   y = transpose(x) at (i, lane)     ->  x at (lane, i): a load along dimension 0
//   y = gather(x, t) at (i, lane)     ->  x at (t[i], lane): a load from a row that a scalar chooses
//   y = gather(x, t, axis 1)          ->  x at (i, t[lane]): a gather
//   y = reduce(x, axis 1) at (lane)   ->  a loop over j of x at (lane, j)
#pragma once

#include "passes/Tile/ProgramBuilder.h"

namespace bessemer::tilegen {

/// An index along one dimension, for each lane.
struct Index {
  mlir::Value base;  ///< index: where lane 0 is
  int64_t step = 0;  ///< lane i is at base + step * i
  mlir::Value lanes; ///< a tile of i64 instead of both

  bool isUniform() const { return !lanes && step == 0; }
};
using Place = llvm::SmallVector<Index>;

class PointWriter {
public:
  explicit PointWriter(ProgramBuilder &p) : p(p), b(p.b) {}
  tile::KernelOp write();

private:
  using Value = mlir::Value;

  // ---- PointProgram.cpp: the frame, what is read, elementwise ops
  Value at(Value value, mlir::ArrayRef<Index> place);
  Value compute(mlir::Operation *op, unsigned result, mlir::ArrayRef<Index> place);
  Value read(mlir::BlockArgument argument, mlir::ArrayRef<Index> place);
  Value elementwise(mlir::Operation *op, mlir::ArrayRef<Index> place);
  /// The place in an operand that is broadcast to `to`.
  Place broadcastPlace(Value from, Value to, mlir::ArrayRef<Index> place);

  // ---- PointNarrow.cpp: elements that share a byte (NarrowTypes.h), quantization
  /// A result of such elements: a lane makes all of a byte.
  tile::KernelOp writePacked(Value root, mlir::ArrayRef<llvm::SmallVector<SymbolicExpr>> views);
  Value readPacked(mlir::BlockArgument argument, mlir::ArrayRef<Index> place);
  Value quantize(bess::QuantizeOp op, mlir::ArrayRef<Index> place);
  Value dequantize(bess::DequantizeOp op, mlir::ArrayRef<Index> place);
  /// Scale or zero point at the element's group: all, a slice of `axis`, or a block of it.
  Value ofGroup(Value parameter, int64_t axis, int64_t block, mlir::ArrayRef<Index> place);
  Value toFloat(Value tile, mlir::Type graph, mlir::Type to);

  // ---- PointMove.cpp: ops that only move elements
  Value move(mlir::Operation *op, mlir::ArrayRef<Index> place);
  Value concat(bess::ConcatOp op, mlir::ArrayRef<Index> place);
  Value pad(bess::PadOp op, mlir::ArrayRef<Index> place);
  Value gather(bess::GatherOp op, mlir::ArrayRef<Index> place);
  Value gatherNd(bess::GatherNdOp op, mlir::ArrayRef<Index> place);
  Value oneHot(bess::OneHotOp op, mlir::ArrayRef<Index> place);
  Value reverseSequence(bess::ReverseSequenceOp op, mlir::ArrayRef<Index> place);
  Value tensorScatter(bess::TensorScatterOp op, mlir::ArrayRef<Index> place);
  Value range(bess::RangeOp op, mlir::ArrayRef<Index> place);

  // ---- PointReduce.cpp: ops that combine elements
  Value combine(mlir::Operation *op, mlir::ArrayRef<Index> place);
  Value reduce(bess::ReduceOp op, mlir::ArrayRef<Index> place);
  Value argReduce(bess::ArgReduceOp op, mlir::ArrayRef<Index> place);
  Value matmul(bess::MatmulOp op, mlir::ArrayRef<Index> place);
  Value conv(bess::ConvOp op, mlir::ArrayRef<Index> place);
  Value convTranspose(bess::ConvTransposeOp op, mlir::ArrayRef<Index> place);
  Value col2Im(bess::Col2ImOp op, mlir::ArrayRef<Index> place);
  Value pool(bess::PoolOp op, mlir::ArrayRef<Index> place);
  Value maxPoolIndices(bess::MaxPoolIndicesOp op, mlir::ArrayRef<Index> place);
  Value lrn(bess::LrnOp op, mlir::ArrayRef<Index> place);

  // ---- PointSample.cpp: ops that interpolate
  Value resize(bess::ResizeOp op, mlir::ArrayRef<Index> place);
  Value gridSample(bess::GridSampleOp op, mlir::ArrayRef<Index> place);

  // ---- PointRegion.cpp: ops that read between elements where the data say
  Value roiAlign(bess::RoiAlignOp op, mlir::ArrayRef<Index> place);
  Value deformConv(bess::DeformConvOp op, mlir::ArrayRef<Index> place);

  // ---- PointNumeric.cpp: Fourier transforms, powers of integers, determinants
  Value dft(bess::DftOp op, mlir::ArrayRef<Index> place);
  Value stft(bess::StftOp op, mlir::ArrayRef<Index> place);
  struct Complex {
    Value real, imaginary; ///< f64 tiles
  };
  /// The sum over n < count of term(n) · exp(± 2πi·n·k / length).
  Complex series(const SymbolicExpr &count, const Index &k, const SymbolicExpr &length, bool inverse,
                 llvm::function_ref<Complex(Value)> term);
  Value det(bess::DetOp op, mlir::ArrayRef<Index> place);
  Value integerPower(bess::PowOp op, mlir::ArrayRef<Index> place);

  // ---- indices
  Index uniform(Value base) { return {base, 0, {}}; }
  Index uniform(int64_t value) { return uniform(p.index(value)); }
  Index uniform(const SymbolicExpr &expr) { return uniform(p.indexOf(expr)); }
  Index lanesOf(Value tile) { return {{}, 0, tile}; }
  Value toTile(const Index &index);
  Value real(const Index &index); ///< f64: a scalar where it is the same for all lanes, else a tile
  Index plus(const Index &x, const Index &y);
  Index plus(const Index &x, int64_t y) { return plus(x, uniform(y)); }
  Index minus(const Index &x, const Index &y);
  Index times(const Index &x, const SymbolicExpr &factor);
  Index linearIndex(mlir::ArrayRef<SymbolicExpr> dims, mlir::ArrayRef<Index> place);
  Index divide(const Index &x, const SymbolicExpr &by);
  Index modulo(const Index &x, const SymbolicExpr &by);
  /// 0 <= x < extent, as a tile of i1, or null where that is known.
  Value inside(const Index &x, const SymbolicExpr &extent);
  /// The nearest index that is inside.
  Index clamped(const Index &x, const SymbolicExpr &extent);
  /// An index that the data says, at `place` of `indices`: negative ones count
  /// from the end; what is outside then stops the run (`tile.check`).
  Index fromData(Value indices, mlir::ArrayRef<Index> place, const SymbolicExpr &extent, bool check = true);
  Index rawFromData(Value indices, mlir::ArrayRef<Index> place);

  // ---- tiles
  mlir::ArrayRef<Extent> shape() const { return extents; }
  Value splat(Value scalar) { return p.splat(scalar, extents); }
  Value constant(double value, mlir::Type element) { return p.constant(value, element, extents); }
  Value both(Value x, Value y);
  Value select(Value condition, Value x, Value y) { return condition ? selectNew(condition, x, y) : x; }
  Value selectNew(Value condition, Value x, Value y);
  mlir::Type f64() { return b.getF64Type(); }
  mlir::Type elementType(Value value) { return computeType(mlir::getElementTypeOrSelf(value.getType())); }
  /// Evaluates `fn` where only lanes of `condition` count: nothing is read for the others.
  Value under(Value condition, llvm::function_ref<Value()> fn);
  /// `step(i, carried)` for i in [0, count); null when a step gives null.
  llvm::SmallVector<Value> loop(const SymbolicExpr &count, mlir::ValueRange initial,
                                llvm::function_ref<llvm::SmallVector<Value>(Value, mlir::ValueRange)> step);
  llvm::SmallVector<Value>
  loops(mlir::ArrayRef<SymbolicExpr> counts, mlir::ValueRange initial,
        llvm::function_ref<llvm::SmallVector<Value>(mlir::ArrayRef<Value>, mlir::ValueRange)> step);

  ProgramBuilder &p;
  mlir::ImplicitLocOpBuilder &b;
  llvm::SmallVector<Extent> extents; ///< [width]
  bool whole = false;                ///< the lanes always cover the lane dimension
  Value laneMask;                    ///< which lanes exist; null: all
  Value mask;                        ///< of these, which count here; null: all
  struct Answer {
    Value value;
    Place place;
    Value mask, tile;
  };
  llvm::SmallVector<Answer> answers; ///< valid where the builder stands
};

} // namespace bessemer::tilegen
