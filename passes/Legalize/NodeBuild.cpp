// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How handlers make bess ops: inference that fails gives a diagnostic of the
// node, never the fatal error that generated builders give.
#include "passes/Legalize/Node.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

bool Node::guardBroadcast(ArrayRef<Value> values) {
  SmallVector<SmallVector<SymbolicExpr>> shapes;
  for (Value value : values)
    if (value)
      shapes.push_back(dims(value));
  SmallVector<std::pair<SymbolicExpr, SymbolicExpr>> mismatches;
  auto show = [&] {
    std::string text;
    llvm::raw_string_ostream stream(text);
    llvm::interleave(values, stream, [&](Value v) { stream << v.getType(); }, " and ");
    return text;
  };
  if (mlir::failed(bess::broadcastDims(shapes, &mismatches))) {
    fail("expected shapes that broadcast, got " + show());
    return false;
  }
  for (auto &[x, y] : mismatches)
    if (!guardEqual(x, y, "dimensions of broadcast operands"))
      return false;
  return true;
}

bool Node::checkSize(ArrayRef<SymbolicExpr> dims) {
  int64_t count = 1;
  for (const SymbolicExpr &dim : dims) {
    auto extent = dim.isConstant();
    if (!dim.isValid() || (extent && *extent < 0)) {
      fail("expected dimensions of at least 0, got " + dim.str());
      return false;
    }
    if (extent && *extent > 0 && (llvm::MulOverflow(count, *extent, count) || count > (int64_t(1) << 62))) {
      fail("expected at most 2^62 elements");
      return false;
    }
  }
  return true;
}

RankedTensorType Node::tensor(ArrayRef<SymbolicExpr> dims, Type element) {
  if (!checkSize(dims))
    return RankedTensorType::get(SmallVector<int64_t>(dims.size(), 1), element);
  return bess::getTensorType(dims, element);
}

/// Operands that the op must have are there. (Those of ops with segments are
/// the handlers' to check.)
bool Node::checkOperands(OperationName name, ArrayRef<Value> values) {
  if (name.hasTrait<OpTrait::AttrSizedOperandSegments>())
    return true;
  size_t least = 0;
  if (name.hasTrait<OpTrait::OneOperand>())
    least = 1;
  else if (name.hasTrait<OpTrait::NOperands<2>::Impl>() || name.hasTrait<OpTrait::AtLeastNOperands<2>::Impl>())
    least = 2;
  else if (name.hasTrait<OpTrait::NOperands<3>::Impl>() || name.hasTrait<OpTrait::AtLeastNOperands<3>::Impl>())
    least = 3;
  else if (name.hasTrait<OpTrait::AtLeastNOperands<1>::Impl>())
    least = 1;
  bool present = values.size() >= least && !llvm::is_contained(values.take_front(least), Value());
  if (!present)
    fail("expected an operand that is absent");
  return present;
}

