// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ops that move elements and ask for their shape: Reshape, Expand, Tile, Pad,
// Concat, Split, Transpose and their kin. Slice has its own file.
#include "passes/Legalize/DataAxes.h"
#include "passes/Legalize/Handlers.h"

#include <cmath>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

// ---- shapes as data ------------------------------------------------------------

void handlers::shape(Node &n) {
  Value x = n.in(0);
  Dims dims = n.dims(x);
  int64_t rank = dims.size();
  auto clamp = [&](int64_t position) {
    return std::clamp(position < 0 ? position + rank : position, int64_t(0), rank);
  };
  int64_t start = clamp(n.i("start", 0)), end = std::max(start, clamp(n.i("end", rank)));
  Dims values(dims.begin() + start, dims.begin() + end);
  n.out(0, n.fromDims(values, int64_t(values.size()), n.b.getI64Type()));
}

void handlers::size(Node &n) { n.out(0, n.fromDims(n.count(n.dims(n.in(0))), ArrayRef<int64_t>(), n.b.getI64Type())); }

void handlers::constant(Node &n) {
  if (Attribute value = n.attr("value")) {
    if (DenseElementsAttr elements = elementsOf(value, n.lz))
      return n.out(0, n.constant(elements));
    if (auto pair = dyn_cast<DictionaryAttr>(value)) {
      auto source = dyn_cast_or_null<bess::SourceAttr>(pair.get("source"));
      auto type = dyn_cast_or_null<TypeAttr>(pair.get("type"));
      if (source && type && isa<RankedTensorType>(type.getValue()))
        return n.out(
            0, bess::WeightOp::create(n.b, n.loc, type.getValue(),
                                      n.b.getStringAttr(n.op.getOutputNames().empty()
                                                            ? n.op.getNodeName()
                                                            : cast<StringAttr>(n.op.getOutputNames()[0]).getValue()),
                                      source));
    }
    return n.fail("expected a tensor of numbers");
  }
  if (n.hasAttr("value_int"))
    return n.out(0, n.constant(DenseElementsAttr::get(RankedTensorType::get({}, n.b.getI64Type()), n.i("value_int"))));
  if (n.hasAttr("value_float"))
    return n.out(0, n.scalar(n.f("value_float"), n.b.getF32Type()));
  if (n.hasAttr("value_ints"))
    return n.out(0, n.intVector(n.ints("value_ints")));
  if (n.hasAttr("value_floats"))
    return n.out(0, n.floatVector(n.floats("value_floats"), n.b.getF32Type()));
  n.fail("strings and sparse tensors are not supported");
}

void handlers::constantOfShape(Node &n) {
  Dims dims = n.elements(n.in(0), "size");
  if (n.failed())
    return;
  Value value = n.hasAttr("value") ? n.constant(elementsOf(n.attr("value"), n.lz)) : n.scalar(0, n.b.getF32Type());
  if (!value || n.rank(value) > 1)
    return n.fail("expected a value of one number");
  n.out(0, n.broadcast(n.reshape(value, {}), dims));
}

// ---- reshapes -----------------------------------------------------------------------

/// A shape that only the data tells: its zeros and its -1 are resolved by ops
/// on the data, then the elements become symbols.
static Dims reshapeFromData(Node &n, Value x, Value shape) {
  auto type = dyn_cast<RankedTensorType>(shape.getType());
  if (type.getRank() != 1 || !type.hasStaticShape() || type.getDimSize(0) > 16) {
    n.fail("expected a shape operand of constant length");
    return {};
  }
  int64_t rank = type.getDimSize(0);
  Type i64 = n.b.getI64Type();
  Value wanted = n.cast(shape, i64);
  if (n.i("allowzero", 0) == 0) {
    Dims copied;
    for (int64_t i = 0; i < rank; ++i)
      copied.push_back(i < n.rank(x) ? n.dim(x, i) : SymbolicExpr(0));
    wanted = n.where(n.equal(wanted, n.scalar(0, i64)), n.fromDims(copied, rank, i64), wanted);
  }
  Value isMinusOne = n.less(wanted, n.scalar(0, i64));
  Value others = n.reduce(n.where(isMinusOne, n.scalar(1, i64), wanted), "prod", 0, true);
  Value rest = n.div(n.fromDims(n.count(n.dims(x)), 1, i64), n.max(others, n.scalar(1, i64)));
  return n.elements(n.where(isMinusOne, rest, wanted), "reshape");
}

