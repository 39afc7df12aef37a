// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Parts of the depth of a product (`chooseDepthParts`) whose rows are normalized: the kernel that adds the parts does
// that, too, where one part has a kernel for it behind it, so that parts cost no launch.
#pragma once

#include "bessemer/Algorithms/GpuMatmulSchedule.h"

namespace bessemer {

/// `wholeCycles` are with the normalization's kernel.
GpuDepthParts chooseNormalizedDepthParts(const GpuMatmulShape &shape, const GpuMachine &machine);

} // namespace bessemer
