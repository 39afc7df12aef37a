// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Point programs of Fourier transforms, each bin by its definition, of powers of
// integers and of determinants.
//
// The roots of unity of a series are powers of one: each is the last one times
// that, in f64, so that a bin takes a sine and a cosine and not one of each for
// every term.
#include "passes/Tile/Point/PointWriter.h"

#include "passes/Tile/Point/Reals.h"

#include <numbers>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tilegen;

PointWriter::Complex PointWriter::series(const SymbolicExpr &count, const Index &k, const SymbolicExpr &length,
                                         bool inverse, llvm::function_ref<Complex(Value)> term) {
  Reals r(p, extents);
  double turn = inverse ? 2 * std::numbers::pi : -2 * std::numbers::pi;
  Value angle = r.wide(r.div(r.mul(real(k), turn), r.fromExpr(length)));
  Value stepReal = math::CosOp::create(b, angle), stepImaginary = math::SinOp::create(b, angle);
  auto times = [&](const Complex &x, Value real, Value imaginary) -> Complex {
    return {r.sub(r.mul(x.real, real), r.mul(x.imaginary, imaginary)),
            r.add(r.mul(x.real, imaginary), r.mul(x.imaginary, real))};
  };
  Value zero = constant(0, f64());
  auto result = loop(
      count, ValueRange{zero, zero, constant(1, f64()), zero}, [&](Value n, ValueRange carried) -> SmallVector<Value> {
        Complex value = term(n);
        if (!value.real || !value.imaginary)
          return {};
        Complex root{carried[2], carried[3]}, part = times(value, root.real, root.imaginary);
        Complex next = times(root, stepReal, stepImaginary);
        return {r.add(carried[0], part.real), r.add(carried[1], part.imaginary), next.real, next.imaginary};
      });
  return result.empty() ? Complex() : Complex{result[0], result[1]};
}

Value PointWriter::dft(DftOp op, ArrayRef<Index> place) {
  auto x = getDims(op.getX().getType()), y = getDims(op.getY().getType());
  int64_t rank = x.size(), axis = op.getAxis() < 0 ? op.getAxis() + rank : op.getAxis();
  bool inverse = op.getInverse(), onesided = op.getOnesided();
  Type graph = getElementTypeOrSelf(op.getX().getType()), element = elementType(op.getY());
  std::optional<int64_t> parts = x.back().isConstant(), results = y.back().isConstant();
  if (!parts || !results || axis >= rank - 1 || !isa<FloatType>(element))
    return {};
  SymbolicExpr length = y[axis];
  if (onesided && !inverse)
    length = op.getLength() ? SymbolicExpr(static_cast<int64_t>(op.getLength())) : x[axis];
  // Of a real signal the lower half of the spectrum says all.
  bool half = inverse && onesided;
  SymbolicExpr stored = half ? SymbolicExpr::floorDiv(length, 2) + 1 : length;
  Reals r(p, extents);
  auto term = [&](Value n) -> Complex {
    auto part = [&](int64_t which) -> Value {
      if (which >= *parts)
        return constant(0, f64());
      Place own(place);
      own[axis] = uniform(n);
      own.back() = uniform(which);
      Value value = at(op.getX(), own);
      return value ? toFloat(value, graph, f64()) : Value();
    };
    Complex value{part(0), part(1)};
    if (!half || !value.real || !value.imaginary)
      return value;
    // It stands for its mirror image, too, but for the first, and the one in the middle: those are real.
    Value twice = arith::AddIOp::create(b, n, n),
          first = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, n, p.index(0));
    Value middle = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, twice, p.indexOf(length));
    Value single = r.wide(arith::OrIOp::create(b, first, middle));
    return {r.choose(single, value.real, r.mul(value.real, 2)),
            r.choose(single, constant(0, f64()), r.mul(value.imaginary, 2))};
  };
  Complex sum = series(SymbolicExpr::min(x[axis], stored), place[axis], length, inverse, term);
  if (!sum.real)
    return {};
  Value result = sum.real;
  if (*results == 2) {
    Value isReal =
        arith::CmpIOp::create(b, arith::CmpIPredicate::eq, toTile(place.back()), constant(0, b.getI64Type()));
    result = r.choose(isReal, sum.real, sum.imaginary);
  }
  return toFloat(inverse ? r.div(result, r.fromExpr(length)) : result, f64(), element);
}

