// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Result types of contractions, reductions, windows and opaque ops.
#include "dialects/Bess/Infer.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::bess::infer;

using Types = SmallVectorImpl<Type>;

/// The batch dimensions of a product; of the two depths, which must be equal, the first becomes the one that says more.
template <class Adaptor>
static FailureOr<Dims> productDims(OptLoc loc, Adaptor adaptor, SymbolicExpr &depthA, const SymbolicExpr &depthB,
                                   ArrayRef<Dims> batches) {
  if (failed(unify(loc, depthA, depthB, "K dimensions")))
    return failure();
  FailureOr<Dims> dims = broadcastDims(batches);
  if (failed(dims))
    return emitOptionalError(loc, "expected batch dimensions that broadcast, got ", adaptor.getA().getType(), " and ",
                             adaptor.getB().getType());
  return dims;
}

LogicalResult MatmulOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  Dims a = dimsOf(adaptor.getA()), b = dimsOf(adaptor.getB());
  for (auto [dims, what] : {std::pair<Dims &, StringRef>{a, "left"}, {b, "right"}})
    if (dims.size() < 2)
      return emitOptionalError(loc, "expected a ", what, " operand of rank at least 2, got rank ", dims.size());
  if (!adaptor.getTo() && failed(checkSameElement(loc, adaptor.getA(), adaptor.getB(), "both operands", "each other")))
    return failure();
  // The layout phase puts the right operand in panels [.., N / block, K, block];
  // N itself is then in this attribute.
  DictionaryAttr attributes = adaptor.getAttributes();
  auto packed = attributes ? attributes.getAs<StringAttr>(packedColumnsName) : StringAttr();
  if (packed && b.size() >= 3)
    b.pop_back();
  SymbolicExpr m = a.pop_back_val(), k = a.pop_back_val(), n = b.pop_back_val(), k2 = b.pop_back_val();
  // What was popped is the last and the one before it.
  if (!adaptor.getTransposeA())
    std::swap(m, k);
  if (packed) {
    k2 = n;
    n = SymbolicExpr::parse(packed.getValue()).value_or(SymbolicExpr::invalid());
  } else if (adaptor.getTransposeB()) {
    std::swap(n, k2);
  }
  FailureOr<Dims> dims = productDims(loc, adaptor, k, k2, {a, b});
  if (failed(dims))
    return failure();
  dims->append({m, n});
  types.push_back(getTensorType(*dims, adaptor.getTo() ? *adaptor.getTo() : elementOf(adaptor.getA())));
  return success();
}

LogicalResult MatmulPartsOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  Dims a = dimsOf(adaptor.getA()), b = dimsOf(adaptor.getB());
  for (auto [operand, what] : {std::pair<Value, StringRef>{adaptor.getA(), "left"}, {adaptor.getB(), "right"}})
    if (dimsOf(operand).size() < 2 || !isa<FloatType>(elementOf(operand)))
      return emitOptionalError(loc, "expected a ", what, " operand of floats, of rank at least 2, got ",
                               operand.getType());
  if (static_cast<int64_t>(adaptor.getPartDepth()) < 1)
    return emitOptionalError(loc, "expected a positive part_depth, got ", static_cast<int64_t>(adaptor.getPartDepth()));
  SymbolicExpr m = a.pop_back_val(), k = a.pop_back_val(), k2 = b.pop_back_val(), n = b.pop_back_val();
  if (!adaptor.getTransposeA())
    std::swap(m, k);
  if (!adaptor.getTransposeB())
    std::swap(n, k2);
  FailureOr<Dims> dims = productDims(loc, adaptor, k, k2, {a, b});
  if (failed(dims))
    return failure();
  dims->insert(dims->begin(), SymbolicExpr::ceilDiv(k, static_cast<int64_t>(adaptor.getPartDepth())));
  dims->append({m, n});
  types.push_back(getTensorType(*dims, Float32Type::get(adaptor.getA().getContext())));
  return success();
}

LogicalResult SumPartsOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  Dims dims = dimsOf(adaptor.getX());
  if (dims.empty() || !dims.front().isConstant() || !elementOf(adaptor.getX()).isF32())
    return emitOptionalError(loc, "expected parts in f32, their number known, got ", adaptor.getX().getType());
  if (!isa<FloatType>(adaptor.getTo()))
    return emitOptionalError(loc, "expected a float type as `to`, got ", adaptor.getTo());
  dims.erase(dims.begin());
  types.push_back(getTensorType(dims, adaptor.getTo()));
  return success();
}

