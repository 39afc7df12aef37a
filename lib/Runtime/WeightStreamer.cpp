// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Runtime/WeightStreamer.h"

#include "lib/Runtime/Weights.h"

#include <algorithm>

namespace bessemer::runtime {

WeightStreamer::~WeightStreamer() {
  if (!helper.joinable())
    return;
  {
    std::lock_guard<std::mutex> lock(mutex);
    stop = true;
  }
  wake.notify_all();
  helper.join();
}

int64_t WeightStreamer::residentBytes() const {
  int64_t sum = 0;
  for (const auto &[unit, block] : residents)
    sum += block.size();
  return sum;
}

/// The largest arena buffers of a plan, by name.
static std::string largestBuffers(const Plan &plan) {
  std::map<std::string, int64_t> sizes;
  for (const auto &frame : plan.frames)
    for (size_t b = 0; b < frame->function->source->buffers.size(); ++b) {
      const Buffer &buffer = frame->function->source->buffers[b];
      if (buffer.kind == BufferKind::Arena && !buffer.name.empty())
        sizes[buffer.name] = std::max(sizes[buffer.name], frame->binding->bytes[b]);
    }
  std::vector<std::pair<int64_t, std::string>> order;
  for (const auto &[name, bytes] : sizes)
    order.push_back({bytes, name});
  std::sort(order.rbegin(), order.rend());
  std::string text;
  for (size_t i = 0; i < std::min<size_t>(order.size(), 3); ++i)
    text += (i ? ", '" : "'") + order[i].second + "' " + std::to_string(order[i].first);
  return text;
}

std::string WeightStreamer::tooSmall(const Plan &plan, const StreamPlan &streams, int64_t workspaceBytes) const {
  std::string text = "expected a memory limit of at least " + std::to_string(streams.minimumBytes) +
                     " bytes for these shapes, got " + std::to_string(model.memoryLimit()) + ": the arena takes " +
                     std::to_string(plan.arenaBytes);
  if (std::string largest = largestBuffers(plan); !largest.empty())
    text += " (largest: " + largest + ")";
  text += ", workspaces " + std::to_string(workspaceBytes);
  if (model.weightBytes() > 0)
    text += ", small weights " + std::to_string(model.weightBytes());
  if (streams.largestUnit >= 0) {
    const WeightUnit &unit = model.weightStore().units()[plan.streamUnits[streams.largestUnit]];
    text += ", weights of one step up to " +
            std::to_string(streams.minimumBytes - plan.arenaBytes - model.weightBytes() - workspaceBytes) +
            " (largest: '" + model.program().weights[unit.members.front()].name + "' " + std::to_string(unit.bytes) +
            ")";
  }
  return text;
}

Status WeightStreamer::decide(Plan &plan, int64_t workspaceBytes) {
  if (plan.streams)
    return {};
  const std::vector<WeightUnit> &units = model.weightStore().units();
  StreamProblem problem;
  std::map<int32_t, int> numbers;
  plan.streamUnits.clear();
  for (size_t step = 0; step < plan.unitUses.size(); ++step)
    for (int32_t unit : plan.unitUses[step]) {
      auto [it, isNew] = numbers.try_emplace(unit, static_cast<int>(plan.streamUnits.size()));
      if (isNew) {
        plan.streamUnits.push_back(unit);
        problem.unitBytes.push_back(units[unit].bytes);
      }
      problem.uses.push_back({static_cast<int64_t>(step), it->second});
    }
  constexpr int64_t align = memoryAlignment;
  problem.fixedBytes = (plan.arenaBytes + align - 1) / align * align + model.weightBytes() + workspaceBytes;
  problem.limit = model.memoryLimit();
  auto streams = std::make_unique<StreamPlan>(planStreams(problem));
  if (!streams->fits)
    return Status::error(StatusCode::BadInput, tooSmall(plan, *streams, workspaceBytes));
  if (auto wrong = checkStreams(problem, *streams))
    return Status::error(StatusCode::Failed, "the plan of what is streamed is wrong: " + *wrong);
  plan.streams = std::move(streams);
  return {};
}

Status WeightStreamer::enter(Plan &next, void *memory) {
  plan = &next;
  area = static_cast<char *>(memory);
  issued = needed = 0;
  {
    std::lock_guard<std::mutex> lock(mutex);
    wanted = done = 0;
    failure = {};
  }
  const std::vector<WeightUnit> &units = model.weightStore().units();
  places.assign(model.program().weights.size(), nullptr);
  const StreamPlan &streams = *plan->streams;
  std::vector<char> stays(units.size(), 0);
  for (size_t u = 0; u < plan->streamUnits.size(); ++u)
    stays[plan->streamUnits[u]] = streams.resident[u];
  // First what goes, so that both never are in memory.
  std::erase_if(residents, [&](const auto &item) { return !stays[item.first]; });
  auto place = [&](int32_t unit, char *at) {
    for (size_t m = 0; m < units[unit].members.size(); ++m)
      places[units[unit].members[m]] = at + units[unit].offsets[m];
  };
  for (size_t u = 0; u < plan->streamUnits.size(); ++u) {
    int32_t unit = plan->streamUnits[u];
    if (!streams.resident[u])
      continue;
    MemoryBlock &block = residents[unit];
    if (!block.data()) {
      block = MemoryBlock::make(model.loadOptions().allocator, units[unit].bytes);
      Status status = block.data()
                          ? model.weightStore().produce(model, unit, block.data())
                          : Status::error(StatusCode::OutOfMemory,
                                          "no memory for a weight of " + std::to_string(units[unit].bytes) + " bytes");
      if (!status.ok()) {
        residents.erase(unit);
        return status;
      }
    }
    place(unit, static_cast<char *>(block.data()));
  }
  for (size_t k = 0; k < plan->weights.size(); ++k)
    if (places[plan->weights[k]])
      plan->setBase(plan->firstWeightBase() + static_cast<int32_t>(k), places[plan->weights[k]]);
  if (!streams.requests.empty() && !helper.joinable())
    helper = std::thread([this] { work(); });
  return {};
}

Status WeightStreamer::before(size_t step) {
  const std::vector<StreamRequest> &requests = plan->streams->requests;
  const std::vector<WeightUnit> &units = model.weightStore().units();
  size_t wantedNow = issued;
  while (wantedNow < requests.size() && requests[wantedNow].start <= static_cast<int64_t>(step))
    ++wantedNow;
  if (wantedNow > issued) {
    issued = wantedNow;
    {
      std::lock_guard<std::mutex> lock(mutex);
      wanted = issued;
    }
    wake.notify_one();
  }
  if (needed == requests.size() || requests[needed].first > static_cast<int64_t>(step))
    return {};
  size_t from = needed;
  while (needed < requests.size() && requests[needed].first <= static_cast<int64_t>(step))
    ++needed;
  {
    std::unique_lock<std::mutex> lock(mutex);
    ready.wait(lock, [&] { return done >= needed || !failure.ok(); });
    if (!failure.ok())
      return failure;
  }
  for (size_t r = from; r < needed; ++r) {
    const WeightUnit &unit = units[plan->streamUnits[requests[r].unit]];
    for (size_t m = 0; m < unit.members.size(); ++m)
      places[unit.members[m]] = area + requests[r].offset + unit.offsets[m];
    for (size_t k = 0; k < plan->weights.size(); ++k)
      if (std::find(unit.members.begin(), unit.members.end(), plan->weights[k]) != unit.members.end())
        plan->setBase(plan->firstWeightBase() + static_cast<int32_t>(k), places[plan->weights[k]]);
  }
  return {};
}

void WeightStreamer::leave() {
  std::unique_lock<std::mutex> lock(mutex);
  wanted = std::min(wanted, done); // what is not begun is not wanted any more
  ready.wait(lock, [&] { return !reading; });
}

void WeightStreamer::work() {
  std::unique_lock<std::mutex> lock(mutex);
  while (true) {
    wake.wait(lock, [&] { return stop || done < wanted; });
    if (stop)
      return;
    const StreamRequest &request = plan->streams->requests[done];
    int32_t unit = plan->streamUnits[request.unit];
    reading = true;
    lock.unlock();
    Status status;
    try {
      status = model.weightStore().produce(model, unit, area + request.offset);
    } catch (const std::bad_alloc &) {
      status = Status::error(StatusCode::OutOfMemory, "no memory to read a weight");
    }
    lock.lock();
    reading = false;
    if (status.ok())
      ++done;
    else
      failure = std::move(status), wanted = done;
    ready.notify_all();
  }
}

} // namespace bessemer::runtime
