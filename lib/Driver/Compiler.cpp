// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One compilation: the phases in order, then object code and the host program.
#include "bessemer/Driver/Compiler.h"

#include "bessemer/Driver/Provenance.h"
#include "bessemer/Driver/Register.h"
#include "bessemer/Import/Import.h"
#include "bessemer/Target/TargetBackend.h"
#include "dialects/Onnx/Onnx.h"
#include "dialects/Tile/ProductShape.h"
#include "dialects/Tile/TargetSchedule.h"
#include "dialects/Tile/Tile.h"
#include "lib/Driver/DiagnosticText.h"
#include "lib/Driver/Dump.h"
#include "lib/Driver/Emit.h"
#include "lib/Driver/EmulatedDevice.h"
#include "lib/Driver/FillReport.h"
#include "lib/Driver/FitMemory.h"
#include "lib/Driver/Pipeline.h"
#include "lib/Driver/TunedData.h"

#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/MemoryBuffer.h"

#include <chrono>
#include <sys/resource.h>

using namespace mlir;
using namespace bessemer;

namespace {

GpuMachine gpuMachineFor(const CompileOptions &options) {
  GpuMachine machine = gpuMachineOf(options.machine.cpu == "sm_80" ? 80 : 90);
  machine.multiprocessors = options.machine.cores;
  machine.sharedBytes = options.machine.l1Bytes;
  // --numerics=fast: both of what it allows.
  machine.tf32 = options.numerics.approximate && options.numerics.narrowAccumulate;
  return machine;
}

class Compilation {
public:
  Compilation(const CompileOptions &options, const Compiler &compiler)
      : options(options), onPhase(compiler.onPhase), customOps(compiler.customOps), tuned(compiler.tuned),
        exposure(compiler.exposure),
        contextHolder(std::make_shared<MLIRContext>(makeRegistry(), MLIRContext::Threading::DISABLED)),
        context(*contextHolder), diagnostics(&context) {
    context.loadAllAvailableDialects();
    context.printOpOnDiagnostic(false);
    shared.files = std::make_shared<WeightFiles>();
    shared.nearMisses = std::make_shared<std::vector<simplify::NearMiss>>();
    for (const auto &[location, bytes] : compiler.hostWeights) {
      addHostBytes(location, bytes);
      hostSizes[location] = bytes.size();
    }
  }

  int64_t memoryLimit = 0;

  /// The bytes behind sources `host:KEY`.
  void addHostBytes(const std::string &key, std::span<const uint8_t> bytes) {
    shared.files->addHost(key, {reinterpret_cast<const char *>(bytes.data()), bytes.size()});
  }

  CompileResult run(const std::string &model,
                    llvm::function_ref<OwningOpRef<ModuleOp>(MLIRContext *, const ImportOptions &)> import) {
    result.report.model = model;
    result.failed = !compile(import) || diagnostics.anyError();
    if (result.failed) {
      result.program.reset();
      if (!diagnostics.anyError())
        diagnostics.error("the compilation failed without a diagnostic");
      result.report.unsupported = diagnostics.errorLines();
    }
    for (const simplify::NearMiss &miss : *shared.nearMisses)
      result.report.nearMisses.push_back({miss.pattern, provenanceText(miss.loc), miss.reason});
    result.diagnostics = diagnostics.text();
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    result.report.peakResidentBytes = int64_t(usage.ru_maxrss) * 1024;
    return std::move(result);
  }

  /// Names of nodes and message of each error.
  const std::vector<std::pair<std::vector<std::string>, std::string>> &errors() const {
    return diagnostics.nodeErrors();
  }

private:
  static DialectRegistry makeRegistry() {
    DialectRegistry registry;
    registerAllDialects(registry);
    return registry;
  }

  bool compile(llvm::function_ref<OwningOpRef<ModuleOp>(MLIRContext *, const ImportOptions &)> import) {
    std::string error;
    Phase last = Phase::emit;
    if (!options.compileTo.empty()) {
      std::optional<Phase> phase = parsePhase(options.compileTo);
      if (!phase)
        return fail("expected one of the phases " + phaseNames() + ", got '" + options.compileTo + "'");
      last = *phase;
    }
    backend = createTargetBackend(options.target, options.cpu, error);
    if (!backend)
      return fail(error);
    options.machine = backend->machine();
    result.report.target = options.target;
    result.report.cpu = options.machine.cpu;

    for (const PhaseInfo &info : phaseTable) {
      if (onPhase && !onPhase(info)) {
        result.cancelled = true;
        return fail("cancelled before phase " + std::string(info.name));
      }
      auto start = std::chrono::steady_clock::now();
      if (!runPhase(info, import))
        return false;
      std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      recordPhase(*module, info, seconds.count(), result.report);
      if (info.phase == last)
        break;
    }
    if (last != Phase::emit)
      result.module = moduleText(*module);
    return true;
  }