LogicalResult GroupedMatmulOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  // In panels, [E, N / block, K, block], with N in this attribute, as those of a matmul.
  DictionaryAttr attributes = adaptor.getAttributes();
  auto packed = attributes ? attributes.getAs<StringAttr>(packedColumnsName) : StringAttr();
  if (failed(checkRank(loc, adaptor.getX(), "x", 2)) || failed(checkRank(loc, adaptor.getW(), "w", packed ? 4 : 3)) ||
      failed(checkRank(loc, adaptor.getOffsets(), "offsets", 1)) ||
      failed(checkSameElement(loc, adaptor.getX(), adaptor.getW(), "x and w", "each other")))
    return failure();
  if (!isa<FloatType>(elementOf(adaptor.getX())))
    return emitOptionalError(loc, "expected rows of floats, got ", adaptor.getX().getType());
  if (!elementOf(adaptor.getOffsets()).isInteger(64))
    return emitOptionalError(loc, "expected offsets of i64, got ", adaptor.getOffsets().getType());
  Dims x = dimsOf(adaptor.getX()), w = dimsOf(adaptor.getW()), offsets = dimsOf(adaptor.getOffsets());
  std::optional<int64_t> groups = w[0].isConstant();
  if (!groups || *groups < 1)
    return emitOptionalError(loc, "expected a known number of groups, 1 at least, got ", adaptor.getW().getType());
  SymbolicExpr depth = w[packed || adaptor.getTransposeB() ? 2 : 1], columns = w[adaptor.getTransposeB() ? 1 : 2];
  if (packed)
    columns = SymbolicExpr::parse(packed.getValue()).value_or(SymbolicExpr::invalid());
  SymbolicExpr bounds = *groups + 1;
  if (failed(unify(loc, x[1], depth, "K dimensions")) ||
      failed(unify(loc, bounds, offsets[0], "groups + 1 and offsets")))
    return failure();
  if (Value bias = adaptor.getBias()) {
    if (failed(checkRank(loc, bias, "bias", 2)) ||
        failed(checkSameElement(loc, adaptor.getX(), bias, "x and bias", "each other")))
      return failure();
    Dims own = dimsOf(bias);
    if (failed(unify(loc, w[0], own[0], "groups of w and bias")) ||
        failed(unify(loc, columns, own[1], "columns of w and bias")))
      return failure();
  }
  types.push_back(getTensorType({x[0], columns}, elementOf(adaptor.getX())));
  return success();
}

static Dims reduceDims(ArrayRef<SymbolicExpr> dims, ArrayRef<int64_t> axes, bool keepDims) {
  Dims result;
  for (auto [i, dim] : llvm::enumerate(dims))
    if (!llvm::is_contained(axes, static_cast<int64_t>(i)))
      result.push_back(dim);
    else if (keepDims)
      result.push_back(1);
  return result;
}

LogicalResult ReduceOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  Dims dims = dimsOf(adaptor.getX());
  if (failed(checkAxes(loc, adaptor.getAxes(), dims.size())) ||
      failed(checkOneOf(
          loc, "kind", adaptor.getKind(),
          {"sum", "mean", "prod", "max", "min", "l1", "l2", "sum_square", "log_sum", "log_sum_exp", "and", "or"})))
    return failure();
  types.push_back(getTensorType(reduceDims(dims, adaptor.getAxes(), adaptor.getKeepdims()), elementOf(adaptor.getX())));
  return success();
}

LogicalResult ArgReduceOp::inferReturnTypes(MLIRContext *context, OptLoc loc, Adaptor adaptor, Types &types) {
  Dims dims = dimsOf(adaptor.getX());
  int64_t axis = adaptor.getAxis();
  if (failed(checkAxis(loc, axis, dims.size())) || failed(checkOneOf(loc, "kind", adaptor.getKind(), {"max", "min"})))
    return failure();
  types.push_back(getTensorType(reduceDims(dims, axis, adaptor.getKeepdims()), IntegerType::get(context, 64)));
  return success();
}

/// Window attributes have one (pads: two) entries a spatial dimension, strides
/// and dilations are positive.
static LogicalResult checkWindow(OptLoc loc, size_t spatial, ArrayRef<int64_t> strides, ArrayRef<int64_t> dilations,
                                 ArrayRef<int64_t> pads) {
  for (auto [values, what] : {std::pair<ArrayRef<int64_t>, StringRef>{strides, "strides"}, {dilations, "dilations"}}) {
    if (values.size() != spatial)
      return emitOptionalError(loc, "expected ", spatial, " ", what, ", got ", values.size());
    for (int64_t value : values)
      if (value < 1)
        return emitOptionalError(loc, "expected positive ", what, ", got ", value);
  }
  if (pads.size() != 2 * spatial)
    return emitOptionalError(loc, "expected ", 2 * spatial, " pads, got ", pads.size());
  return success();
}

