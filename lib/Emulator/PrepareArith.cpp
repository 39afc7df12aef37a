// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Constants, integer and float arithmetic, comparisons, select.
#include "lib/Emulator/Lanes.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace bessemer::emulator;

namespace {
struct Add {
  template <Lane L> static auto apply(auto a, auto b) { return a + b; }
};
struct Sub {
  template <Lane L> static auto apply(auto a, auto b) { return a - b; }
};
struct Mul {
  template <Lane L> static auto apply(auto a, auto b) {
    if constexpr (std::is_integral_v<decltype(a)>)
      return static_cast<uint64_t>(a) * b; // no promotion to int, which could overflow
    else
      return a * b;
  }
};
struct FDiv {
  template <Lane L> static auto apply(auto a, auto b) { return a / b; }
};
struct FRem {
  template <Lane L> static auto apply(auto a, auto b) { return std::fmod(a, b); }
};
// A division by 0 gives all ones, as the hardware does.
struct UDiv {
  template <Lane L> static auto apply(auto a, auto b) { return b ? decltype(a)(a / b) : decltype(a)(~decltype(a)(0)); }
};
struct URem {
  template <Lane L> static auto apply(auto a, auto b) { return b ? decltype(a)(a % b) : a; }
};
struct SDiv {
  template <Lane L> static auto apply(auto a, auto b) {
    auto x = asSigned<L>(a), y = asSigned<L>(b);
    return y == 0 ? decltype(a)(~decltype(a)(0)) : y == -1 ? decltype(a)(0 - a) : decltype(a)(x / y);
  }
};
struct SRem {
  template <Lane L> static auto apply(auto a, auto b) {
    auto x = asSigned<L>(a), y = asSigned<L>(b);
    return y == 0 ? a : y == -1 ? decltype(a)(0) : decltype(a)(x % y);
  }
};
struct And {
  template <Lane L> static auto apply(auto a, auto b) { return a & b; }
};
struct Or {
  template <Lane L> static auto apply(auto a, auto b) { return a | b; }
};
struct Xor {
  template <Lane L> static auto apply(auto a, auto b) { return a ^ b; }
};
// Shifts by the width or more: 0, or the sign, as the hardware clamps.
template <class T> constexpr unsigned widthOf = sizeof(T) * 8;
struct Shl {
  template <Lane L> static auto apply(auto a, auto b) {
    return b >= widthOf<decltype(a)> ? decltype(a)(0) : decltype(a)(uint64_t(a) << b);
  }
};
struct LShr {
  template <Lane L> static auto apply(auto a, auto b) {
    return b >= widthOf<decltype(a)> ? decltype(a)(0) : decltype(a)(a >> b);
  }
};
struct AShr {
  template <Lane L> static auto apply(auto a, auto b) {
    return decltype(a)(asSigned<L>(a) >> (b >= widthOf<decltype(a)> ? widthOf<decltype(a)> - 1 : b));
  }
};
struct FNeg {
  template <Lane L> static auto apply(auto a) { return -a; }
};

template <LLVM::ICmpPredicate P> struct ICmp {
  template <Lane L> static uint8_t apply(auto a, auto b) {
    auto x = asSigned<L>(a), y = asSigned<L>(b);
    switch (P) {
    case LLVM::ICmpPredicate::eq: return a == b;
    case LLVM::ICmpPredicate::ne: return a != b;
    case LLVM::ICmpPredicate::slt: return x < y;
    case LLVM::ICmpPredicate::sle: return x <= y;
    case LLVM::ICmpPredicate::sgt: return x > y;
    case LLVM::ICmpPredicate::sge: return x >= y;
    case LLVM::ICmpPredicate::ult: return a < b;
    case LLVM::ICmpPredicate::ule: return a <= b;
    case LLVM::ICmpPredicate::ugt: return a > b;
    case LLVM::ICmpPredicate::uge: return a >= b;
    }
    return 0;
  }
};

/// The predicates of fcmp are sets of {less, equal, greater, unordered}; the
/// enum of LLVM has equal in bit 0, greater in 1, less in 2, unordered in 3.
template <unsigned Set> struct FCmp {
  template <Lane L> static uint8_t apply(auto a, auto b) {
    unsigned is = a == b ? 1 : a > b ? 2 : a < b ? 4 : 8;
    return (Set & is) != 0;
  }
};
unsigned setOf(LLVM::FCmpPredicate predicate) {
  using P = LLVM::FCmpPredicate;
  switch (predicate) {
  case P::_false: return 0;
  case P::oeq: return 1;
  case P::ogt: return 2;
  case P::oge: return 3;
  case P::olt: return 4;
  case P::ole: return 5;
  case P::one: return 6;
  case P::ord: return 7;
  case P::uno: return 8;
  case P::ueq: return 9;
  case P::ugt: return 10;
  case P::uge: return 11;
  case P::ult: return 12;
  case P::ule: return 13;
  case P::une: return 14;
  case P::_true: return 15;
  }
  return 0;
}

template <class Op, bool Integers> Handler comparison(Lane lane) {
  return forLane<Integers, !Integers>(lane, []<Lane L>() -> Handler { return runBinary<Op, L, Lane::I1>; });
}
template <size_t... I> Handler floatComparison(unsigned set, Lane lane, std::index_sequence<I...>) {
  Handler result = nullptr;
  ((set == I ? (void)(result = comparison<FCmp<I>, false>(lane)) : void()), ...);
  return result;
}
template <size_t... I> Handler integerComparison(unsigned predicate, Lane lane, std::index_sequence<I...>) {
  Handler result = nullptr;
  ((predicate == I ? (void)(result = comparison<ICmp<static_cast<LLVM::ICmpPredicate>(I)>, true>(lane)) : void()), ...);
  return result;
}

template <class T> void runSelect(Warp &warp, const Inst &inst) {
  const uint8_t *__restrict c = warp.lanes<uint8_t>(inst.c);
  const T *__restrict a = warp.lanes<T>(inst.a), *__restrict b = warp.lanes<T>(inst.b);
  T *__restrict d = warp.lanes<T>(inst.dst);
  warp.each([&](unsigned l) { d[l] = c[l] ? a[l] : b[l]; });
}

bool emitSelect(Preparer &p, LLVM::SelectOp op) {
  auto c = llvm::to_vector(p.slots(op.getCondition()));
  auto a = llvm::to_vector(p.slots(op.getTrueValue())), b = llvm::to_vector(p.slots(op.getFalseValue()));
  auto d = llvm::to_vector(p.defineNew(op, op.getRes()));
  for (size_t i = 0; i < d.size(); ++i) {
    unsigned bytes = laneBytes(p.laneOf(d[i]));
    Inst &inst = p.emit(op, bytes == 1   ? runSelect<uint8_t>
                            : bytes == 2 ? runSelect<uint16_t>
                            : bytes == 4 ? runSelect<uint32_t>
                                         : runSelect<uint64_t>);
    inst.dst = d[i];
    inst.a = a[i];
    inst.b = b[i];
    inst.c = c.size() == 1 ? c[0] : c[i];
  }
  return true;
}

std::optional<uint64_t> bitsOf(Attribute attribute, Lane lane) {
  if (auto integer = dyn_cast<IntegerAttr>(attribute))
    return integer.getValue().zextOrTrunc(64).getZExtValue();
  if (auto floating = dyn_cast<FloatAttr>(attribute))
    return floating.getValue().bitcastToAPInt().getZExtValue();
  if (auto boolean = dyn_cast<BoolAttr>(attribute))
    return boolean.getValue();
  return {};
}
} // namespace

