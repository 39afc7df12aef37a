// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention by wgmma: the program of one warp group, which has 64 queries of a head. Groups that run in one block (the
// last dimension of the grid) share keys and values. Keys go by from the last to the first: those that some query of
// the block does not see come at first, in a loop of their own, so that the other loop has no masks. Both loops do the
// same steps for all groups of a block, of which one at least is in the first loop; the lowering
// (passes/Lower/Gpu/WgmmaLoop.cpp) makes one pipeline of them. Blocks with more keys come first in the grid, of as many
// heads as have their keys and values in the L2 cache: so the last ones are short.
//
// Maximum and weights: with m = max(scale * log2(e) * products), weights = exp2(products * (scale * log2(e)) - m) is
// one multiply-add and one exponential.
//
// Masks, valid lengths, softcap, lengths that only the run tells and caches with room for more have the program for
// mma.sync (FlashAttentionProgram.cpp).
#include "passes/Tile/ProgramBuilder.h"

#include "bessemer/Algorithms/WgmmaAttentionSchedule.h"
#include "dialects/Tile/AttentionShape.h"
#include "dialects/Tile/GroupBlocks.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

#include <limits>
#include <numbers>

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tilegen;
using bessemer::tile::HeadSource;
using bessemer::tile::HeadView;

namespace {
class Writer {
public:
  Writer(ProgramBuilder &p, AttentionOp op) : p(p), b(p.b), op(op) {
    q = HeadView::of(op.getQ().getType(), op.getQLayout());
    k = HeadView::of(op.getK().getType(), op.getKLayout());
    v = HeadView::of(op.getV().getType(), op.getVLayout());
    y = HeadView::of(op.getY().getType(), op.getYLayout());
    qSource = HeadSource::of(op.getQ(), op.getQLayout());
    kSource = HeadSource::of(op.getK(), op.getKLayout());
    vSource = HeadSource::of(op.getV(), op.getVLayout());
  }

  tile::KernelOp write() {
    std::optional<SymbolicExpr> group = SymbolicExpr::exactDivide(q.heads, k.heads);
    std::optional<int64_t> knownQueries = q.length.isConstant(), knownKeys = k.length.isConstant(),
                           knownDepth = q.depth.isConstant(), knownValueDepth = v.depth.isConstant();
    type = getElementTypeOrSelf(op.getQ().getType());
    scale = op.getScale().convertToDouble() * std::numbers::log2e;
    if (!group || !knownQueries || !knownKeys || !knownDepth || !knownValueDepth || *knownQueries < 1 ||
        *knownKeys < 1 || !(type.isF16() || type.isBF16()) || getElementTypeOrSelf(op.getK().getType()) != type ||
        getElementTypeOrSelf(op.getV().getType()) != type || op.getMask() || op.getValid() || !(scale > 0) ||
        op.getSoftcap().convertToDouble() > 0)
      return {};
    queries = *knownQueries, keys = *knownKeys, depth = *knownDepth, valueDepth = *knownValueDepth;
    GpuAttentionShape shape{depth, valueDepth, queries, keys, (q.batch * q.heads).isConstant()};
    std::optional<WgmmaAttentionSchedule> schedule = chooseWgmmaAttentionSchedule(shape, *p.gpu);
    std::optional<GpuAttentionSchedule> other = chooseGpuAttentionSchedule(shape, *p.gpu);
    if (!schedule || (other && gpuAttentionCost(*other, shape, *p.gpu).cycles <=
                                   wgmmaAttentionCost(*schedule, shape, *p.gpu).cycles))
      return {};
    blockRows = schedule->blockRows(), step = schedule->blockKeys;
    SmallVector<SmallVector<SymbolicExpr>> views;
    for (Value input : p.fusion.getInputs())
      views.push_back(getDims(input.getType()));
    views.push_back(getDims(op.getY().getType()));
    SymbolicExpr blocks = SymbolicExpr::ceilDiv(q.length, blockRows), groups = schedule->groups;
    headsAtATime = chooseHeadsAtATime(group->isConstant().value_or(1));
    if (headsAtATime)
      p.begin(views, {*shape.heads / headsAtATime, blocks, headsAtATime, groups});
    else
      p.begin(views, {q.batch, q.heads, blocks, groups});
    GpuMatmulSchedule products;
    products.instruction = MatmulInstruction::WgmmaHalf;
    products.blockRows = rows;
    products.blockColumns = step;
    products.blockDepth = 64; // each product has its own
    products.warpRows = 4;
    products.stages = schedule->stages;
    products.producerWarps = 4;
    products.producerRegisters = schedule->producerRegisters;
    products.consumerRegisters = schedule->consumerRegisters;
    products.reason = schedule->reason;
    p.setSchedule(products);
    NamedAttrList entries(p.kernel.getSchedule());
    entries.set(tile::groupBlocksName, b.getI64IntegerAttr(schedule->groups));
    p.kernel.setScheduleAttr(entries.getDictionary(b.getContext()));
    body(*group);
    return p.finish(q.batch * q.heads * q.length * k.length * (2 * (depth + valueDepth)));
  }

private:
  static constexpr int64_t rows = WgmmaAttentionSchedule::groupRows;
  /// The head's number in the tensor that it is read from.
  Value headIn(const HeadSource &source, Value number) { return p.add(number, p.indexOf(source.firstHead)); }
  Value loadHead(const HeadSource &source, const HeadView &view, Value ofHead, Value place, ArrayRef<Extent> extents,
                 bool inBounds) {
    SmallVector<Value> at = view.at(batch, ofHead, place, p.index(0));
    return p.loadStored(p.view(cast<BlockArgument>(source.value).getArgNumber()), at, view.tileDims(), extents,
                        inBounds);
  }

