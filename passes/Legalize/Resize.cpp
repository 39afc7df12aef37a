// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Resize (opsets 10 to 19) and Upsample.
#include "passes/Legalize/Handlers.h"

#include <cmath>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

/// floor(extent * scale), for a scale that is a float32.
static std::optional<SymbolicExpr> scaled(const SymbolicExpr &extent, double scale) {
  if (auto value = extent.isConstant())
    return SymbolicExpr(int64_t(std::floor(double(*value) * scale)));
  for (int64_t denominator = 1; denominator <= 64; ++denominator) {
    double numerator = std::round(scale * double(denominator));
    if (numerator > 0 && std::abs(numerator / double(denominator) - scale) < 1e-6 * scale)
      return SymbolicExpr::floorDiv(extent * int64_t(numerator), denominator);
  }
  return std::nullopt;
}

void handlers::resize(Node &n) {
  Value x = n.in(0);
  if (!x)
    return n.fail("expected an operand");
  bool upsample = n.op.getOpType() == "Upsample", first = n.version < 11;
  int64_t rank = n.rank(x);
  std::string mode = n.s("mode", "nearest");
  if (mode == "bilinear" || mode == "trilinear")
    mode = "linear";
  if (!llvm::is_contained({"nearest", "linear", "cubic"}, mode))
    return n.fail("expected mode nearest, linear or cubic, got \"" + mode + "\"");
  std::string coordinates = n.s("coordinate_transformation_mode", upsample || first ? "asymmetric" : "half_pixel");
  std::string nearest = n.s("nearest_mode", upsample || first ? "floor" : "round_prefer_floor");

  Ints axes;
  for (int64_t i = 0; i < rank; ++i)
    axes.push_back(i);
  if (n.hasAttr("axes"))
    axes = n.axes(n.ints("axes"), rank);
  Value scalesOperand = upsample || first ? n.in(1) : n.in(2), sizesOperand = upsample || first ? Value() : n.in(3);
  if (scalesOperand && n.dims(scalesOperand) == Dims{SymbolicExpr(0)})
    scalesOperand = {};

  SmallVector<double> scales;
  Dims sizes;
  if (sizesOperand) {
    sizes = n.elements(sizesOperand, "resize");
    if (n.failed() || sizes.size() != axes.size())
      return n.fail("expected sizes of " + Twine(axes.size()) + " elements");
    std::string policy = n.s("keep_aspect_ratio_policy", "stretch");
    if (policy != "stretch") {
      double chosen = policy == "not_larger" ? INFINITY : 0;
      for (auto [axis, size] : llvm::zip(axes, sizes)) {
        auto to = size.isConstant(), from = n.staticDim(x, axis);
        if (!to || !from || *from == 0)
          return n.fail("keep_aspect_ratio_policy needs constant sizes");
        double scale = double(*to) / double(*from);
        chosen = policy == "not_larger" ? std::min(chosen, scale) : std::max(chosen, scale);
      }
      for (auto [axis, size] : llvm::zip(axes, sizes))
        size = int64_t(std::floor(chosen * double(*n.staticDim(x, axis)) + 0.5));
      scales.assign(axes.size(), chosen);
    }
  } else {
    std::optional<SmallVector<double>> known;
    if (scalesOperand)
      known = n.constFloats(scalesOperand);
    else if (n.hasAttr("scales"))
      known = n.floats("scales");
    if (!known)
      return n.fail("expected constant scales");
    scales = *known;
    if (scales.size() != axes.size())
      return n.fail("expected " + Twine(axes.size()) + " scales, got " + Twine(scales.size()));
    for (auto [axis, scale] : llvm::zip(axes, scales)) {
      std::optional<SymbolicExpr> size = scale > 0 && scale < 1e6 ? scaled(n.dim(x, axis), scale) : std::nullopt;
      if (!size)
        return n.fail("a scale of " + std::to_string(scale) + " needs a constant dimension, got " +
                      n.dim(x, axis).str());
      sizes.push_back(*size);
    }
  }
  bool crop = coordinates == "tf_crop_and_resize";
  SmallVector<double> roi;
  if (crop) {
    std::optional<SmallVector<double>> known = n.constFloats(n.in(1));
    if (!known || known->size() != 2 * axes.size())
      return n.fail("expected a constant roi of " + Twine(2 * axes.size()) + " elements");
    roi = *known;
  }
  // Dimensions that stay as they are do not take part.
  Dims dims = n.dims(x);
  Ints keptAxes;
  SmallVector<double> keptScales, starts, ends;
  for (auto [i, axis] : llvm::enumerate(axes)) {
    bool same = dims[axis] == sizes[i] && (scales.empty() || scales[i] == 1) && !crop;
    dims[axis] = sizes[i];
    if (same)
      continue;
    keptAxes.push_back(axis);
    if (!scales.empty())
      keptScales.push_back(scales[i]);
    if (crop) {
      starts.push_back(roi[i]);
      ends.push_back(roi[i + axes.size()]);
    }
  }
  if (keptAxes.empty())
    return n.out(0, x);
  starts.append(ends.begin(), ends.end());
  n.out(0, n.make<bess::ResizeOp>({x},
                                  n.attrs()
                                      .ints("axes", keptAxes)
                                      .floats("scales", keptScales)
                                      .floats("roi", starts)
                                      .s("mode", mode)
                                      .s("coordinate_transformation_mode", coordinates)
                                      .s("nearest_mode", nearest)
                                      .f("cubic_coeff_a", n.f("cubic_coeff_a", -0.75))
                                      .flag("exclude_outside", n.i("exclude_outside", 0) != 0)
                                      .f("extrapolation_value", n.f("extrapolation_value", 0))
                                      .flag("antialias", n.i("antialias", 0) != 0),
                                  n.tensor(dims, n.elt(x))));
}
