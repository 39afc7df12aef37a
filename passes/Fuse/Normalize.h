// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Patterns that say an op by ops that have good programs.
#pragma once

#include "dialects/Bess/Bess.h"

#include "mlir/IR/PatternMatch.h"

namespace bessemer::fuse {

/// Puts the op's decomposition in its place, or fails and changes nothing.
llvm::LogicalResult decompose(bess::CompositeOp op, mlir::RewriterBase &rewriter);

/// Transposed convolution by convolution.
void addConvTransposePatterns(mlir::RewritePatternSet &patterns);

} // namespace bessemer::fuse
