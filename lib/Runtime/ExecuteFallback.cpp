// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels of lib/Kernels and of the host, also those whose result's shape is
// known only when they have run.
#include "lib/Runtime/Executor.h"

#include <algorithm>

namespace bessemer::runtime {

Status Executor::fallbackAttributes(const Frame &frame, const Step &step, kernels::Attributes &attributes) {
  const auto &op = std::get<Fallback>(step.instruction->source->op);
  for (size_t a = 0; a < op.attributes.size(); ++a) {
    const auto &[name, value] = op.attributes[a];
    if (auto *plain = std::get_if<kernels::AttributeValue>(&value)) {
      attributes[name] = *plain;
      continue;
    }
    std::vector<int64_t> values;
    for (ExprId id : step.instruction->attributes[a]) {
      values.push_back(0);
      if (Status status = evaluateExpr(frame, id, values.back()); !status.ok())
        return failed(step, "attribute '" + name + "': " + status.message);
    }
    if (std::holds_alternative<SymbolicExpr>(value))
      attributes[name] = values.front();
    else
      attributes[name] = std::move(values);
  }
  return {};
}

Status Executor::executeFallback(Plan &plan, Step &step) {
  const PreparedInstruction &p = *step.instruction;
  const auto &op = std::get<Fallback>(p.source->op);
  Frame &frame = *step.frame;
  const std::vector<Buffer> &buffers = frame.function->source->buffers;
  FallbackState &state = *step.fallback;
  bool first = !state.ready || p.dynamic;
  if (first) {
    state = FallbackState();
    if (Status status = fallbackAttributes(frame, step, state.attributes); !status.ok())
      return status;
    state.inputs.resize(op.inputs.size());
    state.outputs.resize(op.outputs.size());
    for (size_t i = 0; i < op.inputs.size(); ++i)
      state.inputPointers.push_back(op.inputs[i] < 0 ? nullptr : &state.inputs[i]);
  }
  auto place = [&](BufferId id, kernels::TensorRef &tensor) -> Status {
    if (!first) {
      tensor.data = plan.slots[frame.firstSlot + id];
      return {};
    }
    Place found;
    if (Status status = locate(plan, frame, id, found); !status.ok())
      return failed(step, status.message);
    tensor.dtype = buffers[id].dtype;
    tensor.shape = std::move(found.shape);
    tensor.data = found.data;
    return {};
  };
  for (size_t i = 0; i < op.inputs.size(); ++i)
    if (op.inputs[i] >= 0)
      if (Status status = place(op.inputs[i], state.inputs[i]); !status.ok())
        return status;

  std::vector<MemoryBlock> made(op.outputs.size());
  for (size_t o = 0; o < op.outputs.size(); ++o) {
    BufferId id = op.outputs[o];
    const std::vector<SymbolId> &defines = p.defines[o];
    bool open = std::any_of(defines.begin(), defines.end(), [](SymbolId s) { return s >= 0; });
    if (!open) {
      if (Status status = place(id, state.outputs[o]); !status.ok())
        return status;
      continue;
    }
    kernels::TensorRef &tensor = state.outputs[o];
    tensor.dtype = buffers[id].dtype;
    tensor.shape.assign(defines.size(), -1);
    for (size_t d = 0; d < defines.size(); ++d)
      if (defines[d] < 0)
        if (Status status = evaluateExpr(frame, frame.function->buffers[id].dims[d], tensor.shape[d]); !status.ok())
          return failed(step, status.message);
  }

  state.ready = true;
  int64_t refusedBytes = 0;
  auto bytesOf = [](const kernels::TensorRef &tensor) {
    return checkedByteSize(static_cast<uint8_t>(tensor.dtype), tensor.shape.data(), tensor.shape.size());
  };
  for (size_t i = 0; i < op.inputs.size(); ++i)
    if (op.inputs[i] >= 0)
      if (Status status = toHost(state.inputs[i].data, bytesOf(state.inputs[i])); !status.ok())
        return status;
  kernels::KernelCall call{op.op, state.attributes, state.inputPointers, state.outputs,
                           [&](size_t output, int64_t bytes) -> void * {
                             if (output >= made.size())
                               return nullptr;
                             made[output] = pool.take(bytes);
                             refusedBytes = bytes;
                             return made[output].data();
                           }};
  const auto &custom = model->loadOptions().customKernels;
  auto it = custom.find(op.op);
  kernels::Result result = it != custom.end() ? it->second(call) : kernels::runKernel(call);
  if (!result.ok() && pool.wasRefused())
    return Status::error(StatusCode::OutOfMemory, failed(step, pool.refusal(refusedBytes)).message);
  if (!result.ok())
    return failed(step, result.error);
  for (const kernels::TensorRef &tensor : state.outputs)
    wroteOnHost(tensor.data, bytesOf(tensor));

  for (size_t o = 0; o < op.outputs.size(); ++o) {
    const std::vector<SymbolId> &defines = p.defines[o];
    if (std::none_of(defines.begin(), defines.end(), [](SymbolId s) { return s >= 0; }))
      continue;
    const kernels::TensorRef &tensor = state.outputs[o];
    BufferId id = op.outputs[o];
    bool fits = tensor.shape.size() == defines.size();
    for (size_t d = 0; fits && d < defines.size(); ++d) {
      fits = tensor.shape[d] >= 0;
      if (defines[d] >= 0)
        define(frame, defines[d], tensor.shape[d]);
    }
    int64_t bytes =
        fits ? checkedByteSize(static_cast<uint8_t>(tensor.dtype), tensor.shape.data(), tensor.shape.size()) : -1;
    if (bytes < 0 || (bytes > 0 && bytes > made[o].size()))
      return failed(step, "expected a result of rank " + std::to_string(defines.size()) + ", got shape " +
                              shapeText(tensor.shape));
    pool.give(std::move(frame.storage[id].block));
    frame.storage[id].block = std::move(made[o]);
    Place found; // and the shape must be what the dimensions say
    if (Status status = locate(plan, frame, id, found); !status.ok())
      return failed(step, status.message);
    if (found.shape != tensor.shape)
      return failed(step, "expected a result of shape " + shapeText(found.shape) + ", got " + shapeText(tensor.shape));
  }
  return {};
}

} // namespace bessemer::runtime
