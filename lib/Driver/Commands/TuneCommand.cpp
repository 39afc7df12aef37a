// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// `bessemer tune`: the best few schedules of matrix products, measured on a device.
#include "bessemer/Runtime/Artifact.h"
#include "bessemer/Runtime/TimePrograms.h"
#include "lib/Driver/Commands/Commands.h"
#include "lib/Driver/Commands/CrashGuard.h"
#include "lib/Driver/Commands/TuneProducts.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

using namespace bessemer;
using namespace bessemer::commands;
namespace fs = std::filesystem;

namespace {

struct Arguments {
  std::string model, output, pack, merge;
  std::vector<std::string> products;
  int candidates = 8, rounds = 9;
  CompileArguments compile;
};

std::string today() {
  std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[16];
  std::strftime(text, sizeof text, "%Y-%m-%d", &parts);
  return text;
}

bool readText(const std::string &path, std::string &text) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream all;
  all << file.rdbuf();
  text = all.str();
  if (!file)
    printError("cannot read '" + path + "'");
  return bool(file);
}

bool writeText(const std::string &path, const std::string &text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file)
    printError("cannot write '" + path + "'");
  return bool(file);
}

class Tune {
public:
  explicit Tune(const Arguments &arguments) : arguments(arguments) {}

  int run() {
    if (!arguments.compile.convert(options))
      return Refused;
    std::string error;
    std::optional<GpuMachine> found = Compiler(options).gpuMachine(error);
    if (!found) {
      printError("--target: " + error);
      return Refused;
    }
    machine = *found;
    bool isMerge = !arguments.merge.empty(), hasWork = !arguments.model.empty() || !arguments.products.empty();
    if (isMerge == hasWork || (isMerge && !arguments.pack.empty())) {
      printError("expected MODEL.onnx or --product to measure, or --merge alone");
      return Refused;
    }
    if (arguments.pack.empty() == arguments.output.empty()) {
      printError("expected -o FILE for the schedules, or --pack=DIR to measure elsewhere");
      return Refused;
    }
    if (!arguments.output.empty() && !checkWritable(arguments.output))
      return Refused;
    return isMerge ? merge() : measure();
  }

private:
  int merge() {
    std::string text;
    if (!readText(arguments.merge, text))
      return Refused;
    TuneJson results = TuneJson::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!results.is_object() || results.value("target", "") != options.target) {
      printError("--merge: expected results for " + options.target + " in '" + arguments.merge + "', got " +
                 (results.is_object() ? "'" + results.value("target", "") + "'" : "no JSON object"));
      return Refused;
    }
    return fold(results);
  }

  /// Builds the candidates; measures them, or writes them where somebody else does.
  int measure() {
    std::vector<NamedProduct> products;
    if (!collectProducts(products))
      return Refused;
    TuneJson results = {{"target", options.target},
                        {"version", runtime::compilerVersion},
                        {"rounds", arguments.rounds},
                        {"products", TuneJson::array()}};
    std::error_code code;
    if (!arguments.pack.empty() && !fs::create_directories(arguments.pack, code) && code) {
      printError("--pack: cannot make the folder '" + arguments.pack + "': " + code.message());
      return Refused;
    }
    for (const NamedProduct &product : products)
      if (int exitCode = addProduct(product, results); exitCode != Fine)
        return exitCode;
    progress.clear();
    if (arguments.pack.empty())
      return fold(results);
    if (!writeText((fs::path(arguments.pack) / "manifest.json").string(), results.dump(1) + "\n"))
      return Refused;
    std::printf("%s: %zu products, %zu programs\n", arguments.pack.c_str(), results["products"].size(), programs);
    return Fine;
  }

  bool collectProducts(std::vector<NamedProduct> &products) {
    std::vector<std::string> texts;
    std::string error;
    for (const std::string &text : arguments.products) {
      std::optional<NamedProduct> product = parseProductOption(text, machine, error);
      if (!product) {
        printError("--product: " + error);
        return false;
      }
      texts.push_back(productText(product->shape, product->epilogue));
    }
    if (!arguments.model.empty()) {
      CompileOptions untilTile = options;
      untilTile.compileTo = "tile";
      untilTile.emulate = false;
      CompileResult result = compileModel(arguments.model, untilTile, 0, progress);
      if (!result.ok())
        return false;
      texts.insert(texts.end(), result.products.begin(), result.products.end());
      if (result.unnamedProducts)
        std::printf("%lld kernels of products have a size that is not known: bind it with --dim to tune them\n",
                    static_cast<long long>(result.unnamedProducts));
    }
    std::set<std::string> seen;
    for (const std::string &text : texts)
      if (std::optional<NamedProduct> product = parseProduct(text, error); product && seen.insert(text).second)
        products.push_back(*product);
    if (products.empty())
      printError("expected a matrix product that a GPU has a kernel for, got none");
    return !products.empty();
  }

  int addProduct(const NamedProduct &product, TuneJson &results) {
    std::string error, name = productText(product.shape, product.epilogue);
    int64_t copies = tuneCopies(product.shape, machine);
    if (options.emulate) // has no cache
      copies = std::min<int64_t>(copies, 2);
    std::string module = tuneModule(product, copies, error);
    if (module.empty()) {
      std::printf("%s: left out: %s\n", name.c_str(), error.c_str());
      return Fine;
    }
    TuneJson entry = {{"product", TuneJson::parse(name)},
                      {"copies", copies},
                      {"tolerance", tuneTolerance(product.shape)},
                      {"candidates", TuneJson::array()}};
    std::vector<std::shared_ptr<const runtime::Model>> models;
    for (const GpuProductCandidate &way : rankGpuProducts(product, machine, size_t(arguments.candidates))) {
      progress.say("tune: product " + std::to_string(results["products"].size() + 1) + ", candidate " +
                   std::to_string(entry["candidates"].size() + 1));
      CompileResult built = build(product, way, module);
      if (!built.ok()) {
        progress.clear();
        printError(name + ": " + scheduleText(way.schedule) + " cannot be compiled: " + built.diagnostics);
        return commands::Failed;
      }
      TuneJson candidate;
      if (!arguments.pack.empty()) {
        std::string file = std::to_string(programs) + ".bsm";
        runtime::Status status = runtime::writeArtifact(*built.program, {}, (fs::path(arguments.pack) / file).string());
        if (!status.ok()) {
          printError(file + ": " + status.message);
          return Refused;
        }
        candidate["program"] = file;
      } else {
        runtime::LoadOptions load;
        load.device = built.device;
        std::shared_ptr<runtime::Model> model;
        if (runtime::Status status = runtime::Model::create(std::move(*built.program), load, model); !status.ok()) {
          printError(status.message + "; --pack=DIR makes a folder to measure on another machine");
          return exitCodeOf(status.code);
        }
        models.push_back(std::move(model));
      }
      ++programs;
      candidate["parts"] = way.parts;
      if (way.parts > 1)
        candidate["part_depth"] = way.partDepth;
      candidate["schedule"] = TuneJson::parse(scheduleJson(way.schedule));
      candidate["text"] = (way.parts > 1 ? std::to_string(way.parts) + " parts, " : "") + scheduleText(way.schedule);
      candidate["expected_seconds"] = way.cycles / (machine.clockGHz * 1e9);
      entry["candidates"].push_back(candidate);
    }
    results["products"].push_back(std::move(entry));
    return models.empty() ? Fine : timeCandidates(models, results);
  }

  /// A program that is compiled with this candidate, and no other.
  CompileResult build(const NamedProduct &product, const GpuProductCandidate &way, const std::string &module) {
    TunedProduct forced;
    forced.product = product;
    forced.parts = way.parts, forced.partDepth = way.partDepth;
    forced.schedule = way.schedule;
    Compiler compiler(options);
    compiler.tuned.emplace().add(forced);
    CompileResult result = compiler.compileText(module, "product");
    // That it is this product, and this schedule.
    bool isTuned =
        std::any_of(result.report.kernels.begin(), result.report.kernels.end(), [](const Report::KernelRecord &kernel) {
          return kernel.reason.find("tuned: ") != std::string::npos;
        });
    NamedProduct made = product;
    if (way.parts > 1)
      made.epilogue = ProductEpilogue::None; // it is behind the sum of the parts
    std::vector<std::string> expected{productText(made.shape, made.epilogue)};
    if (result.ok() && (!isTuned || result.products != expected)) {
      result.failed = true;
      result.diagnostics = "the compiler makes another kernel of it: " +
                           (result.products.empty() ? "no product" : result.products.front());
    }
    return result;
  }

  /// Adds the times of the last product's candidates.
  int timeCandidates(const std::vector<std::shared_ptr<const runtime::Model>> &models, TuneJson &results) {
    progress.say("tune: measure product " + std::to_string(results["products"].size()));
    enterStage("measuring the candidates", commands::Failed);
    std::vector<runtime::ProgramTiming> timings;
    if (runtime::Status status = runtime::timePrograms(models, arguments.rounds, timings); !status.ok()) {
      progress.clear();
      printError(status.message);
      return exitCodeOf(status.code);
    }
    TuneJson &candidates = results["products"].back()["candidates"];
    for (size_t i = 0; i < timings.size(); ++i) {
      candidates[i]["seconds"] = timings[i].seconds;
      candidates[i]["low"] = timings[i].low;
      candidates[i]["high"] = timings[i].high;
      candidates[i]["difference"] = timings[i].difference;
      candidates[i]["error"] = timings[i].error;
    }
    results["device"] = models.front()->device() ? models.front()->device()->name() : "";
    results["date"] = today();
    return Fine;
  }

  /// The results into the file, beside what is there.
  int fold(const TuneJson &results) {
    TunedSchedules tuned;
    std::vector<std::string> problems;
    std::error_code code;
    if (fs::exists(arguments.output, code)) {
      std::string text;
      if (!readText(arguments.output, text))
        return Refused;
      tuned = TunedSchedules::parse(text, machine, problems);
      if (!problems.empty()) {
        printError(arguments.output + ": " + problems.front() + "; nothing was written");
        return Refused;
      }
    }
    for (const std::string &line : foldTuneResults(results, machine, tuned, problems))
      std::printf("%s\n", line.c_str());
    for (const std::string &problem : problems)
      printError(problem);
    if (!writeText(arguments.output, tuned.json(options.target)))
      return Refused;
    std::printf("%s: %zu products\n", arguments.output.c_str(), tuned.size());
    return problems.empty() ? Fine : commands::Failed;
  }

  const Arguments &arguments;
  CompileOptions options;
  GpuMachine machine;
  Progress progress;
  size_t programs = 0;
};

} // namespace

