// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attributes of bess ops as lib/Kernels takes them; see Kernels.h.
#include "dialects/Bess/DTypes.h"
#include "lib/Driver/Emit.h"

using namespace mlir;
using namespace bessemer;
using runtime::AttributeExpr;

static std::optional<AttributeExpr> emitAttribute(Operation *op, StringAttr name, Attribute attr) {
  // The two strings that are expressions over symbols.
  if ((isa<bess::TriluOp>(op) && name == "k") || name == bess::packedColumnsName) {
    if (std::optional<SymbolicExpr> expr = SymbolicExpr::parse(cast<StringAttr>(attr).getValue()))
      return AttributeExpr(*expr);
    return std::nullopt;
  }
  auto value = [](auto v) { return AttributeExpr(kernels::AttributeValue(std::move(v))); };
  if (isa<UnitAttr>(attr))
    return value(int64_t{1});
  if (auto integer = dyn_cast<IntegerAttr>(attr))
    return value(integer.getType().isInteger(1) ? int64_t(integer.getValue().getZExtValue())
                                                : integer.getValue().getSExtValue());
  if (auto number = dyn_cast<FloatAttr>(attr))
    return value(number.getValueAsDouble());
  if (auto text = dyn_cast<StringAttr>(attr))
    return value(text.str());
  if (auto type = dyn_cast<TypeAttr>(attr))
    return value(std::string(bessemer::name(bess::getDType(type.getValue()))));
  if (auto dims = dyn_cast<bess::DimsAttr>(attr)) {
    SmallVector<SymbolicExpr> exprs = bess::parseDims(dims);
    return AttributeExpr(std::vector<SymbolicExpr>(exprs.begin(), exprs.end()));
  }
  if (auto list = dyn_cast<DenseI64ArrayAttr>(attr))
    return value(std::vector<int64_t>(list.asArrayRef()));
  if (auto list = dyn_cast<DenseF64ArrayAttr>(attr))
    return value(std::vector<double>(list.asArrayRef()));
  if (auto list = dyn_cast<ArrayAttr>(attr)) {
    std::vector<std::string> texts;
    for (Attribute element : list) {
      auto text = dyn_cast<StringAttr>(element);
      if (!text)
        return std::nullopt;
      texts.push_back(text.str());
    }
    return value(std::move(texts));
  }
  return std::nullopt;
}

LogicalResult bessemer::emitAttributes(Operation *op, std::vector<std::pair<std::string, AttributeExpr>> &attributes) {
  // Attributes with a default that nobody wrote get it here.
  if (op->getPropertiesStorageSize())
    op->getName().populateDefaultProperties(op->getPropertiesStorage());
  SmallVector<NamedAttribute> known;
  for (StringAttr name : op->getName().getAttributeNames())
    if (std::optional<Attribute> attr = op->getInherentAttr(name);
        attr && *attr && name != "operandSegmentSizes" && name != "resultSegmentSizes")
      known.emplace_back(name, *attr);
  // Of the notes of passes, the one that says how an operand must be read.
  if (Attribute columns = op->getDiscardableAttr(bess::packedColumnsName))
    known.emplace_back(bess::packedColumnsName, columns);
  return emitAttributes(op, DictionaryAttr::get(op->getContext(), known), attributes);
}

LogicalResult bessemer::emitAttributes(Operation *op, DictionaryAttr from,
                                       std::vector<std::pair<std::string, AttributeExpr>> &attributes) {
  for (NamedAttribute attribute : from) {
    std::optional<AttributeExpr> expr = emitAttribute(op, attribute.getName(), attribute.getValue());
    if (!expr)
      return op->emitOpError() << "expected an attribute that a kernel can take, got " << attribute.getName() << " = "
                               << attribute.getValue();
    attributes.emplace_back(attribute.getName().str(), std::move(*expr));
  }
  return success();
}
