// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Reference/KernelAttributes.h"

#include "dialects/Bess/DTypes.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::reference;

static constexpr StringRef segments = "operandSegmentSizes";

std::optional<kernels::Attributes> KernelAttributes::evaluate(const SymbolicExpr::Lookup &lookup) const {
  kernels::Attributes all = constants;
  for (const auto &[name, exprs] : lists) {
    std::vector<int64_t> values;
    for (const SymbolicExpr &expr : exprs) {
      std::optional<int64_t> value = expr.evaluate(lookup);
      if (!value)
        return std::nullopt;
      values.push_back(*value);
    }
    all[name] = std::move(values);
  }
  for (const auto &[name, expr] : integers) {
    std::optional<int64_t> value = expr.evaluate(lookup);
    if (!value)
      return std::nullopt;
    all[name] = *value;
  }
  return all;
}

/// A value that depends on no symbol; nullopt for a kind that no op has.
static std::optional<kernels::AttributeValue> convertAttribute(Attribute attribute) {
  using Value = std::optional<kernels::AttributeValue>;
  return llvm::TypeSwitch<Attribute, Value>(attribute)
      .Case<UnitAttr>([](auto) { return Value(int64_t(1)); })
      .Case<IntegerAttr>([](IntegerAttr value) -> Value {
        if (value.getType().isInteger(1))
          return Value(int64_t(value.getValue().getZExtValue()));
        if (value.getValue().getSignificantBits() > 64)
          return std::nullopt;
        return Value(value.getValue().getSExtValue());
      })
      .Case<FloatAttr>([](FloatAttr value) { return Value(value.getValueAsDouble()); })
      .Case<StringAttr>([](StringAttr value) { return Value(value.getValue().str()); })
      .Case<DenseI64ArrayAttr>([](DenseI64ArrayAttr values) {
        return Value(std::vector<int64_t>(values.asArrayRef().begin(), values.asArrayRef().end()));
      })
      .Case<DenseF64ArrayAttr>([](DenseF64ArrayAttr values) {
        return Value(std::vector<double>(values.asArrayRef().begin(), values.asArrayRef().end()));
      })
      .Case<TypeAttr>([](TypeAttr type) -> Value {
        DType dtype = bess::getDType(type.getValue());
        if (dtype == DType::Undefined)
          return std::nullopt;
        return Value(std::string(name(dtype)));
      })
      .Case<ArrayAttr>([](ArrayAttr values) -> Value {
        std::vector<std::string> texts;
        for (Attribute value : values) {
          auto text = dyn_cast<StringAttr>(value);
          if (!text)
            return std::nullopt;
          texts.push_back(text.getValue().str());
        }
        return Value(std::move(texts));
      })
      .Default([](Attribute) { return std::nullopt; });
}

FailureOr<KernelAttributes> reference::getKernelAttributes(Operation *op) {
  NamedAttrList attributes(op->getAttrDictionary());
  op->getName().populateDefaultAttrs(attributes);
  KernelAttributes result;
  for (NamedAttribute attribute : attributes) {
    StringRef name = attribute.getName();
    // Attributes with a dialect's prefix are notes of passes; but that an operand is in panels is how it must be read.
    bool isPanels = name == bess::packedColumnsName;
    if (name == segments || (name.contains('.') && !isPanels))
      continue;
    if (auto dims = dyn_cast<bess::DimsAttr>(attribute.getValue())) {
      SmallVector<SymbolicExpr> exprs = bess::parseDims(dims);
      std::vector<int64_t> values;
      for (const SymbolicExpr &expr : exprs)
        if (std::optional<int64_t> value = expr.isConstant())
          values.push_back(*value);
      if (values.size() == exprs.size())
        result.constants[name.str()] = std::move(values);
      else
        result.lists[name.str()].assign(exprs.begin(), exprs.end());
      continue;
    }
    if (isPanels || (isa<bess::TriluOp>(op) && name == "k")) {
      std::optional<SymbolicExpr> expr = SymbolicExpr::parse(cast<StringAttr>(attribute.getValue()).getValue());
      if (!expr)
        return op->emitOpError("bad expression for ") << name;
      if (std::optional<int64_t> value = expr->isConstant())
        result.constants[name.str()] = *value;
      else
        result.integers[name.str()] = *expr;
      continue;
    }
    std::optional<kernels::AttributeValue> value = convertAttribute(attribute.getValue());
    if (!value) {
      // A discardable attribute of any kind is no business of a kernel.
      if (op->isRegistered() && !llvm::is_contained(op->getRegisteredInfo()->getAttributeNames(), attribute.getName()))
        continue;
      return op->emitOpError("no kernel can read attribute ") << attribute.getName();
    }
    result.constants[name.str()] = std::move(*value);
  }
  return result;
}

StringRef reference::getKernelName(Operation *op) {
  StringRef name = op->getName().getStringRef();
  return name.consume_front("bess.") ? name : StringRef();
}

SmallVector<Value> reference::getKernelOperands(Operation *op) {
  std::optional<Attribute> attribute = op->getInherentAttr(segments);
  auto sizes = attribute ? dyn_cast_or_null<DenseI32ArrayAttr>(*attribute) : DenseI32ArrayAttr();
  if (!sizes)
    return llvm::to_vector(op->getOperands());
  SmallVector<Value> operands;
  unsigned next = 0;
  for (int32_t size : sizes.asArrayRef()) {
    if (size == 0)
      operands.push_back({});
    for (int32_t i = 0; i < size; ++i)
      operands.push_back(op->getOperand(next++));
  }
  return operands;
}

bool reference::hasDataDependentShape(Operation *op) { return bess::definesSymbols(op); }
