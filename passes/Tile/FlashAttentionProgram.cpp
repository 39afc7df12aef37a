// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention for one head and a block of queries on a GPU: keys and values go by
// in steps, a row's maximum and sum are carried along (online softmax, "Flash
// Attention", arXiv:2205.14135), so that no score leaves the chip. Tiles have
// the block's extents; what lies outside of a view is masked, in those steps
// alone that reach beyond what every query of the block sees. Few queries whose
// heads share keys are rows of one block: keys and values are read once. Of
// attention_parts each part has blocks of its own, which begin and end with its
// keys and store what they carry along.
#include "dialects/Tile/AttentionShape.h"
#include "passes/Tile/ProgramBuilder.h"

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
  Writer(ProgramBuilder &p, const tile::GpuAttention &a)
      : p(p), b(p.b), a(a), q(a.qView), k(a.kView), v(a.vView), y(a.yView) {}

  tile::KernelOp write() {
    std::optional<GpuAttentionSchedule> schedule = chooseGpuAttentionSchedule(a.shape, *p.gpu);
    if (!schedule)
      return {};
    rows = schedule->blockRows, step = schedule->blockKeys;
    begin();
    GpuMatmulSchedule products;
    products.instruction = a.shape.instruction;
    products.blockRows = rows;
    products.blockColumns = step;
    products.blockDepth = 16; // each product has its own
    products.warpRows = schedule->warps;
    products.stages = 2 * schedule->places; // of keys and of values
    products.reason = schedule->reason;
    p.setSchedule(products);
    body();
    return p.finish(q.batch * q.heads * q.length * k.length * (2 * (a.shape.depth + a.shape.valueDepth)));
  }

