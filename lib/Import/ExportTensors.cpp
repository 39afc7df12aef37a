// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Bess/DTypes.h"
#include "lib/Import/ExportParts.h"

#include <cstring>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::import;

/// Number of a data field of TensorProto.
static unsigned fieldNumber(StringRef name) {
  return llvm::StringSwitch<unsigned>(name)
      .Case("float_data", 4)
      .Case("int32_data", 5)
      .Case("int64_data", 7)
      .Case("double_data", 10)
      .Case("uint64_data", 11)
      .Default(9); // raw_data
}

/// The field that carries varints of this type.
static StringRef varintField(DType dtype) {
  if (dtype == DType::I64)
    return "int64_data";
  return dtype == DType::U32 || dtype == DType::U64 ? "uint64_data" : "int32_data";
}

static Message startTensor(RankedTensorType type, DictionaryAttr details, StringRef name) {
  Message tensor;
  for (int64_t dim : type.getShape())
    tensor.varint(1, dim);
  tensor.varint(2, int64_t(bess::getDType(type)));
  StringRef own = getText(details, "name");
  tensor.text(8, own.empty() ? name : own).text(12, getText(details, "doc_string"));
  if (details)
    addKeyValues(tensor, 16, details.get("metadata"));
  return tensor;
}

/// Elements as ONNX's raw_data has them.
static std::string rawBytes(DenseElementsAttr elements) {
  DType dtype = bess::getDType(elements.getType());
  int64_t count = elements.getNumElements();
  std::string bytes(size_t(byteSize(dtype, count)), '\0');
  if (dtype == DType::Bool) {
    for (auto [i, value] : llvm::enumerate(elements.getValues<bool>()))
      bytes[i] = value;
    return bytes;
  }
  ArrayRef<char> data = elements.getRawData();
  bool splat = elements.isSplat();
  if (isPacked(dtype)) {
    unsigned bits = bitWidth(dtype), perByte = 8 / bits;
    for (int64_t i = 0; i < count; ++i)
      bytes[i / perByte] |= char((data[splat ? 0 : i] & ((1 << bits) - 1)) << (bits * (i % perByte)));
    return bytes;
  }
  size_t unit = bitWidth(dtype) / 8;
  for (int64_t i = 0; i < count; ++i)
    std::memcpy(&bytes[i * unit], &data[splat ? 0 : i * unit], unit);
  return bytes;
}

/// The units of raw bytes as the numbers that int32_data and the like have.
static SmallVector<int64_t> varintValues(StringRef bytes, DType dtype) {
  size_t unit = isPacked(dtype) ? 1 : bitWidth(dtype) / 8;
  SmallVector<int64_t> values;
  for (size_t at = 0; at + unit <= bytes.size(); at += unit) {
    uint64_t value = 0;
    std::memcpy(&value, bytes.data() + at, unit);
    unsigned shift = unsigned(64 - 8 * unit);
    bool extend = isSignedInteger(dtype) && !isPacked(dtype);
    values.push_back(extend ? int64_t(value << shift) >> shift : int64_t(value));
  }
  return values;
}

Message import::exportTensor(ElementsAttr elements, DictionaryAttr details, StringRef name) {
  auto type = cast<RankedTensorType>(elements.getType());
  Message tensor = startTensor(type, details, name);
  if (auto strings = dyn_cast<DenseStringElementsAttr>(elements)) {
    for (StringRef text : strings.getValues<StringRef>())
      tensor.bytes(6, text);
    return tensor;
  }
  auto dense = dyn_cast<DenseElementsAttr>(elements);
  StringRef field = getText(details, "field");
  if (!dense || field == "none")
    return tensor;
  std::string bytes = rawBytes(dense);
  if (field == "int32_data" || field == "int64_data" || field == "uint64_data")
    tensor.packed(fieldNumber(field), varintValues(bytes, bess::getDType(type)));
  else
    tensor.bytes(fieldNumber(field), bytes);
  return tensor;
}

Message import::exportTensor(bess::SourceAttr source, RankedTensorType type, DictionaryAttr details, StringRef name) {
  Message tensor = startTensor(type, details, name);
  if (ArrayAttr external = getList(details, "external")) {
    addKeyValues(tensor, 13, external);
    tensor.varint(14, 1);
    return tensor;
  }
  StringRef field = getText(details, "field");
  if (field == "none")
    return tensor;
  if (field.empty() && source.getEncoding() != "raw")
    field = varintField(bess::getDType(type));
  tensor.range(fieldNumber(field), {source.getFile().str(), source.getOffset(), source.getLength()});
  return tensor;
}
