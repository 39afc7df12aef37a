// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Runtime/DeviceSession.h"

#include "bessemer/Runtime/Program.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace bessemer::runtime {

RecordedLaunch::RecordedLaunch(const DeviceLaunch &launch)
    : own(launch), buffers(launch.buffers.begin(), launch.buffers.end()),
      symbols(launch.symbols.begin(), launch.symbols.end()) {}

DeviceLaunch RecordedLaunch::view() const {
  DeviceLaunch launch = own;
  launch.buffers = buffers;
  launch.symbols = symbols;
  return launch;
}

void addDeviceParameters(const DeviceLaunch &launch, const Kernel &kernel, std::vector<uint64_t> &parameters) {
  for (const DeviceArgument &buffer : launch.buffers)
    parameters.push_back(buffer.address);
  if (!launch.symbols.empty())
    parameters.push_back(launch.words.address);
  if (kernel.takesWorkspace) {
    parameters.push_back(launch.workspace.address);
    parameters.push_back(static_cast<uint64_t>(launch.workspaceStride));
    parameters.push_back(launch.fault.address);
  }
  if (kernel.partialBytes) {
    parameters.push_back(launch.workspace.address);
    parameters.push_back(launch.turns.address);
  }
}

Status makeTensorMaps(const DeviceLaunch &launch, const Kernel &kernel, std::vector<TensorMap> &maps) {
  SymbolicExpr::Values symbols;
  if (!kernel.tensorMaps.empty())
    for (size_t i = 0; i < launch.symbols.size(); ++i)
      symbols["s" + std::to_string(i)] = launch.symbols[i];
  for (const TensorMapPlan &plan : kernel.tensorMaps) {
    std::string error = "expected a tensor map of one of its buffers";
    std::optional<TensorMap> map;
    if (plan.buffer >= 0 && static_cast<size_t>(plan.buffer) < launch.buffers.size())
      map = makeTensorMap(plan, launch.buffers[plan.buffer].address, symbols, error);
    if (!map)
      return Status::error(StatusCode::InvalidArgument, "launch of " + kernel.symbol + ": " + error);
    maps.push_back(*map);
  }
  return {};
}

// ---- weights and constants ----------------------------------------------------------

DeviceImage::~DeviceImage() {
  for (const auto &[host, range] : ranges)
    device->release(range.address);
}

Status DeviceImage::add(std::string_view name, const void *host, int64_t bytes) {
  if (!host || bytes <= 0 || ranges.contains(static_cast<const char *>(host)))
    return {};
  if (!stream)
    if (Status status = device->makeStream(stream); !status.ok())
      return status;
  MappedRange range;
  range.host = static_cast<const char *>(host);
  range.bytes = range.capacity = bytes;
  if (Status status = device->allocate(name, bytes, range.address); !status.ok())
    return status;
  DeviceAddress address = range.address;
  ranges.emplace(range.host, std::move(range));
  return stream->copyIn(address, host, bytes);
}

const MappedRange *DeviceImage::find(const void *host, int64_t bytes) const {
  auto *at = static_cast<const char *>(host);
  auto it = ranges.upper_bound(at);
  if (it == ranges.begin())
    return nullptr;
  const MappedRange &range = std::prev(it)->second;
  return at - range.host <= range.bytes && bytes <= range.bytes - (at - range.host) ? &range : nullptr;
}

// ---- ranges -------------------------------------------------------------------------

DeviceSession::DeviceSession(std::shared_ptr<Device> device, const DeviceImage &image,
                             const std::vector<Kernel> &kernels)
    : device(std::move(device)), image(image), queue(*this->device, kernels) {}

DeviceSession::~DeviceSession() {
  queue.close();
  for (const auto &[host, range] : ranges)
    if (range.capacity > 0)
      device->release(range.address);
  for (const auto &[capacity, address] : spare)
    device->release(address);
  for (MappedRange *range : {&workspace, &faults, &turns})
    if (range->address)
      device->release(range->address);
}

