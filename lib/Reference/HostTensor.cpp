// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bessemer/Reference/HostTensor.h"

#include "bessemer/Support/WeightReader.h"
#include "dialects/Bess/DTypes.h"

#include <cstring>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::reference;

static constexpr int64_t maxElements = int64_t(1) << 37;

HostTensor HostTensor::view(DType dtype, ArrayRef<int64_t> shape, const void *data) {
  HostTensor tensor;
  tensor.dtype = dtype;
  tensor.shape.assign(shape.begin(), shape.end());
  tensor.data = const_cast<void *>(data); // nothing writes to a tensor
  return tensor;
}

HostTensor HostTensor::make(DType dtype, ArrayRef<int64_t> shape) {
  int64_t count = 1;
  for (int64_t extent : shape)
    if (extent < 0 || __builtin_mul_overflow(count, extent, &count) || count > maxElements)
      return {};
  HostTensor tensor = view(dtype, shape, nullptr);
  if (dtype == DType::String) {
    auto strings = std::make_shared<std::vector<std::string>>(std::max<int64_t>(count, 1));
    tensor.data = strings->data();
    tensor.memory = std::move(strings);
    return tensor;
  }
  // Zeroed pages come from the system for free; a tensor is never null.
  void *bytes = std::calloc(std::max<int64_t>(byteSize(dtype, count), 16), 1);
  if (!bytes)
    return {};
  tensor.data = bytes;
  tensor.memory = std::shared_ptr<void>(bytes, std::free);
  return tensor;
}

HostTensor reference::convert(const HostTensor &tensor, DType to, std::string &error) {
  if (tensor.dtype == to)
    return tensor;
  HostTensor result = HostTensor::make(to, tensor.shape);
  if (!result.isValid()) {
    error = "expected a tensor that fits into memory";
    return {};
  }
  kernels::Attributes attributes{{"to", std::string(name(to))}};
  const kernels::TensorRef *inputs[] = {&tensor};
  kernels::TensorRef outputs[] = {result};
  kernels::Result done = kernels::runKernel({"cast", attributes, inputs, outputs, {}});
  if (done.ok())
    return result;
  error = done.error;
  return {};
}

// ---- constants of the IR ------------------------------------------------------

static HostTensor fromStrings(ElementsAttr elements) {
  auto strings = dyn_cast<DenseStringElementsAttr>(elements);
  HostTensor tensor = HostTensor::make(DType::String, elements.getShapedType().getShape());
  if (!strings || !tensor.isValid())
    return {};
  for (auto [i, text] : llvm::enumerate(strings.getValues<StringRef>()))
    tensor.as<std::string>()[i] = text.str();
  return tensor;
}

/// The bits of element values, one after the other, each in whole bytes or (of
/// packed types) lowest first.
template <class Range> static void writeBits(HostTensor &tensor, Range &&values) {
  unsigned width = bitWidth(tensor.dtype);
  auto *out = tensor.as<unsigned char>();
  for (auto [i, bits] : llvm::enumerate(values)) {
    const uint64_t word = bits.getRawData()[0];
    if (isPacked(tensor.dtype))
      out[i * width / 8] |= (word & ((1u << width) - 1)) << (i * width % 8);
    else
      std::memcpy(out + i * (width / 8), &word, width / 8);
  }
}

HostTensor reference::fromElements(ElementsAttr elements) {
  if (!elements)
    return {};
  auto type = dyn_cast<RankedTensorType>(elements.getShapedType());
  DType dtype = type ? bess::getDType(type) : DType::Undefined;
  if (dtype == DType::Undefined)
    return {};
  if (dtype == DType::String)
    return fromStrings(elements);
  HostTensor tensor = HostTensor::make(dtype, type.getShape());
  auto dense = dyn_cast<DenseElementsAttr>(elements);
  if (!dense || !tensor.isValid())
    return {};
  if (isComplex(dtype)) {
    if (dense.isSplat()) {
      size_t size = bitWidth(dtype) / 8;
      for (int64_t i = 0; i < type.getNumElements(); ++i)
        std::memcpy(tensor.as<char>() + i * size, dense.getRawData().data(), size);
    } else {
      std::memcpy(tensor.data, dense.getRawData().data(), dense.getRawData().size());
    }
    return tensor;
  }
  if (!dense.isSplat() && !isPacked(dtype) && dtype != DType::Bool) {
    std::memcpy(tensor.data, dense.getRawData().data(), dense.getRawData().size());
    return tensor;
  }
  if (dtype == DType::Bool) {
    for (auto [i, value] : llvm::enumerate(dense.getValues<bool>()))
      tensor.as<unsigned char>()[i] = value;
    return tensor;
  }
  if (isa<FloatType>(type.getElementType()))
    writeBits(tensor,
              llvm::map_range(dense.getValues<APFloat>(), [](const APFloat &value) { return value.bitcastToAPInt(); }));
  else
    writeBits(tensor, dense.getValues<APInt>());
  return tensor;
}

