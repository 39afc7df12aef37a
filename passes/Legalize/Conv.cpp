// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Convolutions and pooling: auto_pad and ceil_mode become plain pads here.
#include "passes/Legalize/Handlers.h"
#include "passes/Legalize/Window.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::legalize;

/// Arithmetic on what a window says must not overflow, whatever a model claims.
static bool fitWindow(Node &n, std::initializer_list<ArrayRef<int64_t>> lists) {
  for (ArrayRef<int64_t> list : lists)
    for (int64_t value : list)
      if (value > INT32_MAX || value < INT32_MIN) {
        n.fail("expected window attributes of at most 2^31 - 1, got " + Twine(value));
        return false;
      }
  return true;
}

bool legalize::readWindow(Node &n, Value x, ArrayRef<int64_t> extents, Window &window) {
  int64_t spatial = n.rank(x) - 2;
  if (n.failed())
    return false;
  if (spatial < 1 || int64_t(extents.size()) != spatial) {
    n.fail("expected an operand of rank at least 3 and a window of " + Twine(std::max<int64_t>(spatial, 1)) +
           " extents, got " + Twine(extents.size()));
    return false;
  }
  window.extents.assign(extents.begin(), extents.end());
  window.strides = n.ints("strides", Ints(spatial, 1));
  window.dilations = n.ints("dilations", Ints(spatial, 1));
  window.pads = n.ints("pads", Ints(2 * spatial, 0));
  window.ceilPads.assign(spatial, 0);
  if (int64_t(window.strides.size()) != spatial || int64_t(window.dilations.size()) != spatial ||
      int64_t(window.pads.size()) != 2 * spatial) {
    n.fail("expected " + Twine(spatial) + " strides and dilations and " + Twine(2 * spatial) + " pads");
    return false;
  }
  if (!fitWindow(n, {window.extents, window.strides, window.dilations, window.pads}))
    return false;
  for (int64_t i = 0; i < spatial; ++i)
    if (window.strides[i] < 1 || window.dilations[i] < 1 || extents[i] < 1) {
      n.fail("expected positive strides, dilations and window extents");
      return false;
    }
  std::string mode = n.s("auto_pad", "NOTSET");
  if (mode == "VALID") {
    window.pads.assign(2 * spatial, 0);
  } else if (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
    for (int64_t i = 0; i < spatial; ++i) {
      int64_t span = (extents[i] - 1) * window.dilations[i] + 1, total = span - 1;
      if (window.strides[i] > 1) {
        std::optional<int64_t> extent = n.staticDim(x, i + 2);
        if (!extent) {
          n.fail("auto_pad with a stride needs constant dimensions, got " + n.dim(x, i + 2).str());
          return false;
        }
        int64_t count = (*extent + window.strides[i] - 1) / window.strides[i];
        total = std::max<int64_t>(0, (count - 1) * window.strides[i] + span - *extent);
      }
      int64_t small = total / 2;
      window.pads[i] = mode == "SAME_UPPER" ? small : total - small;
      window.pads[i + spatial] = total - window.pads[i];
    }
  } else if (mode != "NOTSET") {
    n.fail("expected auto_pad NOTSET, VALID, SAME_UPPER or SAME_LOWER, got \"" + mode + "\"");
    return false;
  }
  for (int64_t i = 0; i < spatial; ++i) {
    int64_t span = (extents[i] - 1) * window.dilations[i] + 1;
    std::optional<int64_t> extent = n.staticDim(x, i + 2);
    if (!extent || *extent == 0 || *extent + window.pads[i] + window.pads[i + spatial] >= span)
      continue;
    n.fail("expected a window of at most the " + Twine(*extent + window.pads[i] + window.pads[i + spatial]) +
           " elements of a padded dimension, got one that spans " + Twine(span));
    return false;
  }
  return true;
}

static Attrs windowAttrs(Node &n, const Window &window) {
  return n.attrs().ints("strides", window.strides).ints("dilations", window.dilations).ints("pads", window.pads);
}

