// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Bess/TakeApart.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace bessemer;

void bess::takeApart(FusionOp fusion) {
  Block &body = fusion.getBody().front();
  OpBuilder builder(fusion);
  IRMapping mapping;
  mapping.map(body.getArguments(), fusion.getInputs());
  for (Operation &op : body.without_terminator())
    builder.clone(op, mapping);
  for (auto [result, value] : llvm::zip(fusion.getOutputs(), cast<YieldOp>(body.getTerminator()).getValues()))
    result.replaceAllUsesWith(mapping.lookupOrDefault(value));
  fusion.erase();
}
