// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What each composite op means, in structured ones. f16 and bf16 are computed in f32, as the tile programs do.
#include "dialects/Bess/Bess.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;

namespace {
using Dims = SmallVector<SymbolicExpr>;
using Values = FailureOr<SmallVector<Value>>;

/// Builds ops at one location, of one element type that sums are kept in.
class Parts {
public:
  Parts(OpBuilder &builder, Operation *op)
      : b(builder), loc(op->getLoc()), stored(getElementTypeOrSelf(op->getResult(0).getType())), type(wide(stored)) {}

  /// The type that `element` is computed in; null for what is no float.
  Type wide(Type element) {
    auto floating = dyn_cast<FloatType>(element);
    return !floating ? Type() : floating.getWidth() < 32 ? Type(b.getF32Type()) : element;
  }
  bool isFloat() const { return type != nullptr; }

  Value widen(Value x) { return cast(x, type); }
  Value narrow(Value x) { return cast(x, stored); }
  Value cast(Value x, Type to) {
    return getElementTypeOrSelf(x.getType()) == to ? x : Value(CastOp::create(b, loc, x, to));
  }

  Value scalar(double value) {
    auto tensor = RankedTensorType::get({}, type);
    return ConstantOp::create(b, loc, DenseElementsAttr::get(tensor, b.getFloatAttr(type, value)));
  }
  Value integers(int64_t value, ArrayRef<int64_t> shape, Type element) {
    return ConstantOp::create(
        b, loc, DenseElementsAttr::get(RankedTensorType::get(shape, element), b.getIntegerAttr(element, value)));
  }
  template <typename Op> Value unary(Value x) { return Op::create(b, loc, x); }
  template <typename Op> Value binary(Value x, Value y) { return Op::create(b, loc, x, y); }
  Value add(Value x, Value y) { return binary<AddOp>(x, y); }
  Value sub(Value x, Value y) { return binary<SubOp>(x, y); }
  Value mul(Value x, Value y) { return binary<MulOp>(x, y); }
  Value div(Value x, Value y) { return binary<DivOp>(x, y); }
  Value where(Value condition, Value x, Value y) { return WhereOp::create(b, loc, condition, x, y); }
  Value reduce(StringRef kind, Value x, ArrayRef<int64_t> axes) {
    return ReduceOp::create(b, loc, x, kind, axes, true);
  }
  Value transpose(Value x, ArrayRef<int64_t> permutation) { return TransposeOp::create(b, loc, x, permutation); }
  Value reshape(Value x, ArrayRef<SymbolicExpr> dims) {
    Type to = getTensorType(dims, getElementTypeOrSelf(x.getType()));
    return to == x.getType() ? x : Value(ReshapeOp::create(b, loc, to, x));
  }
  /// Elements [from, from + count * step) of the last dimension.
  Value columns(Value x, int64_t from, SymbolicExpr count, int64_t step = 1) {
    Dims dims = getDims(x.getType()), offsets(dims.size(), SymbolicExpr(0));
    SmallVector<int64_t> steps(dims.size(), 1);
    dims.back() = std::move(count);
    offsets.back() = from;
    steps.back() = step;
    return SliceOp::create(b, loc, getTensorType(dims, getElementTypeOrSelf(x.getType())), x,
                           getDimsAttr(b.getContext(), offsets), steps);
  }
  Value concat(ValueRange xs, int64_t axis) { return ConcatOp::create(b, loc, xs, axis); }

  OpBuilder &b;
  Location loc;
  Type stored, type;
};

int64_t rankOf(Value x) { return cast<RankedTensorType>(x.getType()).getRank(); }

SmallVector<int64_t> axesFrom(int64_t axis, int64_t rank) { return llvm::to_vector(llvm::seq<int64_t>(axis, rank)); }
} // namespace

