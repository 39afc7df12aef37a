// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Driver/Register.h"

#include "dialects/Bess/Bess.h"
#include "dialects/Onnx/Onnx.h"
#include "dialects/Tile/Tile.h"
#include "lib/Driver/Pipeline.h"
#include "passes/Fuse/Passes.h"
#include "passes/Layout/Passes.h"
#include "passes/Legalize/Passes.h"
#include "passes/Lower/Passes.h"
#include "passes/Outline/Passes.h"
#include "passes/Plan/Passes.h"
#include "passes/Simplify/Passes.h"
#include "passes/Tile/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/Extensions/InlinerExtension.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace bessemer;

void bessemer::registerAllDialects(DialectRegistry &registry) {
  registry.insert<arith::ArithDialect, cf::ControlFlowDialect, func::FuncDialect, LLVM::LLVMDialect, math::MathDialect,
                  memref::MemRefDialect, NVVM::NVVMDialect, scf::SCFDialect, tensor::TensorDialect, ub::UBDialect,
                  vector::VectorDialect>();
  registry.insert<bess::BessDialect, onnx::OnnxDialect, tile::TileDialect>();
  func::registerInlinerExtension(registry);
}

/// `bessemer-phase-simplify` and so on, with default options for the processor at hand. Legalize is one pass.
static void registerPhasePipelines() {
  for (Phase phase :
       {Phase::simplify, Phase::outline, Phase::layout, Phase::fuse, Phase::tile, Phase::plan, Phase::lower}) {
    const PhaseInfo &info = phaseTable[size_t(phase)];
    PassPipelineRegistration<>(
        "bessemer-phase-" + std::string(info.name), info.sentence,
        [phase](OpPassManager &passes) { addPhasePasses(phase, passes, CompileOptions(), {}, {}); });
  }
}

void bessemer::registerAllPasses() {
  registerCanonicalizerPass();
  registerCSEPass();
  registerSymbolDCEPass();
  registerInlinerPass();
  legalize::registerLegalizePasses();
  simplify::registerSimplifyPasses();
  outline::registerOutlinePasses();
  registerFusePasses();
  registerLayoutPasses();
  registerTilePasses();
  plan::registerPlanPasses();
  registerLowerPasses();
  registerPhasePipelines();
}
