// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention for one head and a stretch of queries: keys and values go to panels
// in scratch memory once; then a few queries at a time, whose scores stay on
// chip.
#include "dialects/Tile/AttentionShape.h"
#include "passes/Tile/MatmulProgram.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

#include <limits>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tilegen;
using bessemer::tile::HeadView;

tile::KernelOp tilegen::writeAttentionProgram(ProgramBuilder &p) {
  if (p.gpu)
    for (auto write : {writeWgmmaAttentionProgram, writeFlashAttentionProgram})
      if (tile::KernelOp program = write(p))
        return program;
  Block &body = p.fusion.getBody().front();
  auto op = dyn_cast<AttentionOp>(body.front());
  if (!op || body.getOperations().size() != 2 || op.getValid())
    return {};
  HeadView q = HeadView::of(op.getQ().getType(), op.getQLayout()),
           k = HeadView::of(op.getK().getType(), op.getKLayout());
  HeadView v = HeadView::of(op.getV().getType(), op.getVLayout()),
           y = HeadView::of(op.getY().getType(), op.getYLayout());
  std::optional<SymbolicExpr> group = SymbolicExpr::exactDivide(q.heads, k.heads);
  std::optional<int64_t> depth = q.depth.isConstant(), valueDepth = v.depth.isConstant();
  if (!group || !depth || !valueDepth)
    return {};
  auto number = [&](Value value) { return cast<BlockArgument>(value).getArgNumber(); };

  SmallVector<SmallVector<SymbolicExpr>> views;
  for (Value input : p.fusion.getInputs())
    views.push_back(getDims(input.getType()));
  views.push_back(getDims(op.getY().getType()));
  SmallVector<SymbolicExpr> maskDims;
  if (op.getMask()) {
    maskDims = getDims(op.getMask().getType());
    maskDims.insert(maskDims.begin(), 4 - maskDims.size(), SymbolicExpr::constant(1));
    views[number(op.getMask())] = maskDims;
  }

  // Queries that share a set of panels, and those whose scores are on chip at a time: two register blocks. Both are
  // shared out evenly, for a small block at the end takes as long as a large one.
  constexpr int64_t mostOfTask = 512;
  // The distance between rows of scores is known only when the kernel runs, so that 12 are enough for a block.
  int64_t width = p.schedule.panelColumns(), mostAtATime = 2 * std::min<int64_t>(p.schedule.blockRows(width), 12);
  SymbolicExpr ofTask = evenTaskRows(q.length, mostOfTask), atATime = evenTaskRows(ofTask, mostAtATime);
  if (std::optional<int64_t> known = ofTask.isConstant(); known && q.length.isConstant())
    atATime = chooseTaskRows(known, 2 * mostAtATime); // loops with constant bounds, where there is a divisor
  p.begin(views, {q.batch, q.heads, SymbolicExpr::ceilDiv(q.length, mostOfTask)});
  ImplicitLocOpBuilder &b = p.b;
  Value batch = p.gridId(0), head = p.gridId(1), first = p.mul(p.gridId(2), p.indexOf(ofTask));
  Value zero = p.index(0);
  Value keyHead = *group == SymbolicExpr::constant(1) ? head : b.createOrFold<arith::DivUIOp>(head, p.indexOf(*group));
  Extent keys = p.extentOf(k.length), d = Extent::of(*depth), dv = Extent::of(*valueDepth);

  auto raw = [&](Value operand, ValueRange offsets, ArrayRef<int64_t> dims, ArrayRef<Extent> extents) -> Value {
    return p.loadStored(p.view(number(operand)), offsets, dims, extents, true);
  };
  auto inPanels = [&](Value tile, int64_t rows, bool transposed) -> Value {
    auto type = RankedTensorType::get({ShapedType::kDynamic, rows, width}, getElementTypeOrSelf(tile.getType()));
    return tile::PanelsOp::create(b, type, tile, width, transposed);
  };
  Value keyPanels = inPanels(raw(op.getK(), k.at(batch, keyHead, zero, zero), k.tileDims(), {keys, d}), *depth, true);
  Value values = raw(op.getV(), v.at(batch, keyHead, zero, zero), v.tileDims(), {keys, dv});
  Value valuePanels = inPanels(values, cast<RankedTensorType>(values.getType()).getDimSize(0), false);

  std::optional<int64_t> length = q.length.isConstant(), step = atATime.isConstant(), task = ofTask.isConstant();
  bool whole = length && step && task && *length % *task == 0 && *task % *step == 0;
  Value rowsAtATime = p.indexOf(atATime);
  Value end = p.minimum(p.indexOf(q.length), p.add(first, p.indexOf(ofTask)));
  auto loop = scf::ForOp::create(b, first, end, rowsAtATime);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(loop.getBody()->getTerminator());
    Value row = loop.getInductionVar();
    Extent rows = whole ? Extent::of(*step) : Extent{-1, p.minimum(rowsAtATime, p.sub(end, row))};
    Value shift = op.getCausalBottomRight() ? p.sub(p.indexOf(k.length), p.indexOf(q.length)) : Value();
    SmallVector<Extent> shape = {rows, keys};
    Type f32 = b.getF32Type();
    Value queries = raw(op.getQ(), q.at(batch, head, row, zero), q.tileDims(), {rows, d});
    Value products = p.dot(queries, keyPanels), scale = p.constant(op.getScale().convertToDouble(), f32, shape);
    Value scores = arith::MulFOp::create(b, products, scale);
    double softcap = op.getSoftcap().convertToDouble();
    if (softcap > 0) {
      Value cap = p.constant(softcap, f32, shape);
      scores = arith::MulFOp::create(b, cap, math::TanhOp::create(b, arith::DivFOp::create(b, scores, cap)));
    }
    Value unseen = p.constant(-std::numeric_limits<double>::infinity(), f32, shape);
    bool mayBeEmpty = false;
    if (op.getMask()) {
      auto one = [&](int i) { return maskDims[i] == SymbolicExpr::constant(1); };
      bool perRow = !one(2) || q.length == SymbolicExpr::constant(1),
           perKey = !one(3) || k.length == SymbolicExpr::constant(1);
      Value mask =
          p.load(p.view(number(op.getMask())), {one(0) ? zero : batch, one(1) ? zero : head, one(2) ? zero : row, zero},
                 {2, 3}, {perRow ? rows : Extent::of(1), perKey ? keys : Extent::of(1)}, true);
      mask = p.broadcast(mask, shape);
      if (getElementTypeOrSelf(op.getMask().getType()).isInteger(1)) {
        scores = arith::SelectOp::create(b, mask, scores, unseen);
      } else {
        scores = softcap > 0 ? Value(arith::AddFOp::create(b, scores, mask))
                             : Value(math::FmaOp::create(b, products, scale, mask));
      }
      mayBeEmpty = true;
    }
    if (op.getCausal()) {
      Value query = p.iota(row, 0, shape), key = p.iota(zero, 1, shape);
      if (op.getCausalBottomRight()) {
        query = arith::AddIOp::create(b, query, p.splat(arith::IndexCastOp::create(b, b.getI64Type(), shift), shape));
        mayBeEmpty = true;
      }
      Value seen = arith::CmpIOp::create(b, arith::CmpIPredicate::sle, key, query);
      scores = arith::SelectOp::create(b, seen, scores, unseen);
    }
    SmallVector<Extent> column = {rows, Extent::of(1)};
    Value largest = p.reduce("max", scores, 1);
    // A NaN that it steps over is in the sum of the weights, and so in the result.
    largest.getDefiningOp<tile::ReduceOp>().setSkipNan(true);
    if (mayBeEmpty) // A row in which nothing is seen: exp(-inf - 0) = 0.
      largest = arith::MaximumFOp::create(b, largest, p.constant(-std::numeric_limits<float>::max(), f32, column));
    Value weights = math::ExpOp::create(b, arith::SubFOp::create(b, scores, p.broadcast(largest, shape)));
    Value total = p.reduce("sum", weights, 1);
    if (mayBeEmpty) {
      Value none = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, total, p.constant(0, f32, column));
      total = arith::SelectOp::create(b, none, p.constant(1, f32, column), total);
    }
    SmallVector<Extent> outShape = {rows, dv};
    Value sum = p.dot(weights, valuePanels);
    Value result = arith::DivFOp::create(b, sum, p.broadcast(total, outShape));
    p.store(result, p.view(views.size() - 1), y.at(batch, head, row, zero), y.tileDims(), true);
  }
  return p.finish(q.batch * q.heads * q.length * k.length * (2 * (*depth + *valueDepth)));
}