void handlers::reshape(Node &n) {
  Value x = n.in(0), shape = n.in(1);
  if (!x || !shape)
    return n.fail("expected two operands");
  std::optional<Dims> known = n.contents(shape);
  if (!known)
    return n.out(0, n.reshape(x, reshapeFromData(n, x, shape)));
  bool allowZero = n.i("allowzero", 0) != 0;
  Dims dims;
  std::optional<size_t> open;
  SymbolicExpr product = 1;
  for (auto [i, element] : llvm::enumerate(*known)) {
    SymbolicExpr dim = element;
    if (element == SymbolicExpr(0) && !allowZero) {
      if (int64_t(i) >= n.rank(x))
        return n.fail("the shape copies dimension " + Twine(i) + " of an operand of rank " + Twine(n.rank(x)));
      dim = n.dim(x, int64_t(i));
    } else if (element == SymbolicExpr(-1)) {
      if (open)
        return n.fail("expected at most one -1 in the shape");
      open = i;
    } else if (auto value = element.isConstant(); value && *value < 0) {
      return n.fail("expected dimensions of at least -1, got " + Twine(*value));
    }
    if (open != i)
      product *= dim;
    dims.push_back(dim);
  }
  if (open) {
    SymbolicExpr total = n.count(n.dims(x));
    if (auto exact = SymbolicExpr::exactDivide(total, product)) {
      dims[*open] = *exact;
    } else if (product == SymbolicExpr(0)) {
      dims[*open] = 0;
    } else {
      if (total.isConstant() && product.isConstant())
        return n.fail("expected " + total.str() + " elements to be a multiple of " + product.str());
      dims[*open] = SymbolicExpr::floorDiv(total, product);
    }
  }
  n.out(0, n.reshape(x, dims));
}

void handlers::flatten(Node &n) {
  Value x = n.in(0);
  int64_t rank = n.rank(x), axis = n.i("axis", 1);
  if (axis < -rank || axis > rank)
    return n.fail("expected an axis in [" + Twine(-rank) + ", " + Twine(rank) + "], got " + Twine(axis));
  if (axis < 0)
    axis += rank;
  Dims dims = n.dims(x);
  ArrayRef<SymbolicExpr> all = dims;
  n.out(0, n.reshape(x, {n.count(all.take_front(axis)), n.count(all.drop_front(axis))}));
}

static std::optional<Ints> axesOf(Node &n) {
  if (n.has(1))
    return n.needInts(n.in(1), "axes operand");
  if (n.hasAttr("axes"))
    return n.ints("axes");
  return std::nullopt;
}

void handlers::squeeze(Node &n) {
  Value x = n.in(0);
  if (axesFromData(n, n.in(1)))
    return n.out(0, squeezeByData(n, x, n.in(1)));
  std::optional<Ints> axes = axesOf(n);
  if (!axes) {
    axes.emplace();
    for (int64_t i = 0; i < n.rank(x); ++i)
      if (auto extent = n.staticDim(x, i); extent == 1)
        axes->push_back(i);
      else if (!extent && n.dim(x, i).lowerBound(n.lz.symbolBounds()).value_or(0) <= 1)
        return n.fail("without axes, whether dimension " + Twine(i) + " (" + n.dim(x, i).str() +
                      ") vanishes is not known; bind it");
  }
  n.out(0, n.squeeze(x, *axes));
}

