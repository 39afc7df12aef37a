// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// bessemer/compile.h on the Compiler class.
#include "bessemer/compile.h"

#include "bessemer/Driver/Compiler.h"
#include "bessemer/Runtime/Artifact.h"
#include "bessemer/Runtime/CApi.h"
#include "lib/Driver/CApi/CustomOpTypes.h"
#include "lib/Driver/Json.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>

using namespace bessemer;
using runtime::Status;
using runtime::StatusCode;

struct bessemer_compilation {
  CompileResult result;
  std::string report, findings;
  std::map<std::string, runtime::HostWeight, std::less<>> hostWeights;
};

static Status invalid(const std::string &text) { return Status::error(StatusCode::InvalidArgument, text); }

/// Source `host:model`: the bytes of a model in memory.
static constexpr std::string_view modelKey = "model";

/// The caller's options, as far as both sides know them.
static Status convert(const bessemer_compile_options *given, bessemer_compile_options &o, CompileOptions &options) {
  std::memset(static_cast<void *>(&o), 0, sizeof(o));
  if (given) {
    if (given->struct_size < sizeof(size_t) || given->struct_size > 4096)
      return invalid("expected options with struct_size set");
    std::memcpy(static_cast<void *>(&o), given, std::min(given->struct_size, sizeof(o)));
  }
  if (o.target)
    options.target = o.target;
  if (o.cpu)
    options.cpu = o.cpu;
  options.threads = std::max(o.threads, 0);
  options.compileKernels = !o.no_kernels;
  options.allowFallback = o.allow_fallback;
  options.emulate = o.emulate;
  options.sanitize = o.sanitize;
  if (o.tuned)
    options.tuned = o.tuned;
  std::string error;
  if (o.numerics && !parseNumerics(o.numerics, options.numerics, error))
    return invalid("numerics: " + error);
  if (o.dim_count > 0 && !o.dims)
    return invalid("expected dims, got a null pointer");
  for (size_t i = 0; i < o.dim_count; ++i) {
    if (!o.dims[i].name || o.dims[i].value < 0)
      return invalid("expected a dimension with a name and a size");
    options.dims.push_back({o.dims[i].name, o.dims[i].value, o.dims[i].exact != 0});
  }
  if (o.host_weight_count > 0 && !o.host_weights)
    return invalid("expected host weights, got a null pointer");
  for (size_t i = 0; i < o.host_weight_count; ++i) {
    const bessemer_host_weight &weight = o.host_weights[i];
    if (!weight.key || weight.bytes < 0 || (weight.bytes > 0 && !weight.data))
      return invalid("expected a host weight with a key, a size and bytes");
    if (weight.key == modelKey)
      return invalid("host weight 'model': expected another key, this one is that of the model's own bytes");
  }
  return {};
}

/// What the host has in memory, and what it computes itself.
static void addHostParts(Compiler &compiler, const bessemer_compile_options &o) {
  for (size_t i = 0; i < o.host_weight_count; ++i)
    compiler.hostWeights[o.host_weights[i].key] = {static_cast<const uint8_t *>(o.host_weights[i].data),
                                                   size_t(o.host_weights[i].bytes)};
  compiler.customOps = registeredOpTypes();
}

template <typename Compile>
static Status compile(const bessemer_compile_options *given, bessemer_compilation **out, Compile run) {
  if (!out)
    return invalid("expected a place for the compilation, got a null pointer");
  *out = nullptr;
  CompileOptions options;
  bessemer_compile_options o;
  if (Status status = convert(given, o, options); !status.ok())
    return status;
  if (o.memory_limit < 0)
    return invalid("expected a memory limit that is not negative");
  Compiler compiler(options);
  compiler.memoryLimit = o.memory_limit;
  addHostParts(compiler, o);
  if (o.progress)
    compiler.onPhase = [&](const PhaseInfo &phase) {
      return o.progress(o.progress_user, std::string(phase.name).c_str()) == 0;
    };
  auto made = std::make_unique<bessemer_compilation>();
  for (const auto &[key, bytes] : compiler.hostWeights)
    made->hostWeights[key] = {bytes.data(), int64_t(bytes.size())};
  made->result = run(compiler, o.directory ? std::string(o.directory) : std::string("."));
  made->report = reportJson(made->result.report);
  Status status;
  if (!made->result.ok()) {
    StatusCode code = made->result.cancelled               ? StatusCode::Cancelled
                      : made->result.report.phases.empty() ? StatusCode::BadFile
                                                           : StatusCode::Unsupported;
    status = Status::error(code, made->result.diagnostics);
  }
  *out = made.release();
  return status;
}

bessemer_status bessemer_compile_file(const char *path, const bessemer_compile_options *options,
                                      bessemer_compilation **compilation) {
  return runtime::guarded([&] {
    if (!path)
      return invalid("expected a path, got a null pointer");
    return compile(options, compilation,
                   [&](const Compiler &compiler, const std::string &) { return compiler.compileFile(path); });
  });
}

