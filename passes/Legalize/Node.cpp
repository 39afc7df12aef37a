// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operands, attributes and what is known of values. NodeBuild.cpp makes ops.
#include "passes/Legalize/Node.h"

#include "bessemer/Support/DType.h"

#include "llvm/ADT/APFloat.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

Attrs &Attrs::strings(StringRef name, ArrayRef<std::string> value) {
  SmallVector<StringRef> refs(value.begin(), value.end());
  return set(name, b.getStrArrayAttr(refs));
}

// ---- operands ---------------------------------------------------------------

Value Node::in(size_t i) {
  if (!has(i))
    return {};
  if (operands[i].kind != Entry::Kind::Tensor) {
    fail("expected operand " + Twine(i) + " to be a tensor, got a sequence");
    return {};
  }
  return operands[i].tensor;
}

SmallVector<Value> Node::allInputs() {
  SmallVector<Value> values;
  for (size_t i = 0; i < operands.size(); ++i)
    if (Value value = in(i))
      values.push_back(value);
  return values;
}

bool Node::wants(size_t i) {
  if (i >= op->getNumResults())
    return false;
  return !op->getResult(i).use_empty();
}

// ---- attributes ----------------------------------------------------------------

Attribute Node::attr(StringRef name) {
  if (Attribute value = op.getOnnxAttributes().get(name))
    return value;
  if (DictionaryAttr references = op.getRefAttrsAttr())
    if (auto outer = dyn_cast_or_null<StringAttr>(references.get(name)))
      for (const Scope *s = &scope; s; s = s->parent)
        if (s->callAttributes)
          return s->callAttributes.get(outer.getValue());
  return {};
}

static std::optional<int64_t> toInt(Attribute value) {
  if (auto integer = dyn_cast_or_null<IntegerAttr>(value))
    return integer.getType().isUnsignedInteger() ? integer.getUInt() : integer.getValue().getSExtValue();
  return std::nullopt;
}

static std::optional<double> toFloat(Attribute value) {
  if (auto number = dyn_cast_or_null<FloatAttr>(value))
    return number.getValueAsDouble();
  if (std::optional<int64_t> integer = toInt(value))
    return double(*integer);
  return std::nullopt;
}

int64_t Node::i(StringRef name, int64_t fallback) { return toInt(attr(name)).value_or(fallback); }

double Node::f(StringRef name, double fallback) { return toFloat(attr(name)).value_or(fallback); }

std::string Node::s(StringRef name, StringRef fallback) {
  if (auto value = dyn_cast_or_null<StringAttr>(attr(name)))
    return value.str();
  return fallback.str();
}

Ints Node::ints(StringRef name, ArrayRef<int64_t> fallback) {
  Attribute value = attr(name);
  if (auto array = dyn_cast_or_null<DenseI64ArrayAttr>(value))
    return Ints(array.asArrayRef());
  Ints result;
  if (auto array = dyn_cast_or_null<ArrayAttr>(value)) {
    for (Attribute element : array)
      if (std::optional<int64_t> integer = toInt(element))
        result.push_back(*integer);
    return result;
  }
  if (std::optional<int64_t> integer = toInt(value))
    return {*integer};
  return Ints(fallback);
}

SmallVector<double> Node::floats(StringRef name, ArrayRef<double> fallback) {
  Attribute value = attr(name);
  SmallVector<double> result;
  if (auto array = dyn_cast_or_null<DenseF32ArrayAttr>(value))
    return SmallVector<double>(array.asArrayRef().begin(), array.asArrayRef().end());
  if (auto array = dyn_cast_or_null<DenseF64ArrayAttr>(value))
    return SmallVector<double>(array.asArrayRef());
  if (auto array = dyn_cast_or_null<ArrayAttr>(value)) {
    for (Attribute element : array)
      if (std::optional<double> number = toFloat(element))
        result.push_back(*number);
    return result;
  }
  return SmallVector<double>(fallback);
}

SmallVector<std::string> Node::strings(StringRef name) {
  SmallVector<std::string> result;
  if (auto array = dyn_cast_or_null<ArrayAttr>(attr(name)))
    for (Attribute element : array)
      if (auto text = dyn_cast<StringAttr>(element))
        result.push_back(text.str());
  return result;
}

Type Node::onnxType(int64_t number) {
  MLIRContext *context = b.getContext();
  auto unsignedOf = [&](unsigned width) { return IntegerType::get(context, width, IntegerType::Unsigned); };
  switch (dtypeFromOnnx(number)) {
  case DType::F32: return b.getF32Type();
  case DType::F64: return b.getF64Type();
  case DType::F16: return b.getF16Type();
  case DType::BF16: return b.getBF16Type();
  case DType::U8: return unsignedOf(8);
  case DType::U16: return unsignedOf(16);
  case DType::U32: return unsignedOf(32);
  case DType::U64: return unsignedOf(64);
  case DType::U4: return unsignedOf(4);
  case DType::U2: return unsignedOf(2);
  case DType::I2: return b.getIntegerType(2);
  case DType::I4: return b.getIntegerType(4);
  case DType::I8: return b.getIntegerType(8);
  case DType::I16: return b.getIntegerType(16);
  case DType::I32: return b.getIntegerType(32);
  case DType::I64: return b.getIntegerType(64);
  case DType::Bool: return b.getI1Type();
  case DType::F8E4M3FN: return Float8E4M3FNType::get(context);
  case DType::F8E4M3FNUZ: return Float8E4M3FNUZType::get(context);
  case DType::F8E5M2: return Float8E5M2Type::get(context);
  case DType::F8E5M2FNUZ: return Float8E5M2FNUZType::get(context);
  case DType::F4E2M1: return Float4E2M1FNType::get(context);
  case DType::F8E8M0: return Float8E8M0FNUType::get(context);
  case DType::Complex64: return ComplexType::get(b.getF32Type());
  case DType::Complex128: return ComplexType::get(b.getF64Type());
  case DType::String: fail("strings are not supported"); return b.getF32Type();
  case DType::Undefined: break;
  }
  fail("expected a number of TensorProto.DataType, got " + Twine(number));
  return b.getF32Type();
}

