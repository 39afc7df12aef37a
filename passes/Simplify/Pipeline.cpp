// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Simplify/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::simplify;

void simplify::addSimplifyPasses(OpPassManager &passes, const SimplifyContext &given) {
  SimplifyContext context = given;
  if (!context.files)
    context.files = std::make_shared<WeightFiles>();
  passes.addPass(createFoldConstantsPass(context));
  passes.addPass(createCanonicalizeBessPass(context));
  passes.addPass(createCSEPass()); // patterns compare values, not what computes them
  passes.addPass(createRaisePass(context));
  passes.addPass(createCanonicalizeBessPass(context));
  passes.addPass(createBessemerMoveReshapes());
  passes.addPass(createFoldConstantsPass(context));
  passes.addPass(createCSEPass());
  passes.addPass(createVerifySimplified());
}
