// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A run from the caller's side: inputs are checked, symbols bound, the plan
// found, outputs placed.
#include "lib/Runtime/Executor.h"
#include "lib/Runtime/Guards.h"
#include "lib/Runtime/Weights.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace bessemer::runtime {

namespace {
std::string dimsText(const Dims &dims) {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); ++i)
    text += (i ? ", " : "") + dims[i].str();
  return text + "]";
}

Status badInput(const Argument &input, const std::string &text) {
  return Status::error(StatusCode::BadInput, "input '" + input.name + "': " + text);
}

bool overlap(const void *a, int64_t aBytes, const void *b, int64_t bBytes) {
  auto *x = static_cast<const char *>(a), *y = static_cast<const char *>(b);
  return aBytes > 0 && bBytes > 0 && x < y + bBytes && y < x + aBytes;
}

constexpr size_t maxPlans = 64;
} // namespace

Status Executor::bindShapes(std::span<const std::vector<int64_t>> shapes, const CacheUse &caches,
                            std::vector<int64_t> &symbols) {
  const PreparedFunction &entry = *model->prepared().functions.front();
  const Function &source = *entry.source;
  if (shapes.size() != source.inputs.size())
    return Status::error(StatusCode::InvalidArgument, "expected " + std::to_string(source.inputs.size()) +
                                                          " inputs, got " + std::to_string(shapes.size()));
  std::vector<uint8_t> &defined = bound;
  defined.assign(entry.symbols.size(), 0);
  boundBy.assign(entry.symbols.size(), nullptr);
  symbols.assign(entry.symbols.size(), 0);
  for (size_t i = 0; i < shapes.size(); ++i) {
    const Argument &input = source.inputs[i];
    auto mismatch = [&](const std::string &more) {
      return badInput(input, "expected shape " + dimsText(input.dims) + ", got " + shapeText(shapes[i]) + more);
    };
    if (shapes[i].size() != input.dims.size())
      return mismatch("");
    for (size_t d = 0; d < input.dims.size(); ++d) {
      int64_t got = shapes[i][d];
      if (got < 0)
        return mismatch("");
      if (auto constant = input.dims[d].isConstant()) {
        if (*constant != got)
          return mismatch("");
      } else if (auto name = input.dims[d].isSymbol()) {
        SymbolId id = entry.exprs[entry.inputDims[i][d]].symbols[0].second;
        if (defined[id] && symbols[id] != got)
          return mismatch(", where " + std::string(*name) + " = " + std::to_string(symbols[id]) + " by input '" +
                          boundBy[id]->name + "'");
        symbols[id] = got;
        defined[id] = 1;
        boundBy[id] = &input;
      }
    }
  }
  for (size_t i = 0; i < shapes.size(); ++i) {
    const Argument &input = source.inputs[i];
    for (size_t d = 0; d < input.dims.size(); ++d) {
      if (input.dims[d].isConstant() || input.dims[d].isSymbol())
        continue;
      auto value = evaluate(entry.exprs[entry.inputDims[i][d]], symbols, defined);
      if (!value || *value != shapes[i][d])
        return badInput(input, "expected shape " + dimsText(input.dims) + ", got " + shapeText(shapes[i]) + ", where " +
                                   input.dims[d].str() + " = " + (value ? std::to_string(*value) : "?"));
    }
  }
  if (Status status = bindCaches(caches, symbols, defined); !status.ok())
    return status;
  symbols.resize(entry.boundSymbols);
  return {};
}

Status Executor::checkGuards(const std::vector<int64_t> &symbols) {
  const PreparedFunction &entry = *model->prepared().functions.front();
  auto lookup = [&](std::string_view name) -> std::optional<int64_t> {
    auto it = entry.symbolIds.find(name);
    if (it == entry.symbolIds.end() || it->second >= entry.boundSymbols)
      return std::nullopt;
    return symbols[it->second];
  };
  for (const Guard &guard : model->program().entryGuards) {
    auto lhs = guard.lhs.evaluate(lookup), rhs = guard.rhs.evaluate(lookup);
    if (!lhs || !rhs || !guardHolds(guard, *lhs, *rhs))
      return Status::error(StatusCode::BadInput, guardText(guard, "", lhs, rhs));
  }
  return {};
}