void handlers::unsqueeze(Node &n) {
  if (axesFromData(n, n.in(1)))
    return n.out(0, unsqueezeByData(n, n.in(0), n.in(1)));
  std::optional<Ints> axes = axesOf(n);
  if (!axes)
    return n.fail("expected axes");
  n.out(0, n.unsqueeze(n.in(0), *axes));
}

void handlers::transpose(Node &n) {
  Value x = n.in(0);
  Ints permutation = n.ints("perm");
  if (!n.hasAttr("perm"))
    for (int64_t i = n.rank(x); i-- > 0;)
      permutation.push_back(i);
  permutation = n.axes(permutation, n.rank(x));
  Ints sorted = permutation;
  llvm::sort(sorted);
  for (auto [i, p] : llvm::enumerate(sorted))
    if (p != int64_t(i))
      return n.fail("expected perm to be a permutation");
  if (int64_t(sorted.size()) != n.rank(x))
    return n.fail("expected perm to have " + Twine(n.rank(x)) + " entries");
  n.out(0, n.transpose(x, permutation));
}

void handlers::expand(Node &n) {
  Value x = n.in(0);
  Dims wanted = n.elements(n.in(1), "expand");
  if (n.failed())
    return;
  Dims from = n.dims(x);
  size_t rank = std::max(from.size(), wanted.size());
  from.insert(from.begin(), rank - from.size(), SymbolicExpr(1));
  wanted.insert(wanted.begin(), rank - wanted.size(), SymbolicExpr(1));
  Dims dims;
  for (auto [have, want] : llvm::zip(from, wanted)) {
    if (have == SymbolicExpr(1) || have == want)
      dims.push_back(want);
    else if (want == SymbolicExpr(1))
      dims.push_back(have);
    else if (have.isConstant() && !want.isConstant() && !n.contents(n.in(1)))
      dims.push_back(have); // 1 or the same, only the data tells
    else if (n.guardEqual(have, want, "dimensions of an expanded operand"))
      dims.push_back(have.isConstant() ? have : want);
    else
      return;
  }
  n.out(0, n.broadcast(x, dims));
}

void handlers::tile(Node &n) {
  Value x = n.in(0);
  Dims counts = n.elements(n.in(1), "repeats");
  Dims dims = n.dims(x);
  if (n.failed() || counts.size() != dims.size())
    return n.fail("expected one repeat for each of " + Twine(dims.size()) + " dimensions");
  for (auto [dim, count] : llvm::zip(dims, counts))
    dim *= count;
  n.out(0, n.make<bess::RepeatOp>({x}, n.attrs(), n.tensor(dims, n.elt(x))));
}

// ---- concat and split -----------------------------------------------------------------

void handlers::concat(Node &n) {
  SmallVector<Value> xs = n.allInputs();
  if (xs.empty())
    return n.fail("expected at least one operand");
  n.out(0, n.concat(xs, n.axis(n.i("axis", n.version < 4 ? 1 : 0), n.rank(xs[0]))));
}

SmallVector<Value> handlers::splitInto(Node &n, Value x, int64_t axis, ArrayRef<SymbolicExpr> sizes) {
  SmallVector<Value> parts;
  SymbolicExpr offset = 0;
  for (const SymbolicExpr &size : sizes) {
    parts.push_back(n.sliceAxis(x, axis, offset, size));
    offset += size;
  }
  return parts;
}

