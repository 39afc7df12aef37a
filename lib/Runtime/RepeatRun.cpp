// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The last run once more, see RepeatableRun.h.
#include "lib/Runtime/Executor.h"

#include <algorithm>

namespace bessemer::runtime {

using Edge = RepeatableRun::Edge;

// ---- what a run leaves ---------------------------------------------------------------

void Executor::noteRun(Plan &plan, std::span<const Tensor> inputs, std::span<const Tensor> outputs,
                       std::span<void *const> pointers, std::span<const std::vector<int64_t>> outputStrides) {
  last.plan = nullptr;
  if (!noteSteps(plan) || !noteEdges(plan, inputs, outputs, pointers, outputStrides))
    return;
  noteSizes(plan, pointers);
  last.plan = &plan;
  last.key = plan.key;
  last.caches = lastCaches;
}

/// False: the list is not all that the run does.
bool Executor::noteSteps(Plan &plan) {
  last.launches.clear();
  last.same.clear();
  last.hasVaryingMaps = false;
  size_t listed = 0;
  for (const Step &step : plan.steps) {
    InstructionKind kind = step.instruction->kind;
    if (step.dynamic || (kind != InstructionKind::Launch && kind != InstructionKind::Copy))
      return false;
    if (kind == InstructionKind::Copy) {
      listed += step.tasks > 0 && plan.slots[step.firstSlot] != plan.slots[step.firstSlot + 1];
      last.same.push_back({&step, step.tasks});
      continue;
    }
    const auto &op = std::get<Launch>(step.instruction->source->op);
    listed += step.tasks > 0;
    if (step.tasks <= 0 || op.symbols.empty())
      last.same.push_back({&step, step.tasks});
    else
      last.launches.push_back(&step);
    last.hasVaryingMaps |= hasVaryingMap(model->program().kernels[op.kernel]);
  }
  return listed == onePass;
}

bool Executor::noteEdges(Plan &plan, std::span<const Tensor> inputs, std::span<const Tensor> outputs,
                         std::span<void *const> pointers, std::span<const std::vector<int64_t>> outputStrides) {
  std::vector<DeviceSession::Edge> all = edgesOf(plan, pointers);
  last.inputs.assign(inputs.size(), {});
  last.outputs.assign(outputs.size(), {});
  last.seesCaller = false;
  for (size_t e = 0; e < all.size(); ++e) {
    bool isInput = e < inputs.size();
    size_t number = isInput ? e : e - inputs.size();
    Edge &edge = isInput ? last.inputs[number] : last.outputs[number];
    const AppendedCache *cache = isInput ? cacheOfInput(number) : cacheOfOutput(number);
    edge.cache = cache ? static_cast<int32_t>(cache - model->program().caches.data()) : -1;
    edge.onDevice = isInput ? inputs[number].onDevice : outputs[number].onDevice;
    edge.strides = isInput ? inputs[number].strides : outputStrides[number];
    edge.isEmpty = all[e].bytes <= 0;
    last.seesCaller |= edge.onDevice;
    if (edge.isEmpty)
      continue;
    DeviceSession::Place place = session->placeOf(all[e]);
    bool isMoved = place.capacity > 0;
    // Rows of a cache on the host lie apart there, too.
    if (!place.address || (isMoved && !edge.strides.empty()) || (isMoved && !isInput && edge.onDevice))
      return false;
    edge.address = isMoved ? 0 : all[e].address;
    edge.place = place.address;
    edge.room = isMoved && edge.onDevice ? std::min(place.capacity, DeviceSession::mostStagedBytes) : place.capacity;
  }
  // The caller's memory may be used up to the next tensor in it.
  for (const DeviceSession::Edge &edge : all) {
    auto e = static_cast<size_t>(&edge - all.data());
    Edge &own = e < inputs.size() ? last.inputs[e] : last.outputs[e - inputs.size()];
    if (!own.address)
      continue;
    own.room = INT64_MAX;
    for (const DeviceSession::Edge &other : all)
      if (other.address > edge.address && other.bytes > 0)
        own.room = std::min(own.room, static_cast<int64_t>(other.address - edge.address));
    own.room = std::max(own.room, edge.bytes);
  }
  return true;
}

void Executor::noteSizes(Plan &plan, std::span<void *const> pointers) {
  last.sizes.clear();
  last.spanOf.clear();
  std::map<const void *, int32_t> groups; // of caches, by where they lie
  if (lastCaches.capacity >= 0)
    for (const AppendedCache &cache : model->program().caches) {
      const void *past = pointers[cache.input], *present = plan.bases[plan.firstOutputBase() + cache.output];
      int32_t first = groups.try_emplace(past, static_cast<int32_t>(groups.size())).first->second;
      int32_t second = groups.try_emplace(present, static_cast<int32_t>(groups.size())).first->second;
      last.spanOf.emplace_back(first, second);
    }
  last.spans.assign(groups.size(), 0);
  size_t at = 0;
  for (const Step &step : plan.steps) {
    auto *op = std::get_if<Launch>(&step.instruction->source->op);
    if (!op || step.tasks <= 0)
      continue;
    const PreparedFunction &function = *step.frame->function;
    for (size_t i = 0; i < op->buffers.size(); ++i, ++at) {
      const std::vector<ExprId> &dims = function.buffers[op->buffers[i]].dims;
      auto group = groups.find(plan.slots[step.firstSlot + i]);
      bool varies =
          std::any_of(dims.begin(), dims.end(), [&](ExprId id) { return !function.exprs[id].symbols.empty(); });
      if (varies || group != groups.end())
        last.sizes.push_back({at, step.frame, op->buffers[i], group == groups.end() ? -1 : group->second});
    }
  }
}

// ---- the run once more ---------------------------------------------------------------

bool Executor::isInLastPlaces(std::span<const Tensor> inputs, std::span<const Tensor> outputs) const {
  auto isSame = [](const Edge &edge, const Tensor &tensor) {
    if (edge.onDevice != tensor.onDevice || edge.strides.size() != tensor.strides.size())
      return false;
    if (!edge.address)
      return tensor.strides.empty();
    return tensor.data == reinterpret_cast<void *>(edge.address) && tensor.strides == edge.strides;
  };
  const Function &entry = model->entry();
  if (inputs.size() != last.inputs.size() || outputs.size() != last.outputs.size())
    return false;
  for (size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i].dtype != entry.inputs[i].dtype || (!inputs[i].data && !last.inputs[i].isEmpty) ||
        !isSame(last.inputs[i], inputs[i]))
      return false;
  for (size_t o = 0; o < outputs.size(); ++o)
    if ((outputs[o].dtype != DType::Undefined && outputs[o].dtype != entry.outputs[o].dtype) ||
        (!outputs[o].data && outputs[o].onDevice) || !isSame(last.outputs[o], outputs[o]))
      return false;
  return true;
}