Status Executor::prepareMemory(Plan &plan) {
  int64_t total = plan.arenaBytes, area = 0;
  bool limited = streamer != nullptr;
  if (limited) {
    if (Status status = streamer->decide(plan, workspaceTotal(plan.workspaceBytes)); !status.ok())
      return status;
    // What streams comes behind the arena. A block left from other shapes would count.
    constexpr int64_t align = memoryAlignment;
    area = (plan.arenaBytes + align - 1) / align * align;
    total = area + plan.streams->areaBytes;
  }
  if (arena.size() < total || !arena.data() || (limited && arenaTotal > total)) {
    if (session)
      session->unmap(arena.data());
    arena.reset();
    arenaTotal = total;
    arena = MemoryBlock::make(model->loadOptions().allocator, total);
    if (!arena.data())
      return Status::error(StatusCode::OutOfMemory, "no memory for an arena of " + std::to_string(total) + " bytes");
  }
  if (Status status = ensureWorkspace(plan.workspaceBytes); !status.ok())
    return status;
  if (session)
    if (Status status = session->map("arena", arena.data(), arena.size()); !status.ok())
      return status;
  if (limited)
    if (Status status = streamer->enter(plan, static_cast<char *>(arena.data()) + area); !status.ok())
      return status;
  plan.setBase(Plan::arenaBase, arena.data());
  return {};
}

/// The sizes that memory and grids are made for: a symbol that has been seen to vary counts as the next
/// power of two, within its bound, so that a run with another value of it can be the same plan and the same graph.
void Executor::roomFor(const std::vector<int64_t> &symbols, std::vector<int64_t> &room) {
  room = symbols;
  if (!session)
    return;
  const PreparedFunction &entry = *model->prepared().functions.front();
  varies.resize(symbols.size());
  for (size_t i = 0; i < symbols.size(); ++i) {
    varies[i] |= !lastSymbols.empty() && lastSymbols[i] != symbols[i];
    if (varies[i] && symbols[i] > 1 && symbols[i] < (int64_t{1} << 40))
      room[i] = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(symbols[i])));
  }
  for (const Guard &guard : model->program().entryGuards) {
    auto name = guard.lhs.isSymbol();
    auto bound = guard.rhs.isConstant();
    if (!name || !bound || guard.relation == "eq")
      continue;
    auto it = entry.symbolIds.find(*name);
    if (it != entry.symbolIds.end() && static_cast<size_t>(it->second) < room.size())
      room[it->second] = std::max(symbols[it->second], std::min(room[it->second], *bound));
  }
  lastSymbols = symbols;
}

bool Executor::rebind(Plan &plan, const std::vector<int64_t> &symbols) {
  if (plan.isFixed || !plan.binding->room)
    return false;
  if (!plan.rebinding)
    plan.rebinding = std::make_unique<Rebinding>(plan);
  plan.isFixed = !plan.rebinding->isPossible();
  if (plan.isFixed)
    return false;
  keyBefore = plan.key;
  Rebinding::Result result = plan.rebinding->bind(symbols);
  if (result == Rebinding::Result::Bound)
    return true;
  plan.isFixed = result == Rebinding::Result::DoesNotFit;
  (void)plan.rebinding->bind(keyBefore);
  return false;
}

/// A plan with this room, bound to the values; null: there is none.
Plan *Executor::rebound(const std::vector<int64_t> &symbols, const std::vector<int64_t> &room) {
  if (!session)
    return nullptr; // the room is the values
  for (auto &candidate : plans)
    if (candidate->room == room && rebind(*candidate, symbols))
      return candidate.get();
  return nullptr;
}