MappedRange *DeviceSession::find(const void *host, int64_t bytes) {
  auto *at = static_cast<const char *>(host);
  auto it = ranges.upper_bound(at);
  if (it == ranges.begin())
    return nullptr;
  MappedRange &range = std::prev(it)->second;
  return at - range.host <= range.bytes && bytes <= range.bytes - (at - range.host) ? &range : nullptr;
}

Status DeviceSession::missing(const void *, int64_t bytes) const {
  return Status::error(StatusCode::Failed,
                       "expected a buffer of " + std::to_string(bytes) + " bytes in memory that the device knows");
}

/// A power of two and a quarter, half or three quarters of it.
static int64_t roomFor(int64_t bytes) {
  constexpr int64_t smallest = 256;
  int64_t step = std::max<int64_t>(static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(bytes))) / 4, smallest);
  return (bytes + step - 1) / step * step;
}

Status DeviceSession::allocate(std::string_view name, int64_t bytes, int64_t room, MappedRange &range) {
  range.bytes = bytes;
  bytes = std::max(bytes, room);
  auto last = lastPlaces.find(name);
  auto fits = [&](const auto &item) { return item.first >= bytes && item.first / 4 <= std::max<int64_t>(bytes, 4096); };
  auto it = last == lastPlaces.end() ? spare.end() : std::find_if(spare.begin(), spare.end(), [&](const auto &item) {
    return item.second == last->second && fits(item);
  });
  if (it == spare.end())
    it = spare.lower_bound(bytes);
  if (it != spare.end() && fits(*it)) {
    range.capacity = it->first;
    range.address = it->second;
    spare.erase(it);
  } else {
    // With some room: a tensor that grows by a row each run stays where it is.
    range.capacity = roomFor(bytes);
    if (Status status = device->allocate(name, range.capacity, range.address); !status.ok())
      return status;
  }
  lastPlaces.insert_or_assign(std::string(name), range.address);
  return {};
}

/// Makes a stretch begin at the offset.
void DeviceSession::split(MappedRange &range, int64_t offset) {
  if (offset >= range.bytes)
    return;
  auto it = range.where.upper_bound(offset);
  uint8_t before = it == range.where.begin() ? uint8_t{Nowhere} : std::prev(it)->second;
  range.where.emplace(offset, before);
}

void DeviceSession::set(MappedRange &range, int64_t offset, int64_t bytes, uint8_t where) {
  split(range, offset);
  split(range, offset + bytes);
  auto it = range.where.lower_bound(offset);
  while (it != range.where.end() && it->first < offset + bytes)
    it = range.where.erase(it);
  range.where.emplace(offset, where);
}

Status DeviceSession::map(std::string_view name, void *host, int64_t bytes, int64_t room) {
  auto *at = static_cast<const char *>(host);
  if (auto it = ranges.find(at); it != ranges.end() && it->second.bytes == bytes) {
    it->second.where.clear();
    return {};
  }
  unmap(host);
  MappedRange range;
  range.host = at;
  if (Status status = allocate(name, bytes, room, range); !status.ok())
    return status;
  ranges.emplace(at, std::move(range));
  return {};
}

void DeviceSession::unmap(void *host) {
  auto it = ranges.find(static_cast<const char *>(host));
  if (it == ranges.end())
    return;
  if (it->second.capacity > 0)
    spare.emplace(it->second.capacity, it->second.address);
  ranges.erase(it);
}

