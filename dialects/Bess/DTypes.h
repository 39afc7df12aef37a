// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Element types: from MLIR's to those of the runtime and the kernels, and back.
#pragma once

#include "bessemer/Support/DType.h"

#include "mlir/IR/Types.h"

namespace bessemer::bess {

/// The element type of a tensor type, or of an element type itself. Undefined
/// when the runtime has none (index, odd widths).
DType getDType(mlir::Type type);

/// Null for strings and Undefined.
mlir::Type getElementType(mlir::MLIRContext *context, DType dtype);

} // namespace bessemer::bess