/// The extents of the weights' window, checked against kernel_shape.
static std::optional<Ints> weightWindow(Node &n, Value w) {
  if (!n.rankAtLeast(w, 3, "weights"))
    return std::nullopt;
  Ints extents;
  for (int64_t i = 2; i < n.rank(w); ++i) {
    std::optional<int64_t> extent = n.staticDim(w, i);
    if (!extent) {
      n.fail("expected weights of a constant window, got " + n.dim(w, i).str());
      return std::nullopt;
    }
    extents.push_back(*extent);
  }
  if (n.hasAttr("kernel_shape") && n.ints("kernel_shape") != extents) {
    n.fail("expected kernel_shape to be the window of the weights");
    return std::nullopt;
  }
  return extents;
}

Value handlers::convOf(Node &n, Value x, Value w, Value bias, Type to) {
  std::optional<Ints> extents = weightWindow(n, w);
  Window window;
  if (!extents || !readWindow(n, x, *extents, window))
    return {};
  int64_t groups = n.i("group", 1);
  n.guardEqual(n.dim(x, 1), n.dim(w, 1) * groups, "channels of a convolution");
  Attrs attributes = windowAttrs(n, window).i("groups", groups);
  if (to)
    attributes.type("to", to);
  return n.make<bess::ConvOp>({x, w, bias}, attributes);
}

void handlers::conv(Node &n) { n.out(0, convOf(n, n.in(0), n.in(1), n.in(2))); }

void handlers::convTranspose(Node &n) {
  Value x = n.in(0), w = n.in(1);
  std::optional<Ints> extents = weightWindow(n, w);
  if (!extents)
    return;
  int64_t spatial = extents->size(), groups = n.i("group", 1);
  if (!n.rankIs(x, spatial + 2, "an operand"))
    return;
  Ints strides = n.ints("strides", Ints(spatial, 1)), dilations = n.ints("dilations", Ints(spatial, 1));
  Ints pads = n.ints("pads", Ints(2 * spatial, 0)), extra = n.ints("output_padding", Ints(spatial, 0)),
       shape = n.ints("output_shape");
  if (int64_t(shape.size()) == spatial + 2)
    shape.erase(shape.begin(), shape.begin() + 2);
  if (int64_t(strides.size()) != spatial || int64_t(dilations.size()) != spatial ||
      int64_t(pads.size()) != 2 * spatial || int64_t(extra.size()) != spatial ||
      (!shape.empty() && int64_t(shape.size()) != spatial) || groups < 1)
    return n.fail("expected attributes for " + Twine(spatial) + " spatial dimensions");
  if (!fitWindow(n, {*extents, strides, dilations, pads, extra, shape}))
    return;
  auto isPositive = [](int64_t value) { return value > 0; };
  if (!llvm::all_of(strides, isPositive) || !llvm::all_of(dilations, isPositive) || !llvm::all_of(*extents, isPositive))
    return n.fail("expected positive strides, dilations and window extents");
  std::string mode = n.s("auto_pad", "NOTSET");
  Dims dims = {n.dim(x, 0), n.dim(w, 1) * groups};
  for (int64_t i = 0; i < spatial; ++i) {
    int64_t span = ((*extents)[i] - 1) * dilations[i] + 1;
    SymbolicExpr full = (n.dim(x, i + 2) - 1) * strides[i] + extra[i] + span;
    bool same = mode == "SAME_UPPER" || mode == "SAME_LOWER";
    if (mode == "VALID")
      pads[i] = pads[i + spatial] = 0;
    if (shape.empty() && !same) {
      dims.push_back(full - pads[i] - pads[i + spatial]);
      continue;
    }
    SymbolicExpr wanted = shape.empty() ? n.dim(x, i + 2) * strides[i] : SymbolicExpr(shape[i]);
    std::optional<int64_t> total = (full - wanted).isConstant();
    if (!total)
      return n.fail("output_shape needs constant dimensions, got " + n.dim(x, i + 2).str());
    // What is too little is left at 0 and lies beyond the last position.
    total = std::max<int64_t>(0, *total);
    int64_t half = *total / 2;
    pads[i] = mode == "SAME_UPPER" ? half : *total - half;
    pads[i + spatial] = *total - pads[i];
    dims.push_back(wanted);
  }
  n.guardEqual(n.dim(x, 1), n.dim(w, 0), "channels of a transposed convolution");
  n.out(0, n.make<bess::ConvTransposeOp>(
               {x, w, n.in(2)},
               n.attrs().ints("strides", strides).ints("dilations", dilations).ints("pads", pads).i("groups", groups),
               n.tensor(dims, n.elt(x))));
}

