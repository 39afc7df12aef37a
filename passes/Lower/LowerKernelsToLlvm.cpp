// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Lower/Gpu/DeviceMath.h"
#include "passes/Lower/MathApproximation.h"
#include "passes/Lower/Passes.h"

#include "dialects/Tile/TargetSchedule.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/Transforms/LoweringPatterns.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"

namespace bessemer {
#define GEN_PASS_DEF_LOWERKERNELSTOLLVM
#include "passes/Lower/Passes.h.inc"
} // namespace bessemer

using namespace mlir;
using namespace bessemer;

namespace {
struct LowerKernelsToLlvm : bessemer::impl::LowerKernelsToLlvmBase<LowerKernelsToLlvm> {
  using LowerKernelsToLlvmBase::LowerKernelsToLlvmBase;

  void getDependentDialects(DialectRegistry &registry) const override {
    bessemer::impl::LowerKernelsToLlvmBase<LowerKernelsToLlvm>::getDependentDialects(registry);
    pipeline().getDependentDialects(registry);
  }

  /// A kernel with a number of threads for each block is one of a GPU.
  static void markGpuKernel(LLVM::LLVMFuncOp function, int64_t architecture) {
    auto threads = function->getAttrOfType<IntegerAttr>("bess.block");
    if (!threads)
      return;
    Builder b(function.getContext());
    function->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(), b.getUnitAttr());
    function->setAttr(NVVM::NVVMDialect::getReqntidAttrName(),
                      b.getDenseI32ArrayAttr({static_cast<int32_t>(threads.getInt())}));
    if (architecture >= 90) {
      // The next kernel may have its blocks placed while the last ones of this one run (programmatic dependent launch),
      // and this one waits for the one before: what is left of a launch is no gap between two kernels.
      OpBuilder at = OpBuilder::atBlockBegin(&function.getBody().front());
      NVVM::GriddepcontrolOp::create(at, function.getLoc(), NVVM::GridDepActionKind::launch_dependents);
      auto wait = [&] { NVVM::GriddepcontrolOp::create(at, function.getLoc(), NVVM::GridDepActionKind::wait); };
      if (!function->hasAttr("bess.waits"))
        wait();
      else // … where it says so, and in every thread: a launch whose threads do not wait ends before those in front of
           // it
        function.walk([&](LLVM::ReturnOp end) {
          at.setInsertionPoint(end);
          wait();
        });
      function->setAttr("bess.starts_early", b.getUnitAttr());
    }
    if (auto resident = function->getAttrOfType<IntegerAttr>("bess.least_resident"))
      function->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(), resident);
    auto maps = function->getAttrOfType<ArrayAttr>("bess.tensor_maps");
    if (!maps)
      return;
    // The last parameters are tensor maps, by value: the copy engine reads them where the launch has put them.
    auto bytes = LLVM::LLVMArrayType::get(b.getI8Type(), 128);
    for (unsigned i = function.getNumArguments() - maps.size(); i < function.getNumArguments(); ++i) {
      function.setArgAttr(i, LLVM::LLVMDialect::getByValAttrName(), TypeAttr::get(bytes));
      function.setArgAttr(i, LLVM::LLVMDialect::getAlignAttrName(), b.getI64IntegerAttr(64));
      function.setArgAttr(i, NVVM::NVVMDialect::getGridConstantAttrName(), b.getUnitAttr());
    }
    // ptxas takes setmaxnreg of kernels alone whose registers at the entry are certain.
    function->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(), b.getI32IntegerAttr(1));
  }

  static OpPassManager pipeline() {
    OpPassManager manager(ModuleOp::getOperationName());
    manager.addPass(createCanonicalizerPass());
    manager.addPass(createCSEPass());
    manager.addPass(createLoopInvariantCodeMotionPass());
    manager.addPass(createSCFToControlFlowPass());
    manager.addPass(createConvertVectorToLLVMPass());
    manager.addPass(createConvertMathToLLVMPass());
    // For what has no instruction, calls of the math library, which take vectors apart.
    manager.addPass(createConvertMathToLibmPass());
    manager.addPass(createConvertVectorToLLVMPass());
    manager.addPass(createArithToLLVMConversionPass());
    manager.addPass(createConvertControlFlowToLLVMPass());
    manager.addPass(createConvertFuncToLLVMPass());
    manager.addPass(createReconcileUnrealizedCastsPass());
    return manager;
  }

  void runOnOperation() override {
    for (ModuleOp kernels : getOperation().getOps<ModuleOp>()) {
      // A GPU has no C library to call; first, as what upstream approximates is left to it.
      bool isGpu = llvm::any_of(*kernels.getBody(), [](Operation &op) { return op.hasAttr("bess.block"); });
      if (isGpu) {
        RewritePatternSet functions(&getContext());
        bessemer::gpu::populateDeviceMath(functions);
        if (!upstreamFunctions)
          bessemer::gpu::addExpByInstruction(functions);
        if (failed(applyPatternsGreedily(kernels, std::move(functions))))
          return signalPassFailure();
      }
      RewritePatternSet patterns(&getContext());
      // Not sin, cos and tan: their polynomials lose digits far from zero, where
      // the positions of a long text are.
      populateMathPolynomialApproximationPatterns(
          patterns, [](StringRef name) { return !llvm::is_contained({"math.sin", "math.cos", "math.tan"}, name); });
      if (!isGpu)
        addExpPattern(patterns);
      if (!upstreamFunctions)
        addErfPattern(patterns);
      if (failed(applyPatternsGreedily(kernels, std::move(patterns))))
        return signalPassFailure();
      OpPassManager manager = pipeline();
      if (failed(runPipeline(manager, kernels)))
        return signalPassFailure();
      GpuMachine machine = tile::getGpuMachine(getOperation()).value_or(GpuMachine());
      for (auto function : kernels.getOps<LLVM::LLVMFuncOp>())
        markGpuKernel(function, machine.architecture);
    }
  }
};
} // namespace

void bessemer::addLowerPasses(OpPassManager &manager, StringRef target, const Numerics &numerics) {
  if (target == "cuda") {
    manager.addPass(createCutColumnReductions());
    manager.addPass(createGroupShortRows());
    manager.addPass(createCutLongRows());
    manager.addPass(createAssignGpuLayouts());
    manager.addPass(createMarkConstantViews());
    manager.addPass(createLowerTileToGpu());
    manager.addPass(createSymbolsInMemory());
  } else {
    manager.addPass(createLowerTileToCpu());
  }
  manager.addPass(createLowerKernelsToLlvm({/*upstreamFunctions=*/!numerics.reassociate}));
  manager.addPass(createVerifyLowered());
}
