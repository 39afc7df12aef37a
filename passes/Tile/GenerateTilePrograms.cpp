// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
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
      .Cases({"matmul", "matmul_parts", "grouped_matmul"}, tilegen::writeMatmulProgram)
      .Case("sum_parts", tilegen::writeSumPartsProgram)
      .Case("attention", tilegen::writeAttentionProgram)
      .Case("attention_parts", tilegen::writeFlashAttentionProgram)
      .Case("combine_parts", tilegen::writeCombinePartsProgram)
      .Case("conv", tilegen::writeConvProgram)
      .Case("pool", tilegen::writePoolProgram)
      .Case("winograd_input", tilegen::writeWinogradInputProgram)
      .Case("winograd_output", tilegen::writeWinogradOutputProgram)
      .Case("concat", tilegen::writeConcatProgram)
      .Case("rope", tilegen::writeRopeProgram)
      .Cases({"lstm", "gru", "rnn"}, tilegen::writeRecurrentProgram)
      .Case("cumulate", tilegen::writeCumulateProgram)
      .Case("topk", tilegen::writeTopKProgram)
      .Case("scatter_elements", tilegen::writeScatterElementsProgram)
      .Case("scatter_nd", tilegen::writeScatterNdProgram)
      .Case("max_unpool", tilegen::writeMaxUnpoolProgram)
      .Case("point", tilegen::writePointProgram)
      .Default(nullptr);
}

struct GenerateTilePrograms : bessemer::impl::GenerateTileProgramsBase<GenerateTilePrograms> {
  /// Kernels by the hash of their bodies: fusions that are the same but for names share one.
  DenseMap<uint64_t, SmallVector<tile::KernelOp>> known;
  llvm::StringMap<unsigned> numbers;
  TunedSchedules tuned;

  static llvm::hash_code hashOf(tile::KernelOp kernel) {
    llvm::hash_code hash =
        llvm::hash_combine(kernel.getGrid(), kernel.getViews(), kernel.getSymbols(), kernel.getSchedule());
    for (BlockArgument argument : kernel.getBody().getArguments())
      hash = llvm::hash_combine(hash, argument.getType());
    kernel.getBody().walk([&](Operation *op) {
      hash = llvm::hash_combine(hash, OperationEquivalence::computeHash(op, OperationEquivalence::ignoreHashValue,
                                                                        OperationEquivalence::ignoreHashValue,
                                                                        OperationEquivalence::IgnoreLocations));
    });
    return hash;
  }

  static bool same(tile::KernelOp a, tile::KernelOp b) {
    return a.getGrid() == b.getGrid() && a.getViews() == b.getViews() && a.getSymbols() == b.getSymbols() &&
           a.getSchedule() == b.getSchedule() &&
           OperationEquivalence::isRegionEquivalentTo(&a.getBody(), &b.getBody(),
                                                      OperationEquivalence::IgnoreLocations);
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

  /// Each op of the fusion as a fusion of its own. Constants move out.
  static SmallVector<FusionOp> splitUp(FusionOp fusion) {
    Block &body = fusion.getBody().front();
    OpBuilder builder(fusion);
    IRMapping mapping;
    mapping.map(body.getArguments(), fusion.getInputs());
    SmallVector<FusionOp> singles;
    for (Operation &op : body.without_terminator()) {
      Operation *outside = builder.clone(op, mapping);
      if (isa<ConstantOp>(op))
        continue;
      auto single =
          FusionOp::create(builder, op.getLoc(), outside->getResultTypes(), "point",
                           (op.getName().stripDialect() + " alone: no program for the group that it was in").str(),
                           outside->getOperands());
      Block *block = new Block();
      single.getBody().push_back(block);
      for (OpOperand &operand : outside->getOpOperands())
        operand.set(block->addArgument(operand.get().getType(), operand.get().getLoc()));
      mapping.map(op.getResults(), single.getOutputs());
      outside->moveBefore(block, block->end());
      OpBuilder inside(builder.getContext());
      inside.setInsertionPointToEnd(block);
      YieldOp::create(inside, op.getLoc(), outside->getResults());
      singles.push_back(single);
    }
    for (auto [result, value] : llvm::zip(fusion.getOutputs(), cast<YieldOp>(body.getTerminator()).getValues()))
      result.replaceAllUsesWith(mapping.lookup(value));
    fusion.erase();
    return singles;
  }

  /// Back to the op itself, which lib/Kernels runs.
  static void unwrap(FusionOp single) {
    Block &body = single.getBody().front();
    for (auto [argument, input] : llvm::zip(body.getArguments(), single.getInputs()))
      argument.replaceAllUsesWith(input);
    auto yield = cast<YieldOp>(body.getTerminator());
    for (auto [result, value] : llvm::zip(single.getOutputs(), yield.getValues()))
      result.replaceAllUsesWith(value);
    yield.erase();
    for (Operation &op : llvm::make_early_inc_range(body))
      op.moveBefore(single);
    single.erase();
  }

  /// Launches a program of `fusion` in its place; false when there is none.
  bool launch(FusionOp fusion, const CpuSchedule &schedule, Writer writer, StringRef kind) {
    if (!writer)
      return false;
    tilegen::ProgramBuilder p(fusion, schedule);
    p.tuned = &tuned;
    tile::KernelOp kernel = writer(p);
    if (!kernel) {
      if (p.kernel)
        p.kernel.erase();
      return false;
    }
    kernel.setKind(kind);
    kernel = share(kernel);
    OpBuilder builder(fusion);
    SmallVector<StringAttr> arguments;
    for (const std::string &symbol : p.symbols)
      arguments.push_back(builder.getStringAttr(SymbolicExpr::symbol(symbol).str()));
    auto launch =
        LaunchOp::create(builder, fusion.getLoc(), fusion.getResultTypes(), kernel.getSymName(), fusion.getInputs());
    launch->setAttr("symbol_args", DimsAttr::get(builder.getContext(), arguments));
    fusion.replaceAllUsesWith(launch.getOutputs());
    fusion.erase();
    return true;
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    CpuSchedule schedule = tile::getCpuSchedule(module);
    if (std::optional<GpuMachine> machine = tile::getGpuMachine(module))
      tuned = tile::getTunedSchedules(module, *machine);
    SmallVector<FusionOp> fusions;
    module.walk([&](FusionOp fusion) { fusions.push_back(fusion); });
    for (FusionOp fusion : fusions) {
      std::string kind = fusion.getKind().str();
      if (launch(fusion, schedule, writerOf(kind), kind) ||
          launch(fusion, schedule, tilegen::writePointProgram, "point"))
        continue;
      for (FusionOp single : splitUp(fusion))
        if (!launch(single, schedule, tilegen::writeRowProgram, "row") &&
            !launch(single, schedule, tilegen::writePointProgram, "point"))
          unwrap(single);
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
