// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// cp.async: copies from global to shared memory that arrive when somebody waits
// for them. The emulator lets them arrive as late as possible, so that code
// that does not wait reads what was there before, and is found out: until then
// the bytes are marked as pending.
#include "lib/Emulator/Launch.h"
#include "lib/Emulator/Prepare.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace bessemer::emulator;

namespace {
void runCopy(Warp &warp, const Inst &inst) {
  const uint64_t *to = warp.lanes<uint64_t>(inst.a), *from = warp.lanes<uint64_t>(inst.b);
  const uint32_t *readSizes = inst.c == noSlot ? nullptr : warp.lanes<uint32_t>(inst.c);
  uint32_t bytes = inst.imm;
  std::array<uint32_t, 32> read;
  std::array<uint8_t *, 32> host{};
  uint32_t partial = 0, whole = 0;
  warp.each([&](unsigned l) {
    read[l] = readSizes ? std::min(readSizes[l], bytes) : bytes;
    if (read[l])
      (read[l] == bytes ? whole : partial) |= 1u << l;
  });
  MemoryAccess source;
  source.space = Space::Global;
  source.bytes = source.alignment = bytes;
  source.resolve(warp, inst, whole, from, host);
  for (uint32_t rest = partial; rest; rest &= rest - 1) {
    unsigned lane = __builtin_ctz(rest);
    source.bytes = read[lane];
    source.resolve(warp, inst, 1u << lane, from, host);
  }
  MemoryAccess target;
  target.space = Space::Shared;
  target.bytes = target.alignment = bytes;
  target.write = target.quiet = true;
  std::array<uint8_t *, 32> place;
  target.resolve(warp, inst, warp.mask, to, place);
  warp.each([&](unsigned l) {
    if (!place[l])
      return;
    setPending(warp.block->shared, to[l], bytes, true);
    warp.asyncOpen[l].push_back({to[l], from[l], bytes, host[l] ? read[l] : 0, inst.site});
  });
}

void runCommit(Warp &warp, const Inst &) {
  warp.each(
      [&](unsigned l) { warp.asyncGroups[l].push_back(std::move(warp.asyncOpen[l])), warp.asyncOpen[l].clear(); });
}

void arrive(Warp &warp, unsigned lane, const AsyncCopy &copy) {
  MemoryRegion &shared = warp.block->shared;
  uint8_t *to = shared.bytes.data() + copy.to;
  std::memset(to, 0, copy.bytes);
  if (copy.read)
    if (Located from = warp.block->launch.memory.locate(copy.from); from.region)
      std::memcpy(to, from.region->bytes.data() + from.offset, copy.read);
  setPending(shared, copy.to, copy.bytes, false);
  std::fill_n(shared.unfenced.begin() + copy.to, copy.bytes, static_cast<uint8_t>(warp.index + 1));
  // The write counts from now: what orders it for others must come after this.
  Accessor by = warp.block->accessor(warp, copy.site, lane, /*atomic=*/false);
  if (warp.block->launch.config.sanitize)
    shared.shadow.write(copy.to, copy.bytes, by);
}

void runWait(Warp &warp, const Inst &inst) {
  warp.each([&](unsigned l) {
    auto &groups = warp.asyncGroups[l];
    for (; groups.size() > static_cast<size_t>(inst.imm); groups.pop_front())
      for (const AsyncCopy &copy : groups.front())
        arrive(warp, l, copy);
  });
}
} // namespace

bool bessemer::emulator::prepareAsync(Preparer &p, Operation *op) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case<NVVM::CpAsyncOp>([&](NVVM::CpAsyncOp copy) {
        Inst &inst = p.emit(op, runCopy);
        inst.a = p.slot(copy.getDst());
        inst.b = p.slot(copy.getSrc());
        if (copy.getCpSize())
          inst.c = p.slot(copy.getCpSize());
        inst.imm = copy.getSize();
        return true;
      })
      .Case<NVVM::CpAsyncCommitGroupOp>([&](auto) {
        p.emit(op, runCommit);
        return true;
      })
      .Case<NVVM::CpAsyncWaitGroupOp>([&](NVVM::CpAsyncWaitGroupOp wait) {
        p.emit(op, runWait).imm = wait.getN();
        return true;
      })
      .Default([](Operation *) { return false; });
}
