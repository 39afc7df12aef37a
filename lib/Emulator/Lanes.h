// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How a lane of each kind is stored, and what arithmetic on it means.
//
//   run<Add>(Lane::F16)      // the handler that adds f16: widen, add, round
#pragma once

#include "lib/Emulator/Prepare.h"
#include "lib/Emulator/Warp.h"

#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>

namespace bessemer::emulator {

float halfToFloat(uint16_t bits);
uint16_t floatToHalf(float value); ///< to nearest, ties to even
inline float bfloatToFloat(uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); }
inline uint16_t floatToBfloat(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if (value != value)
    return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// float8: e4m3 (no infinities, all ones is NaN) or e5m2 (the high byte of a half).
template <bool IsE4m3> float float8ToFloat(uint8_t bits) {
  if constexpr (!IsE4m3) {
    return halfToFloat(static_cast<uint16_t>(bits << 8));
  } else {
    int magnitude = bits & 0x7f;
    float value = magnitude == 0x7f ? std::numeric_limits<float>::quiet_NaN()
                  : magnitude < 8   ? std::ldexp(float(magnitude), -9)
                                    : std::ldexp(float(8 + (magnitude & 7)), (magnitude >> 3) - 10);
    return bits & 0x80 ? -value : value;
  }
}

template <Lane L> struct LaneTraits;
template <> struct LaneTraits<Lane::I1> {
  using Storage = uint8_t;
};
template <> struct LaneTraits<Lane::I8> {
  using Storage = uint8_t;
};
template <> struct LaneTraits<Lane::I16> {
  using Storage = uint16_t;
};
template <> struct LaneTraits<Lane::I32> {
  using Storage = uint32_t;
};
template <> struct LaneTraits<Lane::I64> {
  using Storage = uint64_t;
};
template <> struct LaneTraits<Lane::Ptr> {
  using Storage = uint64_t;
};
template <> struct LaneTraits<Lane::F16> {
  using Storage = uint16_t;
};
template <> struct LaneTraits<Lane::BF16> {
  using Storage = uint16_t;
};
template <> struct LaneTraits<Lane::F32> {
  using Storage = float;
};
template <> struct LaneTraits<Lane::F64> {
  using Storage = double;
};
template <Lane L> using Storage = typename LaneTraits<L>::Storage;

constexpr bool isFloatLane(Lane lane) { return lane >= Lane::F16 && lane <= Lane::F64; }

/// The number that arithmetic works on: float for the narrow floats.
template <Lane L> auto decode(Storage<L> value) {
  if constexpr (L == Lane::F16)
    return halfToFloat(value);
  else if constexpr (L == Lane::BF16)
    return bfloatToFloat(value);
  else
    return value;
}
template <Lane L, class T> Storage<L> encode(T value) {
  if constexpr (L == Lane::F16)
    return floatToHalf(static_cast<float>(value));
  else if constexpr (L == Lane::BF16)
    return floatToBfloat(static_cast<float>(value));
  else if constexpr (L == Lane::I1)
    return static_cast<uint8_t>(value & 1);
  else
    return static_cast<Storage<L>>(value);
}
template <Lane L> std::make_signed_t<Storage<L>> asSigned(Storage<L> value) {
  if constexpr (L == Lane::I1)
    return value ? -1 : 0;
  else
    return static_cast<std::make_signed_t<Storage<L>>>(value);
}

/// Calls fn.template operator()<L>() for the kind; `Floats`, `Integers`: which
/// are possible.
template <bool Integers, bool Floats, class F> Handler forLane(Lane lane, F &&fn) {
  if constexpr (Integers)
    switch (lane) {
    case Lane::I1: return fn.template operator()<Lane::I1>();
    case Lane::I8: return fn.template operator()<Lane::I8>();
    case Lane::I16: return fn.template operator()<Lane::I16>();
    case Lane::I32: return fn.template operator()<Lane::I32>();
    case Lane::I64: return fn.template operator()<Lane::I64>();
    case Lane::Ptr: return fn.template operator()<Lane::Ptr>();
    default: break;
    }
  if constexpr (Floats)
    switch (lane) {
    case Lane::F16: return fn.template operator()<Lane::F16>();
    case Lane::BF16: return fn.template operator()<Lane::BF16>();
    case Lane::F32: return fn.template operator()<Lane::F32>();
    case Lane::F64: return fn.template operator()<Lane::F64>();
    default: break;
    }
  return nullptr;
}

template <class Op, Lane L, Lane R = L> void runUnary(Warp &warp, const Inst &inst) {
  const Storage<L> *__restrict a = warp.lanes<Storage<L>>(inst.a);
  Storage<R> *__restrict d = warp.lanes<Storage<R>>(inst.dst);
  warp.each([&](unsigned l) { d[l] = encode<R>(Op::template apply<L>(decode<L>(a[l]))); });
}
template <class Op, Lane L, Lane R = L> void runBinary(Warp &warp, const Inst &inst) {
  const Storage<L> *__restrict a = warp.lanes<Storage<L>>(inst.a), *__restrict b = warp.lanes<Storage<L>>(inst.b);
  Storage<R> *__restrict d = warp.lanes<Storage<R>>(inst.dst);
  warp.each([&](unsigned l) { d[l] = encode<R>(Op::template apply<L>(decode<L>(a[l]), decode<L>(b[l]))); });
}
template <class Op, Lane L> void runTernary(Warp &warp, const Inst &inst) {
  const Storage<L> *__restrict a = warp.lanes<Storage<L>>(inst.a), *__restrict b = warp.lanes<Storage<L>>(inst.b),
                               *__restrict c = warp.lanes<Storage<L>>(inst.c);
  Storage<L> *__restrict d = warp.lanes<Storage<L>>(inst.dst);
  warp.each(
      [&](unsigned l) { d[l] = encode<L>(Op::template apply<L>(decode<L>(a[l]), decode<L>(b[l]), decode<L>(c[l]))); });
}

/// One instruction for each element of the result, on the same elements of the first `operands` (1 or 2) operands.
/// `pick`: its handler, from the lanes of the first operand and of the result; null: not for these.
inline bool emitEach(Preparer &p, mlir::Operation *op, unsigned operands,
                     llvm::function_ref<Handler(Lane, Lane)> pick) {
  auto a = llvm::to_vector(p.slots(op->getOperand(0)));
  auto b = operands > 1 ? llvm::to_vector(p.slots(op->getOperand(1))) : decltype(a)();
  auto d = llvm::to_vector(p.defineNew(op, op->getResult(0)));
  for (size_t i = 0; i < d.size(); ++i) {
    Handler run = pick(p.laneOf(a[i]), p.laneOf(d[i]));
    if (!run)
      return p.fail(op, "expected another element type");
    Inst &inst = p.emit(op, run);
    inst.dst = d[i];
    inst.a = a[i];
    if (operands > 1)
      inst.b = b[i];
  }
  return true;
}
template <class Op, bool Integers, bool Floats> bool emitUnary(Preparer &p, mlir::Operation *op) {
  return emitEach(p, op, 1, [](Lane lane, Lane) {
    return forLane<Integers, Floats>(lane, []<Lane L>() -> Handler { return runUnary<Op, L>; });
  });
}
template <class Op, bool Integers, bool Floats> bool emitBinary(Preparer &p, mlir::Operation *op) {
  return emitEach(p, op, 2, [](Lane lane, Lane) {
    return forLane<Integers, Floats>(lane, []<Lane L>() -> Handler { return runBinary<Op, L>; });
  });
}

} // namespace bessemer::emulator
