// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// For `bessemer run --check`: what each fusion computes becomes visible, and the
// same fusions are computed by the reference kernels.
#include "dialects/Bess/Provenance.h"
#include "dialects/Bess/TakeApart.h"
#include "passes/Fuse/Passes.h"

namespace bessemer {
#define GEN_PASS_DEF_EXPOSEFUSIONS
#define GEN_PASS_DEF_TAKEFUSIONSAPART
#include "passes/Fuse/Passes.h.inc"
} // namespace bessemer

using namespace mlir;
using namespace bessemer;

namespace {
/// "matmul of fc1, fc1_bias, gelu and 2 more".
std::string outputName(bess::FusionOp fusion) {
  std::vector<std::string> names = bess::nodeNames(fusion.getLoc());
  constexpr size_t limit = 4;
  std::string text = fusion.getKind().str() + " of ";
  for (size_t i = 0; i < names.size() && i < limit; ++i)
    text += (i ? ", " : "") + names[i];
  return names.size() > limit ? text + " and " + std::to_string(names.size() - limit) + " more" : text;
}

struct ExposeFusions : bessemer::impl::ExposeFusionsBase<ExposeFusions> {
  void runOnOperation() override {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main || main.isExternal())
      return;
    Operation *end = main.getBody().front().getTerminator();
    unsigned at = 0;
    for (bess::FusionOp fusion : main.getBody().front().getOps<bess::FusionOp>())
      for (Value result : fusion.getOutputs()) {
        auto name = NamedAttribute(StringAttr::get(&getContext(), "onnx.name"),
                                   StringAttr::get(&getContext(), outputName(fusion)));
        if (failed(main.insertResult(at, result.getType(), DictionaryAttr::get(&getContext(), name)))) {
          main.emitError("expected that a result can be added to @main");
          return signalPassFailure();
        }
        end->insertOperands(at++, result);
      }
  }
};

struct TakeFusionsApart : bessemer::impl::TakeFusionsApartBase<TakeFusionsApart> {
  void runOnOperation() override {
    SmallVector<bess::FusionOp> fusions;
    getOperation().walk([&](bess::FusionOp fusion) { fusions.push_back(fusion); });
    for (bess::FusionOp fusion : fusions)
      bess::takeApart(fusion);
  }
};
} // namespace