void handlers::deformConv(Node &n) {
  Value x = n.in(0), w = n.in(1), offset = n.in(2);
  std::optional<Ints> extents = weightWindow(n, w);
  Window window;
  if (!extents || !readWindow(n, x, *extents, window) || !n.rankAtLeast(offset, 4, "offsets"))
    return;
  Dims dims = {n.dim(x, 0), n.dim(w, 0)};
  for (int64_t i = 0; i < int64_t(extents->size()); ++i)
    dims.push_back(n.dim(offset, i + 2));
  n.out(0, n.make<bess::DeformConvOp>(
               {x, w, offset, n.in(3), n.in(4)},
               windowAttrs(n, window).i("groups", n.i("group", 1)).i("offset_groups", n.i("offset_group", 1)),
               n.tensor(dims, n.elt(x))));
}

// ---- pooling -----------------------------------------------------------------------

/// ceil_mode as pads that make the last, partial window whole.
static bool addCeilPads(Node &n, Value x, Window &window) {
  if (n.i("ceil_mode", 0) == 0)
    return true;
  int64_t spatial = window.extents.size();
  for (int64_t i = 0; i < spatial; ++i) {
    if (window.strides[i] == 1)
      continue;
    int64_t span = (window.extents[i] - 1) * window.dilations[i] + 1;
    std::optional<int64_t> extent = n.staticDim(x, i + 2);
    if (!extent) {
      // The count of windows rounded up or down is the same when what is left
      // over is known to be nothing.
      SymbolicExpr slack =
          SymbolicExpr::mod(n.dim(x, i + 2) + window.pads[i] + window.pads[i + spatial] - span, window.strides[i]);
      if (slack == SymbolicExpr(0))
        continue;
      n.fail("ceil_mode needs constant dimensions, got " + n.dim(x, i + 2).str());
      return false;
    }
    int64_t room = *extent + window.pads[i] + window.pads[i + spatial];
    int64_t steps = (room - span + window.strides[i] - 1) / window.strides[i];
    // A window that would begin in the padding behind the operand is dropped.
    if (steps * window.strides[i] >= *extent + window.pads[i])
      --steps;
    int64_t missing = steps * window.strides[i] + span - room;
    if (missing > 0) {
      window.pads[i + spatial] += missing;
      window.ceilPads[i] = missing;
    }
  }
  return true;
}

static void poolOf(Node &n, StringRef kind) {
  Value x = n.in(0);
  Window window;
  if (!readWindow(n, x, n.ints("kernel_shape"), window) || !addCeilPads(n, x, window))
    return;
  Attrs attributes =
      windowAttrs(n, window).s("kind", kind).ints("window", window.extents).ints("ceil_pads", window.ceilPads);
  attributes.flag("count_include_pad", n.i("count_include_pad", 0) != 0).i("p", n.i("p", 2));
  Value y = n.make<bess::PoolOp>({x}, attributes);
  n.out(0, y);
  if (kind == "max" && n.wants(1) && y)
    n.out(1,
          n.make<bess::MaxPoolIndicesOp>(
              {x},
              windowAttrs(n, window).ints("window", window.extents).flag("column_major", n.i("storage_order", 0) != 0),
              n.tensor(n.dims(y), n.b.getI64Type())));
}
void handlers::maxPool(Node &n) { poolOf(n, "max"); }
void handlers::averagePool(Node &n) { poolOf(n, "average"); }
void handlers::lpPool(Node &n) { poolOf(n, "lp"); }