bool bessemer::emulator::prepareConstant(Preparer &p, Operation *op) {
  if (!isa<LLVM::ConstantOp, LLVM::ZeroOp, LLVM::UndefOp, LLVM::PoisonOp>(op))
    return false;
  Attribute value;
  if (auto constant = dyn_cast<LLVM::ConstantOp>(op))
    value = constant.getValue();
  SmallVector<Slot> slots;
  SmallVector<Leaf> leaves = p.leaves(op, op->getResult(0).getType());
  auto dense = dyn_cast_or_null<DenseElementsAttr>(value);
  SmallVector<Attribute> elements;
  if (dense && !dense.isSplat())
    elements = llvm::to_vector(dense.getValues<Attribute>());
  for (auto [i, leaf] : llvm::enumerate(leaves)) {
    uint64_t bits = 0;
    if (value) {
      Attribute element = !dense ? value : dense.isSplat() ? dense.getSplatValue<Attribute>() : elements[i];
      std::optional<uint64_t> known = bitsOf(element, leaf.lane);
      if (!known)
        return p.fail(op, "expected a number or a dense vector of numbers");
      bits = *known;
    }
    slots.push_back(p.constant(leaf.lane, bits));
  }
  p.define(op->getResult(0), std::move(slots));
  return true;
}

