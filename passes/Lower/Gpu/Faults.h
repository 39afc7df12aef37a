// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Faults in the data (tile.check): a number in a word that the executor looks at after the launch.
#pragma once

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace bessemer::gpu {

/// Where `wrong` (i1) holds, the number of `what` goes to `faults`.
void recordFault(mlir::ImplicitLocOpBuilder &b, mlir::Value wrong, mlir::Value faults, llvm::StringRef what);
/// The opposite of an i1.
mlir::Value negated(mlir::ImplicitLocOpBuilder &b, mlir::Value ok);

} // namespace bessemer::gpu