Value PointWriter::stft(StftOp op, ArrayRef<Index> place) {
  auto x = getDims(op.getSignal().getType());
  Type graph = getElementTypeOrSelf(op.getSignal().getType()), element = elementType(op.getY());
  std::optional<int64_t> parts = x.back().isConstant();
  int64_t length = op.getFrameLength(), step = op.getFrameStep();
  if (!parts || x.size() != 3 || length < 1 || step < 1 || !isa<FloatType>(element))
    return {};
  Reals r(p, extents);
  auto term = [&](Value n) -> Complex {
    Value weight;
    if (op.getWindow()) {
      // A shorter window stands in the middle of the frame's zeros.
      SymbolicExpr extent = getDims(op.getWindow().getType())[0];
      Index own = minus(uniform(n), uniform(SymbolicExpr::floorDiv(SymbolicExpr(length) - extent, 2)));
      Value covered = inside(own, extent);
      weight = at(op.getWindow(), {clamped(own, extent)});
      if (!weight)
        return {};
      weight =
          r.choose(covered, toFloat(weight, getElementTypeOrSelf(op.getWindow().getType()), f64()), constant(0, f64()));
    }
    auto part = [&](int64_t which) -> Value {
      if (which >= *parts)
        return constant(0, f64());
      Value value = at(op.getSignal(), {place[0], plus(times(place[1], step), uniform(n)), uniform(which)});
      value = value ? toFloat(value, graph, f64()) : Value();
      return value && weight ? r.mul(value, weight) : value;
    };
    return {part(0), part(1)};
  };
  Complex sum = series(length, place[2], length, /*inverse=*/false, term);
  if (!sum.real)
    return {};
  Value isReal = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, toTile(place[3]), constant(0, b.getI64Type()));
  return toFloat(r.choose(isReal, sum.real, sum.imaginary), f64(), element);
}

/// By squaring. 1 / a^|n|, truncated, for exponents below 0.
Value PointWriter::integerPower(PowOp op, ArrayRef<Index> place) {
  Value base = at(op.getA(), broadcastPlace(op.getA(), op.getY(), place)),
        exponent = at(op.getB(), broadcastPlace(op.getB(), op.getY(), place));
  if (!base || !exponent)
    return {};
  Type graph = getElementTypeOrSelf(op.getA().getType()), graphB = getElementTypeOrSelf(op.getB().getType());
  if (graph.isInteger(1) || graphB.isInteger(1))
    return {};
  Type element = getElementTypeOrSelf(base.getType()), bits = getElementTypeOrSelf(exponent.getType());
  auto isBase = [&](int64_t value) -> Value {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::eq, base, constant(value, element));
  };
  Value one = constant(1, element), zero = constant(0, element), oneBit = constant(1, bits), noBits = constant(0, bits);
  auto odd = [&](Value x) -> Value {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, arith::AndIOp::create(b, x, oneBit), noBits);
  };
  auto result = loop(bits.getIntOrFloatBitWidth(), ValueRange{one, base, exponent},
                     [&](Value, ValueRange carried) -> SmallVector<Value> {
                       Value square = arith::MulIOp::create(b, carried[1], carried[1]);
                       Value product = arith::MulIOp::create(b, carried[0], carried[1]);
                       return {selectNew(odd(carried[2]), product, carried[0]), square,
                               arith::ShRUIOp::create(b, carried[2], oneBit)};
                     });
  if (graphB.isUnsignedInteger())
    return result[0];
  Value inverse = selectNew(isBase(1), one, zero);
  if (!graph.isUnsignedInteger())
    inverse = selectNew(isBase(-1), selectNew(odd(exponent), constant(-1, element), one), inverse);
  return selectNew(arith::CmpIOp::create(b, arith::CmpIPredicate::slt, exponent, noBits), inverse, result[0]);
}

/// Elimination with the largest pivot, written out: each lane has a matrix of its own.
Value PointWriter::det(DetOp op, ArrayRef<Index> place) {
  constexpr int64_t largest = 8;
  auto dims = getDims(op.getX().getType());
  std::optional<int64_t> n = dims.back().isConstant();
  Type graph = getElementTypeOrSelf(op.getX().getType()), element = elementType(op.getY());
  if (!n || *n < 1 || *n > largest || !isa<FloatType>(element))
    return {};
  Reals r(p, extents);
  SmallVector<SmallVector<Value>> rows(*n);
  for (int64_t i = 0; i < *n; ++i)
    for (int64_t j = 0; j < *n; ++j) {
      Place own(place);
      own.append({uniform(i), uniform(j)});
      Value value = at(op.getX(), own);
      if (!value)
        return {};
      rows[i].push_back(toFloat(value, graph, f64()));
    }
  Value result = constant(1, f64()), zero = constant(0, f64());
  for (int64_t k = 0; k < *n; ++k) {
    for (int64_t i = k + 1; i < *n; ++i) {
      Value larger = r.compare(arith::CmpFPredicate::OGT, r.abs(rows[i][k]), r.abs(rows[k][k]));
      for (int64_t j = k; j < *n; ++j) {
        Value upper = rows[k][j], lower = rows[i][j];
        rows[k][j] = r.choose(larger, lower, upper);
        rows[i][j] = r.choose(larger, upper, lower);
      }
      result = r.choose(larger, r.sub(zero, result), result);
    }
    Value pivot = rows[k][k];
    result = r.mul(result, pivot);
    // Without a pivot the determinant is zero already: no quotient of zeros.
    Value safe = r.choose(r.compare(arith::CmpFPredicate::OEQ, pivot, zero), constant(1, f64()), pivot);
    for (int64_t i = k + 1; i < *n; ++i) {
      Value factor = r.div(rows[i][k], safe);
      for (int64_t j = k + 1; j < *n; ++j)
        rows[i][j] = r.sub(rows[i][j], r.mul(factor, rows[k][j]));
    }
  }
  return toFloat(result, f64(), element);
}
