// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Point programs of the ops that combine elements: loops that carry the result.
#include "passes/Tile/Point/PointWriter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tilegen;

Value PointWriter::combine(Operation *op, ArrayRef<Index> place) {
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case<ReduceOp>([&](auto o) { return reduce(o, place); })
      .Case<ArgReduceOp>([&](auto o) { return argReduce(o, place); })
      .Case<MatmulOp>([&](auto o) { return matmul(o, place); })
      .Case<ConvOp>([&](auto o) { return conv(o, place); })
      .Case<ConvTransposeOp>([&](auto o) { return convTranspose(o, place); })
      .Case<Col2ImOp>([&](auto o) { return col2Im(o, place); })
      .Case<PoolOp>([&](auto o) { return pool(o, place); })
      .Case<MaxPoolIndicesOp>([&](auto o) { return maxPoolIndices(o, place); })
      .Case<LrnOp>([&](auto o) { return lrn(o, place); })
      .Case<ResizeOp>([&](auto o) { return resize(o, place); })
      .Case<GridSampleOp>([&](auto o) { return gridSample(o, place); })
      .Case<RoiAlignOp>([&](auto o) { return roiAlign(o, place); })
      .Case<DeformConvOp>([&](auto o) { return deformConv(o, place); })
      .Case<DftOp>([&](auto o) { return dft(o, place); })
      .Case<StftOp>([&](auto o) { return stft(o, place); })
      .Case<DetOp>([&](auto o) { return det(o, place); })
      .Default([](Operation *) { return Value(); });
}

static bool isUnsigned(Type graph) { return graph.isUnsignedInteger() || graph.isInteger(1); }

