// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Elementwise ops, activations and casts. Definitions: ONNX Operators.md.
#include "passes/Legalize/Handlers.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

void handlers::where(Node &n) { n.out(0, n.where(n.in(0), n.in(1), n.in(2))); }

void handlers::mod(Node &n) {
  n.out(0, n.make<bess::ModOp>({n.in(0), n.in(1)}, n.attrs().flag("fmod", n.i("fmod", 0) != 0)));
}

void handlers::bitShift(Node &n) {
  std::string direction = n.s("direction");
  if (direction == "LEFT")
    n.out(0, n.make<bess::ShiftLeftOp>({n.in(0), n.in(1)}));
  else if (direction == "RIGHT")
    n.out(0, n.make<bess::ShiftRightOp>({n.in(0), n.in(1)}));
  else
    n.fail("expected direction LEFT or RIGHT, got \"" + direction + "\"");
}

void handlers::isInf(Node &n) {
  n.out(0, n.make<bess::IsInfOp>({n.in(0)}, n.attrs()
                                                .flag("detect_negative", n.i("detect_negative", 1) != 0)
                                                .flag("detect_positive", n.i("detect_positive", 1) != 0)));
}

void handlers::gelu(Node &n) {
  std::string approximate = n.s("approximate", "none");
  if (approximate != "none" && approximate != "tanh")
    return n.fail("expected approximate none or tanh, got \"" + approximate + "\"");
  n.out(0, n.make<bess::GeluOp>({n.in(0)}, n.attrs().s("approximate", approximate)));
}

// ---- any number of operands --------------------------------------------------

template <typename OpTy> static Value chain(Node &n) {
  SmallVector<Value> xs = n.allInputs();
  if (xs.empty()) {
    n.fail("expected at least one operand");
    return {};
  }
  Value result = xs[0];
  for (Value x : ArrayRef<Value>(xs).drop_front())
    result = n.make<OpTy>({result, x});
  return result;
}
void handlers::sum(Node &n) { n.out(0, chain<bess::AddOp>(n)); }
void handlers::variadicMax(Node &n) { n.out(0, chain<bess::MaxOp>(n)); }
void handlers::variadicMin(Node &n) { n.out(0, chain<bess::MinOp>(n)); }
void handlers::mean(Node &n) {
  Value total = chain<bess::AddOp>(n);
  n.out(0, n.inputCount() > 1 ? n.mul(total, n.like(total, 1.0 / double(n.inputCount()))) : total);
}

// ---- activations ----------------------------------------------------------------

void handlers::clip(Node &n) {
  Value x = n.in(0), low = n.in(1), high = n.in(2);
  if (n.version < 11) {
    if (n.hasAttr("min"))
      low = n.like(x, n.f("min"));
    if (n.hasAttr("max"))
      high = n.like(x, n.f("max"));
  }
  // Bounds are single numbers, whatever rank an exporter gives them: they stretch nothing.
  if (low)
    x = n.max(x, n.reshape(low, {}));
  if (high)
    x = n.min(x, n.reshape(high, {}));
  n.out(0, x);
}

void handlers::leakyRelu(Node &n) {
  Value x = n.in(0);
  n.out(0, n.where(n.less(x, n.like(x, 0)), n.mul(x, n.like(x, n.f("alpha", 0.01))), x));
}

void handlers::prelu(Node &n) {
  Value x = n.in(0), slope = n.in(1);
  n.out(0, n.where(n.less(x, n.like(x, 0)), n.mul(x, slope), x));
}

void handlers::thresholdedRelu(Node &n) {
  Value x = n.in(0);
  n.out(0, n.where(n.greater(x, n.like(x, n.f("alpha", 1.0))), x, n.like(x, 0)));
}

/// Formulas of several steps on f16 and bf16 are computed in f32 and rounded once.
template <typename Fn> static void inF32(Node &n, Fn formula) {
  Value x = n.in(0);
  Type element = n.elt(x);
  bool narrow = isa<FloatType>(element) && element.getIntOrFloatBitWidth() < 32;
  n.out(0, narrow ? n.cast(formula(n.cast(x, n.b.getF32Type())), element) : formula(x));
}

void handlers::elu(Node &n) {
  inF32(n, [&](Value x) {
    Value low = n.mul(n.sub(n.exp(x), n.like(x, 1)), n.like(x, n.f("alpha", 1.0)));
    return n.where(n.less(x, n.like(x, 0)), low, x);
  });
}

void handlers::celu(Node &n) {
  inF32(n, [&](Value x) {
    double alpha = n.f("alpha", 1.0);
    Value low = n.mul(n.sub(n.exp(n.div(x, n.like(x, alpha))), n.like(x, 1)), n.like(x, alpha));
    return n.add(n.max(x, n.like(x, 0)), n.min(low, n.like(x, 0)));
  });
}

