// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What lanes of a warp and warps of a block do together: special registers,
// shuffles, votes, barriers.
#include "lib/Emulator/Lanes.h"
#include "lib/Emulator/Launch.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "llvm/ADT/TypeSwitch.h"

#include <algorithm>

using namespace mlir;
using namespace bessemer::emulator;

namespace {
// ---- special registers
enum class Sreg {
  TidX,
  TidY,
  TidZ,
  NtidX,
  NtidY,
  NtidZ,
  CtaidX,
  CtaidY,
  CtaidZ,
  NctaidX,
  NctaidY,
  NctaidZ,
  Lane,
  Warp,
  LaneMaskLt
};

template <Sreg R> void runSreg(Warp &warp, const Inst &inst) {
  uint32_t *d = warp.lanes<uint32_t>(inst.dst);
  const LaunchConfig &config = warp.block->launch.config;
  warp.each([&](unsigned l) {
    uint32_t thread = warp.index * 32 + l;
    switch (R) {
    case Sreg::TidX: d[l] = thread % config.block.x; break;
    case Sreg::TidY: d[l] = thread / config.block.x % config.block.y; break;
    case Sreg::TidZ: d[l] = thread / config.block.x / config.block.y; break;
    case Sreg::NtidX: d[l] = config.block.x; break;
    case Sreg::NtidY: d[l] = config.block.y; break;
    case Sreg::NtidZ: d[l] = config.block.z; break;
    case Sreg::CtaidX: d[l] = warp.block->id.x; break;
    case Sreg::CtaidY: d[l] = warp.block->id.y; break;
    case Sreg::CtaidZ: d[l] = warp.block->id.z; break;
    case Sreg::NctaidX: d[l] = config.grid.x; break;
    case Sreg::NctaidY: d[l] = config.grid.y; break;
    case Sreg::NctaidZ: d[l] = config.grid.z; break;
    case Sreg::Lane: d[l] = l; break;
    case Sreg::Warp: d[l] = warp.index; break;
    case Sreg::LaneMaskLt: d[l] = (1u << l) - 1; break;
    }
  });
}

template <Sreg R> bool emitSreg(Preparer &p, Operation *op) {
  Slot d = p.defineNew(op, op->getResult(0)).front();
  p.emit(op, runSreg<R>).dst = d;
  return true;
}

// ---- who takes part

/// Do all lanes that `member` names, and that have not returned, run now?
bool checkMembers(Warp &warp, const Inst &inst, const uint32_t *member) {
  bool fine = true;
  warp.each([&](unsigned l) {
    uint32_t expected = member[l] & ~warp.exited;
    if (fine && expected != warp.mask) {
      fine = false;
      char text[160];
      std::snprintf(text, sizeof text,
                    "lane %u names the lanes 0x%08x, of which 0x%08x are "
                    "alive, but 0x%08x have come",
                    l, member[l], expected, warp.mask);
      warp.report(FindingKind::BarrierDivergence, inst, text);
    }
  });
  return fine;
}

// ---- shuffles. a: member mask, b: value, c: offset; list: slot of the clamp,
// slot of the predicate (or noSlot).
template <NVVM::ShflKind K> void runShuffle(Warp &warp, const Inst &inst) {
  checkMembers(warp, inst, warp.lanes<uint32_t>(inst.a));
  const uint32_t *list = warp.kernel->lists.data() + inst.list;
  uint32_t value[32];
  std::memcpy(value, warp.lanes<uint32_t>(inst.b), sizeof value);
  const uint32_t *offset = warp.lanes<uint32_t>(inst.c), *clamps = warp.lanes<uint32_t>(list[0]);
  uint32_t *d = warp.lanes<uint32_t>(inst.dst);
  uint8_t *valid = list[1] == noSlot ? nullptr : warp.lanes<uint8_t>(list[1]);
  warp.each([&](unsigned l) {
    uint32_t clamp = clamps[l] & 31, segment = clamps[l] >> 8 & 31, b = offset[l] & 31;
    uint32_t high = (l & segment) | (clamp & ~segment), low = l & segment;
    uint32_t from = 0;
    bool inside = false;
    switch (K) {
    case NVVM::ShflKind::up:
      from = l - b;
      inside = static_cast<int32_t>(from) >= static_cast<int32_t>(high);
      break;
    case NVVM::ShflKind::down:
      from = l + b;
      inside = from <= high;
      break;
    case NVVM::ShflKind::bfly:
      from = l ^ b;
      inside = from <= high;
      break;
    case NVVM::ShflKind::idx:
      from = low | (b & ~segment);
      inside = from <= high;
      break;
    }
    if (!inside)
      from = l;
    from &= 31;
    if (!(warp.mask >> from & 1))
      warp.report(FindingKind::Uninitialized, inst,
                  "lane " + std::to_string(l) + " takes a value from lane " + std::to_string(from) +
                      ", which does not take part");
    d[l] = value[from];
    if (valid)
      valid[l] = inside;
  });
}

bool emitShuffle(Preparer &p, NVVM::ShflOp op) {
  SmallVector<Slot> d(p.defineNew(op, op.getRes()));
  Handler run = nullptr;
  switch (op.getKind()) {
  case NVVM::ShflKind::bfly: run = runShuffle<NVVM::ShflKind::bfly>; break;
  case NVVM::ShflKind::up: run = runShuffle<NVVM::ShflKind::up>; break;
  case NVVM::ShflKind::down: run = runShuffle<NVVM::ShflKind::down>; break;
  case NVVM::ShflKind::idx: run = runShuffle<NVVM::ShflKind::idx>; break;
  }
  Inst &inst = p.emit(op, run);
  inst.a = p.slot(op.getThreadMask());
  inst.b = p.slot(op.getVal());
  inst.c = p.slot(op.getOffset());
  inst.dst = d[0];
  inst.list = p.addList({p.slot(op.getMaskAndClamp()), d.size() > 1 ? d[1] : noSlot});
  return true;
}

// ---- votes
template <NVVM::VoteSyncKind K> void runVote(Warp &warp, const Inst &inst) {
  checkMembers(warp, inst, warp.lanes<uint32_t>(inst.a));
  const uint8_t *predicate = warp.lanes<uint8_t>(inst.b);
  uint32_t ballot = 0;
  warp.each([&](unsigned l) { ballot |= predicate[l] ? 1u << l : 0; });
  if (K == NVVM::VoteSyncKind::ballot) {
    uint32_t *d = warp.lanes<uint32_t>(inst.dst);
    warp.each([&](unsigned l) { d[l] = ballot; });
    return;
  }
  bool answer = K == NVVM::VoteSyncKind::any   ? ballot != 0
                : K == NVVM::VoteSyncKind::all ? ballot == warp.mask
                                               : ballot == 0 || ballot == warp.mask;
  uint8_t *d = warp.lanes<uint8_t>(inst.dst);
  warp.each([&](unsigned l) { d[l] = answer; });
}

bool emitVote(Preparer &p, NVVM::VoteSyncOp op) {
  Slot d = p.defineNew(op, op.getRes()).front();
  Handler run = nullptr;
  switch (op.getKind()) {
  case NVVM::VoteSyncKind::any: run = runVote<NVVM::VoteSyncKind::any>; break;
  case NVVM::VoteSyncKind::all: run = runVote<NVVM::VoteSyncKind::all>; break;
  case NVVM::VoteSyncKind::ballot: run = runVote<NVVM::VoteSyncKind::ballot>; break;
  case NVVM::VoteSyncKind::uni: run = runVote<NVVM::VoteSyncKind::uni>; break;
  }
  Inst &inst = p.emit(op, run);
  inst.a = p.slot(op.getMask());
  inst.b = p.slot(op.getPred());
  inst.dst = d;
  return true;
}

// ---- redux.sync
template <NVVM::ReduxKind K> void runRedux(Warp &warp, const Inst &inst) {
  using R = NVVM::ReduxKind;
  checkMembers(warp, inst, warp.lanes<uint32_t>(inst.b));
  const uint32_t *a = warp.lanes<uint32_t>(inst.a);
  bool first = true;
  uint32_t sum = 0;
  warp.each([&](unsigned l) {
    uint32_t x = a[l];
    int32_t s = static_cast<int32_t>(x), t = static_cast<int32_t>(sum);
    sum = first          ? x
          : K == R::ADD  ? sum + x
          : K == R::UMAX ? std::max(sum, x)
          : K == R::UMIN ? std::min(sum, x)
          : K == R::MAX  ? static_cast<uint32_t>(std::max(t, s))
          : K == R::MIN  ? static_cast<uint32_t>(std::min(t, s))
          : K == R::AND  ? sum & x
          : K == R::OR   ? sum | x
                         : sum ^ x;
    first = false;
  });
  uint32_t *d = warp.lanes<uint32_t>(inst.dst);
  warp.each([&](unsigned l) { d[l] = sum; });
}

bool emitRedux(Preparer &p, NVVM::ReduxOp op) {
  using R = NVVM::ReduxKind;
  Handler run = nullptr;
  switch (op.getKind()) {
  case R::ADD: run = runRedux<R::ADD>; break;
  case R::MAX: run = runRedux<R::MAX>; break;
  case R::MIN: run = runRedux<R::MIN>; break;
  case R::UMAX: run = runRedux<R::UMAX>; break;
  case R::UMIN: run = runRedux<R::UMIN>; break;
  case R::AND: run = runRedux<R::AND>; break;
  case R::OR: run = runRedux<R::OR>; break;
  case R::XOR: run = runRedux<R::XOR>; break;
  default: return p.fail(op, "expected redux.sync on i32");
  }
  Slot d = p.defineNew(op, op.getRes()).front();
  Inst &inst = p.emit(op, run);
  inst.a = p.slot(op.getVal());
  inst.b = p.slot(op.getMaskAndClamp());
  inst.dst = d;
  return true;
}

// ---- barriers. a: number, b: threads; noSlot: 0, all.
/// Whether all lanes have come, and to which barrier.
bool findNumberedBarrier(Warp &warp, const Inst &inst) {
  if (warp.mask != ~warp.exited) {
    char text[128];
    std::snprintf(text, sizeof text, "only the lanes 0x%08x have come to the barrier, 0x%08x are alive", warp.mask,
                  ~warp.exited);
    warp.report(FindingKind::BarrierDivergence, inst, text);
    warp.block->launch.stop = true;
    return false;
  }
  unsigned lane = __builtin_ctz(warp.mask);
  warp.barrier = inst.a == noSlot ? 0 : warp.lanes<uint32_t>(inst.a)[lane];
  warp.barrierThreads = inst.b == noSlot ? 0 : warp.lanes<uint32_t>(inst.b)[lane];
  warp.barrierSite = inst.site;
  if (warp.barrier > 15 || warp.barrierThreads % 32) {
    warp.report(FindingKind::Fault, inst,
                "expected a barrier 0 to 15 and a multiple of 32 threads, got " + std::to_string(warp.barrier) +
                    " and " + std::to_string(warp.barrierThreads));
    warp.block->launch.stop = true;
    return false;
  }
  return true;
}

void runBarrier(Warp &warp, const Inst &inst) {
  if (findNumberedBarrier(warp, inst))
    warp.state = WarpState::AtBarrier;
}

/// bar.arrive: the warp goes on.
void runArrive(Warp &warp, const Inst &inst) {
  if (!findNumberedBarrier(warp, inst))
    return;
  BlockRun::Arrivals &arrivals = warp.block->arrivals[warp.barrier];
  arrivals.threads += 32;
  join(arrivals.clock, warp.clock);
  join(arrivals.others, warp.others);
  ++warp.clock[warp.index];
}

void runSyncWarp(Warp &warp, const Inst &inst) {
  checkMembers(warp, inst, warp.lanes<uint32_t>(inst.a));
  ++warp.clock[warp.index];
}

void runElect(Warp &warp, const Inst &inst) {
  unsigned leader = __builtin_ctz(warp.mask);
  uint8_t *d = warp.lanes<uint8_t>(inst.dst);
  warp.each([&](unsigned l) { d[l] = l == leader; });
}
} // namespace