Value PointWriter::reduce(ReduceOp op, ArrayRef<Index> place) {
  auto dims = getDims(op.getX().getType());
  Type graph = getElementTypeOrSelf(op.getX().getType()), element = computeType(graph);
  bool isFloat = isa<FloatType>(element);
  StringRef kind = op.getKind();
  // Of integers, what needs neither division nor a function.
  if (!isFloat && !llvm::is_contained({"sum", "prod", "max", "min", "sum_square", "l1", "and", "or"}, kind))
    return {};
  SmallVector<SymbolicExpr> counts;
  SymbolicExpr total = 1;
  for (auto [i, dim] : llvm::enumerate(dims))
    if (llvm::is_contained(op.getAxes(), int64_t(i))) {
      counts.push_back(dim);
      total *= dim;
    }
  auto placeOf = [&](ArrayRef<Value> indices) {
    Place own;
    size_t nextIndex = 0, nextPlace = 0;
    for (size_t i = 0; i < dims.size(); ++i) {
      bool reduced = llvm::is_contained(op.getAxes(), int64_t(i));
      own.push_back(reduced ? uniform(indices[nextIndex++]) : place[nextPlace]);
      nextPlace += !reduced || op.getKeepdims();
    }
    return own;
  };
  auto binary = [&](StringRef how, Value x, Value y) -> Value {
    if (how == "prod")
      return isFloat ? Value(arith::MulFOp::create(b, x, y)) : Value(arith::MulIOp::create(b, x, y));
    if (how == "max")
      return isFloat             ? Value(arith::MaximumFOp::create(b, x, y))
             : isUnsigned(graph) ? Value(arith::MaxUIOp::create(b, x, y))
                                 : Value(arith::MaxSIOp::create(b, x, y));
    if (how == "min")
      return isFloat             ? Value(arith::MinimumFOp::create(b, x, y))
             : isUnsigned(graph) ? Value(arith::MinUIOp::create(b, x, y))
                                 : Value(arith::MinSIOp::create(b, x, y));
    if (how == "and")
      return arith::AndIOp::create(b, x, y);
    if (how == "or")
      return arith::OrIOp::create(b, x, y);
    return isFloat ? Value(arith::AddFOp::create(b, x, y)) : Value(arith::AddIOp::create(b, x, y));
  };
  auto neutral = [&](StringRef how) -> Value {
    if (isFloat)
      return constant(how == "prod"  ? 1
                      : how == "max" ? -std::numeric_limits<double>::infinity()
                      : how == "min" ? std::numeric_limits<double>::infinity()
                                     : 0,
                      element);
    unsigned bits = element.getIntOrFloatBitWidth();
    APInt value = how == "prod"  ? APInt(bits, 1)
                  : how == "max" ? (isUnsigned(graph) ? APInt(bits, 0) : APInt::getSignedMinValue(bits))
                  : how == "min" ? (isUnsigned(graph) ? APInt::getMaxValue(bits) : APInt::getSignedMaxValue(bits))
                  : how == "and" ? APInt::getMaxValue(bits)
                                 : APInt(bits, 0);
    return splat(arith::ConstantOp::create(b, b.getIntegerAttr(element, value)));
  };
  // The sum over one dimension is an element of the sum over the next: short chains of additions lose fewer bits.
  std::function<Value(StringRef, llvm::function_ref<Value(Value)>, SmallVector<Value> &)> over =
      [&](StringRef how, llvm::function_ref<Value(Value)> map, SmallVector<Value> &indices) -> Value {
    if (indices.size() == counts.size()) {
      Value x = at(op.getX(), placeOf(indices));
      return x ? map(x) : Value();
    }
    auto result =
        loop(counts[indices.size()], ValueRange{neutral(how)}, [&](Value i, ValueRange carried) -> SmallVector<Value> {
          indices.push_back(i);
          Value x = over(how, map, indices);
          indices.pop_back();
          return x ? SmallVector<Value>{binary(how, carried[0], x)} : SmallVector<Value>{};
        });
    return result.empty() ? Value() : result[0];
  };
  auto run = [&](StringRef how, llvm::function_ref<Value(Value)> map) -> Value {
    SmallVector<Value> indices;
    return over(how, map, indices);
  };
  auto same = [](Value x) { return x; };
  auto square = [&](Value x) -> Value {
    return isFloat ? Value(arith::MulFOp::create(b, x, x)) : Value(arith::MulIOp::create(b, x, x));
  };
  auto magnitude = [&](Value x) -> Value {
    if (isFloat)
      return math::AbsFOp::create(b, x);
    return isUnsigned(graph) ? x : Value(math::AbsIOp::create(b, x));
  };
  if (kind == "log_sum_exp") {
    // Relative to the largest; where that is infinite, to 0.
    Value largest = run("max", same);
    if (!largest)
      return {};
    Value finite = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, math::AbsFOp::create(b, largest),
                                         constant(std::numeric_limits<double>::infinity(), element));
    Value shift = selectNew(finite, largest, constant(0, element));
    Value sum =
        run("sum", [&](Value x) -> Value { return math::ExpOp::create(b, arith::SubFOp::create(b, x, shift)); });
    return arith::AddFOp::create(b, math::LogOp::create(b, sum), shift);
  }
  Value result;
  if (kind == "sum_square" || kind == "l2")
    result = run("sum", square);
  else if (kind == "l1")
    result = run("sum", magnitude);
  else if (kind == "mean" || kind == "log_sum")
    result = run("sum", same);
  else
    result = run(kind, same);
  if (!result)
    return {};
  if (kind == "mean") {
    Value n = b.createOrFold<arith::IndexCastOp>(b.getI64Type(), p.indexOf(total));
    return arith::DivFOp::create(b, result, splat(arith::SIToFPOp::create(b, element, n)));
  }
  if (kind == "l2")
    return math::SqrtOp::create(b, result);
  return kind == "log_sum" ? Value(math::LogOp::create(b, result)) : result;
}

Value PointWriter::argReduce(ArgReduceOp op, ArrayRef<Index> place) {
  int64_t axis = op.getAxis();
  auto dims = getDims(op.getX().getType());
  Type graph = getElementTypeOrSelf(op.getX().getType());
  auto placeOf = [&](Value i) {
    Place own(place);
    if (op.getKeepdims())
      own[axis] = uniform(i);
    else
      own.insert(own.begin() + axis, uniform(i));
    return own;
  };
  // 64 bits: the result's type.
  Value first = at(op.getX(), placeOf(p.index(0)));
  if (!first)
    return {};
  bool wantsMax = op.getKind() == "max";
  auto result = loop(dims[axis], ValueRange{first, constant(0, b.getI64Type())},
                     [&](Value i, ValueRange carried) -> SmallVector<Value> {
                       Value x = at(op.getX(), placeOf(i));
                       Value l = wantsMax ? x : carried[0], r = wantsMax ? carried[0] : x;
                       Value better;
                       // With `select_last`, what is not worse is better.
                       if (isa<FloatType>(graph) || computeType(graph).isF32())
                         better = arith::CmpFOp::create(
                             b, op.getSelectLast() ? arith::CmpFPredicate::UGE : arith::CmpFPredicate::OGT, l, r);
                       else if (isUnsigned(graph))
                         better = arith::CmpIOp::create(
                             b, op.getSelectLast() ? arith::CmpIPredicate::uge : arith::CmpIPredicate::ugt, l, r);
                       else
                         better = arith::CmpIOp::create(
                             b, op.getSelectLast() ? arith::CmpIPredicate::sge : arith::CmpIPredicate::sgt, l, r);
                       return {selectNew(better, x, carried[0]), selectNew(better, toTile(uniform(i)), carried[1])};
                     });
  return result[1];
}