void handlers::split(Node &n) {
  Value x = n.in(0);
  if (!n.rankAtLeast(x, 1, "an operand"))
    return;
  int64_t axis = n.axis(n.i("axis", 0), n.rank(x));
  Dims sizes;
  if (n.has(1)) {
    sizes = n.elements(n.in(1), "split");
  } else if (n.hasAttr("split")) {
    for (int64_t size : n.ints("split"))
      sizes.push_back(size);
  } else {
    int64_t parts = n.hasAttr("num_outputs") ? n.i("num_outputs") : int64_t(n.op->getNumResults());
    SymbolicExpr extent = n.failed() ? SymbolicExpr(1) : n.dim(x, axis);
    if (parts < 1 || parts > int64_t(n.op->getNumResults()))
      return n.fail("expected one part for each of " + Twine(n.op->getNumResults()) + " results, got " + Twine(parts));
    SymbolicExpr each = SymbolicExpr::ceilDiv(extent, parts);
    if (auto exact = SymbolicExpr::exactDivide(extent, parts))
      each = *exact;
    for (int64_t i = 0; i + 1 < parts; ++i)
      sizes.push_back(each);
    SymbolicExpr last = extent - each * (parts - 1);
    if (auto value = last.isConstant(); value && *value < 0)
      return n.fail("expected " + extent.str() + " elements to split into " + Twine(parts) + " parts");
    sizes.push_back(last);
  }
  if (n.failed())
    return;
  SymbolicExpr total = 0;
  for (const SymbolicExpr &size : sizes)
    total += size;
  if (sizes.size() < n.op->getNumResults())
    return n.fail("expected " + Twine(n.op->getNumResults()) + " parts, got " + Twine(sizes.size()));
  n.guardEqual(n.dim(x, axis), total, "sum of the parts of a split");
  for (auto [i, part] : llvm::enumerate(splitInto(n, x, axis, sizes)))
    n.out(i, part);
}

// ---- padding -------------------------------------------------------------------------------

void handlers::pad(Node &n) {
  Value x = n.in(0);
  int64_t rank = n.rank(x);
  std::string mode = n.s("mode", "constant");
  if (!llvm::is_contained({"constant", "reflect", "edge", "wrap"}, mode))
    return n.fail("expected mode constant, reflect, edge or wrap, got \"" + mode + "\"");
  Dims amounts;
  Ints axes;
  for (int64_t i = 0; i < rank; ++i)
    axes.push_back(i);
  Value given = n.in(1);
  if (n.has(3) && axesFromData(n, n.in(3)) && n.rank(given) == 1) {
    // As amounts for all axes.
    int64_t half = *n.staticDim(n.in(3), 0);
    Ints none(rank, 0);
    auto spread = [&](int64_t from) {
      return scatterByAxes(n, n.intVector(none), n.in(3), n.sliceAxis(n.cast(given, n.b.getI64Type()), 0, from, half),
                           rank);
    };
    given = n.concat({spread(0), spread(half)}, 0);
  } else if (n.has(3)) {
    axes = n.axes(n.needInts(n.in(3), "axes operand"), rank);
  }
  if (n.version < 11) {
    for (int64_t amount : n.ints("pads"))
      amounts.push_back(amount);
  } else if (std::optional<Dims> known = n.contents(given)) {
    amounts = *known;
  } else if (given) {
    // Amounts that only the data tells may be negative, symbols may not:
    // bind amount + extent.
    Dims extents;
    for (int side = 0; side < 2; ++side)
      for (int64_t axis : axes)
        extents.push_back(n.dim(x, axis));
    Value shift = n.fromDims(extents, int64_t(extents.size()), n.b.getI64Type());
    amounts = n.elements(n.add(n.cast(given, n.b.getI64Type()), shift), "pad");
    for (auto [amount, extent] : llvm::zip(amounts, extents))
      amount -= extent;
  }
  if (n.failed())
    return;
  if (amounts.size() != 2 * axes.size())
    return n.fail("expected " + Twine(2 * axes.size()) + " pads, got " + Twine(amounts.size()));
  Dims low(rank, SymbolicExpr(0)), high = low;
  for (auto [i, axis] : llvm::enumerate(axes)) {
    low[axis] = amounts[i];
    high[axis] = amounts[axes.size() + i];
  }
  Value value;
  if (mode == "constant") {
    if (n.version < 11 && n.hasAttr("value"))
      value = n.like(x, n.f("value"));
    else if (n.version >= 11 && n.has(2))
      value = n.reshape(n.in(2), {});
  }
  n.out(0, n.pad(x, value, low, high, mode));
}

