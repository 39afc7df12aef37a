// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention for one head and a block of queries on a GPU: keys and values go by
// in steps, a row's maximum and sum are carried along (online softmax, "Flash
// Attention", arXiv:2205.14135), so that no score leaves the chip. Tiles have
// the block's extents; what lies outside of a view is masked, in those steps
// alone that reach beyond what every query of the block sees. Few queries whose
// heads share keys are rows of one block: keys and values are read once.
#include "passes/Tile/HeadView.h"
#include "passes/Tile/ProgramBuilder.h"

#include "bessemer/Algorithms/GpuAttentionSchedule.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

#include <limits>
#include <numbers>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tilegen;

namespace {
class Writer {
public:
  Writer(ProgramBuilder &p, AttentionOp op) : p(p), b(p.b), op(op) {
    q = HeadView::of(op.getQ().getType(), op.getQLayout());
    k = HeadView::of(op.getK().getType(), op.getKLayout());
    v = HeadView::of(op.getV().getType(), op.getVLayout());
    y = HeadView::of(op.getY().getType(), op.getYLayout());
  }

  tile::KernelOp write() {
    std::optional<SymbolicExpr> group = SymbolicExpr::exactDivide(q.heads, k.heads);
    std::optional<int64_t> knownDepth = q.depth.isConstant(), knownValueDepth = v.depth.isConstant();
    Type type = getElementTypeOrSelf(op.getQ().getType());
    if (!group || !knownDepth || !knownValueDepth || !(type.isF32() || type.isF16() || type.isBF16()) ||
        getElementTypeOrSelf(op.getK().getType()) != type || getElementTypeOrSelf(op.getV().getType()) != type)
      return {};
    depth = *knownDepth, valueDepth = *knownValueDepth;
    if (op.getMask()) {
      maskDims = getDims(op.getMask().getType());
      maskDims.insert(maskDims.begin(), 4 - maskDims.size(), SymbolicExpr::constant(1));
    }
    // The last of the queries sees all keys.
    causal = op.getCausal() && !(op.getCausalBottomRight() && isOne(q.length));
    if ((folded = mayFold(*group))) {
      if (op.getMask() && !isOne(maskDims[1]))
        maskDims[1] = k.heads, maskDims[2] = *group;
      for (HeadView *view : {&q, &y})
        *view = {view->batch, k.heads, *group * view->length, view->depth, false};
      group = SymbolicExpr::constant(1);
    }
    GpuAttentionShape shape{depth, valueDepth, q.length.isConstant(), k.length.isConstant(),
                            (q.batch * q.heads).isConstant()};
    shape.causalAndMask = causal && op.getMask();
    if (type.isF32()) {
      shape.instruction = MatmulInstruction::Fma;
      shape.elementBytes = 4;
    }
    std::optional<GpuAttentionSchedule> schedule = chooseGpuAttentionSchedule(shape, *p.gpu);
    if (!schedule)
      return {};
    rows = schedule->blockRows, step = schedule->blockKeys;
    begin();
    GpuMatmulSchedule products;
    products.instruction = shape.instruction;
    products.blockRows = rows;
    products.blockColumns = step;
    products.blockDepth = 16; // each product has its own
    products.warpRows = schedule->warps;
    products.reason = schedule->reason;
    p.setSchedule(products);
    body(*group, type);
    return p.finish(q.batch * q.heads * q.length * k.length * (2 * (depth + valueDepth)));
  }

private:
  unsigned number(Value value) { return cast<BlockArgument>(value).getArgNumber(); }
  bool isOne(const SymbolicExpr &dim) { return dim == SymbolicExpr::constant(1); }

  /// Whether the query heads of a key head may be rows of one block: [B, H, 1, D] is [B, key heads, group, D], too.
  /// Several queries of a head lie beside each other only where the heads come first, and must see the same keys.
  bool mayFold(const SymbolicExpr &group) {
    constexpr int64_t mostRows = 64;
    std::optional<int64_t> count = group.isConstant(), length = q.length.isConstant();
    if (!count || *count == 1 || !length || *count * *length > mostRows || causal)
      return false;
    for (Value other : {op.getK(), op.getV(), op.getMask()})
      if (other == op.getQ())
        return false; // one view for both
    bool alike = !op.getMask() || (isOne(maskDims[1]) && isOne(maskDims[2]));
    return *length == 1 || (!q.lengthFirst && !y.lengthFirst && alike);
  }