Action commands::addTuneCommand(CLI::App &app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App *command = app.add_subcommand(
      "tune", "Measure the best few schedules of matrix products on a GPU, and keep the fastest as data");
  command->add_option("model", arguments->model, "MODEL.onnx: its products")->type_name("");
  addList(*command, "--product", arguments->products, "M,N,K,..",
          "A product by its rows, columns and depth, then any of f16, bf16 (the default), f32, ta, tb\n"
          "(transposed operands), batches=N, bias, gelu. May be given several times");
  command
      ->add_option("-o,--output", arguments->output,
                   "The schedules, a JSON file for --tuned; products that are in it already get their new\n"
                   "schedule. lib/Driver/Tuned/TARGET.json is the compiler's own")
      ->type_name("FILE");
  command
      ->add_option("--pack", arguments->pack,
                   "Measure nothing here: write the candidates to DIR, for bench/gpu/tune.py on a machine\n"
                   "that has a GPU and no compiler")
      ->type_name("DIR");
  command->add_option("--merge", arguments->merge, "Take the times that bench/gpu/tune.py wrote")->type_name("F.json");
  command->add_option("--candidates", arguments->candidates, "Schedules of a product, the model's choice among them")
      ->type_name("N")
      ->check(CLI::Range(1, 100).description(""))
      ->capture_default_str();
  command->add_option("--rounds", arguments->rounds, "Runs of each that are measured; the median counts")
      ->type_name("N")
      ->check(CLI::Range(1, 1000).description(""))
      ->capture_default_str();
  arguments->compile.add(*command, /*stages=*/false, /*withMemory=*/false);
  command
      ->add_flag("--emulate", arguments->compile.emulate,
                 "In the emulator: answers are compared, times are the cost model's")
      ->group("Compiler");
  command->footer("Examples:\n"
                  "  bessemer tune m.onnx --target=cuda:sm_90a -o tuned.json\n"
                  "  bessemer tune --product 64,4096,14336 --target=cuda:sm_90a --pack=pack\n"
                  "  python3 bench/gpu/tune.py pack --results=results.json      # on the GPU machine\n"
                  "  bessemer tune --merge=results.json --target=cuda:sm_90a -o lib/Driver/Tuned/cuda-sm_90a.json");
  return [arguments] { return Tune(*arguments).run(); };
}
