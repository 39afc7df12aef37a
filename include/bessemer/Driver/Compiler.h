// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The compile API: ONNX in, host program out. No MLIR in this header, so that
// commands and bindings compile without it.
//
//   Compiler compiler(options);
//   CompileResult result = compiler.compileFile("model.onnx");
//   if (!result.ok())
//     std::cerr << result.diagnostics;
//   else
//     use(*result.program);
#pragma once

#include "bessemer/Algorithms/TunedSchedules.h"
#include "bessemer/Driver/Phases.h"
#include "bessemer/Kernels/CustomOpTypes.h"
#include "bessemer/Runtime/Device.h"
#include "bessemer/Runtime/Program.h"
#include "bessemer/Support/CompileOptions.h"

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace bessemer {

/// What is added to a program so that its kernels can be compared one by one.
enum class Exposure {
  Nothing,
  Kernels,   ///< the results of kernels are outputs before the model's own, each layer for itself
  References ///< the same outputs, computed by the reference kernels
};

/// What `bessemer explain` and `--report` print. Filled phase by phase, also
/// when the compilation fails.
struct Report {
  struct PhaseRecord {
    std::string name;
    double seconds = 0;
    int64_t operations = 0;                          ///< ops in the module after it
    std::vector<std::pair<std::string, int>> counts; ///< by op name, most frequent first
  };
  struct KernelRecord {
    std::string name, kind, reason;
    std::vector<std::string> nodes; ///< ONNX nodes that it computes
    int launches = 0;
    std::string flops, bytes; ///< expressions over the program's symbols, all launches
  };
  struct FallbackRecord {
    std::string op, type; ///< bess op and its result type
    std::vector<std::string> nodes;
  };
  /// A group of nodes that was nearly raised to one op.
  struct NearMissRecord {
    std::string pattern, nodes, reason;
  };
  std::string model, target, cpu;
  std::vector<PhaseRecord> phases;
  std::vector<KernelRecord> kernels;
  std::vector<FallbackRecord> fallbacks; ///< one for each op name and type
  std::vector<NearMissRecord> nearMisses;
  std::vector<std::string> unsupported; ///< a diagnostic for each node that cannot be compiled
  /// What a limit on the arena and the weights in memory leads to.
  struct MemoryRecord {
    int64_t limit = 0;
    bool known = false;       ///< false: sizes are free, decided when a run binds them
    int64_t totalBytes = 0;   ///< arena, weights that stay, and room for those that are read again
    int64_t minimumBytes = 0; ///< the smallest limit that fits
    int64_t residentBytes = 0, streamedBytes = 0, areaBytes = 0, workspaceBytes = 0;
    int64_t streamedWeights = 0;
    bool readsAhead = false;
    double streamSeconds = 0;                    ///< to read what is streamed from memory, at the machine's bandwidth
    int64_t pieces = 0;                          ///< in which kernels are computed; 0: as a whole
    std::vector<std::string> splits, recomputed; ///< what is computed in pieces, and again
    std::vector<std::pair<int64_t, int64_t>> choices; ///< pieces (1: whole) and the smallest limit with them
    std::vector<std::string> reasons;
  };
  std::optional<MemoryRecord> memory;
  int64_t liveBytes = -1;          ///< most bytes live at a time under the chosen order; -1: sizes are free
  std::vector<std::string> orders; ///< functions whose operations were reordered, and what it saved
  std::string arena;               ///< bytes of the entry's frame: a number or an expression
  int64_t weightBytes = 0, derivedWeightBytes = 0, constantBytes = 0, codeBytes = 0;
  int64_t functions = 0, calls = 0;
  int64_t peakResidentBytes = 0; ///< of the compiler itself
};

/// What an emulated device has found wrong with the kernels that it ran.
class EmulatorFindings {
public:
  virtual ~EmulatorFindings() = default;
  /// A paragraph for each: what, where, from which nodes. Empty when there is none.
  virtual std::string findings() const = 0;
  /// Accesses that cost more than they must, a line for each.
  virtual std::string costs() const = 0;
};

struct CompileResult {
  std::optional<runtime::Program> program; ///< when the compilation reached `emit`
  /// With CompileOptions::emulate: where the program runs (LoadOptions::device), and what is found there.
  std::shared_ptr<runtime::Device> device;
  std::shared_ptr<EmulatorFindings> emulator;
  std::string module; ///< text of the module when it stopped earlier
  /// For a GPU: the matrix products that have kernels, each once, as `productText` writes them, and how many others
  /// have a size that is not known.
  std::vector<std::string> products;
  int64_t unnamedProducts = 0;
  std::string diagnostics; ///< errors and warnings, one a line
  bool failed = false;
  bool cancelled = false; ///< by onPhase
  Report report;
  bool ok() const { return !failed; }
};

/// The nodes of a model's main graph, and those that cannot be compiled.
struct SupportedNodes {
  struct Unsupported {
    int64_t index = -1; ///< in GraphProto.node; -1: none of the main graph
    std::string name, op, reason;
  };
  int64_t nodes = 0;
  std::vector<Unsupported> unsupported;
  std::string error; ///< the model cannot be read at all
};

class Compiler {
public:
  explicit Compiler(CompileOptions options) : options(std::move(options)) {}

  /// Called when a phase begins; false ends the compilation.
  std::function<bool(const PhaseInfo &)> onPhase;
  Exposure exposure = Exposure::Nothing;
  /// Bytes that the arena of a run and the weights in memory may take together; 0: no limit.
  int64_t memoryLimit = 0;

  /// In place of CompileOptions::tuned.
  std::optional<TunedSchedules> tuned;

  /// External data by its location: read from here instead of from a file. The
  /// sources of such weights are `host:LOCATION`; the bytes must live as those of
  /// a model in memory.
  std::map<std::string, std::span<const uint8_t>> hostWeights;

  /// Ops that the host computes, with their types.
  kernels::CustomOps customOps;

  CompileResult compileFile(const std::string &path) const;
  /// A model in memory. `directory`: where relative external weights are;
  /// may be empty. The bytes must live until the program has been loaded
  /// (inline weights are `host:model` sources).
  CompileResult compileMemory(std::span<const uint8_t> model, const std::string &directory) const;

  /// A module of the onnx dialect as text; it has no weights, and no locations: all of it is the node `node`.
  CompileResult compileText(const std::string &module, const std::string &node) const;

  /// The GPU that the options are for; nullopt and a sentence when they are for none.
  std::optional<GpuMachine> gpuMachine(std::string &error) const;

  /// Which nodes can be compiled? Imports and legalizes; compiles nothing.
  SupportedNodes supportedNodes(std::span<const uint8_t> model, const std::string &directory) const;

private:
  CompileOptions options;
};

/// The report as a JSON object.
std::string reportJson(const Report &report);

/// "seq=128" or "seq<=4096"; nullopt and a sentence in `error` otherwise.
std::optional<DimOption> parseDimOption(std::string_view text, std::string &error);

/// "1048576", "64K", "1.5G", "200MiB" (binary units); nullopt and a sentence in `error` otherwise.
std::optional<int64_t> parseBytes(std::string_view text, std::string &error);

/// "default", "strict", "fast", or a list of "+reassociate", "-approximate" … ; false on an unknown word.
bool parseNumerics(std::string_view text, Numerics &numerics, std::string &error);

} // namespace bessemer