/// The last plan for the shapes; false: another one, or none.
bool Executor::bindLastPlan(std::span<const Tensor> inputs, std::span<const Tensor> outputs) {
  bool isSame = lastPlan == last.plan && lastCaches == last.caches && lastShapes.size() == inputs.size();
  for (size_t i = 0; isSame && i < inputs.size(); ++i)
    isSame = inputs[i].shape == lastShapes[i];
  if (isSame)
    return true;
  CacheUse use;
  if (!findCaches(inputs, outputs, use).ok() || use != last.caches)
    return false;
  shapes.resize(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i)
    shapes[i].assign(inputs[i].shape.begin(), inputs[i].shape.end());
  if (!bindShapes(shapes, use, symbols).ok())
    return false;
  roomFor(symbols, room);
  if (last.plan->room != room || !checkGuards(symbols).ok())
    return false;
  lastPlan = nullptr;
  if (last.plan->key != symbols && !rebind(*last.plan, symbols))
    return false;
  lastPlan = last.plan;
  lastShapes.swap(shapes);
  lastCaches = use;
  return true;
}

/// Sizes of inputs, and which must go to places of ours.
bool Executor::moveInputs(std::span<const Tensor> inputs) {
  last.moved.clear();
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Tensor &tensor = inputs[i];
    const Edge &edge = last.inputs[i];
    int64_t bytes = checkedByteSize(static_cast<uint8_t>(tensor.dtype), tensor.shape.data(), tensor.shape.size());
    if (edge.cache >= 0 && !lastCaches.copied)
      bytes = cacheBytes(model->program().caches[edge.cache], tensor.dtype, tensor.shape, bytes);
    if (edge.isEmpty != (bytes <= 0) || bytes > edge.room)
      return false;
    if (edge.address || edge.isEmpty || last.plan->function->lastInputUse[i] < 0)
      continue;
    DeviceAddress from = edge.onDevice ? reinterpret_cast<DeviceAddress>(tensor.data) : 0;
    last.moved.push_back({edge.place, tensor.data, from, bytes});
  }
  return true;
}

