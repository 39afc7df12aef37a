// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Import/TensorImport.h"

#include "bessemer/Support/WeightReader.h"
#include "dialects/Bess/DTypes.h"
#include "lib/Import/ExternalData.h"
#include "lib/Import/Proto/OnnxProtoReader.h"
#include "lib/Import/TypeImport.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::import;

/// The field that carries a type's elements when raw_data does not.
struct DataField {
  StringRef name;
  const std::vector<proto::Bytes> *pieces;
  StringRef encoding;
};

static DataField dataField(const proto::Tensor &tensor, DType dtype) {
  switch (dtype) {
  case DType::F32:
  case DType::Complex64: return {"float_data", &tensor.floatData, "raw"};
  case DType::F64:
  case DType::Complex128: return {"double_data", &tensor.doubleData, "raw"};
  case DType::I64: return {"int64_data", &tensor.int64Data, "varint"};
  case DType::U32:
  case DType::U64: return {"uint64_data", &tensor.uint64Data, "varint"};
  case DType::F16:
  case DType::BF16: return {"int32_data", &tensor.int32Data, "float16_varint"};
  default: return {"int32_data", &tensor.int32Data, "varint"};
  }
}

/// Number of elements; nullopt when a dimension is negative, or when the
/// tensor has more bytes than 64 bits can count.
static std::optional<int64_t> elementCount(ArrayRef<int64_t> dims, DType dtype) {
  // MLIR multiplies the dimensions in this order too, and must not overflow
  // even when one of them is 0.
  int64_t count = 1;
  for (int64_t dim : dims)
    if (dim < 0 || (dim != 0 && llvm::MulOverflow(count, dim, count)))
      return std::nullopt;
  int64_t bits;
  if (llvm::MulOverflow(count, int64_t(std::max(bitWidth(dtype), 8u)), bits))
    return std::nullopt;
  return llvm::is_contained(dims, 0) ? 0 : count;
}

static std::string shapeText(ArrayRef<int64_t> dims) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << "[";
  llvm::interleaveComma(dims, os);
  os << "]";
  return text;
}

DenseElementsAttr import::makeElements(RankedTensorType type, ArrayRef<char> bytes) {
  DType dtype = bess::getDType(type);
  int64_t count = type.getNumElements();
  if (dtype == DType::Bool) {
    SmallVector<bool> values(count);
    for (int64_t i = 0; i < count; ++i)
      values[i] = bytes[i] != 0;
    return DenseElementsAttr::get(type, ArrayRef<bool>(values.data(), values.size()));
  }
  if (!isPacked(dtype))
    return DenseElementsAttr::getFromRawBuffer(type, bytes);
  // MLIR gives each element of less than a byte a byte of its own.
  unsigned bits = bitWidth(dtype), perByte = 8 / bits;
  std::vector<char> unpacked(count);
  for (int64_t i = 0; i < count; ++i) {
    auto byte = static_cast<unsigned char>(bytes[i / perByte]);
    unpacked[i] = char((byte >> (bits * (i % perByte))) & ((1u << bits) - 1));
  }
  return DenseElementsAttr::getFromRawBuffer(type, unpacked);
}

Attribute import::tensorAttribute(ImportContext &ctx, const ImportedTensor &tensor) {
  if (tensor.elements)
    return tensor.elements;
  return DictBuilder(ctx).set("source", tensor.source).set("type", TypeAttr::get(tensor.type)).get();
}

namespace {
/// One tensor on its way.
class TensorImporter {
public:
  TensorImporter(ImportContext &ctx, const proto::Tensor &tensor, std::string what, Location loc)
      : ctx(ctx), tensor(tensor), what(std::move(what)), loc(loc), details(ctx), dtype(dtypeFromOnnx(tensor.dataType)) {
  }

  FailureOr<ImportedTensor> run(bool preferElements, StringRef knownName) {
    if (failed(importType()))
      return failure();
    if (ref(tensor.name) != knownName)
      details.text("name", tensor.name);
    details.text("doc_string", tensor.docString).list("metadata", tensor.metadata);
    LogicalResult done = dtype == DType::String ? importStrings()
                         : tensor.isExternal    ? importExternal()
                                                : importInline();
    if (failed(done) || (preferElements && failed(toElements())))
      return failure();
    result.details = details.getOrNull();
    return result;
  }

private:
  InFlightDiagnostic error() { return emitError(loc) << what << ": "; }

  LogicalResult importType() {
    Type element = elementTypeFromOnnx(ctx.context, tensor.dataType);
    if (!element)
      return error() << "unknown element type " << tensor.dataType;
    if (tensor.hasSegment)
      return error() << "segments of tensors are not supported";
    std::optional<int64_t> elements = elementCount(tensor.dims, dtype);
    if (!elements)
      return error() << "shape " << shapeText(tensor.dims) << " has a negative dimension or more than 2^63 bits";
    count = *elements;
    result.type = RankedTensorType::get(tensor.dims, element);
    return success();
  }