// exp(x - max) / sum(exp(x - max))
Values SoftmaxOp::decompose(OpBuilder &builder) {
  Parts p(builder, *this);
  if (!p.isFloat())
    return failure();
  int64_t along = getAxis();
  Value x = p.widen(getX());
  Value shifted = p.sub(x, p.reduce("max", x, along));
  Value e = p.unary<ExpOp>(shifted);
  Value sum = p.reduce("sum", e, along);
  Value y = getLog() ? p.sub(shifted, p.unary<LogOp>(sum)) : p.div(e, sum);
  return SmallVector<Value>{p.narrow(y)};
}

// (x - mean) / sqrt(mean((x - mean)^2) + epsilon) * scale + bias
Values LayerNormOp::decompose(OpBuilder &builder) {
  Parts p(builder, *this);
  if (!p.isFloat())
    return failure();
  SmallVector<int64_t> axes = axesFrom(getAxis(), rankOf(getX()));
  Value x = p.widen(getX());
  Value centred = p.sub(x, p.reduce("mean", x, axes));
  Value variance = p.reduce("mean", p.mul(centred, centred), axes);
  Value deviation = p.unary<SqrtOp>(p.add(variance, p.scalar(getEpsilon().convertToDouble())));
  Value y = p.mul(p.div(centred, deviation), p.widen(getScale()));
  if (getBias())
    y = p.add(y, p.widen(getBias()));
  return SmallVector<Value>{p.narrow(y)};
}

// x / sqrt(mean(x^2) + epsilon) * scale
Values RmsNormOp::decompose(OpBuilder &builder) {
  Parts p(builder, *this);
  if (!p.isFloat())
    return failure();
  Value x = p.widen(getX());
  Value mean = p.reduce("mean", p.mul(x, x), axesFrom(getAxis(), rankOf(getX())));
  Value y = p.div(x, p.unary<SqrtOp>(p.add(mean, p.scalar(getEpsilon().convertToDouble()))));
  return SmallVector<Value>{p.narrow(p.mul(y, p.widen(getScale())))};
}

