// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Result types of the elementwise ops.
#include "dialects/Bess/Infer.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::bess::infer;

using Types = SmallVectorImpl<Type>;

static Type withElement(Type tensor, Type element) {
  auto type = cast<RankedTensorType>(tensor);
  return RankedTensorType::get(type.getShape(), element, type.getEncoding());
}

static LogicalResult inferBroadcast(OptLoc loc, ValueRange values, Type element, Types &types) {
  FailureOr<Dims> dims = broadcast(loc, values);
  if (failed(dims))
    return failure();
  types.push_back(getTensorType(*dims, element));
  return success();
}

static LogicalResult inferBinary(OptLoc loc, Value a, Value b, Type element, Types &types) {
  if (failed(checkSameElement(loc, a, b, "both operands", "each other")))
    return failure();
  return inferBroadcast(loc, {a, b}, element ? element : elementOf(a), types);
}

#define BESS_UNARY(Op, cost)                                                                                           \
  LogicalResult Op::inferReturnTypes(MLIRContext *, OptLoc, Adaptor adaptor, Types &types) {                           \
    types.push_back(adaptor.getX().getType());                                                                         \
    return success();                                                                                                  \
  }
#define BESS_PREDICATE(Op, cost)                                                                                       \
  LogicalResult Op::inferReturnTypes(MLIRContext *context, OptLoc, Adaptor adaptor, Types &types) {                    \
    types.push_back(withElement(adaptor.getX().getType(), IntegerType::get(context, 1)));                              \
    return success();                                                                                                  \
  }
#define BESS_BINARY(Op, cost)                                                                                          \
  LogicalResult Op::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {                       \
    return inferBinary(loc, adaptor.getA(), adaptor.getB(), {}, types);                                                \
  }
#define BESS_COMPARE(Op, cost)                                                                                         \
  LogicalResult Op::inferReturnTypes(MLIRContext *context, OptLoc loc, Adaptor adaptor, Types &types) {                \
    return inferBinary(loc, adaptor.getA(), adaptor.getB(), IntegerType::get(context, 1), types);                      \
  }
#include "dialects/Bess/Elementwise.def"

LogicalResult PowOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  return inferBroadcast(loc, adaptor.getOperands(), elementOf(adaptor.getA()), types);
}

LogicalResult WhereOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  if (!elementOf(adaptor.getCond()).isInteger(1))
    return emitOptionalError(loc, "expected a condition of i1, got ", elementOf(adaptor.getCond()));
  if (failed(checkSameElement(loc, adaptor.getA(), adaptor.getB(), "both choices", "each other")))
    return failure();
  return inferBroadcast(loc, adaptor.getOperands(), elementOf(adaptor.getA()), types);
}

LogicalResult CastOp::inferReturnTypes(MLIRContext *, OptLoc, Adaptor adaptor, Types &types) {
  types.push_back(withElement(adaptor.getX().getType(), adaptor.getTo()));
  return success();
}

LogicalResult BitcastOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  Type from = elementOf(adaptor.getX()), to = adaptor.getTo();
  if (!from.isIntOrFloat() || !to.isIntOrFloat() || from.getIntOrFloatBitWidth() != to.getIntOrFloatBitWidth())
    return emitOptionalError(loc, "expected element types of one width, got ", from, " and ", to);
  types.push_back(withElement(adaptor.getX().getType(), to));
  return success();
}

/// Scale and zero point: scalars, vectors along the axis, or blocked along it
/// (then of the operand's rank).
static LogicalResult checkScale(OptLoc loc, Value x, Value scale, StringRef what, int64_t axis, int64_t blockSize) {
  Dims dims = dimsOf(x), scaleDims = dimsOf(scale);
  if (scaleDims.empty() || (scaleDims.size() == 1 && scaleDims[0].isConstant() == 1))
    return success();
  if (failed(checkAxis(loc, axis, dims.size())))
    return failure();
  if (blockSize == 0 && scaleDims.size() == 1)
    return unify(loc, scaleDims[0], dims[axis], (what + " and operand along the axis").str());
  if (scaleDims.size() != dims.size())
    return emitOptionalError(loc, "expected a ", what, " of rank ", dims.size(), ", got rank ", scaleDims.size());
  for (auto [i, pair] : llvm::enumerate(llvm::zip(scaleDims, dims))) {
    auto [scaleDim, dim] = pair;
    bool blocked = static_cast<int64_t>(i) == axis && blockSize > 0;
    SymbolicExpr wanted = blocked ? SymbolicExpr::ceilDiv(dim, blockSize) : dim;
    if (failed(unify(loc, scaleDim, wanted, (what + " and operand dimensions").str())))
      return failure();
  }
  return success();
}

template <typename Adaptor> static LogicalResult inferScaled(OptLoc loc, Adaptor adaptor, Types &types) {
  for (auto [value, what] :
       {std::pair<Value, StringRef>{adaptor.getScale(), "scale"}, {adaptor.getZeroPoint(), "zero point"}})
    if (value && failed(checkScale(loc, adaptor.getX(), value, what, adaptor.getAxis(), adaptor.getBlockSize())))
      return failure();
  types.push_back(withElement(adaptor.getX().getType(), adaptor.getTo()));
  return success();
}

LogicalResult QuantizeOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  return inferScaled(loc, adaptor, types);
}

LogicalResult DequantizeOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  return inferScaled(loc, adaptor, types);
}