// ---- what is known -------------------------------------------------------------

SymbolicExpr Node::dim(Value v, int64_t i) {
  if (!v)
    return SymbolicExpr(1);
  auto type = cast<RankedTensorType>(v.getType());
  if (i < 0)
    i += type.getRank();
  if (i < 0 || i >= type.getRank()) {
    fail("expected a tensor of rank above " + Twine(i) + ", got rank " + Twine(type.getRank()));
    return SymbolicExpr(1);
  }
  if (!type.isDynamicDim(i))
    return type.getDimSize(i);
  return bess::getDims(type)[i];
}

SymbolicExpr Node::count(ArrayRef<SymbolicExpr> dims) {
  SymbolicExpr product = 1;
  for (const SymbolicExpr &dim : dims)
    product *= dim;
  return product;
}

std::optional<Ints> Node::staticDims(Value v, StringRef why) {
  Ints result;
  for (const SymbolicExpr &dim : dims(v)) {
    std::optional<int64_t> extent = dim.isConstant();
    if (!extent) {
      fail(why + " needs constant dimensions, got " + dim.str());
      return std::nullopt;
    }
    result.push_back(*extent);
  }
  return result;
}

int64_t Node::axis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank) {
    fail("expected an axis in [" + Twine(-rank) + ", " + Twine(rank) + "), got " + Twine(axis));
    return 0;
  }
  return axis < 0 ? axis + rank : axis;
}

Ints Node::axes(ArrayRef<int64_t> list, int64_t rank) {
  Ints result;
  for (int64_t one : list)
    result.push_back(axis(one, rank));
  return result;
}

Dims Node::elements(Value v, StringRef hint) {
  if (!v || failed())
    return {};
  if (std::optional<Dims> known = contents(v))
    return *known;
  auto type = cast<RankedTensorType>(v.getType());
  if (!type.hasStaticShape() || type.getNumElements() > 64 || type.getRank() > 1 ||
      !isa<IntegerType>(type.getElementType())) {
    fail("expected " + hint + " to be a small integer tensor of constant length, got " + [&] {
      std::string s;
      llvm::raw_string_ostream(s) << type;
      return s;
    }());
    return {};
  }
  return lz.boundElements(v, loc, hint);
}

std::optional<Ints> Node::constInts(Value v) {
  if (!v)
    return std::nullopt;
  if (std::optional<Dims> known = contents(v)) {
    Ints result;
    for (const SymbolicExpr &element : *known)
      if (std::optional<int64_t> value = element.isConstant())
        result.push_back(*value);
    if (result.size() == known->size())
      return result;
    // The smallest int64_t is no expression, but it is a constant.
  }
  DenseElementsAttr value = lz.constant(v);
  if (!value || !isa<IntegerType>(value.getElementType()))
    return std::nullopt;
  bool isUnsigned = value.getElementType().isUnsignedInteger() || value.getElementType().isInteger(1);
  Ints result;
  for (const APInt &element : value.getValues<APInt>())
    result.push_back(isUnsigned ? int64_t(element.getZExtValue()) : element.getSExtValue());
  return result;
}

std::optional<SmallVector<double>> Node::constFloats(Value v) {
  if (!v)
    return std::nullopt;
  DenseElementsAttr value = lz.constant(v);
  if (value && isa<FloatType>(value.getElementType())) {
    SmallVector<double> result;
    for (APFloat element : value.getValues<APFloat>()) {
      bool loses;
      element.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &loses);
      result.push_back(element.convertToDouble());
    }
    return result;
  }
  if (std::optional<Ints> integers = constInts(v))
    return SmallVector<double>(integers->begin(), integers->end());
  return std::nullopt;
}

Ints Node::needInts(Value v, StringRef what) {
  if (std::optional<Ints> known = constInts(v))
    return *known;
  fail("expected a constant " + what);
  return {};
}

bool Node::rankIs(Value v, int64_t wanted, StringRef what) {
  if (failed())
    return false;
  if (!v)
    fail("expected " + what + ", got none");
  else if (rank(v) != wanted)
    fail("expected " + what + " of rank " + Twine(wanted) + ", got rank " + Twine(rank(v)));
  return !failed();
}

bool Node::rankAtLeast(Value v, int64_t wanted, StringRef what) {
  if (failed())
    return false;
  if (!v)
    fail("expected " + what + ", got none");
  else if (rank(v) < wanted)
    fail("expected " + what + " of rank at least " + Twine(wanted) + ", got rank " + Twine(rank(v)));
  return !failed();
}

bool Node::guardEqual(const SymbolicExpr &x, const SymbolicExpr &y, StringRef message) {
  if (failed())
    return false;
  if (lz.guardEqual(x, y, loc, message))
    return true;
  fail(message + ": expected " + x.str() + ", got " + y.str());
  return false;
}
