// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ops whose result is a range of bytes of another tensor, or the other way
// round, so that nothing has to move. The fuse phase leaves them alone, the plan
// phase gives them their places.
#pragma once

#include "dialects/Bess/Bess.h"

#include <optional>

namespace bessemer::bess {

/// The offset in bytes when the slice is one range of the operand's bytes.
///
///   slice of [4, 8] f32 at [1, 0], [2, 8] elements  ->  32
std::optional<SymbolicExpr> contiguousOffset(SliceOp slice);

/// What the op's result is a view of: of a reshape, of a slice that is one range. Null for others, and for a null op.
mlir::Value viewedBy(mlir::Operation *op);

/// Are the operands one range of the result's bytes each, one after the other?
/// So when all dimensions before the axis are 1.
bool isContiguousConcat(ConcatOp concat);

} // namespace bessemer::bess