void handlers::centerCropPad(Node &n) {
  Value x = n.in(0);
  int64_t rank = n.rank(x);
  Ints axes = n.ints("axes");
  if (!n.hasAttr("axes"))
    for (int64_t i = 0; i < rank; ++i)
      axes.push_back(i);
  axes = n.axes(axes, rank);
  Dims wanted = n.elements(n.in(1), "crop");
  if (n.failed() || wanted.size() != axes.size())
    return n.fail("expected one extent for each axis");
  Dims offsets(rank, SymbolicExpr(0)), sizes = n.dims(x), low(rank, SymbolicExpr(0)), high = low;
  for (auto [axis, want] : llvm::zip(axes, wanted)) {
    SymbolicExpr have = n.dim(x, axis);
    SymbolicExpr cut = SymbolicExpr::max(have - want, 0), grow = SymbolicExpr::max(want - have, 0);
    offsets[axis] = SymbolicExpr::floorDiv(cut, 2);
    sizes[axis] = have - cut;
    low[axis] = SymbolicExpr::floorDiv(grow, 2);
    high[axis] = grow - low[axis];
  }
  n.out(0, n.pad(n.slice(x, offsets, sizes), Value(), low, high));
}

// ---- rearrangements ---------------------------------------------------------------------------

void handlers::depthToSpace(Node &n) {
  Value x = n.in(0);
  if (!n.rankIs(x, 4, "an operand"))
    return;
  int64_t block = n.i("blocksize", 0);
  auto depth = block > 0 ? SymbolicExpr::exactDivide(n.dim(x, 1), block * block) : std::nullopt;
  if (!depth)
    return n.fail("expected channels that are a multiple of blocksize squared, got " + n.dim(x, 1).str());
  SymbolicExpr batch = n.dim(x, 0), h = n.dim(x, 2), w = n.dim(x, 3);
  Value y;
  if (n.s("mode", "DCR") == "DCR")
    y = n.transpose(n.reshape(x, {batch, block, block, *depth, h, w}), {0, 3, 4, 1, 5, 2});
  else
    y = n.transpose(n.reshape(x, {batch, *depth, block, block, h, w}), {0, 1, 4, 2, 5, 3});
  n.out(0, n.reshape(y, {batch, *depth, h * block, w * block}));
}

void handlers::spaceToDepth(Node &n) {
  Value x = n.in(0);
  if (!n.rankIs(x, 4, "an operand"))
    return;
  int64_t block = n.i("blocksize", 0);
  auto h = block > 0 ? SymbolicExpr::exactDivide(n.dim(x, 2), block) : std::nullopt;
  auto w = block > 0 ? SymbolicExpr::exactDivide(n.dim(x, 3), block) : std::nullopt;
  if (!h || !w)
    return n.fail("expected spatial dimensions that are multiples of blocksize");
  SymbolicExpr batch = n.dim(x, 0), c = n.dim(x, 1);
  Value split = n.reshape(x, {batch, c, *h, block, *w, block});
  // DCR (the only mode before opset 28): depth is (block row, block column, channel).
  Value y =
      n.s("mode", "DCR") == "CRD" ? n.transpose(split, {0, 1, 3, 5, 2, 4}) : n.transpose(split, {0, 3, 5, 1, 2, 4});
  n.out(0, n.reshape(y, {batch, c * block * block, *h, *w}));
}

// ---- sequences of numbers ----------------------------------------------------------------------

