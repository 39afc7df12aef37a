// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Instructions whose sizes, addresses or integers only the data tells, and those
// that are no launches: fallback kernels, branches, dynamic calls.
#include "lib/Runtime/Executor.h"

#include <algorithm>
#include <cstring>

namespace bessemer::runtime {

Status Executor::failed(const Step &step, const std::string &text) const {
  const std::string &where = step.instruction->source->provenance;
  return Status::error(StatusCode::Failed, where.empty() ? text : where + ": " + text);
}

void Executor::define(Frame &frame, SymbolId symbol, int64_t value) {
  frame.symbols[symbol] = value;
  frame.defined[symbol] = 1;
}

Status Executor::evaluateExpr(const Frame &frame, ExprId expr, int64_t &value) const {
  if (frame.binding->known[expr]) {
    value = frame.binding->values[expr];
    return {};
  }
  const PreparedExpr &prepared = frame.function->exprs[expr];
  if (auto result = evaluate(prepared, frame.symbols, frame.defined)) {
    value = *result;
    return {};
  }
  std::string text = "expected a value for '" + prepared.expr.str() + "'";
  for (const auto &[name, id] : prepared.symbols)
    text += (", got " + name + " = ") +
            (frame.defined[id] ? std::to_string(frame.symbols[id]) : "nothing");
  return Status::error(StatusCode::Failed, text);
}

Status Executor::evaluateShape(const Frame &frame, BufferId buffer,
                               std::vector<int64_t> &shape) const {
  const PreparedBuffer &prepared = frame.function->buffers[buffer];
  shape.resize(prepared.dims.size());
  for (size_t i = 0; i < shape.size(); ++i) {
    if (Status status = evaluateExpr(frame, prepared.dims[i], shape[i]); !status.ok())
      return status;
  }
  return {};
}

Status Executor::locate(Plan &plan, Frame &frame, BufferId buffer, Place &place) {
  const Function &source = *frame.function->source;
  const Buffer &b = source.buffers[buffer];
  const PreparedBuffer &prepared = frame.function->buffers[buffer];
  if (Status status = evaluateShape(frame, buffer, place.shape); !status.ok())
    return Status::error(status.code, "buffer '" + b.name + "': " + status.message);
  place.bytes = checkedByteSize(static_cast<uint8_t>(b.dtype), place.shape.data(),
                                place.shape.size());
  if (place.bytes < 0)
    return Status::error(StatusCode::Failed, "buffer '" + b.name + "': expected a size, got " +
                                                 std::string(name(b.dtype)) + " " +
                                                 shapeText(place.shape));
  if (prepared.dynamicStorage) {
    DynamicStorage &storage = frame.storage[buffer];
    if (storage.block.size() < place.bytes || !storage.block.data()) {
      MemoryBlock block = pool.take(place.bytes);
      if (!block.data())
        return Status::error(StatusCode::OutOfMemory, "buffer '" + b.name + "': no memory for " +
                                                          std::to_string(place.bytes) + " bytes");
      // What a loop carries keeps its beginning.
      if (storage.block.data())
        std::memcpy(block.data(), storage.block.data(),
                    static_cast<size_t>(std::min(block.size(), storage.block.size())));
      pool.give(std::move(storage.block));
      storage.block = std::move(block);
    }
    storage.shape = place.shape;
    place.data = storage.block.data();
    plan.slots[frame.firstSlot + buffer] = place.data;
    return {};
  }
  if (b.kind == BufferKind::Alias) {
    Place root;
    int64_t offset = 0, end = 0;
    if (Status status = locate(plan, frame, b.index, root); !status.ok())
      return status;
    if (Status status = evaluateExpr(frame, prepared.aliasOffset, offset); !status.ok())
      return Status::error(status.code, "buffer '" + b.name + "': " + status.message);
    if (offset < 0 || __builtin_add_overflow(offset, place.bytes, &end) || end > root.bytes)
      return Status::error(StatusCode::Failed,
                           "buffer '" + b.name + "': expected bytes within the " +
                               std::to_string(root.bytes) + " of '" +
                               source.buffers[b.index].name + "', got " +
                               std::to_string(place.bytes) + " from " + std::to_string(offset));
    place.data = static_cast<char *>(root.data) + offset;
    return {};
  }
  place.data = plan.slots[frame.firstSlot + buffer];
  if (place.bytes > frame.binding->bytes[buffer] || (!place.data && place.bytes > 0))
    return Status::error(StatusCode::Failed,
                         "buffer '" + b.name + "' has no memory of " +
                             std::to_string(place.bytes) + " bytes");
  return {};
}

static int64_t loadInteger(const void *data, DType dtype, int64_t index) {
  auto get = [&](auto typed) {
    std::memcpy(&typed, static_cast<const char *>(data) + index * static_cast<int64_t>(sizeof(typed)),
                sizeof(typed));
    return static_cast<int64_t>(typed);
  };
  switch (dtype) {
  case DType::I64:
  case DType::U64:
    return get(int64_t{});
  case DType::I32:
    return get(int32_t{});
  case DType::U32:
    return get(uint32_t{});
  case DType::I16:
    return get(int16_t{});
  case DType::U16:
    return get(uint16_t{});
  case DType::I8:
    return get(int8_t{});
  default:
    return get(uint8_t{});
  }
}

Status Executor::executeDynamic(Plan &plan, Step &step) {
  Frame &frame = *step.frame;
  const PreparedInstruction &p = *step.instruction;
  switch (p.kind) {
  case InstructionKind::Launch: {
    const auto &op = std::get<Launch>(p.source->op);
    for (size_t i = 0; i < op.buffers.size(); ++i) {
      Place place;
      if (Status status = locate(plan, frame, op.buffers[i], place); !status.ok())
        return failed(step, status.message);
      plan.slots[step.firstSlot + i] = place.data;
    }
    for (size_t i = 0; i < p.exprs.size(); ++i)
      if (Status status = evaluateExpr(frame, p.exprs[i], plan.integers[step.firstInteger + i]);
          !status.ok())
        return failed(step, status.message);
    int64_t tasks = 1, bytes = 0;
    for (ExprId id : p.grid) {
      int64_t value = 0;
      if (Status status = evaluateExpr(frame, id, value); !status.ok())
        return failed(step, status.message);
      if (value < 0 || __builtin_mul_overflow(tasks, value, &tasks))
        return failed(step, "expected a grid of at most 2^63 tasks, got " + std::to_string(value));
    }
    if (Status status = evaluateExpr(frame, p.workspace, bytes); !status.ok())
      return failed(step, status.message);
    if (Status status = ensureWorkspace(bytes); !status.ok())
      return status;
    launch(step.kernel, &plan.slots[step.firstSlot], plan.integers.data() + step.firstInteger,
           tasks);
    return {};
  }
  case InstructionKind::Copy: {
    const auto &op = std::get<Copy>(p.source->op);
    Place source, destination;
    if (Status status = locate(plan, frame, op.source, source); !status.ok())
      return failed(step, status.message);
    if (Status status = locate(plan, frame, op.destination, destination); !status.ok())
      return failed(step, status.message);
    if (source.bytes != destination.bytes)
      return failed(step, "expected a copy of " + std::to_string(destination.bytes) +
                              " bytes, got " + std::to_string(source.bytes));
    copy(destination.data, source.data, source.bytes);
    return {};
  }
  case InstructionKind::BindSymbols: {
    const auto &op = std::get<BindSymbols>(p.source->op);
    Place place;
    if (Status status = locate(plan, frame, op.buffer, place); !status.ok())
      return failed(step, status.message);
    DType dtype = frame.function->source->buffers[op.buffer].dtype;
    if (byteSize(dtype, static_cast<int64_t>(op.symbols.size())) > place.bytes)
      return failed(step, "expected " + std::to_string(op.symbols.size()) +
                              " elements, got shape " + shapeText(place.shape));
    for (size_t i = 0; i < op.symbols.size(); ++i)
      define(frame, p.symbols[i], loadInteger(place.data, dtype, static_cast<int64_t>(i)));
    return {};
  }
  case InstructionKind::Guard: {
    const auto &op = std::get<Guard>(p.source->op);
    int64_t lhs = 0, rhs = 0;
    if (Status status = evaluateExpr(frame, p.exprs[0], lhs); !status.ok())
      return failed(step, status.message);
    if (Status status = evaluateExpr(frame, p.exprs[1], rhs); !status.ok())
      return failed(step, status.message);
    bool holds = op.relation == "eq" ? lhs == rhs : op.relation == "le" ? lhs <= rhs : lhs < rhs;
    return holds ? Status() : failed(step, op.message);
  }
  case InstructionKind::If: {
    const auto &op = std::get<If>(p.source->op);
    Place place;
    if (Status status = locate(plan, frame, op.condition, place); !status.ok())
      return failed(step, status.message);
    if (place.bytes < 1)
      return failed(step, "expected a bool as the condition, got no element");
    bool taken = *static_cast<const uint8_t *>(place.data) != 0;
    return execute(plan, *step.blocks[taken ? 0 : 1]);
  }
  case InstructionKind::FromDims:
  case InstructionKind::Fallback:
  case InstructionKind::Call:
  case InstructionKind::Loop:
    break; // have functions of their own
  }
  return {};
}

Status Executor::fallbackAttributes(const Frame &frame, const Step &step,
                                    kernels::Attributes &attributes) {
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
        if (Status status = evaluateExpr(frame, frame.function->buffers[id].dims[d],
                                         tensor.shape[d]);
            !status.ok())
          return failed(step, status.message);
  }

