// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Runtime/Executor.h"
#include "lib/Runtime/FlushDenormals.h"
#include "lib/Runtime/Weights.h"

#include "bessemer/Support/KernelFault.h"

#include <algorithm>
#include <cstring>

namespace bessemer::runtime {

MemoryBlock BufferPool::take(int64_t bytes) {
  refused = bytes > limit - used;
  if (refused)
    return {};
  auto it = blocks.lower_bound(std::max<int64_t>(bytes, 1));
  // Do not spend a block that is far too large.
  MemoryBlock block;
  if (it != blocks.end() && it->first / 4 <= std::max<int64_t>(bytes, 4096)) {
    block = std::move(it->second);
    kept -= block.size();
    blocks.erase(it);
  } else {
    block = MemoryBlock::make(allocator, bytes);
  }
  used += block.size();
  if (device && block.data() && !device->map("block", block.data(), block.size()).ok())
    return {};
  return block;
}

std::string BufferPool::refusal(int64_t bytes) const {
  if (!refused)
    return "no memory for " + std::to_string(bytes) + " bytes";
  return "expected at most " + std::to_string(limit) +
         " bytes of tensors whose size only the data tells (the pool limit), got " + std::to_string(bytes) +
         " beside the " + std::to_string(used) + " in use";
}

void BufferPool::give(MemoryBlock block) {
  used = std::max<int64_t>(used - block.size(), 0);
  if (!block.data() || kept + block.size() > maxKept) {
    if (device)
      device->unmap(block.data());
    return;
  }
  kept += block.size();
  int64_t size = block.size();
  blocks.emplace(size, std::move(block));
}

Executor::Executor(std::shared_ptr<const Model> model, bool limited)
    : model(std::move(model)),
      session(this->model->device() ? std::make_unique<DeviceSession>(this->model->device(), this->model->deviceImage(),
                                                                      this->model->program().kernels)
                                    : nullptr),
      binder(*this->model),
      pool(this->model->loadOptions().allocator, this->model->loadOptions().poolLimit, session.get()) {
  if (limited && this->model->memoryLimit() > 0)
    streamer = std::make_unique<WeightStreamer>(*this->model);
}

/// A write to each page, so that the memory is there.
static void touch(const MemoryBlock &block) {
  constexpr int64_t page = 4096;
  auto *bytes = static_cast<volatile char *>(block.data());
  for (int64_t at = 0; at < block.size(); at += page)
    bytes[at] = 0;
}

void Executor::warm() {
  if (session) // its arena is on the device
    return;
  const Function &entry = model->entry();
  std::vector<std::vector<int64_t>> shapes;
  for (const Argument &input : entry.inputs) {
    shapes.emplace_back();
    for (const SymbolicExpr &dim : input.dims) {
      auto extent = dim.isConstant();
      if (!extent)
        return;
      shapes.back().push_back(*extent);
    }
  }
  Plan *plan = nullptr;
  // What is wrong is said by the first run.
  if (!findPlan(shapes, {}, plan).ok() || !prepareMemory(*plan).ok())
    return;
  touch(arena);
  touch(workspace);
  for (int worker = 0; worker < model->threadPool().threads(); ++worker)
    std::memset(static_cast<char *>(workspace.data()) + workspaceStride * worker, 0, kernelFaultBytes);
  if (streamer)
    streamer->leave();
}

Status Executor::execute(Plan &plan, StepList &steps) {
  for (Step &step : steps) {
    if (cancelled.load(std::memory_order_relaxed))
      return Status::error(StatusCode::Cancelled, "the run was cancelled");
    if (profiling) {
      auto start = std::chrono::steady_clock::now();
      if (Status status = executeStep(plan, step); !status.ok())
        return status;
      record(plan, step, std::chrono::steady_clock::now() - start);
      continue;
    }
    if (!step.dynamic && step.instruction->kind == InstructionKind::Launch) {
      if (Status status = launch(step, &plan.slots[step.firstSlot], plan.integers.data() + step.firstInteger,
                                 step.tasks, step.workspace);
          !status.ok())
        return status;
      continue;
    }
    if (Status status = executeStep(plan, step); !status.ok())
      return status;
  }
  return {};
}

/// The same, step by step: each finds the weights that it reads.
Status Executor::executeStreamed(Plan &plan) {
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    if (Status status = streamer->before(i); !status.ok())
      return status;
    if (cancelled.load(std::memory_order_relaxed))
      return Status::error(StatusCode::Cancelled, "the run was cancelled");
    Step &step = plan.steps[i];
    auto start = std::chrono::steady_clock::now();
    if (Status status = executeStep(plan, step); !status.ok())
      return status;
    if (profiling)
      record(plan, step, std::chrono::steady_clock::now() - start);
  }
  return {};
}

