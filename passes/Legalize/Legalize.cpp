// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The passes of the phase.
#include "dialects/Bess/Provenance.h"
#include "passes/Legalize/Legalizer.h"
#include "passes/Legalize/Passes.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace bessemer::legalize {
#define GEN_PASS_DEF_BESSEMERLEGALIZE
#define GEN_PASS_DEF_BESSEMERVERIFYBESS
#include "passes/Legalize/Passes.h.inc"
} // namespace bessemer::legalize

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

namespace {

struct LegalizePass : legalize::impl::BessemerLegalizeBase<LegalizePass> {
  using BessemerLegalizeBase::BessemerLegalizeBase;
  LegalizePass(WeightFiles &files, const kernels::CustomOps &customOps, BessemerLegalizeOptions options)
      : BessemerLegalizeBase(std::move(options)), given(&files), customOps(&customOps) {}

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto main = module.lookupSymbol<func::FuncOp>("main");
    if (!main) {
      module.emitError("expected a function @main");
      return signalPassFailure();
    }
    OpBuilder builder(module.getContext());
    WeightFiles own;
    Legalizer legalizer(module, builder, given ? *given : own);
    legalizer.customOps = customOps;
    for (const std::string &dim : dims)
      if (!legalizer.addDim(dim)) {
        module.emitError("expected `symbol=value` or `symbol<=value`, got \"") << dim << "\"";
        return signalPassFailure();
      }
    if (failed(legalizer.run(main)))
      return signalPassFailure();
    // Local functions are inlined now.
    for (auto function : llvm::make_early_inc_range(module.getOps<func::FuncOp>()))
      if (function->hasAttr("onnx.function"))
        function.erase();
  }

  WeightFiles *given = nullptr;
  const kernels::CustomOps *customOps = nullptr;
};

struct VerifyBessPass : legalize::impl::BessemerVerifyBessBase<VerifyBessPass> {
  void runOnOperation() override {
    WalkResult result = getOperation().walk([](Operation *op) {
      if (isa_and_nonnull<onnx::OnnxDialect>(op->getDialect())) {
        op->emitError("expected no op of the onnx dialect after legalization, got ") << op->getName();
        return WalkResult::interrupt();
      }
      return WalkResult::advance();
    });
    if (result.wasInterrupted() || failed(bess::verifyProvenance(getOperation())))
      return signalPassFailure();
  }
};

} // namespace

std::unique_ptr<Pass> legalize::createLegalizePass(WeightFiles &files, const kernels::CustomOps &customOps,
                                                   BessemerLegalizeOptions options) {
  return std::make_unique<LegalizePass>(files, customOps, std::move(options));
}
