// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Addresses, loads, stores, atomics.
#include "lib/Emulator/Lanes.h"
#include "lib/Emulator/Launch.h"

#include "llvm/ADT/TypeSwitch.h"

#include <algorithm>

using namespace mlir;
using namespace bessemer::emulator;

namespace {
Space spaceOf(Type type) { return static_cast<Space>(cast<LLVM::LLVMPointerType>(type).getAddressSpace()); }

bool isKnownSpace(Type type) {
  auto pointer = dyn_cast<LLVM::LLVMPointerType>(type);
  return pointer && llvm::is_contained({0u, 1u, 3u, 4u, 5u}, pointer.getAddressSpace());
}

// ---- load and store. Operands: a: addresses; list: (slot, offset, lane bytes)
// for each leaf; b: bytes in all; c: alignment; imm: space, and bit 8 when
// atomic.
constexpr int64_t atomicBit = 0x100;

MemoryAccess accessOf(const Inst &inst, bool write) {
  MemoryAccess access;
  access.space = static_cast<Space>(inst.imm & 0xff);
  access.bytes = inst.b;
  access.alignment = inst.c;
  access.write = write;
  access.atomic = inst.imm & atomicBit;
  return access;
}

using Places = std::array<uint8_t *, 32>; ///< of the lanes; null where there is no memory

Places load(Warp &warp, const Inst &inst) {
  Places host;
  accessOf(inst, false).resolve(warp, inst, warp.mask, warp.lanes<uint64_t>(inst.a), host);
  const uint32_t *list = warp.kernel->lists.data() + inst.list;
  for (uint32_t i = 0; i < inst.count; ++i) {
    uint32_t offset = list[3 * i + 1], bytes = list[3 * i + 2];
    uint8_t *to = warp.lanes<uint8_t>(list[3 * i]);
    warp.each([&](unsigned l) {
      if (host[l])
        std::memcpy(to + l * bytes, host[l] + offset, bytes);
      else
        std::memset(to + l * bytes, 0, bytes);
    });
  }
  return host;
}
void runLoad(Warp &warp, const Inst &inst) { load(warp, inst); }

/// What the block that stored the word had done, and knew, is known from here on.
void runLoadAcquire(Warp &warp, const Inst &inst) {
  Places host = load(warp, inst);
  const auto &released = warp.block->launch.released;
  warp.each([&](unsigned l) {
    if (auto known = released.find(host[l]); known != released.end())
      join(warp.others, known->second);
  });
  // Blocks run one after the other: a word that is not there now does not come.
  constexpr uint32_t mostAcquires = 1 << 16;
  if (++warp.acquires[inst.site] > mostAcquires) {
    warp.report(FindingKind::Deadlock, inst, "waits for ever for a word that no block before it has stored");
    warp.block->launch.stop = true;
  }
}

Places store(Warp &warp, const Inst &inst) {
  Places host;
  accessOf(inst, true).resolve(warp, inst, warp.mask, warp.lanes<uint64_t>(inst.a), host);
  const uint32_t *list = warp.kernel->lists.data() + inst.list;
  for (uint32_t i = 0; i < inst.count; ++i) {
    uint32_t offset = list[3 * i + 1], bytes = list[3 * i + 2];
    const uint8_t *from = warp.lanes<uint8_t>(list[3 * i]);
    warp.each([&](unsigned l) {
      if (host[l])
        std::memcpy(host[l] + offset, from + l * bytes, bytes);
    });
  }
  return host;
}
void runStore(Warp &warp, const Inst &inst) { store(warp, inst); }

/// Says so with the word: what the warp has done and knows.
void runStoreRelease(Warp &warp, const Inst &inst) {
  Places host = store(warp, inst);
  OtherClocks known = warp.others;
  known[warp.block->firstAgent] = warp.clock;
  warp.each([&](unsigned l) { warp.block->launch.released[host[l]] = known; });
  ++warp.clock[warp.index]; // what comes now is not said
}

/// A word that orders what other blocks do says so to the whole device; a narrower scope orders nothing between them.
template <typename Op> bool ordersBlocks(Op op, LLVM::AtomicOrdering ordering) {
  StringRef scope = op.getSyncscope().value_or("");
  return (op.getOrdering() == ordering || op.getOrdering() == LLVM::AtomicOrdering::seq_cst) &&
         (scope.empty() || scope == "device");
}
bool emitAccess(Preparer &p, Operation *op, Value address, Type type, ArrayRef<Slot> slots,
                std::optional<uint64_t> alignment, Handler run, bool isAtomic) {
  if (!isKnownSpace(address.getType()))
    return p.fail(op, "expected a pointer to generic, global, shared, constant "
                      "or local memory");
  SmallVector<Leaf> leaves = p.leaves(op, type);
  SmallVector<uint32_t> list;
  for (auto [leaf, slot] : llvm::zip(leaves, slots))
    list.append({slot, leaf.offset, laneBytes(leaf.lane)});
  Inst &inst = p.emit(op, run);
  inst.a = p.slot(address);
  inst.list = p.addList(list);
  inst.count = leaves.size();
  inst.b = leaves.empty() ? 0 : leaves.back().offset + laneBytes(leaves.back().lane);
  inst.c = alignment.value_or(p.alignmentOf(type));
  inst.imm = static_cast<int64_t>(spaceOf(address.getType())) | (isAtomic ? atomicBit : 0);
  return true;
}

// ---- addresses. list: (slot, bytes of the index, scale) for each dynamic
// index.
void runAddress(Warp &warp, const Inst &inst) {
  const uint64_t *base = warp.lanes<uint64_t>(inst.a);
  uint64_t *d = warp.lanes<uint64_t>(inst.dst);
  const uint32_t *list = warp.kernel->lists.data() + inst.list;
  warp.each([&](unsigned l) { d[l] = base[l] + static_cast<uint64_t>(inst.imm); });
  for (uint32_t i = 0; i < inst.count; ++i) {
    uint64_t scale = list[3 * i + 2];
    if (list[3 * i + 1] == 8) {
      const uint64_t *index = warp.lanes<uint64_t>(list[3 * i]);
      warp.each([&](unsigned l) { d[l] += index[l] * scale; });
    } else {
      const uint32_t *index = warp.lanes<uint32_t>(list[3 * i]);
      warp.each([&](unsigned l) {
        d[l] += static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(index[l]))) * scale;
      });
    }
  }
}

