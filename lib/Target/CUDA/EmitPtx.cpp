// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Target/CUDA.h"

#include "mlir/Conversion/NVVMToLLVM/NVVMToLLVM.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Triple.h"

#include <mutex>

using namespace bessemer;

static std::unique_ptr<llvm::TargetMachine> createMachine(const MachineInfo &machine, std::string &error) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
  });
  llvm::Triple triple(machine.triple);
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return nullptr;
  // The first PTX version that has all instructions of the architecture that
  // we use; newer drivers take it, too.
  std::string version = machine.cpu == "sm_80" ? "+ptx76" : "+ptx80";
  std::unique_ptr<llvm::TargetMachine> made(target->createTargetMachine(
      triple, machine.cpu, version, llvm::TargetOptions(), llvm::Reloc::PIC_, {}, llvm::CodeGenOptLevel::Aggressive));
  if (!made)
    error = "no code generator for " + machine.triple;
  return made;
}

static void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3).run(module, modules);
}

cuda::Ptx cuda::emitPtx(mlir::ModuleOp module, const MachineInfo &machine) {
  Ptx result;
  std::unique_ptr<llvm::TargetMachine> targetMachine = createMachine(machine, result.error);
  if (!targetMachine)
    return result;
  mlir::registerBuiltinDialectTranslation(*module.getContext());
  mlir::registerLLVMDialectTranslation(*module.getContext());
  mlir::registerNVVMDialectTranslation(*module.getContext());
  llvm::LLVMContext context;
  // What LLVM has no intrinsic for becomes inline PTX; of a copy, as the emulator runs the ops.
  mlir::OwningOpRef<mlir::ModuleOp> copy(module.clone());
  mlir::PassManager lowering(module.getContext());
  lowering.addPass(mlir::createConvertNVVMToLLVMPass());
  if (failed(lowering.run(*copy))) {
    result.error = "the kernels could not be lowered to LLVM";
    return result;
  }
  std::unique_ptr<llvm::Module> code = mlir::translateModuleToLLVMIR(*copy, context, "kernels");
  if (!code) {
    result.error = "the kernels could not be translated to LLVM IR";
    return result;
  }
  code->setTargetTriple(llvm::Triple(machine.triple));
  code->setDataLayout(targetMachine->createDataLayout());
  std::string broken;
  llvm::raw_string_ostream stream(broken);
  if (llvm::verifyModule(*code, &stream)) {
    result.error = "the kernels are not valid LLVM IR: " + broken;
    return result;
  }
  optimize(*code, *targetMachine);
  llvm::SmallVector<char, 0> text;
  llvm::raw_svector_ostream out(text);
  llvm::legacy::PassManager passes;
  if (targetMachine->addPassesToEmitFile(passes, out, nullptr, llvm::CodeGenFileType::AssemblyFile)) {
    result.error = "no assembly for " + machine.triple;
    return result;
  }
  passes.run(*code);
  result.text.assign(text.begin(), text.end());
  return result;
}