bessemer_status bessemer_compile_memory(const void *model, size_t bytes, const bessemer_compile_options *options,
                                        bessemer_compilation **compilation) {
  return runtime::guarded([&] {
    if (!model && bytes)
      return invalid("expected a model, got a null pointer");
    Status status = compile(options, compilation, [&](const Compiler &compiler, const std::string &directory) {
      return compiler.compileMemory({static_cast<const uint8_t *>(model), bytes}, directory);
    });
    if (compilation && *compilation)
      (*compilation)->hostWeights[std::string(modelKey)] = {model, static_cast<int64_t>(bytes)};
    return status;
  });
}

void bessemer_compilation_release(bessemer_compilation *compilation) { delete compilation; }

const char *bessemer_compilation_diagnostics(const bessemer_compilation *compilation) {
  return compilation ? compilation->result.diagnostics.c_str() : "";
}

const char *bessemer_compilation_report(const bessemer_compilation *compilation) {
  return compilation ? compilation->report.c_str() : "{}";
}

static Status checkComplete(const bessemer_compilation *compilation) {
  if (!compilation)
    return invalid("expected a compilation, got a null pointer");
  if (!compilation->result.program)
    return invalid("expected a compilation that succeeded");
  return {};
}

const char *bessemer_compilation_findings(bessemer_compilation *compilation) {
  if (!compilation || !compilation->result.emulator)
    return "";
  compilation->findings = compilation->result.emulator->findings();
  return compilation->findings.c_str();
}

bessemer_status bessemer_compilation_load(bessemer_compilation *compilation, const bessemer_load_options *options,
                                          bessemer_program **program) {
  return runtime::guarded([&] {
    if (Status status = checkComplete(compilation); !status.ok())
      return status;
    if (!program)
      return invalid("expected a place for the program, got a null pointer");
    *program = nullptr;
    runtime::LoadOptions loadOptions;
    if (Status status = runtime::convertOptions(options, loadOptions); !status.ok())
      return status;
    for (const auto &[key, weight] : compilation->hostWeights)
      loadOptions.hostWeights.insert({key, weight});
    loadOptions.device = compilation->result.device;
    std::shared_ptr<runtime::Model> model;
    if (Status status = runtime::Model::create(*compilation->result.program, loadOptions, model); !status.ok())
      return status;
    return runtime::makeProgram(model, program);
  });
}

static runtime::WriteOptions writeOptions(const bessemer_compilation *compilation, int selfContained) {
  runtime::WriteOptions options;
  options.selfContained = selfContained != 0;
  options.hostWeights = compilation->hostWeights;
  return options;
}

bessemer_status bessemer_compilation_write(bessemer_compilation *compilation, const char *path, int selfContained) {
  return runtime::guarded([&] {
    if (Status status = checkComplete(compilation); !status.ok())
      return status;
    if (!path)
      return invalid("expected a path, got a null pointer");
    if (compilation->result.device)
      return invalid("expected a compilation without emulate: it has no code to write");
    return runtime::writeArtifact(*compilation->result.program, writeOptions(compilation, selfContained), path);
  });
}

/// Memory for bessemer_free.
static void *copyOut(const void *data, size_t bytes) {
  void *memory = std::malloc(std::max<size_t>(bytes, 1));
  if (memory && bytes)
    std::memcpy(memory, data, bytes);
  return memory;
}

bessemer_status bessemer_compilation_write_memory(bessemer_compilation *compilation, int selfContained, void **data,
                                                  size_t *bytes) {
  return runtime::guarded([&] {
    if (Status status = checkComplete(compilation); !status.ok())
      return status;
    if (!data || !bytes)
      return invalid("expected a place for the artifact, got a null pointer");
    if (compilation->result.device)
      return invalid("expected a compilation without emulate: it has no code to write");
    std::vector<uint8_t> artifact;
    Status status =
        runtime::writeArtifact(*compilation->result.program, writeOptions(compilation, selfContained), artifact);
    if (!status.ok())
      return status;
    *data = copyOut(artifact.data(), artifact.size());
    *bytes = artifact.size();
    return *data ? Status() : Status::error(StatusCode::OutOfMemory, "no memory");
  });
}

void bessemer_free(void *memory) { std::free(memory); }

bessemer_status bessemer_supported_nodes(const void *model, size_t bytes, const bessemer_compile_options *given,
                                         char **json) {
  return runtime::guarded([&] {
    if (!json || (!model && bytes))
      return invalid("expected a model and a place for the answer, got a null pointer");
    *json = nullptr;
    CompileOptions options;
    bessemer_compile_options o;
    if (Status status = convert(given, o, options); !status.ok())
      return status;
    Compiler compiler(options);
    addHostParts(compiler, o);
    SupportedNodes nodes =
        compiler.supportedNodes({static_cast<const uint8_t *>(model), bytes}, o.directory ? o.directory : ".");
    if (!nodes.error.empty())
      return Status::error(StatusCode::BadFile, nodes.error);
    Json out;
    out.open('{');
    out.key("nodes").value(nodes.nodes);
    out.key("unsupported").open('[');
    for (const SupportedNodes::Unsupported &node : nodes.unsupported) {
      out.open('{');
      out.key("index").value(node.index);
      out.key("name").value(node.name);
      out.key("op").value(node.op);
      out.key("reason").value(node.reason);
      out.close('}');
    }
    out.close(']');
    out.close('}');
    *json = static_cast<char *>(copyOut(out.text.c_str(), out.text.size() + 1));
    return *json ? Status() : Status::error(StatusCode::OutOfMemory, "no memory");
  });
}
