// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The C API: errors, loading, queries.
#include "bessemer/Runtime/Artifact.h"
#include "bessemer/Runtime/CApi.h"
#include "lib/Runtime/CustomOps.h"

#include <algorithm>
#include <cstring>
#include <new>

using namespace bessemer;
using namespace bessemer::runtime;

static thread_local std::string lastError;

bessemer_status runtime::reportStatus(const Status &status) {
  if (!status.ok())
    lastError = status.message;
  return static_cast<bessemer_status>(status.code);
}

static Status invalid(const char *text) { return Status::error(StatusCode::InvalidArgument, text); }

/// Options of an older or newer caller, as far as both know them.
template <typename Options> static Status copyOptions(const Options *options, Options &copy) {
  std::memset(static_cast<void *>(&copy), 0, sizeof(copy));
  if (!options)
    return {};
  if (options->struct_size < sizeof(size_t) || options->struct_size > 4096)
    return invalid("expected options with struct_size set");
  std::memcpy(static_cast<void *>(&copy), options, std::min(options->struct_size, sizeof(copy)));
  return {};
}

Status runtime::convertOptions(const bessemer_load_options *options, LoadOptions &converted) {
  bessemer_load_options o;
  if (Status status = copyOptions(options, o); !status.ok())
    return status;
  converted.threads = std::max(o.threads, 0);
  converted.checkAllWeights = o.check_all_weights != 0;
  if (o.thread_pool.parallel)
    converted.threadPool = ThreadPoolCallbacks{o.thread_pool.threads, o.thread_pool.parallel, o.thread_pool.user};
  converted.allocator = {o.allocator.allocate, o.allocator.release, o.allocator.user};
  if (o.host_weight_count > 0 && !o.host_weights)
    return invalid("expected host weights, got a null pointer");
  for (size_t i = 0; i < o.host_weight_count; ++i) {
    const bessemer_host_weight &weight = o.host_weights[i];
    if (!weight.key || weight.bytes < 0)
      return invalid("expected a host weight with a key and a size");
    converted.hostWeights[weight.key] = {weight.data, weight.bytes};
  }
  if (o.memory_limit < 0)
    return invalid("expected a memory limit that is not negative");
  converted.memoryLimit = o.memory_limit;
  if (o.pool_limit < 0)
    return invalid("expected a pool limit that is not negative");
  if (o.pool_limit > 0)
    converted.poolLimit = o.pool_limit;
  if (o.weight_folder)
    converted.weightFolder = o.weight_folder;
  converted.customKernels = registeredKernels();
  return {};
}

Status runtime::makeProgram(std::shared_ptr<const Model> model, bessemer_program **program) {
  auto made = std::make_unique<bessemer_program>();
  auto convert = [&](const std::vector<Argument> &from, std::vector<bessemer_argument> &to) {
    for (const Argument &argument : from) {
      bessemer_argument out{};
      out.name = argument.name.c_str();
      out.dtype = static_cast<int32_t>(argument.dtype);
      out.rank = static_cast<int32_t>(argument.dims.size());
      if (argument.dims.size() > BESSEMER_MAX_RANK)
        return false;
      for (size_t d = 0; d < argument.dims.size(); ++d) {
        out.shape[d] = argument.dims[d].isConstant().value_or(-1);
        made->texts.push_back(argument.dims[d].str());
        out.dims[d] = made->texts.back().c_str();
      }
      to.push_back(out);
    }
    return true;
  };
  if (!convert(model->entry().inputs, made->inputs) || !convert(model->entry().outputs, made->outputs))
    return Status::error(StatusCode::Unsupported, "expected tensors of rank 16 or less");
  if (std::shared_ptr<Device> device = model->device())
    made->deviceName = device->name();
  made->model = std::move(model);
  *program = made.release();
  return {};
}

