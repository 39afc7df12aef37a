// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Tile/AttentionShape.h"
#include "dialects/Tile/TargetSchedule.h"
#include "passes/Layout/Passes.h"

namespace bessemer {
#define GEN_PASS_DEF_SPLITKEYS
#include "passes/Layout/Passes.h.inc"
} // namespace bessemer

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;

namespace {
/// Keys of a cache whose length only the run knows and nothing bounds.
constexpr int64_t usualKeys = 4096;

struct SplitKeys : bessemer::impl::SplitKeysBase<SplitKeys> {
  void runOnOperation() override {
    std::optional<GpuMachine> machine = tile::getGpuMachine(getOperation());
    if (!machine)
      return;
    // What the command line says of lengths. It decides what is fast, not what is right.
    SymbolicExpr::Bounds bounds;
    getOperation().walk([&](GuardOp guard) {
      std::optional<SymbolicExpr> name = SymbolicExpr::parse(guard.getLhs()),
                                  most = SymbolicExpr::parse(guard.getRhs());
      if (guard.getRelation() == "le" && name && most && name->isSymbol() && most->isConstant())
        bounds[std::string(*name->isSymbol())] = {0, *most->isConstant()};
    });
    SmallVector<AttentionOp> ops;
    getOperation().walk([&](AttentionOp op) { ops.push_back(op); });
    for (AttentionOp op : ops)
      split(op, *machine, bounds);
  }

  static void split(AttentionOp op, const GpuMachine &machine, const SymbolicExpr::Bounds &bounds) {
    std::optional<tile::GpuAttention> attention = tile::GpuAttention::of(op);
    if (!attention)
      return;
    GpuAttentionShape shape = attention->shape;
    if (!shape.keys)
      shape.keys = attention->kView.length.upperBound(bounds).value_or(usualKeys);
    // Of a decoder that takes prompts, too, the steps are cut; where all keys are those of the queries there are no
    // steps.
    bool ofOneQuery = !shape.queries && !(attention->queries == attention->kView.length);
    if (ofOneQuery) {
      std::optional<GpuAttentionSchedule> prompt = chooseGpuAttentionSchedule(shape, machine);
      if (!prompt)
        return;
      shape.queries = attention->foldedHeads;
      shape.unit = prompt->blockKeys;
    }
    GpuAttentionParts choice = chooseAttentionParts(shape, machine);
    if (choice.parts == 1)
      return;
    OpBuilder builder(op);
    auto parts = AttentionPartsOp::create(builder, op.getLoc(), op.getQ(), op.getK(), op.getV(), op.getMask(),
                                          op.getValid(), choice.parts, choice.unit, ofOneQuery, op.getScale(),
                                          op.getCausal(), op.getCausalBottomRight(), op.getSoftcap(), op.getQLayout(),
                                          op.getKLayout(), op.getVLayout(), op.getYLayout());
    auto combined = CombinePartsOp::create(builder, op.getLoc(), parts.getY(), parts.getLargest(), parts.getSum(),
                                           getElementTypeOrSelf(op.getY().getType()),
                                           ofOneQuery ? builder.getI64IntegerAttr(choice.parts) : IntegerAttr());
    for (Operation *made : {parts.getOperation(), combined.getOperation()})
      made->setAttr("bess.reason",
                    builder.getStringAttr(ofOneQuery ? "of one query: " + choice.reason : choice.reason));
    op.replaceAllUsesWith(combined.getResult());
    op.erase();
  }
};
} // namespace
