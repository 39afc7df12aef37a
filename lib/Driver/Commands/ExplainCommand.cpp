// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// `bessemer explain`: what the compiler would do with a model, and why.
#include "bessemer/Driver/Estimate.h"
#include "lib/Driver/Commands/Commands.h"
#include "lib/Driver/Commands/MakeInputs.h"
#include "lib/Driver/Commands/PeakMeasure.h"
#include "lib/Driver/Json.h"

#include "lib/Driver/ProgramMemory.h"

#include <algorithm>
#include <cstdio>
#include <fstream>

using namespace bessemer;
using namespace bessemer::commands;

namespace {

struct Arguments {
  std::string model;
  std::vector<std::string> sizes;
  int threads = 0;
  bool json = false;
  std::vector<std::string> memory;
  CompileArguments compile;
};

std::string sizesText(const SymbolicExpr::Values &sizes) {
  std::string text;
  for (const auto &[name, value] : sizes)
    text += (text.empty() ? " at " : ", ") + name + "=" + std::to_string(value);
  return text;
}

/// Kernels by the time that they take at least, the most expensive first.
std::vector<size_t> expensiveFirst(const ProgramEstimate &estimate) {
  std::vector<size_t> order;
  for (size_t i = 0; i < estimate.kernels.size(); ++i)
    if (estimate.kernels[i].launches > 0)
      order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const KernelEstimate &x = estimate.kernels[a], &y = estimate.kernels[b];
    return std::pair(x.leastSeconds, x.bytes) > std::pair(y.leastSeconds, y.bytes);
  });
  return order;
}

std::string estimateText(const runtime::Program &program, const ProgramEstimate &estimate, const MachinePeak &peak) {
  std::string text =
      "\none run" + sizesText(estimate.sizes) + (estimate.sizes.empty() ? "" : " (--size NAME=VALUE)") + "\n";
  char line[256];
  if (peak.flops > 0) {
    std::snprintf(line, sizeof line, "  roofline of this machine: %.1f GFLOP/s (f32), %.1f GB/s, measured\n",
                  peak.flops * 1e-9, peak.bytes * 1e-9);
    text += line;
  }
  if (!estimate.wholeRun)
    text += "  parts whose length or choice only the data tells are counted once\n";
  text += "    least ms  launches     MFLOP        MB  FLOP/byte  bound by  kernel\n";
  double least = 0;
  for (size_t i : expensiveFirst(estimate)) {
    const KernelEstimate &kernel = estimate.kernels[i];
    least += kernel.leastSeconds;
    const char *bound = peak.flops <= 0 ? "-" : kernel.computeSeconds > kernel.memorySeconds ? "compute" : "memory";
    std::snprintf(line, sizeof line, "  %10.4f %9.0f %9.2f %9.3f %10.1f  %-8s  %s\n", kernel.leastSeconds * 1e3,
                  kernel.launches, kernel.flops * 1e-6, kernel.bytes * 1e-6, kernel.flops / std::max(kernel.bytes, 1.0),
                  bound, program.kernels[i].symbol.c_str());
    text += line;
  }
  if (peak.flops > 0) {
    std::snprintf(line, sizeof line, "  %10.4f ms at least for all; `bessemer bench` measures what they take\n",
                  least * 1e3);
    text += line;
  }
  if (estimate.arenaBytes) {
    std::snprintf(line, sizeof line, "  arena %.3f MB\n", double(*estimate.arenaBytes) * 1e-6);
    text += line;
  }
  return text;
}

/// The report's object with one key more.
std::string withEstimate(std::string report, const runtime::Program &program, const ProgramEstimate &estimate,
                         const MachinePeak &peak) {
  Json out;
  out.open('{');
  out.key("sizes").open('{');
  for (const auto &[name, value] : estimate.sizes)
    out.key(name.c_str()).value(value);
  out.close('}');
  out.key("whole_run").value(int64_t(estimate.wholeRun));
  out.key("peak_flops").value(peak.flops);
  out.key("peak_bytes").value(peak.bytes);
  if (estimate.arenaBytes)
    out.key("arena_bytes").value(*estimate.arenaBytes);
  out.key("kernels").open('[');
  for (size_t i : expensiveFirst(estimate)) {
    const KernelEstimate &kernel = estimate.kernels[i];
    out.open('{');
    out.key("name").value(program.kernels[i].symbol);
    out.key("launches").value(kernel.launches);
    out.key("flops").value(kernel.flops);
    out.key("bytes").value(kernel.bytes);
    out.key("least_seconds").value(kernel.leastSeconds);
    out.close('}');
  }
  out.close(']');
  out.close('}');
  report.erase(report.find_last_of('}'));
  return report + ", \"estimate\": " + out.text + "}\n";
}