  state.ready = true;
  kernels::KernelCall call{op.op, state.attributes, state.inputPointers, state.outputs,
                           [&](size_t output, int64_t bytes) -> void * {
                             if (output >= made.size())
                               return nullptr;
                             made[output] = pool.take(bytes);
                             return made[output].data();
                           }};
  const auto &custom = model->loadOptions().customKernels;
  auto it = custom.find(op.op);
  kernels::Result result = it != custom.end() ? it->second(call) : kernels::runKernel(call);
  if (!result.ok())
    return failed(step, result.error);

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
    int64_t bytes = fits ? checkedByteSize(static_cast<uint8_t>(tensor.dtype),
                                           tensor.shape.data(), tensor.shape.size())
                         : -1;
    if (bytes < 0 || (bytes > 0 && bytes > made[o].size()))
      return failed(step, "expected a result of rank " + std::to_string(defines.size()) +
                              ", got shape " + shapeText(tensor.shape));
    pool.give(std::move(frame.storage[id].block));
    frame.storage[id].block = std::move(made[o]);
    Place found; // and the shape must be what the dimensions say
    if (Status status = locate(plan, frame, id, found); !status.ok())
      return failed(step, status.message);
    if (found.shape != tensor.shape)
      return failed(step, "expected a result of shape " + shapeText(found.shape) + ", got " +
                              shapeText(tensor.shape));
  }
  return {};
}