/// x in `type`, for a sum of products.
static Value widened(ImplicitLocOpBuilder &b, Value x, Type graph, Type type, ArrayRef<Extent> extents) {
  Type from = getElementTypeOrSelf(x.getType());
  if (from == type)
    return x;
  RankedTensorType to = tileType(extents, type);
  if (isa<FloatType>(from))
    return isa<FloatType>(type) && from.getIntOrFloatBitWidth() < type.getIntOrFloatBitWidth()
               ? Value(arith::ExtFOp::create(b, to, x))
               : Value();
  if (isa<FloatType>(type) || from.getIntOrFloatBitWidth() > type.getIntOrFloatBitWidth())
    return {};
  return isUnsigned(graph) ? Value(arith::ExtUIOp::create(b, to, x)) : Value(arith::ExtSIOp::create(b, to, x));
}

/// sum + x * y, in sum's type.
static Value fused(ImplicitLocOpBuilder &b, Value x, Value y, Value sum) {
  if (isa<FloatType>(getElementTypeOrSelf(sum.getType())))
    return math::FmaOp::create(b, x, y, sum);
  return arith::AddIOp::create(b, sum, arith::MulIOp::create(b, x, y));
}

Value PointWriter::matmul(MatmulOp op, ArrayRef<Index> place) {
  if (op->hasAttr(packedColumnsName))
    return {};
  auto a = getDims(op.getA().getType()), w = getDims(op.getB().getType());
  Type graphA = getElementTypeOrSelf(op.getA().getType()), graphB = getElementTypeOrSelf(op.getB().getType());
  Type sumType = elementType(op.getY());
  size_t rank = place.size();
  auto operandPlace = [&](ArrayRef<SymbolicExpr> dims, Index row, Index column) {
    Place own;
    size_t batch = dims.size() - 2;
    for (size_t i = 0; i < batch; ++i)
      own.push_back(dims[i] == SymbolicExpr(1) ? uniform(int64_t(0)) : place[rank - 2 - batch + i]);
    own.push_back(row);
    own.push_back(column);
    return own;
  };
  SymbolicExpr depth = a[op.getTransposeA() ? a.size() - 2 : a.size() - 1];
  auto result = loop(depth, ValueRange{constant(0, sumType)}, [&](Value k, ValueRange carried) -> SmallVector<Value> {
    Index m = place[rank - 2], n = place[rank - 1], depthIndex = uniform(k);
    Value x = at(op.getA(), op.getTransposeA() ? operandPlace(a, depthIndex, m) : operandPlace(a, m, depthIndex));
    Value y = at(op.getB(), op.getTransposeB() ? operandPlace(w, n, depthIndex) : operandPlace(w, depthIndex, n));
    x = x ? widened(b, x, graphA, sumType, extents) : Value();
    y = y ? widened(b, y, graphB, sumType, extents) : Value();
    return x && y ? SmallVector<Value>{fused(b, x, y, carried[0])} : SmallVector<Value>{};
  });
  return result.empty() ? Value() : result[0];
}

