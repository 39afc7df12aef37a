// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The C API: contexts and runs.
#include "bessemer/Runtime/CApi.h"

#include "bessemer/Runtime/TimePrograms.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>
#include <new>

using namespace bessemer;
using namespace bessemer::runtime;

static Status invalid(const char *text) { return Status::error(StatusCode::InvalidArgument, text); }

static Status checkTensors(const bessemer_tensor *tensors, size_t count) {
  if (count > 0 && !tensors)
    return invalid("expected tensors, got a null pointer");
  for (size_t i = 0; i < count; ++i)
    if (tensors[i].rank < 0 || tensors[i].rank > BESSEMER_MAX_RANK)
      return Status::error(StatusCode::InvalidArgument, "tensor " + std::to_string(i) +
                                                            ": expected a rank in [0, 16], got " +
                                                            std::to_string(tensors[i].rank));
  for (size_t i = 0; i < count; ++i)
    if (tensors[i].place != BESSEMER_ON_HOST && tensors[i].place != BESSEMER_ON_DEVICE)
      return Status::error(StatusCode::InvalidArgument, "tensor " + std::to_string(i) +
                                                            ": expected a place of bessemer_place, got " +
                                                            std::to_string(tensors[i].place));
  return {};
}

Tensor runtime::fromC(const bessemer_tensor &tensor) {
  Tensor out;
  out.dtype = static_cast<DType>(tensor.dtype);
  out.shape.assign(tensor.shape, tensor.shape + tensor.rank);
  if (tensor.has_strides)
    out.strides.assign(tensor.strides, tensor.strides + tensor.rank);
  out.data = tensor.data;
  out.onDevice = tensor.place == BESSEMER_ON_DEVICE;
  return out;
}

void runtime::toC(const kernels::TensorRef &tensor, bessemer_tensor &out) {
  out = bessemer_tensor{};
  out.dtype = static_cast<int32_t>(tensor.dtype);
  out.rank = static_cast<int32_t>(std::min<size_t>(tensor.shape.size(), BESSEMER_MAX_RANK));
  std::copy_n(tensor.shape.begin(), out.rank, out.shape);
  out.has_strides = !tensor.strides.empty();
  if (out.has_strides)
    std::copy_n(tensor.strides.begin(), out.rank, out.strides);
  out.data = tensor.data;
}

static std::vector<std::vector<int64_t>> shapesOf(const bessemer_tensor *tensors, size_t count) {
  std::vector<std::vector<int64_t>> shapes;
  for (size_t i = 0; i < count; ++i)
    shapes.emplace_back(tensors[i].shape, tensors[i].shape + tensors[i].rank);
  return shapes;
}

static void setShape(bessemer_tensor &tensor, DType dtype, const std::vector<int64_t> &shape) {
  tensor.dtype = static_cast<int32_t>(dtype);
  tensor.rank = static_cast<int32_t>(shape.size());
  std::copy(shape.begin(), shape.end(), tensor.shape);
}

