// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Functions for which a GPU has no instruction and upstream no polynomial: it
// would call the C library. f32 is computed in f64 (half the rate on the devices that we
// have code for), so that range and rounding take care of themselves; f64 to a few ulp.
#pragma once

#include "mlir/IR/PatternMatch.h"

namespace bessemer::gpu {

/// sin, cos, tan, pow, inverse and hyperbolic functions of f32 and f64; of f64 all the others of `math`, too.
void populateDeviceMath(mlir::RewritePatternSet &patterns);

/// exp of f32 by the instruction for powers of two, corrected: within 4 ulp, in eight instructions.
void addExpByInstruction(mlir::RewritePatternSet &patterns);
/// 2^x of an f32, within 2 ulp; denormal results are 0.
mlir::Value exp2ByInstruction(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x);

} // namespace bessemer::gpu
