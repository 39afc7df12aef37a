// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which buffers of a kernel are weights or constants in all of its launches: nothing writes them, so a kernel may read
// them while the launches before it still run.
#include "passes/Lower/Passes.h"

#include "dialects/Bess/Bess.h"
#include "dialects/Tile/ConstantViews.h"
#include "dialects/Tile/Tile.h"

namespace bessemer {
#define GEN_PASS_DEF_MARKCONSTANTVIEWS
#include "passes/Lower/Passes.h.inc"
} // namespace bessemer

using namespace mlir;
using namespace bessemer;

namespace {
/// The same bytes in each run, written before the first.
bool isConstant(Value value) {
  while (auto reshape = value.getDefiningOp<bess::ReshapeOp>())
    value = reshape.getX();
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    // An argument of an outlined layer that every caller gives as a weight.
    auto function = dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp());
    return function && argument.getOwner()->isEntryBlock() &&
           function.getArgAttr(argument.getArgNumber(), "bess.weight");
  }
  return isa<bess::WeightOp, bess::ConstantOp>(value.getDefiningOp());
}

struct MarkConstantViews : bessemer::impl::MarkConstantViewsBase<MarkConstantViews> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    llvm::StringMap<SmallVector<bool>> constant;
    module.walk([&](bess::LaunchOp launch) {
      SmallVector<bool> own = llvm::map_to_vector(launch->getOperands(), isConstant);
      auto [known, isFirst] = constant.try_emplace(launch.getKernel(), own);
      if (!isFirst)
        for (auto [all, one] : llvm::zip(known->second, own))
          all = all && one;
    });
    Builder b(&getContext());
    for (auto kernel : module.getOps<tile::KernelOp>()) {
      SmallVector<int64_t> views;
      for (auto [view, isConstant] : llvm::enumerate(constant.lookup(kernel.getSymName())))
        if (isConstant)
          views.push_back(static_cast<int64_t>(view));
      if (!views.empty())
        kernel->setAttr(tile::constantViewsName, b.getDenseI64ArrayAttr(views));
    }
  }
};
} // namespace