bool emitAddress(Preparer &p, LLVM::GEPOp op) {
  if (!isKnownSpace(op.getRes().getType()))
    return p.fail(op, "expected one pointer, not a vector of pointers");
  Type type = op.getElemType();
  int64_t constant = 0;
  SmallVector<uint32_t> list;
  bool first = true;
  for (auto index : op.getIndices()) {
    uint64_t scale = 0;
    if (first) {
      scale = p.sizeOf(type);
    } else if (auto structure = dyn_cast<LLVM::LLVMStructType>(type)) {
      int64_t field = cast<IntegerAttr>(index).getInt();
      uint64_t at = 0;
      for (int64_t i = 0; i <= field; ++i) {
        if (!structure.isPacked())
          at = llvm::alignTo(at, p.alignmentOf(structure.getBody()[i]));
        if (i < field)
          at += p.sizeOf(structure.getBody()[i]);
      }
      constant += at;
      type = structure.getBody()[field];
      continue;
    } else {
      type = isa<LLVM::LLVMArrayType>(type) ? cast<LLVM::LLVMArrayType>(type).getElementType()
                                            : cast<VectorType>(type).getElementType();
      scale = p.sizeOf(type);
    }
    first = false;
    if (auto known = dyn_cast<IntegerAttr>(index)) {
      constant += known.getInt() * static_cast<int64_t>(scale);
      continue;
    }
    Slot slot = p.slot(cast<Value>(index));
    unsigned bytes = laneBytes(p.laneOf(slot));
    if (bytes < 4 || scale > ~0u)
      return p.fail(op, "expected indices of 32 or 64 bits");
    list.append({slot, bytes, static_cast<uint32_t>(scale)});
  }
  Slot base = p.slot(op.getBase());
  if (list.empty() && constant == 0) {
    p.define(op.getRes(), {base});
    return true;
  }
  Slot d = p.defineNew(op, op.getRes()).front();
  Inst &inst = p.emit(op, runAddress);
  inst.a = base;
  inst.dst = d;
  inst.imm = constant;
  inst.list = p.addList(list);
  inst.count = list.size() / 3;
  return true;
}

bool emitAlloca(Preparer &p, LLVM::AllocaOp op) {
  APInt count;
  if (!matchPattern(op.getArraySize(), m_ConstantInt(&count)))
    return p.fail(op, "expected an alloca of constant size");
  uint64_t alignment = std::max<uint64_t>(op.getAlignment().value_or(1), p.alignmentOf(op.getElemType()));
  uint64_t offset = llvm::alignTo(p.kernel.localBytes, alignment);
  p.kernel.localBytes = offset + count.getZExtValue() * p.sizeOf(op.getElemType());
  bool isLocal = spaceOf(op.getRes().getType()) == Space::Local;
  p.define(op.getRes(), {p.constant(Lane::Ptr, offset + (isLocal ? 0 : localWindow))});
  return true;
}

