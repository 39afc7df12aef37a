// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Bess/TakeApart.h"
#include "dialects/Tile/TargetSchedule.h"
#include "passes/Tile/Passes.h"
#include "passes/Tile/ProgramBuilder.h"

#include "mlir/IR/OperationSupport.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Transforms/Passes.h"

namespace bessemer {
#define GEN_PASS_DEF_GENERATETILEPROGRAMS
#include "passes/Tile/Passes.h.inc"
} // namespace bessemer

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;

namespace {
using Writer = tile::KernelOp (*)(tilegen::ProgramBuilder &);

/// Which kind of fusion is written by whom.
Writer writerOf(StringRef kind) {
  return llvm::StringSwitch<Writer>(kind)
      .Case("row", tilegen::writeRowProgram)
      .Case("matmul", tilegen::writeMatmulProgram)
      .Case("attention", tilegen::writeAttentionProgram)
      .Case("conv", tilegen::writeConvProgram)
      .Case("pool", tilegen::writePoolProgram)
      .Case("winograd_input", tilegen::writeWinogradInputProgram)
      .Case("winograd_output", tilegen::writeWinogradOutputProgram)
      .Case("concat", tilegen::writeConcatProgram)
      .Case("rope", tilegen::writeRopeProgram)
      .Default(nullptr);
}

struct GenerateTilePrograms : bessemer::impl::GenerateTileProgramsBase<GenerateTilePrograms> {
  /// Kernels by the hash of their bodies: fusions that are the same but for names share one.
  DenseMap<uint64_t, SmallVector<tile::KernelOp>> known;
  llvm::StringMap<unsigned> numbers;

  static llvm::hash_code hashOf(tile::KernelOp kernel) {
    llvm::hash_code hash = llvm::hash_combine(kernel.getGrid(), kernel.getViews(), kernel.getSymbols(), kernel.getSchedule());
    for (BlockArgument argument : kernel.getBody().getArguments())
      hash = llvm::hash_combine(hash, argument.getType());
    kernel.getBody().walk([&](Operation *op) {
      hash = llvm::hash_combine(hash, OperationEquivalence::computeHash(op, OperationEquivalence::ignoreHashValue, OperationEquivalence::ignoreHashValue,
                                                                        OperationEquivalence::IgnoreLocations));
    });
    return hash;
  }

  static bool same(tile::KernelOp a, tile::KernelOp b) {
    return a.getGrid() == b.getGrid() && a.getViews() == b.getViews() && a.getSymbols() == b.getSymbols() && a.getSchedule() == b.getSchedule() &&
           OperationEquivalence::isRegionEquivalentTo(&a.getBody(), &b.getBody(), OperationEquivalence::IgnoreLocations);
  }

  tile::KernelOp share(tile::KernelOp kernel) {
    auto &candidates = known[hashOf(kernel)];
    for (tile::KernelOp candidate : candidates)
      if (same(candidate, kernel)) {
        kernel.erase();
        return candidate;
      }
    candidates.push_back(kernel);
    std::string name = kernel.getKind().str();
    kernel.setSymName(name + "_" + std::to_string(numbers[name]++));
    return kernel;
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    CpuSchedule schedule = tile::getCpuSchedule(module);
    SmallVector<FusionOp> fusions;
    module.walk([&](FusionOp fusion) { fusions.push_back(fusion); });
    for (FusionOp fusion : fusions) {
      tilegen::ProgramBuilder p(fusion, schedule);
      Writer writer = writerOf(fusion.getKind());
      tile::KernelOp kernel = writer ? writer(p) : tile::KernelOp();
      if (!kernel) {
        if (p.kernel)
          p.kernel.erase();
        takeApart(fusion); // lib/Kernels runs its ops
        continue;
      }
      kernel = share(kernel);
      OpBuilder builder(fusion);
      SmallVector<StringAttr> arguments;
      for (const std::string &symbol : p.symbols)
        arguments.push_back(builder.getStringAttr(SymbolicExpr::symbol(symbol).str()));
      auto launch = LaunchOp::create(builder, fusion.getLoc(), fusion.getResultTypes(), kernel.getSymName(), fusion.getInputs());
      launch->setAttr("symbol_args", DimsAttr::get(builder.getContext(), arguments));
      fusion.replaceAllUsesWith(launch.getOutputs());
      fusion.erase();
    }
  }
};
} // namespace

void bessemer::addTilePasses(OpPassManager &manager) {
  manager.addPass(createGenerateTilePrograms());
  manager.addNestedPass<tile::KernelOp>(createCSEPass());
  manager.addPass(createMarkInPlace());
  manager.addPass(createVerifyTiled());
}