/// Element i of an integer buffer.
static void storeInteger(void *data, DType dtype, int64_t index, int64_t value) {
  auto put = [&](auto typed) {
    std::memcpy(static_cast<char *>(data) + index * static_cast<int64_t>(sizeof(typed)), &typed, sizeof(typed));
  };
  switch (dtype) {
  case DType::I64:
  case DType::U64: return put(value);
  case DType::I32:
  case DType::U32: return put(static_cast<int32_t>(value));
  case DType::I16:
  case DType::U16: return put(static_cast<int16_t>(value));
  case DType::Bool: return put(static_cast<int8_t>(value != 0));
  case DType::F32: return put(static_cast<float>(value));
  case DType::F64: return put(static_cast<double>(value));
  default: return put(static_cast<int8_t>(value));
  }
}

Status Executor::executeStep(Plan &plan, Step &step) {
  switch (step.instruction->kind) {
  case InstructionKind::Loop: return executeLoop(plan, step);
  case InstructionKind::Launch:
    if (step.dynamic)
      return executeDynamic(plan, step);
    return launch(step, &plan.slots[step.firstSlot], plan.integers.data() + step.firstInteger, step.tasks,
                  step.workspace);
  case InstructionKind::Copy:
    if (step.dynamic)
      return executeDynamic(plan, step);
    return copy(plan.slots[step.firstSlot], plan.slots[step.firstSlot + 1], step.tasks);
  case InstructionKind::FromDims: {
    const auto &op = std::get<FromDims>(step.instruction->source->op);
    Frame &frame = *step.frame;
    Place place;
    if (step.dynamic) {
      if (Status status = locate(plan, frame, op.buffer, place); !status.ok())
        return failed(step, status.message);
    } else {
      place = {plan.slots[frame.firstSlot + op.buffer], frame.binding->bytes[op.buffer], {}};
    }
    DType dtype = frame.function->source->buffers[op.buffer].dtype;
    auto count = static_cast<int64_t>(op.values.size());
    if (byteSize(dtype, count) > place.bytes)
      return failed(step, "expected room for " + std::to_string(count) + " elements, got " +
                              std::to_string(place.bytes) + " bytes");
    for (int64_t i = 0; i < count; ++i) {
      int64_t value = 0;
      if (!step.dynamic)
        value = plan.integers[step.firstInteger + i];
      else if (Status status = evaluateExpr(frame, step.instruction->exprs[i], value); !status.ok())
        return failed(step, status.message);
      storeInteger(place.data, dtype, i, value);
    }
    wroteOnHost(place.data, place.bytes);
    return {};
  }
  case InstructionKind::Fallback: return executeFallback(plan, step);
  case InstructionKind::Call: return executeCall(plan, step);
  case InstructionKind::BindSymbols:
  case InstructionKind::Guard:
  case InstructionKind::If: return executeDynamic(plan, step);
  }
  return {};
}

Status Executor::executeLoop(Plan &plan, Step &step) {
  const auto &op = std::get<Loop>(step.instruction->source->op);
  Frame &frame = *step.frame;
  int64_t trips = step.tasks;
  if (step.dynamic && !step.instruction->exprs.empty()) {
    if (Status status = evaluateExpr(frame, step.instruction->exprs[0], trips); !status.ok())
      return failed(step, status.message);
  } else if (step.dynamic) {
    trips = INT64_MAX;
  }
  for (int64_t i = 0; i < trips; ++i) {
    // A body without instructions must stop, too.
    if (cancelled.load(std::memory_order_relaxed))
      return Status::error(StatusCode::Cancelled, "the run was cancelled");
    if (op.condition >= 0) {
      Place place;
      if (Status status = locate(plan, frame, op.condition, place); !status.ok())
        return failed(step, status.message);
      if (place.bytes < 1)
        return failed(step, "expected a bool as the loop's condition, got no element");
      if (Status status = toHost(place.data, 1); !status.ok())
        return status;
      if (!*static_cast<const uint8_t *>(place.data))
        break;
    }
    define(frame, step.instruction->symbols[0], i);
    if (Status status = execute(plan, *step.blocks[0]); !status.ok())
      return status;
  }
  return {};
}

namespace {
struct LaunchArguments {
  KernelFunction kernel;
  void *const *buffers;
  const int64_t *integers;
  char *workspace;
  int64_t workspaceStride;
  bool flushDenormals;
};
struct CopyArguments {
  char *destination;
  const char *source;
  int64_t bytes, chunk;
};
} // namespace

Status Executor::launch(const Step &step, void *const *buffers, const int64_t *integers, int64_t tasks,
                        int64_t workspaceBytes) {
  if (tasks <= 0)
    return {};
  if (session)
    return launchOnDevice(step, buffers, integers, tasks, workspaceBytes);
  KernelFunction kernel = step.kernel;
  if (workspaceStride == 0)
    if (Status status = ensureWorkspace(0); !status.ok())
      return status;
  LaunchArguments arguments{kernel,          buffers,
                            integers,        static_cast<char *>(workspace.data()) + kernelFaultBytes,
                            workspaceStride, model->program().flushDenormals};
  region->run(
      tasks,
      [](void *data, int64_t begin, int64_t end, int worker) {
        const auto &a = *static_cast<const LaunchArguments *>(data);
        FlushDenormals flush(a.flushDenormals);
        a.kernel(a.buffers, a.integers, begin, end, a.workspace + a.workspaceStride * worker);
      },
      &arguments);
  // What the kernel found wrong with the data, if anything; and it holds nothing for the next one.
  int64_t fault = 0;
  for (int worker = 0, workers = model->threadPool().threads(); worker < workers; ++worker) {
    auto *words = reinterpret_cast<int64_t *>(arguments.workspace + workspaceStride * worker);
    if ((words[-1] | words[-2]) == 0) [[likely]]
      continue;
    fault = fault ? fault : words[-1];
    words[-1] = words[-2] = 0;
  }
  if (fault == 0) [[likely]]
    return {};
  auto number = static_cast<size_t>(fault) - 1;
  return failed(step, number < kernelFaults.size() ? std::string(kernelFaults[number].text)
                                                   : "a kernel found a fault in the data");
}

