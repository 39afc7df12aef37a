// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Bess/Views.h"

#include "dialects/Bess/DTypes.h"

using namespace mlir;
using namespace bessemer;

std::optional<SymbolicExpr> bess::contiguousOffset(SliceOp slice) {
  unsigned bits = bitWidth(getDType(slice.getX().getType()));
  if (bits == 0 || bits % 8)
    return std::nullopt;
  SmallVector<SymbolicExpr> whole = getDims(slice.getX().getType());
  SmallVector<SymbolicExpr> part = getDims(slice.getY().getType());
  SmallVector<SymbolicExpr> offsets = parseDims(slice.getOffsets());
  const SymbolicExpr one(1), zero(0);
  SymbolicExpr stride = bits / 8, offset = 0;
  // From the innermost dimension: whole ones, then one part, then single ones.
  bool partial = false;
  for (int64_t d = int64_t(whole.size()) - 1; d >= 0; --d) {
    if (part[d] != one) {
      bool full = part[d] == whole[d] && offsets[d] == zero;
      if (slice.getSteps()[d] != 1 || partial)
        return std::nullopt;
      partial = !full;
    } else if (whole[d] != one) {
      partial = true;
    }
    offset += offsets[d] * stride;
    stride *= whole[d];
  }
  if (!offset.isValid())
    return std::nullopt;
  return offset;
}

bool bess::isContiguousConcat(ConcatOp concat) {
  unsigned bits = bitWidth(getDType(concat.getY().getType()));
  SmallVector<SymbolicExpr> dims = getDims(concat.getY().getType());
  int64_t axis = concat.getAxis();
  if (bits == 0 || bits % 8 || axis >= int64_t(dims.size()))
    return false;
  return llvm::all_of(ArrayRef<SymbolicExpr>(dims).take_front(axis),
                      [](const SymbolicExpr &dim) { return dim == SymbolicExpr(1); });
}

Value bess::viewedBy(Operation *op) {
  if (auto reshape = dyn_cast_or_null<ReshapeOp>(op))
    return reshape.getX();
  if (auto slice = dyn_cast_or_null<SliceOp>(op); slice && contiguousOffset(slice))
    return slice.getX();
  return {};
}