private:
  unsigned number(Value value) { return cast<BlockArgument>(value).getArgNumber(); }
  /// The head's number in the tensor that it is read from.
  Value headIn(const tile::HeadSource &source, Value number) { return p.add(number, p.indexOf(source.firstHead)); }
  Value loadHead(const tile::HeadSource &source, const tile::HeadView &view, Value ofHead, Value place, int64_t count,
                 int64_t depth) {
    SmallVector<Value> at = view.at(batch, ofHead, place, p.index(0));
    return p.loadStored(p.view(number(source.value)), at, view.tileDims(), {Extent::of(count), Extent::of(depth)},
                        isWhole(view.length, count));
  }
  bool isOne(const SymbolicExpr &dim) { return dim == SymbolicExpr::constant(1); }

  void begin() {
    SmallVector<SmallVector<SymbolicExpr>> views;
    for (Value input : p.fusion.getInputs())
      views.push_back(getDims(input.getType()));
    if (a.mask)
      views[number(a.mask)] = a.maskDims;
    if (a.folded)
      views[number(a.q)] = q.dims();
    output = views.size();
    SmallVector<SymbolicExpr> grid = {q.batch, q.heads, SymbolicExpr::ceilDiv(q.length, rows)};
    SmallVector<SymbolicExpr> result = y.dims();
    if (a.parts) {
      for (SmallVector<SymbolicExpr> *dims : {&grid, &result})
        dims->insert(dims->begin(), a.partCount);
    }
    views.push_back(result);
    if (a.parts) { // largest and sum: columns
      result.back() = 1;
      views.append(2, result);
    }
    p.begin(views, grid);
  }

  /// A tile [rows, columns] of a result.
  void store(Value tile, unsigned number) {
    SmallVector<Value> at = y.at(batch, head, first, p.index(0));
    SmallVector<int64_t> dims = y.tileDims();
    if (a.parts) {
      at.insert(at.begin(), p.gridId(0));
      for (int64_t &dim : dims)
        ++dim;
    }
    p.store(tile, p.view(output + number), at, dims, isWhole(q.length, rows));
  }

  /// The keys from `from` on up to `end` are this part's, of the first `keys`.
  void choosePart(Value keys, Value &from, Value &end) {
    auto ceilDiv = [&](Value x, Value n) { return b.createOrFold<arith::DivUIOp>(p.add(x, p.sub(n, p.index(1))), n); };
    Value unit = p.index(a.unit), length = p.mul(ceilDiv(ceilDiv(keys, p.indexOf(a.partCount)), unit), unit);
    from = p.mul(p.gridId(0), length);
    end = p.minimum(keys, p.add(from, length));
  }

  void body() {
    unsigned ofPart = a.parts ? 1 : 0;
    batch = p.gridId(ofPart), head = p.gridId(ofPart + 1);
    first = p.mul(p.gridId(ofPart + 2), p.index(rows));
    Type type = getElementTypeOrSelf(a.q.getType());
    Value zero = p.index(0), keys = p.indexOf(k.length);
    Value keyHead = isOne(a.group) ? head : b.createOrFold<arith::DivUIOp>(head, p.indexOf(a.group));
    Value ofKeys = headIn(a.kSource, keyHead), ofValues = headIn(a.vSource, keyHead);
    Extent dv = Extent::of(a.shape.valueDepth);
    Type f32 = b.getF32Type();
    SmallVector<Extent> column = {Extent::of(rows), Extent::of(1)}, result = {Extent::of(rows), dv};
    Value queries = loadHead(a.qSource, q, headIn(a.qSource, head), first, rows, a.shape.depth);

    if (a.causal && a.bottomRight)
      shift = p.sub(keys, p.indexOf(a.queries));
    // Parts are whole steps.
    bool ragged = !isWhole(k.length, step) || (a.parts && a.unit % step != 0);
    if (a.valid) {
      Type stored = getElementTypeOrSelf(a.valid.getType());
      Value count = tile::LoadScalarOp::create(b, stored, p.view(number(a.valid)), ValueRange{batch});
      count = arith::IndexCastOp::create(b, b.getIndexType(), count);
      keys = p.minimum(keys, b.createOrFold<arith::MaxSIOp>(count, zero));
      ragged = true;
    }
    Value from = zero;
    if (a.parts)
      choosePart(keys, from, keys);
    // Of the keys, those that some query of the block sees, and those that all of them see.
    Value end = keys, common = keys;
    if (a.causal) {
      auto [leastQuery, queryEnd] = queriesOfBlock();
      Value seen = b.createOrFold<arith::MaxSIOp>(shifted(queryEnd), zero);
      end = p.minimum(end, seen);
      common = p.minimum(common, p.add(shifted(leastQuery), p.index(1)));
    }
    // No score is below the least number, and it is finite: exp(least - least) = 1
    // before a row has seen anything, where sum and result are 0.
    Value least = p.constant(-std::numeric_limits<float>::max(), f32, column);
    auto loop = scf::ForOp::create(b, from, end, p.index(step),
                                   ValueRange{least, p.constant(0, f32, column), p.constant(0, f32, result)});
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(loop.getBody());
      Value key = loop.getInductionVar(), largest = loop.getRegionIterArgs()[0], sum = loop.getRegionIterArgs()[1],
            sums = loop.getRegionIterArgs()[2];
      Value keyTile = loadHead(a.kSource, k, ofKeys, key, step, a.shape.depth);
      Value scores = masked(p.dotTransposed(queries, keyTile), key);
      if (a.causal || ragged) {
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
      Value valueTile = loadHead(a.vSource, v, ofValues, key, step, a.shape.valueDepth);
      Value scaled = arith::MulFOp::create(b, sums, p.broadcast(old, result));
      Value newSums = arith::AddFOp::create(b, scaled, p.dot(weights, valueTile));
      scf::YieldOp::create(b, ValueRange{newLargest, newSum, newSums});
    }
    if (a.parts) {
      for (auto [number, result] : {std::pair(0, 2), {1, 0}, {2, 1}})
        store(loop.getResult(result), number);
      return;
    }
    Value total = loop.getResult(1);
    // A row in which nothing is seen is 0.
    Value none = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, total, p.constant(0, f32, column));
    total = arith::SelectOp::create(b, none, p.constant(1, f32, column), total);
    Value inverse = arith::DivFOp::create(b, p.constant(1, f32, column), total);
    store(arith::MulFOp::create(b, loop.getResult(2), p.broadcast(inverse, result)), 0);
  }

  Value shifted(Value query) { return shift ? p.add(query, shift) : query; }

  /// The least query of the block, and the end of its queries: all of a head's where the block goes from head to head.
  std::pair<Value, Value> queriesOfBlock() {
    if (!a.folded)
      return {first, p.add(first, p.index(rows))};
    Value queries = p.indexOf(a.queries), least = b.createOrFold<arith::RemUIOp>(first, queries),
          end = p.add(least, p.index(rows));
    Value goesOn = arith::CmpIOp::create(b, arith::CmpIPredicate::ugt, end, queries);
    return {arith::SelectOp::create(b, goesOn, p.index(0), least), arith::SelectOp::create(b, goesOn, queries, end)};
  }

  static bool isWhole(const SymbolicExpr &length, int64_t block) {
    std::optional<int64_t> known = length.isConstant();
    return known && *known % block == 0;
  }

  /// Scores times log2(e), since exp2 is the instruction; -infinity for keys
  /// that the mask hides.
  Value masked(Value products, Value key) {
    constexpr double log2e = std::numbers::log2e;
    SmallVector<Extent> extents = {Extent::of(rows), Extent::of(step)};
    Type f32 = b.getF32Type();
    Value scores = products;
    if (a.softcap > 0) {
      scores = arith::MulFOp::create(b, scores, p.constant(a.scale / a.softcap, f32, extents));
      scores = arith::MulFOp::create(b, math::TanhOp::create(b, scores), p.constant(a.softcap * log2e, f32, extents));
    } else {
      scores = arith::MulFOp::create(b, scores, p.constant(a.scale * log2e, f32, extents));
    }
    Value zero = p.index(0);
    if (a.mask) {
      bool perRow = !isOne(a.maskDims[2]) || isOne(q.length), perKey = !isOne(a.maskDims[3]) || isOne(k.length);
      Value mask = p.load(p.view(number(a.mask)),
                          {isOne(a.maskDims[0]) ? zero : batch, isOne(a.maskDims[1]) ? zero : head,
                           isOne(a.maskDims[2]) ? zero : first, isOne(a.maskDims[3]) ? zero : key},
                          {2, 3}, {Extent::of(perRow ? rows : 1), Extent::of(perKey ? step : 1)}, false);
      mask = p.broadcast(mask, extents);
      if (getElementTypeOrSelf(a.mask.getType()).isInteger(1))
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
    if (a.causal) {
      Value query = arith::TruncIOp::create(b, narrow, p.iota(a.folded ? first : shifted(first), 0, extents));
      auto ofAll = [&](Value number) {
        return p.splat(arith::IndexCastOp::create(b, b.getI32Type(), number), extents);
      };
      if (a.folded)
        query = arith::RemUIOp::create(b, query, ofAll(p.indexOf(a.queries)));
      if (a.folded && shift)
        query = arith::AddIOp::create(b, query, ofAll(shift));
      Value seen = arith::CmpIOp::create(b, arith::CmpIPredicate::sle, numbers, query);
      scores = arith::SelectOp::create(b, seen, scores, unseen());
    }
    return scores;
  }

  ProgramBuilder &p;
  ImplicitLocOpBuilder &b;
  const tile::GpuAttention &a;
  const tile::HeadView &q, &k, &v, &y;
  unsigned output = 0; ///< number of the first
  int64_t rows = 0, step = 0;
  Value batch, head, first, shift;
};
} // namespace

tile::KernelOp tilegen::writeFlashAttentionProgram(ProgramBuilder &p) {
  // Beside it there are slices of heads alone.
  Value result = cast<YieldOp>(p.fusion.getBody().front().getTerminator()).getValues()[0];
  std::optional<tile::GpuAttention> attention = tile::GpuAttention::of(result.getDefiningOp());
  if (!p.gpu || !attention)
    return {};
  return Writer(p, *attention).write();
}
