// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// mbarrier, the fences of the asynchronous proxy, setmaxnreg. What they order:
// lib/Emulator/AsyncProxy.h.
#include "lib/Emulator/Launch.h"
#include "lib/Emulator/Prepare.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "llvm/ADT/TypeSwitch.h"

#include <algorithm>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::emulator;

namespace {
constexpr uint32_t barrierBytes = 8, mostArrivals = (1u << 20) - 1;
constexpr uint32_t registerFile = 65536;

void join(VectorClock &to, const VectorClock &from) {
  to.resize(std::max(to.size(), from.size()));
  for (size_t i = 0; i < from.size(); ++i)
    to[i] = std::max(to[i], from[i]);
}

/// When all have arrived and all bytes are there, the next phase begins.
void completePhase(MBarrier &barrier) {
  if (barrier.pending || barrier.bytes)
    return;
  barrier.parity ^= 1;
  barrier.pending = barrier.expected;
  join(barrier.completed, barrier.arrived);
}

uint64_t sharedOffset(uint64_t address) { return address >= sharedWindow ? address - sharedWindow : address; }

// ---- a: addresses; b: counts (noSlot: 1)
void runInit(Warp &warp, const Inst &inst) {
  const uint64_t *addresses = warp.lanes<uint64_t>(inst.a);
  const uint32_t *counts = warp.lanes<uint32_t>(inst.b);
  warp.each([&](unsigned l) {
    MemoryAccess access;
    access.space = Space::Shared;
    access.bytes = access.alignment = barrierBytes;
    access.write = access.quiet = true;
    uint64_t offset = sharedOffset(addresses[l]), lanes[32] = {};
    lanes[l] = offset;
    std::array<uint8_t *, 32> host{};
    access.resolve(warp, inst, 1u << l, lanes, host);
    if (!host[l])
      return;
    if (counts[l] < 1 || counts[l] > mostArrivals) {
      warp.report(FindingKind::Fault, inst, "expected 1 to 2^20 - 1 arrivals, got " + std::to_string(counts[l]));
      return;
    }
    MBarrier &barrier = warp.block->barriers[offset] = MBarrier();
    barrier.expected = barrier.pending = counts[l];
    barrier.initWarp = warp.index;
  });
}

void runArrive(Warp &warp, const Inst &inst) {
  const uint64_t *addresses = warp.lanes<uint64_t>(inst.a);
  const uint32_t *counts = inst.b == noSlot ? nullptr : warp.lanes<uint32_t>(inst.b);
  warp.each([&](unsigned l) {
    MBarrier *barrier = findBarrier(warp, inst, l, sharedOffset(addresses[l]));
    if (!barrier)
      return;
    uint32_t count = counts ? counts[l] : 1;
    if (count > barrier->pending) {
      warp.report(FindingKind::Fault, inst,
                  "lane " + std::to_string(l) + " arrives at the mbarrier at shared+" + std::to_string(addresses[l]) +
                      ", where the phase expects " + std::to_string(barrier->pending) + " more of " +
                      std::to_string(barrier->expected));
      return;
    }
    arriveAt(warp, *barrier, count);
  });
  ++warp.clock[warp.index];
}

void runArriveExpect(Warp &warp, const Inst &inst) {
  const uint64_t *addresses = warp.lanes<uint64_t>(inst.a);
  const uint32_t *bytes = warp.lanes<uint32_t>(inst.b);
  warp.each([&](unsigned l) {
    if (MBarrier *barrier = findBarrier(warp, inst, l, sharedOffset(addresses[l])))
      barrier->bytes += bytes[l];
  });
  Inst arrival = inst;
  arrival.b = noSlot;
  runArrive(warp, arrival);
}

/// The op waits until the phase is complete: it comes with its own loop.
void runWait(Warp &warp, const Inst &inst) {
  const uint64_t *addresses = warp.lanes<uint64_t>(inst.a);
  const uint32_t *parities = warp.lanes<uint32_t>(inst.b);
  bool parted = false;
  unsigned first = __builtin_ctz(warp.mask);
  warp.each([&](unsigned l) { parted |= addresses[l] != addresses[first] || parities[l] != parities[first]; });
  if (parted) {
    warp.report(FindingKind::Fault, inst, "expected all lanes to wait for one phase of one mbarrier");
    warp.block->launch.stop = true;
    return;
  }
  MBarrier *barrier = findBarrier(warp, inst, first, sharedOffset(addresses[first]));
  if (!barrier) {
    warp.block->launch.stop = true;
    return;
  }
  warp.waitOffset = sharedOffset(addresses[first]);
  warp.waitParity = parities[first] & 1;
  warp.waitSite = inst.site;
  if (!isComplete(warp, *barrier, warp.waitParity))
    warp.state = WarpState::AtMBarrier;
}

void runFence(Warp &warp, const Inst &) { fenceAsyncProxy(warp); }

void runGridWait(Warp &warp, const Inst &) { warp.waited |= warp.mask; }

void runFenceInit(Warp &warp, const Inst &) {
  for (auto &[offset, barrier] : warp.block->barriers)
    barrier.fenced |= barrier.initWarp == warp.index;
}

void runSetRegisters(Warp &warp, const Inst &inst) {
  if (warp.mask != ~0u)
    warp.report(FindingKind::BarrierDivergence, inst, "expected all lanes to come");
  warp.registers = static_cast<uint32_t>(inst.imm);
  uint64_t sum = 0;
  for (const Warp &other : warp.block->warps) {
    if (!other.registers)
      return;
    sum += uint64_t(32) * other.registers;
  }
  if (sum > registerFile)
    warp.report(FindingKind::Fault, inst,
                "expected at most " + std::to_string(registerFile) + " registers for all warps, got " +
                    std::to_string(sum) + ": the last of them waits for ever");
}
} // namespace