Status Executor::executeCall(Plan &plan, Step &step) {
  const PreparedInstruction &p = *step.instruction;
  const auto &op = std::get<Call>(p.source->op);
  Frame &frame = *step.frame;
  const PreparedFunction &callee = *model->prepared().functions[op.function];
  const PreparedFunction &caller = *frame.function;

  // Values of all of the caller's expressions that the call needs, by now.
  std::vector<int64_t> values(caller.exprs.size(), 0), symbols;
  std::vector<uint8_t> known(caller.exprs.size(), 0);
  auto need = [&](const std::vector<ExprId> &ids) {
    for (ExprId id : ids)
      known[id] = evaluateExpr(frame, id, values[id]).ok();
  };
  need(p.exprs);
  for (BufferId id : op.arguments)
    need(caller.buffers[id].dims);
  if (!calleeSymbols(p, callee, values, known, caller, symbols))
    return failed(step, "expected values for all symbols of function '" + callee.source->name +
                            "'");
  auto &plans = step.call->plans;
  auto it = std::find_if(plans.begin(), plans.end(),
                         [&](const auto &candidate) { return candidate->key == symbols; });
  if (it == plans.end()) {
    std::unique_ptr<Plan> made;
    if (Status status = binder.makePlan(callee, symbols, made); !status.ok())
      return failed(step, status.message);
    if (plans.size() >= 8)
      plans.erase(plans.begin());
    plans.push_back(std::move(made));
  } else {
    std::rotate(it, it + 1, plans.end());
  }
  Plan &inner = *plans.back();

  if (Status status = ensureWorkspace(inner.workspaceBytes); !status.ok())
    return status;
  MemoryBlock memory = pool.take(inner.arenaBytes);
  if (!memory.data())
    return Status::error(StatusCode::OutOfMemory, "no memory for the " +
                                                      std::to_string(inner.arenaBytes) +
                                                      " bytes of function '" +
                                                      callee.source->name + "'");
  inner.setBase(Plan::arenaBase, memory.data());
  Frame &own = *inner.frames.front();
  for (size_t a = 0; a < op.arguments.size(); ++a) {
    Place place;
    if (Status status = locate(plan, frame, op.arguments[a], place); !status.ok())
      return failed(step, status.message);
    BufferId inside = callee.inputBuffers[a];
    if (inside >= 0 && inner.binding->bytes[inside] > place.bytes)
      return failed(step, "argument " + std::to_string(a) + " of function '" +
                              callee.source->name + "': expected " +
                              std::to_string(inner.binding->bytes[inside]) + " bytes, got " +
                              std::to_string(place.bytes));
    inner.setBase(Plan::firstInputBase + static_cast<int32_t>(a), place.data);
  }
  // Results whose shape is known before; the callee makes the others.
  auto bindResult = [&](size_t r) -> Status {
    const std::vector<SymbolId> &defines = p.defines[r];
    const std::vector<ExprId> &dims = callee.outputDims[r];
    for (size_t d = 0; d < defines.size() && d < dims.size(); ++d) {
      int64_t value = 0;
      if (defines[d] < 0)
        continue;
      if (Status status = evaluateExpr(own, dims[d], value); !status.ok())
        return failed(step, status.message);
      define(frame, defines[d], value);
    }
    return {};
  };
  for (size_t r = 0; r < op.results.size(); ++r) {
    if (callee.dynamicOutput[r])
      continue;
    Place place;
    if (Status status = bindResult(r); !status.ok())
      return status;
    if (Status status = locate(plan, frame, op.results[r], place); !status.ok())
      return failed(step, status.message);
    if (inner.outputBytes[r] < 0 || inner.outputBytes[r] > place.bytes)
      return failed(step, "result " + std::to_string(r) + " of function '" +
                              callee.source->name + "': expected " +
                              std::to_string(place.bytes) + " bytes, got " +
                              std::to_string(inner.outputBytes[r]));
    inner.setBase(inner.firstOutputBase() + static_cast<int32_t>(r), place.data);
  }
  Status status = execute(inner, inner.steps);
  for (size_t r = 0; status.ok() && r < op.results.size(); ++r) {
    if (!callee.dynamicOutput[r])
      continue;
    Place from, to;
    status = locate(inner, own, callee.outputBuffers[r], from);
    if (status.ok())
      status = bindResult(r);
    // Hand the memory over where the caller's is made as it runs, too.
    if (status.ok() && caller.buffers[op.results[r]].dynamicStorage) {
      DynamicStorage &mine = frame.storage[op.results[r]];
      pool.give(std::move(mine.block));
      mine.block = std::move(own.storage[callee.outputBuffers[r]].block);
      status = locate(plan, frame, op.results[r], to);
    } else if (status.ok()) {
      status = locate(plan, frame, op.results[r], to);
      if (status.ok() && to.bytes == from.bytes)
        copy(to.data, from.data, from.bytes);
    }
    if (status.ok() && to.bytes != from.bytes)
      status = failed(step, "result " + std::to_string(r) + " of function '" +
                                callee.source->name + "': expected shape " +
                                shapeText(to.shape) + ", got " + shapeText(from.shape));
  }
  releaseStorage(inner);
  inner.setBase(Plan::arenaBase, nullptr);
  pool.give(std::move(memory));
  return status;
}

} // namespace bessemer::runtime