Value PointWriter::conv(ConvOp op, ArrayRef<Index> place) {
  if (op.getLayout() != channelsFirst || op.getWeightShape())
    return {};
  auto x = getDims(op.getX().getType()), w = getDims(op.getW().getType());
  Type graphX = getElementTypeOrSelf(op.getX().getType()), graphW = getElementTypeOrSelf(op.getW().getType());
  Type sumType = elementType(op.getY());
  SmallVector<SymbolicExpr> counts(ArrayRef<SymbolicExpr>(w).drop_front(1));
  int64_t groups = op.getGroups(), spatial = x.size() - 2;
  std::optional<SymbolicExpr> perGroup = SymbolicExpr::exactDivide(w[0], groups);
  if (!perGroup)
    return {};
  Index firstChannel = groups == 1 ? uniform(int64_t(0)) : times(divide(place[1], *perGroup), w[1]);
  auto result = loops(
      counts, ValueRange{constant(0, sumType)}, [&](ArrayRef<Value> tap, ValueRange carried) -> SmallVector<Value> {
        Place from = {place[0], plus(firstChannel, uniform(tap[0]))}, weight = {place[1]};
        Value inImage;
        for (int64_t i = 0; i < spatial; ++i) {
          Index source =
              plus(times(place[i + 2], op.getStrides()[i]), times(uniform(tap[i + 1]), op.getDilations()[i]));
          from.push_back(plus(source, -op.getPads()[i]));
          inImage = both(inImage, inside(from.back(), x[i + 2]));
        }
        for (Value i : tap)
          weight.push_back(uniform(i));
        // What lies in the padding is read as 0.
        Value value = under(inImage, [&] { return at(op.getX(), from); }), factor = at(op.getW(), weight);
        value = value ? widened(b, value, graphX, sumType, extents) : Value();
        factor = factor ? widened(b, factor, graphW, sumType, extents) : Value();
        if (!value || !factor)
          return {};
        value = select(inImage, value, constant(0, sumType));
        return {fused(b, value, factor, carried[0])};
      });
  if (result.empty() || !op.getBias())
    return result.empty() ? Value() : result[0];
  Value bias = at(op.getBias(), {place[1]});
  bias = bias ? widened(b, bias, getElementTypeOrSelf(op.getBias().getType()), sumType, extents) : Value();
  if (!bias)
    return {};
  return isa<FloatType>(sumType) ? Value(arith::AddFOp::create(b, result[0], bias))
                                 : Value(arith::AddIOp::create(b, result[0], bias));
}

/// The taps that reach an element: those whose distance is whole strides.
Value PointWriter::convTranspose(ConvTransposeOp op, ArrayRef<Index> place) {
  auto x = getDims(op.getX().getType()), w = getDims(op.getW().getType());
  Type sumType = elementType(op.getY());
  if (!isa<FloatType>(sumType))
    return {};
  int64_t groups = op.getGroups(), spatial = x.size() - 2;
  std::optional<SymbolicExpr> inPerGroup = SymbolicExpr::exactDivide(x[1], groups);
  if (!inPerGroup)
    return {};
  Index group = groups == 1 ? uniform(int64_t(0)) : divide(place[1], w[1]),
        outChannel = groups == 1 ? place[1] : modulo(place[1], w[1]);
  Index firstChannel = times(group, *inPerGroup);
  SmallVector<SymbolicExpr> counts = {*inPerGroup};
  counts.append(w.begin() + 2, w.end());
  auto result = loops(
      counts, ValueRange{constant(0, sumType)}, [&](ArrayRef<Value> tap, ValueRange carried) -> SmallVector<Value> {
        Index channel = plus(firstChannel, uniform(tap[0]));
        Place from = {place[0], channel}, weight = {channel, outChannel};
        Value reached;
        for (int64_t i = 0; i < spatial; ++i) {
          Index distance = minus(plus(place[i + 2], op.getPads()[i]), times(uniform(tap[i + 1]), op.getDilations()[i]));
          int64_t stride = op.getStrides()[i];
          from.push_back(divide(distance, stride));
          reached = both(reached, inside(from.back(), x[i + 2]));
          if (stride != 1)
            reached = both(reached, arith::CmpIOp::create(b, arith::CmpIPredicate::eq, toTile(modulo(distance, stride)),
                                                          constant(0, b.getI64Type())));
          weight.push_back(uniform(tap[i + 1]));
        }
        Value value = under(reached, [&] { return at(op.getX(), from); }), factor = at(op.getW(), weight);
        if (!value || !factor)
          return {};
        return {fused(b, select(reached, value, constant(0, sumType)), factor, carried[0])};
      });
  if (result.empty() || !op.getBias())
    return result.empty() ? Value() : result[0];
  Value bias = at(op.getBias(), {place[1]});
  return bias ? Value(arith::AddFOp::create(b, result[0], bias)) : Value();
}

