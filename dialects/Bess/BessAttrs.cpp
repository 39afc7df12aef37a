// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Text form of `#bess.dims`, and the helpers on dimensions.
#include "dialects/Bess/Bess.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;

Attribute DimsAttr::parse(AsmParser &parser, Type) {
  SmallVector<StringAttr> exprs;
  auto parseOne = [&]() -> ParseResult {
    std::string text, error;
    SMLoc loc = parser.getCurrentLocation();
    if (parser.parseString(&text))
      return failure();
    std::optional<SymbolicExpr> expr = SymbolicExpr::parse(text, &error);
    if (!expr)
      return parser.emitError(loc, "bad dimension expression: ") << error;
    exprs.push_back(StringAttr::get(parser.getContext(), expr->str()));
    return success();
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::LessGreater, parseOne))
    return {};
  return DimsAttr::get(parser.getContext(), exprs);
}

void DimsAttr::print(AsmPrinter &printer) const {
  printer << "<";
  llvm::interleaveComma(getExprs(), printer, [&](StringAttr expr) { printer << expr; });
  printer << ">";
}

SmallVector<SymbolicExpr> bess::parseDims(DimsAttr attr) {
  SmallVector<SymbolicExpr> dims;
  for (StringAttr text : attr.getExprs())
    dims.push_back(SymbolicExpr::parse(text.getValue()).value_or(SymbolicExpr::invalid()));
  return dims;
}

DimsAttr bess::getDimsAttr(MLIRContext *context, ArrayRef<SymbolicExpr> dims) {
  SmallVector<StringAttr> texts;
  for (const SymbolicExpr &dim : dims)
    texts.push_back(StringAttr::get(context, dim.str()));
  return DimsAttr::get(context, texts);
}

SmallVector<SymbolicExpr> bess::getDims(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor)
    return {};
  if (auto encoding = dyn_cast_or_null<DimsAttr>(tensor.getEncoding()))
    return parseDims(encoding);
  SmallVector<SymbolicExpr> dims;
  for (int64_t extent : tensor.getShape())
    dims.push_back(ShapedType::isDynamic(extent) ? SymbolicExpr::symbol("?") : SymbolicExpr::constant(extent));
  return dims;
}

RankedTensorType bess::getTensorType(ArrayRef<SymbolicExpr> dims, Type element) {
  SmallVector<int64_t> shape;
  bool dynamic = false;
  for (const SymbolicExpr &dim : dims) {
    std::optional<int64_t> extent = dim.isConstant();
    dynamic |= !extent;
    shape.push_back(extent.value_or(ShapedType::kDynamic));
  }
  Attribute encoding;
  if (dynamic)
    encoding = getDimsAttr(element.getContext(), dims);
  return RankedTensorType::get(shape, element, encoding);
}

SymbolicExpr bess::product(ArrayRef<SymbolicExpr> dims) {
  SymbolicExpr result = 1;
  for (const SymbolicExpr &dim : dims)
    result *= dim;
  return result;
}

SymbolicExpr bess::getElementCount(Type tensor) { return product(getDims(tensor)); }

FailureOr<SmallVector<SymbolicExpr>>
bess::broadcastDims(ArrayRef<SmallVector<SymbolicExpr>> shapes,
                    SmallVectorImpl<std::pair<SymbolicExpr, SymbolicExpr>> *mismatches) {
  size_t rank = 0;
  for (const auto &shape : shapes)
    rank = std::max(rank, shape.size());
  SmallVector<SymbolicExpr> result(rank, SymbolicExpr::constant(1));
  for (const auto &shape : shapes) {
    size_t offset = rank - shape.size();
    for (auto [i, dim] : llvm::enumerate(shape)) {
      SymbolicExpr &current = result[offset + i];
      if (dim == current || dim == SymbolicExpr::constant(1))
        continue;
      if (current == SymbolicExpr::constant(1)) {
        current = dim;
        continue;
      }
      if (dim.isConstant() && current.isConstant())
        return failure();
      if (mismatches)
        mismatches->push_back({current, dim});
      // The constant, or the shorter expression, is the better name for both.
      if (dim.isConstant() || (!current.isConstant() && dim.str().size() < current.str().size()))
        current = dim;
    }
  }
  return result;
}
