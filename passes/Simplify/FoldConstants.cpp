// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Simplify/Passes.h"

#include "bessemer/Reference/ConstantFold.h"
#include "dialects/Bess/Bess.h"
#include "mlir/IR/BuiltinOps.h"

namespace bessemer::simplify {
#define GEN_PASS_DEF_BESSEMERFOLDCONSTANTS
#include "passes/Simplify/Passes.h.inc"
} // namespace bessemer::simplify

using namespace mlir;
using namespace bessemer;
using namespace bessemer::simplify;

/// Weights of layers stay weights: see the description of the pass.
static constexpr int64_t largestFoldedWeight = 64;

static bool isFoldable(Operation *op) {
  if (!isa_and_nonnull<bess::BessDialect>(op->getDialect()) || op->getNumResults() == 0 || !isPure(op) ||
      op->getNumRegions() || isa<bess::ConstantOp, bess::WeightOp, bess::PackOp>(op))
    return false;
  bool readsWeight = false;
  for (Value operand : op->getOperands()) {
    readsWeight |= isa_and_nonnull<bess::WeightOp>(operand.getDefiningOp());
    if (!isa_and_nonnull<bess::WeightOp, bess::ConstantOp>(operand.getDefiningOp()))
      return false;
  }
  if (!readsWeight)
    return true;
  return llvm::all_of(op->getResultTypes(), [](Type type) {
    auto tensor = cast<RankedTensorType>(type);
    if (!tensor.hasStaticShape())
      return false;
    if (isa<IntegerType>(tensor.getElementType()))
      return true;
    return tensor.getElementType().isIntOrFloat() &&
           tensor.getNumElements() * tensor.getElementTypeBitWidth() <= 8 * largestFoldedWeight;
  });
}

namespace {
struct FoldConstants : bessemer::simplify::impl::BessemerFoldConstantsBase<FoldConstants> {
  FoldConstants() = default;
  explicit FoldConstants(const SimplifyContext &context) : files(context.files) {}

  void runOnOperation() override {
    if (!files)
      files = std::make_shared<WeightFiles>();
    IRRewriter rewriter(&getContext());
    // Operands come before what reads them, so one walk is enough.
    getOperation().walk([&](Operation *op) { fold(op, rewriter); });
  }

  void fold(Operation *op, IRRewriter &rewriter) {
    if (!isFoldable(op))
      return;
    SmallVector<DenseElementsAttr> results;
    if (failed(reference::constantFold(op, *files, results)))
      return;
    // A result whose extents only the data tells has symbols that others use.
    for (auto [result, elements] : llvm::zip(op->getResults(), results))
      if (elements.getType() != result.getType())
        return;
    rewriter.setInsertionPoint(op);
    SmallVector<Value> values;
    for (DenseElementsAttr elements : results)
      values.push_back(bess::ConstantOp::create(rewriter, op->getLoc(), elements.getType(), elements));
    rewriter.replaceOp(op, values);
  }

  std::shared_ptr<WeightFiles> files;
};
} // namespace

std::unique_ptr<Pass> simplify::createFoldConstantsPass(const SimplifyContext &context) {
  return std::make_unique<FoldConstants>(context);
}