bool bessemer::emulator::prepareArith(Preparer &p, Operation *op) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case<LLVM::AddOp>([&](auto) { return emitBinary<Add, true, false>(p, op); })
      .Case<LLVM::SubOp>([&](auto) { return emitBinary<Sub, true, false>(p, op); })
      .Case<LLVM::MulOp>([&](auto) { return emitBinary<Mul, true, false>(p, op); })
      .Case<LLVM::UDivOp>([&](auto) { return emitBinary<UDiv, true, false>(p, op); })
      .Case<LLVM::SDivOp>([&](auto) { return emitBinary<SDiv, true, false>(p, op); })
      .Case<LLVM::URemOp>([&](auto) { return emitBinary<URem, true, false>(p, op); })
      .Case<LLVM::SRemOp>([&](auto) { return emitBinary<SRem, true, false>(p, op); })
      .Case<LLVM::AndOp>([&](auto) { return emitBinary<And, true, false>(p, op); })
      .Case<LLVM::OrOp>([&](auto) { return emitBinary<Or, true, false>(p, op); })
      .Case<LLVM::XOrOp>([&](auto) { return emitBinary<Xor, true, false>(p, op); })
      .Case<LLVM::ShlOp>([&](auto) { return emitBinary<Shl, true, false>(p, op); })
      .Case<LLVM::LShrOp>([&](auto) { return emitBinary<LShr, true, false>(p, op); })
      .Case<LLVM::AShrOp>([&](auto) { return emitBinary<AShr, true, false>(p, op); })
      .Case<LLVM::FAddOp>([&](auto) { return emitBinary<Add, false, true>(p, op); })
      .Case<LLVM::FSubOp>([&](auto) { return emitBinary<Sub, false, true>(p, op); })
      .Case<LLVM::FMulOp>([&](auto) { return emitBinary<Mul, false, true>(p, op); })
      .Case<LLVM::FDivOp>([&](auto) { return emitBinary<FDiv, false, true>(p, op); })
      .Case<LLVM::FRemOp>([&](auto) { return emitBinary<FRem, false, true>(p, op); })
      .Case<LLVM::FNegOp>([&](auto) { return emitUnary<FNeg, false, true>(p, op); })
      .Case<LLVM::ICmpOp>([&](LLVM::ICmpOp compare) {
        return emitEach(p, op, 2, [&](Lane lane, Lane) {
          return integerComparison(static_cast<unsigned>(compare.getPredicate()), lane, std::make_index_sequence<10>());
        });
      })
      .Case<LLVM::FCmpOp>([&](LLVM::FCmpOp compare) {
        return emitEach(p, op, 2, [&](Lane lane, Lane) {
          return floatComparison(setOf(compare.getPredicate()), lane, std::make_index_sequence<16>());
        });
      })
      .Case<LLVM::SelectOp>([&](LLVM::SelectOp select) { return emitSelect(p, select); })
      .Default([](Operation *) { return false; });
}
