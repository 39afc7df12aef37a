// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// `bessemer bench`: the median time of a run, and where it goes.
#include "bessemer/Runtime/Context.h"
#include "lib/Driver/Commands/Commands.h"
#include "lib/Driver/Commands/CrashGuard.h"
#include "lib/Driver/Commands/MakeInputs.h"
#include "lib/Driver/Commands/PeakMeasure.h"
#include "lib/Driver/Json.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

using namespace bessemer;
using namespace bessemer::commands;

namespace {

struct Arguments {
  std::string model;
  std::vector<std::string> inputs, sizes;
  int repeat = 20, threads = 0;
  bool json = false;
  CompileArguments compile;
};

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

struct Spread {
  double median = 0, low = 0, high = 0; ///< seconds; low and high: the 10th and the 90th part of 100
};

Spread spreadOf(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  auto at = [&](double share) { return times[size_t(share * double(times.size() - 1) + 0.5)]; };
  return {at(0.5), at(0.1), at(0.9)};
}

class Bench {
public:
  explicit Bench(const Arguments &arguments) : arguments(arguments) {}

  int run() {
    int exitCode = Refused;
    runtime::LoadOptions options;
    options.threads = arguments.threads;
    std::shared_ptr<const runtime::Model> model =
        loadModel(arguments.model, arguments.compile, options, progress, exitCode);
    if (!model)
      return exitCode;
    std::string error;
    std::vector<DataTensor> inputs;
    if (!makeInputs(model->entry(), arguments.inputs, arguments.sizes, inputs, error)) {
      printError(error);
      return Refused;
    }
    std::vector<runtime::Tensor> tensors;
    for (const DataTensor &input : inputs)
      tensors.push_back({input.dtype, input.shape, input.data(), {}});
    enterStage("running the program", commands::Failed);
    runtime::Context context(model);
    std::vector<runtime::Tensor> outputs(model->entry().outputs.size());
    std::vector<double> times;
    // The first run plans its memory; the second has warm caches. Neither counts.
    for (int i = -2; i < arguments.repeat; ++i) {
      progress.say(i < 0 ? std::string("bench: warm up") : "bench: run " + count(i));
      double start = now();
      runtime::Status status = context.run(tensors, outputs);
      if (!status.ok()) {
        progress.clear();
        printError(status.message);
        return exitCodeOf(status.code);
      }
      if (i >= 0)
        times.push_back(now() - start);
    }
    // Timing each instruction costs a little: runs of their own.
    context.setProfiling(true);
    for (int i = 0; i < arguments.repeat; ++i, progress.say("bench: profiled run " + count(i)))
      if (runtime::Status status = context.run(tensors, outputs); !status.ok())
        return exitCodeOf(status.code);
    profile = context.profile();
    std::sort(profile.begin(), profile.end(), [](const auto &a, const auto &b) { return a.seconds > b.seconds; });
    spread = spreadOf(times);
    progress.say("bench: measure the machine's roofline");
    threads = model->threadPool().threads();
    peak = measurePeak(threads);
    progress.clear();
    std::fputs((arguments.json ? json() : text()).c_str(), stdout);
    return Fine;
  }

private:
  std::string count(int i) const { return std::to_string(i + 1) + " of " + std::to_string(arguments.repeat); }

  std::string text() const {
    char line[256];
    std::snprintf(line, sizeof line, "%s: median %.3f ms, 10 %% below %.3f ms, 10 %% above %.3f ms, %d runs\n",
                  arguments.model.c_str(), spread.median * 1e3, spread.low * 1e3, spread.high * 1e3, arguments.repeat);
    std::string all = line;
    double total = 0;
    for (const runtime::ProfileEntry &entry : profile)
      total += entry.seconds;
    std::snprintf(line, sizeof line, "machine: %.1f GFLOP/s (f32), %.1f GB/s, measured with %d threads\n",
                  peak.flops * 1e-9, peak.bytes * 1e-9, threads);
    all += line;
    all += "      ms  share  GFLOP/s    GB/s  of roofline  kernel\n";
    for (const runtime::ProfileEntry &entry : profile) {
      double runs = arguments.repeat, seconds = std::max(entry.seconds, 1e-12);
      std::snprintf(line, sizeof line, "%8.3f %5.1f%% %8.1f %7.1f %11.0f%%  %s [%s] x%.0f  %.60s\n",
                    entry.seconds / runs * 1e3, 100 * entry.seconds / std::max(total, 1e-12),
                    entry.flops / seconds * 1e-9, entry.bytes / seconds * 1e-9, 100 * rooflineShare(entry),
                    entry.name.c_str(), entry.kind.c_str(), double(entry.runs) / runs, entry.provenance.c_str());
      all += line;
    }
    return all;
  }

