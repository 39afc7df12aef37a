// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// exp and erf of f32 in few instructions, with a stated bound of their error.
#pragma once

#include "mlir/IR/PatternMatch.h"

namespace bessemer {

/// math.exp: at most 1 ulp from the exact value; results below 1.7e-38 are 0.
void addExpPattern(mlir::RewritePatternSet &patterns);
/// math.erf: at most 2e-7 and 4 ulp from the exact value; exactly 1 where |x| >= 3.84.
void addErfPattern(mlir::RewritePatternSet &patterns);

} // namespace bessemer