MBarrier *emulator::findBarrier(Warp &warp, const Inst &inst, unsigned lane, uint64_t offset) {
  auto found = warp.block->barriers.find(offset);
  if (found == warp.block->barriers.end()) {
    warp.report(FindingKind::Uninitialized, inst,
                "lane " + std::to_string(lane) + " uses an mbarrier at shared+" + std::to_string(offset) +
                    ", where none was initialized");
    return nullptr;
  }
  // Its initialization must have happened before; its uses are atomic.
  if (warp.block->launch.config.sanitize) {
    Accessor by = warp.block->accessor(warp, inst.site, lane, /*atomic=*/true);
    Conflict conflict = warp.block->shared.shadow.read(offset, barrierBytes, by);
    if (conflict.found)
      warp.report(FindingKind::Race, inst,
                  "lane " + std::to_string(lane) + " uses the mbarrier at shared+" + std::to_string(offset) +
                      " that another thread initialized, with nothing that orders the two",
                  conflict.with.site);
  }
  return &found->second;
}

void emulator::arriveAt(Warp &warp, MBarrier &barrier, uint32_t count) {
  join(barrier.arrived, warp.clock);
  barrier.pending -= count;
  completePhase(barrier);
}

bool emulator::isComplete(Warp &warp, MBarrier &barrier, uint32_t parity) {
  if (barrier.parity == parity && !barrier.pending) {
    std::vector<TensorCopy> copies = std::move(barrier.copies);
    barrier.copies.clear();
    for (const TensorCopy &copy : copies) {
      performCopy(warp, copy);
      barrier.bytes -= copy.map.boxBytes();
      join(barrier.arrived, copy.clock);
    }
    if (barrier.bytes < 0) {
      warp.block->launch.report(FindingKind::Fault, copies.empty() ? warp.waitSite : copies.back().site,
                                "block " + warp.block->name() + ": the mbarrier at shared+" +
                                    std::to_string(warp.waitOffset) + " is told of " + std::to_string(-barrier.bytes) +
                                    " bytes more than expect_tx has announced",
                                ~0u);
      warp.block->launch.stop = true;
      return false;
    }
    completePhase(barrier);
  }
  if (barrier.parity == parity)
    return false;
  join(warp.clock, barrier.completed);
  return true;
}

