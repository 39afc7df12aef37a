// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Runtime/DeviceQueue.h"

#include "bessemer/Runtime/Program.h"

#include <algorithm>
#include <utility>

namespace bessemer::runtime {

namespace {
/// A loop of a program may launch without end: its list goes out in pieces.
constexpr size_t mostWork = 4096;
/// Graphs and lists that one executor keeps: a few sizes of each symbol.
constexpr size_t mostLists = 16;
} // namespace

void DeviceQueue::close() {
  if (stream)
    (void)stream->wait();
  known.clear();
  lastNumber = 0;
  events.clear();
  stream.reset();
  if (wordsAddress)
    device.release(wordsAddress);
  wordsAddress = 0;
}

Status DeviceQueue::launch(const DeviceLaunch &launch, int64_t points) {
  if (list.size() >= mostWork)
    if (Status status = flush(); !status.ok())
      return status;
  Work work;
  work.launch = launch;
  work.firstBuffer = buffers.size();
  work.buffers = launch.buffers.size();
  buffers.insert(buffers.end(), launch.buffers.begin(), launch.buffers.end());
  work.firstWord = words.size();
  work.symbols = launch.symbols.size();
  if (work.symbols > 0) {
    words.push_back(points);
    words.insert(words.end(), launch.symbols.begin(), launch.symbols.end());
  }
  list.push_back(work);
  return {};
}

Status DeviceQueue::copy(DeviceAddress to, DeviceAddress from, int64_t bytes) {
  if (list.size() >= mostWork)
    if (Status status = flush(); !status.ok())
      return status;
  Work work;
  work.to = to;
  work.from = from;
  work.bytes = bytes;
  list.push_back(work);
  return {};
}

Status DeviceQueue::copyIn(DeviceAddress to, const void *from, int64_t bytes, bool ahead) {
  if (!ahead)
    if (Status status = flush(); !status.ok())
      return status;
  asked += !ahead;
  ++counts.copiesIn;
  return stream->copyIn(to, from, bytes);
}

Status DeviceQueue::copyOut(void *to, DeviceAddress from, int64_t bytes) {
  if (Status status = flush(); !status.ok())
    return status;
  ++asked;
  ++counts.copiesOut;
  return stream->copyOut(to, from, bytes);
}

Status DeviceQueue::fill(DeviceAddress to, uint8_t value, int64_t bytes, bool ahead) {
  if (!ahead)
    if (Status status = flush(); !status.ok())
      return status;
  asked += !ahead;
  return stream->fill(to, value, bytes);
}

Status DeviceQueue::wait() {
  if (Status status = flush(); !status.ok())
    return status;
  return stream->wait();
}

void DeviceQueue::drop() {
  list.clear();
  buffers.clear();
  words.clear();
}

DeviceLaunch DeviceQueue::launchOf(const Work &work) const {
  DeviceLaunch launch = work.launch;
  launch.buffers = std::span(buffers).subspan(work.firstBuffer, work.buffers);
  launch.symbols =
      work.symbols ? std::span(words).subspan(work.firstWord + 1, work.symbols) : std::span<const int64_t>();
  return launch;
}

/// Gives each launch its part of the words, and writes them where they are not yet there.
Status DeviceQueue::placeWords() {
  if (words.empty())
    return {};
  if (words.size() > wordsCapacity) {
    if (wordsAddress) {
      if (Status status = stream->wait(); !status.ok())
        return status;
      device.release(wordsAddress);
      wordsAddress = 0;
    }
    ++wordsMoved;
    wordsCapacity = std::max<size_t>(words.size(), 512);
    if (Status status = device.allocate("symbols", static_cast<int64_t>(8 * wordsCapacity), wordsAddress);
        !status.ok()) {
      wordsCapacity = 0;
      return status;
    }
    written.clear();
  }
  for (Work &work : list)
    if (work.bytes == 0 && work.symbols > 0)
      work.launch.words = {wordsAddress + 8 * work.firstWord, static_cast<int64_t>(8 * (1 + work.symbols)), false,
                           "symbols"};
  return writeWords(words);
}

Status DeviceQueue::writeWords(const std::vector<int64_t> &values) {
  if (written.size() >= values.size() && std::equal(values.begin(), values.end(), written.begin()))
    return {};
  written = values;
  ++counts.symbolCopies;
  return stream->copyIn(wordsAddress, values.data(), static_cast<int64_t>(8 * values.size()));
}

bool hasVaryingMap(const Kernel &kernel) {
  return std::any_of(kernel.tensorMaps.begin(), kernel.tensorMaps.end(), [](const TensorMapPlan &plan) {
    return std::any_of(plan.dims.begin(), plan.dims.end(), [](const SymbolicExpr &dim) { return !dim.isConstant(); });
  });
}

/// All that the device is told.
Status DeviceQueue::makeKey() {
  key.clear();
  for (const Work &work : list) {
    if (work.bytes > 0) {
      key.insert(key.end(), {~uint64_t{0}, work.to, work.from, static_cast<uint64_t>(work.bytes)});
      continue;
    }
    DeviceLaunch launch = launchOf(work);
    const Kernel &kernel = kernels[launch.kernel];
    key.push_back(static_cast<uint64_t>(launch.kernel));
    key.push_back(static_cast<uint64_t>(launch.blocks));
    addDeviceParameters(launch, kernel, key);
    if (!hasVaryingMap(kernel))
      continue;
    std::vector<TensorMap> maps;
    if (Status status = makeTensorMaps(launch, kernel, maps); !status.ok())
      return status;
    for (const TensorMap &map : maps) { // box and swizzle are the kernel's
      key.push_back(map.address);
      key.insert(key.end(), map.sizes.begin(), map.sizes.end());
      key.insert(key.end(), map.strides.begin(), map.strides.end());
    }
  }
  return {};
}

Status DeviceQueue::issue() {
  for (const Work &work : list) {
    Status status = work.bytes > 0 ? stream->copy(work.to, work.from, work.bytes) : stream->launch(launchOf(work));
    if (!status.ok())
      return status;
  }
  return {};
}

Status DeviceQueue::record(KnownList &entry) {
  if (Status status = stream->beginRecording(); !status.ok())
    return status;
  Status issued = issue();
  Status ended = stream->endRecording(entry.graph);
  if (!issued.ok() || !ended.ok())
    entry.graph.reset();
  return issued.ok() ? ended : issued;
}

template <typename Ask> Status DeviceQueue::timed(const Ask &ask) {
  if (!isTiming)
    return ask();
  if (Status status = stream->occupy(); !status.ok())
    return status;
  for (bool isEnd : {false, true}) {
    if (events.size() == eventsUsed)
      events.emplace_back();
    if (Status status = stream->recordEvent(events[eventsUsed++]); !status.ok())
      return status;
    if (Status status = isEnd ? Status() : ask(); !status.ok())
      return status;
  }
  return {};
}

bool DeviceQueue::canRepeat(uint64_t number) const {
  return std::any_of(known.begin(), known.end(),
                     [&](const KnownList &entry) { return entry.number == number && entry.graph; });
}

Status DeviceQueue::repeat(uint64_t number, const std::vector<int64_t> &words, std::span<const int64_t> sizes) {
  auto entry = std::find_if(known.begin(), known.end(), [&](const KnownList &entry) { return entry.number == number; });
  entry->lastUse = ++flushes;
  ++asked;
  ++counts.replays;
  if (Status status = writeWords(words); !status.ok())
    return status;
  return timed([&] { return stream->replay(*entry->graph, sizes); });
}

Status DeviceQueue::flush() {
  if (list.empty())
    return {};
  ++asked;
  struct Done {
    DeviceQueue &queue;
    ~Done() { queue.drop(); }
  } done{*this};
  if (Status status = placeWords(); !status.ok())
    return status;
  return timed([&] { return send(); });
}

Status DeviceQueue::endTiming(double &seconds) {
  isTiming = false;
  seconds = 0;
  size_t used = std::exchange(eventsUsed, 0);
  for (size_t i = 0; i + 1 < used; i += 2) {
    double list = 0;
    if (Status status = stream->secondsBetween(*events[i], *events[i + 1], list); !status.ok())
      return status;
    seconds += list;
  }
  return {};
}

/// The list as it is, as a recording, or as the replay of one.
Status DeviceQueue::send() {
  auto issueAll = [&] {
    counts.launches += static_cast<int64_t>(list.size());
    return issue();
  };
  // One launch is as cheap as one replay.
  key.clear();
  lastNumber = 0;
  if (!canRecord || list.size() < 2)
    return issueAll();
  if (Status status = makeKey(); !status.ok())
    return status;
  auto entry = std::find_if(known.begin(), known.end(), [&](const KnownList &other) { return other.key == key; });
  if (entry == known.end()) {
    if (known.size() >= mostLists)
      known.erase(std::min_element(known.begin(), known.end(),
                                   [](const KnownList &a, const KnownList &b) { return a.lastUse < b.lastUse; }));
    known.push_back({key, nullptr, ++flushes, ++numbers});
    return issueAll();
  }
  entry->lastUse = ++flushes;
  if (!entry->graph) {
    Status status = record(*entry);
    if (status.code == StatusCode::Unsupported) {
      canRecord = false;
      return issueAll();
    }
    if (!status.ok())
      return status;
    ++counts.graphs;
  }
  ++counts.replays;
  lastWords = words;
  sizes.clear();
  for (const DeviceArgument &buffer : buffers)
    sizes.push_back(buffer.bytes);
  lastNumber = entry->number;
  return stream->replay(*entry->graph, sizes);
}

} // namespace bessemer::runtime
