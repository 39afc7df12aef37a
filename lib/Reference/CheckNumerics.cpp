// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Reference/CheckNumerics.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassInstrumentation.h"
#include "mlir/Pass/PassManager.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::reference;

/// What is known of one function before the first pass.
struct Baseline {
  std::string function;
  SmallVector<HostTensor> inputs;
  SmallVector<HostTensor> results; ///< in f64
};

struct NumericsCheck::State {
  NumericsCheckOptions options;
  bool prepared = false;
  std::vector<Baseline> baselines;
  std::string wrongPass;
  int checkedPasses = 0;

  void prepare(ModuleOp module);
  bool makeBaseline(func::FuncOp function, Baseline &baseline, bool recorded, int64_t factor, std::string &error);
  void check(ModuleOp module, StringRef passName);
  FailureOr<SmallVector<HostTensor>> evaluate(ModuleOp module, const Baseline &baseline, bool oracle,
                                              std::string &error);
};

/// Collects diagnostics instead of printing them.
static auto collectInto(std::string &text) {
  return [&text](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
      text += (text.empty() ? "" : "; ") + diagnostic.str();
    return success();
  };
}

FailureOr<SmallVector<HostTensor>> NumericsCheck::State::evaluate(ModuleOp module, const Baseline &baseline,
                                                                  bool oracle, std::string &error) {
  ScopedDiagnosticHandler handler(module.getContext(), collectInto(error));
  Evaluator::Options how;
  how.oracle = oracle;
  how.memoryLimit = int64_t(2) << 30;
  Evaluator evaluator(module, *options.files, how);
  return evaluator.run(baseline.function, baseline.inputs);
}

void NumericsCheck::State::prepare(ModuleOp module) {
  prepared = true;
  auto main = module.lookupSymbol<func::FuncOp>("main");
  for (func::FuncOp function : module.getOps<func::FuncOp>()) {
    if (function.isExternal() || (main ? function != main : function.isPrivate()))
      continue;
    Baseline baseline;
    baseline.function = function.getName().str();
    std::string firstError;
    bool isReady = false;
    // Small extents may be too small, for a convolution say: then larger ones.
    for (int64_t factor : {1, 32, 128, 256}) {
      std::string error;
      isReady = makeBaseline(function, baseline, main && !options.inputs.empty(), factor, error);
      if (isReady)
        break;
      if (firstError.empty())
        firstError = error;
    }
    if (isReady)
      baselines.push_back(std::move(baseline));
    else
      emitWarning(function.getLoc(), "function @")
          << function.getName()
          << " is not checked, since it cannot be evaluated before the first pass: " << firstError;
  }
}

bool NumericsCheck::State::makeBaseline(func::FuncOp function, Baseline &baseline, bool recorded, int64_t factor,
                                        std::string &error) {
  ScopedDiagnosticHandler handler(function.getContext(), collectInto(error));
  if (recorded) {
    baseline.inputs.assign(options.inputs.begin(), options.inputs.end());
  } else {
    FailureOr<SmallVector<HostTensor>> inputs = makeRandomInputs(function, options.symbols, options.seed, factor);
    if (failed(inputs))
      return false;
    baseline.inputs = std::move(*inputs);
  }
  FailureOr<SmallVector<HostTensor>> results = evaluate(function->getParentOfType<ModuleOp>(), baseline, true, error);
  if (failed(results))
    return false;
  baseline.results = std::move(*results);
  return true;
}

static bool hasKernels(ModuleOp module) {
  auto find = [](bess::LaunchOp) { return WalkResult::interrupt(); };
  return module.walk(find).wasInterrupted();
}

