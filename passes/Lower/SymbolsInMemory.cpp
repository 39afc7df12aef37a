// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The symbols of a GPU kernel as words in device memory, so that a recorded launch stays
// as it is while they vary.
#include "passes/Lower/Passes.h"

#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"

namespace bessemer {
#define GEN_PASS_DEF_SYMBOLSINMEMORY
#include "passes/Lower/Passes.h.inc"
} // namespace bessemer

using namespace mlir;
using namespace bessemer;

namespace {
struct SymbolsInMemory : bessemer::impl::SymbolsInMemoryBase<SymbolsInMemory> {
  void runOnOperation() override {
    for (ModuleOp kernels : getOperation().getOps<ModuleOp>())
      for (auto function : kernels.getOps<func::FuncOp>())
        if (auto count = function->getAttrOfType<IntegerAttr>("bess.symbols"))
          rewrite(function, static_cast<unsigned>(count.getInt()));
  }

  static void rewrite(func::FuncOp function, unsigned count) {
    Block &entry = function.getBody().front();
    // Behind the views, which are pointers.
    unsigned first = 0;
    while (!entry.getArgument(first).getType().isInteger(64))
      ++first;
    Location loc = function.getLoc();
    auto pointer = LLVM::LLVMPointerType::get(function.getContext(), 1);
    Value words = entry.insertArgument(first, pointer, loc);
    OpBuilder b = OpBuilder::atBlockBegin(&entry);
    Type i64 = b.getI64Type();
    auto word = [&](unsigned i) {
      Value at = LLVM::GEPOp::create(b, loc, pointer, i64, words, ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(i)});
      // Nobody writes them while the kernel runs.
      return LLVM::LoadOp::create(b, loc, i64, at, /*alignment=*/8, /*isVolatile=*/false, /*isNonTemporal=*/false,
                                  /*isInvariant=*/true);
    };
    for (unsigned i = 0; i < count; ++i)
      entry.getArgument(first + 1 + i).replaceAllUsesWith(word(1 + i));
    entry.eraseArguments(first + 1, count);
    // The general scheme counts for itself how many points its grid has.
    if (!function->hasAttr("bess.takes_workspace"))
      leaveBeyond(b, entry, word(0));
    function.setFunctionType(b.getFunctionType(entry.getArgumentTypes(), {}));
  }

  /// The launch may have more blocks than the kernel has points.
  static void leaveBeyond(OpBuilder &b, Block &entry, Value blocks) {
    Location loc = blocks.getLoc();
    Value block = arith::ExtUIOp::create(b, loc, b.getI64Type(), NVVM::BlockIdXOp::create(b, loc, b.getI32Type()));
    Value inside = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, block, blocks);
    Block *body = entry.splitBlock(b.getInsertionPoint());
    Block *leave = b.createBlock(body->getParent(), body->getParent()->end());
    func::ReturnOp::create(b, loc);
    b.setInsertionPointToEnd(&entry);
    cf::CondBranchOp::create(b, loc, inside, body, leave);
  }
};
} // namespace
