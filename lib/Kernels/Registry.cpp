// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The table of kernels, and the way from a KernelCall to a Context and back.
#include "Context.h"
#include "Loops.h"

#include <new>

namespace bessemer::kernels {
namespace {

using Table = std::map<std::string_view, Kernel>;

const Table &table() {
  static const Table kernels = [] {
    Table all;
    for (auto list :
         {elementwiseKernels(), binaryKernels(),    castKernels(),     quantizeKernels(),   moveKernels(),
          indexKernels(),       scatterKernels(),   generateKernels(), matmulKernels(),     reduceKernels(),
          normalizeKernels(),   attentionKernels(), convKernels(),     poolKernels(),       winogradKernels(),
          recurrentKernels(),   sortKernels(),      resizeKernels(),   gridSampleKernels(), detectionKernels(),
          signalKernels()})
      for (const KernelEntry &entry : list)
        all.emplace(entry.name, entry.run);
    return all;
  }();
  return kernels;
}

void unpack(const TensorRef &ref, int64_t count, uint8_t *to) {
  unsigned bits = bitWidth(ref.dtype), perByte = 8 / bits;
  const auto *from = static_cast<const uint8_t *>(ref.data);
  for (int64_t i = 0; i < count; ++i)
    to[i] = (from[i / perByte] >> (i % perByte * bits)) & ((1u << bits) - 1);
}

void pack(const TensorRef &ref, int64_t count, const uint8_t *from) {
  unsigned bits = bitWidth(ref.dtype), perByte = 8 / bits;
  auto *to = static_cast<uint8_t *>(ref.data);
  std::fill_n(to, byteSize(ref.dtype, count), 0);
  for (int64_t i = 0; i < count; ++i)
    to[i / perByte] |= (from[i] & ((1u << bits) - 1)) << (i % perByte * bits);
}

bool isContiguous(const TensorRef &ref) {
  return ref.strides.empty() || product(ref.shape) <= 1 || ref.strides == contiguousStrides(ref.shape);
}

void checkRef(const TensorRef &ref, const char *what, size_t i) {
  std::string which = std::string(what) + " " + std::to_string(i);
  if (ref.dtype == DType::Undefined || name(ref.dtype) == "undefined")
    fail("expected " + which + " to have an element type");
  int64_t count = product(ref.shape);
  if (!ref.strides.empty() && ref.strides.size() != ref.shape.size())
    fail("expected one stride for each dimension of " + which);
  if (!ref.data && count > 0)
    fail("expected " + which + " to have memory");
  if (isPacked(ref.dtype) && !isContiguous(ref))
    fail("expected " + which + " of a packed type to be contiguous");
}

// What stands for the memory of a tensor without elements.
alignas(16) unsigned char nothing[sizeof(std::string)];
} // namespace

struct CallAdapter {
  Context &context;
  const KernelCall &call;

  /// Fresh memory that lives as long as the call.
  void *make(DType dtype, int64_t count) { return context.buffers.emplace_back(dtype, count).data(); }

  void takeInputs() {
    for (size_t i = 0; i < call.inputs.size(); ++i) {
      const TensorRef *ref = call.inputs[i];
      Tensor &tensor = context.inputs.emplace_back();
      if (!ref)
        continue;
      checkRef(*ref, "operand", i);
      int64_t count = product(ref->shape);
      tensor = {ref->dtype, ref->shape, count > 0 ? ref->data : nothing};
      if (count == 0)
        continue;
      if (isPacked(ref->dtype)) {
        tensor.data = make(ref->dtype, count);
        unpack(*ref, count, tensor.as<uint8_t>());
      } else if (!isContiguous(*ref)) {
        tensor.data = make(ref->dtype, count);
        copyStrided(ref->dtype, ref->shape, tensor.data, contiguousStrides(ref->shape), 0, ref->data, ref->strides, 0);
      }
    }
  }

  void takeOutputs() {
    for (size_t i = 0; i < call.outputs.size(); ++i) {
      TensorRef &ref = call.outputs[i];
      Tensor &tensor = context.outputs.emplace_back();
      tensor = {ref.dtype, ref.shape, nullptr};
      bool open = std::find(ref.shape.begin(), ref.shape.end(), -1) != ref.shape.end();
      if (open && !ref.data)
        continue; // allocated when the kernel knows the shape
      checkRef(ref, "result", i);
      int64_t count = product(ref.shape);
      if (count == 0)
        tensor.data = nothing;
      else if (isPacked(ref.dtype) || !isContiguous(ref))
        tensor.data = make(ref.dtype, count);
      else
        tensor.data = ref.data;
    }
  }

  void giveOutputs() {
    for (size_t i = 0; i < call.outputs.size(); ++i) {
      TensorRef &ref = call.outputs[i];
      const Tensor &tensor = context.outputs[i];
      if (tensor.data == ref.data || !tensor.data || tensor.count() == 0)
        continue;
      if (isPacked(ref.dtype))
        pack(ref, tensor.count(), tensor.as<uint8_t>());
      else
        copyStrided(ref.dtype, ref.shape, ref.data, ref.strides, 0, tensor.data, contiguousStrides(ref.shape), 0);
    }
  }
};

int64_t TensorRef::elementCount() const {
  int64_t count = 1;
  for (int64_t extent : shape)
    count *= extent;
  return count;
}

Result runKernel(const KernelCall &call) {
  try {
    auto found = table().find(call.op);
    if (found == table().end())
      return {"expected the name of a kernel, got '" + std::string(call.op) + "'"};
    Context context(call);
    CallAdapter adapter{context, call};
    adapter.takeInputs();
    adapter.takeOutputs();
    found->second(context);
    adapter.giveOutputs();
    return {};
  } catch (const KernelError &error) {
    return {error.text};
  } catch (const std::bad_alloc &) {
    return {"expected enough memory for '" + std::string(call.op) + "', got too little"};
  } catch (const std::exception &error) {
    return {"kernel '" + std::string(call.op) + "' failed: " + error.what()};
  }
}

bool hasKernel(std::string_view op) { return table().count(op) > 0; }

std::vector<std::string_view> kernelNames() {
  std::vector<std::string_view> names;
  for (const auto &entry : table())
    names.push_back(entry.first);
  return names;
}

} // namespace bessemer::kernels