  bool runPhase(const PhaseInfo &info,
                llvm::function_ref<OwningOpRef<ModuleOp>(MLIRContext *, const ImportOptions &)> import) {
    if (info.phase == Phase::import) {
      ImportOptions importOptions;
      importOptions.hostData = hostSizes;
      for (const DimOption &dim : options.dims)
        if (dim.exact)
          importOptions.bind[dim.name] = dim.value;
      module = import(&context, importOptions);
      if (!module)
        return false;
      // What the phases ask of the target travels with the module.
      CpuSchedule schedule;
      schedule.vectorBytes =
          options.machine.lanesAbreast ? 4 * options.machine.lanesAbreast : options.machine.vectorBits / 8;
      schedule.registers = options.machine.vectorRegisters;
      schedule.l1Bytes = options.machine.l1Bytes;
      schedule.l2Bytes = options.machine.l2Bytes;
      tile::setCpuSchedule(*module, schedule);
      if (options.machine.target == "cuda") {
        GpuMachine machine = gpuMachineFor(options);
        tile::setGpuMachine(*module, machine);
        std::string error;
        std::optional<TunedSchedules> measured = tuned ? tuned : readTuned(machine, error);
        if (!measured)
          return fail(error);
        tile::setTunedSchedules(*module, *measured);
      }
    } else if (info.phase == Phase::emit) {
      return emit();
    } else {
      if (!runPasses(*module, info))
        return false;
      // What may have to be computed in pieces: see emit().
      if (info.phase == Phase::tile)
        collectProducts();
      if (info.phase == Phase::fuse && memoryLimit > 0 && exposure == Exposure::Nothing)
        fused = module->clone();
    }
    if (info.phase == Phase::lower && !options.kernels.empty() && !takeKernels())
      return false;
    std::string error = dumpPhase(*module, info, options.dumpDirectory);
    return error.empty() || fail(error);
  }

  /// What CompileOptions::tuned names. Entries that are of no use are warnings.
  std::optional<TunedSchedules> readTuned(const GpuMachine &machine, std::string &error) {
    std::string text, name = options.tuned;
    if (name == "none")
      return TunedSchedules();
    if (name.empty()) {
      name = "the compiler's tuned schedules";
      text = builtInTunedSchedules(options.target);
    } else if (auto file = llvm::MemoryBuffer::getFile(name)) {
      text = (*file)->getBuffer().str();
    } else {
      error = "--tuned: cannot read '" + name + "': " + file.getError().message();
      return std::nullopt;
    }
    if (text.empty())
      return TunedSchedules();
    std::vector<std::string> problems;
    TunedSchedules read = TunedSchedules::parse(text, machine, problems);
    for (const std::string &problem : problems)
      emitWarning(FileLineColLoc::get(&context, name, 0, 0)) << problem << "; the cost model chooses";
    return read;
  }

  /// Kernels of products, in the order of the program.
  void collectProducts() {
    llvm::StringSet<> seen;
    for (auto kernel : module->getOps<tile::KernelOp>())
      if (auto name = kernel->getAttrOfType<StringAttr>(tile::productName)) {
        if (name.getValue().empty())
          ++result.unnamedProducts;
        else if (seen.insert(name.getValue()).second)
          result.products.push_back(name.str());
      }
  }

  bool runPasses(ModuleOp target, const PhaseInfo &info) {
    PassManager passes(&context, ModuleOp::getOperationName());
    // Once a phase: verifying after each pass costs as much as the passes.
    passes.enableVerifier(false);
    addPhasePasses(info.phase, passes, options, shared, customOps, exposure);
    if (passes.size() && (failed(passes.run(target)) || failed(verify(target)))) {
      if (!diagnostics.anyError())
        diagnostics.error("phase " + std::string(info.name) + " failed");
      return false;
    }
    return true;
  }

