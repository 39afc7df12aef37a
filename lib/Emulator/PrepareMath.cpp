// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Intrinsics that compute: fused multiply-add, minimum, square root, bits.
#include "lib/Emulator/Lanes.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace bessemer::emulator;

namespace {
struct Fma {
  template <Lane L> static auto apply(auto a, auto b, auto c) { return std::fma(a, b, c); }
};
#define UNARY(NAME, EXPR)                                                                                              \
  struct NAME {                                                                                                        \
    template <Lane L> static auto apply(auto a) { return EXPR; }                                                       \
  };
UNARY(Abs, std::fabs(a))
UNARY(Ceil, std::ceil(a))
UNARY(Floor, std::floor(a))
UNARY(Trunc, std::trunc(a))
UNARY(RoundEven, std::nearbyint(a))
UNARY(Round, std::round(a))
UNARY(Sqrt, std::sqrt(a))
// In double, so that the answer is the nearest float: better than any device.
UNARY(Exp, static_cast<decltype(a)>(std::exp(static_cast<double>(a))))
UNARY(Exp2, static_cast<decltype(a)>(std::exp2(static_cast<double>(a))))
UNARY(Log, static_cast<decltype(a)>(std::log(static_cast<double>(a))))
UNARY(Log2, static_cast<decltype(a)>(std::log2(static_cast<double>(a))))
UNARY(Sin, static_cast<decltype(a)>(std::sin(static_cast<double>(a))))
UNARY(Cos, static_cast<decltype(a)>(std::cos(static_cast<double>(a))))
UNARY(Tanh, static_cast<decltype(a)>(std::tanh(static_cast<double>(a))))
UNARY(Reciprocal, 1 / a)
UNARY(PopCount, static_cast<decltype(a)>(std::popcount(a)))
#undef UNARY
struct IntAbs {
  template <Lane L> static auto apply(auto a) { return asSigned<L>(a) < 0 ? decltype(a)(0 - a) : a; }
};
struct LeadingZeros {
  template <Lane L> static auto apply(auto a) { return static_cast<decltype(a)>(std::countl_zero(a)); }
};
struct TrailingZeros {
  template <Lane L> static auto apply(auto a) { return static_cast<decltype(a)>(std::countr_zero(a)); }
};
struct CopySign {
  template <Lane L> static auto apply(auto a, auto b) { return std::copysign(a, b); }
};
struct Pow {
  template <Lane L> static auto apply(auto a, auto b) {
    return static_cast<decltype(a)>(std::pow(static_cast<double>(a), static_cast<double>(b)));
  }
};
// maxnum ignores a NaN, maximum keeps it; -0 is below +0 for both.
struct MaxNum {
  template <Lane L> static auto apply(auto a, auto b) {
    return a != a ? b : b != b ? a : a > b || (a == b && !std::signbit(a)) ? a : b;
  }
};
struct MinNum {
  template <Lane L> static auto apply(auto a, auto b) {
    return a != a ? b : b != b ? a : a < b || (a == b && std::signbit(a)) ? a : b;
  }
};
struct Maximum {
  template <Lane L> static auto apply(auto a, auto b) { return a != a ? a : b != b ? b : MaxNum::apply<L>(a, b); }
};
struct Minimum {
  template <Lane L> static auto apply(auto a, auto b) { return a != a ? a : b != b ? b : MinNum::apply<L>(a, b); }
};
struct SMax {
  template <Lane L> static auto apply(auto a, auto b) { return asSigned<L>(a) > asSigned<L>(b) ? a : b; }
};
struct SMin {
  template <Lane L> static auto apply(auto a, auto b) { return asSigned<L>(a) < asSigned<L>(b) ? a : b; }
};
struct UMax {
  template <Lane L> static auto apply(auto a, auto b) { return a > b ? a : b; }
};
struct UMin {
  template <Lane L> static auto apply(auto a, auto b) { return a < b ? a : b; }
};

bool emitFma(Preparer &p, Operation *op) {
  SmallVector<SmallVector<Slot>> operands;
  for (Value operand : op->getOperands())
    operands.push_back(llvm::to_vector(p.slots(operand)));
  auto d = llvm::to_vector(p.defineNew(op, op->getResult(0)));
  for (size_t i = 0; i < d.size(); ++i) {
    Inst &inst =
        p.emit(op, forLane<false, true>(p.laneOf(d[i]), []<Lane L>() -> Handler { return runTernary<Fma, L>; }));
    inst.dst = d[i];
    inst.a = operands[0][i];
    inst.b = operands[1][i];
    inst.c = operands[2][i];
  }
  return true;
}
} // namespace

