// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Plain kernels for every op of the `bess` dialect, on strided buffers, without
// MLIR. One piece of code with three uses: the numeric oracle (float tensors
// given as f64), the compiler's constant folder, and the runtime's last resort.
// They are written to be read and to be right, not to be fast.
//
// An op is known by its name in the dialect without the prefix ("matmul"), its
// attributes by theirs (dialects/Bess/*.td says what they mean). Example:
//
//   Attributes attributes{{"axis", int64_t{1}}};
//   std::vector<const TensorRef *> inputs{&x, &indices};
//   Result result = runKernel({"gather", attributes, inputs, outputs});
#pragma once

#include "bessemer/Support/DType.h"

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace bessemer::kernels {

/// A tensor in memory that somebody else owns. Strides count elements; packed
/// types (i4 …) are contiguous. Strings are `std::string` objects.
struct TensorRef {
  DType dtype = DType::Undefined;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides; ///< empty: contiguous, row-major
  void *data = nullptr;

  int64_t elementCount() const;
};

/// How attributes of the dialect arrive: integers and bools as int64_t; unit
/// attributes as 1 (absent: not in the map); types as the name of the DType;
/// `#bess.dims` and expressions over symbols with their values put in.
using AttributeValue =
    std::variant<int64_t, double, std::string, std::vector<int64_t>, std::vector<double>, std::vector<std::string>>;
using Attributes = std::map<std::string, AttributeValue, std::less<>>;

struct KernelCall {
  std::string_view op;
  const Attributes &attributes;
  std::span<const TensorRef *const> inputs; ///< null: an absent optional operand
  /// dtype and shape are set and data points to enough bytes, except for ops
  /// whose result shapes only the data tells (nonzero, unique, compress,
  /// non_max_suppression): those have data == nullptr and -1 in the shape, and
  /// the kernel sets the shape and asks `allocate` for the memory.
  std::span<TensorRef> outputs;
  std::function<void *(size_t output, int64_t bytes)> allocate = {};
};

/// Empty when all went well, else a sentence for a diagnostic ("expected an
/// index in [-3, 3), got 7").
struct Result {
  std::string error;
  bool ok() const { return error.empty(); }
};

/// Runs the op. Never throws, never reads or writes outside of the tensors:
/// operands that do not fit give an error.
Result runKernel(const KernelCall &call);

/// Is there a kernel of this name?
bool hasKernel(std::string_view op);

/// All names, sorted.
std::vector<std::string_view> kernelNames();

} // namespace bessemer::kernels