Operation *Node::makeOp(StringRef name, ArrayRef<Value> values, const Attrs &attributes, ArrayRef<Type> types) {
  if (failed())
    return nullptr;
  MLIRContext *context = b.getContext();
  OperationName opName(name, context);
  if (!opName.isRegistered()) {
    fail("there is no op " + name);
    return nullptr;
  }
  if (!checkOperands(opName, values))
    return nullptr;
  NamedAttrList list = attributes.get();
  SmallVector<Value> present;
  SmallVector<int32_t> segments;
  for (Value value : values) {
    segments.push_back(value ? 1 : 0);
    if (value)
      present.push_back(value);
  }
  if (opName.hasTrait<OpTrait::AttrSizedOperandSegments>())
    list.set("operandSegmentSizes", b.getDenseI32ArrayAttr(segments));
  if (opName.hasTrait<bess::Elementwise>() && present.size() > 1 && name != "bess.quantize" &&
      name != "bess.dequantize" && !guardBroadcast(present))
    return nullptr;
  opName.populateDefaultAttrs(list);
  DictionaryAttr dictionary = list.getDictionary(context);

  SmallVector<Type> inferred(types);
  if (types.empty()) {
    auto *inference = opName.getInterface<InferTypeOpInterface>();
    if (!inference) {
      fail("no result type for " + name);
      return nullptr;
    }
    auto storage = std::make_unique<int64_t[]>(size_t(opName.getOpPropertyByteSize()) / 8 + 2);
    OpaqueProperties properties(opName.getOpPropertyByteSize() ? storage.get() : nullptr);
    std::string message;
    ScopedDiagnosticHandler capture(context, [&](Diagnostic &diagnostic) {
      if (message.empty())
        message = diagnostic.str();
      return success();
    });
    auto emit = [&] { return emitError(loc); };
    LogicalResult result = success();
    if (properties) {
      opName.initOpProperties(properties, OpaqueProperties(nullptr));
      result = opName.setOpPropertiesFromAttribute(opName, properties, dictionary, emit);
    }
    if (succeeded(result))
      result = inference->inferReturnTypes(context, loc, ValueRange(present), dictionary, properties, {}, inferred);
    if (properties)
      opName.destroyOpProperties(properties);
    if (mlir::failed(result)) {
      std::string operandTypes;
      llvm::raw_string_ostream stream(operandTypes);
      llvm::interleaveComma(present, stream, [&](Value v) { stream << v.getType(); });
      fail(message.empty() ? ("no result type of " + name + " for " + operandTypes).str() : message);
      return nullptr;
    }
  }
  for (Type type : inferred)
    if (!checkSize(bess::getDims(type)))
      return nullptr;
  OperationState state(loc, opName);
  state.addOperands(present);
  state.addTypes(inferred);
  state.addAttributes(list.getAttrs());
  Operation *made = b.create(state);
  if (made->getNumResults() == 1 && !isa<bess::ConstantOp>(made)) {
    if (DenseElementsAttr folded = foldConstant(made, lz)) {
      made->erase();
      return bess::ConstantOp::create(b, loc, folded.getType(), folded);
    }
  }
  return made;
}

SmallVector<Value> Node::makeAll(StringRef name, ArrayRef<Value> values, const Attrs &attributes,
                                 ArrayRef<Type> types) {
  Operation *made = makeOp(name, values, attributes, types);
  if (!made)
    return SmallVector<Value>(8);
  return SmallVector<Value>(made->getResults());
}

Value Node::cast(Value x, Type to) {
  if (!x || elt(x) == to)
    return x;
  return make<bess::CastOp>({x}, attrs().type("to", to));
}

Value Node::matmul(Value x, Value y, bool transposeA, bool transposeB, Type to) {
  if (failed() || !rankAtLeast(x, 2, "a matrix") || !rankAtLeast(y, 2, "a matrix"))
    return {};
  guardEqual(dim(x, transposeA ? -2 : -1), dim(y, transposeB ? -1 : -2), "inner dimensions of a matrix product");
  Dims bx = dims(x), by = dims(y);
  bx.pop_back_n(2);
  by.pop_back_n(2);
  SmallVector<std::pair<SymbolicExpr, SymbolicExpr>> mismatches;
  if (mlir::failed(bess::broadcastDims({bx, by}, &mismatches)))
    fail("batch dimensions of a matrix product do not broadcast");
  for (auto &[p, q] : mismatches)
    guardEqual(p, q, "batch dimensions of a matrix product");
  Attrs a = attrs().unit("transpose_a", transposeA).unit("transpose_b", transposeB);
  if (to)
    a.type("to", to);
  return make<bess::MatmulOp>({x, y}, a);
}

Value Node::reduce(Value x, StringRef kind, ArrayRef<int64_t> axes, bool keepdims) {
  return make<bess::ReduceOp>({x}, attrs().s("kind", kind).ints("axes", axes).flag("keepdims", keepdims));
}

Value Node::softmax(Value x, int64_t axis, bool log) {
  return make<bess::SoftmaxOp>({x}, attrs().i("axis", axis).flag("log", log));
}