Status DeviceSession::begin(std::span<const Edge> edges) {
  if (Status status = queue.open(); !status.ok())
    return status;
  queue.drop(); // of a run that failed
  if (std::any_of(edges.begin(), edges.end(), [](const Edge &edge) { return edge.address != 0; }))
    if (Status status = queue.waitForCaller(); !status.ok())
      return status;
  for (const char *host : edgeRanges)
    unmap(const_cast<char *>(host));
  edgeRanges.clear();
  // Overlapping ones are one range.
  std::vector<Edge> sorted;
  for (const Edge &edge : edges)
    if (edge.host && edge.bytes > 0 && !find(edge.host, edge.bytes))
      sorted.push_back(edge);
  std::sort(sorted.begin(), sorted.end(), [](const Edge &a, const Edge &b) { return a.host < b.host; });
  for (size_t i = 0; i < sorted.size();) {
    auto *begin = static_cast<char *>(sorted[i].host), *end = begin + sorted[i].bytes;
    int64_t room = sorted[i].room;
    size_t next = i + 1;
    for (; next < sorted.size() && static_cast<char *>(sorted[next].host) < end; ++next)
      end = std::max(end, static_cast<char *>(sorted[next].host) + sorted[next].bytes);
    // Small inputs move from run to run where caches stay: a copy costs less than a list that the device has not seen.
    bool isStaged = sorted[i].address && sorted[i].isInput && next == i + 1 && end - begin <= mostStagedBytes;
    if (isStaged) {
      if (Status status = map(sorted[i].name, begin, end - begin, room); !status.ok())
        return status;
      if (Status status = queue.copyAhead(find(begin, 1)->address, sorted[i].address, end - begin); !status.ok())
        return status;
    } else if (sorted[i].address) {
      unmap(begin);
      MappedRange range;
      range.host = begin;
      range.bytes = end - begin;
      range.address = sorted[i].address;
      ranges.emplace(begin, std::move(range));
    } else if (Status status = map(sorted[i].name, begin, end - begin, next == i + 1 ? room : 0); !status.ok()) {
      return status;
    }
    edgeRanges.push_back(begin);
    i = next;
  }
  DeviceAddress address = 0;
  for (const Edge &edge : edges) {
    if (edge.isInput && !edge.address)
      wroteOnHost(edge.host, edge.bytes);
    else if (edge.isInput)
      if (Status status = wroteOnDevice(edge.host, edge.bytes, address); !status.ok())
        return status;
  }
  hostWrote = false;
  requestsAtBegin = queue.requests();
  return {};
}

DeviceSession::Place DeviceSession::placeOf(const Edge &edge) {
  auto it = ranges.find(static_cast<const char *>(edge.host));
  bool isCallers = it != ranges.end() && it->second.capacity == 0;
  if (it == ranges.end() || (!isCallers && it->second.bytes != edge.bytes))
    return {};
  return {it->second.address, it->second.capacity};
}

Status DeviceSession::repeat(uint64_t list, const std::vector<int64_t> &words, std::span<const int64_t> sizes,
                             const std::vector<const Step *> &faults, std::span<const Moved> inputs, bool seesCaller) {
  queue.drop(); // of a run that failed
  if (seesCaller)
    if (Status status = queue.waitForCaller(); !status.ok())
      return status;
  for (const Moved &input : inputs) {
    Status status = input.from ? queue.copyAhead(input.to, input.from, input.bytes)
                               : queue.copyIn(input.to, input.host, input.bytes, /*ahead=*/true);
    if (!status.ok())
      return status;
  }
  if (Status status = queue.repeat(list, words, sizes); !status.ok())
    return status;
  faultSteps.assign(faults.begin(), faults.end());
  return {};
}

Status DeviceSession::end(std::span<const Edge> edges) {
  DeviceAddress address = 0;
  for (const Edge &edge : edges)
    if (!edge.isInput)
      if (Status status = edge.address ? toDevice(edge.host, edge.bytes, address) : toHost(edge.host, edge.bytes);
          !status.ok())
        return status;
  return queue.wait();
}

// ---- coherence ------------------------------------------------------------------------

