// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Target/CPU/Codegen.h"

#include "lib/Target/CPU/CpuMachine.h"

#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Triple.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"

using namespace bessemer;

static ObjectCode failure(std::string message) { return {{}, std::move(message)}; }

static std::unique_ptr<llvm::TargetMachine> createMachine(const MachineInfo &machine, std::string &error) {
  llvm::Triple triple(machine.triple);
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return nullptr;
  llvm::TargetOptions options;
  // The program's own choice: contraction is written where it is meant.
  options.AllowFPOpFusion = llvm::FPOpFusion::Standard;
  std::unique_ptr<llvm::TargetMachine> made(target->createTargetMachine(
      triple, machine.cpu, cpu::featureString(machine), options, llvm::Reloc::PIC_, llvm::CodeModel::Small,
      llvm::CodeGenOptLevel::Default));
  if (!made)
    error = "no code generator for " + machine.triple;
  return made;
}

/// Kernels are vectorised and unrolled already: LLVM does the rest of O2.
static void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = false;
  tuning.SLPVectorization = false;
  tuning.LoopUnrolling = false;
  tuning.LoopInterleaving = false;
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine, tuning);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2).run(module, modules);
}

ObjectCode cpu::compileModule(mlir::ModuleOp module, const MachineInfo &machine) {
  std::string error;
  std::unique_ptr<llvm::TargetMachine> targetMachine = createMachine(machine, error);
  if (!targetMachine)
    return failure(error);
  mlir::registerBuiltinDialectTranslation(*module.getContext());
  mlir::registerLLVMDialectTranslation(*module.getContext());
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> code = mlir::translateModuleToLLVMIR(module, context, "kernels");
  if (!code)
    return failure("the kernels could not be translated to LLVM IR");
  code->setTargetTriple(llvm::Triple(machine.triple));
  code->setDataLayout(targetMachine->createDataLayout());
  for (llvm::Function &function : *code)
    if (!function.isDeclaration()) {
      function.addFnAttr("target-cpu", machine.cpu);
      function.addFnAttr("target-features", cpu::featureString(machine));
      // LLVM splits 512-bit vectors unless it is told that they are meant.
      function.addFnAttr("prefer-vector-width", std::to_string(machine.vectorBits));
      function.addFnAttr("min-legal-vector-width", std::to_string(machine.vectorBits));
    }
  std::string broken;
  llvm::raw_string_ostream stream(broken);
  if (llvm::verifyModule(*code, &stream))
    return failure("the kernels are not valid LLVM IR: " + broken);
  optimize(*code, *targetMachine);

  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream object(bytes);
  llvm::legacy::PassManager passes;
  if (targetMachine->addPassesToEmitFile(passes, object, nullptr, llvm::CodeGenFileType::ObjectFile))
    return failure("no object code for " + machine.triple);
  passes.run(*code);
  return {std::vector<uint8_t>(bytes.begin(), bytes.end()), ""};
}
