// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Tile/AttentionShape.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tile;

HeadView HeadView::of(Type type, StringRef layout) {
  auto d = getDims(type);
  bool lengthFirst = layout == "bshd";
  return {d[0], lengthFirst ? d[2] : d[1], lengthFirst ? d[1] : d[2], d[3], lengthFirst};
}

SmallVector<SymbolicExpr> HeadView::dims() const {
  return {batch, lengthFirst ? length : heads, lengthFirst ? heads : length, depth};
}

HeadSource HeadSource::of(Value operand, StringRef layout) {
  auto slice = operand.getDefiningOp<SliceOp>();
  if (!slice || !llvm::all_of(slice.getSteps(), [](int64_t step) { return step == 1; }))
    return {operand};
  auto offsets = parseDims(slice.getOffsets());
  auto whole = getDims(slice.getX().getType()), part = getDims(operand.getType());
  size_t heads = layout == "bshd" ? 2 : 1;
  for (size_t d = 0; d < whole.size(); ++d)
    if (d != heads && !(offsets[d] == SymbolicExpr(0) && whole[d] == part[d]))
      return {operand};
  return {slice.getX(), offsets[heads]};
}

static bool isOne(const SymbolicExpr &dim) { return dim == SymbolicExpr::constant(1); }

/// Whether the query heads of a key head may be rows of one block: [B, H, S, D] is [B, key heads, group * S, D], too.
static bool mayFold(const GpuAttention &a) {
  // Of more queries a head fills blocks by itself.
  constexpr int64_t mostRows = 64;
  std::optional<int64_t> group = a.group.isConstant(), queries = a.queries.isConstant();
  if (!group || *group == 1 || (queries && *group * *queries > mostRows))
    return false;
  for (Value other : {a.k, a.v, a.mask})
    if (other == a.q)
      return false; // one view for both
  // Several queries of a head lie beside each other only where the heads come first; a row of the mask for each, or one
  // for all.
  bool alike = !a.mask || isOne(a.maskDims[1]) == isOne(a.maskDims[2]);
  return isOne(a.queries) || (!a.qView.lengthFirst && !a.yView.lengthFirst && alike);
}

template <class Op> static std::optional<GpuAttention> read(Op op) {
  GpuAttention a;
  a.q = op.getQ(), a.k = op.getK(), a.v = op.getV(), a.mask = op.getMask(), a.valid = op.getValid();
  a.scale = op.getScale().convertToDouble(), a.softcap = op.getSoftcap().convertToDouble();
  a.causal = op.getCausal(), a.bottomRight = op.getCausalBottomRight();
  a.qView = HeadView::of(a.q.getType(), op.getQLayout());
  a.kView = HeadView::of(a.k.getType(), op.getKLayout());
  a.vView = HeadView::of(a.v.getType(), op.getVLayout());
  a.qSource = HeadSource::of(a.q, op.getQLayout());
  a.kSource = HeadSource::of(a.k, op.getKLayout());
  a.vSource = HeadSource::of(a.v, op.getVLayout());
  a.yView = {a.qView.batch, a.qView.heads, a.qView.length, a.vView.depth, op.getYLayout() == "bshd"};
  return a;
}

std::optional<GpuAttention> GpuAttention::of(Operation *op) {
  std::optional<GpuAttention> found;
  if (auto attention = dyn_cast_or_null<AttentionOp>(op)) {
    found = read(attention);
  } else if (auto parts = dyn_cast_or_null<AttentionPartsOp>(op)) {
    found = read(parts);
    found->parts = parts.getParts(), found->unit = parts.getUnit();
    found->partCount = getDims(parts.getY().getType()).front();
  }
  if (!found)
    return std::nullopt;
  GpuAttention &a = *found;
  Type type = getElementTypeOrSelf(a.q.getType());
  std::optional<SymbolicExpr> group = SymbolicExpr::exactDivide(a.qView.heads, a.kView.heads);
  std::optional<int64_t> depth = a.qView.depth.isConstant(), valueDepth = a.vView.depth.isConstant();
  if (!group || !depth || !valueDepth || !(type.isF32() || type.isF16() || type.isBF16()) ||
      getElementTypeOrSelf(a.k.getType()) != type || getElementTypeOrSelf(a.v.getType()) != type)
    return std::nullopt;
  a.group = *group;
  a.queries = a.qView.length;
  if (a.mask) {
    a.maskDims = getDims(a.mask.getType());
    a.maskDims.insert(a.maskDims.begin(), 4 - a.maskDims.size(), SymbolicExpr::constant(1));
  }
  // The last of the queries sees all keys.
  a.causal &= !(a.bottomRight && isOne(a.queries));
  if ((a.folded = mayFold(a))) {
    if (a.mask && !isOne(a.maskDims[1]))
      a.maskDims[1] = a.kView.heads, a.maskDims[2] = a.group * a.queries;
    for (HeadView *view : {&a.qView, &a.yView})
      *view = {view->batch, a.kView.heads, a.group * view->length, view->depth, false};
    a.foldedHeads = *a.group.isConstant();
    a.group = SymbolicExpr::constant(1);
  }
  a.shape = {.depth = *depth,
             .valueDepth = *valueDepth,
             .queries = a.qView.length.isConstant(),
             .keys = a.kView.length.isConstant(),
             .heads = (a.qView.batch * a.qView.heads).isConstant(),
             .keyHeads = (a.kView.batch * a.kView.heads).isConstant(),
             .unit = a.unit};
  a.shape.causalAndMask = a.causal && a.mask;
  // The blocks of a prompt are chosen for many queries.
  if (a.parts && a.shape.queries) {
    a.shape.heads = (a.qView.batch * a.qView.heads * a.parts).isConstant();
    a.shape.keyHeads = (a.kView.batch * a.kView.heads * a.parts).isConstant();
    if (a.shape.keys)
      a.shape.keys = (*a.shape.keys + a.parts - 1) / a.parts;
  }
  if (type.isF32()) {
    a.shape.instruction = MatmulInstruction::Fma;
    a.shape.elementBytes = 4;
  }
  return found;
}