  /// Under a memory limit: the module with the kernels in pieces, when that is what fits or costs less.
  bool fitMemory(MemoryFitter &fitter) {
    runtime::Program whole;
    if (failed(emitProgram(*module, whole)))
      return false;
    addEntryGuards(whole);
    if (!fitter.run(*fused, describeMemory(whole, options.threads)))
      return false;
    if (fitter.choices[fitter.best].module)
      module = std::move(fitter.choices[fitter.best].module);
    return true;
  }

  /// A module from the end of fuse to the program.
  std::optional<ProgramMemory> describe(ModuleOp target) {
    for (const PhaseInfo &info : phaseTable)
      if (info.phase > Phase::fuse && info.phase < Phase::emit && !runPasses(target, info))
        return std::nullopt;
    runtime::Program program;
    if (failed(emitProgram(target, program)))
      return std::nullopt;
    addEntryGuards(program);
    return describeMemory(program, options.threads);
  }

  void addEntryGuards(runtime::Program &program) {
    for (const DimOption &dim : options.dims)
      if (!dim.exact)
        program.entryGuards.push_back(
            {"le", SymbolicExpr::symbol(dim.name), SymbolicExpr::constant(dim.value),
             "the program was compiled for " + dim.name + " <= " + std::to_string(dim.value)});
  }

  bool emit() {
    MemoryFitter fitter(memoryLimit, options.machine.memoryGBs, [&](ModuleOp target) { return describe(target); });
    if (fused && !fitMemory(fitter))
      return false;
    runtime::Program program;
    program.target = options.target;
    program.triple = options.machine.triple;
    if (failed(emitProgram(*module, program)))
      return false;
    addEntryGuards(program);
    program.memoryLimit = memoryLimit;
    program.flushDenormals = options.numerics.flushDenormals;
    fillReport(*module, program, result.report);
    if (std::string error = fillMemoryReport(*module, program, options, fitter.choices, result.report); !error.empty())
      return fail("--memory: " + error);
    if (program.onDevice() && !options.allowFallback && exposure != Exposure::References && !checkFallbacks())
      return false;
    if (program.onDevice() && memoryLimit > 0)
      return fail("--memory: expected no limit for a program on a device");
    if (options.emulate && !program.onDevice())
      return fail("--emulate: expected a target with an emulator (cuda:sm_80, cuda:sm_90a), got '" + options.target +
                  "'");
    for (ModuleOp kernels : llvm::to_vector(module->getOps<ModuleOp>())) {
      if (kernels.getSymName() != "kernels" || kernels.getBody()->empty() || options.emulate)
        continue;
      ObjectCode code = backend->emitObject(kernels);
      if (!code.ok())
        return fail("code generation for " + options.machine.cpu + ": " + code.error);
      program.code = std::move(code.bytes);
      program.cubin = std::move(code.cubin);
      program.features = backend->minimumFeatures();
    }
    if (options.emulate) {
      std::string error;
      std::shared_ptr<EmulatedDevice> device = EmulatedDevice::create(contextHolder, *module, options.sanitize, error);
      if (!device)
        return fail("emulator: " + error);
      result.device = device;
      result.emulator = device;
    }
    result.report.codeBytes = program.code.size() + program.cubin.size();
    result.program = std::move(program);
    return true;
  }

  /// The kernels of a file in place of ours.
  bool takeKernels() {
    auto kernelsOf = [](ModuleOp module) { return module.lookupSymbol<ModuleOp>("kernels"); };
    OwningOpRef<ModuleOp> file = parseSourceFile<ModuleOp>(options.kernels, &context);
    ModuleOp theirs = file ? kernelsOf(*file) : ModuleOp(), ours = kernelsOf(*module);
    if (!theirs)
      return fail("--kernels: expected a module with kernels in '" + options.kernels + "'");
    for (Operation &op : ours ? *ours.getBody() : *theirs.getBody())
      if (auto symbol = dyn_cast<SymbolOpInterface>(op); symbol && !theirs.lookupSymbol(symbol.getNameAttr()))
        return fail("--kernels: expected '" + symbol.getName().str() + "' in '" + options.kernels + "'");
    // Where a line of theirs comes from, our kernel of that name knows.
    for (Operation &op : *theirs.getBody())
      if (Operation *known = ours ? ours.lookupSymbol(cast<SymbolOpInterface>(op).getNameAttr()) : nullptr)
        op.walk([&](Operation *inner) { inner->setLoc(FusedLoc::get(&context, {known->getLoc(), inner->getLoc()})); });
    if (ours)
      ours.erase();
    theirs->remove();
    module->push_back(theirs);
    return true;
  }

