// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// `bess.tensor_maps` of a lowered kernel: one entry for each of its last parameters.
#pragma once

#include "bessemer/Algorithms/TensorMapPlan.h"

#include "mlir/IR/Operation.h"

namespace bessemer {

std::vector<TensorMapPlan> readTensorMaps(mlir::Operation *kernel);

} // namespace bessemer