void handlers::range(Node &n) {
  Value start = n.in(0), limit = n.in(1), delta = n.in(2);
  if (!start || !limit || !delta)
    return n.fail("expected three operands");
  start = n.reshape(start, {});
  limit = n.reshape(limit, {});
  delta = n.reshape(delta, {});
  Type element = n.elt(start);
  SymbolicExpr count;
  auto s = n.contents(start), l = n.contents(limit), d = n.contents(delta);
  auto step = d ? (*d)[0].isConstant() : std::nullopt;
  auto fs = n.constFloats(start), fl = n.constFloats(limit), fd = n.constFloats(delta);
  if (fs && fl && fd && (*fd)[0] != 0) {
    double turns = std::ceil(((*fl)[0] - (*fs)[0]) / (*fd)[0]);
    if (!(turns < 1e15))
      return n.fail("expected a finite range");
    count = int64_t(std::max(0.0, turns));
  } else if (s && l && step && *step != 0) {
    SymbolicExpr span = *step > 0 ? (*l)[0] - (*s)[0] : (*s)[0] - (*l)[0];
    count = SymbolicExpr::ceilDiv(span, std::abs(*step));
    if (count.lowerBound(n.lz.symbolBounds()).value_or(-1) < 0)
      count = SymbolicExpr::max(count, 0);
  } else {
    Type wide = isa<FloatType>(element) ? Type(n.b.getF64Type()) : Type(n.b.getI64Type());
    Value span = n.sub(n.cast(limit, wide), n.cast(start, wide)), by = n.cast(delta, wide);
    Value number;
    if (isa<FloatType>(element)) {
      number = n.make<bess::CeilOp>({n.div(span, by)});
    } else {
      // ceil(span / by) of integers: the quotient towards zero, and one more
      // where a remainder of the same sign is left.
      Value quotient = n.div(span, by), rest = n.sub(span, n.mul(quotient, by));
      Value zero = n.scalar(0, wide);
      Value more = n.greater(n.mul(rest, by), zero);
      number = n.add(quotient, n.cast(more, wide));
    }
    number = n.max(n.cast(number, n.b.getI64Type()), n.scalar(0, n.b.getI64Type()));
    Dims bound = n.elements(number, "range");
    if (n.failed())
      return;
    count = bound[0];
  }
  n.out(0, n.make<bess::RangeOp>({start, delta}, n.attrs(), n.tensor(count, element)));
}

void handlers::eyeLike(Node &n) {
  Value x = n.in(0);
  if (!n.rankIs(x, 2, "an operand"))
    return;
  Type element = n.hasAttr("dtype") ? n.onnxType(n.i("dtype")) : n.elt(x);
  Type i64 = n.b.getI64Type();
  Value rows = n.iota({n.dim(x, 0), SymbolicExpr(1)}, 0, i64), columns = n.iota({SymbolicExpr(1), n.dim(x, 1)}, 1, i64);
  n.out(0, n.cast(n.equal(n.add(rows, n.scalar(double(n.i("k", 0)), i64)), columns), element));
}

void handlers::trilu(Node &n) {
  Value x = n.in(0);
  if (!n.rankAtLeast(x, 2, "an operand"))
    return;
  SymbolicExpr k = 0;
  if (n.has(1)) {
    if (std::optional<Dims> known = n.contents(n.in(1)); known && known->size() == 1)
      k = (*known)[0];
    else {
      // k may be negative, a symbol may not: bind k + rows, clamped.
      Type i64 = n.b.getI64Type();
      Value rows = n.fromDims(n.dim(x, -2), ArrayRef<int64_t>(), i64);
      Value shifted = n.max(n.add(n.reshape(n.cast(n.in(1), i64), {}), rows), n.scalar(0, i64));
      Dims bound = n.elements(shifted, "diagonal");
      if (n.failed())
        return;
      k = bound[0] - n.dim(x, -2);
    }
  }
  n.out(0, n.make<bess::TriluOp>({x}, n.attrs().s("k", k.str()).flag("upper", n.i("upper", 1) != 0)));
}