static LogicalResult pushWindowCounts(OptLoc loc, Dims &result, ArrayRef<SymbolicExpr> extents,
                                      ArrayRef<SymbolicExpr> windows, ArrayRef<int64_t> strides,
                                      ArrayRef<int64_t> dilations, ArrayRef<int64_t> pads) {
  for (size_t i = 0; i < extents.size(); ++i) {
    SymbolicExpr count =
        windowCount(extents[i], windows[i], strides[i], dilations[i], pads[i], pads[extents.size() + i]);
    if (count.isConstant() && *count.isConstant() < 0)
      return emitOptionalError(loc, "expected a window that fits the padded operand, got extent ", extents[i].str(),
                               " and window ", windows[i].str());
    result.push_back(count);
  }
  return success();
}

/// From [N, spatial.., C] to [N, C, spatial..] and back.
static void channelsToFront(Dims &dims, StringRef layout) {
  if (layout == channelsLast)
    std::rotate(dims.begin() + 1, dims.end() - 1, dims.end());
}
static void channelsBack(Dims &dims, StringRef layout) {
  if (layout == channelsLast)
    std::rotate(dims.begin() + 1, dims.begin() + 2, dims.end());
}

/// Weights in panels are what the layout phase makes of them: the shape that they had.
static LogicalResult checkPackedWeights(OptLoc loc, Dims &w, ArrayRef<int64_t> shape, int64_t groups, size_t rank) {
  if (shape.size() != rank || llvm::any_of(shape, [](int64_t v) { return v < 1; }) || groups < 1 || shape[0] % groups)
    return emitOptionalError(loc, "expected a weight_shape of ", rank,
                             " positive extents, outputs a multiple of the groups");
  int64_t taps = 1;
  for (int64_t extent : shape.drop_front(2))
    taps *= extent;
  bool depthwise = shape[1] == 1 && shape[0] == groups && groups > 1;
  Dims expected = {SymbolicExpr(taps), SymbolicExpr(shape[0])};
  if (!depthwise) {
    if (w.size() != 4 || !w[3].isConstant() || *w[3].isConstant() < 1)
      return emitOptionalError(loc, "expected weights in panels, of rank 4, got rank ", w.size());
    int64_t block = *w[3].isConstant();
    expected = {SymbolicExpr(groups), SymbolicExpr((shape[0] / groups + block - 1) / block),
                SymbolicExpr(taps * shape[1]), SymbolicExpr(block)};
  }
  if (w != expected)
    return emitOptionalError(loc, "expected packed weights that fit the weight_shape");
  w.clear();
  for (int64_t extent : shape)
    w.push_back(extent);
  return success();
}

static LogicalResult checkLayout(OptLoc loc, StringRef layout) {
  return checkOneOf(loc, "layout", layout, {channelsFirst, channelsLast});
}

LogicalResult ConvOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  Dims x = dimsOf(adaptor.getX()), w = dimsOf(adaptor.getW());
  if (x.size() < 2)
    return emitOptionalError(loc, "expected an operand of rank at least 2, got rank ", x.size());
  StringRef layout = adaptor.getLayout();
  if (failed(checkLayout(loc, layout)))
    return failure();
  channelsToFront(x, layout);
  if (std::optional<ArrayRef<int64_t>> shape = adaptor.getWeightShape()) {
    if (failed(checkPackedWeights(loc, w, *shape, adaptor.getGroups(), x.size())))
      return failure();
  } else if (failed(checkRank(loc, adaptor.getW(), "weights", x.size()))) {
    return failure();
  }
  if (failed(checkWindow(loc, x.size() - 2, adaptor.getStrides(), adaptor.getDilations(), adaptor.getPads())))
    return failure();
  if (!adaptor.getTo() && failed(checkSameElement(loc, adaptor.getX(), adaptor.getW(), "operand", "weights")))
    return failure();
  int64_t groups = adaptor.getGroups();
  if (groups < 1)
    return emitOptionalError(loc, "expected at least 1 group, got ", groups);
  if (groups > 1 && (!w[0].isConstant() || !w[1].isConstant() || *w[0].isConstant() < 1 || *w[0].isConstant() % groups))
    return emitOptionalError(loc,
                             "expected constant channels of the weights, the outputs a "
                             "multiple of the ",
                             groups, " groups, got ", w[0].str(), " and ", w[1].str());
  SymbolicExpr channels = w[1] * groups;
  if (failed(unify(loc, channels, x[1], "channels of weights (times groups) and operand")))
    return failure();
  if (Value bias = adaptor.getBias()) {
    if (failed(checkRank(loc, bias, "a bias", 1)))
      return failure();
    SymbolicExpr outputs = w[0];
    if (failed(unify(loc, outputs, dimsOf(bias)[0], "output channels and bias")))
      return failure();
  }
  Dims result = {x[0], w[0]};
  if (failed(pushWindowCounts(loc, result, ArrayRef(x).drop_front(2), ArrayRef(w).drop_front(2), adaptor.getStrides(),
                              adaptor.getDilations(), adaptor.getPads())))
    return failure();
  channelsBack(result, layout);
  types.push_back(getTensorType(result, adaptor.getTo() ? *adaptor.getTo() : elementOf(adaptor.getX())));
  return success();
}