Value PointWriter::col2Im(Col2ImOp op, ArrayRef<Index> place) {
  auto y = getDims(op.getY().getType());
  Type element = elementType(op.getY());
  int64_t spatial = y.size() - 2, area = 1;
  SmallVector<SymbolicExpr> counts, places;
  for (int64_t i = 0; i < spatial; ++i) {
    int64_t span = (op.getBlock()[i] - 1) * op.getDilations()[i] + 1;
    counts.push_back(op.getBlock()[i]);
    area *= op.getBlock()[i];
    places.push_back(
        SymbolicExpr::floorDiv(y[i + 2] + (op.getPads()[i] + op.getPads()[i + spatial] - span), op.getStrides()[i]) +
        1);
  }
  bool isFloat = isa<FloatType>(element);
  auto result = loops(
      counts, ValueRange{constant(0, element)}, [&](ArrayRef<Value> tap, ValueRange carried) -> SmallVector<Value> {
        Index row = times(place[1], area), tapNumber = uniform(int64_t(0)), column = uniform(int64_t(0));
        Value reached;
        for (int64_t i = 0; i < spatial; ++i) {
          Index distance = minus(plus(place[i + 2], op.getPads()[i]), times(uniform(tap[i]), op.getDilations()[i]));
          int64_t stride = op.getStrides()[i];
          Index block = divide(distance, stride);
          reached = both(reached, inside(block, places[i]));
          if (stride != 1)
            reached = both(reached, arith::CmpIOp::create(b, arith::CmpIPredicate::eq, toTile(modulo(distance, stride)),
                                                          constant(0, b.getI64Type())));
          column = plus(times(column, places[i]), block);
          tapNumber = plus(times(tapNumber, op.getBlock()[i]), uniform(tap[i]));
        }
        Value value = under(reached, [&] { return at(op.getX(), {place[0], plus(row, tapNumber), column}); });
        if (!value)
          return {};
        value = select(reached, value, constant(0, element));
        return {isFloat ? Value(arith::AddFOp::create(b, carried[0], value))
                        : Value(arith::AddIOp::create(b, carried[0], value))};
      });
  return result.empty() ? Value() : result[0];
}

Value PointWriter::pool(PoolOp op, ArrayRef<Index> place) {
  if (op.getLayout() != channelsFirst)
    return {};
  auto x = getDims(op.getX().getType());
  Type graph = getElementTypeOrSelf(op.getX().getType()), element = computeType(graph);
  bool isFloat = isa<FloatType>(element), isMax = op.getKind() == "max";
  if (!isFloat && !isMax)
    return {};
  int64_t spatial = x.size() - 2, power = op.getP();
  SmallVector<SymbolicExpr> counts;
  for (int64_t extent : op.getWindow())
    counts.push_back(extent);
  Value lowest;
  if (isFloat) {
    lowest = constant(-std::numeric_limits<double>::infinity(), element);
  } else {
    unsigned bits = element.getIntOrFloatBitWidth();
    lowest = splat(arith::ConstantOp::create(
        b, b.getIntegerAttr(element, isUnsigned(graph) ? APInt(bits, 0) : APInt::getSignedMinValue(bits))));
  }
  Value zero = isFloat ? constant(0, element) : Value(), one = isFloat ? constant(1, element) : Value();
  SmallVector<Value> initial = {isMax ? lowest : zero};
  if (!isMax)
    initial.push_back(zero);
  auto result = loops(counts, initial, [&](ArrayRef<Value> tap, ValueRange carried) -> SmallVector<Value> {
    Place from = {place[0], place[1]};
    Value inImage, counted;
    for (int64_t i = 0; i < spatial; ++i) {
      Index source = plus(times(place[i + 2], op.getStrides()[i]), times(uniform(tap[i]), op.getDilations()[i]));
      from.push_back(plus(source, -op.getPads()[i]));
      inImage = both(inImage, inside(from.back(), x[i + 2]));
      // Padding counts, but not what ceil_mode added to it.
      if (op.getCountIncludePad())
        counted = both(counted,
                       inside(source, x[i + 2] + (op.getPads()[i] + op.getPads()[i + spatial] - op.getCeilPads()[i])));
    }
    Value value = under(inImage, [&] { return at(op.getX(), from); });
    if (!value)
      return {};
    if (isMax) {
      value = select(inImage, value, lowest);
      if (isFloat)
        return {arith::MaximumFOp::create(b, carried[0], value)};
      return {isUnsigned(graph) ? Value(arith::MaxUIOp::create(b, carried[0], value))
                                : Value(arith::MaxSIOp::create(b, carried[0], value))};
    }
    value = select(inImage, value, zero);
    if (op.getKind() == "lp") {
      value = power == 2 ? Value(arith::MulFOp::create(b, value, value)) : Value(math::AbsFOp::create(b, value));
      if (power > 2)
        value = math::PowFOp::create(b, value, constant(power, element));
    }
    Value hit = select(op.getCountIncludePad() ? counted : inImage, one, zero);
    return {arith::AddFOp::create(b, carried[0], value), arith::AddFOp::create(b, carried[1], hit)};
  });
  if (result.empty() || isMax)
    return result.empty() ? Value() : result[0];
  if (op.getKind() == "average")
    return arith::DivFOp::create(b, result[0], arith::MaximumFOp::create(b, result[1], one));
  if (power == 1)
    return result[0];
  return power == 2 ? Value(math::SqrtOp::create(b, result[0]))
                    : Value(math::PowFOp::create(b, result[0], constant(1.0 / double(power), element)));
}

