// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Import/TypeImport.h"

#include "dialects/Bess/DTypes.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::import;

Type import::elementTypeFromOnnx(MLIRContext *context, int64_t dataType) {
  DType dtype = dtypeFromOnnx(dataType);
  if (dtype == DType::String)
    return onnx::StringType::get(context);
  return bess::getElementType(context, dtype);
}

static void collectSymbols(ImportContext &ctx, const proto::Type &type) {
  for (const proto::Dimension &dim : type.dims) {
    if (dim.kind != proto::Dimension::Kind::Param || dim.param.empty())
      continue;
    std::optional<SymbolicExpr> expr = SymbolicExpr::parse(dim.param);
    if (expr && expr->isSymbol() == dim.param)
      ctx.symbols.emplace(dim.param);
  }
  for (const proto::Type &element : type.element)
    collectSymbols(ctx, element);
}

void import::collectSymbols(ImportContext &ctx, const proto::Graph &graph) {
  for (const proto::ValueInfo &input : graph.inputs)
    if (input.type)
      ::collectSymbols(ctx, *input.type);
}

/// The value that the user gave to the dimension `name`.
static std::optional<int64_t> boundValue(ImportContext &ctx, std::string_view name) {
  auto found = ctx.options.bind.find(std::string(name));
  if (found == ctx.options.bind.end())
    return std::nullopt;
  ctx.boundNames.emplace(name);
  return found->second;
}

static SymbolicExpr importParam(ImportContext &ctx, std::string_view param) {
  if (std::optional<int64_t> value = boundValue(ctx, param))
    return *value;
  // "past + seq" is an expression when past and seq are dimensions of inputs;
  // "batch-size" is a name.
  std::optional<SymbolicExpr> expr = SymbolicExpr::parse(param);
  if (!expr || !expr->isValid() || expr->isConstant())
    return SymbolicExpr::symbol(param);
  for (const std::string &symbol : expr->symbols())
    if (!ctx.symbols.count(symbol))
      return SymbolicExpr::symbol(param);
  for (const std::string &symbol : expr->symbols())
    if (std::optional<int64_t> value = boundValue(ctx, symbol))
      expr = expr->substitute(symbol, *value);
  return *expr;
}

/// Dimension `index` of the value `name`, and whether its text comes back.
static std::pair<SymbolicExpr, bool> importDim(ImportContext &ctx, const proto::Dimension &dim, StringRef name,
                                               size_t index) {
  // -1 is not legal, but some exporters write it for "not known".
  if (dim.kind == proto::Dimension::Kind::Value && dim.value != -1)
    return {dim.value, dim.denotation.empty()};
  if (dim.kind == proto::Dimension::Kind::Param && !dim.param.empty() && dim.param != "?") {
    SymbolicExpr expr = importParam(ctx, dim.param);
    bool bound = expr.isConstant().has_value();
    bool same = expr.isSymbol() ? expr.isSymbol() == dim.param : expr.str() == dim.param;
    return {expr, (bound || same) && dim.denotation.empty()};
  }
  std::string fresh = (name + ".d" + Twine(index)).str();
  if (std::optional<int64_t> value = boundValue(ctx, fresh))
    return {*value, dim.denotation.empty()};
  while (ctx.symbols.count(fresh))
    fresh += "_";
  return {SymbolicExpr::symbol(fresh), false};
}

static FailureOr<ImportedType> importTensorType(ImportContext &ctx, const proto::Type &type, StringRef name) {
  Type element = elementTypeFromOnnx(ctx.context, type.elementType);
  if (!element) {
    if (type.elementType == 0)
      return ImportedType{onnx::UnknownType::get(ctx.context), false};
    ctx.error() << "value \"" << name << "\": unknown element type " << type.elementType;
    return failure();
  }
  if (!type.hasShape)
    return ImportedType{UnrankedTensorType::get(element), true};
  ImportedType result;
  SmallVector<SymbolicExpr> dims;
  int64_t elements = 1;
  for (auto [i, dim] : llvm::enumerate(type.dims)) {
    auto [expr, exact] = importDim(ctx, dim, name, i);
    std::optional<int64_t> extent = expr.isConstant();
    if (!expr.isValid() || (extent && *extent < 0)) {
      ctx.error() << "value \"" << name << "\": dimension " << i << " is " << expr.str() << ", expected at least 0";
      return failure();
    }
    if (extent && *extent != 0 && llvm::MulOverflow(elements, *extent, elements)) {
      ctx.error() << "value \"" << name << "\": more than 2^63 elements";
      return failure();
    }
    result.exact &= exact;
    dims.push_back(expr);
  }
  result.type = bess::getTensorType(dims, element);
  return result;
}

