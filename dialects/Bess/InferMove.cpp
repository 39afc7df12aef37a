// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Result types of the ops that move elements.
#include "dialects/Bess/Infer.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::bess::infer;

using Types = SmallVectorImpl<Type>;

static LogicalResult checkIndices(OptLoc loc, Value indices) {
  Type element = elementOf(indices);
  if (!element.isInteger(32) && !element.isInteger(64))
    return emitOptionalError(loc, "expected indices of i32 or i64, got ", element);
  return success();
}

LogicalResult TransposeOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  Dims dims = dimsOf(adaptor.getX()), result;
  ArrayRef<int64_t> permutation = adaptor.getPermutation();
  if (permutation.size() != dims.size())
    return emitOptionalError(loc, "expected a permutation of ", dims.size(), " axes, got ", permutation.size());
  if (failed(checkAxes(loc, permutation, dims.size())))
    return failure();
  for (int64_t axis : permutation)
    result.push_back(dims[axis]);
  types.push_back(getTensorType(result, elementOf(adaptor.getX())));
  return success();
}

LogicalResult ConcatOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  if (adaptor.getXs().empty())
    return emitOptionalError(loc, "expected at least one operand");
  Value first = adaptor.getXs().front();
  Dims dims = dimsOf(first);
  int64_t axis = adaptor.getAxis();
  if (failed(checkAxis(loc, axis, dims.size())))
    return failure();
  for (Value x : adaptor.getXs().drop_front()) {
    if (failed(checkRank(loc, x, "operands", dims.size())) ||
        failed(checkSameElement(loc, first, x, "the operands", "each other")))
      return failure();
    for (auto [i, dim] : llvm::enumerate(dimsOf(x)))
      if (static_cast<int64_t>(i) == axis)
        dims[i] += dim;
      else if (failed(unify(loc, dims[i], dim, "dimensions other than the axis")))
        return failure();
  }
  types.push_back(getTensorType(dims, elementOf(first)));
  return success();
}

LogicalResult ReverseOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  types.push_back(adaptor.getX().getType());
  return checkAxes(loc, adaptor.getAxes(), dimsOf(adaptor.getX()).size());
}

LogicalResult GatherOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  Dims dims = dimsOf(adaptor.getX()), indices = dimsOf(adaptor.getIndices());
  int64_t axis = adaptor.getAxis();
  if (failed(checkAxis(loc, axis, dims.size())) || failed(checkIndices(loc, adaptor.getIndices())))
    return failure();
  Dims result(dims.begin(), dims.begin() + axis);
  result.append(indices);
  result.append(dims.begin() + axis + 1, dims.end());
  types.push_back(getTensorType(result, elementOf(adaptor.getX())));
  return success();
}

LogicalResult GatherElementsOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  Dims dims = dimsOf(adaptor.getX()), indices = dimsOf(adaptor.getIndices());
  if (failed(checkAxis(loc, adaptor.getAxis(), dims.size())) || failed(checkIndices(loc, adaptor.getIndices())) ||
      failed(checkRank(loc, adaptor.getIndices(), "indices", dims.size())))
    return failure();
  types.push_back(getTensorType(indices, elementOf(adaptor.getX())));
  return success();
}

/// The last dimension of an index tensor: how many axes a tuple addresses.
static FailureOr<int64_t> tupleLength(OptLoc loc, Value indices, size_t rank, int64_t batchDims) {
  Dims dims = dimsOf(indices);
  if (dims.empty() || batchDims < 0 || batchDims >= static_cast<int64_t>(dims.size()))
    return emitOptionalError(loc, "expected indices of rank above ", batchDims, ", got rank ", dims.size());
  std::optional<int64_t> length = dims.back().isConstant();
  if (!length)
    return emitOptionalError(loc, "expected a constant last dimension of the indices, got ", dims.back().str());
  if (*length < 0 || *length + batchDims > static_cast<int64_t>(rank))
    return emitOptionalError(loc, "expected index tuples of at most ", rank - batchDims, " elements, got ", *length);
  return *length;
}