  /// Of causal attention, heads of all batches that run before the next ones, a divisor of their number; 0: in order.
  int64_t chooseHeadsAtATime(int64_t group) {
    constexpr double cachedPart = 0.5; // of the L2 cache, as in GpuMatmulSchedule.cpp
    std::optional<int64_t> all = (q.batch * q.heads).isConstant();
    if (!op.getCausal() || !all || !q.heads.isConstant())
      return 0;
    double bytes = 2.0 * double(keys) * double(depth + valueDepth) / double(group);
    int64_t count = *all;
    while (count > 1 && (*all % count || double(count) * bytes > cachedPart * double(p.gpu->l2Bytes)))
      --count;
    return count;
  }

  void body(const SymbolicExpr &group) {
    Value zero = p.index(0), head, block;
    int64_t blocks = (queries + blockRows - 1) / blockRows;
    if (headsAtATime) {
      Value number = p.add(p.mul(p.gridId(0), p.index(headsAtATime)), p.gridId(2)), heads = p.indexOf(q.heads);
      bool isOneBatch = q.batch == SymbolicExpr::constant(1);
      batch = isOneBatch ? zero : b.createOrFold<arith::DivUIOp>(number, heads);
      head = isOneBatch ? number : b.createOrFold<arith::RemUIOp>(number, heads);
      block = p.gridId(1);
    } else {
      batch = p.gridId(0);
      head = p.gridId(1);
      block = p.gridId(2);
    }
    if (op.getCausal()) // the last of the queries see the most keys
      block = p.sub(p.index(blocks - 1), block);
    Value blockFirst = p.mul(block, p.index(blockRows));
    first = p.add(blockFirst, p.mul(p.gridId(3), p.index(rows)));
    Value keyHead = group == SymbolicExpr::constant(1) ? head : b.createOrFold<arith::DivUIOp>(head, p.indexOf(group));
    ofKeys = headIn(kSource, keyHead), ofValues = headIn(vSource, keyHead);
    Extent d = Extent::of(depth), dv = Extent::of(valueDepth);
    SmallVector<Extent> column = {Extent::of(rows), Extent::of(1)}, result = {Extent::of(rows), dv};
    Value tile = loadHead(qSource, q, headIn(qSource, head), first, {Extent::of(rows), d}, queries % blockRows == 0);

    // Steps that some query of the block sees, the last one first; of these, those that all see whole come last.
    Value steps = p.index((keys + step - 1) / step), whole = p.index(keys / step);
    shift = op.getCausalBottomRight() ? keys - queries : 0;
    if (op.getCausal()) {
      auto clamped = [&](int64_t ahead, int64_t most) { // keys, of whole numbers of steps at least 0
        Value end = p.add(blockFirst, p.index(ahead));
        if (shift < 0)
          end = b.createOrFold<arith::MaxSIOp>(end, zero);
        return p.minimum(end, p.index(most));
      };
      Value seen = p.add(clamped(shift + blockRows, keys), p.index(step - 1));
      steps = b.createOrFold<arith::MaxSIOp>(b.createOrFold<arith::DivUIOp>(seen, p.index(step)), p.index(1));
      whole = b.createOrFold<arith::DivUIOp>(clamped(shift + 1, keys), p.index(step));
    }
    whole = p.minimum(whole, p.sub(steps, p.index(1)));
    Value edges = p.sub(steps, whole), last = p.sub(steps, p.index(1));
    bool isWhole = !op.getCausal() && keys % step == 0;
    Type f32 = b.getF32Type();
    // No score is below the least number, and it is finite: exp(least - least) = 1 before a row has seen anything,
    // where sum and result are 0.
    ValueRange carried = loop(tile, zero, isWhole ? steps : edges, last, !isWhole,
                              {p.constant(-std::numeric_limits<float>::max(), f32, column), p.constant(0, f32, column),
                               p.constant(0, f32, result)});
    if (!isWhole)
      carried = loop(tile, edges, steps, last, false, carried);
    Value total = carried[1];
    // A row in which nothing is seen is 0.
    Value none = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, total, p.constant(0, f32, column));
    total = arith::SelectOp::create(b, none, p.constant(1, f32, column), total);
    Value inverse = arith::DivFOp::create(b, p.constant(1, f32, column), total);
    Value y_ = arith::MulFOp::create(b, carried[2], p.broadcast(inverse, result));
    p.store(y_, p.view(p.fusion.getInputs().size()), y.at(batch, head, first, zero), y.tileDims(),
            queries % blockRows == 0);
  }

