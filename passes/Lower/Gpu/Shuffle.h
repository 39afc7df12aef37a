// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Values of other lanes of a warp.
#pragma once

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace bessemer::gpu {

/// The value of the lane whose number differs in the bits of `laneBit`; all lanes take part.
mlir::Value shuffleButterfly(mlir::ImplicitLocOpBuilder &b, mlir::Value value, int64_t laneBit);

} // namespace bessemer::gpu
