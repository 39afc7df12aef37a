// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs once more, see RepeatableRun.h.
#include "lib/Runtime/Executor.h"

#include <algorithm>

namespace bessemer::runtime {

using Edge = RepeatableRun::Edge;

// ---- what a run leaves ---------------------------------------------------------------

/// Sequences that take turns, each with a list or two.
static constexpr size_t mostRuns = 8;

void Executor::noteRun(Plan &plan, std::span<const Tensor> inputs, std::span<const Tensor> outputs,
                       std::span<void *const> pointers, std::span<const std::vector<int64_t>> outputStrides) {
  std::unique_ptr<RepeatableRun> run = std::make_unique<RepeatableRun>();
  if (!noteSteps(*run, plan) || !noteEdges(*run, plan, inputs, outputs, pointers, outputStrides))
    return;
  noteSizes(*run, plan, pointers);
  run->plan = &plan;
  run->key = plan.key;
  run->caches = lastCaches;
  run->list = session->listed().lastList();
  run->version = session->version();
  run->lastUse = runs;
  run->words = session->listed().lastListWords();
  run->sizes = session->listed().lastListSizes();
  run->faultSteps = session->lastFaults();
  std::erase_if(repeatable, [&](const auto &other) { return other->list == run->list; });
  if (repeatable.size() >= mostRuns)
    repeatable.erase(std::min_element(repeatable.begin(), repeatable.end(),
                                      [](const auto &a, const auto &b) { return a->lastUse < b->lastUse; }));
  repeatable.push_back(std::move(run));
}

/// False: the list is not all that the run does.
bool Executor::noteSteps(RepeatableRun &run, Plan &plan) const {
  size_t listed = 0;
  for (const Step &step : plan.steps) {
    InstructionKind kind = step.instruction->kind;
    if (step.dynamic || (kind != InstructionKind::Launch && kind != InstructionKind::Copy))
      return false;
    if (kind == InstructionKind::Copy) {
      listed += step.tasks > 0 && plan.slots[step.firstSlot] != plan.slots[step.firstSlot + 1];
      run.same.push_back({&step, step.tasks});
      continue;
    }
    const auto &op = std::get<Launch>(step.instruction->source->op);
    listed += step.tasks > 0;
    if (step.tasks <= 0 || op.symbols.empty())
      run.same.push_back({&step, step.tasks});
    else
      run.launches.push_back(&step);
    run.hasVaryingMaps |= hasVaryingMap(model->program().kernels[op.kernel]);
  }
  return listed == onePass;
}

bool Executor::noteEdges(RepeatableRun &run, Plan &plan, std::span<const Tensor> inputs,
                         std::span<const Tensor> outputs, std::span<void *const> pointers,
                         std::span<const std::vector<int64_t>> outputStrides) {
  std::vector<DeviceSession::Edge> all = edgesOf(plan, pointers);
  run.inputs.assign(inputs.size(), {});
  run.outputs.assign(outputs.size(), {});
  for (size_t e = 0; e < all.size(); ++e) {
    bool isInput = e < inputs.size();
    size_t number = isInput ? e : e - inputs.size();
    Edge &edge = isInput ? run.inputs[number] : run.outputs[number];
    const AppendedCache *cache = isInput ? cacheOfInput(number) : cacheOfOutput(number);
    edge.cache = cache ? static_cast<int32_t>(cache - model->program().caches.data()) : -1;
    edge.onDevice = isInput ? inputs[number].onDevice : outputs[number].onDevice;
    edge.strides = isInput ? inputs[number].strides : outputStrides[number];
    edge.isEmpty = all[e].bytes <= 0;
    run.seesCaller |= edge.onDevice;
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
    Edge &own = e < inputs.size() ? run.inputs[e] : run.outputs[e - inputs.size()];
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

void Executor::noteSizes(RepeatableRun &run, Plan &plan, std::span<void *const> pointers) const {
  std::map<const void *, int32_t> groups; // of caches, by where they lie
  if (lastCaches.capacity >= 0)
    for (const AppendedCache &cache : model->program().caches) {
      const void *past = pointers[cache.input], *present = plan.bases[plan.firstOutputBase() + cache.output];
      int32_t first = groups.try_emplace(past, static_cast<int32_t>(groups.size())).first->second;
      int32_t second = groups.try_emplace(present, static_cast<int32_t>(groups.size())).first->second;
      run.spanOf.emplace_back(first, second);
    }
  run.spans.assign(groups.size(), 0);
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
        run.varying.push_back({at, step.frame, op->buffers[i], group == groups.end() ? -1 : group->second});
    }
  }
}

// ---- the run once more ---------------------------------------------------------------

bool Executor::isInPlaces(const RepeatableRun &run, std::span<const Tensor> inputs,
                          std::span<const Tensor> outputs) const {
  auto isSame = [](const Edge &edge, const Tensor &tensor) {
    if (edge.onDevice != tensor.onDevice || edge.strides.size() != tensor.strides.size())
      return false;
    if (!edge.address)
      return tensor.strides.empty();
    if (!tensor.data) // it will be made
      return edge.strides.empty();
    return tensor.data == reinterpret_cast<void *>(edge.address) && tensor.strides == edge.strides;
  };
  const Function &entry = model->entry();
  if (inputs.size() != run.inputs.size() || outputs.size() != run.outputs.size())
    return false;
  for (size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i].dtype != entry.inputs[i].dtype || (!inputs[i].data && !run.inputs[i].isEmpty) ||
        !isSame(run.inputs[i], inputs[i]))
      return false;
  for (size_t o = 0; o < outputs.size(); ++o)
    if ((outputs[o].dtype != DType::Undefined && outputs[o].dtype != entry.outputs[o].dtype) ||
        !isSame(run.outputs[o], outputs[o]))
      return false;
  return true;
}