/// The place in the whole tensor of the first largest element of each window.
Value PointWriter::maxPoolIndices(MaxPoolIndicesOp op, ArrayRef<Index> place) {
  auto x = getDims(op.getX().getType());
  Type graph = getElementTypeOrSelf(op.getX().getType());
  if (!isa<FloatType>(computeType(graph)))
    return {};
  int64_t spatial = x.size() - 2;
  SmallVector<SymbolicExpr> counts;
  for (int64_t extent : op.getWindow())
    counts.push_back(extent);
  ArrayRef<SymbolicExpr> plane = ArrayRef<SymbolicExpr>(x).drop_front(2);
  Type i64 = b.getI64Type();
  // -1: nothing found yet.
  SmallVector<Value> initial = {constant(0, computeType(graph)), constant(-1, i64)};
  auto result = loops(counts, initial, [&](ArrayRef<Value> tap, ValueRange carried) -> SmallVector<Value> {
    Place from = {place[0], place[1]};
    Value inImage;
    for (int64_t i = 0; i < spatial; ++i) {
      Index source = plus(times(place[i + 2], op.getStrides()[i]), times(uniform(tap[i]), op.getDilations()[i]));
      from.push_back(plus(source, -op.getPads()[i]));
      inImage = both(inImage, inside(from.back(), x[i + 2]));
    }
    Value value = under(inImage, [&] { return at(op.getX(), from); });
    if (!value)
      return {};
    Index linear = uniform(int64_t(0));
    for (int64_t i = 0; i < spatial; ++i) {
      int64_t dim = op.getColumnMajor() ? spatial - 1 - i : i;
      linear = plus(times(linear, plane[dim]), from[dim + 2]);
    }
    Value none = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, carried[1], constant(0, i64));
    // NaN is larger than all numbers.
    Value larger = arith::CmpFOp::create(b, arith::CmpFPredicate::UGT, value, carried[0]);
    Value number = arith::CmpFOp::create(b, arith::CmpFPredicate::ORD, carried[0], carried[0]);
    Value better = both(inImage, arith::OrIOp::create(b, none, both(larger, number)));
    return {selectNew(better, value, carried[0]), selectNew(better, toTile(linear), carried[1])};
  });
  if (result.empty())
    return {};
  Value found = arith::MaxSIOp::create(b, result[1], constant(0, i64));
  Index first = times(plus(times(place[0], x[1]), place[1]), product(plane));
  return arith::AddIOp::create(b, toTile(first), found);
}

/// x / (bias + alpha / size * sum of squares of the neighbouring channels) ^ beta
Value PointWriter::lrn(LrnOp op, ArrayRef<Index> place) {
  auto dims = getDims(op.getX().getType());
  Type element = elementType(op.getX());
  if (!isa<FloatType>(element))
    return {};
  int64_t size = op.getSize();
  auto result = loop(size, ValueRange{constant(0, element)}, [&](Value tap, ValueRange carried) -> SmallVector<Value> {
    Place from(place);
    from[1] = plus(plus(place[1], uniform(tap)), -((size - 1) / 2));
    Value here = inside(from[1], dims[1]);
    Value value = under(here, [&] { return at(op.getX(), from); });
    if (!value)
      return {};
    value = selectNew(here, value, constant(0, element));
    return {arith::AddFOp::create(b, carried[0], arith::MulFOp::create(b, value, value))};
  });
  Value x = at(op.getX(), place);
  if (result.empty() || !x)
    return {};
  Value scaled = arith::MulFOp::create(b, result[0], constant(op.getAlpha().convertToDouble() / double(size), element));
  Value root = arith::AddFOp::create(b, scaled, constant(op.getBias().convertToDouble(), element));
  return arith::DivFOp::create(b, x, math::PowFOp::create(b, root, constant(op.getBeta().convertToDouble(), element)));
}