Status Executor::copy(void *destination, const void *source, int64_t bytes) {
  constexpr int64_t chunk = int64_t{256} << 10;
  if (destination == source || bytes <= 0)
    return {};
  if (session)
    return session->copy(destination, source, bytes);
  auto *d = static_cast<char *>(destination);
  auto *s = static_cast<const char *>(source);
  bool overlap = d < s + bytes && s < d + bytes;
  if (overlap || bytes < 4 * chunk) {
    std::memmove(d, s, static_cast<size_t>(bytes));
    return {};
  }
  CopyArguments arguments{d, s, bytes, chunk};
  region->run((bytes + chunk - 1) / chunk,
              [](void *data, int64_t begin, int64_t end, int) {
                const auto &a = *static_cast<const CopyArguments *>(data);
                int64_t from = begin * a.chunk, to = std::min(end * a.chunk, a.bytes);
                std::memcpy(a.destination + from, a.source + from, static_cast<size_t>(to - from));
              },
              &arguments);
  return {};
}

void Executor::releaseStorage(Plan &plan) {
  if (!plan.hasDynamicStorage)
    return;
  for (auto &frame : plan.frames) {
    for (DynamicStorage &storage : frame->storage) {
      pool.give(std::move(storage.block));
      storage.block = MemoryBlock();
      storage.shape.clear();
    }
    std::fill(frame->defined.begin() + frame->function->boundSymbols, frame->defined.end(), 0);
  }
}

/// A line apart, so that two threads never write the same one.
static int64_t workspaceStrideOf(int64_t bytes) {
  int64_t align = memoryAlignment;
  return (bytes + align - 1) / align * align + align;
}

int64_t Executor::workspaceTotal(int64_t bytes) const {
  int64_t total = 0;
  if (__builtin_mul_overflow(workspaceStrideOf(bytes), model->threadPool().threads(), &total))
    return INT64_MAX / 2;
  return total;
}

Status Executor::ensureWorkspace(int64_t bytes) {
  if (session)
    return {}; // the device's own, see DeviceSession::launch
  int64_t stride = workspaceStrideOf(bytes);
  if (stride <= workspaceStride)
    return {};
  int64_t total = 0;
  MemoryBlock block;
  if (bytes >= 0 && !__builtin_mul_overflow(stride, model->threadPool().threads(), &total))
    block = MemoryBlock::make(model->loadOptions().allocator, total);
  if (!block.data())
    return Status::error(StatusCode::OutOfMemory, "no memory for workspaces of " + std::to_string(bytes) + " bytes");
  workspace = std::move(block);
  workspaceStride = stride;
  for (int worker = 0; worker < model->threadPool().threads(); ++worker)
    std::memset(static_cast<char *>(workspace.data()) + stride * worker, 0, kernelFaultBytes);
  return {};
}

Status Executor::runFunction(int32_t function, std::span<void *const> inputs, std::span<void *const> outputs,
                             const std::vector<int64_t> &symbols) {
  const PreparedFunction &prepared = *model->prepared().functions[function];
  auto known = std::find_if(functionPlans.begin(), functionPlans.end(), [&](const auto &candidate) {
    return candidate->function == &prepared && candidate->key == symbols;
  });
  if (known == functionPlans.end()) {
    std::unique_ptr<Plan> made;
    if (Status status = binder.makePlan(prepared, symbols, symbols, made); !status.ok())
      return status;
    functionPlans.push_back(std::move(made));
    known = std::prev(functionPlans.end());
  }
  Plan *plan = known->get();
  if (Status status = prepareMemory(*plan); !status.ok())
    return status;
  for (size_t i = 0; i < inputs.size(); ++i)
    plan->setBase(Plan::firstInputBase + static_cast<int32_t>(i), inputs[i]);
  for (size_t o = 0; o < outputs.size(); ++o)
    plan->setBase(plan->firstOutputBase() + static_cast<int32_t>(o), outputs[o]);
  if (Status status = beginOnDevice(*plan, inputs); !status.ok())
    return status;
  ThreadPool::Region current(model->threadPool());
  region = &current;
  Status status = endOnDevice(*plan, execute(*plan, plan->steps));
  region = nullptr;
  releaseStorage(*plan);
  return status;
}

} // namespace bessemer::runtime