Status DeviceSession::toDevice(const void *host, int64_t bytes, DeviceAddress &address, bool *isConstant) {
  address = 0;
  if (bytes <= 0)
    return {};
  if (const MappedRange *fixed = image.find(host, bytes)) {
    if (isConstant)
      *isConstant = true;
    address = fixed->address + static_cast<uint64_t>(static_cast<const char *>(host) - fixed->host);
    return {};
  }
  MappedRange *range = find(host, bytes);
  if (!range)
    return missing(host, bytes);
  int64_t offset = static_cast<const char *>(host) - range->host, end = offset + bytes;
  address = range->address + static_cast<uint64_t>(offset);
  split(*range, offset);
  split(*range, end);
  for (auto it = range->where.lower_bound(offset); it != range->where.end() && it->first < end; ++it) {
    if (it->second != OnHost)
      continue;
    auto next = std::next(it);
    int64_t stop = next == range->where.end() ? range->bytes : next->first;
    // What was on the host when the run began, no launch has seen.
    if (Status status = queue.copyIn(range->address + static_cast<uint64_t>(it->first), range->host + it->first,
                                     std::min(stop, end) - it->first, /*ahead=*/!hostWrote);
        !status.ok())
      return status;
    it->second = OnHost | OnDevice;
  }
  return {};
}

Status DeviceSession::toHost(const void *host, int64_t bytes) {
  if (bytes <= 0 || image.find(host, bytes))
    return {};
  MappedRange *range = find(host, bytes);
  if (!range)
    return {}; // memory that no launch has seen
  int64_t offset = static_cast<const char *>(host) - range->host, end = offset + bytes;
  split(*range, offset);
  split(*range, end);
  for (auto it = range->where.lower_bound(offset); it != range->where.end() && it->first < end; ++it) {
    if (it->second != OnDevice)
      continue;
    auto next = std::next(it);
    int64_t stop = next == range->where.end() ? range->bytes : next->first;
    if (Status status =
            queue.copyOut(const_cast<char *>(range->host) + it->first,
                          range->address + static_cast<uint64_t>(it->first), std::min(stop, end) - it->first);
        !status.ok())
      return status;
    it->second = OnHost | OnDevice;
  }
  return {};
}

Status DeviceSession::wroteOnDevice(const void *host, int64_t bytes, DeviceAddress &address) {
  address = 0;
  if (bytes <= 0)
    return {};
  MappedRange *range = find(host, bytes);
  if (!range)
    return missing(host, bytes);
  int64_t offset = static_cast<const char *>(host) - range->host;
  address = range->address + static_cast<uint64_t>(offset);
  set(*range, offset, bytes, OnDevice);
  return {};
}

void DeviceSession::wroteOnHost(const void *host, int64_t bytes) {
  if (bytes <= 0)
    return;
  if (MappedRange *range = find(host, bytes))
    set(*range, static_cast<const char *>(host) - range->host, bytes, OnHost);
  hostWrote = true;
}

/// On the device, unless the bytes are on the host alone.
Status DeviceSession::copy(void *to, const void *from, int64_t bytes) {
  if (to == from || bytes <= 0)
    return {};
  MappedRange *range = find(from, bytes);
  bool onDevice = image.find(from, bytes) != nullptr;
  if (range) {
    int64_t offset = static_cast<const char *>(from) - range->host;
    auto it = range->where.upper_bound(offset);
    onDevice = it != range->where.begin() && (std::prev(it)->second & OnDevice);
  }
  if (!onDevice || !find(to, bytes)) {
    if (Status status = toHost(from, bytes); !status.ok())
      return status;
    std::memmove(to, from, static_cast<size_t>(bytes));
    wroteOnHost(to, bytes);
    return {};
  }
  DeviceAddress source = 0, destination = 0;
  if (Status status = toDevice(from, bytes, source); !status.ok())
    return status;
  if (Status status = wroteOnDevice(to, bytes, destination); !status.ok())
    return status;
  return queue.copy(destination, source, bytes);
}

// ---- launches -----------------------------------------------------------------------

Status DeviceSession::read(DeviceAddress from, void *to, int64_t bytes) {
  if (Status status = queue.open(); !status.ok())
    return status;
  return queue.copyOut(to, from, bytes);
}

Status DeviceSession::write(DeviceAddress to, const void *from, int64_t bytes) {
  if (Status status = queue.open(); !status.ok())
    return status;
  if (Status status = queue.copyIn(to, from, bytes, /*ahead=*/false); !status.ok())
    return status;
  return queue.wait();
}