/// The picture of the arena; false after a diagnostic.
bool drawMemory(const runtime::Program &program, const std::string &model, const std::string &file) {
  ProgramMemory memory = describeMemory(program);
  if (!memory.known) {
    std::string symbols;
    for (const std::string &symbol : memory.freeSymbols)
      symbols += (symbols.empty() ? "" : ", ") + symbol;
    printError("--memory=" + file + ": expected sizes that are known, got free dimensions (" + symbols +
               "): bind or bound them with --dim");
    return false;
  }
  std::ofstream out(file);
  out << drawArena(memory.boxes, memory.arenaBytes, model.substr(model.rfind('/') + 1));
  out.close();
  if (!out)
    printError("cannot write '" + file + "'");
  return bool(out);
}

int explain(const Arguments &arguments) {
  CompileOptions options;
  SymbolicExpr::Values sizes;
  std::string error;
  CompileArguments compile = arguments.compile;
  std::string picture;
  for (const std::string &text : arguments.memory)
    (text.ends_with(".svg") ? picture : compile.memory) = text;
  std::optional<int64_t> limit = compile.memoryLimit();
  if (!limit || !compile.convert(options) || (!picture.empty() && !checkWritable(picture)))
    return Refused;
  options.threads = arguments.threads;
  if (!parseSizes(arguments.sizes, sizes, error)) {
    printError(error);
    return Refused;
  }
  Progress progress;
  CompileResult result = compileModel(arguments.model, options, *limit, progress);
  std::string report = arguments.json ? reportJson(result.report) : reportText(result.report);
  if (result.program && !checkSizes(result.program->functions.front(), sizes, error)) {
    printError(error);
    return Refused;
  }
  if (result.program) {
    // The roofline of another processor cannot be measured here.
    MachinePeak peak;
    progress.say("explain: measure the machine's roofline");
    if (options.cpu == "native" && !result.program->kernels.empty())
      peak = measurePeak(arguments.threads);
    progress.clear();
    ProgramEstimate estimate = estimateProgram(*result.program, sizes, peak.flops, peak.bytes);
    report = arguments.json ? withEstimate(report, *result.program, estimate, peak)
                            : report + estimateText(*result.program, estimate, peak);
  }
  std::fputs(report.c_str(), stdout);
  if (result.program && !picture.empty() && !drawMemory(*result.program, arguments.model, picture))
    return Refused;
  return result.ok() ? Fine : Refused;
}

} // namespace

Action commands::addExplainCommand(CLI::App &app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App *command =
      app.add_subcommand("explain", "Say what is fused and why, what runs where, and what a run takes at least");
  command->add_option("model", arguments->model, "MODEL.onnx")->required()->type_name("");
  addList(*command, "--size", arguments->sizes, "N=V",
          "The size of a free dimension in the estimates (else its bound, or 1)");
  addThreads(*command, arguments->threads);
  command->add_flag("--json", arguments->json, "As JSON; the same as `compile --report`, and the estimates");
  addList(*command, "--memory", arguments->memory, "BYTES|F.svg",
          "BYTES: what such a limit on arena and weights leads to. F.svg: draw the arena");
  arguments->compile.add(*command, /*stages=*/true, /*withMemory=*/false);
  command->footer("Weights are not read. The report: phases; nodes that are not supported; kernels with their reasons; "
                  "ops without\n"
                  "a compiled kernel; patterns that were nearly recognized; memory; and for each kernel how much work "
                  "it has and the\n"
                  "least time that the roofline of this machine allows.\n\n"
                  "Example:\n  bessemer explain m.onnx --dim batch=1 --size seq=128");
  return [arguments] { return explain(*arguments); };
}