/// The plan for the shapes; false: another one, or none.
bool Executor::bindPlan(RepeatableRun &run, std::span<const Tensor> inputs, std::span<const Tensor> outputs) {
  bool isSame = lastPlan == run.plan && lastCaches == run.caches && lastShapes.size() == inputs.size();
  for (size_t i = 0; isSame && i < inputs.size(); ++i)
    isSame = inputs[i].shape == lastShapes[i];
  if (isSame)
    return true;
  CacheUse use;
  if (!findCaches(inputs, outputs, use).ok() || use != run.caches)
    return false;
  shapes.resize(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i)
    shapes[i].assign(inputs[i].shape.begin(), inputs[i].shape.end());
  if (!bindShapes(shapes, use, symbols).ok())
    return false;
  roomFor(symbols, room);
  if (run.plan->room != room || !checkGuards(symbols).ok())
    return false;
  lastPlan = nullptr;
  if (run.plan->key != symbols && !rebind(*run.plan, symbols))
    return false;
  lastPlan = run.plan;
  lastShapes.swap(shapes);
  lastCaches = use;
  return true;
}

/// Sizes of inputs, and which must go to places of ours.
bool Executor::moveInputs(RepeatableRun &run, std::span<const Tensor> inputs) const {
  run.moved.clear();
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Tensor &tensor = inputs[i];
    const Edge &edge = run.inputs[i];
    int64_t bytes = checkedByteSize(static_cast<uint8_t>(tensor.dtype), tensor.shape.data(), tensor.shape.size());
    if (edge.cache >= 0 && !lastCaches.copied)
      bytes = cacheBytes(model->program().caches[edge.cache], tensor.dtype, tensor.shape, bytes);
    if (edge.isEmpty != (bytes <= 0) || bytes > edge.room)
      return false;
    if (edge.address || edge.isEmpty || run.plan->function->lastInputUse[i] < 0)
      continue;
    DeviceAddress from = edge.onDevice ? reinterpret_cast<DeviceAddress>(tensor.data) : 0;
    run.moved.push_back({edge.place, tensor.data, from, bytes});
  }
  return true;
}