extern "C" {

bessemer_status bessemer_context_create(const bessemer_program *program, bessemer_context **context) {
  return guarded([&]() -> Status {
    if (!program || !context)
      return invalid("expected a program and a place for the context, got a null pointer");
    *context = new bessemer_context(program->model);
    return {};
  });
}

void bessemer_context_release(bessemer_context *context) { delete context; }

bessemer_status bessemer_output_shapes(bessemer_context *context, const bessemer_tensor *inputs, size_t input_count,
                                       bessemer_tensor *outputs, size_t output_count) {
  return guarded([&]() -> Status {
    if (!context || (output_count > 0 && !outputs))
      return invalid("expected a context and outputs, got a null pointer");
    if (Status status = checkTensors(inputs, input_count); !status.ok())
      return status;
    std::vector<std::vector<int64_t>> shapes;
    if (Status status = context->context.outputShapes(shapesOf(inputs, input_count), shapes); !status.ok())
      return status;
    if (shapes.size() != output_count)
      return Status::error(StatusCode::InvalidArgument, "expected " + std::to_string(shapes.size()) + " outputs, got " +
                                                            std::to_string(output_count));
    const Function &entry = context->context.model().entry();
    for (size_t o = 0; o < output_count; ++o)
      setShape(outputs[o], entry.outputs[o].dtype, shapes[o]);
    return {};
  });
}

bessemer_status bessemer_arena_bytes(bessemer_context *context, const bessemer_tensor *inputs, size_t input_count,
                                     int64_t *bytes) {
  return guarded([&]() -> Status {
    if (!context || !bytes)
      return invalid("expected a context and a place for the answer, got a null pointer");
    if (Status status = checkTensors(inputs, input_count); !status.ok())
      return status;
    return context->context.arenaBytes(shapesOf(inputs, input_count), *bytes);
  });
}

bessemer_status bessemer_run(bessemer_context *context, const bessemer_tensor *inputs, size_t input_count,
                             bessemer_tensor *outputs, size_t output_count) {
  return guarded([&]() -> Status {
    if (!context)
      return invalid("expected a context, got a null pointer");
    if (Status status = checkTensors(inputs, input_count); !status.ok())
      return status;
    if (Status status = checkTensors(outputs, output_count); !status.ok())
      return status;
    std::vector<Tensor> in, out;
    for (size_t i = 0; i < input_count; ++i)
      in.push_back(fromC(inputs[i]));
    for (size_t o = 0; o < output_count; ++o) {
      out.push_back(fromC(outputs[o]));
      if (outputs[o].capacity > 0)
        out.back().capacity = outputs[o].capacity;
    }
    if (Status status = context->context.run(in, out); !status.ok())
      return status;
    for (size_t o = 0; o < output_count; ++o) {
      setShape(outputs[o], out[o].dtype, out[o].shape);
      outputs[o].has_strides = !out[o].strides.empty();
      if (outputs[o].data)
        continue;
      outputs[o].data = out[o].data;
      outputs[o].capacity = out[o].capacity;
      outputs[o].owner = new std::shared_ptr<void>(std::move(out[o].owned));
    }
    return {};
  });
}

bessemer_status bessemer_read_tensor(bessemer_context *context, const bessemer_tensor *tensor, void *data,
                                     int64_t bytes) {
  return guarded([&]() -> Status {
    if (!context || !tensor || (!data && bytes > 0))
      return invalid("expected a context, a tensor and memory for it, got a null pointer");
    if (Status status = checkTensors(tensor, 1); !status.ok())
      return status;
    return context->context.readTensor(fromC(*tensor), data, bytes);
  });
}

bessemer_status bessemer_write_tensor(bessemer_context *context, bessemer_tensor *tensor, const void *data,
                                      int64_t bytes) {
  return guarded([&]() -> Status {
    if (!context || !tensor || (!data && bytes > 0))
      return invalid("expected a context, a tensor and its data, got a null pointer");
    if (Status status = checkTensors(tensor, 1); !status.ok())
      return status;
    Tensor given = fromC(*tensor);
    if (Status status = context->context.writeTensor(given, data, bytes); !status.ok())
      return status;
    if (!tensor->data) {
      tensor->data = given.data;
      tensor->capacity = given.capacity;
      tensor->owner = new std::shared_ptr<void>(std::move(given.owned));
    }
    return {};
  });
}

void bessemer_tensor_release(bessemer_tensor *tensor) {
  if (!tensor || !tensor->owner)
    return;
  delete static_cast<std::shared_ptr<void> *>(tensor->owner);
  tensor->owner = nullptr;
  tensor->data = nullptr;
  tensor->capacity = 0;
}

const char *bessemer_device_counts_json(bessemer_context *context) {
  if (!context)
    return "{}";
  bessemer_status status = guarded([&]() -> Status {
    DeviceCounts counts = context->context.deviceCounts();
    nlohmann::ordered_json all = {
        {"copies_in", counts.copiesIn}, {"copies_out", counts.copiesOut}, {"symbol_copies", counts.symbolCopies},
        {"launches", counts.launches},  {"graphs", counts.graphs},        {"replays", counts.replays},
        {"plans", counts.plans},        {"repeats", counts.repeats}};
    context->deviceCounts = all.dump();
    return {};
  });
  return status == BESSEMER_OK ? context->deviceCounts.c_str() : "{}";
}

bessemer_status bessemer_time_programs(const bessemer_program *const *programs, size_t count, int32_t rounds,
                                       bessemer_timing *timings) {
  return guarded([&]() -> Status {
    if (!programs || !timings || std::count(programs, programs + count, nullptr))
      return invalid("expected programs and a place for their timings, got a null pointer");
    if (rounds < 1 || rounds > 1000)
      return Status::error(StatusCode::InvalidArgument, "expected 1 to 1000 rounds, got " + std::to_string(rounds));
    std::vector<std::shared_ptr<const Model>> models;
    for (size_t i = 0; i < count; ++i)
      models.push_back(programs[i]->model);
    std::vector<ProgramTiming> timed;
    if (Status status = timePrograms(models, rounds, timed); !status.ok())
      return status;
    for (size_t i = 0; i < count; ++i) {
      timings[i] = {timed[i].seconds, timed[i].low, timed[i].high, timed[i].difference, {}};
      timed[i].error.copy(timings[i].error, sizeof timings[i].error - 1);
    }
    return {};
  });
}

void bessemer_cancel(bessemer_context *context) {
  if (context)
    context->context.cancel();
}

void bessemer_set_profiling(bessemer_context *context, int on) {
  if (context)
    context->context.setProfiling(on != 0);
}

const char *bessemer_profile_json(bessemer_context *context) {
  if (!context)
    return "[]";
  bessemer_status status = guarded([&]() -> Status {
    using Json = nlohmann::ordered_json;
    Json all = Json::array();
    for (const ProfileEntry &entry : context->context.profile())
      all.push_back({{"name", entry.name},
                     {"kind", entry.kind},
                     {"provenance", entry.provenance},
                     {"runs", entry.runs},
                     {"seconds", entry.seconds},
                     {"flops", entry.flops},
                     {"bytes", entry.bytes}});
    context->profile = all.dump(-1, ' ', false, Json::error_handler_t::replace);
    return {};
  });
  return status == BESSEMER_OK ? context->profile.c_str() : "[]";
}

void bessemer_clear_profile(bessemer_context *context) {
  if (context)
    context->context.clearProfile();
}

} // extern "C"
