// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// `bessemer run`: inputs from files, outputs to files or compared with files.
#include "bessemer/Runtime/Context.h"
#include "lib/Driver/Commands/Commands.h"
#include "lib/Driver/Commands/CrashGuard.h"
#include "lib/Driver/Commands/TensorFile.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

using namespace bessemer;
using namespace bessemer::commands;
namespace fs = std::filesystem;

namespace {

struct RunArguments {
  std::string model, caseFolder, outputFolder;
  std::vector<std::string> inputs;
  Tolerance tolerance;
  int threads = 0;
  bool check = false;
  CompileArguments compile;
};

class Run {
public:
  Run(const RunArguments &arguments) : arguments(arguments) {}

  int run() {
    if (arguments.check)
      return checkKernels();
    int exitCode = Refused;
    runtime::LoadOptions options;
    options.threads = arguments.threads;
    Progress progress;
    if (!arguments.caseFolder.empty() && !fs::is_directory(arguments.caseFolder)) {
      printError("--case: expected a folder, got '" + arguments.caseFolder + "'");
      return Refused;
    }
    std::shared_ptr<const runtime::Model> model =
        loadModel(arguments.model, arguments.compile, options, progress, exitCode, Exposure::Nothing, &emulator);
    if (!model)
      return reportEmulator(exitCode);
    const runtime::Function &entry = model->entry();
    std::vector<DataTensor> inputs;
    if (!readInputs(entry, inputs))
      return Refused;
    std::vector<DataTensor> results;
    if (int code = reportEmulator(runModel(model, inputs, progress, results)); code != Fine)
      return code;
    if (!arguments.outputFolder.empty() && !writeOutputs(results))
      return Refused;
    if (!arguments.caseFolder.empty())
      return compareWithCase(results);
    if (arguments.outputFolder.empty())
      for (const DataTensor &result : results)
        std::printf("%s: %s\n", result.name.c_str(), typeText(result.dtype, result.shape).c_str());
    return Fine;
  }

private:
  /// Prints what the emulator has found; the exit code then says so.
  int reportEmulator(int exitCode) {
    std::string findings = emulator ? emulator->findings() : "";
    std::string costs = emulator && arguments.compile.sanitize ? emulator->costs() : "";
    if (arguments.compile.accessCosts)
      std::fputs(costs.c_str(), stdout);
    else if (size_t count = std::count(costs.begin(), costs.end(), '\n'))
      std::printf(
          "%zu access%s of kernels take%s more sectors of memory or passes over the banks of shared memory than "
          "the bytes need; --access-costs lists them\n",
          count, count == 1 ? "" : "es", count == 1 ? "s" : "");
    if (findings.empty())
      return exitCode;
    std::fputs(findings.c_str(), stderr);
    return commands::Failed;
  }

  /// Runs the model with the results of its kernels as outputs, by the kernels and by the reference kernels, and names
  /// the first kernel whose result differs.
  int checkKernels() {
    Progress progress;
    std::vector<DataTensor> inputs;
    std::vector<DataTensor> results[2];
    for (Exposure exposure : {Exposure::References, Exposure::Kernels}) {
      int exitCode = Refused;
      runtime::LoadOptions options;
      options.threads = arguments.threads;
      std::shared_ptr<const runtime::Model> model =
          loadModel(arguments.model, arguments.compile, options, progress, exitCode, exposure);
      if (!model)
        return exitCode;
      const runtime::Function &entry = model->entry();
      if (inputs.empty() && !readInputs(entry, inputs))
        return Refused;
      std::vector<DataTensor> &list = results[exposure == Exposure::Kernels];
      if (int code = runModel(model, inputs, progress, list); code != Fine)
        return code;
    }
    if (results[0].size() != results[1].size()) {
      printError("expected as many results of kernels in both runs, got " + std::to_string(results[0].size()) +
                 " and " + std::to_string(results[1].size()));
      return commands::Failed;
    }
    // In the order of the program, the model's own outputs at the end.
    for (size_t i = 0; i < results[0].size(); ++i) {
      std::string error = compareTensors(results[0][i], results[1][i], arguments.tolerance);
      if (error.empty())
        continue;
      printError("'" + results[0][i].name + "' is the first result that differs from the reference kernels: " + error);
      return commands::Failed;
    }
    std::printf("%zu results agree with the reference kernels\n", results[0].size());
    return Fine;
  }

  int runModel(std::shared_ptr<const runtime::Model> model, const std::vector<DataTensor> &inputs, Progress &progress,
               std::vector<DataTensor> &results) {
    const runtime::Function &entry = model->entry();
    std::vector<runtime::Tensor> tensors;
    for (const DataTensor &input : inputs)
      tensors.push_back({input.dtype, input.shape, input.data(), {}});
    std::vector<runtime::Tensor> outputs(entry.outputs.size());
    enterStage("running the program", commands::Failed);
    runtime::Context context(model);
    progress.say("run");
    runtime::Status status = context.run(tensors, outputs);
    progress.clear();
    if (!status.ok()) {
      printError(status.message);
      return exitCodeOf(status.code);
    }
    for (size_t i = 0; i < outputs.size(); ++i)
      results.push_back({entry.outputs[i].name, outputs[i].dtype, outputs[i].shape,
                         std::shared_ptr<void>(outputs[i].owned, outputs[i].data)});
    return Fine;
  }