Status Executor::findPlan(std::span<const std::vector<int64_t>> shapes, const CacheUse &caches, Plan *&plan) {
  plan = nullptr;
  if (lastPlan && caches == lastCaches &&
      std::equal(shapes.begin(), shapes.end(), lastShapes.begin(), lastShapes.end())) {
    plan = lastPlan;
    return {};
  }
  if (Status status = bindShapes(shapes, caches, symbols); !status.ok())
    return status;
  roomFor(symbols, room);
  for (auto &candidate : plans)
    if (candidate->key == symbols && candidate->room == room)
      plan = candidate.get();
  if (!plan) {
    if (Status status = checkGuards(symbols); !status.ok())
      return status;
    // The values of a plan are those of its last run.
    lastPlan = nullptr;
    plan = rebound(symbols, room);
  }
  if (!plan) {
    std::unique_ptr<Plan> made;
    if (Status status = binder.makePlan(*model->prepared().functions.front(), symbols, room, made); !status.ok())
      return status;
    if (plans.size() >= maxPlans) {
      auto oldest = std::min_element(plans.begin(), plans.end(),
                                     [](const auto &a, const auto &b) { return a->lastUse < b->lastUse; });
      std::erase_if(repeatable, [&](const auto &run) { return run->plan == oldest->get(); });
      plans.erase(oldest);
    }
    ++plansMade;
    plan = made.get();
    plans.push_back(std::move(made));
  }
  lastPlan = plan;
  lastShapes.assign(shapes.begin(), shapes.end());
  lastCaches = caches;
  return {};
}

std::vector<int64_t> Executor::staticShape(const Plan &plan, const std::vector<ExprId> &dims) const {
  std::vector<int64_t> shape;
  for (ExprId dim : dims)
    shape.push_back(plan.binding->known[dim] ? plan.binding->values[dim] : -1);
  return shape;
}

Status Executor::outputShapes(std::span<const std::vector<int64_t>> inputs,
                              std::vector<std::vector<int64_t>> &outputs) {
  Plan *plan = nullptr;
  // Shapes do not depend on where caches are: the plan of the last run will do.
  Status status = findPlan(inputs, CacheUse(lastCaches), plan);
  if (!status.ok())
    status = findPlan(inputs, {}, plan);
  if (!status.ok())
    return status;
  outputs.clear();
  for (const auto &dims : plan->function->outputDims)
    outputs.push_back(staticShape(*plan, dims));
  return {};
}

Status Executor::arenaBytes(std::span<const std::vector<int64_t>> inputs, int64_t &bytes) {
  Plan *plan = nullptr;
  if (Status status = findPlan(inputs, {}, plan); !status.ok())
    return status;
  bytes = plan->arenaBytes;
  return {};
}

Status Executor::checkInputs(std::span<const Tensor> inputs) {
  const Function &source = model->entry();
  if (inputs.size() != source.inputs.size())
    return Status::error(StatusCode::InvalidArgument, "expected " + std::to_string(source.inputs.size()) +
                                                          " inputs, got " + std::to_string(inputs.size()));
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Argument &input = source.inputs[i];
    if (inputs[i].dtype != input.dtype)
      return badInput(input,
                      "expected " + std::string(name(input.dtype)) + ", got " + std::string(name(inputs[i].dtype)));
    if (!inputs[i].strides.empty() && inputs[i].strides.size() != inputs[i].shape.size())
      return badInput(input, "expected " + std::to_string(inputs[i].shape.size()) + " strides, got " +
                                 std::to_string(inputs[i].strides.size()));
    if (!inputs[i].strides.empty() && (isPacked(input.dtype) || bitWidth(input.dtype) == 0))
      return badInput(input, "expected no strides for " + std::string(name(input.dtype)));
    int64_t bytes =
        checkedByteSize(static_cast<uint8_t>(inputs[i].dtype), inputs[i].shape.data(), inputs[i].shape.size());
    if (bytes != 0 && !inputs[i].data)
      return badInput(input, "expected data, got a null pointer");
  }
  return {};
}

