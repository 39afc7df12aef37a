// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Algorithms/ConvCost.h"
#include "dialects/Tile/TargetSchedule.h"
#include "passes/Layout/Passes.h"

namespace bessemer {
#define GEN_PASS_DEF_CHOOSECONVALGORITHM
#include "passes/Layout/Passes.h.inc"
} // namespace bessemer

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;

namespace {
/// A size of the model's input that only the run knows is taken to be that of a usual image.
constexpr int64_t usualSize = 224;

struct ChooseConvAlgorithm : bessemer::impl::ChooseConvAlgorithmBase<ChooseConvAlgorithm> {
  void runOnOperation() override {
    // On a GPU the transforms would cost more than they save: an implicit product is bound by arithmetic.
    if (tile::getGpuMachine(getOperation()))
      return;
    CpuSchedule schedule = tile::getCpuSchedule(getOperation());
    SmallVector<ConvOp> convs;
    getOperation().walk([&](ConvOp conv) { convs.push_back(conv); });
    for (ConvOp conv : convs)
      choose(conv, schedule);
  }

  static void choose(ConvOp conv, const CpuSchedule &schedule) {
    auto weights = cast<RankedTensorType>(conv.getW().getType());
    auto all = [](ArrayRef<int64_t> values, int64_t wanted) {
      return llvm::all_of(values, [&](int64_t v) { return v == wanted; });
    };
    if (conv.getLayout() != channelsLast || conv.getWeightShape() || !weights.hasStaticShape() ||
        weights.getRank() != 4 || !all(weights.getShape().drop_front(2), 3) || !all(conv.getStrides(), 1) ||
        !all(conv.getDilations(), 1) || static_cast<int64_t>(conv.getGroups()) != 1 ||
        !getElementTypeOrSelf(conv.getX().getType()).isF32() || !getElementTypeOrSelf(conv.getY().getType()).isF32() ||
        !isKnownAtLoad(conv.getW()))
      return;
    auto y = getDims(conv.getY().getType());
    auto extent = [&](unsigned dim) {
      std::optional<int64_t> size = y[dim].evaluate([&](std::string_view) { return dim == 0 ? 1 : usualSize; });
      return std::max<int64_t>(size.value_or(1), 1);
    };
    ConvShape shape{extent(0), extent(1), extent(2), weights.getDimSize(1), weights.getDimSize(0)};
    ConvChoice choice = chooseConvAlgorithm(shape, {2 * schedule.lanes(), schedule.blockRows(schedule.panelColumns())});
    OpBuilder builder(conv);
    conv->setAttr("bess.reason", builder.getStringAttr(choice.reason));
    if (choice.tile == 0)
      return;
    Location loc = conv.getLoc();
    Value image = WinogradInputOp::create(builder, loc, conv.getX(), choice.tile, conv.getPads());
    Value turned;
    {
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPointAfterValue(conv.getW());
      turned = WinogradWeightsOp::create(builder, loc, conv.getW(), choice.tile);
    }
    Value products =
        MatmulOp::create(builder, loc, image, turned, /*transpose_a=*/false, /*transpose_b=*/false, TypeAttr());
    auto result = WinogradOutputOp::create(builder, loc, conv.getY().getType(), products, conv.getBias(), choice.tile);
    for (Operation *op : {image.getDefiningOp(), products.getDefiningOp(), result.getOperation()})
      op->setAttr("bess.reason", builder.getStringAttr(choice.reason));
    conv.replaceAllUsesWith(result.getY());
    conv.erase();
  }
};
} // namespace
