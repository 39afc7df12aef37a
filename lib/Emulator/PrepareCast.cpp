// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Conversions of numbers and pointers.
#include "lib/Emulator/Lanes.h"
#include "lib/Emulator/Memory.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace bessemer::emulator;

namespace {
enum class Cast { Zero, Sign, FromSigned, FromUnsigned, ToSigned, ToUnsigned, Float };

/// Out of range saturates, NaN gives 0, as cvt does.
template <class To, class From> To saturate(From value) {
  if (value != value)
    return 0;
  constexpr double low = static_cast<double>(std::numeric_limits<To>::min()),
                   high = static_cast<double>(std::numeric_limits<To>::max());
  if (static_cast<double>(value) <= low)
    return std::numeric_limits<To>::min();
  if (static_cast<double>(value) >= high)
    return std::numeric_limits<To>::max();
  return static_cast<To>(value);
}

template <Cast C, Lane From, Lane To> void runCast(Warp &warp, const Inst &inst) {
  const Storage<From> *__restrict a = warp.lanes<Storage<From>>(inst.a);
  Storage<To> *__restrict d = warp.lanes<Storage<To>>(inst.dst);
  warp.each([&](unsigned l) {
    auto x = decode<From>(a[l]);
    if constexpr (C == Cast::Sign)
      d[l] = encode<To>(asSigned<From>(a[l]));
    else if constexpr (C == Cast::FromSigned)
      d[l] = encode<To>(static_cast<std::conditional_t<To == Lane::F64, double, float>>(asSigned<From>(a[l])));
    else if constexpr (C == Cast::FromUnsigned)
      d[l] = encode<To>(static_cast<std::conditional_t<To == Lane::F64, double, float>>(a[l]));
    else if constexpr (C == Cast::ToSigned)
      d[l] = encode<To>(static_cast<Storage<To>>(saturate<std::make_signed_t<Storage<To>>>(x)));
    else if constexpr (C == Cast::ToUnsigned)
      d[l] = encode<To>(saturate<Storage<To>>(x));
    else
      d[l] = encode<To>(x);
  });
}

template <Cast C, bool FromFloat, bool ToFloat> bool emitCast(Preparer &p, Operation *op) {
  return emitEach(p, op, 1, [](Lane from, Lane to) {
    return forLane<!FromFloat, FromFloat>(from, [&]<Lane From>() -> Handler {
      return forLane<!ToFloat, ToFloat>(to, []<Lane To>() -> Handler { return runCast<C, From, To>; });
    });
  });
}

template <bool IsE4m3> void runFromFloat8(Warp &warp, const Inst &inst) {
  const uint8_t *__restrict a = warp.lanes<uint8_t>(inst.a);
  uint16_t *__restrict d = warp.lanes<uint16_t>(inst.dst);
  warp.each([&](unsigned l) { d[l] = floatToHalf(float8ToFloat<IsE4m3>(a[l])); });
}

/// cvt.rn.f16x2 of two float8.
bool emitFromFloat8(Preparer &p, NVVM::ConvertF8x2ToF16x2Op op) {
  bool isE4m3 = isa<Float8E4M3FNType>(op.getSrcType());
  if (op.getRelu() || (!isE4m3 && !isa<Float8E5M2Type>(op.getSrcType())))
    return p.fail(op, "expected f8E4M3FN or f8E5M2, without relu");
  auto a = llvm::to_vector(p.slots(op.getSrc())), d = llvm::to_vector(p.defineNew(op, op.getDst()));
  for (auto [from, to] : llvm::zip(a, d)) {
    Inst &inst = p.emit(op, isE4m3 ? runFromFloat8<true> : runFromFloat8<false>);
    inst.a = from;
    inst.dst = to;
  }
  return true;
}

/// Elements of one width into elements of another: bytes in memory order.
void runRepack(Warp &warp, const Inst &inst) {
  const uint32_t *list = warp.kernel->lists.data() + inst.list;
  unsigned fromCount = inst.a, toCount = inst.b, fromBytes = inst.c, toBytes = inst.imm;
  warp.each([&](unsigned l) {
    uint8_t bytes[64];
    for (unsigned i = 0; i < fromCount; ++i)
      std::memcpy(bytes + i * fromBytes, warp.lanes<uint8_t>(list[i]) + l * fromBytes, fromBytes);
    for (unsigned i = 0; i < toCount; ++i)
      std::memcpy(warp.lanes<uint8_t>(list[fromCount + i]) + l * toBytes, bytes + i * toBytes, toBytes);
  });
}

bool emitBitcast(Preparer &p, Operation *op) {
  auto a = llvm::to_vector(p.slots(op->getOperand(0)));
  auto d = llvm::to_vector(p.defineNew(op, op->getResult(0)));
  if (a.empty() || d.empty())
    return true;
  unsigned from = laneBytes(p.laneOf(a[0])), to = laneBytes(p.laneOf(d[0]));
  if (from * a.size() != to * d.size() || from * a.size() > 64)
    return p.fail(op, "expected a bitcast of at most 64 bytes, and not of i1");
  SmallVector<uint32_t> list(a);
  list.append(d.begin(), d.end());
  Inst &inst = p.emit(op, runRepack);
  inst.list = p.addList(list);
  inst.a = a.size();
  inst.b = d.size();
  inst.c = from;
  inst.imm = to;
  return true;
}

void runOffset(Warp &warp, const Inst &inst) {
  const uint64_t *__restrict a = warp.lanes<uint64_t>(inst.a);
  uint64_t *__restrict d = warp.lanes<uint64_t>(inst.dst);
  warp.each([&](unsigned l) { d[l] = a[l] + static_cast<uint64_t>(inst.imm); });
}

uint64_t windowOf(unsigned space) { return space == 3 ? sharedWindow : space == 5 ? localWindow : 0; }
} // namespace

