// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Target/CPU/Codegen.h"

#include "lib/Target/CPU/CpuMachine.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Triple.h"

#include <deque>

using namespace bessemer;

static std::unique_ptr<llvm::TargetMachine> createMachine(const MachineInfo &machine, std::string &error) {
  llvm::Triple triple(machine.triple);
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return nullptr;
  llvm::TargetOptions options;
  // The program's own choice: contraction is written where it is meant.
  options.AllowFPOpFusion = llvm::FPOpFusion::Standard;
  std::unique_ptr<llvm::TargetMachine> made(
      target->createTargetMachine(triple, machine.cpu, cpu::featureString(machine), options, llvm::Reloc::PIC_,
                                  llvm::CodeModel::Small, llvm::CodeGenOptLevel::Default));
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

namespace {
/// Some of the kernels on their way to an object file. It shares nothing with
/// the others, so that they can be compiled at the same time.
class Part {
public:
  /// Takes the functions over into LLVM IR; an error, or "".
  std::string translate(mlir::ModuleOp functions, const MachineInfo &machine) {
    std::string error;
    targetMachine = createMachine(machine, error);
    if (!targetMachine)
      return error;
    code = mlir::translateModuleToLLVMIR(functions, context, "kernels");
    if (!code)
      return "the kernels could not be translated to LLVM IR";
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
      return "the kernels are not valid LLVM IR: " + broken;
    return "";
  }

  /// LLVM IR to `object`. Needs no MLIR: may run on any thread.
  void compile() {
    optimize(*code, *targetMachine);
    llvm::SmallVector<char, 0> bytes;
    llvm::raw_svector_ostream stream(bytes);
    llvm::legacy::PassManager passes;
    if (targetMachine->addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::ObjectFile)) {
      object.error = "no object code for " + targetMachine->getTargetTriple().str();
      return;
    }
    passes.run(*code);
    object.bytes.assign(bytes.begin(), bytes.end());
    code.reset();
  }

  ObjectCode object;

private:
  llvm::LLVMContext context;
  std::unique_ptr<llvm::TargetMachine> targetMachine;
  std::unique_ptr<llvm::Module> code;
};
} // namespace

/// Ops in one part. The cut depends on the kernels alone, never on the machine
/// that compiles, so that the same model gives the same object code everywhere.
static constexpr int64_t opsPerPart = 1000;

/// Moves the functions into modules of about `opsPerPart` ops, each with the
/// declarations that its functions call.
static llvm::SmallVector<mlir::OwningOpRef<mlir::ModuleOp>> cutIntoParts(mlir::ModuleOp module) {
  llvm::SmallVector<mlir::OwningOpRef<mlir::ModuleOp>> parts;
  int64_t ops = opsPerPart;
  for (auto function : llvm::to_vector(module.getOps<mlir::LLVM::LLVMFuncOp>())) {
    if (function.isExternal())
      continue;
    if (ops >= opsPerPart) {
      parts.push_back(mlir::ModuleOp::create(module.getLoc()));
      ops = 0;
    }
    function->walk([&](mlir::Operation *) { ++ops; });
    function->moveBefore(parts.back()->getBody(), parts.back()->getBody()->end());
  }
  for (mlir::OwningOpRef<mlir::ModuleOp> &part : parts) {
    mlir::OpBuilder builder = mlir::OpBuilder::atBlockBegin(part->getBody());
    for (mlir::Operation &declaration : *module.getBody())
      // By name: the op itself is in another module.
      if (!mlir::SymbolTable::symbolKnownUseEmpty(mlir::SymbolTable::getSymbolName(&declaration), part.get()))
        builder.clone(declaration);
  }
  return parts;
}

std::vector<ObjectCode> cpu::compileModule(mlir::ModuleOp module, const MachineInfo &machine) {
  mlir::registerBuiltinDialectTranslation(*module.getContext());
  mlir::registerLLVMDialectTranslation(*module.getContext());
  std::deque<Part> parts;
  llvm::DefaultThreadPool pool;
  for (mlir::OwningOpRef<mlir::ModuleOp> &functions : cutIntoParts(module)) {
    Part &part = parts.emplace_back();
    part.object.error = part.translate(*functions, machine);
    if (!part.object.ok())
      break;
    functions = nullptr;
    pool.async([&part] { part.compile(); });
  }
  pool.wait();
  std::vector<ObjectCode> objects;
  for (Part &part : parts)
    objects.push_back(std::move(part.object));
  return objects;
}
