// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// cp.async.bulk.tensor: boxes between global and shared memory by the copy engine.
// A load is there when somebody waits for its mbarrier, a store when somebody waits
// for its group: as late as can be (lib/Emulator/AsyncProxy.h).
#include "lib/Emulator/Launch.h"
#include "lib/Emulator/Prepare.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "llvm/ADT/TypeSwitch.h"

#include <algorithm>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::emulator;

namespace {
constexpr uint64_t chunkBytes = 16;

/// Calls fn(place in the box, address, bytes inside of the tensor) for each row of the
/// box, in the order in which they lie in shared memory; none is inside: 0 bytes.
template <class F> void eachRow(const TensorCopy &copy, F &&fn) {
  const TensorMap &map = copy.map;
  uint64_t rows = 1, rowBytes = uint64_t(map.box[0]) * map.elementBytes;
  for (unsigned d = 1; d < map.rank; ++d)
    rows *= map.box[d];
  for (uint64_t row = 0; row < rows; ++row) {
    uint64_t rest = row, address = map.address;
    bool inside = true;
    for (unsigned d = 1; d < map.rank; ++d) {
      int64_t at = int64_t(copy.at[d]) + int64_t(rest % map.box[d]);
      rest /= map.box[d];
      inside &= at >= 0 && at < int64_t(map.sizes[d]);
      address += uint64_t(at) * map.strides[d - 1];
    }
    int64_t first = std::max<int64_t>(0, copy.at[0]),
            last = std::min<int64_t>(int64_t(map.sizes[0]), int64_t(copy.at[0]) + map.box[0]);
    uint64_t skipped = uint64_t(first - copy.at[0]) * map.elementBytes;
    if (!inside || last <= first)
      fn(row * rowBytes, rowBytes, address, 0, 0);
    else
      fn(row * rowBytes, rowBytes, address + uint64_t(first) * map.elementBytes, skipped,
         uint64_t(last - first) * map.elementBytes);
  }
}

/// Runs an access of [place, place + bytes) by the copy engine, for its checks.
uint8_t *touch(Warp &warp, const Inst &inst, unsigned lane, Space space, uint64_t place, uint64_t bytes, bool write) {
  MemoryAccess access;
  access.space = space;
  access.bytes = static_cast<uint32_t>(bytes);
  access.write = write;
  access.quiet = access.asyncProxy = true;
  std::array<uint8_t *, 32> host{};
  uint64_t addresses[32] = {};
  addresses[lane] = place;
  access.resolve(warp, inst, 1u << lane, addresses, host);
  return host[lane];
}

const TensorMap *findMap(Warp &warp, const Inst &inst, uint64_t argument) {
  const std::vector<TensorMap> &maps = warp.block->launch.config.tensorMaps;
  uint64_t index = (argument - tensorMapWindow) / tensorMapBytes;
  if (argument >= tensorMapWindow && argument % tensorMapBytes == 0 && index < maps.size())
    return &maps[index];
  warp.report(FindingKind::Fault, inst, "expected a tensor map of the launch, by value");
  return nullptr;
}

// ---- a: place in shared memory, b: tensor map, c: mbarrier (noSlot: a store);
// list: coordinates, the innermost first
void runCopy(Warp &warp, const Inst &inst) {
  const uint64_t *places = warp.lanes<uint64_t>(inst.a), *maps = warp.lanes<uint64_t>(inst.b);
  const uint64_t *targets = inst.c == noSlot ? nullptr : warp.lanes<uint64_t>(inst.c);
  const uint32_t *list = warp.kernel->lists.data() + inst.list;
  MemoryRegion &shared = warp.block->shared;
  warp.each([&](unsigned l) {
    const TensorMap *map = findMap(warp, inst, maps[l]);
    if (!map)
      return;
    auto refuse = [&](FindingKind kind, const std::string &what) {
      warp.report(kind, inst, "lane " + std::to_string(l) + ": " + what);
    };
    if (map->rank != inst.count)
      return refuse(FindingKind::Fault, "expected a tensor map of " + std::to_string(inst.count) + " dimensions, got " +
                                            std::to_string(map->rank));
    // A pattern of the swizzle is eight times as long as it is wide.
    uint64_t place = places[l], bytes = map->boxBytes(), alignment = std::max(128u, 8 * map->swizzleBytes);
    if (place % alignment)
      refuse(FindingKind::Misaligned,
             "a box at shared+" + std::to_string(place) + ", which is no multiple of " + std::to_string(alignment));
    if (place > shared.bytes.size() || bytes > shared.bytes.size() - place)
      return refuse(FindingKind::OutOfBounds, "a box of " + std::to_string(bytes) + " bytes at shared+" +
                                                  std::to_string(place) + ", of " +
                                                  std::to_string(shared.bytes.size()) + " bytes");
    TensorCopy copy;
    copy.map = *map;
    for (unsigned d = 0; d < inst.count; ++d)
      copy.at[d] = static_cast<int32_t>(warp.lanes<uint32_t>(list[d])[l]);
    copy.shared = place;
    copy.isStore = !targets;
    copy.site = inst.site;
    copy.lane = static_cast<uint8_t>(l);
    copy.clock = warp.clock;
    (void)touch(warp, inst, l, Space::Shared, place, bytes, !copy.isStore);
    if (copy.isStore) {
      warp.storeOpen[l].push_back(std::move(copy));
      return;
    }
    MBarrier *barrier = findBarrier(warp, inst, l, targets[l]);
    if (!barrier)
      return;
    if (!barrier->fenced)
      refuse(FindingKind::Race, "the copy engine uses the mbarrier at shared+" + std::to_string(targets[l]) +
                                    ", whose initialization no fence.mbarrier_init or fence.proxy.async followed");
    setPending(shared, place, static_cast<uint32_t>(bytes), true);
    barrier->copies.push_back(std::move(copy));
  });
  ++warp.clock[warp.index];
}

void runCommit(Warp &warp, const Inst &) {
  warp.each([&](unsigned l) {
    warp.storeGroups[l].push_back(std::move(warp.storeOpen[l]));
    warp.storeOpen[l].clear();
  });
}

void runWait(Warp &warp, const Inst &inst) {
  warp.each([&](unsigned l) {
    auto &groups = warp.storeGroups[l];
    for (; groups.size() > static_cast<size_t>(inst.imm); groups.pop_front())
      for (const TensorCopy &copy : groups.front())
        performCopy(warp, copy);
  });
}

bool emitCopy(Preparer &p, Operation *op, Value shared, Value map, Value barrier, ValueRange coordinates) {
  SmallVector<uint32_t> list;
  for (Value coordinate : coordinates)
    list.push_back(p.slot(coordinate));
  Inst &inst = p.emit(op, runCopy);
  inst.a = p.slot(shared);
  inst.b = p.slot(map);
  inst.c = barrier ? p.slot(barrier) : noSlot;
  inst.list = p.addList(list);
  inst.count = list.size();
  return true;
}
} // namespace