static bool isContiguous(const Tensor &tensor) {
  int64_t expected = 1;
  for (size_t d = tensor.strides.size(); d-- > 0;) {
    if (tensor.shape[d] == 0)
      return true;
    if (tensor.shape[d] != 1 && tensor.strides[d] != expected)
      return false;
    expected *= tensor.shape[d];
  }
  return true;
}

int64_t spannedBytes(const Tensor &tensor) {
  int64_t bytes = checkedByteSize(static_cast<uint8_t>(tensor.dtype), tensor.shape.data(), tensor.shape.size());
  if (tensor.strides.size() != tensor.shape.size() || bytes <= 0)
    return bytes;
  int64_t last = 0;
  for (size_t d = 0; d < tensor.shape.size(); ++d)
    last += (tensor.shape[d] - 1) * tensor.strides[d];
  return (last + 1) * (bitWidth(tensor.dtype) / 8);
}

static void gather(char *&out, const char *in, const Tensor &tensor, size_t dim, int64_t element) {
  if (dim == tensor.shape.size()) {
    std::memcpy(out, in, static_cast<size_t>(element));
    out += element;
    return;
  }
  for (int64_t i = 0; i < tensor.shape[dim]; ++i)
    gather(out, in + i * tensor.strides[dim] * element, tensor, dim + 1, element);
}

Status Executor::packInputs(std::span<const Tensor> inputs, std::span<const Tensor> outputs,
                            std::vector<void *> &pointers) {
  packed.resize(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Tensor &tensor = inputs[i];
    int64_t bytes = checkedByteSize(static_cast<uint8_t>(tensor.dtype), tensor.shape.data(), tensor.shape.size());
    const AppendedCache *cache = cacheOfInput(i);
    const Tensor *target = cache ? &outputs[cache->output] : nullptr;
    // A cache that stays where it is, or that is copied to where it is, but further apart.
    bool stays = cache && !lastCaches.copied;
    bool moves = cache && !stays && !target->strides.empty() &&
                 overlap(tensor.data, spannedBytes(tensor), target->data, spannedBytes(*target));
    if (stays || (isContiguous(tensor) && !moves)) {
      pointers[i] = tensor.data;
      continue;
    }
    if (tensor.onDevice)
      return badInput(model->entry().inputs[i], "expected a contiguous tensor on the device, got strides");
    if (packed[i].size() < bytes)
      packed[i] = MemoryBlock::make(model->loadOptions().allocator, bytes);
    if (!packed[i].data())
      return Status::error(StatusCode::OutOfMemory,
                           "no memory for a contiguous copy of input '" + model->entry().inputs[i].name + "'");
    auto *out = static_cast<char *>(packed[i].data());
    if (tensor.strides.empty())
      std::memcpy(out, tensor.data, static_cast<size_t>(bytes));
    else
      gather(out, static_cast<const char *>(tensor.data), tensor, 0, bitWidth(tensor.dtype) / 8);
    pointers[i] = packed[i].data();
  }
  return {};
}

Status Executor::allocateOnHost(std::string_view name, int64_t bytes, Tensor &tensor) const {
  auto block = std::make_shared<MemoryBlock>(MemoryBlock::make(model->loadOptions().allocator, bytes));
  if (!block->data())
    return Status::error(StatusCode::OutOfMemory,
                         "output '" + std::string(name) + "': no memory for " + std::to_string(bytes) + " bytes");
  tensor.data = block->data();
  tensor.capacity = block->size();
  tensor.owned = std::shared_ptr<void>(block, block->data());
  return {};
}

