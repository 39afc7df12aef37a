// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Emulator/Memory.h"

#include "lib/Emulator/Launch.h"

#include <algorithm>
#include <cstring>

using namespace bessemer::emulator;

MemoryRegion *Device::Memory::find(uint64_t address) {
  if (last && address >= last->base && address - last->base < last->bytes.size())
    return last;
  auto it = regions.upper_bound(address);
  if (it == regions.begin())
    return nullptr;
  --it;
  if (address - it->second.base >= it->second.bytes.size())
    return nullptr;
  return last = &it->second;
}

Located Device::Memory::locate(uint64_t address) {
  if (address < windowBase) {
    MemoryRegion *region = find(address);
    if (!region)
      return {};
    uint64_t offset = address - region->base;
    return {region, offset, region->bytes.size() - offset, &region->name, region->base, region->bytes.size()};
  }
  const Window *window = lastWindow;
  if (!window || address < window->base || address - window->base >= window->bytes) {
    auto it = windows.upper_bound(address);
    if (it == windows.begin())
      return {};
    window = &std::prev(it)->second;
    if (address - window->base >= window->bytes)
      return {};
    lastWindow = window;
  }
  uint64_t offset = address - window->base;
  return {window->region, window->offset + offset, window->bytes - offset, &window->name,
          window->base,   window->bytes,           window->allowed};
}

Device::Device() : impl(std::make_unique<Memory>()) {}
Device::~Device() = default;
Device::Device(Device &&) noexcept = default;

uint64_t Device::allocate(const std::string &name, uint64_t bytes) {
  uint64_t base = impl->next;
  MemoryRegion &region = impl->regions[base];
  region.name = name;
  region.base = base;
  region.bytes.resize(std::max<uint64_t>(bytes, 1));
  region.written.resize(region.bytes.size());
  // A gap, so that running off the end meets nothing.
  impl->next += (bytes + 255) / 256 * 256 + (1 << 20);
  return base;
}

void Device::free(uint64_t address) {
  impl->last = nullptr;
  impl->regions.erase(address);
}

bool Device::write(uint64_t address, const void *data, uint64_t bytes) {
  if (!markWritten(address, bytes))
    return false;
  MemoryRegion *region = impl->find(address);
  if (bytes)
    std::memcpy(region->bytes.data() + (address - region->base), data, bytes);
  return true;
}

bool Device::markWritten(uint64_t address, uint64_t bytes) {
  MemoryRegion *region = impl->find(address);
  if (!region || bytes > region->bytes.size() - (address - region->base))
    return false;
  std::fill_n(region->written.begin() + (address - region->base), bytes, 1);
  return true;
}

bool Device::read(uint64_t address, void *data, uint64_t bytes) const {
  const MemoryRegion *region = impl->find(address);
  if (!region || bytes > region->bytes.size() - (address - region->base))
    return false;
  if (bytes)
    std::memcpy(data, region->bytes.data() + (address - region->base), bytes);
  return true;
}

void Device::forget(uint64_t address, uint64_t bytes) {
  MemoryRegion *region = impl->find(address);
  if (region)
    std::fill_n(region->written.begin() + (address - region->base),
                std::min<uint64_t>(bytes, region->bytes.size() - (address - region->base)), 0);
}

uint64_t Device::openWindow(const std::string &name, uint64_t address, uint64_t bytes, Access allowed) {
  MemoryRegion *region = impl->find(address);
  if (!region)
    return 0;
  uint64_t base = impl->nextWindow + address % 256; // as far from a multiple as it is
  impl->windows[base] = {name,
                         base,
                         std::min<uint64_t>(bytes, region->bytes.size() - (address - region->base)),
                         region,
                         address - region->base,
                         allowed};
  impl->nextWindow += (bytes + 511) / 256 * 256 + (1 << 20);
  return base;
}

void Device::closeWindows() {
  impl->windows.clear();
  impl->nextWindow = windowBase;
  impl->lastWindow = nullptr;
}

void bessemer::emulator::setPending(MemoryRegion &shared, uint64_t offset, uint32_t bytes, bool pending) {
  if (offset < shared.pending.size())
    std::fill_n(shared.pending.begin() + offset, std::min<uint64_t>(bytes, shared.pending.size() - offset), pending);
}

namespace {
/// One access of one warp.
class Resolver {
public:
  Resolver(const MemoryAccess &access, Warp &warp, const Inst &inst)
      : access(access), warp(warp), inst(inst), block(*warp.block), launch(block.launch) {}

  uint8_t *resolve(unsigned lane, uint64_t address) {
    Space space = access.space;
    if (space == Space::Generic) {
      space = address >= localWindow ? Space::Local : address >= sharedWindow ? Space::Shared : Space::Global;
      address -= space == Space::Local ? localWindow : space == Space::Shared ? sharedWindow : 0;
    }
    if (space == Space::Local)
      return resolveLocal(lane, address);
    shared = space == Space::Shared;
    if (shared) {
      uint64_t size = block.shared.bytes.size();
      located = {&block.shared, address, address < size ? size - address : 0, &block.shared.name, 0, size};
    } else {
      located = launch.memory.locate(address);
    }
    MemoryRegion *region = located.region;
    uint64_t offset = located.offset;
    if (!region || located.room < access.bytes) {
      report(FindingKind::OutOfBounds, lane, verb() + place(address) + outside(address));
      return nullptr;
    }
    if (located.allowed != Access::All && access.write) {
      report(FindingKind::OutOfBounds, lane, verb() + place(address) + ", which the kernel may only read");
      return nullptr;
    }
    if (address % access.alignment)
      report(FindingKind::Misaligned, lane,
             verb() + place(address) + ", which is no multiple of " + std::to_string(access.alignment));
    if (launch.config.sanitize)
      check(*region, lane, offset, address);
    if (access.write) {
      std::memset(region->written.data() + offset, 1, access.bytes);
      if (shared)
        std::memset(region->unfenced.data() + offset, access.asyncProxy ? 0 : int(warp.index) + 1, access.bytes);
    }
    return region->bytes.data() + offset;
  }