bool bessemer::emulator::prepareWarp(Preparer &p, Operation *op) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case<NVVM::ThreadIdXOp>([&](auto) { return emitSreg<Sreg::TidX>(p, op); })
      .Case<NVVM::ThreadIdYOp>([&](auto) { return emitSreg<Sreg::TidY>(p, op); })
      .Case<NVVM::ThreadIdZOp>([&](auto) { return emitSreg<Sreg::TidZ>(p, op); })
      .Case<NVVM::BlockDimXOp>([&](auto) { return emitSreg<Sreg::NtidX>(p, op); })
      .Case<NVVM::BlockDimYOp>([&](auto) { return emitSreg<Sreg::NtidY>(p, op); })
      .Case<NVVM::BlockDimZOp>([&](auto) { return emitSreg<Sreg::NtidZ>(p, op); })
      .Case<NVVM::BlockIdXOp>([&](auto) { return emitSreg<Sreg::CtaidX>(p, op); })
      .Case<NVVM::BlockIdYOp>([&](auto) { return emitSreg<Sreg::CtaidY>(p, op); })
      .Case<NVVM::BlockIdZOp>([&](auto) { return emitSreg<Sreg::CtaidZ>(p, op); })
      .Case<NVVM::GridDimXOp>([&](auto) { return emitSreg<Sreg::NctaidX>(p, op); })
      .Case<NVVM::GridDimYOp>([&](auto) { return emitSreg<Sreg::NctaidY>(p, op); })
      .Case<NVVM::GridDimZOp>([&](auto) { return emitSreg<Sreg::NctaidZ>(p, op); })
      .Case<NVVM::LaneIdOp>([&](auto) { return emitSreg<Sreg::Lane>(p, op); })
      .Case<NVVM::WarpIdOp>([&](auto) { return emitSreg<Sreg::Warp>(p, op); })
      .Case<NVVM::LaneMaskLtOp>([&](auto) { return emitSreg<Sreg::LaneMaskLt>(p, op); })
      .Case<NVVM::WarpSizeOp>([&](auto) {
        p.define(op->getResult(0), {p.constant(Lane::I32, 32)});
        return true;
      })
      .Case<NVVM::ShflOp>([&](NVVM::ShflOp shuffle) { return emitShuffle(p, shuffle); })
      .Case<NVVM::VoteSyncOp>([&](NVVM::VoteSyncOp vote) { return emitVote(p, vote); })
      .Case<NVVM::ReduxOp>([&](NVVM::ReduxOp redux) { return emitRedux(p, redux); })
      .Case<NVVM::Barrier0Op>([&](auto) {
        p.emit(op, runBarrier);
        return true;
      })
      .Case<NVVM::BarrierOp>([&](NVVM::BarrierOp barrier) {
        if (barrier.getReductionOp())
          return p.fail(op, "expected a barrier without a reduction");
        Inst &inst = p.emit(op, runBarrier);
        if (barrier.getBarrierId())
          inst.a = p.slot(barrier.getBarrierId());
        if (barrier.getNumberOfThreads())
          inst.b = p.slot(barrier.getNumberOfThreads());
        return true;
      })
      .Case<NVVM::BarrierArriveOp>([&](NVVM::BarrierArriveOp arrive) {
        Inst &inst = p.emit(op, runArrive);
        if (arrive.getBarrierId())
          inst.a = p.slot(arrive.getBarrierId());
        inst.b = p.slot(arrive.getNumberOfThreads());
        return true;
      })
      .Case<NVVM::SyncWarpOp>([&](NVVM::SyncWarpOp sync) {
        p.emit(op, runSyncWarp).a = p.slot(sync.getMask());
        return true;
      })
      .Case<NVVM::ElectSyncOp>([&](NVVM::ElectSyncOp elect) {
        Slot d = p.defineNew(op, elect.getPred()).front();
        p.emit(op, runElect).dst = d;
        return true;
      })
      .Default([](Operation *) { return false; });
}