// ---- atomics: lanes one after the other.
template <class T, class F> void runAtomic(Warp &warp, const Inst &inst) {
  MemoryAccess access = accessOf(inst, true);
  access.atomic = true;
  std::array<uint8_t *, 32> host;
  access.resolve(warp, inst, warp.mask, warp.lanes<uint64_t>(inst.a), host);
  const T *operand = warp.lanes<T>(inst.list);
  T *d = warp.lanes<T>(inst.dst);
  warp.each([&](unsigned l) {
    T old{};
    if (host[l]) {
      std::memcpy(&old, host[l], sizeof(T));
      T value = F()(old, operand[l]);
      std::memcpy(host[l], &value, sizeof(T));
    }
    d[l] = old;
  });
}
struct TakeMax {
  template <class T> T operator()(T a, T b) { return std::max(a, b); }
};
struct TakeMin {
  template <class T> T operator()(T a, T b) { return std::min(a, b); }
};
struct Exchange {
  template <class T> T operator()(T, T b) { return b; }
};

template <class T> Handler integerAtomic(LLVM::AtomicBinOp kind) {
  using B = LLVM::AtomicBinOp;
  using S = std::make_signed_t<T>;
  switch (kind) {
  case B::add: return runAtomic<T, std::plus<T>>;
  case B::sub: return runAtomic<T, std::minus<T>>;
  case B::_and: return runAtomic<T, std::bit_and<T>>;
  case B::_or: return runAtomic<T, std::bit_or<T>>;
  case B::_xor: return runAtomic<T, std::bit_xor<T>>;
  case B::xchg: return runAtomic<T, Exchange>;
  case B::umax: return runAtomic<T, TakeMax>;
  case B::umin: return runAtomic<T, TakeMin>;
  case B::max: return runAtomic<S, TakeMax>;
  case B::min: return runAtomic<S, TakeMin>;
  default: return nullptr;
  }
}

bool emitAtomic(Preparer &p, LLVM::AtomicRMWOp op) {
  if (!isKnownSpace(op.getPtr().getType()))
    return p.fail(op, "expected a pointer to global or shared memory");
  Slot value = p.slot(op.getVal());
  Handler run = nullptr;
  if (p.laneOf(value) == Lane::I32)
    run = integerAtomic<uint32_t>(op.getBinOp());
  else if (p.laneOf(value) == Lane::I64)
    run = integerAtomic<uint64_t>(op.getBinOp());
  else if (p.laneOf(value) == Lane::F32 && op.getBinOp() == LLVM::AtomicBinOp::fadd)
    run = runAtomic<float, std::plus<float>>;
  if (!run)
    return p.fail(op, "expected an atomic of i32 or i64, or an addition of f32");
  Slot d = p.defineNew(op, op.getRes()).front();
  Inst &inst = p.emit(op, run);
  inst.a = p.slot(op.getPtr());
  inst.list = value;
  inst.b = inst.c = laneBytes(p.laneOf(value));
  inst.imm = static_cast<int64_t>(spaceOf(op.getPtr().getType()));
  inst.dst = d;
  return true;
}
} // namespace

bool bessemer::emulator::prepareMemory(Preparer &p, Operation *op) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case<LLVM::LoadOp>([&](LLVM::LoadOp load) {
        auto d = llvm::to_vector(p.defineNew(op, load.getRes()));
        return emitAccess(p, op, load.getAddr(), load.getRes().getType(), d, load.getAlignment(),
                          ordersBlocks(load, LLVM::AtomicOrdering::acquire) ? runLoadAcquire : runLoad,
                          load.getOrdering() != LLVM::AtomicOrdering::not_atomic);
      })
      .Case<LLVM::StoreOp>([&](LLVM::StoreOp store) {
        auto from = llvm::to_vector(p.slots(store.getValue()));
        return emitAccess(p, op, store.getAddr(), store.getValue().getType(), from, store.getAlignment(),
                          ordersBlocks(store, LLVM::AtomicOrdering::release) ? runStoreRelease : runStore,
                          store.getOrdering() != LLVM::AtomicOrdering::not_atomic);
      })
      .Case<LLVM::GEPOp>([&](LLVM::GEPOp address) { return emitAddress(p, address); })
      .Case<LLVM::AllocaOp>([&](LLVM::AllocaOp alloca) { return emitAlloca(p, alloca); })
      .Case<LLVM::AtomicRMWOp>([&](LLVM::AtomicRMWOp atomic) { return emitAtomic(p, atomic); })
      .Case<LLVM::AddressOfOp>([&](LLVM::AddressOfOp address) {
        uint32_t offset = p.sharedOffset(address.getGlobalName());
        if (offset == ~0u)
          return p.fail(op, "expected a global in shared memory, got @" + address.getGlobalName());
        p.define(address.getRes(), {p.constant(Lane::Ptr, offset)});
        return true;
      })
      .Case<LLVM::LifetimeStartOp, LLVM::LifetimeEndOp, LLVM::Prefetch>([](auto) { return true; })
      .Default([](Operation *) { return false; });
}
