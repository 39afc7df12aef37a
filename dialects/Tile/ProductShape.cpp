// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Tile/ProductShape.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tile;

std::optional<ProductOp> ProductOp::of(Operation *op) {
  if (auto matmul = dyn_cast_or_null<MatmulOp>(op))
    return ProductOp{op, matmul.getA(), matmul.getB(), matmul.getY(), matmul.getTransposeA(), matmul.getTransposeB()};
  if (auto parts = dyn_cast_or_null<MatmulPartsOp>(op))
    return ProductOp{op,
                     parts.getA(),
                     parts.getB(),
                     parts.getY(),
                     parts.getTransposeA(),
                     parts.getTransposeB(),
                     static_cast<int64_t>(parts.getPartDepth())};
  if (auto grouped = dyn_cast_or_null<GroupedMatmulOp>(op))
    return ProductOp{op,
                     grouped.getX(),
                     grouped.getW(),
                     grouped.getY(),
                     /*transposeA=*/false,
                     grouped.getTransposeB(),
                     /*partDepth=*/0,
                     grouped.getOffsets(),
                     grouped.getBias()};
  return std::nullopt;
}

static SymbolicExpr product(ArrayRef<SymbolicExpr> dims) {
  SymbolicExpr result = 1;
  for (const SymbolicExpr &dim : dims)
    result *= dim;
  return result;
}

std::optional<ProductSizes> tile::productSizes(const ProductOp &product, bool packed) {
  auto a = getDims(product.a.getType()), w = getDims(product.b.getType()), y = getDims(product.y.getType());
  ProductSizes sizes;
  if (product.partDepth) {
    sizes.parts = y.front();
    y.erase(y.begin());
  }
  if (product.offsets) {
    // Each block of rows has one of the right operands.
    sizes.rows = y[0];
    sizes.columns = y[1];
    sizes.depth = a[1];
    sizes.groups = w[0].isConstant().value_or(0);
    sizes.leftOnce = true;
    return sizes.groups ? std::optional(sizes) : std::nullopt;
  }
  if (packed)
    w.pop_back(); // [.., panels, K, columns]
  ArrayRef<SymbolicExpr> aBatch = ArrayRef<SymbolicExpr>(a).drop_back(2),
                         wBatch = ArrayRef<SymbolicExpr>(w).drop_back(2),
                         yBatch = ArrayRef<SymbolicExpr>(y).drop_back(2);
  auto ones = [](ArrayRef<SymbolicExpr> dims) {
    return llvm::all_of(dims, [](const SymbolicExpr &d) { return d == SymbolicExpr::constant(1); });
  };
  // Rows of a transposed left operand are not neighbours of those of another batch.
  sizes.shared = ones(wBatch) && (!product.transposeA || ones(aBatch));
  sizes.depth = a[a.size() - (product.transposeA ? 2 : 1)];
  sizes.columns = y.back();
  sizes.rows = y[y.size() - 2];
  if (sizes.shared) {
    sizes.rows *= ::product(yBatch);
    if (!(::product(aBatch) == ::product(yBatch)))
      return std::nullopt;
    return sizes;
  }
  // Batches: equal on both sides, or 1 on the left or right as a whole.
  sizes.batches = ::product(yBatch);
  sizes.leftOnce = ones(aBatch);
  if (!(::product(wBatch) == sizes.batches) || !(sizes.leftOnce || ::product(aBatch) == sizes.batches))
    return std::nullopt;
  return sizes;
}

bool tile::isProductFloat8(Type element) { return isa<Float8E4M3FNType, Float8E5M2Type>(element); }

std::optional<GpuMatmulShape> tile::gpuOperandShape(Type a, Type right, const GpuMachine &machine) {
  for (Type type : {a, right})
    if (!type.isF32() && !type.isF16() && !type.isBF16() && !isProductFloat8(type))
      return std::nullopt;
  GpuMatmulShape shape;
  shape.leftBytes = a.getIntOrFloatBitWidth() / 8;
  shape.rightBytes = right.getIntOrFloatBitWidth() / 8;
  // float8 becomes what it is multiplied by, or f16, on its way to shared memory.
  shape.elementBytes = std::max<int64_t>({2, shape.leftBytes, shape.rightBytes});
  bool isHalf = !a.isF32() && !right.isF32() && (a == right || isProductFloat8(a) || isProductFloat8(right)),
       isTf32 = machine.tf32 && a.isF32() && right.isF32();
  shape.instruction = isHalf   ? MatmulInstruction::MmaHalf
                      : isTf32 ? MatmulInstruction::MmaTf32
                               : MatmulInstruction::Fma;
  return shape;
}

std::optional<GpuMatmulShape> tile::gpuMatmulShape(const ProductOp &product, const ProductSizes &sizes,
                                                   const GpuMachine &machine) {
  std::optional<GpuMatmulShape> known =
      gpuOperandShape(getElementTypeOrSelf(product.a.getType()), getElementTypeOrSelf(product.b.getType()), machine);
  if (!known)
    return std::nullopt;
  GpuMatmulShape shape = *known;
  shape.batches = (sizes.batches * sizes.parts).isConstant();
  shape.rows = sizes.rows.isConstant();
  if (sizes.groups) { // as if all had as many rows
    shape.mayBeEmpty = true;
    shape.batches = sizes.groups;
    if (shape.rows)
      shape.rows = std::max<int64_t>(1, *shape.rows / sizes.groups);
  }
  shape.columns = sizes.columns.isConstant();
  shape.depth = product.partDepth ? std::optional(product.partDepth) : sizes.depth.isConstant();
  shape.resultBytes = std::max(1u, getElementTypeOrSelf(product.y.getType()).getIntOrFloatBitWidth() / 8);
  shape.transposedA = product.transposeA;
  shape.transposedB = product.transposeB;
  shape.mayStream = !sizes.groups && !product.partDepth && shape.batches && shape.rows && shape.columns &&
                    shape.depth && std::min({*shape.batches, *shape.rows, *shape.columns, *shape.depth}) > 0;
  bool areFloat8 = shape.leftBytes == 1 && shape.rightBytes == 1;
  if (shape.leftBytes == 1 || shape.rightBytes == 1) {
    // The copy engine converts nothing; both operands have their neighbours along the depth.
    std::optional<int64_t> depth = sizes.depth.isConstant();
    shape.bulkFloat8 = areFloat8 &&
                       getElementTypeOrSelf(product.a.getType()) == getElementTypeOrSelf(product.b.getType()) &&
                       depth && *depth > 0 && *depth % 16 == 0 && !product.transposeA && product.transposeB;
    return shape;
  }
  GpuMatmulShape whole = shape; // rows of the operands are as long as the whole depth
  whole.depth = sizes.depth.isConstant();
  shape.bulkOperands = copyEngineFits(whole);
  return shape;
}