bool Executor::fitOutputs(std::span<const Tensor> outputs) {
  const Binding &binding = *last.plan->binding;
  for (size_t o = 0; o < outputs.size(); ++o) {
    const Tensor &tensor = outputs[o];
    Edge &edge = last.outputs[o];
    const std::vector<ExprId> &dims = last.plan->function->outputDims[o];
    edge.shape.resize(dims.size());
    for (size_t d = 0; d < dims.size(); ++d)
      edge.shape[d] = binding.values[dims[d]];
    edge.bytes = last.plan->outputBytes[o];
    if (edge.cache >= 0)
      edge.bytes =
          cacheBytes(model->program().caches[edge.cache], model->entry().outputs[o].dtype, edge.shape, edge.bytes);
    if (edge.isEmpty != (edge.bytes <= 0) || edge.bytes > edge.room)
      return false;
    if (tensor.data && (tensor.capacity < 0 ? tensor.shape != edge.shape : tensor.capacity < edge.bytes))
      return false;
  }
  return true;
}

/// Whether the list is the one that was recorded, but for words and sizes, which are set.
bool Executor::isLastList() {
  if (last.hasVaryingMaps && last.plan->key != last.key)
    return false;
  for (const RepeatableRun::Listed &listed : last.same)
    if (listed.step->tasks != listed.tasks)
      return false;
  std::span<int64_t> words = session->repeatWords(), sizes = session->repeatSizes();
  size_t word = 0;
  for (const Step *step : last.launches) {
    if (step->tasks <= 0)
      return false;
    size_t count = step->instruction->exprs.size();
    words[word++] = step->tasks;
    std::copy_n(last.plan->integers.begin() + step->firstInteger, count, words.begin() + static_cast<ptrdiff_t>(word));
    word += count;
  }
  const std::vector<AppendedCache> &caches = model->program().caches;
  std::fill(last.spans.begin(), last.spans.end(), 0);
  for (size_t c = 0; c < last.spanOf.size(); ++c) {
    auto [past, present] = last.spanOf[c];
    const Argument &input = model->entry().inputs[caches[c].input];
    const std::vector<int64_t> &shape = lastShapes[caches[c].input];
    int64_t bytes = checkedByteSize(static_cast<uint8_t>(input.dtype), shape.data(), shape.size());
    if (!lastCaches.copied)
      bytes = cacheBytes(caches[c], input.dtype, shape, bytes);
    last.spans[past] = std::max(last.spans[past], bytes);
    last.spans[present] = std::max(last.spans[present], last.outputs[caches[c].output].bytes);
  }
  for (const RepeatableRun::Size &size : last.sizes) {
    int64_t bytes = size.frame->binding->bytes[size.buffer];
    if (size.span >= 0 && bytes > 0)
      bytes = std::max(bytes, last.spans[size.span]);
    if ((bytes > 0) != (sizes[size.at] > 0))
      return false;
    sizes[size.at] = bytes;
  }
  return true;
}

Status Executor::repeatRun(std::span<const Tensor> inputs, std::span<Tensor> outputs, bool &done) {
  done = false;
  if (profiling || cancelled.load(std::memory_order_relaxed) || !session->canRepeat() ||
      !isInLastPlaces(inputs, outputs) || !bindLastPlan(inputs, outputs) || !moveInputs(inputs) ||
      !fitOutputs(outputs) || !isLastList())
    return {};
  done = true;
  const Function &entry = model->entry();
  for (size_t o = 0; o < outputs.size(); ++o) {
    Tensor &output = outputs[o];
    const Edge &edge = last.outputs[o];
    if (!output.data)
      if (Status status = allocateOnHost(entry.outputs[o].name, edge.bytes, output); !status.ok())
        return status;
    output.dtype = entry.outputs[o].dtype;
    output.shape.assign(edge.shape.begin(), edge.shape.end());
    if (edge.cache < 0 || lastCaches.capacity < 0)
      output.strides.clear();
  }
  last.plan->lastUse = ++runs;
  Status status = session->repeat(last.moved, last.seesCaller);
  if (status.ok())
    status = takeFault();
  for (size_t o = 0; o < outputs.size() && status.ok(); ++o)
    if (const Edge &edge = last.outputs[o]; !edge.onDevice && !edge.isEmpty)
      status = session->copyOut(outputs[o].data, edge.place, edge.bytes);
  return status.ok() ? session->end({}) : status;
}

} // namespace bessemer::runtime