DenseElementsAttr reference::toElements(const HostTensor &tensor, Type element) {
  if (bess::getDType(element) != tensor.dtype || !tensor.isValid())
    return {};
  auto type = RankedTensorType::get(tensor.shape, element);
  int64_t count = tensor.elementCount();
  if (tensor.dtype == DType::String) {
    SmallVector<StringRef> strings;
    for (int64_t i = 0; i < count; ++i)
      strings.push_back(tensor.as<std::string>()[i]);
    return DenseElementsAttr::get(type, strings);
  }
  if (tensor.dtype == DType::Bool) {
    SmallVector<bool> values;
    for (int64_t i = 0; i < count; ++i)
      values.push_back(tensor.as<unsigned char>()[i]);
    if (count > 1 && llvm::all_equal(values))
      values.truncate(1);
    return DenseElementsAttr::get(type, values);
  }
  if (!isPacked(tensor.dtype)) {
    // Elements that are all equal are kept once: shapes and masks often are.
    ArrayRef<char> bytes(tensor.as<char>(), tensor.sizeInBytes());
    size_t size = bitWidth(tensor.dtype) / 8;
    if (count > 1 && std::memcmp(bytes.data(), bytes.data() + size, bytes.size() - size) == 0)
      bytes = bytes.take_front(size);
    return DenseElementsAttr::getFromRawBuffer(type, bytes);
  }
  unsigned width = bitWidth(tensor.dtype);
  SmallVector<APInt> bits;
  for (int64_t i = 0; i < count; ++i)
    bits.push_back(APInt(width, (tensor.as<unsigned char>()[i * width / 8] >> (i * width % 8)) & ((1u << width) - 1)));
  auto floating = dyn_cast<FloatType>(element);
  if (!floating)
    return DenseElementsAttr::get(type, bits);
  SmallVector<APFloat> values;
  for (const APInt &pattern : bits)
    values.push_back(APFloat(floating.getFloatSemantics(), pattern));
  return DenseElementsAttr::get(type, values);
}

HostTensor reference::readWeight(bess::WeightOp weight, WeightFiles &files, std::string &error) {
  auto type = cast<RankedTensorType>(weight.getY().getType());
  bess::SourceAttr source = weight.getSource();
  DType dtype = bess::getDType(type);
  std::optional<WeightEncoding> encoding = parseWeightEncoding(std::string_view(source.getEncoding()));
  if (!type.hasStaticShape() || dtype == DType::Undefined || dtype == DType::String || !encoding) {
    error = "expected a weight of static shape and a known element type and encoding";
    return {};
  }
  std::optional<std::string_view> bytes = files.bytes(source.getFile(), source.getOffset(), source.getLength(), error);
  if (!bytes)
    return {};
  size_t alignment = std::max(1u, bitWidth(dtype) / 8);
  if (*encoding == WeightEncoding::Raw && reinterpret_cast<uintptr_t>(bytes->data()) % alignment == 0 &&
      static_cast<int64_t>(bytes->size()) == byteSize(dtype, type.getNumElements()) && type.getNumElements() > 0)
    return HostTensor::view(dtype, type.getShape(), bytes->data());
  HostTensor tensor = HostTensor::make(dtype, type.getShape());
  if (!tensor.isValid()) {
    error = "expected a weight that fits into memory";
    return {};
  }
  if (!decodeWeight(*bytes, *encoding, dtype, type.getNumElements(), tensor.data, error))
    return {};
  return tensor;
}