  void begin() {
    SmallVector<SmallVector<SymbolicExpr>> views;
    for (Value input : p.fusion.getInputs())
      views.push_back(getDims(input.getType()));
    views.push_back(getDims(op.getY().getType()));
    output = views.size() - 1;
    if (op.getMask())
      views[number(op.getMask())] = maskDims;
    if (folded) {
      views[number(op.getQ())] = {q.batch, q.heads, q.length, q.depth};
      views[output] = {y.batch, y.heads, y.length, y.depth};
    }
    p.begin(views, {q.batch, q.heads, SymbolicExpr::ceilDiv(q.length, rows)});
  }

  void body(const SymbolicExpr &group, Type type) {
    Value batch = p.gridId(0), head = p.gridId(1);
    first = p.mul(p.gridId(2), p.index(rows));
    Value zero = p.index(0), keys = p.indexOf(k.length);
    Value keyHead = isOne(group) ? head : b.createOrFold<arith::DivUIOp>(head, p.indexOf(group));
    Extent d = Extent::of(depth), dv = Extent::of(valueDepth);
    Type f32 = b.getF32Type();
    SmallVector<Extent> column = {Extent::of(rows), Extent::of(1)}, result = {Extent::of(rows), dv};
    Value queries = p.loadStored(p.view(number(op.getQ())), q.at(batch, head, first, zero), q.tileDims(),
                                 {Extent::of(rows), d}, isWhole(q.length, rows));

    if (causal && op.getCausalBottomRight())
      shift = p.sub(keys, p.indexOf(q.length));
    bool ragged = !isWhole(k.length, step);
    if (op.getValid()) {
      Type stored = getElementTypeOrSelf(op.getValid().getType());
      Value count = tile::LoadScalarOp::create(b, stored, p.view(number(op.getValid())), ValueRange{batch});
      count = arith::IndexCastOp::create(b, b.getIndexType(), count);
      keys = p.minimum(keys, b.createOrFold<arith::MaxSIOp>(count, zero));
      ragged = true;
    }
    // Of the keys, those that some query of the block sees, and those that all of them see.
    Value end = keys, common = keys;
    if (causal) {
      Value firstSeen = shift ? p.add(first, shift) : first;
      Value seen = b.createOrFold<arith::MaxSIOp>(p.add(firstSeen, p.index(rows)), zero);
      end = p.minimum(end, seen);
      common = p.minimum(common, p.add(firstSeen, p.index(1)));
    }
    // No score is below the least number, and it is finite: exp(least - least) = 1
    // before a row has seen anything, where sum and result are 0.
    Value least = p.constant(-std::numeric_limits<float>::max(), f32, column);
    auto loop = scf::ForOp::create(b, zero, end, p.index(step),
                                   ValueRange{least, p.constant(0, f32, column), p.constant(0, f32, result)});
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(loop.getBody());
      Value key = loop.getInductionVar(), largest = loop.getRegionIterArgs()[0], sum = loop.getRegionIterArgs()[1],
            sums = loop.getRegionIterArgs()[2];
      Value keyTile = p.loadStored(p.view(number(op.getK())), k.at(batch, keyHead, key, zero), k.tileDims(),
                                   {Extent::of(step), d}, isWhole(k.length, step));
      Value scores = masked(p.dotTransposed(queries, keyTile), batch, head, key);
      if (causal || ragged) {
        Value all = arith::CmpIOp::create(b, arith::CmpIPredicate::sle, p.add(key, p.index(step)), common);
        auto branch = scf::IfOp::create(b, TypeRange{scores.getType()}, all, /*withElseRegion=*/true);
        OpBuilder::InsertionGuard inBranch(b);
        b.setInsertionPointToStart(branch.thenBlock());
        scf::YieldOp::create(b, scores);
        b.setInsertionPointToStart(branch.elseBlock());
        scf::YieldOp::create(b, onlySeen(scores, key, ragged ? keys : Value()));
        scores = branch.getResult(0);
      }
      SmallVector<Extent> extents = {Extent::of(rows), Extent::of(step)};
      Value newLargest = arith::MaximumFOp::create(b, largest, p.reduce("max", scores, 1));
      Value weights = math::Exp2Op::create(b, arith::SubFOp::create(b, scores, p.broadcast(newLargest, extents)));
      Value old = math::Exp2Op::create(b, arith::SubFOp::create(b, largest, newLargest));
      Value newSum = arith::AddFOp::create(b, arith::MulFOp::create(b, sum, old), p.reduce("sum", weights, 1));
      if (type != f32)
        weights = arith::TruncFOp::create(b, tileType(extents, type), weights);
      Value valueTile = p.loadStored(p.view(number(op.getV())), v.at(batch, keyHead, key, zero), v.tileDims(),
                                     {Extent::of(step), dv}, isWhole(k.length, step));
      Value scaled = arith::MulFOp::create(b, sums, p.broadcast(old, result));
      Value newSums = arith::AddFOp::create(b, scaled, p.dot(weights, valueTile));
      scf::YieldOp::create(b, ValueRange{newLargest, newSum, newSums});
    }
    Value total = loop.getResult(1);
    // A row in which nothing is seen is 0.
    Value none = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, total, p.constant(0, f32, column));
    total = arith::SelectOp::create(b, none, p.constant(1, f32, column), total);
    Value inverse = arith::DivFOp::create(b, p.constant(1, f32, column), total);
    Value y_ = arith::MulFOp::create(b, loop.getResult(2), p.broadcast(inverse, result));
    p.store(y_, p.view(output), y.at(batch, head, first, zero), y.tileDims(), isWhole(q.length, rows));
  }

  static bool isWhole(const SymbolicExpr &length, int64_t block) {
    std::optional<int64_t> known = length.isConstant();
    return known && *known % block == 0;
  }

  /// Scores times log2(e), since exp2 is the instruction; -infinity for keys
  /// that the mask hides.
  Value masked(Value products, Value batch, Value head, Value key) {
    constexpr double log2e = std::numbers::log2e;
    SmallVector<Extent> extents = {Extent::of(rows), Extent::of(step)};
    Type f32 = b.getF32Type();
    double scale = op.getScale().convertToDouble(), softcap = op.getSoftcap().convertToDouble();
    Value scores = products;
    if (softcap > 0) {
      scores = arith::MulFOp::create(b, scores, p.constant(scale / softcap, f32, extents));
      scores = arith::MulFOp::create(b, math::TanhOp::create(b, scores), p.constant(softcap * log2e, f32, extents));
    } else {
      scores = arith::MulFOp::create(b, scores, p.constant(scale * log2e, f32, extents));
    }
    Value zero = p.index(0);
    if (op.getMask()) {
      bool perRow = !isOne(maskDims[2]) || isOne(q.length), perKey = !isOne(maskDims[3]) || isOne(k.length);
      Value mask = p.load(p.view(number(op.getMask())),
                          {isOne(maskDims[0]) ? zero : batch, isOne(maskDims[1]) ? zero : head,
                           isOne(maskDims[2]) ? zero : first, isOne(maskDims[3]) ? zero : key},
                          {2, 3}, {Extent::of(perRow ? rows : 1), Extent::of(perKey ? step : 1)}, false);
      mask = p.broadcast(mask, extents);
      if (getElementTypeOrSelf(op.getMask().getType()).isInteger(1))
        scores = arith::SelectOp::create(b, mask, scores, unseen());
      else
        scores = arith::AddFOp::create(b, scores, arith::MulFOp::create(b, mask, p.constant(log2e, f32, extents)));
    }
    return scores;
  }

  Value unseen() {
    return p.constant(-std::numeric_limits<double>::infinity(), b.getF32Type(), {Extent::of(rows), Extent::of(step)});
  }

  /// -infinity for keys from `keys` on (null: there are none), and for those behind the query. Numbers of 32 bits:
  /// those of 64 take two registers each.
  Value onlySeen(Value scores, Value key, Value keys) {
    SmallVector<Extent> extents = {Extent::of(rows), Extent::of(step)};
    Type narrow = tileType(extents, b.getI32Type());
    Value numbers = arith::TruncIOp::create(b, narrow, p.iota(key, 1, extents));
    if (keys) {
      Value limit = p.splat(arith::IndexCastOp::create(b, b.getI32Type(), keys), extents);
      Value exists = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, numbers, limit);
      scores = arith::SelectOp::create(b, exists, scores, unseen());
    }
    if (causal) {
      Value query = arith::TruncIOp::create(b, narrow, p.iota(shift ? p.add(first, shift) : first, 0, extents));
      Value seen = arith::CmpIOp::create(b, arith::CmpIPredicate::sle, numbers, query);
      scores = arith::SelectOp::create(b, seen, scores, unseen());
    }
    return scores;
  }

  ProgramBuilder &p;
  ImplicitLocOpBuilder &b;
  AttentionOp op;
  HeadView q, k, v, y;
  SmallVector<SymbolicExpr> maskDims;
  unsigned output = 0;
  int64_t depth = 0, valueDepth = 0, rows = 0, step = 0;
  bool causal = false, folded = false;
  Value first, shift;
};
} // namespace

tile::KernelOp tilegen::writeFlashAttentionProgram(ProgramBuilder &p) {
  Block &body = p.fusion.getBody().front();
  auto op = dyn_cast<AttentionOp>(body.front());
  if (!op || body.getOperations().size() != 2)
    return {};
  return Writer(p, op).write();
}
