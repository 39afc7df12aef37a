// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Algorithms/GpuDepthParts.h"
#include "dialects/Tile/ProductShape.h"
#include "dialects/Tile/TargetSchedule.h"
#include "passes/Layout/Passes.h"

namespace bessemer {
#define GEN_PASS_DEF_SPLITDEPTH
#include "passes/Layout/Passes.h.inc"
} // namespace bessemer

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;

namespace {
struct SplitDepth : bessemer::impl::SplitDepthBase<SplitDepth> {
  void runOnOperation() override {
    std::optional<GpuMachine> machine = tile::getGpuMachine(getOperation());
    if (!machine)
      return;
    TunedSchedules tuned = tile::getTunedSchedules(getOperation(), *machine);
    SmallVector<MatmulOp> products;
    getOperation().walk([&](MatmulOp matmul) { products.push_back(matmul); });
    for (MatmulOp matmul : products)
      split(matmul, *machine, tuned);
  }

  /// Are the rows of what follows the product, element by element, normalized? Then the kernel that adds parts does
  /// that, too (passes/Fuse/Fuse.cpp).
  static bool isNormalized(MatmulOp matmul) {
    constexpr int mostOps = 4;
    Value value = matmul.getY();
    for (int i = 0; i < mostOps; ++i) {
      for (Operation *user : value.getUsers())
        if (isa<LayerNormOp, RmsNormOp>(user) && user->getOperand(0) == value)
          return true;
      Operation *next = value.hasOneUse() ? *value.getUsers().begin() : nullptr;
      if (!next || !next->hasTrait<Elementwise>() || getDims(next->getResult(0).getType()) != getDims(value.getType()))
        return false;
      value = next->getResult(0);
    }
    return false;
  }

  static void split(MatmulOp matmul, const GpuMachine &machine, const TunedSchedules &tuned) {
    auto product = tile::ProductOp::of(matmul);
    Type result = getElementTypeOrSelf(matmul.getY().getType());
    if (!product || matmul->hasAttr(packedColumnsName) || !isa<FloatType>(result))
      return;
    std::optional<tile::ProductSizes> sizes = tile::productSizes(*product, /*packed=*/false);
    std::optional<GpuMatmulShape> shape = sizes ? tile::gpuMatmulShape(*product, *sizes, machine) : std::nullopt;
    if (!shape)
      return;
    GpuDepthParts choice;
    if (const TunedProduct *measured = tuned.find(*shape, ProductEpilogue::None)) {
      choice.parts = measured->parts, choice.partDepth = measured->partDepth;
      choice.reason = "in parts of its depth, as was measured";
    } else {
      choice = isNormalized(matmul) ? chooseNormalizedDepthParts(*shape, machine) : chooseDepthParts(*shape, machine);
    }
    if (choice.parts == 1)
      return;
    OpBuilder builder(matmul);
    auto parts = MatmulPartsOp::create(builder, matmul.getLoc(), matmul.getA(), matmul.getB(), matmul.getTransposeA(),
                                       matmul.getTransposeB(), choice.partDepth);
    auto sum = SumPartsOp::create(builder, matmul.getLoc(), parts.getY(), TypeAttr::get(result));
    if (isNamed(*shape))
      parts->setAttr(tile::productName, builder.getStringAttr(productText(*shape, ProductEpilogue::None)));
    for (Operation *op : {parts.getOperation(), sum.getOperation()})
      op->setAttr("bess.reason", builder.getStringAttr(choice.reason));
    matmul.replaceAllUsesWith(sum.getY());
    matmul.erase();
  }
};
} // namespace
