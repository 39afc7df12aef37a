// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a kernel is given. `runKernel` turns a KernelCall into a Context whose
// tensors are simple: contiguous, and with at least one byte for each element
// (a packed i4 arrives as a byte with the four bits in its low half). So no
// kernel knows strides or packing.
//
// Inside of this library an operand that does not fit throws KernelError;
// `runKernel` catches it and returns its text.
#pragma once

#include "bessemer/Kernels/Kernels.h"

#include <memory>

namespace bessemer::kernels {

using Shape = std::vector<int64_t>;

struct KernelError {
  std::string text;
};
[[noreturn]] void fail(std::string text);
/// For conditions whose message needs no values.
inline void expect(bool condition, const char *text) {
  if (!condition)
    fail(text);
}
std::string str(int64_t value);
std::string str(std::span<const int64_t> shape); ///< "[2, 3]"

/// Product of the dimensions; fails when negative or beyond 2^62.
int64_t product(std::span<const int64_t> shape);
/// Row-major strides, in elements.
Shape contiguousStrides(std::span<const int64_t> shape);
/// `axis` counted from the end when negative; fails outside of [-rank, rank).
int64_t normalizeAxis(int64_t axis, int64_t rank);
/// `index` counted from the end when negative; fails outside of [-extent, extent).
inline int64_t normalizeIndex(int64_t index, int64_t extent) {
  if (index < -extent || index >= extent)
    fail("expected an index in [" + str(-extent) + ", " + str(extent) + "), got " + str(index));
  return index < 0 ? index + extent : index;
}

/// Bytes that an element takes inside of the kernels.
size_t elementSize(DType dtype);

/// Memory for elements, strings included.
class Buffer {
public:
  Buffer() = default;
  Buffer(DType dtype, int64_t count);
  void *data() const { return isText ? static_cast<void *>(strings.get()) : bytes.get(); }

private:
  bool isText = false;
  std::unique_ptr<std::string[]> strings;
  std::unique_ptr<unsigned char[]> bytes;
};

struct Tensor {
  DType dtype = DType::Undefined;
  Shape shape;
  void *data = nullptr;

  int64_t rank() const { return static_cast<int64_t>(shape.size()); }
  int64_t count() const { return product(shape); }
  /// Product of the dimensions in [from, to).
  int64_t count(int64_t from, int64_t to) const;
  template <class T> T *as() const { return static_cast<T *>(data); }
};

/// Fails when the element type of result `y` is not that of operand `x`.
void expectSameType(const Tensor &x, const Tensor &y);

class Context {
public:
  explicit Context(const KernelCall &call) : call(call) {}

  std::string_view op() const { return call.op; }
  size_t inputCount() const { return inputs.size(); }
  size_t outputCount() const { return outputs.size(); }
  /// An operand that must be there.
  const Tensor &in(size_t i) const;
  /// An operand that may be absent: null then.
  const Tensor *optional(size_t i) const;
  /// A result whose shape the caller knew; `shape`, when given, is checked.
  Tensor &out(size_t i = 0);
  Tensor &out(size_t i, const Shape &shape);
  /// A result whose shape only the data tells: sets it and allocates.
  Tensor &allocate(size_t i, const Shape &shape);

  bool has(std::string_view name) const { return call.attributes.find(name) != call.attributes.end(); }
  int64_t integer(std::string_view name) const;
  int64_t integer(std::string_view name, int64_t absent) const;
  /// An expression over symbols, which have their values by now: an integer, or its text.
  int64_t expression(std::string_view name) const;
  bool flag(std::string_view name, bool absent = false) const { return integer(name, absent) != 0; }
  double real(std::string_view name) const;
  double real(std::string_view name, double absent) const;
  std::string text(std::string_view name) const;
  std::string text(std::string_view name, std::string_view absent) const;
  /// Lists; an absent one is empty.
  Shape integers(std::string_view name) const;
  std::vector<double> reals(std::string_view name) const;
  std::vector<std::string> texts(std::string_view name) const;
  int64_t axis(std::string_view name, int64_t rank) const { return normalizeAxis(integer(name), rank); }

private:
  friend struct CallAdapter;
  const AttributeValue &attribute(std::string_view name) const;

  const KernelCall &call;
  std::vector<Tensor> inputs; ///< data null and dtype Undefined: absent
  std::vector<Tensor> outputs;
  std::vector<Buffer> buffers; ///< of unpacked operands and results
};

using Kernel = void (*)(Context &);

struct KernelEntry {
  std::string_view name;
  Kernel run;
};

// The kernels of each file, listed at its end.
std::span<const KernelEntry> elementwiseKernels();
std::span<const KernelEntry> binaryKernels();
std::span<const KernelEntry> castKernels();
std::span<const KernelEntry> quantizeKernels();
std::span<const KernelEntry> moveKernels();
std::span<const KernelEntry> indexKernels();
std::span<const KernelEntry> scatterKernels();
std::span<const KernelEntry> generateKernels();
std::span<const KernelEntry> matmulKernels();
std::span<const KernelEntry> reduceKernels();
std::span<const KernelEntry> normalizeKernels();
std::span<const KernelEntry> attentionKernels();
std::span<const KernelEntry> convKernels();
std::span<const KernelEntry> poolKernels();
std::span<const KernelEntry> winogradKernels();
std::span<const KernelEntry> recurrentKernels();
std::span<const KernelEntry> sortKernels();
std::span<const KernelEntry> resizeKernels();
std::span<const KernelEntry> gridSampleKernels();
std::span<const KernelEntry> detectionKernels();
std::span<const KernelEntry> signalKernels();

} // namespace bessemer::kernels