// Heads of q that share a head of k and v become rows of one product:
//   q [B, Hkv, G S, D] k^T -> scores [B, Hq, S, T] -> softmax -> [B, Hkv, G S, T] v -> [B, Hq, S, Dv]
Values AttentionOp::decompose(OpBuilder &builder) {
  Parts p(builder, *this);
  if (!p.isFloat())
    return failure();
  const int64_t swap[] = {0, 2, 1, 3};
  auto headsOf = [](Value x, StringRef layout) { return getDims(x.getType())[layout == "bshd" ? 2 : 1]; };
  SymbolicExpr queryHeads = headsOf(getQ(), getQLayout()), sharedHeads = headsOf(getK(), getKLayout());
  std::optional<int64_t> group = queryHeads == sharedHeads ? std::optional<int64_t>(1) : std::nullopt;
  if (auto own = queryHeads.isConstant(), shared = sharedHeads.isConstant();
      own && shared && *shared && *own % *shared == 0)
    group = *own / *shared;
  if (!group)
    return failure();
  auto heads = [&](Value x, StringRef layout) {
    x = p.widen(x);
    return layout == "bshd" ? p.transpose(x, swap) : x;
  };
  Value q = heads(getQ(), getQLayout()), k = heads(getK(), getKLayout()), v = heads(getV(), getVLayout());
  Dims qDims = getDims(q.getType()), kDims = getDims(k.getType()), vDims = getDims(v.getType());
  SymbolicExpr batch = qDims[0], rows = qDims[2], keys = kDims[2];
  SymbolicExpr groupedRows = rows * SymbolicExpr(*group);

  Value scores = MatmulOp::create(p.b, p.loc, p.reshape(q, {batch, kDims[1], groupedRows, qDims[3]}), k,
                                  /*transpose_a=*/false, /*transpose_b=*/true, /*to=*/TypeAttr());
  scores = p.mul(p.reshape(scores, {batch, queryHeads, rows, keys}), p.scalar(getScale().convertToDouble()));
  if (double cap = getSoftcap().convertToDouble(); cap > 0)
    scores = p.mul(p.unary<TanhOp>(p.div(scores, p.scalar(cap))), p.scalar(cap));

  // Only keys that are seen count; a row without one gives 0.
  Value unseen = p.scalar(-std::numeric_limits<double>::infinity());
  if (Value mask = getMask())
    scores = getElementTypeOrSelf(mask.getType()).isInteger(1) ? p.where(mask, scores, unseen)
                                                               : p.add(scores, p.widen(mask));
  if (getCausal()) {
    SymbolicExpr offset = getCausalBottomRight() ? keys - rows : SymbolicExpr(0);
    Type square = getTensorType({rows, keys}, p.b.getI1Type());
    Value all = BroadcastOp::create(p.b, p.loc, square, p.integers(1, {}, p.b.getI1Type()));
    Value seen = TriluOp::create(p.b, p.loc, all, offset.str(), /*upper=*/false);
    scores = p.where(seen, scores, unseen);
  }
  if (Value valid = getValid()) {
    Type integer = getElementTypeOrSelf(valid.getType());
    Value key = IotaOp::create(p.b, p.loc, getTensorType({1, 1, 1, keys}, integer), 3);
    scores = p.where(p.binary<LessOp>(key, p.reshape(valid, {batch, 1, 1, 1})), scores, unseen);
  }
  double lowest = APFloat::getLargest(cast<FloatType>(p.type).getFloatSemantics(), true).convertToDouble();
  Value most = p.binary<MaxOp>(p.reduce("max", scores, 3), p.scalar(lowest));
  Value weights = p.unary<ExpOp>(p.sub(scores, most));
  Value sum = p.reduce("sum", weights, 3);
  Value none = p.binary<EqualOp>(sum, p.scalar(0));
  weights = p.div(weights, p.where(none, p.scalar(1), sum));

  Value y = MatmulOp::create(p.b, p.loc, p.reshape(weights, {batch, kDims[1], groupedRows, keys}), v, false, false,
                             TypeAttr());
  y = p.reshape(y, {batch, queryHeads, rows, vDims[3]});
  return SmallVector<Value>{p.narrow(getYLayout() == "bshd" ? p.transpose(y, swap) : y)};
}

// (x1, x2) -> (x1 cos - x2 sin, x1 sin + x2 cos)
Values RopeOp::decompose(OpBuilder &builder) {
  Parts p(builder, *this);
  Dims dims = getDims(getX().getType());
  int64_t rotary = getRotary(), half = rotary / 2;
  if (!p.isFloat() || dims.size() != 4)
    return failure();
  Value x = p.widen(getX()), cosine = p.widen(getCos()), sine = p.widen(getSin());
  int64_t step = getInterleaved() ? 2 : 1;
  Value first = p.columns(x, 0, half, step), second = p.columns(x, getInterleaved() ? 1 : half, half, step);
  Value low = p.sub(p.mul(first, cosine), p.mul(second, sine));
  Value high = p.add(p.mul(first, sine), p.mul(second, cosine));
  SmallVector<Value> parts = {low, high};
  if (getInterleaved()) {
    // [.., half] and [.., half] -> [.., half, 2] -> [.., rotary]
    Dims pair(dims.begin(), dims.end() - 1);
    pair.append({SymbolicExpr(half), SymbolicExpr(1)});
    Dims flat(dims.begin(), dims.end() - 1);
    flat.push_back(rotary);
    parts = {p.reshape(p.concat({p.reshape(low, pair), p.reshape(high, pair)}, 4), flat)};
  }
  if (!(dims[3] == SymbolicExpr(rotary)))
    parts.push_back(p.columns(x, rotary, dims[3] - SymbolicExpr(rotary)));
  return SmallVector<Value>{p.narrow(parts.size() == 1 ? parts[0] : p.concat(parts, 3))};
}