LogicalResult PoolOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  Dims x = dimsOf(adaptor.getX());
  if (x.size() < 2)
    return emitOptionalError(loc, "expected an operand of rank at least 2, got rank ", x.size());
  size_t spatial = x.size() - 2;
  StringRef layout = adaptor.getLayout();
  if (failed(checkLayout(loc, layout)))
    return failure();
  channelsToFront(x, layout);
  if (failed(checkOneOf(loc, "kind", adaptor.getKind(), {"max", "average", "lp"})) ||
      failed(checkWindow(loc, spatial, adaptor.getStrides(), adaptor.getDilations(), adaptor.getPads())))
    return failure();
  if (adaptor.getWindow().size() != spatial)
    return emitOptionalError(loc, "expected a window of ", spatial, " extents, got ", adaptor.getWindow().size());
  if (adaptor.getCeilPads().size() != spatial)
    return emitOptionalError(loc, "expected ", spatial, " ceil_pads, got ", adaptor.getCeilPads().size());
  Dims windows;
  for (int64_t extent : adaptor.getWindow()) {
    if (extent < 1)
      return emitOptionalError(loc, "expected positive window extents, got ", extent);
    windows.push_back(extent);
  }
  Dims result = {x[0], x[1]};
  if (failed(pushWindowCounts(loc, result, ArrayRef(x).drop_front(2), windows, adaptor.getStrides(),
                              adaptor.getDilations(), adaptor.getPads())))
    return failure();
  channelsBack(result, layout);
  types.push_back(getTensorType(result, elementOf(adaptor.getX())));
  return success();
}

LogicalResult CumulateOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  types.push_back(adaptor.getX().getType());
  return success(succeeded(checkAxis(loc, adaptor.getAxis(), dimsOf(adaptor.getX()).size())) &&
                 succeeded(checkOneOf(loc, "kind", adaptor.getKind(), {"sum", "prod"})));
}

LogicalResult GridSampleOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  Dims x = dimsOf(adaptor.getX()), grid = dimsOf(adaptor.getGrid());
  if (x.size() < 3)
    return emitOptionalError(loc, "expected an operand of rank at least 3, got rank ", x.size());
  if (failed(checkRank(loc, adaptor.getGrid(), "a grid", x.size())) ||
      failed(unify(loc, grid[0], x[0], "batch dimensions")))
    return failure();
  SymbolicExpr coordinates(static_cast<int64_t>(x.size()) - 2);
  if (failed(unify(loc, grid.back(), coordinates, "last dimension of the grid and spatial rank")))
    return failure();
  Dims result = {grid[0], x[1]};
  result.append(grid.begin() + 1, grid.end() - 1);
  types.push_back(getTensorType(result, elementOf(adaptor.getX())));
  return success();
}

LogicalResult RoiAlignOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  Dims rois = dimsOf(adaptor.getRois()), indices = dimsOf(adaptor.getBatchIndices());
  if (failed(checkRank(loc, adaptor.getX(), "an operand", 4)) || failed(checkRank(loc, adaptor.getRois(), "rois", 2)) ||
      failed(checkRank(loc, adaptor.getBatchIndices(), "batch indices", 1)) ||
      failed(unify(loc, rois[0], indices[0], "counts of rois and batch indices")) ||
      failed(unify(loc, rois[1], 4, "rois and 4 coordinates")))
    return failure();
  int64_t height = adaptor.getOutputHeight(), width = adaptor.getOutputWidth();
  if (height < 0 || width < 0)
    return emitOptionalError(loc, "expected output extents of at least 0, got ", height, " and ", width);
  types.push_back(getTensorType({rois[0], dimsOf(adaptor.getX())[1], height, width}, elementOf(adaptor.getX())));
  return success();
}

LogicalResult LrnOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  if (dimsOf(adaptor.getX()).size() < 2)
    return emitOptionalError(loc, "expected an operand of rank at least 2, got ", adaptor.getX().getType());
  types.push_back(adaptor.getX().getType());
  return success();
}

LogicalResult DetOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  Dims dims = dimsOf(adaptor.getX());
  if (dims.size() < 2)
    return emitOptionalError(loc, "expected an operand of rank at least 2, got ", adaptor.getX().getType());
  if (failed(unify(loc, dims[dims.size() - 2], dims.back(), "the last two dimensions")))
    return failure();
  dims.pop_back_n(2);
  types.push_back(getTensorType(dims, elementOf(adaptor.getX())));
  return success();
}