uint64_t emulator::tensorMapArgument(size_t index) { return tensorMapWindow + index * tensorMapBytes; }

void emulator::performCopy(Warp &warp, const TensorCopy &copy) {
  MemoryRegion &shared = warp.block->shared;
  Inst inst;
  inst.site = copy.site;
  // What a store reads it reads until now.
  if (copy.isStore)
    (void)touch(warp, inst, copy.lane, Space::Shared, copy.shared, copy.map.boxBytes(), false);
  else
    setPending(shared, copy.shared, static_cast<uint32_t>(copy.map.boxBytes()), false);
  eachRow(copy, [&](uint64_t place, uint64_t rowBytes, uint64_t address, uint64_t skipped, uint64_t bytes) {
    uint8_t row[256 * 8] = {};
    uint8_t *global = bytes ? touch(warp, inst, copy.lane, Space::Global, address, bytes, copy.isStore) : nullptr;
    if (global && !copy.isStore)
      std::memcpy(row + skipped, global, bytes);
    for (uint64_t chunk = 0; chunk < rowBytes; chunk += chunkBytes) {
      uint8_t *there = shared.bytes.data() + swizzledPlace(copy.shared + place + chunk, copy.map.swizzleBytes);
      if (copy.isStore)
        std::memcpy(row + chunk, there, chunkBytes);
      else
        std::memcpy(there, row + chunk, chunkBytes);
    }
    if (global && copy.isStore)
      std::memcpy(global, row + skipped, bytes);
  });
}

bool emulator::prepareTensorCopy(Preparer &p, Operation *op) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case<NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp>([&](NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp copy) {
        if (!copy.getIm2colOffsets().empty() || copy.getMulticastMask() || copy.getPredicate() ||
            copy.getMode() != NVVM::TMALoadMode::TILE)
          return p.fail(op, "expected a copy of a tile to the own block, without a predicate");
        return emitCopy(p, op, copy.getDstMem(), copy.getTmaDescriptor(), copy.getMbar(), copy.getCoordinates());
      })
      .Case<NVVM::CpAsyncBulkTensorSharedCTAToGlobalOp>([&](NVVM::CpAsyncBulkTensorSharedCTAToGlobalOp copy) {
        if (copy.getPredicate() || copy.getMode() != NVVM::TMAStoreMode::TILE)
          return p.fail(op, "expected a copy of a tile without a predicate");
        return emitCopy(p, op, copy.getSrcMem(), copy.getTmaDescriptor(), {}, copy.getCoordinates());
      })
      .Case<NVVM::CpAsyncBulkCommitGroupOp>([&](auto) {
        p.emit(op, runCommit);
        return true;
      })
      .Case<NVVM::CpAsyncBulkWaitGroupOp>([&](NVVM::CpAsyncBulkWaitGroupOp wait) {
        p.emit(op, runWait).imm = wait.getGroup();
        return true;
      })
      .Default([](Operation *) { return false; });
}
