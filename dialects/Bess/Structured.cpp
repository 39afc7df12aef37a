// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Iteration spaces: loops, indexing maps and cost of the structured ops.
#include "dialects/Bess/Bess.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;

using Loops = SmallVector<LoopKind>;
using Maps = SmallVector<AffineMap>;

static int64_t rankOf(Value value) { return cast<RankedTensorType>(value.getType()).getRank(); }

/// Dimensions of `value`, aligned at the right of `loops`; extents of constant
/// 1 map to 0.
static AffineMap broadcastMap(Value value, ArrayRef<AffineExpr> loops, int64_t loopCount) {
  MLIRContext *context = value.getContext();
  ArrayRef<int64_t> shape = cast<RankedTensorType>(value.getType()).getShape();
  SmallVector<AffineExpr> exprs;
  for (auto [extent, loop] : llvm::zip(shape, loops.take_back(shape.size())))
    exprs.push_back(extent == 1 ? getAffineConstantExpr(0, context) : loop);
  return AffineMap::get(loopCount, 0, exprs, context);
}

static SmallVector<AffineExpr> loopExprs(int64_t first, int64_t count, MLIRContext *context) {
  SmallVector<AffineExpr> exprs;
  for (int64_t i = first; i < first + count; ++i)
    exprs.push_back(getAffineDimExpr(i, context));
  return exprs;
}

// ---- elementwise ------------------------------------------------------------

static Loops elementwiseLoops(Operation *op) { return Loops(rankOf(op->getResult(0)), LoopKind::Parallel); }

static Maps elementwiseMaps(Operation *op) {
  int64_t rank = rankOf(op->getResult(0));
  SmallVector<AffineExpr> loops = loopExprs(0, rank, op->getContext());
  Maps maps;
  for (Value operand : op->getOperands())
    maps.push_back(broadcastMap(operand, loops, rank));
  maps.push_back(AffineMap::getMultiDimIdentityMap(rank, op->getContext()));
  return maps;
}

#define BESS_ELEMENTWISE(Op, cost)                                                                                     \
  Loops Op::getLoopKinds() { return elementwiseLoops(*this); }                                                         \
  Maps Op::getIndexingMaps() { return elementwiseMaps(*this); }                                                        \
  double Op::getOpsPerPoint() { return cost; }
#define BESS_UNARY BESS_ELEMENTWISE
#define BESS_PREDICATE BESS_ELEMENTWISE
#define BESS_BINARY BESS_ELEMENTWISE
#define BESS_COMPARE BESS_ELEMENTWISE
#include "dialects/Bess/Elementwise.def"
BESS_ELEMENTWISE(PowOp, 30)
BESS_ELEMENTWISE(WhereOp, 1)
BESS_ELEMENTWISE(CastOp, 1)
BESS_ELEMENTWISE(BitcastOp, 0)

// ---- matmul: batch.., m, n, k ------------------------------------------------

Loops MatmulOp::getLoopKinds() {
  Loops loops(rankOf(getY()), LoopKind::Parallel);
  loops.push_back(LoopKind::Reduction);
  return loops;
}

/// Maps of the operands of a product and of its result; loops of the result, then of the depth. `depth` is where the
/// operands are along theirs.
template <class Op> static Maps matmulMaps(Op op, int64_t leading, AffineExpr depth) {
  MLIRContext *context = op.getContext();
  int64_t rank = rankOf(op.getY());
  SmallVector<AffineExpr> batch = loopExprs(leading, rank - 2 - leading, context);
  AffineExpr m = getAffineDimExpr(rank - 2, context), n = getAffineDimExpr(rank - 1, context);
  auto operandMap = [&](Value operand, AffineExpr row, AffineExpr column) {
    ArrayRef<int64_t> shape = cast<RankedTensorType>(operand.getType()).getShape().drop_back(2);
    SmallVector<AffineExpr> exprs;
    for (auto [extent, loop] : llvm::zip(shape, ArrayRef(batch).take_back(shape.size())))
      exprs.push_back(extent == 1 ? getAffineConstantExpr(0, context) : loop);
    exprs.append({row, column});
    return AffineMap::get(rank + 1, 0, exprs, context);
  };
  SmallVector<AffineExpr> result = loopExprs(0, rank, context);
  return {op.getTransposeA() ? operandMap(op.getA(), depth, m) : operandMap(op.getA(), m, depth),
          op.getTransposeB() ? operandMap(op.getB(), n, depth) : operandMap(op.getB(), depth, n),
          AffineMap::get(rank + 1, 0, result, context)};
}

Maps MatmulOp::getIndexingMaps() { return matmulMaps(*this, 0, getAffineDimExpr(rankOf(getY()), getContext())); }

double MatmulOp::getOpsPerPoint() { return 2; }

// ---- matmul_parts: p, batch.., m, n, k (within the part); sum_parts: p, .. ----

Loops MatmulPartsOp::getLoopKinds() {
  Loops loops(rankOf(getY()), LoopKind::Parallel);
  loops.push_back(LoopKind::Reduction);
  return loops;
}

Maps MatmulPartsOp::getIndexingMaps() {
  return matmulMaps(*this, 1,
                    getAffineDimExpr(0, getContext()) * static_cast<int64_t>(getPartDepth()) +
                        getAffineDimExpr(rankOf(getY()), getContext()));
}

