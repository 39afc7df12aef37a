// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Shape arithmetic: nodes on small integer tensors whose elements are known
// over symbols. What comes out is a constant or `bess.from_dims`, and what
// reads it finds the expressions without looking at the ops.
#include "passes/Legalize/Node.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

namespace {

constexpr int64_t maxElements = 64;

/// A small tensor of expressions.
struct Small {
  Dims values;
  Ints shape;
};

std::optional<Small> small(Node &n, size_t i) {
  if (!n.has(i) || n.entry(i).kind != Entry::Kind::Tensor)
    return std::nullopt;
  Value v = n.entry(i).tensor;
  std::optional<Dims> values = n.contents(v);
  if (!values)
    return std::nullopt;
  return Small{*values, Ints(cast<RankedTensorType>(v.getType()).getShape())};
}

bool give(Node &n, ArrayRef<SymbolicExpr> values, ArrayRef<int64_t> shape, Type element) {
  if (int64_t(values.size()) > maxElements || llvm::any_of(values, [](const SymbolicExpr &v) { return !v.isValid(); }))
    return false;
  n.out(0, n.fromDims(values, shape, element));
  return true;
}

bool giveLike(Node &n, ArrayRef<SymbolicExpr> values, ArrayRef<int64_t> shape) {
  return give(n, values, shape, n.elt(n.entry(0).tensor));
}

using Binary = std::optional<SymbolicExpr> (*)(Node &, const SymbolicExpr &, const SymbolicExpr &);

bool nonNegative(Node &n, const SymbolicExpr &x) { return x.lowerBound(n.lz.symbolBounds()).value_or(-1) >= 0; }

std::optional<SymbolicExpr> divide(Node &n, const SymbolicExpr &x, const SymbolicExpr &y) {
  auto cx = x.isConstant(), cy = y.isConstant();
  if ((cy && *cy == 0) || (cx && cy && *cy == -1 && *cx == std::numeric_limits<int64_t>::min()))
    return std::nullopt;
  if (cx && cy)
    return SymbolicExpr(*cx / *cy);
  if (auto exact = SymbolicExpr::exactDivide(x, y))
    return exact;
  if (!nonNegative(n, x) || !nonNegative(n, y))
    return std::nullopt;
  return SymbolicExpr::floorDiv(x, y);
}

std::optional<SymbolicExpr> remainder(Node &n, const SymbolicExpr &x, const SymbolicExpr &y) {
  if (auto cy = y.isConstant(); !cy || *cy == 0 || (n.i("fmod", 0) && !nonNegative(n, x)))
    return std::nullopt;
  return SymbolicExpr::mod(x, y);
}

std::optional<SymbolicExpr> isEqual(Node &n, const SymbolicExpr &x, const SymbolicExpr &y) {
  if (SymbolicExpr::knownEqual(x, y))
    return SymbolicExpr(1);
  if (SymbolicExpr::knownNotEqual(x, y, n.lz.symbolBounds()))
    return SymbolicExpr(0);
  return std::nullopt;
}

std::optional<SymbolicExpr> isLess(Node &n, const SymbolicExpr &x, const SymbolicExpr &y) {
  if (SymbolicExpr::knownLessEqual(x + 1, y, n.lz.symbolBounds()))
    return SymbolicExpr(1);
  if (SymbolicExpr::knownLessEqual(y, x, n.lz.symbolBounds()))
    return SymbolicExpr(0);
  return std::nullopt;
}

std::optional<SymbolicExpr> negated(std::optional<SymbolicExpr> truth) {
  if (truth)
    return SymbolicExpr(1) - *truth;
  return std::nullopt;
}

Binary binaryOf(StringRef op) {
  return llvm::StringSwitch<Binary>(op)
      .Case("Add",
            [](Node &, const SymbolicExpr &x, const SymbolicExpr &y) -> std::optional<SymbolicExpr> { return x + y; })
      .Case("Sub",
            [](Node &, const SymbolicExpr &x, const SymbolicExpr &y) -> std::optional<SymbolicExpr> { return x - y; })
      .Case("Mul",
            [](Node &, const SymbolicExpr &x, const SymbolicExpr &y) -> std::optional<SymbolicExpr> { return x * y; })
      .Case("Div", divide)
      .Case("Mod", remainder)
      .Case("Min",
            [](Node &, const SymbolicExpr &x, const SymbolicExpr &y) -> std::optional<SymbolicExpr> {
              return SymbolicExpr::min(x, y);
            })
      .Case("Max",
            [](Node &, const SymbolicExpr &x, const SymbolicExpr &y) -> std::optional<SymbolicExpr> {
              return SymbolicExpr::max(x, y);
            })
      .Case("Equal", isEqual)
      .Case("Less", isLess)
      .Case("Greater", [](Node &n, const SymbolicExpr &x, const SymbolicExpr &y) { return isLess(n, y, x); })
      .Case("LessOrEqual",
            [](Node &n, const SymbolicExpr &x, const SymbolicExpr &y) { return negated(isLess(n, y, x)); })
      .Case("GreaterOrEqual",
            [](Node &n, const SymbolicExpr &x, const SymbolicExpr &y) { return negated(isLess(n, x, y)); })
      .Case("And",
            [](Node &, const SymbolicExpr &x, const SymbolicExpr &y) -> std::optional<SymbolicExpr> { return x * y; })
      .Case("Or",
            [](Node &, const SymbolicExpr &x, const SymbolicExpr &y) -> std::optional<SymbolicExpr> {
              return SymbolicExpr::max(x, y);
            })
      .Default(nullptr);
}

bool isComparison(StringRef op) {
  return llvm::is_contained({StringRef("Equal"), StringRef("Less"), StringRef("Greater"), StringRef("LessOrEqual"),
                             StringRef("GreaterOrEqual")},
                            op);
}

/// Broadcasts to `shape` (static, right-aligned).
Dims spread(const Small &x, ArrayRef<int64_t> shape) {
  Dims result;
  int64_t count = 1;
  for (int64_t extent : shape)
    count *= extent;
  for (int64_t flat = 0; flat < count; ++flat) {
    int64_t rest = flat, index = 0, stride = 1;
    for (size_t back = 1; back <= shape.size(); ++back) {
      int64_t coordinate = rest % shape[shape.size() - back];
      rest /= shape[shape.size() - back];
      if (back <= x.shape.size()) {
        int64_t extent = x.shape[x.shape.size() - back];
        index += (extent == 1 ? 0 : coordinate) * stride;
        stride *= extent;
      }
    }
    result.push_back(x.values[index]);
  }
  return result;
}

std::optional<Ints> commonShape(ArrayRef<const Small *> all) {
  Ints shape;
  for (const Small *x : all) {
    while (shape.size() < x->shape.size())
      shape.insert(shape.begin(), 1);
    for (size_t back = 1; back <= x->shape.size(); ++back) {
      int64_t have = x->shape[x->shape.size() - back];
      int64_t &want = shape[shape.size() - back];
      if (want == 1)
        want = have;
      else if (have != 1 && have != want)
        return std::nullopt;
    }
  }
  int64_t count = 1;
  for (int64_t extent : shape) {
    count *= extent;
    if (count > maxElements)
      return std::nullopt;
  }
  return shape;
}

bool foldBinary(Node &n, Binary fn) {
  std::optional<Small> result = small(n, 0);
  if (!result)
    return false;
  for (size_t i = 1; i < n.inputCount(); ++i) {
    std::optional<Small> y = small(n, i);
    if (!y)
      return false;
    std::optional<Ints> shape = commonShape({&*result, &*y});
    if (!shape)
      return false;
    Dims a = spread(*result, *shape), c = spread(*y, *shape);
    for (size_t k = 0; k < a.size(); ++k) {
      std::optional<SymbolicExpr> value = fn(n, a[k], c[k]);
      if (!value)
        return false;
      a[k] = *value;
    }
    result = Small{a, *shape};
  }
  Type element = isComparison(n.op.getOpType()) ? Type(n.b.getI1Type()) : n.elt(n.entry(0).tensor);
  if (isa<IntegerType>(element) && element.getIntOrFloatBitWidth() < 32 && !element.isInteger(1))
    return false; // may wrap around
  return give(n, result->values, result->shape, element);
}

bool foldShape(Node &n) {
  if (!n.has(0) || n.entry(0).kind != Entry::Kind::Tensor)
    return false;
  Value x = n.entry(0).tensor;
  Dims dims = n.dims(x);
  int64_t rank = dims.size();
  auto clamp = [&](int64_t position) {
    return std::clamp(position < 0 ? position + rank : position, int64_t(0), rank);
  };
  int64_t start = clamp(n.i("start", 0)), end = clamp(n.i("end", rank));
  Dims values(dims.begin() + start, dims.begin() + std::max(start, end));
  int64_t length = values.size();
  return give(n, values, length, n.b.getI64Type());
}

bool foldGather(Node &n) {
  std::optional<Small> x = small(n, 0), indices = small(n, 1);
  if (!x || !indices || x->shape.size() != 1)
    return false;
  Dims values;
  for (const SymbolicExpr &index : indices->values) {
    std::optional<int64_t> at = index.isConstant();
    if (at && *at < 0)
      *at += x->values.size();
    if (!at || *at < 0 || *at >= int64_t(x->values.size()))
      return false;
    values.push_back(x->values[*at]);
  }
  return giveLike(n, values, indices->shape);
}

bool foldSlice(Node &n) {
  std::optional<Small> x = small(n, 0);
  if (!x || x->shape.size() != 1)
    return false;
  auto part = [&](size_t i, StringRef name) -> std::optional<int64_t> {
    std::optional<Ints> known;
    if (n.has(i))
      known = n.constInts(n.entry(i).tensor);
    else if (n.hasAttr(name))
      known = n.ints(name);
    if (!known || known->size() != 1)
      return std::nullopt;
    return (*known)[0];
  };
  std::optional<int64_t> start = part(1, "starts"), end = part(2, "ends"), step = n.has(4) ? part(4, "steps") : 1;
  if (!start || !end || !step || *step == 0)
    return false;
  int64_t length = x->values.size();
  int64_t from = *start < 0 ? *start + length : *start, to = *end < 0 ? *end + length : *end;
  Dims values;
  if (*step > 0)
    for (int64_t i = std::clamp(from, int64_t(0), length), e = std::clamp(to, int64_t(0), length); i < e; i += *step)
      values.push_back(x->values[i]);
  else
    for (int64_t i = std::clamp(from, int64_t(-1), length - 1), e = std::clamp(to, int64_t(-1), length - 1); i > e;
         i += *step)
      values.push_back(x->values[i]);
  int64_t count = values.size();
  return giveLike(n, values, count);
}

bool foldConcat(Node &n) {
  Dims values;
  for (size_t i = 0; i < n.inputCount(); ++i) {
    std::optional<Small> part = small(n, i);
    if (!part || part->shape.size() != 1)
      return false;
    values.append(part->values.begin(), part->values.end());
  }
  int64_t count = values.size();
  return n.inputCount() > 0 && giveLike(n, values, count);
}

bool foldWhere(Node &n) {
  std::optional<Small> condition = small(n, 0), x = small(n, 1), y = small(n, 2);
  if (!condition || !x || !y)
    return false;
  std::optional<Ints> shape = commonShape({&*condition, &*x, &*y});
  if (!shape)
    return false;
  Dims c = spread(*condition, *shape), a = spread(*x, *shape), e = spread(*y, *shape);
  for (size_t i = 0; i < c.size(); ++i) {
    if (a[i] == e[i])
      continue;
    std::optional<int64_t> truth = c[i].isConstant();
    if (!truth)
      return false;
    if (!*truth)
      a[i] = e[i];
  }
  return give(n, a, *shape, n.elt(n.entry(1).tensor));
}

bool foldCast(Node &n) {
  std::optional<Small> x = small(n, 0);
  if (!x)
    return false;
  Type from = n.elt(n.entry(0).tensor), to;
  if (n.op.getOpType() == "CastLike") {
    if (!n.has(1) || n.entry(1).kind != Entry::Kind::Tensor)
      return false;
    to = n.elt(n.entry(1).tensor);
  } else {
    to = n.onnxType(n.i("to", 0));
  }
  if (n.failed())
    return true;
  auto integer = dyn_cast<IntegerType>(to);
  if (!integer)
    return false;
  Dims values = x->values;
  if (integer.getWidth() == 1) {
    for (SymbolicExpr &value : values) {
      std::optional<SymbolicExpr> zero = isEqual(n, value, SymbolicExpr(0));
      if (!zero)
        return false;
      value = SymbolicExpr(1) - *zero;
    }
  } else if (integer.getWidth() < 32 || integer.isUnsigned()) {
    return false; // may wrap around
  }
  (void)from;
  return give(n, values, x->shape, to);
}

bool foldRange(Node &n) {
  std::optional<Small> start = small(n, 0), limit = small(n, 1), delta = small(n, 2);
  if (!start || !limit || !delta || start->values.size() != 1 || limit->values.size() != 1 || delta->values.size() != 1)
    return false;
  auto step = delta->values[0].isConstant();
  auto span = (limit->values[0] - start->values[0]).isConstant();
  if (!step || *step == 0 || !span)
    return false;
  int64_t count = std::max<int64_t>(0, *step > 0 ? (*span + *step - 1) / *step : (-*span - *step - 1) / -*step);
  if (*span * *step <= 0)
    count = 0;
  if (count > maxElements)
    return false;
  Dims values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(start->values[0] + SymbolicExpr(i * *step));
  return giveLike(n, values, count);
}

bool foldReduce(Node &n) {
  std::optional<Small> x = small(n, 0);
  if (!x || x->shape.size() != 1 || x->values.empty() || n.i("noop_with_empty_axes", 0))
    return false;
  Type element = n.elt(n.entry(0).tensor);
  if (element.getIntOrFloatBitWidth() < 32)
    return false;
  SymbolicExpr result = x->values[0];
  for (const SymbolicExpr &value : ArrayRef<SymbolicExpr>(x->values).drop_front())
    result = llvm::StringSwitch<SymbolicExpr>(n.op.getOpType())
                 .Case("ReduceProd", result * value)
                 .Case("ReduceSum", result + value)
                 .Case("ReduceMax", SymbolicExpr::max(result, value))
                 .Default(SymbolicExpr::min(result, value));
  return n.i("keepdims", 1) ? giveLike(n, result, 1) : giveLike(n, result, ArrayRef<int64_t>());
}

/// Ops that keep the elements and only change the shape: done as a reshape of
/// the list, where the new shape is constant.
bool foldReshape(Node &n) {
  std::optional<Small> x = small(n, 0);
  if (!x)
    return false;
  StringRef op = n.op.getOpType();
  Ints shape;
  std::optional<Ints> list;
  if (n.has(1) && n.entry(1).kind == Entry::Kind::Tensor) {
    list = n.constInts(n.entry(1).tensor);
    if (!list)
      return false;
  } else if (n.hasAttr("axes")) {
    list = n.ints("axes");
  } else if (n.hasAttr("shape")) {
    list = n.ints("shape");
  }
  int64_t rank = x->shape.size(), count = x->values.size();
  if (op == "Unsqueeze" && list) {
    shape = x->shape;
    Ints positions = n.axes(*list, rank + int64_t(list->size()));
    llvm::sort(positions);
    if (n.failed())
      return true;
    for (int64_t position : positions)
      shape.insert(shape.begin() + std::min<int64_t>(position, shape.size()), 1);
  } else if (op == "Squeeze") {
    Ints positions = list ? n.axes(*list, rank) : Ints();
    if (n.failed())
      return true;
    for (int64_t i = 0; i < rank; ++i) {
      bool drop = list ? llvm::is_contained(positions, i) : x->shape[i] == 1;
      if (drop && x->shape[i] != 1)
        return false;
      if (!drop)
        shape.push_back(x->shape[i]);
    }
  } else if (op == "Reshape" && list) {
    int64_t known = 1;
    for (auto [i, extent] : llvm::enumerate(*list)) {
      if (extent == 0 && !n.i("allowzero", 0) && int64_t(i) < rank)
        extent = x->shape[i];
      if (extent >= 0)
        known *= extent;
      shape.push_back(extent);
    }
    for (int64_t &extent : shape)
      if (extent < 0)
        extent = known ? count / known : 0;
  } else if (op == "Identity") {
    shape = x->shape;
  } else {
    return false;
  }
  int64_t product = 1;
  for (int64_t extent : shape)
    product *= extent;
  return product == count && giveLike(n, x->values, shape);
}

bool foldConstantOfShape(Node &n) {
  if (!n.has(0))
    return false;
  std::optional<Ints> shape = n.constInts(n.entry(0).tensor);
  DenseElementsAttr value = elementsOf(n.attr("value"), n.lz);
  if (!shape || !value || value.getNumElements() != 1 || !isa<IntegerType>(value.getElementType()))
    return false;
  int64_t count = 1;
  for (int64_t extent : *shape) {
    if (extent < 0 || extent > maxElements)
      return false;
    count *= extent;
    if (count > maxElements)
      return false;
  }
  APInt element = *value.getValues<APInt>().begin();
  bool isUnsigned = value.getElementType().isUnsignedInteger() || value.getElementType().isInteger(1);
  Dims values(count, SymbolicExpr(isUnsigned ? int64_t(element.getZExtValue()) : element.getSExtValue()));
  return give(n, values, *shape, value.getElementType());
}

bool foldExpand(Node &n) {
  std::optional<Small> x = small(n, 0);
  if (!x || !n.has(1))
    return false;
  std::optional<Ints> shape = n.constInts(n.entry(1).tensor);
  if (!shape || llvm::any_of(*shape, [](int64_t extent) { return extent < 0 || extent > maxElements; }))
    return false;
  Small target{{}, *shape};
  std::optional<Ints> common = commonShape({&*x, &target});
  return common && giveLike(n, spread(*x, *common), *common);
}

bool foldUnary(Node &n) {
  std::optional<Small> x = small(n, 0);
  if (!x)
    return false;
  StringRef op = n.op.getOpType();
  Type element = n.elt(n.entry(0).tensor);
  if (op != "Not" && element.getIntOrFloatBitWidth() < 32)
    return false;
  for (SymbolicExpr &value : x->values) {
    if (op == "Neg")
      value = -value;
    else if (op == "Not")
      value = SymbolicExpr(1) - value;
    else if (nonNegative(n, value))
      continue; // Abs
    else if (auto number = value.isConstant(); number && *number < 0)
      value = -value;
    else
      return false;
  }
  return giveLike(n, x->values, x->shape);
}

bool foldSize(Node &n) {
  if (!n.has(0) || n.entry(0).kind != Entry::Kind::Tensor)
    return false;
  return give(n, n.count(n.dims(n.entry(0).tensor)), ArrayRef<int64_t>(), n.b.getI64Type());
}

} // namespace

bool legalize::foldSymbolically(Node &n) {
  if (!n.domain.empty())
    return false;
  StringRef op = n.op.getOpType();
  using Fold = bool (*)(Node &);
  Fold fold = llvm::StringSwitch<Fold>(op)
                  .Case("Shape", foldShape)
                  .Case("Size", foldSize)
                  .Case("Gather", foldGather)
                  .Case("Slice", foldSlice)
                  .Case("Concat", foldConcat)
                  .Case("Where", foldWhere)
                  .Cases({"Cast", "CastLike"}, foldCast)
                  .Case("Range", foldRange)
                  .Cases({"ReduceProd", "ReduceSum", "ReduceMax", "ReduceMin"}, foldReduce)
                  .Cases({"Unsqueeze", "Squeeze", "Reshape", "Identity"}, foldReshape)
                  .Case("ConstantOfShape", foldConstantOfShape)
                  .Case("Expand", foldExpand)
                  .Cases({"Neg", "Abs", "Not"}, foldUnary)
                  .Default(nullptr);
  if (fold)
    return fold(n);
  if (Binary binary = binaryOf(op))
    return foldBinary(n, binary);
  return false;
}
