// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sampling of images: GridSample, AffineGrid, RoiAlign; and Det.
#include "passes/Legalize/Handlers.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

void handlers::gridSample(Node &n) {
  std::string mode = n.s("mode", n.version < 20 ? "bilinear" : "linear");
  if (mode == "bilinear")
    mode = "linear";
  if (mode == "bicubic")
    mode = "cubic";
  n.out(0, n.make<bess::GridSampleOp>({n.in(0), n.in(1)}, n.attrs()
                                                              .s("mode", mode)
                                                              .s("padding_mode", n.s("padding_mode", "zeros"))
                                                              .flag("align_corners", n.i("align_corners", 0) != 0)));
}

void handlers::affineGrid(Node &n) {
  Value theta = n.in(0);
  if (!n.rankIs(theta, 3, "theta"))
    return;
  Dims size = n.elements(n.in(1), "grid");
  auto rank = n.staticDim(theta, 1);
  if (n.failed() || !rank || (*rank != 2 && *rank != 3) || int64_t(size.size()) != *rank + 2)
    return n.fail("expected theta [N, 2, 3] and a size of 4 elements, or [N, 3, 4] and 5");
  bool corners = n.i("align_corners", 0) != 0;
  Type element = n.elt(theta);
  Dims space(size.begin() + 2, size.end()), flat = {n.count(space), 1};
  // Columns x, y(, z), 1 of every point: x runs along the last dimension.
  SmallVector<Value> columns;
  for (int64_t axis = *rank - 1; axis >= 0; --axis) {
    Dims along(*rank, SymbolicExpr(1));
    along[axis] = space[axis];
    Value index = n.cast(n.iota(along, axis, n.b.getI64Type()), element);
    Value extent = n.cast(n.fromDims(space[axis], ArrayRef<int64_t>(), n.b.getI64Type()), element);
    Value two = n.scalar(2, element), one = n.scalar(1, element), position;
    if (corners) {
      Value last = n.max(n.sub(extent, one), one);
      position = n.sub(n.div(n.mul(index, two), last), one);
    } else {
      position = n.sub(n.div(n.add(n.mul(index, two), one), extent), one);
    }
    columns.push_back(n.reshape(n.broadcast(position, space), flat));
  }
  columns.push_back(n.splat(flat, 1, element));
  Value points = n.concat(columns, 1);
  Value moved = n.matmul(n.unsqueeze(points, {0}), theta, false, true);
  Dims dims = {n.dim(theta, 0)};
  dims.append(space.begin(), space.end());
  dims.push_back(*rank);
  n.out(0, n.reshape(moved, dims));
}

void handlers::roiAlign(Node &n) {
  std::string mode = n.s("mode", "avg");
  bool halfPixel = n.version >= 16 && n.s("coordinate_transformation_mode", "half_pixel") == "half_pixel";
  n.out(0, n.make<bess::RoiAlignOp>({n.in(0), n.in(1), n.in(2)}, n.attrs()
                                                                     .s("mode", mode)
                                                                     .i("output_height", n.i("output_height", 1))
                                                                     .i("output_width", n.i("output_width", 1))
                                                                     .i("sampling_ratio", n.i("sampling_ratio", 0))
                                                                     .f("spatial_scale", n.f("spatial_scale", 1))
                                                                     .flag("half_pixel", halfPixel)));
}

void handlers::det(Node &n) { n.out(0, n.make<bess::DetOp>({n.in(0)})); }