double MatmulPartsOp::getOpsPerPoint() { return 2; }

Loops SumPartsOp::getLoopKinds() {
  Loops loops(rankOf(getX()), LoopKind::Parallel);
  loops.front() = LoopKind::Reduction;
  return loops;
}

Maps SumPartsOp::getIndexingMaps() {
  int64_t rank = rankOf(getX());
  return {AffineMap::getMultiDimIdentityMap(rank, getContext()),
          AffineMap::get(rank, 0, loopExprs(1, rank - 1, getContext()), getContext())};
}

double SumPartsOp::getOpsPerPoint() { return 1; }

// ---- reduce: one loop for each dimension of x ---------------------------------

Loops ReduceOp::getLoopKinds() {
  Loops loops(rankOf(getX()), LoopKind::Parallel);
  for (int64_t axis : getAxes())
    loops[axis] = LoopKind::Reduction;
  return loops;
}

Maps ReduceOp::getIndexingMaps() {
  int64_t rank = rankOf(getX());
  SmallVector<AffineExpr> result;
  for (int64_t i = 0; i < rank; ++i)
    if (!llvm::is_contained(getAxes(), i))
      result.push_back(getAffineDimExpr(i, getContext()));
    else if (getKeepdims())
      result.push_back(getAffineConstantExpr(0, getContext()));
  return {AffineMap::getMultiDimIdentityMap(rank, getContext()), AffineMap::get(rank, 0, result, getContext())};
}

double ReduceOp::getOpsPerPoint() {
  return llvm::StringSwitch<double>(getKind()).Cases({"l1", "l2", "sum_square"}, 2).Case("log_sum_exp", 13).Default(1);
}

// ---- conv: n, o, out.., c, window..  (c: channel within the group) ------------

/// out * stride + window * dilation - pad, for each spatial dimension.
static void appendWindowAccess(SmallVectorImpl<AffineExpr> &exprs, ArrayRef<AffineExpr> out,
                               ArrayRef<AffineExpr> window, ArrayRef<int64_t> strides, ArrayRef<int64_t> dilations,
                               ArrayRef<int64_t> pads) {
  for (size_t i = 0; i < out.size(); ++i)
    exprs.push_back(out[i] * strides[i] + window[i] * dilations[i] - pads[i]);
}

/// [N, C, spatial..] -> [N, spatial.., C]; loops keep their order.
static void channelsBack(SmallVectorImpl<AffineExpr> &exprs, StringRef layout) {
  if (layout == channelsLast)
    std::rotate(exprs.begin() + 1, exprs.begin() + 2, exprs.end());
}

Loops ConvOp::getLoopKinds() {
  int64_t rank = rankOf(getX());
  Loops loops(rank, LoopKind::Parallel);
  loops.push_back(LoopKind::Reduction);
  loops.append(rank - 2, LoopKind::Window);
  return loops;
}

Maps ConvOp::getIndexingMaps() {
  MLIRContext *context = getContext();
  int64_t rank = rankOf(getX()), spatial = rank - 2, loops = 2 * rank - 1;
  AffineExpr n = getAffineDimExpr(0, context), o = getAffineDimExpr(1, context), c = getAffineDimExpr(rank, context);
  SmallVector<AffineExpr> out = loopExprs(2, spatial, context), window = loopExprs(rank + 1, spatial, context);
  AffineExpr channel = c;
  if (int64_t groups = getGroups(); groups > 1) {
    ArrayRef<int64_t> shape =
        getWeightShape() ? *getWeightShape() : cast<RankedTensorType>(getW().getType()).getShape();
    channel = o.floorDiv(shape[0] / groups) * shape[1] + c;
  }
  SmallVector<AffineExpr> x = {n, channel}, w = {o, c};
  appendWindowAccess(x, out, window, getStrides(), getDilations(), getPads());
  w.append(window);
  SmallVector<AffineExpr> y = loopExprs(0, rank, context);
  channelsBack(x, getLayout());
  channelsBack(y, getLayout());
  Maps maps = {AffineMap::get(loops, 0, x, context), AffineMap::get(loops, 0, w, context)};
  if (getBias())
    maps.push_back(AffineMap::get(loops, 0, {o}, context));
  maps.push_back(AffineMap::get(loops, 0, y, context));
  return maps;
}

double ConvOp::getOpsPerPoint() { return 2; }

// ---- pool: n, c, out.., window.. ------------------------------------------------

Loops PoolOp::getLoopKinds() {
  int64_t rank = rankOf(getX());
  Loops loops(rank, LoopKind::Parallel);
  loops.append(rank - 2, LoopKind::Window);
  return loops;
}

Maps PoolOp::getIndexingMaps() {
  MLIRContext *context = getContext();
  int64_t rank = rankOf(getX()), spatial = rank - 2, loops = rank + spatial;
  SmallVector<AffineExpr> x = loopExprs(0, 2, context);
  appendWindowAccess(x, loopExprs(2, spatial, context), loopExprs(rank, spatial, context), getStrides(), getDilations(),
                     getPads());
  SmallVector<AffineExpr> y = loopExprs(0, rank, context);
  channelsBack(x, getLayout());
  channelsBack(y, getLayout());
  return {AffineMap::get(loops, 0, x, context), AffineMap::get(loops, 0, y, context)};
}

double PoolOp::getOpsPerPoint() { return getKind() == "lp" ? 2 : 1; }