Value Node::reshape(Value x, ArrayRef<SymbolicExpr> to) {
  if (failed() || !x)
    return {};
  Dims from = dims(x);
  if (ArrayRef<SymbolicExpr>(from) == to)
    return x;
  if (!guardEqual(count(from), count(to), "element count of a reshape"))
    return {};
  Value result = make<bess::ReshapeOp>({x}, attrs(), tensor(to, elt(x)));
  if (result)
    if (std::optional<Dims> known = lz.contents(x))
      lz.setContents(result, *known);
  return result;
}

Value Node::broadcast(Value x, ArrayRef<SymbolicExpr> to) {
  if (failed() || !x)
    return {};
  if (ArrayRef<SymbolicExpr>(dims(x)) == to)
    return x;
  return make<bess::BroadcastOp>({x}, attrs(), tensor(to, elt(x)));
}

Value Node::transpose(Value x, ArrayRef<int64_t> permutation) {
  bool identity = true;
  for (auto [i, p] : llvm::enumerate(permutation))
    identity &= int64_t(i) == p;
  if (identity || !x)
    return x;
  return make<bess::TransposeOp>({x}, attrs().ints("permutation", permutation));
}

Value Node::concat(ArrayRef<Value> xs, int64_t axis) {
  if (xs.size() == 1)
    return xs[0];
  if (failed() || xs.empty() || llvm::is_contained(xs, Value()))
    return {};
  for (Value x : xs.drop_front()) {
    if (rank(x) != rank(xs[0]) || elt(x) != elt(xs[0])) {
      fail("expected operands of one rank and element type to concatenate");
      return {};
    }
    for (int64_t d = 0; d < rank(x); ++d)
      if (d != axis)
        guardEqual(dim(xs[0], d), dim(x, d), "dimensions of concatenated operands");
  }
  return make<bess::ConcatOp>(xs, attrs().i("axis", axis));
}

Value Node::slice(Value x, ArrayRef<SymbolicExpr> from, ArrayRef<SymbolicExpr> extents, ArrayRef<int64_t> steps) {
  if (failed() || !x)
    return {};
  Dims offsets(from), sizes(extents);
  for (auto [i, dim] : llvm::enumerate(dims(x)))
    if (dim == SymbolicExpr(0) || sizes[i] == SymbolicExpr(0))
      offsets[i] = sizes[i] = 0;
  Ints ones(offsets.size(), 1);
  if (steps.empty())
    steps = ones;
  bool whole = dims(x) == sizes && llvm::all_of(steps, [](int64_t s) { return s == 1; });
  if (whole)
    return x;
  return make<bess::SliceOp>({x}, attrs().dims("offsets", offsets).ints("steps", steps), tensor(sizes, elt(x)));
}

Value Node::sliceAxis(Value x, int64_t axis, const SymbolicExpr &offset, const SymbolicExpr &size) {
  if (failed() || !x)
    return {};
  Dims sizes = dims(x), offsets(sizes.size(), SymbolicExpr(0));
  offsets[axis] = offset;
  sizes[axis] = size;
  return slice(x, offsets, sizes);
}

Value Node::gather(Value x, Value indices, int64_t axis) {
  return make<bess::GatherOp>({x, indices}, attrs().i("axis", axis));
}

Value Node::pad(Value x, Value value, ArrayRef<SymbolicExpr> low, ArrayRef<SymbolicExpr> high, StringRef mode) {
  if (failed() || !x)
    return {};
  Dims to = dims(x);
  bool nothing = true;
  for (auto [i, d] : llvm::enumerate(to)) {
    nothing &= low[i] == SymbolicExpr(0) && high[i] == SymbolicExpr(0);
    d += low[i] + high[i];
  }
  if (nothing)
    return x;
  return make<bess::PadOp>({x, value}, attrs().dims("low", low).s("mode", mode), tensor(to, elt(x)));
}

Value Node::unsqueeze(Value x, ArrayRef<int64_t> list) {
  if (failed() || !x)
    return {};
  int64_t to = rank(x) + int64_t(list.size());
  Ints positions = axes(list, to);
  llvm::sort(positions);
  if (std::adjacent_find(positions.begin(), positions.end()) != positions.end())
    fail("expected different axes to unsqueeze");
  if (failed())
    return {};
  Dims shape = dims(x);
  for (int64_t position : positions)
    shape.insert(shape.begin() + position, SymbolicExpr(1));
  return reshape(x, shape);
}

