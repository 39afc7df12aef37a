// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Legalize/CustomOp.h"

#include "dialects/Bess/DTypes.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

static std::string nameOf(StringRef domain, StringRef opType) {
  return ((domain.empty() ? StringRef("ai.onnx") : domain) + "." + opType).str();
}

const kernels::CustomOpInfer *legalize::findCustomOp(const Legalizer &legalizer, StringRef domain, StringRef opType) {
  if (!legalizer.customOps)
    return nullptr;
  auto it = legalizer.customOps->find(nameOf(domain, opType));
  return it == legalizer.customOps->end() ? nullptr : &it->second;
}

namespace {

/// The node's attributes, both as the host's functions take them and for the op.
class CustomAttributes {
public:
  explicit CustomAttributes(Node &n) : n(n), b(n.b.getContext()) {
    for (NamedAttribute attribute : n.op.getOnnxAttributes())
      add(attribute.getName(), attribute.getValue());
    if (DictionaryAttr references = n.op.getRefAttrsAttr())
      for (NamedAttribute reference : references)
        if (Attribute value = n.attr(reference.getName()))
          add(reference.getName(), value);
  }
  kernels::Attributes values;
  NamedAttrList list;

private:
  void add(StringRef name, Attribute attribute) {
    std::string key = name.str();
    if (auto value = dyn_cast<IntegerAttr>(attribute)) {
      integer(key, value.getValue().getSExtValue());
    } else if (auto value = dyn_cast<FloatAttr>(attribute)) {
      values[key] = value.getValueAsDouble();
      list.set(name, b.getF64FloatAttr(value.getValueAsDouble()));
    } else if (auto value = dyn_cast<StringAttr>(attribute)) {
      values[key] = value.getValue().str();
      list.set(name, value);
    } else if (auto value = dyn_cast<DenseI64ArrayAttr>(attribute)) {
      integers(key, {value.asArrayRef().begin(), value.asArrayRef().end()});
    } else if (auto value = dyn_cast<DenseF32ArrayAttr>(attribute)) {
      numbers(key, {value.asArrayRef().begin(), value.asArrayRef().end()});
    } else if (auto value = dyn_cast<ArrayAttr>(attribute); value && llvm::all_of(value, llvm::IsaPred<StringAttr>)) {
      std::vector<std::string> texts;
      for (Attribute text : value)
        texts.push_back(cast<StringAttr>(text).str());
      values[key] = std::move(texts);
      list.set(name, value);
    } else if (DenseElementsAttr tensor = elementsOf(attribute, n.lz)) {
      elements(key, tensor);
    } else {
      n.fail("attribute \"" + name +
             "\": expected numbers, texts or a small tensor, which is what the kernel of a custom op can take");
    }
  }

  /// Row-major; the host knows the shape that it wants.
  void elements(const std::string &key, DenseElementsAttr tensor) {
    Type element = tensor.getElementType();
    if (isa<FloatType>(element)) {
      std::vector<double> all;
      for (APFloat value : tensor.getValues<APFloat>()) {
        bool lost;
        value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
        all.push_back(value.convertToDouble());
      }
      return numbers(key, std::move(all));
    }
    if (!isa<IntegerType>(element))
      return n.fail("attribute \"" + Twine(key) + "\": expected a tensor of numbers");
    bool isUnsigned = element.isInteger(1) || element.isUnsignedInteger();
    std::vector<int64_t> all;
    for (const APInt &value : tensor.getValues<APInt>())
      all.push_back(isUnsigned ? int64_t(value.getZExtValue()) : value.getSExtValue());
    integers(key, std::move(all));
  }
  void integer(const std::string &key, int64_t value) {
    values[key] = value;
    list.set(key, b.getI64IntegerAttr(value));
  }
  void integers(const std::string &key, std::vector<int64_t> all) {
    list.set(key, b.getDenseI64ArrayAttr(all));
    values[key] = std::move(all);
  }
  void numbers(const std::string &key, std::vector<double> all) {
    list.set(key, b.getDenseF64ArrayAttr(all));
    values[key] = std::move(all);
  }

  Node &n;
  Builder b;
};

} // namespace

/// A dimension that the host has given, over symbols; invalid when it makes no sense.
static SymbolicExpr resultDim(Node &n, int64_t code, SmallVectorImpl<Attribute> &defines) {
  if (code >= 0)
    return code;
  if (code == -1) { // running it tells
    SymbolicExpr symbol = n.lz.freshSymbol(n.op.getOpType());
    defines.push_back(n.b.getStringAttr(symbol.str()));
    return symbol;
  }
  int64_t position = -2 - code;
  size_t input = size_t(position / 16), dim = size_t(position % 16);
  if (input < n.inputCount() && n.has(input))
    if (Dims dims = n.dims(n.in(input)); dim < dims.size())
      return dims[dim];
  return SymbolicExpr::invalid();
}

void legalize::customOp(Node &n, const kernels::CustomOpInfer &infer) {
  CustomAttributes attributes(n);
  std::vector<kernels::CustomOpType> inputs(n.inputCount()), outputs(n.op->getNumResults());
  SmallVector<Value> operands;
  SmallVector<int64_t> absent;
  for (size_t i = 0; i < n.inputCount(); ++i) {
    if (!n.has(i)) {
      absent.push_back(int64_t(i));
      continue;
    }
    Value operand = n.in(i);
    if (!operand)
      return;
    operands.push_back(operand);
    inputs[i].dtype = bess::getDType(operand.getType());
    for (const SymbolicExpr &dim : n.dims(operand))
      inputs[i].shape.push_back(dim.isConstant().value_or(-1));
  }
  if (n.failed())
    return;
  if (std::string error = infer(attributes.values, inputs, outputs); !error.empty())
    return n.fail("the types of its results: " + error);

  SmallVector<Type> types;
  SmallVector<Attribute> defines;
  for (auto [i, output] : llvm::enumerate(outputs)) {
    Type element = bess::getElementType(n.b.getContext(), output.dtype);
    if (!element || output.dtype == DType::String)
      return n.fail("the type of result " + Twine(i) + ": expected a type of numbers, got number " +
                    Twine(int(output.dtype)));
    SmallVector<SymbolicExpr> dims;
    for (auto [d, code] : llvm::enumerate(output.shape)) {
      dims.push_back(resultDim(n, code, defines));
      if (!dims.back().isValid())
        return n.fail("dimension " + Twine(d) + " of result " + Twine(i) +
                      ": expected a size, -1, or a dimension that an operand has");
    }
    types.push_back(n.tensor(dims, element));
  }
  if (n.failed())
    return;
  auto made = bess::CustomOp::create(n.b, n.loc, types, operands, nameOf(n.domain, n.op.getOpType()),
                                     attributes.list.getDictionary(n.b.getContext()), absent,
                                     defines.empty() ? ArrayAttr() : n.b.getArrayAttr(defines));
  for (auto [i, result] : llvm::enumerate(made.getOutputs()))
    n.out(i, result);
}