  ValueRange loop(Value queryTile, Value from, Value to, Value last, bool masked, ValueRange initial) {
    auto loop = scf::ForOp::create(b, from, to, p.index(1), initial);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Value largest = loop.getRegionIterArgs()[0], sum = loop.getRegionIterArgs()[1], sums = loop.getRegionIterArgs()[2];
    Value key = p.mul(p.sub(last, loop.getInductionVar()), p.index(step));
    Type f32 = b.getF32Type();
    SmallVector<Extent> extents = {Extent::of(rows), Extent::of(step)}, column = {Extent::of(rows), Extent::of(1)},
                        result = {Extent::of(rows), Extent::of(valueDepth)};
    Value keyTile = loadHead(kSource, k, ofKeys, key, {Extent::of(step), Extent::of(depth)}, keys % step == 0);
    Value products = p.dotTransposed(queryTile, keyTile);
    if (masked)
      products = onlySeen(products, key);
    Value scaled = arith::MulFOp::create(b, p.reduce("max", products, 1), p.constant(scale, f32, column));
    Value newLargest = arith::MaximumFOp::create(b, largest, scaled);
    Value less = p.broadcast(arith::NegFOp::create(b, newLargest), extents);
    Value weights = math::Exp2Op::create(b, math::FmaOp::create(b, products, p.constant(scale, f32, extents), less));
    Value old = math::Exp2Op::create(b, arith::SubFOp::create(b, largest, newLargest));
    Value newSum = arith::AddFOp::create(b, arith::MulFOp::create(b, sum, old), p.reduce("sum", weights, 1));
    weights = arith::TruncFOp::create(b, tileType(extents, type), weights);
    Value valueTile = loadHead(vSource, v, ofValues, key, {Extent::of(step), Extent::of(valueDepth)}, keys % step == 0);
    Value before = arith::MulFOp::create(b, sums, p.broadcast(old, result));
    scf::YieldOp::create(b,
                         ValueRange{newLargest, newSum, arith::AddFOp::create(b, before, p.dot(weights, valueTile))});
    return loop.getResults();
  }

  /// -infinity for keys that do not exist, and for those behind the query.
  Value onlySeen(Value scores, Value key) {
    SmallVector<Extent> extents = {Extent::of(rows), Extent::of(step)};
    Type narrow = tileType(extents, b.getI32Type());
    Value numbers = arith::TruncIOp::create(b, narrow, p.iota(key, 1, extents));
    Value unseen = p.constant(-std::numeric_limits<double>::infinity(), b.getF32Type(), extents);
    if (keys % step) {
      Value limit = p.splat(arith::ConstantOp::create(b, b.getI32IntegerAttr(static_cast<int32_t>(keys))), extents);
      Value exists = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, numbers, limit);
      scores = arith::SelectOp::create(b, exists, scores, unseen);
    }
    if (op.getCausal()) {
      Value query = arith::TruncIOp::create(b, narrow, p.iota(p.add(first, p.index(shift)), 0, extents));
      Value seen = arith::CmpIOp::create(b, arith::CmpIPredicate::sle, numbers, query);
      scores = arith::SelectOp::create(b, seen, scores, unseen);
    }
    return scores;
  }

  ProgramBuilder &p;
  ImplicitLocOpBuilder &b;
  AttentionOp op;
  HeadView q, k, v, y;
  HeadSource qSource, kSource, vSource;
  Type type;
  double scale = 0; ///< times log2(e)
  int64_t queries = 0, keys = 0, depth = 0, valueDepth = 0, blockRows = 0, step = 0;
  int64_t shift = 0;        ///< of causal masks: the key of query 0
  int64_t headsAtATime = 0; ///< 0: heads are two dimensions of the grid
  Value batch, ofKeys, ofValues, first;
};
} // namespace

tile::KernelOp tilegen::writeWgmmaAttentionProgram(ProgramBuilder &p) {
  // Beside it there are slices of heads alone.
  Value result = cast<YieldOp>(p.fusion.getBody().front().getTerminator()).getValues()[0];
  auto op = result.getDefiningOp<AttentionOp>();
  if (!op)
    return {};
  return Writer(p, op).write();
}