bool Executor::fitOutputs(RepeatableRun &run, std::span<const Tensor> outputs) const {
  const Binding &binding = *run.plan->binding;
  for (size_t o = 0; o < outputs.size(); ++o) {
    const Tensor &tensor = outputs[o];
    Edge &edge = run.outputs[o];
    const std::vector<ExprId> &dims = run.plan->function->outputDims[o];
    edge.shape.resize(dims.size());
    for (size_t d = 0; d < dims.size(); ++d)
      edge.shape[d] = binding.values[dims[d]];
    edge.bytes = run.plan->outputBytes[o];
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
bool Executor::isList(RepeatableRun &run) const {
  if (run.hasVaryingMaps && run.plan->key != run.key)
    return false;
  for (const RepeatableRun::Listed &listed : run.same)
    if (listed.step->tasks != listed.tasks)
      return false;
  size_t word = 0;
  for (const Step *step : run.launches) {
    if (step->tasks <= 0)
      return false;
    size_t count = step->instruction->exprs.size();
    run.words[word++] = step->tasks;
    std::copy_n(run.plan->integers.begin() + step->firstInteger, count,
                run.words.begin() + static_cast<ptrdiff_t>(word));
    word += count;
  }
  const std::vector<AppendedCache> &caches = model->program().caches;
  std::fill(run.spans.begin(), run.spans.end(), 0);
  for (size_t c = 0; c < run.spanOf.size(); ++c) {
    auto [past, present] = run.spanOf[c];
    const Argument &input = model->entry().inputs[caches[c].input];
    const std::vector<int64_t> &shape = lastShapes[caches[c].input];
    int64_t bytes = checkedByteSize(static_cast<uint8_t>(input.dtype), shape.data(), shape.size());
    if (!lastCaches.copied)
      bytes = cacheBytes(caches[c], input.dtype, shape, bytes);
    run.spans[past] = std::max(run.spans[past], bytes);
    run.spans[present] = std::max(run.spans[present], run.outputs[caches[c].output].bytes);
  }
  for (const RepeatableRun::Size &size : run.varying) {
    int64_t bytes = size.frame->binding->bytes[size.buffer];
    if (size.span >= 0 && bytes > 0)
      bytes = std::max(bytes, run.spans[size.span]);
    if ((bytes > 0) != (run.sizes[size.at] > 0))
      return false;
    run.sizes[size.at] = bytes;
  }
  return true;
}

/// Memory for outputs that the caller has none for; `inPlace` false: not where the list writes them.
Status Executor::makeOutputs(const RepeatableRun &run, std::span<Tensor> outputs, bool &inPlace) {
  inPlace = true;
  const Function &entry = model->entry();
  std::vector<std::pair<size_t, Tensor>> made;
  for (size_t o = 0; o < outputs.size(); ++o) {
    const Edge &edge = run.outputs[o];
    if (outputs[o].data)
      continue;
    Tensor &own = made.emplace_back(o, Tensor()).second;
    Status status = edge.onDevice ? allocateOnDevice(entry.outputs[o].name, std::max<int64_t>(edge.bytes, 1), own)
                                  : allocateOnHost(entry.outputs[o].name, edge.bytes, own);
    if (!status.ok())
      return status;
    inPlace &= !edge.onDevice || own.data == reinterpret_cast<void *>(edge.address);
  }
  for (auto &[o, own] : made)
    if (inPlace) {
      outputs[o].data = own.data;
      outputs[o].capacity = own.capacity;
      outputs[o].owned = std::move(own.owned);
    }
  return {};
}

Status Executor::repeatRun(RepeatableRun &run, std::span<const Tensor> inputs, std::span<Tensor> outputs, bool &done) {
  if (run.version != session->version() || !session->listed().canRepeat(run.list) ||
      !isInPlaces(run, inputs, outputs) || !bindPlan(run, inputs, outputs) || !moveInputs(run, inputs) ||
      !fitOutputs(run, outputs) || !isList(run))
    return {};
  if (Status status = makeOutputs(run, outputs, done); !status.ok() || !done)
    return status;
  const Function &entry = model->entry();
  for (size_t o = 0; o < outputs.size(); ++o) {
    Tensor &output = outputs[o];
    output.dtype = entry.outputs[o].dtype;
    output.shape.assign(run.outputs[o].shape.begin(), run.outputs[o].shape.end());
    if (run.outputs[o].cache < 0 || lastCaches.capacity < 0)
      output.strides.clear();
  }
  run.lastUse = run.plan->lastUse = ++runs;
  ++runsRepeated;
  Status status = session->repeat(run.list, run.words, run.sizes, run.faultSteps, run.moved, run.seesCaller);
  if (status.ok())
    status = takeFault();
  for (size_t o = 0; o < outputs.size() && status.ok(); ++o)
    if (const Edge &edge = run.outputs[o]; !edge.onDevice && !edge.isEmpty)
      status = session->copyOut(outputs[o].data, edge.place, edge.bytes);
  return status.ok() ? session->end({}) : status;
}

Status Executor::repeatRun(std::span<const Tensor> inputs, std::span<Tensor> outputs, bool &done) {
  done = false;
  if (profiling || cancelled.load(std::memory_order_relaxed))
    return {};
  for (size_t r = repeatable.size(); r-- > 0;)
    if (Status status = repeatRun(*repeatable[r], inputs, outputs, done); !status.ok() || done)
      return status;
  return {};
}

} // namespace bessemer::runtime
