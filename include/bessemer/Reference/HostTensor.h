// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A tensor in host memory with its memory, and the ways to and from the
// constants of the IR.
#pragma once

#include "bessemer/Kernels/Kernels.h"
#include "bessemer/Support/WeightFiles.h"

#include "dialects/Bess/Bess.h"
#include "mlir/IR/BuiltinAttributes.h"

#include <memory>

namespace bessemer::reference {

/// A kernels::TensorRef that keeps its memory alive. Copies share it; nothing
/// writes to a tensor after it was made.
struct HostTensor : kernels::TensorRef {
  std::shared_ptr<void> memory;

  /// Contiguous and zeroed (strings: empty). Invalid (`dtype` Undefined) when
  /// the size is negative or beyond 2^40 bytes.
  static HostTensor make(DType dtype, llvm::ArrayRef<int64_t> shape);
  /// On bytes that somebody else keeps alive.
  static HostTensor view(DType dtype, llvm::ArrayRef<int64_t> shape, const void *data);

  bool isValid() const { return dtype != DType::Undefined; }
  int64_t sizeInBytes() const { return byteSize(dtype, elementCount()); }
  template <class T> T *as() const { return static_cast<T *>(data); }
};

/// The same values as element type `to` (as `bess.cast`); invalid and a
/// sentence in `error` when there is no such conversion.
HostTensor convert(const HostTensor &tensor, DType to, std::string &error);

/// Elements of the IR in memory. Null `elements`, or an element type that has
/// no DType, gives an invalid tensor.
HostTensor fromElements(mlir::ElementsAttr elements);

/// The tensor as a constant of this element type; its DType must be the
/// tensor's. Null otherwise.
mlir::DenseElementsAttr toElements(const HostTensor &tensor, mlir::Type element);

/// The elements of a weight: a view of the mapped file where that is possible.
HostTensor readWeight(bess::WeightOp weight, WeightFiles &files, std::string &error);

} // namespace bessemer::reference