bool bessemer::emulator::prepareCast(Preparer &p, Operation *op) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case<LLVM::ZExtOp, LLVM::TruncOp, LLVM::PtrToIntOp, LLVM::IntToPtrOp>(
          [&](auto) { return emitCast<Cast::Zero, false, false>(p, op); })
      .Case<LLVM::SExtOp>([&](auto) { return emitCast<Cast::Sign, false, false>(p, op); })
      .Case<LLVM::SIToFPOp>([&](auto) { return emitCast<Cast::FromSigned, false, true>(p, op); })
      .Case<LLVM::UIToFPOp>([&](auto) { return emitCast<Cast::FromUnsigned, false, true>(p, op); })
      .Case<LLVM::FPToSIOp>([&](auto) { return emitCast<Cast::ToSigned, true, false>(p, op); })
      .Case<LLVM::FPToUIOp>([&](auto) { return emitCast<Cast::ToUnsigned, true, false>(p, op); })
      .Case<LLVM::FPExtOp, LLVM::FPTruncOp>([&](auto) { return emitCast<Cast::Float, true, true>(p, op); })
      .Case<NVVM::ConvertF8x2ToF16x2Op>([&](NVVM::ConvertF8x2ToF16x2Op convert) { return emitFromFloat8(p, convert); })
      .Case<LLVM::BitcastOp>([&](auto) { return emitBitcast(p, op); })
      .Case<LLVM::FreezeOp>([&](LLVM::FreezeOp freeze) {
        p.define(freeze.getRes(), llvm::to_vector(p.slots(freeze.getVal())));
        return true;
      })
      .Case<LLVM::AddrSpaceCastOp>([&](LLVM::AddrSpaceCastOp cast) {
        auto from = dyn_cast<LLVM::LLVMPointerType>(cast.getArg().getType()),
             to = dyn_cast<LLVM::LLVMPointerType>(cast.getRes().getType());
        // Without clusters the shared memory of the cluster is that of the block.
        if (from && to && from.getAddressSpace() == 3 && to.getAddressSpace() == 7) {
          p.define(cast.getRes(), {p.slot(cast.getArg())});
          return true;
        }
        if (!from || !to || (from.getAddressSpace() && to.getAddressSpace()))
          return p.fail(op, "expected a cast of one pointer to or from the "
                            "generic address space");
        Slot a = p.slot(cast.getArg()), d = p.defineNew(op, cast.getRes()).front();
        Inst &inst = p.emit(op, runOffset);
        inst.a = a;
        inst.dst = d;
        inst.imm = static_cast<int64_t>(windowOf(from.getAddressSpace()) - windowOf(to.getAddressSpace()));
        return true;
      })
      .Default([](Operation *) { return false; });
}