Value Node::squeeze(Value x, ArrayRef<int64_t> list) {
  if (failed() || !x)
    return {};
  Ints positions = axes(list, rank(x));
  Dims shape;
  for (auto [i, d] : llvm::enumerate(dims(x))) {
    if (!llvm::is_contained(positions, int64_t(i)))
      shape.push_back(d);
    else
      guardEqual(d, SymbolicExpr(1), "a squeezed dimension");
  }
  return reshape(x, shape);
}

Value Node::iota(ArrayRef<SymbolicExpr> dims, int64_t axis, Type element) {
  return make<bess::IotaOp>({}, attrs().i("axis", axis), tensor(dims, element));
}

// ---- constants ---------------------------------------------------------------

Value Node::constant(DenseElementsAttr value) {
  if (failed() || !value)
    return {};
  return bess::ConstantOp::create(b, loc, value.getType(), value);
}

static DenseElementsAttr splatOf(RankedTensorType type, double value) {
  Type element = type.getElementType();
  if (auto floating = dyn_cast<FloatType>(element)) {
    APFloat number(value);
    bool loses;
    number.convert(floating.getFloatSemantics(), APFloat::rmNearestTiesToEven, &loses);
    return DenseElementsAttr::get(type, number);
  }
  if (auto integer = dyn_cast<IntegerType>(element)) {
    bool isUnsigned = integer.isUnsigned() || integer.getWidth() == 1;
    APInt number(64, isUnsigned ? uint64_t(value) : uint64_t(int64_t(value)), !isUnsigned);
    return DenseElementsAttr::get(type, number.sextOrTrunc(integer.getWidth()));
  }
  return {};
}

Value Node::scalar(double value, Type element) {
  if (failed())
    return {};
  DenseElementsAttr splat = splatOf(RankedTensorType::get({}, element), value);
  if (!splat)
    fail("expected a number type");
  return constant(splat);
}

Value Node::splat(ArrayRef<SymbolicExpr> dims, double value, Type element) {
  return broadcast(scalar(value, element), dims);
}

Value Node::intVector(ArrayRef<int64_t> values) {
  return constant(DenseElementsAttr::get(RankedTensorType::get({int64_t(values.size())}, b.getI64Type()), values));
}

Value Node::floatVector(ArrayRef<double> values, Type element) {
  auto floating = dyn_cast<FloatType>(element);
  if (!floating) {
    fail("expected a float type");
    return {};
  }
  SmallVector<APFloat> numbers;
  for (double value : values) {
    APFloat number(value);
    bool loses;
    number.convert(floating.getFloatSemantics(), APFloat::rmNearestTiesToEven, &loses);
    numbers.push_back(number);
  }
  return constant(DenseElementsAttr::get(RankedTensorType::get({int64_t(values.size())}, element), numbers));
}

Value Node::fromDims(ArrayRef<SymbolicExpr> values, ArrayRef<int64_t> shape, Type element) {
  if (failed())
    return {};
  auto type = RankedTensorType::get(shape, element);
  bool allConstant = llvm::all_of(values, [](const SymbolicExpr &v) { return v.isConstant().has_value(); });
  Value result;
  if (allConstant) {
    SmallVector<APInt> numbers;
    unsigned width = element.getIntOrFloatBitWidth();
    for (const SymbolicExpr &value : values)
      numbers.push_back(APInt(64, uint64_t(*value.isConstant()), true).sextOrTrunc(width));
    result = constant(DenseElementsAttr::get(type, numbers));
  } else if (element.isInteger(64) || element.isInteger(32)) {
    result = make<bess::FromDimsOp>({}, attrs().dims("dims", values), type);
  } else {
    auto wide = RankedTensorType::get(shape, b.getI64Type());
    result = cast(make<bess::FromDimsOp>({}, attrs().dims("dims", values), wide), element);
  }
  if (result)
    lz.setContents(result, Dims(values));
  return result;
}