void NumericsCheck::State::check(ModuleOp module, StringRef passName) {
  if (!wrongPass.empty())
    return;
  auto report = [&](const Baseline &baseline) {
    wrongPass = passName.str();
    Operation *function = module.lookupSymbol(baseline.function);
    return (function ? function : module.getOperation())->emitError("pass ")
           << passName << " changed the answer of @" << baseline.function << ": ";
  };
  for (const Baseline &baseline : baselines) {
    for (bool oracle : {true, false}) {
      std::string error;
      FailureOr<SmallVector<HostTensor>> results = evaluate(module, baseline, oracle, error);
      if (failed(results) && hasKernels(module)) {
        // Kernels have been made: from here on the artifact is run instead.
        baselines.clear();
        return;
      }
      if (failed(results)) {
        report(baseline) << "it cannot be evaluated any more: " << error;
        return;
      }
      if (results->size() != baseline.results.size()) {
        report(baseline) << "expected " << baseline.results.size() << " results, got " << results->size();
        return;
      }
      double relative = oracle ? options.oracleRelative : options.relative;
      double absolute = oracle ? options.oracleAbsolute : options.absolute;
      for (auto [i, pair] : llvm::enumerate(llvm::zip(baseline.results, *results))) {
        auto &[expected, got] = pair;
        TensorDifference difference = compareTensors(expected, got, relative, absolute);
        if (difference.agrees())
          continue;
        InFlightDiagnostic diagnostic = report(baseline);
        diagnostic << "result " << i << (oracle ? " in f64: " : ": ");
        if (!difference.shapes.empty())
          diagnostic << difference.shapes;
        else
          diagnostic << "expected " << difference.expected << " at element " << difference.element << ", got "
                     << difference.got << ", which is " << difference.excess << " times the tolerance";
        return;
      }
    }
  }
  if (!baselines.empty())
    ++checkedPasses;
}

namespace {
ModuleOp moduleOf(Operation *op) {
  while (op && !isa<ModuleOp>(op))
    op = op->getParentOp();
  return cast_or_null<ModuleOp>(op);
}

struct Instrumentation : PassInstrumentation {
  using Prepare = std::function<void(ModuleOp)>;
  using Check = std::function<void(ModuleOp, StringRef)>;
  Instrumentation(Prepare prepare, Check check) : prepare(std::move(prepare)), check(std::move(check)) {}

  void runBeforePass(Pass *, Operation *op) override {
    if (ModuleOp module = moduleOf(op))
      prepare(module);
  }
  void runAfterPass(Pass *pass, Operation *op) override {
    // An adaptor only runs passes that have been checked one by one.
    if (pass->getName().contains("PassAdaptor") || pass->getName() == "FailWhenWrong")
      return;
    StringRef name = pass->getArgument().empty() ? pass->getName() : pass->getArgument();
    if (ModuleOp module = moduleOf(op))
      check(module, name);
  }
  Prepare prepare;
  Check check;
};

/// Makes the pipeline fail: instrumentation cannot.
struct FailWhenWrong : PassWrapper<FailWhenWrong, OperationPass<>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(FailWhenWrong)
  explicit FailWhenWrong(std::function<bool()> isWrong) : isWrong(std::move(isWrong)) {}
  StringRef getName() const override { return "FailWhenWrong"; }
  void runOnOperation() override {
    markAllAnalysesPreserved();
    if (isWrong())
      return signalPassFailure();
  }
  std::function<bool()> isWrong;
};
} // namespace

NumericsCheck::NumericsCheck(NumericsCheckOptions options) : state(std::make_shared<State>()) {
  state->options = std::move(options);
  if (!state->options.files)
    state->options.files = std::make_shared<WeightFiles>();
}

NumericsCheck::~NumericsCheck() = default;

void NumericsCheck::addTo(PassManager &passes) {
  // Nested passes run one function at a time then, so that the rest of the
  // module is whole whenever it is evaluated.
  passes.getContext()->disableMultithreading();
  std::shared_ptr<State> shared = state;
  passes.addInstrumentation(std::make_unique<Instrumentation>(
      [shared](ModuleOp module) {
        if (!shared->prepared)
          shared->prepare(module);
      },
      [shared](ModuleOp module, StringRef pass) { shared->check(module, pass); }));
  passes.addPass(std::make_unique<FailWhenWrong>([shared] { return !shared->wrongPass.empty(); }));
}

const std::string &NumericsCheck::wrongPass() const { return state->wrongPass; }
bool NumericsCheck::checksNothing() const { return state->prepared && state->baselines.empty(); }
int NumericsCheck::checkedPasses() const { return state->checkedPasses; }
