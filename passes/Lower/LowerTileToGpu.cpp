// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Tile/TargetSchedule.h"
#include "passes/Lower/Gpu/GpuExpander.h"
#include "passes/Lower/Gpu/ThreadExpander.h"
#include "passes/Lower/Passes.h"

namespace bessemer {
#define GEN_PASS_DEF_ASSIGNGPULAYOUTS
#define GEN_PASS_DEF_LOWERTILETOGPU
#include "passes/Lower/Passes.h.inc"
} // namespace bessemer

using namespace mlir;
using namespace bessemer;

namespace {
/// Why a kernel is lowered in the general way; also what is left behind for the lowering pass.
constexpr StringLiteral generalName = "bess.general";

/// What fn emits as its first error, or nothing when it succeeds.
std::optional<std::string> errorOf(MLIRContext *context, llvm::function_ref<LogicalResult()> fn) {
  std::string first;
  ScopedDiagnosticHandler handler(context, [&](Diagnostic &diagnostic) {
    if (first.empty() && diagnostic.getSeverity() == DiagnosticSeverity::Error)
      first = diagnostic.str();
    return success();
  });
  if (succeeded(fn()))
    return std::nullopt;
  return first.empty() ? "no layouts" : first;
}

struct AssignGpuLayouts : bessemer::impl::AssignGpuLayoutsBase<AssignGpuLayouts> {
  using AssignGpuLayoutsBase::AssignGpuLayoutsBase;

  void runOnOperation() override {
    GpuMachine machine = tile::getGpuMachine(getOperation()).value_or(GpuMachine());
    for (tile::KernelOp kernel : getOperation().getOps<tile::KernelOp>()) {
      auto assign = [&]() -> LogicalResult {
        bool hasDot = kernel.getBody().walk([](tile::DotOp) { return WalkResult::interrupt(); }).wasInterrupted();
        return hasDot ? bessemer::gpu::assignDotLayouts(kernel, machine) : bessemer::gpu::assignRowLayouts(kernel);
      };
      if (strict) {
        if (failed(assign()))
          return signalPassFailure();
        continue;
      }
      // What fails half way leaves nothing behind but its reason.
      OwningOpRef<tile::KernelOp> before(cast<tile::KernelOp>(kernel->clone()));
      if (auto error = errorOf(&getContext(), assign)) {
        kernel.getBody().takeBody(before->getBody());
        kernel.setScheduleAttr(before->getScheduleAttr());
        kernel->setAttr(generalName, StringAttr::get(&getContext(), *error));
      }
    }
  }
};

struct LowerTileToGpu : bessemer::impl::LowerTileToGpuBase<LowerTileToGpu> {
  using LowerTileToGpuBase::LowerTileToGpuBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<tile::KernelOp> programs(module.getOps<tile::KernelOp>());
    if (programs.empty())
      return;
    GpuMachine machine = tile::getGpuMachine(module).value_or(GpuMachine());
    OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
    auto kernels = ModuleOp::create(builder, module.getLoc(), "kernels");
    for (tile::KernelOp program : programs) {
      nameTileOps(program);
      if (failed(lower(program, kernels, machine)))
        return signalPassFailure();
      if (program.getSymbols())
        kernels.lookupSymbol(program.getSymName())
            ->setAttr("bess.symbols", builder.getI64IntegerAttr(program.getSymbols()));
      program.erase();
    }
  }

  /// Each op of the dialect by its name in its location: the emulator says which one an instruction comes from.
  static void nameTileOps(tile::KernelOp program) {
    program.getBody().walk([&](Operation *op) {
      if (isa<tile::TileDialect>(op->getDialect()))
        op->setLoc(FusedLoc::get(op->getContext(), {op->getLoc()}, op->getName().getIdentifier()));
    });
  }

  /// With tiles in registers by their layouts; else, unless `strict`, in the general way.
  LogicalResult lower(tile::KernelOp program, ModuleOp kernels, const GpuMachine &machine) {
    if (strict)
      return bessemer::gpu::GpuExpander(program, machine).expand(kernels);
    auto why = program->getAttrOfType<StringAttr>(generalName);
    std::optional<std::string> error;
    if (why)
      error = why.str();
    else
      error = attempt(program, kernels, machine);
    if (!error)
      return finish(program, kernels, program.getReason().str());
    if (failed(bessemer::gpu::ThreadExpander(program).expand(kernels)))
      return failure();
    return finish(program, kernels, program.getReason().str() + "; element by element: " + *error);
  }

  /// The layouts' way; leaves nothing behind when it fails.
  std::optional<std::string> attempt(tile::KernelOp program, ModuleOp kernels, const GpuMachine &machine) {
    DenseSet<Operation *> before;
    for (Operation &op : *kernels.getBody())
      before.insert(&op);
    auto error = errorOf(&getContext(), [&] { return bessemer::gpu::GpuExpander(program, machine).expand(kernels); });
    if (error)
      for (Operation &op : llvm::make_early_inc_range(*kernels.getBody()))
        if (!before.count(&op))
          op.erase();
    return error;
  }

  LogicalResult finish(tile::KernelOp program, ModuleOp kernels, const std::string &reason) {
    Operation *function = kernels.lookupSymbol(program.getSymName());
    Builder b(&getContext());
    function->setAttr("bess.outputs", b.getI64IntegerAttr(program.getOutputs()));
    function->setAttr("bess.reason", b.getStringAttr(reason));
    return success();
  }
};
} // namespace