  LogicalResult importStrings() {
    if (tensor.rawData || tensor.isExternal)
      return error() << "expected strings in string_data";
    if (int64_t(tensor.stringData.size()) != count)
      return error() << "expected " << count << " strings for shape " << shapeText(tensor.dims) << ", got "
                     << tensor.stringData.size();
    SmallVector<StringRef> values;
    for (proto::Bytes value : tensor.stringData)
      values.push_back(ref(value));
    result.elements = DenseStringElementsAttr::get(result.type, values);
    return success();
  }

  LogicalResult importExternal() {
    auto source = importExternalData(ctx, tensor.externalData, byteSize(dtype, count), what, loc);
    if (failed(source))
      return failure();
    result.source = *source;
    details.set("external", ctx.keyValues(tensor.externalData));
    return success();
  }

  bess::SourceAttr sourceOf(proto::Bytes bytes, StringRef encoding) {
    return bess::SourceAttr::get(ctx.context, ctx.sourceName, bytes.data() - ctx.bytes.data(), int64_t(bytes.size()),
                                 encoding.str());
  }

  LogicalResult checkBytes(size_t got) {
    if (int64_t(got) == byteSize(dtype, count))
      return success();
    return error() << "expected " << byteSize(dtype, count) << " bytes for shape " << shapeText(tensor.dims) << " of "
                   << StringRef(bessemer::name(dtype)) << ", got " << got;
  }

  LogicalResult importInline() {
    if (tensor.rawData) {
      result.source = sourceOf(*tensor.rawData, "raw");
      return checkBytes(tensor.rawData->size());
    }
    DataField field = dataField(tensor, dtype);
    if (field.pieces->empty()) {
      details.set("field", ctx.builder.getStringAttr("none"));
      result.source = sourceOf(ctx.bytes.substr(0, 0), "raw");
      return checkBytes(0);
    }
    details.set("field", ctx.builder.getStringAttr(field.name));
    if (field.pieces->size() > 1)
      return joinPieces(field);
    proto::Bytes bytes = field.pieces->front();
    result.source = sourceOf(bytes, field.encoding);
    if (field.encoding == "raw")
      return checkBytes(bytes.size());
    int64_t units = isPacked(dtype) ? byteSize(dtype, count) : count;
    std::optional<int64_t> got = proto::countVarints(bytes);
    if (!got)
      return error() << "malformed numbers in " << field.name;
    if (*got != units)
      return error() << "expected " << units << " numbers in " << field.name << " for shape " << shapeText(tensor.dims)
                     << ", got " << *got;
    return success();
  }

  /// Numbers that are not in one packed block: into the IR, when they are few.
  LogicalResult joinPieces(const DataField &field) {
    std::string joined;
    for (proto::Bytes piece : *field.pieces) {
      joined += piece;
      if (joined.size() > 16 * maxInlineBytes)
        return error() << field.name << " is in many pieces, expected one packed block";
    }
    return decode(joined, field.encoding);
  }

  LogicalResult decode(StringRef bytes, StringRef encoding) {
    // The bytes in hand bound the size: each element takes two bits or more.
    if (byteSize(dtype, count) > 16 * int64_t(bytes.size()))
      return error() << "expected " << count << " elements for shape " << shapeText(tensor.dims) << ", got "
                     << bytes.size() << " bytes";
    std::vector<char> decoded(byteSize(dtype, count));
    std::string reason;
    if (!decodeWeight(bytes, *parseWeightEncoding(encoding), dtype, count, decoded.data(), reason))
      return error() << reason;
    result.elements = makeElements(result.type, decoded);
    result.source = {};
    return success();
  }

  LogicalResult toElements() {
    if (result.elements || tensor.isExternal || byteSize(dtype, count) > maxInlineBytes)
      return success();
    proto::Bytes bytes = ctx.bytes.substr(result.source.getOffset(), result.source.getLength());
    return decode(ref(bytes), result.source.getEncoding());
  }

  ImportContext &ctx;
  const proto::Tensor &tensor;
  std::string what;
  Location loc;
  DictBuilder details;
  DType dtype;
  int64_t count = 0;
  ImportedTensor result;
};
} // namespace

FailureOr<ImportedTensor> import::importTensor(ImportContext &ctx, const proto::Tensor &tensor, bool preferElements,
                                               const Twine &what, Location loc, StringRef knownName) {
  return TensorImporter(ctx, tensor, what.str(), loc).run(preferElements, knownName);
}
