// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Layout/ImageLayout.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;

SmallVector<int64_t> bessemer::toLastPermutation(int64_t rank) {
  SmallVector<int64_t> permutation = {0};
  for (int64_t i = 2; i < rank; ++i)
    permutation.push_back(i);
  permutation.push_back(1);
  return permutation;
}

static SmallVector<int64_t> fromLastPermutation(int64_t rank) {
  SmallVector<int64_t> permutation = {0, rank - 1};
  for (int64_t i = 1; i < rank - 1; ++i)
    permutation.push_back(i);
  return permutation;
}

static Type permuted(Type type, ArrayRef<int64_t> permutation) {
  auto dims = getDims(type);
  SmallVector<SymbolicExpr> turned;
  for (int64_t from : permutation)
    turned.push_back(dims[from]);
  return getTensorType(turned, getElementTypeOrSelf(type));
}

Type bessemer::lastType(Type first) {
  return permuted(first, toLastPermutation(cast<RankedTensorType>(first).getRank()));
}

static bool isReshape(Type type, ArrayRef<int64_t> permutation) {
  auto dims = getDims(type);
  int64_t previous = -1;
  for (int64_t from : permutation) {
    if (dims[from] == SymbolicExpr::constant(1))
      continue;
    if (from < previous)
      return false;
    previous = from;
  }
  return true;
}

bool bessemer::isReshapeToLast(Type first) {
  return isReshape(first, toLastPermutation(cast<RankedTensorType>(first).getRank()));
}

bool bessemer::isToLast(Operation *op) {
  auto transpose = dyn_cast<TransposeOp>(op);
  return transpose && transpose.getPermutation().size() >= 3 &&
         transpose.getPermutation() == ArrayRef(toLastPermutation(transpose.getPermutation().size()));
}
bool bessemer::isFromLast(Operation *op) {
  auto transpose = dyn_cast<TransposeOp>(op);
  return transpose && transpose.getPermutation().size() >= 3 &&
         transpose.getPermutation() == ArrayRef(fromLastPermutation(transpose.getPermutation().size()));
}

static Value turn(OpBuilder &builder, Location loc, Value value, ArrayRef<int64_t> permutation) {
  if (isReshape(value.getType(), permutation))
    return ReshapeOp::create(builder, loc, permuted(value.getType(), permutation), value);
  return TransposeOp::create(builder, loc, value, permutation);
}

Value bessemer::toLast(OpBuilder &builder, Location loc, Value first) {
  return turn(builder, loc, first, toLastPermutation(cast<RankedTensorType>(first.getType()).getRank()));
}
Value bessemer::fromLast(OpBuilder &builder, Location loc, Value last) {
  return turn(builder, loc, last, fromLastPermutation(cast<RankedTensorType>(last.getType()).getRank()));
}
Value bessemer::transposeToLast(OpBuilder &builder, Location loc, Value first) {
  return TransposeOp::create(builder, loc, first, toLastPermutation(cast<RankedTensorType>(first.getType()).getRank()));
}
Value bessemer::transposeFromLast(OpBuilder &builder, Location loc, Value last) {
  return TransposeOp::create(builder, loc, last, fromLastPermutation(cast<RankedTensorType>(last.getType()).getRank()));
}