LogicalResult GatherNdOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  Dims dims = dimsOf(adaptor.getX()), indices = dimsOf(adaptor.getIndices());
  int64_t batchDims = adaptor.getBatchDims();
  FailureOr<int64_t> length = tupleLength(loc, adaptor.getIndices(), dims.size(), batchDims);
  if (failed(length) || failed(checkIndices(loc, adaptor.getIndices())))
    return failure();
  Dims result(indices.begin(), indices.end() - 1);
  for (int64_t i = 0; i < batchDims; ++i)
    if (failed(unify(loc, result[i], dims[i], "batch dimensions")))
      return failure();
  result.append(dims.begin() + batchDims + *length, dims.end());
  types.push_back(getTensorType(result, elementOf(adaptor.getX())));
  return success();
}

static constexpr StringRef scatterReductions[] = {"none", "add", "mul", "max", "min"};

LogicalResult ScatterElementsOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  size_t rank = dimsOf(adaptor.getX()).size();
  if (failed(checkAxis(loc, adaptor.getAxis(), rank)) || failed(checkIndices(loc, adaptor.getIndices())) ||
      failed(checkOneOf(loc, "reduction", adaptor.getReduction(), scatterReductions)) ||
      failed(checkSameElement(loc, adaptor.getX(), adaptor.getUpdates(), "operand", "updates")) ||
      failed(checkRank(loc, adaptor.getIndices(), "indices", rank)) ||
      failed(checkRank(loc, adaptor.getUpdates(), "updates", rank)))
    return failure();
  for (auto [a, b] : llvm::zip(dimsOf(adaptor.getIndices()), dimsOf(adaptor.getUpdates())))
    if (failed(unify(loc, a, b, "dimensions of indices and updates")))
      return failure();
  types.push_back(adaptor.getX().getType());
  return success();
}

LogicalResult ScatterNdOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  Dims dims = dimsOf(adaptor.getX()), updates = dimsOf(adaptor.getUpdates());
  FailureOr<int64_t> length = tupleLength(loc, adaptor.getIndices(), dims.size(), 0);
  if (failed(length) || failed(checkIndices(loc, adaptor.getIndices())) ||
      failed(checkOneOf(loc, "reduction", adaptor.getReduction(), scatterReductions)) ||
      failed(checkSameElement(loc, adaptor.getX(), adaptor.getUpdates(), "operand", "updates")))
    return failure();
  Dims wanted = dimsOf(adaptor.getIndices());
  wanted.pop_back();
  wanted.append(dims.begin() + *length, dims.end());
  if (failed(checkRank(loc, adaptor.getUpdates(), "updates", wanted.size())))
    return failure();
  for (auto [a, b] : llvm::zip(wanted, updates))
    if (failed(unify(loc, a, b, "dimensions of updates and what the indices address")))
      return failure();
  types.push_back(adaptor.getX().getType());
  return success();
}

LogicalResult TriluOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  if (dimsOf(adaptor.getX()).size() < 2)
    return emitOptionalError(loc, "expected an operand of rank at least 2, got ", adaptor.getX().getType());
  std::string error;
  if (!SymbolicExpr::parse(adaptor.getK(), &error))
    return emitOptionalError(loc, "bad expression for the diagonal: ", error);
  types.push_back(adaptor.getX().getType());
  return success();
}

LogicalResult ReverseSequenceOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  Dims dims = dimsOf(adaptor.getX()), lengths = dimsOf(adaptor.getLengths());
  int64_t axes[] = {static_cast<int64_t>(adaptor.getBatchAxis()), static_cast<int64_t>(adaptor.getTimeAxis())};
  if (failed(checkAxes(loc, axes, dims.size())) || failed(checkRank(loc, adaptor.getLengths(), "lengths", 1)) ||
      failed(checkIndices(loc, adaptor.getLengths())))
    return failure();
  types.push_back(adaptor.getX().getType());
  return unify(loc, lengths[0], dims[axes[0]], "lengths and the batch dimension");
}

LogicalResult TensorScatterOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  Dims dims = dimsOf(adaptor.getX()), update = dimsOf(adaptor.getUpdate());
  if (failed(checkAxis(loc, adaptor.getAxis(), dims.size())) ||
      failed(checkRank(loc, adaptor.getUpdate(), "the update", dims.size())) ||
      failed(checkSameElement(loc, adaptor.getX(), adaptor.getUpdate(), "cache", "update")))
    return failure();
  for (auto [i, pair] : llvm::enumerate(llvm::zip(dims, update)))
    if (i != adaptor.getAxis() &&
        failed(unify(loc, std::get<0>(pair), std::get<1>(pair), "dimensions other than the axis")))
      return failure();
  types.push_back(adaptor.getX().getType());
  return success();
}
