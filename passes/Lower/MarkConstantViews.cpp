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
/// What is a weight, made of weights at load, or a constant, or a reshape of one, also as the argument of a layer that
/// every caller gives as one.
class Constants {
public:
  explicit Constants(ModuleOp module) {
    SmallVector<func::CallOp> calls;
    module.walk([&](func::CallOp call) { calls.push_back(call); });
    for (func::CallOp call : calls)
      arguments[call.getCallee()].assign(call.getNumOperands(), true);
    // Until no call takes away from what is constant.
    for (bool changed = true; changed;) {
      changed = false;
      for (func::CallOp call : calls)
        for (auto [number, operand] : llvm::enumerate(call.getOperands()))
          if (auto &own = arguments[call.getCallee()]; own[number] && !isConstant(operand))
            own[number] = false, changed = true;
    }
  }

  bool isConstant(Value value) const {
    while (auto reshape = value.getDefiningOp<bess::ReshapeOp>())
      value = reshape.getX();
    if (auto argument = dyn_cast<BlockArgument>(value)) {
      auto function = dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp());
      auto known = function ? arguments.find(function.getSymName()) : arguments.end();
      return known != arguments.end() && function.isPrivate() && known->second[argument.getArgNumber()];
    }
    return isa<bess::WeightOp, bess::ConstantOp, bess::PrepareOp>(value.getDefiningOp());
  }

private:
  llvm::StringMap<SmallVector<bool>> arguments; ///< by function, of those that are called
};

struct MarkConstantViews : bessemer::impl::MarkConstantViewsBase<MarkConstantViews> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    Constants constants(module);
    llvm::StringMap<SmallVector<bool>> constant;
    module.walk([&](bess::LaunchOp launch) {
      SmallVector<bool> own =
          llvm::map_to_vector(launch->getOperands(), [&](Value operand) { return constants.isConstant(operand); });
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
