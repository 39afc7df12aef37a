// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Tile/TargetSchedule.h"
#include "passes/Layout/Passes.h"

namespace bessemer {
#define GEN_PASS_DEF_PACKWEIGHTS
#include "passes/Layout/Passes.h.inc"
} // namespace bessemer

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;

namespace {
/// A weight, or what only weights go into: known when the program is loaded.
bool isKnownAtLoad(Value value) {
  // An argument of an outlined layer that every caller gives as a weight.
  if (auto argument = dyn_cast<BlockArgument>(value))
    if (auto function = dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp()))
      return bool(function.getArgAttr(argument.getArgNumber(), "bess.weight"));
  Operation *op = value.getDefiningOp();
  return isa_and_nonnull<WeightOp, ConstantOp>(op) ||
         (isa_and_nonnull<TransposeOp, CastOp, ReshapeOp>(op) && isKnownAtLoad(op->getOperand(0)));
}

struct PackWeights : bessemer::impl::PackWeightsBase<PackWeights> {
  void runOnOperation() override {
    int64_t columns = tile::getCpuSchedule(getOperation()).panelColumns();
    getOperation().walk([&](FusionOp fusion) {
      for (Operation &op : fusion.getBody().front())
        if (auto matmul = dyn_cast<MatmulOp>(op))
          pack(fusion, matmul, columns);
    });
  }

  static void pack(FusionOp fusion, MatmulOp matmul, int64_t columns) {
    auto argument = dyn_cast<BlockArgument>(matmul.getB());
    // Read by something else of the fusion, too: it would have to stay as it is.
    if (!argument || !argument.hasOneUse() || matmul->hasAttr(packedColumnsName))
      return;
    unsigned number = argument.getArgNumber();
    Value weight = fusion.getInputs()[number];
    if (!isKnownAtLoad(weight))
      return;
    auto dims = getDims(weight.getType());
    if (dims.size() < 2)
      return;
    SymbolicExpr depth = dims[dims.size() - (matmul.getTransposeB() ? 1 : 2)], width = dims[dims.size() - (matmul.getTransposeB() ? 2 : 1)];
    dims.pop_back_n(2);
    dims.append({SymbolicExpr::ceilDiv(width, columns), depth, SymbolicExpr(columns)});
    Type packed = getTensorType(dims, getElementTypeOrSelf(weight.getType()));
    OpBuilder builder(fusion);
    // Beside the weight's own place, so that two readers can share it.
    builder.setInsertionPointAfterValue(weight);
    Value panels;
    for (Operation *user : weight.getUsers())
      if (auto other = dyn_cast<PackOp>(user); other && static_cast<int64_t>(other.getBlock()) == columns && other.getTransposed() == matmul.getTransposeB())
        panels = other.getY();
    if (!panels)
      panels = PackOp::create(builder, weight.getLoc(), packed, weight, "panels", columns, matmul.getTransposeB());
    fusion.getInputsMutable()[number].set(panels);
    argument.setType(packed);
    matmul->setAttr(packedColumnsName, builder.getStringAttr(width.str()));
  }
};
} // namespace

void bessemer::addLayoutPasses(OpPassManager &manager) {
  manager.addPass(createPackWeights());
  manager.addPass(createVerifyLayout());
}
