// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which operand's memory a kernel may write its result to. Read off the tile
// program, not off the ops that it came from.
#include "passes/Tile/Passes.h"

#include "dialects/Bess/Bess.h"

namespace bessemer {
#define GEN_PASS_DEF_MARKINPLACE
#include "passes/Tile/Passes.h.inc"
} // namespace bessemer

using namespace mlir;
using namespace bessemer;

namespace {

/// The same index, also as two constants of one value.
bool sameIndex(Value a, Value b) {
  if (a == b)
    return true;
  IntegerAttr x, y;
  return matchPattern(a, m_Constant(&x)) && matchPattern(b, m_Constant(&y)) && x == y;
}

/// Is element i of the loaded tile the element of memory that the store writes
/// element i of its tile to?
bool samePlace(tile::LoadOp load, tile::StoreOp store) {
  auto from = cast<tile::ViewType>(load.getView().getType()), to = cast<tile::ViewType>(store.getView().getType());
  return from == to && load.getDims() == store.getDims() &&
         cast<RankedTensorType>(load.getTile().getType()).getShape() ==
             cast<RankedTensorType>(store.getTile().getType()).getShape() &&
         llvm::equal(load.getOffsets(), store.getOffsets(), sameIndex);
}

/// Is the tile only used element by element, or reduced as a whole before
/// anything is stored? Then no element is read after it was written: a store
/// evaluates element i from elements i. A dot, a broadcast or a gather reads
/// others.
bool usedPointwise(Value tile, ArrayRef<int64_t> shape) {
  return llvm::all_of(tile.getUsers(), [&](Operation *user) {
    // Along the columns a reduction is a traversal of its own, before the
    // store's; along the rows the store's own traversal would read others.
    if (auto reduce = dyn_cast<tile::ReduceOp>(user))
      return int64_t(reduce.getAxis()) == int64_t(shape.size()) - 1;
    if (isa<tile::StoreOp>(user))
      return true;
    if (!user->hasTrait<OpTrait::Elementwise>() || user->getNumResults() != 1)
      return false;
    auto type = dyn_cast<RankedTensorType>(user->getResult(0).getType());
    return type && type.getShape() == shape && usedPointwise(user->getResult(0), shape);
  });
}

/// The one op of its kind that touches the view, or null.
template <typename OpTy> OpTy onlyUser(Value view) {
  return view.hasOneUse() ? dyn_cast<OpTy>(*view.getUsers().begin()) : OpTy();
}

/// For each output of the kernel the input that it may overwrite, or -1.
SmallVector<int64_t> inPlaceInputs(tile::KernelOp kernel) {
  int64_t outputs = kernel.getOutputs(), inputs = int64_t(kernel.getViews()) - outputs;
  SmallVector<int64_t> result(outputs, -1);
  // With a second store, values are evaluated again that the first has overwritten.
  int64_t stores = 0;
  kernel.getBody().walk([&](tile::StoreOp) { ++stores; });
  if (outputs != 1 || stores != 1)
    return result;
  auto store = onlyUser<tile::StoreOp>(kernel.getView(inputs));
  if (!store)
    return result;
  for (int64_t i = 0; i < inputs; ++i) {
    auto load = onlyUser<tile::LoadOp>(kernel.getView(i));
    if (!load || load->getBlock() != store->getBlock() || !samePlace(load, store))
      continue;
    if (usedPointwise(load.getTile(), cast<RankedTensorType>(load.getTile().getType()).getShape())) {
      result[0] = i;
      break;
    }
  }
  return result;
}

struct MarkInPlace : bessemer::impl::MarkInPlaceBase<MarkInPlace> {
  void runOnOperation() override {
    llvm::DenseMap<StringAttr, SmallVector<int64_t>> byKernel;
    for (auto kernel : getOperation().getOps<tile::KernelOp>()) {
      SmallVector<int64_t> inputs = inPlaceInputs(kernel);
      if (llvm::any_of(inputs, [](int64_t i) { return i >= 0; }))
        byKernel[kernel.getSymNameAttr()] = std::move(inputs);
    }
    getOperation().walk([&](bess::LaunchOp launch) {
      if (auto it = byKernel.find(launch.getKernelAttr().getAttr()); it != byKernel.end())
        launch->setAttr("in_place", DenseI64ArrayAttr::get(&getContext(), it->second));
    });
  }
};
} // namespace