Status Executor::placeOutputs(Plan &plan, std::span<Tensor> outputs, std::span<void *const> inputs) {
  const Function &source = model->entry();
  if (outputs.size() != source.outputs.size())
    return Status::error(StatusCode::InvalidArgument, "expected " + std::to_string(source.outputs.size()) +
                                                          " outputs, got " + std::to_string(outputs.size()));
  detours.clear();
  for (size_t o = 0; o < outputs.size(); ++o) {
    const Argument &argument = source.outputs[o];
    Tensor &output = outputs[o];
    std::string prefix = "output '" + argument.name + "': ";
    if (output.dtype != DType::Undefined && output.dtype != argument.dtype)
      return Status::error(StatusCode::BadInput, prefix + "expected " + std::string(name(argument.dtype)) + ", got " +
                                                     std::string(name(output.dtype)));
    const AppendedCache *cache = cacheOfOutput(o);
    if (!output.strides.empty() && !cache && !isContiguous(output))
      return Status::error(StatusCode::Unsupported, prefix + "expected contiguous memory");
    output.dtype = argument.dtype;
    if (!cache || lastCaches.capacity < 0)
      output.strides.clear();
    if (plan.function->dynamicOutput[o])
      continue; // when its shape is known, see finishOutputs
    std::vector<int64_t> shape = staticShape(plan, plan.function->outputDims[o]);
    int64_t bytes = plan.outputBytes[o];
    if (bytes < 0)
      return Status::error(StatusCode::Failed,
                           prefix + "expected a tensor of less than 2^63 bytes, got shape " + shapeText(shape));
    if (!output.strides.empty()) {
      Tensor whole{argument.dtype, shape, nullptr, output.strides};
      bytes = spannedBytes(whole);
    }
    if (!output.data && output.onDevice) {
      if (Status status = allocateOnDevice(argument.name, std::max<int64_t>(bytes, 1), output); !status.ok())
        return status;
      if (Status status = addRegion(reinterpret_cast<DeviceAddress>(output.data), output.capacity); !status.ok())
        return status;
      output.data = regions.back().block.data();
    } else if (!output.data) {
      if (Status status = allocateOnHost(argument.name, bytes, output); !status.ok())
        return status;
    } else if (output.capacity < 0 ? output.shape != shape : output.capacity < bytes) {
      return Status::error(
          StatusCode::BadInput,
          prefix + "expected room for " + shapeText(shape) + ", got " +
              (output.capacity < 0 ? shapeText(output.shape) : std::to_string(output.capacity) + " bytes"));
    }
    output.shape = std::move(shape);
    void *target = output.data;
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (cache && !lastCaches.copied && static_cast<size_t>(cache->input) == i)
        continue; // it is appended to
      int64_t inputBytes =
          checkedByteSize(static_cast<uint8_t>(source.inputs[i].dtype), lastShapes[i].data(), lastShapes[i].size());
      if (!output.strides.empty() && overlap(output.data, bytes, inputs[i], inputBytes))
        return Status::error(StatusCode::Unsupported,
                             prefix + "expected memory that no other input lies in, got some of input '" +
                                 source.inputs[i].name + "'");
      if (!overlap(output.data, bytes, inputs[i], inputBytes) ||
          plan.function->lastInputUse[i] < plan.function->firstOutputUse[o] || target != output.data)
        continue;
      detours.push_back({o, pool.take(bytes)});
      target = detours.back().block.data();
      if (!target)
        return Status::error(StatusCode::OutOfMemory, prefix + "no memory for " + std::to_string(bytes) + " bytes");
    }
    plan.setBase(plan.firstOutputBase() + static_cast<int32_t>(o), target);
  }
  return {};
}