/// Memory of at least so many bytes, which hold nothing then, if it must be made.
Status DeviceSession::growScratch(std::string_view name, int64_t bytes, MappedRange &range) {
  if (bytes <= range.capacity)
    return {};
  if (range.address) {
    if (Status status = queue.wait(); !status.ok())
      return status;
    device->release(range.address);
    ++workspaceMoved; // lists that were recorded name it
  }
  range = {};
  if (Status status = device->allocate(name, bytes, range.address); !status.ok())
    return status;
  range.capacity = bytes;
  return {};
}

/// What blocks hand on to each other, and the words that say that it is there.
Status DeviceSession::takePartials(const Kernel &kernel, DeviceLaunch &launch) {
  int64_t total = kernel.partialBytes * launch.blocks, words = launch.blocks * int64_t{sizeof(int32_t)};
  if (Status status = growScratch("workspace", total, workspace); !status.ok())
    return status;
  bool isNew = words > turns.capacity;
  if (Status status = growScratch("turns", words, turns); !status.ok())
    return status;
  if (isNew)
    if (Status status = queue.fill(turns.address, 0, words, /*ahead=*/true); !status.ok())
      return status;
  launch.workspace = {workspace.address, total, true, "workspace"};
  launch.turns = {turns.address, words, false, "turns"};
  return {};
}

static constexpr int64_t faultSlots = 1024;

Status DeviceSession::launch(const Step &step, const Kernel &kernel, DeviceLaunch &launch, int64_t tasks, int64_t room,
                             int64_t workspaceBytes) {
  constexpr int64_t mostBlocks = INT32_MAX, alignment = 256;
  // Without symbols a kernel does not know how many blocks have work.
  launch.blocks = std::min(launch.symbols.empty() ? tasks : std::max(tasks, room), mostBlocks);
  if (!kernel.takesWorkspace) {
    if (tasks > mostBlocks)
      return Status::error(StatusCode::Unsupported,
                           "expected a grid of at most 2^31 - 1 blocks, got " + std::to_string(tasks));
    if (kernel.partialBytes)
      if (Status status = takePartials(kernel, launch); !status.ok())
        return status;
    return queue.launch(launch, tasks);
  }
  launch.workspaceStride = (workspaceBytes + alignment - 1) / alignment * alignment;
  if (launch.workspaceStride > 0)
    launch.blocks = std::min(launch.blocks, device->blocksAtOnce());
  int64_t total = launch.workspaceStride * launch.blocks;
  if (Status status = growScratch("workspace", total, workspace); !status.ok())
    return status;
  launch.workspace = {workspace.address, total, true, "workspace"};
  if (!faults.address) {
    if (Status status = device->allocate("faults", faultSlots * 8, faults.address); !status.ok())
      return status;
    if (Status status = queue.fill(faults.address, 0, faultSlots * 8, /*ahead=*/true); !status.ok())
      return status;
  }
  launch.fault = {faults.address + 8 * faultSteps.size(), 8, false, "faults"};
  faultSteps.push_back(&step);
  return queue.launch(launch, tasks);
}

Status DeviceSession::takeFault(Fault &fault) {
  fault = {};
  lastFaultSteps.clear();
  if (faultSteps.empty())
    return {};
  found.assign(faultSteps.size(), 0);
  if (Status status = queue.copyOut(found.data(), faults.address, static_cast<int64_t>(found.size() * 8)); !status.ok())
    return status;
  for (size_t i = 0; i < found.size() && !fault.number; ++i)
    if (found[i])
      fault = {faultSteps[i], found[i]};
  lastFaultSteps.swap(faultSteps);
  faultSteps.clear();
  return fault.number ? queue.fill(faults.address, 0, faultSlots * 8, /*ahead=*/false) : Status();
}

bool DeviceSession::faultsAreFull() const { return static_cast<int64_t>(faultSteps.size()) >= faultSlots; }

} // namespace bessemer::runtime
