// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// First half of making a plan: values of the expressions, sizes of the buffers,
// offsets in the frame. No addresses yet.
#include "lib/Runtime/FrameLayout.h"
#include "lib/Runtime/Plan.h"

#include <algorithm>
#include <climits>

namespace bessemer::runtime {

std::string shapeText(const std::vector<int64_t> &shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i)
      text += ", ";
    text += shape[i] < 0 ? "?" : std::to_string(shape[i]);
  }
  return text + "]";
}

std::vector<ExprId> calleeSources(const PreparedInstruction &call, const PreparedFunction &callee,
                                  const PreparedFunction &caller) {
  std::vector<ExprId> sources(callee.boundSymbols, -1);
  for (size_t i = 0; i < call.exprs.size(); ++i)
    sources[call.symbols[i]] = call.exprs[i];
  // What the call does not name follows from the shapes of the arguments.
  const auto &op = std::get<Call>(call.source->op);
  for (size_t a = 0; a < op.arguments.size(); ++a) {
    const std::vector<ExprId> &have = caller.buffers[op.arguments[a]].dims;
    const std::vector<ExprId> &want = callee.inputDims[a];
    for (size_t d = 0; d < want.size() && d < have.size(); ++d) {
      const PreparedExpr &expr = callee.exprs[want[d]];
      if (expr.expr.isSymbol() && sources[expr.symbols[0].second] < 0)
        sources[expr.symbols[0].second] = have[d];
    }
  }
  return sources;
}

bool calleeSymbols(const PreparedInstruction &call, const PreparedFunction &callee, const std::vector<int64_t> &values,
                   const std::vector<uint8_t> &known, const PreparedFunction &caller, std::vector<int64_t> &symbols) {
  std::vector<ExprId> sources = calleeSources(call, callee, caller);
  symbols.assign(callee.boundSymbols, 0);
  for (size_t s = 0; s < sources.size(); ++s) {
    if (sources[s] < 0 || !known[sources[s]])
      return false;
    symbols[s] = values[sources[s]];
  }
  return true;
}

int64_t argumentBytes(const Binding &binding, DType dtype, const std::vector<ExprId> &dims) {
  constexpr size_t usual = 16;
  int64_t few[usual];
  std::vector<int64_t> many(dims.size() > usual ? dims.size() : 0);
  int64_t *shape = many.empty() ? few : many.data();
  for (size_t d = 0; d < dims.size(); ++d) {
    if (!binding.known[dims[d]])
      return -1;
    shape[d] = binding.values[dims[d]];
  }
  return checkedByteSize(static_cast<uint8_t>(dtype), shape, dims.size());
}

bool gridOf(const Binding &binding, const PreparedInstruction &launch, int64_t &tasks) {
  tasks = 1;
  return std::all_of(launch.grid.begin(), launch.grid.end(), [&](ExprId id) {
    return binding.known[id] && binding.values[id] >= 0 && !__builtin_mul_overflow(tasks, binding.values[id], &tasks);
  });
}

/// Lays the frame out as it is at the room, when every buffer fits there.
void Binder::takeLayout(Binding &binding, std::shared_ptr<const Binding> room) {
  const std::vector<Buffer> &buffers = binding.function->source->buffers;
  for (size_t b = 0; b < buffers.size(); ++b)
    if (buffers[b].kind == BufferKind::Arena && binding.bytes[b] > room->bytes[b])
      return;
  if (binding.innerFrame >= 0 && room->innerFrame < 0)
    return;
  for (size_t b = 0; b < buffers.size(); ++b)
    if (buffers[b].kind == BufferKind::Arena)
      binding.offsets[b] = room->offsets[b];
  for (const auto &[buffer, calls] : binding.function->frames)
    if (buffer >= 0)
      binding.bytes[buffer] = room->bytes[buffer];
  binding.frameBytes = room->frameBytes;
  binding.innerFrame = room->innerFrame;
  binding.room = std::move(room);
}

Status Binder::bind(const PreparedFunction &function, const std::vector<int64_t> &symbols,
                    const std::vector<int64_t> &room, std::shared_ptr<const Binding> &binding) {
  std::vector<int64_t> key = symbols;
  if (room != symbols)
    key.insert(key.end(), room.begin(), room.end());
  std::weak_ptr<const Binding> &entry = bindings[{function.index, key}];
  binding = entry.lock();
  if (binding)
    return {};
  std::shared_ptr<const Binding> large;
  if (room != symbols)
    if (Status status = bind(function, room, room, large); !status.ok())
      return status;
  auto made = std::make_shared<Binding>();
  made->function = &function;
  made->symbols = symbols;
  std::vector<int64_t> all(function.symbols.size(), 0);
  std::vector<uint8_t> defined(function.symbols.size(), 0);
  std::copy(symbols.begin(), symbols.end(), all.begin());
  std::fill(defined.begin(), defined.begin() + function.boundSymbols, 1);
  made->values.assign(function.exprs.size(), 0);
  made->known.assign(function.exprs.size(), 0);
  for (size_t e = 0; e < function.exprs.size(); ++e) {
    if (function.exprs[e].dynamic)
      continue;
    if (auto value = evaluate(function.exprs[e], all, defined)) {
      made->values[e] = *value;
      made->known[e] = 1;
    }
  }
  if (Status status = layOut(*made); !status.ok())
    return status;
  if (large)
    takeLayout(*made, std::move(large));
  binding = made;
  bindings[{function.index, key}] = made;
  // Entries of bindings that nobody uses any more.
  if (bindings.size() > 1024)
    std::erase_if(bindings, [](const auto &item) { return item.second.expired(); });
  return {};
}

