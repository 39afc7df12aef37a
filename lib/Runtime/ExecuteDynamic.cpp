// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Instructions whose sizes, addresses or integers only the data tells.
#include "lib/Runtime/Executor.h"
#include "lib/Runtime/Guards.h"

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
    text += (", got " + name + " = ") + (frame.defined[id] ? std::to_string(frame.symbols[id]) : "nothing");
  return Status::error(StatusCode::Failed, text);
}

Status Executor::evaluateShape(const Frame &frame, BufferId buffer, std::vector<int64_t> &shape) const {
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
  place.bytes = checkedByteSize(static_cast<uint8_t>(b.dtype), place.shape.data(), place.shape.size());
  if (place.bytes < 0)
    return Status::error(StatusCode::Failed, "buffer '" + b.name + "': expected a size, got " +
                                                 std::string(name(b.dtype)) + " " + shapeText(place.shape));
  if (prepared.dynamicStorage) {
    DynamicStorage &storage = frame.storage[buffer];
    if (storage.block.size() < place.bytes || !storage.block.data()) {
      MemoryBlock block = pool.take(place.bytes);
      if (!block.data())
        return Status::error(StatusCode::OutOfMemory, "buffer '" + b.name + "': " + pool.refusal(place.bytes));
      // What a loop carries keeps its beginning.
      if (storage.block.data()) {
        int64_t kept = std::min(block.size(), storage.block.size());
        if (Status status = toHost(storage.block.data(), kept); !status.ok())
          return status;
        std::memcpy(block.data(), storage.block.data(), static_cast<size_t>(kept));
        wroteOnHost(block.data(), kept);
      }
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
      return Status::error(StatusCode::Failed, "buffer '" + b.name + "': expected bytes within the " +
                                                   std::to_string(root.bytes) + " of '" + source.buffers[b.index].name +
                                                   "', got " + std::to_string(place.bytes) + " from " +
                                                   std::to_string(offset));
    place.data = static_cast<char *>(root.data) + offset;
    return {};
  }
  place.data = plan.slots[frame.firstSlot + buffer];
  if (place.bytes > frame.binding->bytes[buffer] || (!place.data && place.bytes > 0))
    return Status::error(StatusCode::Failed,
                         "buffer '" + b.name + "' has no memory of " + std::to_string(place.bytes) + " bytes");
  return {};
}

static int64_t loadInteger(const void *data, DType dtype, int64_t index) {
  auto get = [&](auto typed) {
    std::memcpy(&typed, static_cast<const char *>(data) + index * static_cast<int64_t>(sizeof(typed)), sizeof(typed));
    return static_cast<int64_t>(typed);
  };
  switch (dtype) {
  case DType::I64:
  case DType::U64: return get(int64_t{});
  case DType::I32: return get(int32_t{});
  case DType::U32: return get(uint32_t{});
  case DType::I16: return get(int16_t{});
  case DType::U16: return get(uint16_t{});
  case DType::I8: return get(int8_t{});
  default: return get(uint8_t{});
  }
}

Status Executor::executeDynamic(Plan &plan, Step &step) {
  Frame &frame = *step.frame;
  const PreparedInstruction &p = *step.instruction;
  switch (p.kind) {
  case InstructionKind::Launch: {
    const auto &op = std::get<Launch>(p.source->op);
    launchBytes.resize(op.buffers.size());
    for (size_t i = 0; i < op.buffers.size(); ++i) {
      Place place;
      if (Status status = locate(plan, frame, op.buffers[i], place); !status.ok())
        return failed(step, status.message);
      plan.slots[step.firstSlot + i] = place.data;
      launchBytes[i] = place.bytes;
    }
    for (size_t i = 0; i < p.exprs.size(); ++i)
      if (Status status = evaluateExpr(frame, p.exprs[i], plan.integers[step.firstInteger + i]); !status.ok())
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
    return launch(step, &plan.slots[step.firstSlot], plan.integers.data() + step.firstInteger, tasks, bytes);
  }
  case InstructionKind::Copy: {
    const auto &op = std::get<Copy>(p.source->op);
    Place source, destination;
    if (Status status = locate(plan, frame, op.source, source); !status.ok())
      return failed(step, status.message);
    if (Status status = locate(plan, frame, op.destination, destination); !status.ok())
      return failed(step, status.message);
    if (source.bytes != destination.bytes)
      return failed(step, "expected a copy of " + std::to_string(destination.bytes) + " bytes, got " +
                              std::to_string(source.bytes));
    return copy(destination.data, source.data, source.bytes);
  }
  case InstructionKind::BindSymbols: {
    const auto &op = std::get<BindSymbols>(p.source->op);
    Place place;
    if (Status status = locate(plan, frame, op.buffer, place); !status.ok())
      return failed(step, status.message);
    DType dtype = frame.function->source->buffers[op.buffer].dtype;
    if (byteSize(dtype, static_cast<int64_t>(op.symbols.size())) > place.bytes)
      return failed(step,
                    "expected " + std::to_string(op.symbols.size()) + " elements, got shape " + shapeText(place.shape));
    if (Status status = toHost(place.data, place.bytes); !status.ok())
      return status;
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
    return guardHolds(op, lhs, rhs) ? Status() : failed(step, guardText(op, "", lhs, rhs));
  }
  case InstructionKind::If: {
    const auto &op = std::get<If>(p.source->op);
    Place place;
    if (Status status = locate(plan, frame, op.condition, place); !status.ok())
      return failed(step, status.message);
    if (place.bytes < 1)
      return failed(step, "expected a bool as the condition, got no element");
    if (Status status = toHost(place.data, 1); !status.ok())
      return status;
    bool taken = *static_cast<const uint8_t *>(place.data) != 0;
    return execute(plan, *step.blocks[taken ? 0 : 1]);
  }
  case InstructionKind::FromDims:
  case InstructionKind::Fallback:
  case InstructionKind::Call:
  case InstructionKind::Loop: break; // have functions of their own
  }
  return {};
}

} // namespace bessemer::runtime