std::string emulator::describeWait(const BlockRun &block, uint64_t offset, uint32_t parity) {
  const MBarrier &barrier = block.barriers.at(offset);
  return "the phase of parity " + std::to_string(parity) + " of the mbarrier at shared+" + std::to_string(offset) +
         " expects " + std::to_string(barrier.pending) + " more arrivals of " + std::to_string(barrier.expected) +
         " and " + std::to_string(barrier.bytes) + " more bytes";
}

void emulator::fenceAsyncProxy(Warp &warp) {
  auto &unfenced = warp.block->shared.unfenced;
  std::replace(unfenced.begin(), unfenced.end(), static_cast<uint8_t>(warp.index + 1), uint8_t(0));
  for (auto &[offset, barrier] : warp.block->barriers)
    barrier.fenced |= barrier.initWarp == warp.index;
}

bool emulator::prepareMBarrier(Preparer &p, Operation *op) {
  auto emitAt = [&](Value address, Value second, Handler run) {
    if (cast<LLVM::LLVMPointerType>(address.getType()).getAddressSpace() == 7)
      return p.fail(op, "expected an mbarrier of the own block");
    Inst &inst = p.emit(op, run);
    inst.a = p.slot(address);
    inst.b = second ? p.slot(second) : noSlot;
    return true;
  };
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case<NVVM::MBarrierInitOp>([&](NVVM::MBarrierInitOp init) {
        return init.getPredicate() ? p.fail(op, "expected no predicate")
                                   : emitAt(init.getAddr(), init.getCount(), runInit);
      })
      .Case<NVVM::MBarrierArriveOp>([&](NVVM::MBarrierArriveOp arrive) {
        if (arrive.getRes() && !arrive.getRes().use_empty())
          return p.fail(op, "expected a wait by parity, not by state");
        if (arrive.getRes())
          (void)p.defineNew(op, arrive.getRes());
        return emitAt(arrive.getAddr(), arrive.getCount(), runArrive);
      })
      .Case<NVVM::MBarrierArriveExpectTxOp>([&](NVVM::MBarrierArriveExpectTxOp arrive) {
        if (arrive.getNumResults() || arrive.getPredicate())
          return p.fail(op, "expected neither a predicate nor a state");
        return emitAt(arrive.getAddr(), arrive.getTxcount(), runArriveExpect);
      })
      .Case<NVVM::MBarrierTryWaitParityOp>(
          [&](NVVM::MBarrierTryWaitParityOp wait) { return emitAt(wait.getAddr(), wait.getPhase(), runWait); })
      .Case<NVVM::FenceProxyOp>([&](NVVM::FenceProxyOp fence) {
        if (fence.getKind() != NVVM::ProxyKind::async && fence.getKind() != NVVM::ProxyKind::async_shared)
          return p.fail(op, "expected a fence of the async proxy");
        p.emit(op, runFence);
        return true;
      })
      // The emulator runs one kernel after the other, but looks that nothing is touched before the wait.
      .Case<NVVM::GriddepcontrolOp>([&](NVVM::GriddepcontrolOp control) {
        if (control.getKind() != NVVM::GridDepActionKind::wait)
          return true;
        p.kernel.waits = true;
        p.emit(op, runGridWait);
        return true;
      })
      .Case<NVVM::FenceMbarrierInitOp>([&](auto) {
        p.emit(op, runFenceInit);
        return true;
      })
      .Case<NVVM::SetMaxRegisterOp>([&](NVVM::SetMaxRegisterOp set) {
        p.emit(op, runSetRegisters).imm = set.getRegCount();
        return true;
      })
      .Default([](Operation *) { return false; });
}