extern "C" {

const char *bessemer_last_error(void) { return lastError.c_str(); }

const char *bessemer_status_name(bessemer_status status) {
  static constexpr const char *names[] = {"ok",        "invalid argument", "bad file",  "unsupported",
                                          "bad input", "out of memory",    "cancelled", "failed"};
  auto index = static_cast<size_t>(status);
  return index < std::size(names) ? names[index] : "unknown";
}

const char *bessemer_version(void) { return compilerVersion; }

bessemer_status bessemer_load_file(const char *path, const bessemer_load_options *options, bessemer_program **program) {
  return guarded([&]() -> Status {
    if (!path || !program)
      return invalid("expected a path and a place for the program, got a null pointer");
    *program = nullptr;
    LoadOptions converted;
    std::shared_ptr<Model> model;
    if (Status status = convertOptions(options, converted); !status.ok())
      return status;
    if (Status status = Model::load(path, converted, model); !status.ok())
      return status;
    return makeProgram(std::move(model), program);
  });
}

bessemer_status bessemer_load_memory(const void *data, size_t bytes, const bessemer_load_options *options,
                                     bessemer_program **program) {
  return guarded([&]() -> Status {
    if (!data || !program)
      return invalid("expected bytes and a place for the program, got a null pointer");
    *program = nullptr;
    LoadOptions converted;
    std::shared_ptr<Model> model;
    if (Status status = convertOptions(options, converted); !status.ok())
      return status;
    if (Status status = Model::load(data, bytes, converted, model); !status.ok())
      return status;
    return makeProgram(std::move(model), program);
  });
}

void bessemer_program_release(bessemer_program *program) { delete program; }

const char *bessemer_device_name(const bessemer_program *program) { return program ? program->deviceName.c_str() : ""; }

size_t bessemer_input_count(const bessemer_program *program) { return program ? program->inputs.size() : 0; }
size_t bessemer_output_count(const bessemer_program *program) { return program ? program->outputs.size() : 0; }

static bessemer_status argumentAt(const bessemer_program *program,
                                  std::vector<bessemer_argument> bessemer_program::*list, size_t index,
                                  bessemer_argument *out) {
  return guarded([&]() -> Status {
    if (!program || !out)
      return invalid("expected a program and a place for the answer, got a null pointer");
    const auto &arguments = program->*list;
    if (index >= arguments.size())
      return Status::error(StatusCode::InvalidArgument, "expected a position in [0, " +
                                                            std::to_string(arguments.size()) + "), got " +
                                                            std::to_string(index));
    *out = arguments[index];
    return {};
  });
}

bessemer_status bessemer_input(const bessemer_program *program, size_t index, bessemer_argument *argument) {
  return argumentAt(program, &bessemer_program::inputs, index, argument);
}
bessemer_status bessemer_output(const bessemer_program *program, size_t index, bessemer_argument *argument) {
  return argumentAt(program, &bessemer_program::outputs, index, argument);
}

static int64_t find(const std::vector<bessemer_argument> &arguments, const char *name) {
  for (size_t i = 0; name && i < arguments.size(); ++i)
    if (std::strcmp(arguments[i].name, name) == 0)
      return static_cast<int64_t>(i);
  return -1;
}
int64_t bessemer_find_input(const bessemer_program *program, const char *name) {
  return program ? find(program->inputs, name) : -1;
}
int64_t bessemer_find_output(const bessemer_program *program, const char *name) {
  return program ? find(program->outputs, name) : -1;
}
size_t bessemer_cache_count(const bessemer_program *program) {
  return program ? program->model->program().caches.size() : 0;
}
bessemer_status bessemer_cache_at(const bessemer_program *program, size_t index, bessemer_cache *cache) {
  return guarded([&]() -> Status {
    if (!program || !cache)
      return invalid("expected a program and a place for the answer, got a null pointer");
    const std::vector<AppendedCache> &caches = program->model->program().caches;
    if (index >= caches.size())
      return Status::error(StatusCode::InvalidArgument, "expected a position in [0, " + std::to_string(caches.size()) +
                                                            "), got " + std::to_string(index));
    *cache = {static_cast<size_t>(caches[index].input), static_cast<size_t>(caches[index].output), caches[index].axis,
              0};
    return {};
  });
}
int64_t bessemer_weight_bytes(const bessemer_program *program) { return program ? program->model->weightBytes() : 0; }

} // extern "C"
