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
    MemoryRegion *region = shared ? &block.shared : launch.memory.find(address);
    uint64_t offset = region ? address - region->base : 0;
    if (!region || offset >= region->bytes.size() || region->bytes.size() - offset < access.bytes) {
      report(FindingKind::OutOfBounds, lane, verb() + place(region, address) + outside(region, address));
      return nullptr;
    }
    if (address % access.alignment)
      report(FindingKind::Misaligned, lane,
             verb() + place(region, address) + ", which is no multiple of " + std::to_string(access.alignment));
    if (launch.config.sanitize)
      check(*region, lane, offset, address);
    if (access.write)
      std::memset(region->written.data() + offset, 1, access.bytes);
    return region->bytes.data() + offset;
  }

  bool shared = false;

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
      report(FindingKind::Uninitialized, lane, verb() + place(&region, address) + ", which nobody wrote");
    if (shared && std::memchr(region.pending.data() + offset, 1, access.bytes))
      report(FindingKind::Race, lane,
             verb() + place(&region, address) + ", where a cp.async is on its way that nobody waited for");
    Accessor by{block.firstAgent, block.agentOf(warp),        &warp.clock,
                inst.site,        static_cast<uint8_t>(lane), access.atomic};
    Conflict conflict =
        access.write ? region.shadow.write(offset, access.bytes, by) : region.shadow.read(offset, access.bytes, by);
    if (conflict.found)
      report(FindingKind::Race, lane,
             verb() + place(&region, address) + " that " + describe(conflict) + ", with nothing that orders the two",
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
  std::string place(const MemoryRegion *region, uint64_t address) {
    if (shared)
      return "shared+" + std::to_string(address);
    if (!region)
      return "address " + std::to_string(address);
    return "'" + region->name + "'+" + std::to_string(address - region->base);
  }
  std::string outside(const MemoryRegion *region, uint64_t address) {
    if (region)
      return ", of " + std::to_string(region->bytes.size()) + " bytes";
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
    warp.report(kind, inst, "lane " + std::to_string(lane) + what, other);
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
