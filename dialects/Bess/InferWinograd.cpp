// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Types of Winograd's convolution in steps.
#include "dialects/Bess/Infer.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::bess::infer;

using Types = SmallVectorImpl<Type>;

static LogicalResult checkTile(OptLoc loc, int64_t tile) {
  if (tile != 2 && tile != 4)
    return emitOptionalError(loc, "expected a tile of 2 or 4, got ", tile);
  return success();
}

LogicalResult WinogradInputOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  int64_t tile = adaptor.getTile();
  if (failed(checkTile(loc, tile)) || failed(checkRank(loc, adaptor.getX(), "an image [N, H, W, C]", 4)))
    return failure();
  if (adaptor.getPads().size() != 4)
    return emitOptionalError(loc, "expected 4 pads, got ", adaptor.getPads().size());
  Dims x = dimsOf(adaptor.getX());
  SymbolicExpr tiles = x[0];
  for (unsigned i = 0; i < 2; ++i)
    tiles *=
        SymbolicExpr::ceilDiv(windowCount(x[i + 1], 3, 1, 1, adaptor.getPads()[i], adaptor.getPads()[i + 2]), tile);
  types.push_back(getTensorType({SymbolicExpr((tile + 2) * (tile + 2)), tiles, x[3]}, elementOf(adaptor.getX())));
  return success();
}

LogicalResult WinogradWeightsOp::inferReturnTypes(MLIRContext *, OptLoc loc, Adaptor adaptor, Types &types) {
  int64_t tile = adaptor.getTile();
  if (failed(checkTile(loc, tile)) || failed(checkRank(loc, adaptor.getW(), "weights [O, C, 3, 3]", 4)))
    return failure();
  Dims w = dimsOf(adaptor.getW());
  SymbolicExpr three = 3;
  if (failed(unify(loc, three, w[2], "window extents")) || failed(unify(loc, three, w[3], "window extents")))
    return failure();
  types.push_back(getTensorType({SymbolicExpr((tile + 2) * (tile + 2)), w[1], w[0]}, elementOf(adaptor.getW())));
  return success();
}

LogicalResult WinogradOutputOp::verify() {
  int64_t tile = getTile();
  if (failed(checkTile(getLoc(), tile)) || failed(checkRank(getLoc(), getV(), "products [a * a, N * tiles, O]", 3)) ||
      failed(checkRank(getLoc(), getY(), "a result [N, H, W, O]", 4)))
    return failure();
  Dims v = dimsOf(getV()), y = dimsOf(getY());
  SymbolicExpr points = (tile + 2) * (tile + 2);
  SymbolicExpr tiles = y[0] * SymbolicExpr::ceilDiv(y[1], tile) * SymbolicExpr::ceilDiv(y[2], tile);
  if (failed(unify(getLoc(), points, v[0], "points of a tile")) || failed(unify(getLoc(), tiles, v[1], "tiles")) ||
      failed(unify(getLoc(), v[2], y[3], "channels")))
    return failure();
  if (elementOf(getV()) != elementOf(getY()))
    return emitOpError("expected one element type, got ") << elementOf(getV()) << " and " << elementOf(getY());
  if (getBias() && (failed(checkRank(getLoc(), getBias(), "a bias", 1)) ||
                    failed(unify(getLoc(), v[2], dimsOf(getBias())[0], "channels and bias"))))
    return failure();
  return success();
}