void handlers::selu(Node &n) {
  inF32(n, [&](Value x) {
    double alpha = n.f("alpha", 1.67326319217681884765625), gamma = n.f("gamma", 1.05070102214813232421875);
    Value low = n.mul(n.sub(n.exp(x), n.like(x, 1)), n.like(x, alpha * gamma));
    return n.where(n.greater(x, n.like(x, 0)), n.mul(x, n.like(x, gamma)), low);
  });
}

static Value hardSigmoidOf(Node &n, Value x, double alpha, double beta) {
  Value line = n.add(n.mul(x, n.like(x, alpha)), n.like(x, beta));
  return n.max(n.min(line, n.like(x, 1)), n.like(x, 0));
}
void handlers::hardSigmoid(Node &n) {
  inF32(n, [&](Value x) { return hardSigmoidOf(n, x, n.f("alpha", 0.2), n.f("beta", 0.5)); });
}
void handlers::hardSwish(Node &n) {
  inF32(n, [&](Value x) { return n.mul(x, hardSigmoidOf(n, x, 1.0 / 6, 0.5)); });
}

void handlers::softsign(Node &n) {
  inF32(n, [&](Value x) { return n.div(x, n.add(n.make<bess::AbsOp>({x}), n.like(x, 1))); });
}

void handlers::mish(Node &n) {
  inF32(n, [&](Value x) { return n.mul(x, n.make<bess::TanhOp>({n.make<bess::SoftplusOp>({x})})); });
}

void handlers::shrink(Node &n) {
  Value x = n.in(0);
  double bias = n.f("bias", 0), lambd = n.f("lambd", 0.5);
  Value below = n.less(x, n.like(x, -lambd)), above = n.greater(x, n.like(x, lambd));
  n.out(0, n.where(below, n.add(x, n.like(x, bias)), n.where(above, n.sub(x, n.like(x, bias)), n.like(x, 0))));
}

static Value swishOf(Node &n, Value x, double alpha) {
  return n.mul(x, n.sigmoid(alpha == 1 ? x : n.mul(x, n.like(x, alpha))));
}
void handlers::swish(Node &n) {
  inF32(n, [&](Value x) { return swishOf(n, x, n.f("alpha", 1.0)); });
}
void handlers::swiGlu(Node &n) { n.out(0, n.mul(swishOf(n, n.in(0), n.f("alpha", 1.0)), n.in(1))); }

// ---- types ----------------------------------------------------------------------

void handlers::cast(Node &n) {
  Value x = n.in(0);
  Type to = n.op.getOpType() == "CastLike" ? n.elt(n.in(1)) : n.onnxType(n.i("to", 0));
  if (n.failed())
    return;
  if (n.elt(x) == to)
    return n.out(0, x);
  if (isa<ComplexType>(to) || isa<ComplexType>(n.elt(x)))
    return n.fail("complex numbers are not supported");
  n.out(
      0,
      n.make<bess::CastOp>(
          {x},
          n.attrs().type("to", to).flag("saturate", n.i("saturate", 1) != 0).s("round_mode", n.s("round_mode", "up"))));
}

void handlers::bitCast(Node &n) {
  Value x = n.in(0);
  Type to = n.onnxType(n.i("to", 0));
  if (n.failed())
    return;
  if (isa<ComplexType>(to) || isa<ComplexType>(n.elt(x)))
    return n.fail("complex numbers are not supported");
  if (n.elt(x).isInteger(1) && to != n.elt(x)) // a bool is a byte of 0 or 1
    x = n.cast(x, IntegerType::get(n.b.getContext(), 8, IntegerType::Unsigned));
  if (n.elt(x) == to)
    return n.out(0, x);
  unsigned from = n.elt(x).getIntOrFloatBitWidth(), width = to.getIntOrFloatBitWidth();
  if (std::max(from, 8u * (from == 1)) != std::max(width, 8u * (width == 1)))
    return n.fail("expected element types of one width to bit-cast, got " + Twine(from) + " and " + Twine(width) +
                  " bits");
  n.out(0, n.make<bess::BitcastOp>({x}, n.attrs().type("to", to)));
}

// ---- results that are operands ---------------------------------------------------

void handlers::identity(Node &n) {
  if (n.has(0))
    n.out(0, n.entry(0));
}

void handlers::dropout(Node &n) {
  Value x = n.in(0);
  bool training = false;
  if (n.has(2)) {
    std::optional<Ints> mode = n.constInts(n.in(2));
    if (!mode)
      return n.fail("expected a constant training_mode");
    training = !mode->empty() && (*mode)[0] != 0;
  }
  if (training) {
    std::optional<SmallVector<double>> ratio = n.has(1) ? n.constFloats(n.in(1)) : SmallVector<double>{0.5};
    if (!ratio || ratio->size() != 1 || (*ratio)[0] != 0)
      return n.fail("training mode draws random numbers, which is not supported");
  }
  n.out(0, x);
  if (n.wants(1))
    n.out(1, n.splat(n.dims(x), 1, n.version < 10 ? n.elt(x) : Type(n.b.getI1Type())));
}