  bool readInputs(const runtime::Function &entry, std::vector<DataTensor> &inputs) {
    std::vector<std::string> files(entry.inputs.size());
    for (const std::string &text : arguments.inputs) {
      size_t equals = text.rfind('=');
      if (equals == std::string::npos) {
        printError("--input: expected NAME=FILE, got '" + text + "'");
        return false;
      }
      size_t i = 0;
      while (i < files.size() && entry.inputs[i].name != text.substr(0, equals))
        ++i;
      if (i == files.size()) {
        printError("--input: expected one of the model's inputs, got '" + text.substr(0, equals) + "'");
        return false;
      }
      files[i] = text.substr(equals + 1);
    }
    if (!arguments.caseFolder.empty())
      for (size_t i = 0; i < files.size(); ++i)
        if (files[i].empty())
          files[i] = caseFile(arguments.caseFolder, "input", i);
    for (size_t i = 0; i < files.size(); ++i) {
      const runtime::Argument &argument = entry.inputs[i];
      std::string error = "no --input " + argument.name + "=FILE";
      std::optional<DataTensor> tensor;
      if (!files[i].empty())
        tensor = readTensorFile(files[i], argument.dtype, error);
      if (!tensor) {
        printError("input '" + argument.name + "': " + error);
        return false;
      }
      inputs.push_back(std::move(*tensor));
    }
    return true;
  }

  bool writeOutputs(const std::vector<DataTensor> &results) {
    std::error_code code;
    fs::create_directories(arguments.outputFolder, code);
    for (const DataTensor &result : results) {
      std::string file, error;
      for (char c : result.name)
        file += isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '-' ? c : '_';
      if (!writeNpy((fs::path(arguments.outputFolder) / (file + ".npy")).string(), result, error)) {
        printError(error);
        return false;
      }
    }
    return true;
  }

  int compareWithCase(const std::vector<DataTensor> &results) {
    int exitCode = Fine;
    for (size_t i = 0; i < results.size(); ++i) {
      std::string file = caseFile(arguments.caseFolder, "output", i), error;
      if (!fs::exists(file) && i > 0)
        break; // a case need not hold every output
      std::optional<DataTensor> expected = readTensorFile(file, results[i].dtype, error);
      if (!expected) {
        printError("output '" + results[i].name + "': " + error);
        return Refused;
      }
      error = compareTensors(*expected, results[i], arguments.tolerance);
      if (!error.empty()) {
        printError("output '" + results[i].name + "': " + error);
        exitCode = commands::Failed;
      }
    }
    return exitCode;
  }

  const RunArguments &arguments;
  std::shared_ptr<EmulatorFindings> emulator;
};

} // namespace

Action commands::addRunCommand(CLI::App &app) {
  auto arguments = std::make_shared<RunArguments>();
  CLI::App *command =
      app.add_subcommand("run", "Run a model (compiled in memory) or an artifact, and compare with what is expected");
  command->add_option("model", arguments->model, "MODEL.onnx or MODEL.bsm")->required()->type_name("");
  command
      ->add_option("--case", arguments->caseFolder,
                   "A folder of ONNX's layout: inputs are input_0.pb, input_1.pb, ... in the model's\n"
                   "order; outputs are compared with output_0.pb, ... (exit 1 when they differ)")
      ->type_name("DIR");
  addList(*command, "--input", arguments->inputs, "NAME=FILE",
          "An input from a .npy or .pb file; goes before that of --case.\n"
          "May be given several times");
  command->add_option("--outputs", arguments->outputFolder, "Write each output to DIR/NAME.npy")->type_name("DIR");
  command->add_option("--rtol", arguments->tolerance.relative, "Relative tolerance of --case")
      ->type_name("R")
      ->check(CLI::Validator(CLI::NonNegativeNumber).description(""))
      ->capture_default_str();
  command
      ->add_option("--atol", arguments->tolerance.absolute,
                   "Absolute tolerance of --case; an element may be off by atol + rtol * |expected|")
      ->type_name("A")
      ->check(CLI::Validator(CLI::NonNegativeNumber).description(""))
      ->capture_default_str();
  command->add_flag(
      "--check", arguments->check,
      "Compare what each kernel computes with the reference kernels and\nname the first that differs; kernels in "
      "branches and loops are\ncovered by what reads them");
  addThreads(*command, arguments->threads);
  arguments->compile.add(*command, /*stages=*/false);
  arguments->compile.addEmulator(*command);
  command->footer("Without --case and --outputs the types and shapes of the outputs are printed.\n\n"
                  "Examples:\n"
                  "  bessemer run m.onnx --case test_data_set_0 --rtol 1e-3 --atol 1e-4\n"
                  "  bessemer run m.bsm --input x=x.npy --outputs out/\n"
                  "  bessemer run m.onnx --target=cuda:sm_90a --emulate --sanitize --case test_data_set_0");
  return [arguments] { return Run(*arguments).run(); };
}
