// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the schedules of a GPU (bessemer/Algorithms/GpuMatmulSchedule.h) must know of a product of the graph: the layout
// phase asks whether to cut its depth, the tile phase how its blocks are.
#pragma once

#include "bessemer/Algorithms/GpuMatmulSchedule.h"
#include "dialects/Bess/Bess.h"

namespace bessemer::tile {

/// The attribute of a GPU's kernel, and of bess.matmul_parts, that says which product of the graph it computes:
/// `productText` (bessemer/Algorithms/TunedSchedules.h), or "" when a size of it is not known.
inline constexpr llvm::StringLiteral productName = "bess.product";

/// bess.matmul, bess.matmul_parts and bess.grouped_matmul.
struct ProductOp {
  mlir::Operation *op = nullptr;
  mlir::Value a, b, y;
  bool transposeA = false, transposeB = false;
  int64_t partDepth = 0;               ///< of matmul_parts
  mlir::Value offsets = {}, bias = {}; ///< of grouped_matmul

  /// Nullopt: another op.
  static std::optional<ProductOp> of(mlir::Operation *op);
};

/// A product as matrices: [batches, rows, depth] x [batches or 1, depth, columns], each part of the depth a batch more.
struct ProductSizes {
  SymbolicExpr batches = 1, rows = 1, columns = 1, depth = 1;
  SymbolicExpr parts = 1;
  bool shared = false;   ///< one right operand for all: leading dimensions are rows
  bool leftOnce = false; ///< one left operand for all batches
  int64_t groups = 0;    ///< of grouped_matmul: the batches of the right operand, among which the rows are dealt out
};
/// `packed`: the right operand is in panels. Nullopt: batches that stretch in parts.
std::optional<ProductSizes> productSizes(const ProductOp &product, bool packed);

/// f8E4M3FN and f8E5M2: what a GPU's products read as it lies.
bool isProductFloat8(mlir::Type element);

/// Of operands of these types, without sizes. Nullopt: a GPU has no code for them.
std::optional<GpuMatmulShape> gpuOperandShape(mlir::Type a, mlir::Type right, const GpuMachine &machine);

/// For the model: of matmul_parts, one part for each batch. Nullopt: a GPU has no code for these types.
std::optional<GpuMatmulShape> gpuMatmulShape(const ProductOp &product, const ProductSizes &sizes,
                                             const GpuMachine &machine);

} // namespace bessemer::tile