Status Binder::layOut(Binding &binding) {
  const PreparedFunction &function = *binding.function;
  const Function &source = *function.source;
  const Program &program = model.program();
  size_t count = source.buffers.size();
  binding.bytes.assign(count, -1);
  binding.offsets.assign(count, 0);
  for (size_t b = 0; b < count; ++b) {
    std::vector<int64_t> shape;
    for (ExprId dim : function.buffers[b].dims)
      if (binding.known[dim])
        shape.push_back(binding.values[dim]);
    if (shape.size() == function.buffers[b].dims.size())
      binding.bytes[b] = checkedByteSize(static_cast<uint8_t>(source.buffers[b].dtype), shape.data(), shape.size());
  }

  // Frames of callees: as large as the largest call that uses the buffer.
  int64_t innerBytes = 0;
  std::vector<std::shared_ptr<const Binding>> callees; // kept until the end: shared
  for (const auto &[buffer, calls] : function.frames) {
    int64_t bytes = 0;
    for (const PreparedInstruction *call : calls) {
      const auto &op = std::get<Call>(call->source->op);
      const PreparedFunction &callee = *model.prepared().functions[op.function];
      std::vector<int64_t> symbols;
      if (!calleeSymbols(*call, callee, binding.values, binding.known, function, symbols))
        continue; // dynamic: the executor finds memory for it
      std::shared_ptr<const Binding> inner;
      if (Status status = bind(callee, symbols, symbols, inner); !status.ok())
        return status;
      bytes = std::max(bytes, inner->frameBytes);
      callees.push_back(std::move(inner));
    }
    if (buffer < 0)
      innerBytes = bytes;
    else
      binding.bytes[buffer] = bytes;
  }

  bool planned = source.frameBytes.has_value();
  std::vector<FrameItem> items;
  std::vector<size_t> itemBuffers;
  for (size_t b = 0; b < count; ++b) {
    const Buffer &buffer = source.buffers[b];
    if (buffer.kind != BufferKind::Arena || function.buffers[b].dynamicStorage)
      continue;
    FrameItem item;
    item.bytes = std::max<int64_t>(binding.bytes[b], 0);
    item.lower = buffer.lower;
    item.upper = buffer.upper;
    if (item.lower >= item.upper) { // no lifetime given: all of the function
      item.lower = INT_MIN;
      item.upper = INT_MAX;
    }
    int64_t end = 0;
    if (planned &&
        (!buffer.offset || *buffer.offset < 0 || *buffer.offset % static_cast<int64_t>(memoryAlignment) != 0 ||
         __builtin_add_overflow(*buffer.offset, item.bytes, &end) || end > *source.frameBytes))
      planned = false; // not what the compiler said: plan it anew
    items.push_back(item);
    itemBuffers.push_back(b);
  }
  if (planned) {
    binding.frameBytes = *source.frameBytes;
    for (size_t i = 0; i < items.size(); ++i)
      binding.offsets[itemBuffers[i]] = items[i].offset = *source.buffers[itemBuffers[i]].offset;
    // Whoever made the plan: none is used unchecked.
    if (Status status = checkFrame(items, binding.frameBytes); !status.ok())
      return Status::error(status.code, "function '" + source.name + "': " + status.message);
  } else {
    if (Status status = layOutFrame(items, binding.frameBytes); !status.ok())
      return status;
    for (size_t i = 0; i < items.size(); ++i)
      binding.offsets[itemBuffers[i]] = items[i].offset;
  }
  if (innerBytes > 0) {
    int64_t align = memoryAlignment;
    binding.innerFrame = (binding.frameBytes + align - 1) / align * align;
    if (__builtin_add_overflow(binding.innerFrame, innerBytes, &binding.frameBytes))
      return Status::error(StatusCode::OutOfMemory,
                           "the frame of function '" + source.name + "' does not fit in 64 bits");
  }

  layOutAliases(program, binding);
  return {};
}

/// Bytes of what the artifact fixes; -1 for other kinds.
static int64_t fixedBytes(const Program &program, const Buffer &buffer) {
  if (buffer.kind == BufferKind::Constant)
    return static_cast<int64_t>(program.constants[buffer.index].bytes.size());
  if (buffer.kind != BufferKind::Weight)
    return -1;
  const Weight &weight = program.weights[buffer.index];
  return checkedByteSize(static_cast<uint8_t>(weight.dtype), weight.shape.data(), weight.shape.size());
}

/// Offsets of aliases in their roots. A buffer that is larger than what it lies
/// in gets the size -1, and whoever uses it reports it.
void Binder::layOutAliases(const Program &program, Binding &binding) {
  const PreparedFunction &function = *binding.function;
  const Function &source = *function.source;
  for (size_t b = 0; b < source.buffers.size(); ++b) {
    int64_t fixed = fixedBytes(program, source.buffers[b]);
    if (fixed >= 0 && binding.bytes[b] > fixed)
      binding.bytes[b] = -1;
  }
  for (size_t b = 0; b < source.buffers.size(); ++b) {
    if (source.buffers[b].kind != BufferKind::Alias || function.buffers[b].dynamicAddress)
      continue;
    int64_t offset = 0, end = 0;
    auto root = static_cast<BufferId>(b);
    bool fits = true;
    while (source.buffers[root].kind == BufferKind::Alias) {
      ExprId expr = function.buffers[root].aliasOffset;
      fits &= binding.known[expr] && binding.values[expr] >= 0 &&
              !__builtin_add_overflow(offset, binding.values[expr], &offset);
      root = source.buffers[root].index;
    }
    if (!fits || binding.bytes[b] < 0 || __builtin_add_overflow(offset, binding.bytes[b], &end) ||
        end > binding.bytes[root])
      binding.bytes[b] = -1;
    else
      binding.offsets[b] = offset;
  }
}

} // namespace bessemer::runtime