Status Executor::finishOutputs(Plan &plan, std::span<Tensor> outputs) {
  for (Detour &detour : detours) {
    Tensor &output = outputs[detour.output];
    int64_t bytes = plan.outputBytes[detour.output];
    std::memcpy(output.data, detour.block.data(), static_cast<size_t>(bytes));
    if (output.onDevice)
      if (Status status = session->write(deviceAddressOf(output.data), output.data, bytes); !status.ok())
        return status;
    pool.give(std::move(detour.block));
  }
  detours.clear();
  Frame &frame = *plan.frames.front();
  for (size_t o = 0; o < outputs.size(); ++o) {
    if (!plan.function->dynamicOutput[o])
      continue;
    Tensor &output = outputs[o];
    BufferId buffer = plan.function->outputBuffers[o];
    Place place;
    if (Status status = locate(plan, frame, buffer, place); !status.ok())
      return status;
    if (Status status = toHost(place.data, place.bytes); !status.ok())
      return status;
    if (!output.data) {
      auto block = std::make_shared<MemoryBlock>(std::move(frame.storage[buffer].block));
      output.data = block->data();
      output.capacity = block->size();
      output.owned = std::shared_ptr<void>(block, block->data());
      if (session)
        session->unmap(block->data());
    } else if (output.capacity < 0 ? output.shape != place.shape : output.capacity < place.bytes) {
      return Status::error(StatusCode::BadInput, "output '" + model->entry().outputs[o].name + "': expected room for " +
                                                     shapeText(place.shape));
    } else {
      std::memcpy(output.data, place.data, static_cast<size_t>(place.bytes));
    }
    output.shape = std::move(place.shape);
  }
  return {};
}

Status Executor::run(std::span<const Tensor> inputs, std::span<Tensor> outputs) {
  bool done = false;
  if (!repeatable.empty())
    if (Status status = repeatRun(inputs, outputs, done); !status.ok() || done)
      return status;
  auto onDevice = [](const Tensor &tensor) { return tensor.onDevice; };
  if (std::any_of(inputs.begin(), inputs.end(), onDevice) || std::any_of(outputs.begin(), outputs.end(), onDevice))
    return runOnDeviceTensors(inputs, outputs);
  return runAtHostAddresses(inputs, outputs);
}

Status Executor::runAtHostAddresses(std::span<const Tensor> inputs, std::span<Tensor> outputs) {
  if (Status status = checkInputs(inputs); !status.ok())
    return status;
  Plan *plan = nullptr;
  CacheUse caches;
  if (Status status = findCaches(inputs, outputs, caches); !status.ok())
    return status;
  bool same = lastPlan && caches == lastCaches && lastShapes.size() == inputs.size();
  for (size_t i = 0; same && i < inputs.size(); ++i)
    same = inputs[i].shape == lastShapes[i];
  if (same) {
    plan = lastPlan;
  } else {
    std::vector<std::vector<int64_t>> shapes;
    for (const Tensor &input : inputs)
      shapes.push_back(input.shape);
    if (Status status = findPlan(shapes, caches, plan); !status.ok())
      return status;
  }
  plan->lastUse = ++runs;
  pool.begin();
  if (Status status = prepareMemory(*plan); !status.ok())
    return status;
  std::vector<void *> pointers(inputs.size());
  if (Status status = packInputs(inputs, outputs, pointers); !status.ok())
    return status;
  std::vector<std::vector<int64_t>> outputStrides; // as they are given
  if (session)
    for (const Tensor &output : outputs)
      outputStrides.push_back(output.strides);
  if (Status status = placeOutputs(*plan, outputs, pointers); !status.ok())
    return status;
  for (size_t i = 0; i < inputs.size(); ++i)
    plan->setBase(Plan::firstInputBase + static_cast<int32_t>(i), pointers[i]);

  Status status = beginOnDevice(*plan, pointers);
  if (status.ok()) {
    ThreadPool::Region current(model->threadPool());
    region = &current;
    bool streams = plan->streams && !plan->streams->requests.empty();
    status = streams ? executeStreamed(*plan) : execute(*plan, plan->steps);
    region = nullptr;
  }
  if (streamer) {
    streamer->leave();
    if (plan->streams && !plan->streams->requests.empty())
      model->weightStore().forgetMapped(model->program());
  }
  status = endOnDevice(*plan, status);
  if (status.ok() && onePass > 0 && session->listed().lastList())
    noteRun(*plan, inputs, outputs, pointers, outputStrides);
  if (status.ok())
    status = finishOutputs(*plan, outputs);
  releaseStorage(*plan);
  if (status.code == StatusCode::Cancelled)
    cancelled.store(false);
  return status;
}

} // namespace bessemer::runtime
