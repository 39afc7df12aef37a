// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Driver/Pipeline.h"

#include "passes/Fuse/Passes.h"
#include "passes/Layout/Passes.h"
#include "passes/Legalize/Passes.h"
#include "passes/Lower/Passes.h"
#include "passes/Outline/Passes.h"
#include "passes/Plan/Passes.h"
#include "passes/Simplify/Passes.h"
#include "passes/Tile/Passes.h"

using namespace mlir;
using namespace bessemer;

/// As `--dim` wrote it.
static std::string dimText(const DimOption &dim) {
  return dim.name + (dim.exact ? "=" : "<=") + std::to_string(dim.value);
}

static void addLegalizePasses(OpPassManager &passes, const CompileOptions &options, WeightFiles &files,
                              const kernels::CustomOps &customOps) {
  legalize::BessemerLegalizeOptions legalizeOptions;
  for (const DimOption &dim : options.dims)
    legalizeOptions.dims.push_back(dimText(dim));
  passes.addPass(legalize::createLegalizePass(files, customOps, legalizeOptions));
  passes.addPass(legalize::createBessemerVerifyBess());
}

void bessemer::addPhasePasses(Phase phase, OpPassManager &passes, const CompileOptions &options,
                              const simplify::SimplifyContext &shared, const kernels::CustomOps &customOps,
                              Exposure exposure) {
  switch (phase) {
  case Phase::import:
  case Phase::emit:
  case Phase::shard: // one device
    return;
  case Phase::legalize: return addLegalizePasses(passes, options, *shared.files, customOps);
  case Phase::simplify: return simplify::addSimplifyPasses(passes, shared);
  case Phase::outline:
    // Each layer for itself where each is to be compared.
    return exposure == Exposure::Nothing ? outline::addOutlinePasses(passes) : void();
  case Phase::layout: return options.compileKernels ? addLayoutPasses(passes, options.numerics) : void();
  case Phase::fuse:
    if (options.compileKernels)
      addFusePasses(passes);
    if (exposure != Exposure::Nothing)
      passes.addPass(createExposeFusions());
    if (exposure == Exposure::References)
      passes.addPass(createTakeFusionsApart());
    return;
  case Phase::tile: return options.compileKernels ? addTilePasses(passes) : void();
  case Phase::plan: return plan::addPlanPasses(passes, options);
  case Phase::lower:
    return options.compileKernels ? addLowerPasses(passes, options.machine.target, options.numerics) : void();
  }
}