void handlers::globalPool(Node &n) {
  Value x = n.in(0);
  if (!n.rankAtLeast(x, 3, "an operand"))
    return;
  Ints axes;
  for (int64_t i = 2; i < n.rank(x); ++i)
    axes.push_back(i);
  StringRef op = n.op.getOpType();
  if (op == "GlobalLpPool") {
    double p = double(n.i("p", 2));
    if (p == 2)
      return n.out(0, n.reduce(x, "l2", axes, true));
    Value powered = n.pow(n.make<bess::AbsOp>({x}), n.like(x, p));
    return n.out(0, n.pow(n.reduce(powered, "sum", axes, true), n.like(x, 1 / p)));
  }
  n.out(0, n.reduce(x, op == "GlobalMaxPool" ? "max" : "mean", axes, true));
}

void handlers::maxUnpool(Node &n) {
  Value x = n.in(0), indices = n.in(1);
  if (!n.rankAtLeast(x, 3, "an operand"))
    return;
  Ints extents = n.ints("kernel_shape");
  int64_t spatial = n.rank(x) - 2;
  Ints strides = n.ints("strides", Ints(spatial, 1)), pads = n.ints("pads", Ints(2 * spatial, 0));
  if (int64_t(extents.size()) != spatial || int64_t(strides.size()) != spatial || int64_t(pads.size()) != 2 * spatial)
    return n.fail("expected attributes for " + Twine(spatial) + " spatial dimensions");
  Dims dims = {n.dim(x, 0), n.dim(x, 1)};
  for (int64_t i = 0; i < spatial; ++i)
    dims.push_back((n.dim(x, i + 2) - 1) * strides[i] + extents[i] - pads[i] - pads[i + spatial]);
  if (!n.has(2))
    return n.out(0, n.make<bess::MaxUnpoolOp>({x, indices}, n.attrs(), n.tensor(dims, n.elt(x))));
  // The indices count within the extents above; a larger output_shape holds
  // them at its low corner.
  Dims wanted = n.elements(n.in(2), "unpool");
  if (n.failed() || wanted.size() != dims.size())
    return n.fail("expected output_shape of " + Twine(dims.size()) + " elements");
  Dims low(dims.size(), SymbolicExpr(0)), high;
  for (auto [want, have] : llvm::zip(wanted, dims))
    high.push_back(want - have);
  n.out(0, n.pad(n.make<bess::MaxUnpoolOp>({x, indices}, n.attrs(), n.tensor(dims, n.elt(x))), Value(), low, high));
}

void handlers::col2Im(Node &n) {
  Value x = n.in(0);
  if (!n.rankIs(x, 3, "an operand"))
    return;
  Dims image = n.elements(n.in(1), "image");
  Ints block = n.needInts(n.in(2), "block_shape");
  if (n.failed())
    return;
  int64_t spatial = block.size(), area = 1;
  for (int64_t extent : block)
    area *= extent;
  auto channels = SymbolicExpr::exactDivide(n.dim(x, 1), area);
  if (!channels || int64_t(image.size()) != spatial)
    return n.fail("expected channels that are a multiple of the block, got " + n.dim(x, 1).str());
  Dims dims = {n.dim(x, 0), *channels};
  dims.append(image.begin(), image.end());
  n.out(0, n.make<bess::Col2ImOp>({x},
                                  n.attrs()
                                      .ints("block", block)
                                      .ints("strides", n.ints("strides", Ints(spatial, 1)))
                                      .ints("dilations", n.ints("dilations", Ints(spatial, 1)))
                                      .ints("pads", n.ints("pads", Ints(2 * spatial, 0))),
                                  n.tensor(dims, n.elt(x))));
}