  std::string json() const {
    Json out;
    out.open('{');
    out.key("model").value(arguments.model);
    out.key("runs").value(int64_t(arguments.repeat));
    out.key("median_seconds").value(spread.median);
    out.key("low_seconds").value(spread.low);
    out.key("high_seconds").value(spread.high);
    out.key("threads").value(int64_t(threads));
    out.key("peak_flops").value(peak.flops);
    out.key("peak_bytes").value(peak.bytes);
    out.key("kernels").open('[');
    for (const runtime::ProfileEntry &entry : profile) {
      double runs = arguments.repeat;
      out.open('{');
      out.key("name").value(entry.name);
      out.key("kind").value(entry.kind);
      out.key("nodes").value(entry.provenance);
      out.key("launches").value(double(entry.runs) / runs);
      out.key("seconds").value(entry.seconds / runs);
      out.key("flops").value(entry.flops / runs);
      out.key("bytes").value(entry.bytes / runs);
      out.key("gflops").value(entry.flops / std::max(entry.seconds, 1e-12) * 1e-9);
      out.key("gbs").value(entry.bytes / std::max(entry.seconds, 1e-12) * 1e-9);
      out.key("roofline").value(rooflineShare(entry));
      out.close('}');
    }
    out.close(']');
    out.close('}');
    return out.text + "\n";
  }

  const Arguments &arguments;
  /// The least time that the machine's roofline allows, as a share of the time taken.
  double rooflineShare(const runtime::ProfileEntry &entry) const {
    double least = std::max(entry.flops / std::max(peak.flops, 1.0), entry.bytes / std::max(peak.bytes, 1.0));
    return least / std::max(entry.seconds, 1e-12);
  }

  Progress progress;
  int threads = 1;
  Spread spread;
  MachinePeak peak;
  std::vector<runtime::ProfileEntry> profile;
};

} // namespace

Action commands::addBenchCommand(CLI::App &app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App *command = app.add_subcommand(
      "bench", "Measure a model: median and spread, and the time of each kernel against the roofline");
  command->add_option("model", arguments->model, "MODEL.onnx or MODEL.bsm")->required()->type_name("");
  addList(*command, "--input", arguments->inputs, "NAME=FILE",
          "An input from a .npy or .pb file; the others get made-up values. May be given\n"
          "several times");
  addList(*command, "--size", arguments->sizes, "N=V",
          "The size of a free dimension (else 1), for inputs that are made up");
  command->add_option("--repeat", arguments->repeat, "Runs that are measured, after two that are not")
      ->type_name("N")
      ->check(CLI::Range(1, 1000000).description(""))
      ->capture_default_str();
  addThreads(*command, arguments->threads);
  command->add_flag("--json", arguments->json,
                    "As JSON: seconds, flop and bytes of one run, GFLOP/s, GB/s, share of the roofline");
  arguments->compile.add(*command, /*stages=*/false);
  command->footer(
      "The roofline is measured with as many threads: multiply-adds in registers, and a sum over more memory than the\n"
      "caches hold. A kernel whose operands lie in a cache may be above 100 %.\n\n"
      "Examples:\n"
      "  bessemer bench m.onnx --dim batch=1 --dim seq=128 --threads 2\n"
      "  bessemer bench m.bsm --size seq=512 --repeat 50 --json");
  return [arguments] { return Bench(*arguments).run(); };
}
