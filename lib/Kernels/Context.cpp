// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Context.h"

#include <charconv>

namespace bessemer::kernels {

void fail(std::string text) { throw KernelError{std::move(text)}; }

std::string str(int64_t value) { return std::to_string(value); }

std::string str(std::span<const int64_t> shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i)
    text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

int64_t product(std::span<const int64_t> shape) {
  int64_t count = 1;
  bool empty = false;
  for (int64_t extent : shape) {
    if (extent < 0)
      fail("expected dimensions of at least 0, got shape " + str(shape));
    empty |= extent == 0;
  }
  if (empty)
    return 0;
  for (int64_t extent : shape)
    if (__builtin_mul_overflow(count, extent, &count) || count > int64_t{1} << 56)
      fail("expected fewer than 2^56 elements, got shape " + str(shape));
  return count;
}

Shape contiguousStrides(std::span<const int64_t> shape) {
  Shape strides(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= std::max<int64_t>(shape[i], 1);
  }
  return strides;
}

int64_t normalizeAxis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank)
    fail("expected an axis in [" + str(-rank) + ", " + str(rank) + "), got " + str(axis));
  return axis < 0 ? axis + rank : axis;
}

size_t elementSize(DType dtype) {
  if (dtype == DType::String)
    return sizeof(std::string);
  return (bitWidth(dtype) + 7) / 8;
}

Buffer::Buffer(DType dtype, int64_t count) : isText(dtype == DType::String) {
  if (isText)
    strings = std::make_unique<std::string[]>(static_cast<size_t>(count));
  else
    bytes = std::make_unique<unsigned char[]>(static_cast<size_t>(count) * elementSize(dtype));
}

int64_t Tensor::count(int64_t from, int64_t to) const {
  return product(std::span(shape).subspan(static_cast<size_t>(from), static_cast<size_t>(to - from)));
}

void expectSameType(const Tensor &x, const Tensor &y) {
  if (x.dtype != y.dtype)
    fail("expected a result of type " + std::string(name(x.dtype)) + ", got " + std::string(name(y.dtype)));
}

const Tensor &Context::in(size_t i) const {
  const Tensor *tensor = optional(i);
  if (!tensor)
    fail("expected operand " + std::to_string(i) + " to be present");
  return *tensor;
}

const Tensor *Context::optional(size_t i) const {
  return i < inputs.size() && inputs[i].dtype != DType::Undefined ? &inputs[i] : nullptr;
}

Tensor &Context::out(size_t i) {
  if (i >= outputs.size())
    fail("expected at least " + std::to_string(i + 1) + " results, got " + std::to_string(outputs.size()));
  if (!outputs[i].data)
    fail("expected memory for result " + std::to_string(i));
  return outputs[i];
}

Tensor &Context::out(size_t i, const Shape &shape) {
  Tensor &tensor = out(i);
  if (tensor.shape != shape)
    fail("expected a result of shape " + str(shape) + ", got " + str(tensor.shape));
  return tensor;
}

Tensor &Context::allocate(size_t i, const Shape &shape) {
  if (i >= outputs.size())
    fail("expected at least " + std::to_string(i + 1) + " results, got " + std::to_string(outputs.size()));
  if (outputs[i].data)
    return out(i, shape);
  TensorRef &ref = call.outputs[i];
  int64_t count = product(shape);
  int64_t bytes =
      ref.dtype == DType::String ? count * static_cast<int64_t>(sizeof(std::string)) : byteSize(ref.dtype, count);
  if (!call.allocate)
    fail("expected memory for result " + std::to_string(i) + " or a way to allocate it");
  void *memory = call.allocate(i, bytes);
  if (!memory && bytes > 0)
    fail("expected " + str(bytes) + " bytes for result " + std::to_string(i) + ", got none");
  ref.shape = shape;
  ref.strides.clear();
  ref.data = memory;
  outputs[i].shape = shape;
  if (isPacked(ref.dtype)) {
    buffers.emplace_back(ref.dtype, count);
    outputs[i].data = buffers.back().data();
  } else {
    static unsigned char nothing[16];
    outputs[i].data = memory ? memory : nothing;
  }
  return outputs[i];
}

const AttributeValue &Context::attribute(std::string_view name) const {
  auto found = call.attributes.find(name);
  if (found == call.attributes.end())
    fail("expected an attribute '" + std::string(name) + "'");
  return found->second;
}

int64_t Context::integer(std::string_view name) const {
  if (const auto *value = std::get_if<int64_t>(&attribute(name)))
    return *value;
  fail("expected attribute '" + std::string(name) + "' to be an integer");
}

int64_t Context::integer(std::string_view name, int64_t absent) const { return has(name) ? integer(name) : absent; }

int64_t Context::expression(std::string_view name) const {
  const auto *text = std::get_if<std::string>(&attribute(name));
  if (!text)
    return integer(name);
  int64_t value = 0;
  auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size())
    fail("expected attribute '" + std::string(name) + "' to be an integer, got '" + *text + "'");
  return value;
}

double Context::real(std::string_view name) const {
  const AttributeValue &value = attribute(name);
  if (const auto *real = std::get_if<double>(&value))
    return *real;
  if (const auto *whole = std::get_if<int64_t>(&value))
    return static_cast<double>(*whole);
  fail("expected attribute '" + std::string(name) + "' to be a number");
}

double Context::real(std::string_view name, double absent) const { return has(name) ? real(name) : absent; }

std::string Context::text(std::string_view name) const {
  if (const auto *value = std::get_if<std::string>(&attribute(name)))
    return *value;
  fail("expected attribute '" + std::string(name) + "' to be a string");
}

std::string Context::text(std::string_view name, std::string_view absent) const {
  return has(name) ? text(name) : std::string(absent);
}

Shape Context::integers(std::string_view name) const {
  if (!has(name))
    return {};
  const AttributeValue &value = attribute(name);
  if (const auto *list = std::get_if<std::vector<int64_t>>(&value))
    return *list;
  // An empty list does not say of what.
  if (const auto *list = std::get_if<std::vector<double>>(&value); list && list->empty())
    return {};
  fail("expected attribute '" + std::string(name) + "' to be a list of integers");
}

std::vector<double> Context::reals(std::string_view name) const {
  if (!has(name))
    return {};
  const AttributeValue &value = attribute(name);
  if (const auto *list = std::get_if<std::vector<double>>(&value))
    return *list;
  if (const auto *list = std::get_if<std::vector<int64_t>>(&value))
    return {list->begin(), list->end()};
  fail("expected attribute '" + std::string(name) + "' to be a list of numbers");
}

std::vector<std::string> Context::texts(std::string_view name) const {
  if (!has(name))
    return {};
  if (const auto *list = std::get_if<std::vector<std::string>>(&attribute(name)))
    return *list;
  fail("expected attribute '" + std::string(name) + "' to be a list of strings");
}

} // namespace bessemer::kernels
