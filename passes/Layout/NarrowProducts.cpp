// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Tile/ProductShape.h"
#include "dialects/Tile/TargetSchedule.h"
#include "passes/Layout/Passes.h"

namespace bessemer {
#define GEN_PASS_DEF_NARROWPRODUCTS
#include "passes/Layout/Passes.h.inc"
} // namespace bessemer

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;

namespace {
/// float8 and what it is multiplied by to be the operand; null: 1.
struct Narrow {
  Value bits, scale;
};

Type elementOf(Value value) { return getElementTypeOrSelf(value.getType()); }

/// +0 or -0 everywhere.
bool isZero(Value value) {
  auto constant = value.getDefiningOp<ConstantOp>();
  auto dense = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
  return dense && llvm::all_of(dense.getRawData(), [](char byte) { return (byte & 0x7f) == 0; });
}

/// `channels`: the dimension along which scales may differ; -1: none.
std::optional<Narrow> narrowOf(Value operand, int64_t channels) {
  Operation *op = operand.getDefiningOp();
  if (auto cast = dyn_cast_or_null<CastOp>(op); cast && tile::isProductFloat8(elementOf(cast.getX())))
    return Narrow{cast.getX(), {}};
  auto dequantize = dyn_cast_or_null<DequantizeOp>(op);
  if (!dequantize || !tile::isProductFloat8(elementOf(dequantize.getX())) || dequantize.getBlockSize() ||
      (dequantize.getZeroPoint() && !isZero(dequantize.getZeroPoint())))
    return std::nullopt;
  auto scale = getDims(dequantize.getScale().getType());
  bool isOne = scale.empty() || (scale.size() == 1 && scale[0] == SymbolicExpr::constant(1));
  if (!isOne && (scale.size() != 1 || static_cast<int64_t>(dequantize.getAxis()) != channels))
    return std::nullopt;
  return Narrow{dequantize.getX(), dequantize.getScale()};
}

struct NarrowProducts : bessemer::impl::NarrowProductsBase<NarrowProducts> {
  void runOnOperation() override {
    std::optional<GpuMachine> machine = tile::getGpuMachine(getOperation());
    if (!machine)
      return;
    SmallVector<MatmulOp> products;
    getOperation().walk([&](MatmulOp matmul) { products.push_back(matmul); });
    for (MatmulOp matmul : products)
      narrow(matmul, *machine);
  }

  static void narrow(MatmulOp matmul, const GpuMachine &machine) {
    Type result = elementOf(matmul.getY());
    int64_t rank = cast<RankedTensorType>(matmul.getB().getType()).getRank();
    bool transposeB = matmul.getTransposeB();
    // Columns of a batched operand have one scale for all batches only where there is no batch.
    std::optional<Narrow> right = narrowOf(matmul.getB(), rank == 2 ? (transposeB ? 0 : 1) : -1),
                          left = narrowOf(matmul.getA(), -1);
    if (!isa<FloatType>(result) || result.isF64() || !right)
      return;
    OpBuilder builder(matmul);
    Location loc = matmul.getLoc();
    Value a = left ? left->bits : matmul.getA(), b = right->bits;
    bool byWgmma = left && machine.wgmmaFloat8Flops && elementOf(a) == elementOf(b);
    if (byWgmma && !transposeB && !matmul.getTransposeA() && isKnownAtLoad(b)) {
      SmallVector<int64_t> permutation = llvm::to_vector(llvm::seq<int64_t>(0, rank));
      std::swap(permutation[rank - 2], permutation[rank - 1]);
      b = TransposeOp::create(builder, loc, b, permutation);
      transposeB = true;
    }
    Type f32 = builder.getF32Type();
    auto product = MatmulOp::create(builder, loc, a, b, matmul.getTransposeA(), transposeB, TypeAttr::get(f32));
    std::optional<tile::ProductOp> known = tile::ProductOp::of(product);
    std::optional<tile::ProductSizes> sizes = tile::productSizes(*known, /*packed=*/false);
    if (!sizes || !tile::gpuMatmulShape(*known, *sizes, machine)) {
      Operation *transposed = b == right->bits ? nullptr : b.getDefiningOp();
      product.erase();
      if (transposed)
        transposed->erase();
      return;
    }
    product->setAttr("bess.reason",
                     builder.getStringAttr("float8 is read as it lies, its scales come after the product"));
    Value y = product.getY();
    for (Value scale : {right->scale, left ? left->scale : Value()}) {
      if (!scale)
        continue;
      if (elementOf(scale) != f32)
        scale = CastOp::create(builder, loc, scale, f32);
      y = MulOp::create(builder, loc, y, scale);
    }
    if (result != f32)
      y = CastOp::create(builder, loc, y, result);
    SmallVector<Operation *> converted{matmul.getA().getDefiningOp(), matmul.getB().getDefiningOp()};
    matmul.replaceAllUsesWith(y);
    matmul.erase();
    if (converted[0] == converted[1])
      converted.pop_back();
    for (Operation *op : converted)
      if (isa_and_nonnull<DequantizeOp, CastOp>(op) && op->use_empty())
        op->erase();
  }
};
} // namespace
