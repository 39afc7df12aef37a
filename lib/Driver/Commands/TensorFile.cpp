// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Driver/Commands/TensorFile.h"

#include "bessemer/Support/MappedFile.h"
#include "bessemer/Support/WeightReader.h"
#include "lib/Import/Proto/OnnxProtoReader.h"

#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace bessemer::commands {

/// More than any machine has: a claim in a damaged file.
static constexpr int64_t absurdBytes = int64_t{1} << 40;

std::string caseFile(const std::string &folder, const char *kind, size_t i) {
  return (std::filesystem::path(folder) / (std::string(kind) + "_" + std::to_string(i) + ".pb")).string();
}

int64_t DataTensor::elementCount() const {
  int64_t count = 1;
  for (int64_t extent : shape)
    count *= extent;
  return count;
}

bool DataTensor::allocate() {
  __int128 count = 1;
  for (int64_t extent : shape) {
    if (extent < 0)
      return false;
    count *= extent;
    if (count > absurdBytes)
      return false;
  }
  size_t size = dtype == DType::String ? size_t(count) * sizeof(std::string) : byteSize(dtype, int64_t(count));
  size_t rounded = (size + 64) / 64 * 64;
  void *bytes = std::aligned_alloc(64, rounded);
  if (!bytes)
    return false;
  std::memset(bytes, 0, rounded);
  memory = std::shared_ptr<void>(bytes, std::free);
  return true;
}

std::string typeText(DType dtype, const std::vector<int64_t> &shape) {
  std::string text = std::string(name(dtype)) + "[";
  for (size_t i = 0; i < shape.size(); ++i)
    text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

namespace {

/// The data fields of a TensorProto one after the other: they are packed blocks
/// or single elements, which follow each other as a packed block has them.
std::string joined(const std::vector<proto::Bytes> &parts) {
  std::string all;
  for (proto::Bytes part : parts)
    all.append(part);
  return all;
}

bool fillFromFields(const proto::Tensor &tensor, DataTensor &out, std::string &error) {
  int64_t count = out.elementCount();
  auto decode = [&](const std::vector<proto::Bytes> &parts, WeightEncoding encoding) {
    return decodeWeight(joined(parts), encoding, out.dtype, count, out.data(), error);
  };
  if (tensor.rawData)
    return decodeWeight(*tensor.rawData, WeightEncoding::Raw, out.dtype, count, out.data(), error);
  switch (out.dtype) {
  case DType::F32:
  case DType::Complex64: return decode(tensor.floatData, WeightEncoding::Raw);
  case DType::F64:
  case DType::Complex128: return decode(tensor.doubleData, WeightEncoding::Raw);
  case DType::I64: return decode(tensor.int64Data, WeightEncoding::Varint);
  case DType::U32:
  case DType::U64: return decode(tensor.uint64Data, WeightEncoding::Varint);
  default: return decode(tensor.int32Data, WeightEncoding::Varint);
  }
}

std::optional<DataTensor> readProto(const std::string &path, std::string &error) {
  std::optional<MappedFile> file = MappedFile::open(path, error);
  if (!file)
    return std::nullopt;
  std::optional<proto::Tensor> tensor = proto::readTensor(file->view(), error);
  if (!tensor) {
    error = path + ": expected a TensorProto: " + error;
    return std::nullopt;
  }
  DataTensor out;
  out.name = std::string(tensor->name);
  out.dtype = dtypeFromOnnx(tensor->dataType);
  out.shape = tensor->dims;
  if (out.dtype == DType::Undefined || out.dtype == DType::String || tensor->isExternal) {
    error = path + ": expected a TensorProto of numbers with its data, got " +
            (out.dtype == DType::String ? "strings"
             : tensor->isExternal       ? "external data"
                                        : "another message");
    return std::nullopt;
  }
  if (!out.allocate()) {
    error = path + ": expected a tensor that fits in memory, got " + typeText(out.dtype, out.shape);
    return std::nullopt;
  }
  if (!fillFromFields(*tensor, out, error)) {
    error = path + ": " + error;
    return std::nullopt;
  }
  return out;
}

} // namespace

std::optional<DataTensor> readNpy(const std::string &path, DType expected, std::string &error); // NpyFile.cpp

std::optional<DataTensor> readTensorFile(const std::string &path, DType expected, std::string &error) {
  if (path.size() > 3 && path.ends_with(".pb"))
    return readProto(path, error);
  return readNpy(path, expected, error);
}

} // namespace bessemer::commands