bool bessemer::emulator::prepareMath(Preparer &p, Operation *op) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case<LLVM::FMAOp, LLVM::FMulAddOp>([&](auto) { return emitFma(p, op); })
      .Case<LLVM::FAbsOp>([&](auto) { return emitUnary<Abs, false, true>(p, op); })
      .Case<LLVM::FCeilOp>([&](auto) { return emitUnary<Ceil, false, true>(p, op); })
      .Case<LLVM::FFloorOp>([&](auto) { return emitUnary<Floor, false, true>(p, op); })
      .Case<LLVM::FTruncOp>([&](auto) { return emitUnary<Trunc, false, true>(p, op); })
      .Case<LLVM::RoundEvenOp, LLVM::RintOp, LLVM::NearbyintOp>(
          [&](auto) { return emitUnary<RoundEven, false, true>(p, op); })
      .Case<LLVM::RoundOp>([&](auto) { return emitUnary<Round, false, true>(p, op); })
      .Case<LLVM::SqrtOp>([&](auto) { return emitUnary<Sqrt, false, true>(p, op); })
      .Case<LLVM::ExpOp>([&](auto) { return emitUnary<Exp, false, true>(p, op); })
      .Case<LLVM::Exp2Op>([&](auto) { return emitUnary<Exp2, false, true>(p, op); })
      .Case<LLVM::LogOp>([&](auto) { return emitUnary<Log, false, true>(p, op); })
      .Case<LLVM::Log2Op>([&](auto) { return emitUnary<Log2, false, true>(p, op); })
      .Case<LLVM::SinOp>([&](auto) { return emitUnary<Sin, false, true>(p, op); })
      .Case<LLVM::CosOp>([&](auto) { return emitUnary<Cos, false, true>(p, op); })
      .Case<LLVM::TanhOp>([&](auto) { return emitUnary<Tanh, false, true>(p, op); })
      .Case<NVVM::RcpApproxFtzF32Op>([&](auto) { return emitUnary<Reciprocal, false, true>(p, op); })
      .Case<LLVM::CopySignOp>([&](auto) { return emitBinary<CopySign, false, true>(p, op); })
      .Case<LLVM::PowOp>([&](auto) { return emitBinary<Pow, false, true>(p, op); })
      .Case<LLVM::MaxNumOp>([&](auto) { return emitBinary<MaxNum, false, true>(p, op); })
      .Case<LLVM::MinNumOp>([&](auto) { return emitBinary<MinNum, false, true>(p, op); })
      .Case<LLVM::MaximumOp>([&](auto) { return emitBinary<Maximum, false, true>(p, op); })
      .Case<LLVM::MinimumOp>([&](auto) { return emitBinary<Minimum, false, true>(p, op); })
      .Case<LLVM::SMaxOp>([&](auto) { return emitBinary<SMax, true, false>(p, op); })
      .Case<LLVM::SMinOp>([&](auto) { return emitBinary<SMin, true, false>(p, op); })
      .Case<LLVM::UMaxOp>([&](auto) { return emitBinary<UMax, true, false>(p, op); })
      .Case<LLVM::UMinOp>([&](auto) { return emitBinary<UMin, true, false>(p, op); })
      .Case<LLVM::AbsOp>([&](auto) { return emitUnary<IntAbs, true, false>(p, op); })
      .Case<LLVM::CtPopOp>([&](auto) { return emitUnary<PopCount, true, false>(p, op); })
      .Case<LLVM::CountLeadingZerosOp>([&](auto) { return emitUnary<LeadingZeros, true, false>(p, op); })
      .Case<LLVM::CountTrailingZerosOp>([&](auto) { return emitUnary<TrailingZeros, true, false>(p, op); })
      .Default([](Operation *) { return false; });
}
