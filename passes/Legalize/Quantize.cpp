// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Quantization and integer products.
#include "passes/Legalize/Handlers.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

static Value quantized(Node &n, Value x, Value scale, Value zero, Type to, int64_t axis = 1, int64_t block = 0) {
  Attrs attributes =
      n.attrs().type("to", to).i("axis", axis).i("block_size", block).flag("saturate", n.i("saturate", 1) != 0);
  return n.make<bess::QuantizeOp>({x, scale, zero}, attributes);
}

static Value dequantized(Node &n, Value x, Value scale, Value zero, Type to, int64_t axis = 1, int64_t block = 0) {
  return n.make<bess::DequantizeOp>({x, scale, zero}, n.attrs().type("to", to).i("axis", axis).i("block_size", block));
}

/// The axis of scales that are vectors or blocks; scalars have none.
static int64_t scaleAxis(Node &n, Value x, Value scale) {
  int64_t rank = n.rank(x), axis = n.i("axis", 1);
  bool scalar = n.count(n.dims(scale)) == SymbolicExpr(1) && n.rank(scale) <= 1;
  if (scalar && (axis < -rank || axis >= rank))
    return 0;
  return n.axis(axis, rank);
}

void handlers::quantizeLinear(Node &n) {
  Value x = n.in(0), scale = n.in(1), zero = n.in(2);
  if (!x || !scale)
    return n.fail("expected an operand and a scale");
  Type to = zero ? n.elt(zero) : Type(IntegerType::get(n.b.getContext(), 8, IntegerType::Unsigned));
  if (n.i("output_dtype", 0))
    to = n.onnxType(n.i("output_dtype", 0));
  if (n.i("precision", 0) && n.onnxType(n.i("precision", 0)) != n.elt(x))
    return n.fail("a precision other than the operand's type is not supported");
  int64_t axis = scaleAxis(n, x, scale);
  if (n.elt(scale) != n.elt(x))
    scale = n.cast(scale, n.elt(x));
  n.out(0, quantized(n, x, scale, zero, to, axis, n.i("block_size", 0)));
}

void handlers::dequantizeLinear(Node &n) {
  Value x = n.in(0), scale = n.in(1), zero = n.in(2);
  if (!x || !scale)
    return n.fail("expected an operand and a scale");
  Type to = n.elt(scale);
  if (n.i("output_dtype", 0))
    to = n.onnxType(n.i("output_dtype", 0));
  n.out(0, dequantized(n, x, scale, zero, to, scaleAxis(n, x, scale), n.i("block_size", 0)));
}

void handlers::dynamicQuantizeLinear(Node &n) {
  Value x = n.in(0);
  if (!x)
    return n.fail("expected an operand");
  Type u8 = IntegerType::get(n.b.getContext(), 8, IntegerType::Unsigned);
  Ints all;
  for (int64_t i = 0; i < n.rank(x); ++i)
    all.push_back(i);
  Value zero = n.like(x, 0);
  Value low = n.min(n.reduce(x, "min", all, false), zero), high = n.max(n.reduce(x, "max", all, false), zero);
  Value scale = n.div(n.sub(high, low), n.like(x, 255));
  Value safe = n.where(n.equal(scale, zero), n.like(x, 1), scale);
  Value point = n.make<bess::RoundOp>({n.div(n.neg(low), safe)});
  point = n.cast(n.max(n.min(point, n.like(x, 255)), zero), u8);
  n.out(0, quantized(n, x, safe, point, u8));
  n.out(1, scale);
  n.out(2, point);
}

/// x - zero point, in i32; the zero point is a scalar or a vector along `axis`.
static Value centered(Node &n, Value x, Value zero, int64_t axis) {
  Type i32 = n.b.getI32Type();
  if (!x || (axis < 0 ? axis + n.rank(x) : axis) < 0 || axis >= n.rank(x)) {
    n.fail("expected an operand of rank above " + Twine(axis));
    return {};
  }
  Value wide = n.cast(x, i32);
  if (!zero || n.failed())
    return wide;
  Value offset = n.cast(zero, i32);
  if (n.rank(zero) == 1 && n.count(n.dims(zero)) == SymbolicExpr(1)) {
    offset = n.reshape(offset, {});
  } else if (n.rank(zero) == 1) {
    Dims dims(n.rank(x), SymbolicExpr(1));
    dims[axis < 0 ? axis + n.rank(x) : axis] = n.dim(zero, 0);
    offset = n.reshape(offset, dims);
  }
  return n.sub(wide, offset);
}

void handlers::matMulInteger(Node &n) {
  Value a = n.in(0), b = n.in(1);
  if (!n.rankAtLeast(a, 1, "operand A") || !n.rankAtLeast(b, 1, "operand B"))
    return;
  Type i32 = n.b.getI32Type();
  if (!n.has(2) && !n.has(3) && n.elt(a) == n.elt(b))
    return n.out(0, generalMatmul(n, a, b, i32));
  n.out(0, generalMatmul(n, centered(n, a, n.in(2), n.rank(a) > 1 ? -2 : -1), centered(n, b, n.in(3), -1), i32));
}

void handlers::convInteger(Node &n) {
  n.out(0, convOf(n, centered(n, n.in(0), n.in(2), 1), centered(n, n.in(1), n.in(3), 0), Value(), n.b.getI32Type()));
}

/// A scale that is a vector over the rows (axis -2) or columns (axis -1) of a
/// matrix, ready to broadcast.
static Value spreadScale(Node &n, Value scale, int64_t rank, int64_t axis) {
  if (n.failed() || !scale)
    return {};
  if (rank < 2) {
    n.fail("expected a result of rank at least 2");
    return {};
  }
  if (n.count(n.dims(scale)) == SymbolicExpr(1))
    return n.reshape(scale, {});
  if (n.rank(scale) != 1)
    return scale;
  Dims dims(rank, SymbolicExpr(1));
  dims[axis < 0 ? axis + rank : axis] = n.dim(scale, 0);
  return n.reshape(scale, dims);
}

void handlers::qLinearMatMul(Node &n) {
  Value a = n.in(0), b = n.in(3), y0 = n.in(7);
  if (!n.rankAtLeast(a, 2, "operand A") || !n.rankAtLeast(b, 2, "operand B") || !y0)
    return n.fail("expected eight operands");
  Type f32 = n.b.getF32Type();
  Value product = generalMatmul(n, centered(n, a, n.in(2), -2), centered(n, b, n.in(5), -1), n.b.getI32Type());
  int64_t rank = n.rank(product);
  Value factor = n.mul(n.cast(spreadScale(n, n.in(1), rank, -2), f32), n.cast(spreadScale(n, n.in(4), rank, -1), f32));
  Value real = n.mul(n.cast(product, f32), factor);
  n.out(0, quantized(n, real, n.reshape(n.cast(n.in(6), f32), {}), n.reshape(y0, {}), n.elt(y0)));
}

void handlers::qLinearConv(Node &n) {
  Value x = n.in(0), w = n.in(3), y0 = n.in(7);
  if (!n.rankAtLeast(x, 3, "an operand") || !w || !y0)
    return n.fail("expected eight operands");
  Type f32 = n.b.getF32Type();
  Value sum = convOf(n, centered(n, x, n.in(2), 1), centered(n, w, n.in(5), 0), n.in(8), n.b.getI32Type());
  Value factor = n.mul(n.reshape(n.in(1), {}), spreadScale(n, n.in(4), n.rank(x), 1));
  n.out(0, quantized(n, n.mul(n.cast(sum, f32), factor), n.reshape(n.in(6), {}), n.reshape(y0, {}), n.elt(y0)));
}