  bool shared = false;
  Located located;

private:
  uint8_t *resolveLocal(unsigned lane, uint64_t address) {
    uint32_t size = warp.kernel->localBytes;
    if (address >= size || size - address < access.bytes) {
      report(FindingKind::OutOfBounds, lane,
             verb() + "local+" + std::to_string(address) + ", of " + std::to_string(size) + " bytes");
      return nullptr;
    }
    return warp.local.data() + uint64_t(lane) * size + address;
  }

  void check(MemoryRegion &region, unsigned lane, uint64_t offset, uint64_t address) {
    const uint8_t *written = region.written.data() + offset;
    if (!access.write && std::memchr(written, 0, access.bytes))
      report(FindingKind::Uninitialized, lane, verb() + place(address) + ", which nobody wrote");
    if (shared && std::memchr(region.pending.data() + offset, 1, access.bytes))
      report(FindingKind::Race, lane,
             verb() + place(address) + ", where a cp.async is on its way that nobody waited for");
    if (shared && access.asyncProxy)
      for (uint32_t i = 0; i < access.bytes; ++i)
        if (unsigned writer = region.unfenced[offset + i]) {
          report(FindingKind::Race, lane,
                 verb() + place(address) + ", which warp " + std::to_string(writer - 1) +
                     " wrote without a fence.proxy.async behind it");
          break;
        }
    if (!shared && located.allowed != Access::ReadEarly && warp.kernel->waits && !(warp.waited >> lane & 1))
      report(FindingKind::Race, lane,
             verb() + place(address) + " without a griddepcontrol.wait before it: launches in front may still run");
    if (located.allowed != Access::All)
      return;
    Accessor by = block.accessor(warp, inst.site, lane, access.atomic);
    Conflict conflict =
        access.write ? region.shadow.write(offset, access.bytes, by) : region.shadow.read(offset, access.bytes, by);
    if (conflict.found)
      report(FindingKind::Race, lane,
             verb() + place(address) + " that " + describe(conflict) + ", with nothing that orders the two",
             conflict.with.site);
  }

  std::string describe(const Conflict &conflict) {
    uint32_t agent = conflict.with.agent;
    const char *did = conflict.wasWrite ? " wrote" : " read";
    if (agent < block.firstAgent)
      return std::string("another block") + did;
    std::string who =
        conflict.with.lane == severalLanes ? "several lanes" : "lane " + std::to_string(conflict.with.lane);
    return who + " of warp " + std::to_string(agent - block.firstAgent) + did;
  }

  std::string verb() {
    return std::string(access.write ? " writes " : " reads ") + std::to_string(access.bytes) +
           (access.bytes == 1 ? " byte" : " bytes") + (access.write ? " to " : " from ");
  }
  std::string place(uint64_t address) {
    if (shared)
      return "shared+" + std::to_string(address);
    if (!located.region)
      return "address " + std::to_string(address);
    return "'" + *located.name + "'+" + std::to_string(address - located.base);
  }
  std::string outside(uint64_t address) {
    if (located.region)
      return ", of " + std::to_string(located.size) + " bytes";
    // The window before it, if it is near.
    if (auto window = launch.memory.windows.upper_bound(address); window != launch.memory.windows.begin()) {
      const Window &before = std::prev(window)->second;
      if (uint64_t end = before.base + before.bytes; address - end < (1 << 20))
        return ", " + std::to_string(address - end) + " bytes behind the end of '" + before.name + "'";
    }
    // The allocation before it, if it is near.
    auto it = launch.memory.regions.upper_bound(address);
    if (it != launch.memory.regions.begin()) {
      --it;
      uint64_t end = it->first + it->second.bytes.size();
      if (address - end < (1 << 20))
        return ", " + std::to_string(address - end) + " bytes behind the end of '" + it->second.name + "'";
    }
    return ", where there is no memory";
  }
  void report(FindingKind kind, unsigned lane, const std::string &what, uint32_t other = ~0u) {
    warp.report(kind, inst, (access.asyncProxy ? "the asynchronous unit" : "lane " + std::to_string(lane)) + what,
                other);
  }

  const MemoryAccess &access;
  Warp &warp;
  const Inst &inst;
  BlockRun &block;
  LaunchRun &launch;
};
} // namespace

void MemoryAccess::resolve(Warp &warp, const Inst &inst, uint32_t mask, const uint64_t *addresses,
                           std::array<uint8_t *, 32> &host) const {
  Resolver resolver(*this, warp, inst);
  std::array<uint64_t, 32> touched;
  unsigned count = 0;
  bool isLocal = false;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    unsigned lane = __builtin_ctz(rest);
    host[lane] = resolver.resolve(lane, addresses[lane]);
    isLocal |= space == Space::Local || (space == Space::Generic && addresses[lane] >= localWindow);
    touched[count++] = addresses[lane];
  }
  if (quiet || isLocal || !count || !warp.block->launch.config.sanitize)
    return;
  AccessStatistics &statistics = warp.block->launch.statistics[inst.site];
  Cost cost = resolver.shared ? sharedCost(touched.data(), count, bytes) : globalCost(touched.data(), count, bytes);
  statistics.shared = resolver.shared;
  ++statistics.accesses;
  statistics.transactions += cost.transactions;
  statistics.ideal += cost.ideal;
}
