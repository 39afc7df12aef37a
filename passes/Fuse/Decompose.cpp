// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Fuse/Normalize.h"
#include "passes/Fuse/Passes.h"

namespace bessemer {
#define GEN_PASS_DEF_DECOMPOSE
#include "passes/Fuse/Passes.h.inc"
} // namespace bessemer

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;

LogicalResult fuse::decompose(CompositeOp op, RewriterBase &rewriter) {
  rewriter.setInsertionPoint(op);
  FailureOr<SmallVector<Value>> values = op.decompose(rewriter);
  if (failed(values))
    return failure();
  rewriter.replaceOp(op, *values);
  return success();
}

namespace {
struct Decompose : bessemer::impl::DecomposeBase<Decompose> {
  void runOnOperation() override {
    SmallVector<CompositeOp> composites;
    getOperation().walk([&](CompositeOp op) { composites.push_back(op); });
    IRRewriter rewriter(&getContext());
    for (CompositeOp op : composites)
      (void)fuse::decompose(op, rewriter); // what has no decomposition stays
  }
};
} // namespace
