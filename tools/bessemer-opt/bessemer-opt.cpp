// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs passes on MLIR text: for the tests, and for looking at what a pass does.
#include "bessemer/Driver/Register.h"
#include "bessemer/Reference/CheckNumerics.h"
#include "lib/Driver/Commands/TensorFile.h"
#include "tools/RequestExit.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace llvm;

/// The inputs of a case: input_0.pb and so on, as far as they go.
static bool readRecorded(StringRef folder, std::vector<bessemer::reference::HostTensor> &inputs, std::string &error) {
  using namespace bessemer;
  for (size_t i = 0;; ++i) {
    std::string path = commands::caseFile(folder.str(), "input", i);
    if (!sys::fs::exists(path))
      break;
    std::optional<commands::DataTensor> tensor = commands::readTensorFile(path, DType::Undefined, error);
    if (!tensor)
      return false;
    reference::HostTensor host = reference::HostTensor::view(tensor->dtype, tensor->shape, tensor->data());
    host.memory = tensor->memory;
    inputs.push_back(std::move(host));
  }
  if (inputs.empty())
    error = "expected a folder with input_0.pb, got '" + folder.str() + "'";
  return !inputs.empty();
}

int main(int argc, char **argv) {
  bessemer::refuseWithExitCode2(argc, argv);
  InitLLVM init(argc, argv);
  cl::opt<bool> checkNumerics("check-numerics",
                              cl::desc("evaluate before and after each pass, name the first that changes an answer"));
  cl::list<std::string> dims("numerics-dim", cl::value_desc("name=value"),
                             cl::desc("extent of a symbol for --check-numerics"));
  cl::opt<std::string> recorded("numerics-case", cl::value_desc("folder"),
                                cl::desc("inputs of @main for --check-numerics: input_0.pb, input_1.pb, … of an ONNX "
                                         "test case; without it they are random"));
  mlir::DialectRegistry registry;
  bessemer::registerAllDialects(registry);
  bessemer::registerAllPasses();
  auto [input, output] =
      mlir::registerAndParseCLIOptions(argc, argv, "bessemer-opt: passes of the compiler on MLIR text\n", registry);
  bessemer::requestUnderstood();
  mlir::MlirOptMainConfig config = mlir::MlirOptMainConfig::createFromCLOptions();

  bessemer::reference::NumericsCheckOptions options;
  for (StringRef dim : dims) {
    auto [name, text] = dim.split('=');
    int64_t value = 0;
    if (name.empty() || text.getAsInteger(10, value) || value < 0) {
      errs() << "expected --numerics-dim=name=value, got " << dim << "\n";
      return 2;
    }
    options.symbols[name.str()] = value;
  }
  if (!recorded.empty()) {
    std::string error;
    if (!readRecorded(recorded, options.inputs, error)) {
      errs() << "--numerics-case: " << error << "\n";
      return 2;
    }
  }
  std::vector<std::unique_ptr<bessemer::reference::NumericsCheck>> checks; // one for each part of a split input
  if (checkNumerics)
    config.setPassPipelineSetupFn([parsed = config, options, &checks](mlir::PassManager &passes) {
      if (failed(parsed.setupPassPipeline(passes)))
        return mlir::failure();
      checks.push_back(std::make_unique<bessemer::reference::NumericsCheck>(options));
      checks.back()->addTo(passes);
      return mlir::success();
    });

  std::string error;
  std::unique_ptr<MemoryBuffer> buffer = mlir::openInputFile(input, &error);
  std::unique_ptr<ToolOutputFile> file = buffer ? mlir::openOutputFile(output, &error) : nullptr;
  if (!file) {
    errs() << error << "\n";
    return 2;
  }
  mlir::LogicalResult done = mlir::MlirOptMain(file->os(), std::move(buffer), registry, config);
  file->keep();
  // 1: a pass changed an answer; 2: the module or the request is refused.
  for (const auto &check : checks)
    if (!check->wrongPass().empty())
      return 1;
  for (const auto &check : checks)
    if (succeeded(done) && check->checksNothing()) {
      errs() << "--check-numerics: expected a function that can be evaluated, found none\n";
      return 2;
    }
  return failed(done) ? 2 : 0;
}