FailureOr<ImportedType> import::importType(ImportContext &ctx, const proto::Type *type, StringRef name) {
  using Kind = proto::Type::Kind;
  if (!type)
    return ImportedType{onnx::UnknownType::get(ctx.context), true};
  FailureOr<ImportedType> result = ImportedType{onnx::UnknownType::get(ctx.context), false};
  switch (type->kind) {
  case Kind::Unset: break;
  case Kind::Tensor: result = importTensorType(ctx, *type, name); break;
  case Kind::SparseTensor:
    result = importTensorType(ctx, *type, name);
    if (succeeded(result))
      result->type = onnx::SparseType::get(ctx.context, result->type);
    break;
  case Kind::Opaque:
    result = ImportedType{onnx::OpaqueType::get(ctx.context, ref(type->domain), ref(type->name)), true};
    break;
  case Kind::Sequence:
  case Kind::Optional:
  case Kind::Map:
    if (type->element.empty())
      break;
    result = importType(ctx, &type->element.front(), name);
    if (failed(result))
      return failure();
    if (type->kind == Kind::Sequence) {
      result->type = onnx::SequenceType::get(ctx.context, result->type);
    } else if (type->kind == Kind::Optional) {
      result->type = onnx::OptionalType::get(ctx.context, result->type);
    } else if (Type key = elementTypeFromOnnx(ctx.context, type->elementType)) {
      result->type = onnx::MapType::get(ctx.context, key, result->type);
    } else {
      ctx.error() << "value \"" << name << "\": unknown key type " << type->elementType;
      return failure();
    }
    break;
  }
  if (succeeded(result))
    result->exact &= type->denotation.empty();
  return result;
}

static StringRef kindName(proto::Type::Kind kind) {
  static constexpr StringRef names[] = {"unset", "tensor", "sequence", "map", "optional", "sparse_tensor", "opaque"};
  return names[unsigned(kind)];
}

DictionaryAttr import::typeDetails(ImportContext &ctx, const proto::Type &type, StringRef name) {
  Builder &b = ctx.builder;
  DictBuilder dict(ctx);
  dict.set("kind", b.getStringAttr(kindName(type.kind)));
  dict.set("element_type", b.getI64IntegerAttr(type.elementType));
  dict.text("domain", type.domain).text("name", type.name).text("denotation", type.denotation);
  for (const proto::Type &element : type.element)
    dict.set("element", typeDetails(ctx, element, name));
  if (!type.hasShape)
    return dict.get();
  SmallVector<Attribute> dims, denotations;
  bool anyDenotation = false;
  for (auto [i, dim] : llvm::enumerate(type.dims)) {
    denotations.push_back(ctx.string(dim.denotation));
    anyDenotation |= !dim.denotation.empty();
    std::optional<int64_t> bound = importDim(ctx, dim, name, i).first.isConstant();
    if (bound || dim.kind == proto::Dimension::Kind::Value)
      dims.push_back(b.getI64IntegerAttr(bound.value_or(dim.value)));
    else if (dim.kind == proto::Dimension::Kind::Param)
      dims.push_back(ctx.string(dim.param));
    else
      dims.push_back(b.getUnitAttr());
  }
  dict.set("dims", b.getArrayAttr(dims));
  if (anyDenotation)
    dict.set("denotations", b.getArrayAttr(denotations));
  return dict.get();
}

FailureOr<DictionaryAttr> import::valueInfoDetails(ImportContext &ctx, const proto::ValueInfo &info) {
  StringRef name = ref(info.name);
  FailureOr<ImportedType> type = importType(ctx, info.type ? &*info.type : nullptr, name);
  if (failed(type))
    return failure();
  DictBuilder dict(ctx);
  dict.set("name", ctx.string(info.name));
  dict.text("doc_string", info.docString).list("metadata", info.metadata);
  if (info.type)
    dict.set("type",
             type->exact ? Attribute(TypeAttr::get(type->type)) : Attribute(typeDetails(ctx, *info.type, name)));
  return dict.get();
}