  /// What runs on the host while the program runs on a device, without leave: an error for each node, all at once.
  bool checkFallbacks() {
    bool fine = true;
    forEachFallback(*module, [&](Operation *op) {
      if (isa<bess::CustomOp>(op))
        return;
      fine = false;
      op->emitError("expected an op that there is code for on ")
          << options.target << ", got " << op->getName() << "; --allow-fallback runs it on the host";
    });
    return fine;
  }

  bool fail(const std::string &message) {
    diagnostics.error(message);
    return false;
  }

  CompileOptions options;
  const std::function<bool(const PhaseInfo &)> &onPhase;
  const kernels::CustomOps &customOps;
  const std::optional<TunedSchedules> &tuned;
  Exposure exposure;
  std::map<std::string, uint64_t> hostSizes;
  std::shared_ptr<MLIRContext> contextHolder; ///< an emulated device goes on to use it
  MLIRContext &context;
  DiagnosticText diagnostics;
  simplify::SimplifyContext shared;
  std::unique_ptr<TargetBackend> backend;
  OwningOpRef<ModuleOp> module;
  OwningOpRef<ModuleOp> fused; ///< as it left fuse, under a memory limit
  CompileResult result;
};

} // namespace

SupportedNodes Compiler::supportedNodes(std::span<const uint8_t> model, const std::string &directory) const {
  CompileOptions importOnly = options;
  importOnly.compileTo = "legalize";
  Compilation compilation(importOnly, *this);
  compilation.addHostBytes("model", model);
  llvm::ArrayRef<char> bytes(reinterpret_cast<const char *>(model.data()), model.size());
  SupportedNodes nodes;
  llvm::StringMap<std::pair<int64_t, std::string>> byName;
  CompileResult result = compilation.run("(memory)", [&](MLIRContext *context, const ImportOptions &importOptions) {
    OwningOpRef<ModuleOp> module = importOnnxBuffer(context, "(memory)", bytes, importOptions, directory);
    auto main = module ? module->lookupSymbol<func::FuncOp>("main") : func::FuncOp();
    if (main)
      for (auto node : main.getOps<onnx::NodeOp>())
        byName.try_emplace(node.getNodeName(), nodes.nodes++, node.getOpType().str());
    return module;
  });
  if (result.report.phases.empty()) {
    nodes.error = result.diagnostics;
    return nodes;
  }
  for (const auto &[names, message] : compilation.errors()) {
    SupportedNodes::Unsupported entry{-1, names.empty() ? "" : names.front(), "", message};
    if (auto it = byName.find(entry.name); it != byName.end())
      std::tie(entry.index, entry.op) = it->second;
    nodes.unsupported.push_back(std::move(entry));
  }
  return nodes;
}

CompileResult Compiler::compileFile(const std::string &path) const {
  Compilation compilation(options, *this);
  compilation.memoryLimit = memoryLimit;
  return compilation.run(path, [&](MLIRContext *context, const ImportOptions &importOptions) {
    return importOnnxFile(context, path, importOptions);
  });
}

CompileResult Compiler::compileMemory(std::span<const uint8_t> model, const std::string &directory) const {
  Compilation compilation(options, *this);
  compilation.memoryLimit = memoryLimit;
  compilation.addHostBytes("model", model);
  llvm::ArrayRef<char> bytes(reinterpret_cast<const char *>(model.data()), model.size());
  return compilation.run("(memory)", [&](MLIRContext *context, const ImportOptions &importOptions) {
    return importOnnxBuffer(context, "(memory)", bytes, importOptions, directory);
  });
}

CompileResult Compiler::compileText(const std::string &text, const std::string &node) const {
  Compilation compilation(options, *this);
  return compilation.run("(memory)", [&](MLIRContext *context, const ImportOptions &) {
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, context);
    if (module)
      module->walk([&](Operation *op) { op->setLoc(NameLoc::get(StringAttr::get(context, node))); });
    return module;
  });
}

std::optional<GpuMachine> Compiler::gpuMachine(std::string &error) const {
  CompileOptions known = options;
  std::unique_ptr<TargetBackend> backend = createTargetBackend(options.target, options.cpu, error);
  if (!backend)
    return std::nullopt;
  known.machine = backend->machine();
  if (known.machine.target != "cuda") {
    error = "expected a GPU (cuda:sm_80, cuda:sm_90a) as the target, got '" + options.target + "'";
    return std::nullopt;
  }
  return gpuMachineFor(known);
}
