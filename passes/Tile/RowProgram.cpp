// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Elementwise ops, reductions, normalizations and moves, a row at a time: a
// point of the grid is a row (all but the last dimension of the result), and
// each op of the fusion is asked for the row that its reader needs.
#include "passes/Tile/ProgramBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tilegen;

namespace {
/// Which part of a tensor is wanted: one index for each dimension but the last;
/// `rows`, when it is a dimension, stands for all of that dimension, as the
/// tile's rows. The last dimension is whole.
struct Request {
  SmallVector<Value> outer;
  int64_t rows = -1;
};

class RowWriter {
public:
  explicit RowWriter(ProgramBuilder &p) : p(p), b(p.b) {}

  tile::KernelOp write() {
    auto yield = cast<YieldOp>(p.fusion.getBody().front().getTerminator());
    if (yield.getNumOperands() == 0)
      return {};
    Value root = yield.getValues()[0];
    SmallVector<SmallVector<SymbolicExpr>> views;
    for (Value input : p.fusion.getInputs())
      views.push_back(getDims(input.getType()));
    for (Value result : yield.getValues()) {
      views.push_back(getDims(result.getType()));
      if (views.back() != getDims(root.getType()))
        return {};
    }
    ArrayRef<SymbolicExpr> dims = views.back();
    bool single = yield.getNumOperands() == 1;
    if (dims.empty())
      return single ? flatWrite(root, views) : tile::KernelOp();
    if (single && isFlat(root)) {
      for (auto &view : views)
        view =
            product(view).isConstant() == 1 ? SmallVector<SymbolicExpr>{1} : SmallVector<SymbolicExpr>{product(view)};
      return flatWrite(root, views);
    }
    // A task for each of a few elements costs more than they do: of short rows there are several in a task.
    constexpr int64_t rowsOfTask = 64;
    SmallVector<SymbolicExpr> grid(dims.drop_back());
    bool several = !p.gpu && !grid.empty() && isShort(dims.back());
    SymbolicExpr rows = grid.empty() ? SymbolicExpr(1) : grid.back();
    if (several)
      grid.back() = SymbolicExpr::ceilDiv(rows, rowsOfTask);
    p.begin(views, grid);
    Request request;
    for (size_t i = 0; i < grid.size(); ++i)
      request.outer.push_back(p.gridId(i));
    scf::ForOp loop;
    if (several) {
      Value first = p.mul(request.outer.back(), p.index(rowsOfTask));
      Value end = p.minimum(p.add(first, p.index(rowsOfTask)), p.indexOf(rows));
      loop = scf::ForOp::create(b, first, end, p.index(1));
      b.setInsertionPointToStart(loop.getBody());
      request.outer.back() = loop.getInductionVar();
    }
    // All is read before anything is written: a result may lie where an operand was.
    SmallVector<Value> tiles;
    for (Value result : yield.getValues()) {
      tiles.push_back(emit(result, request));
      if (!tiles.back())
        return {};
    }
    SmallVector<Value> offsets = request.outer;
    offsets.push_back(p.index(0));
    for (auto [number, tile] : llvm::enumerate(tiles))
      p.store(tile, p.view(p.fusion.getInputs().size() + number), offsets, {static_cast<int64_t>(dims.size()) - 1},
              true);
    if (loop)
      b.setInsertionPointAfter(loop);
    return p.finish(product(getDims(root.getType())) *
                    static_cast<int64_t>(p.fusion.getBody().front().getOperations().size() - 1));
  }

private:
  /// Rows of a few elements, each computed from a few: what is reduced, if anything, is short, too.
  bool isShort(const SymbolicExpr &columns) {
    auto few = [](const SymbolicExpr &count) { return count.isConstant().value_or(INT64_MAX) < 32; };
    for (Operation &op : p.fusion.getBody().front()) {
      SymbolicExpr reduced = 1;
      if (auto reduce = dyn_cast<ReduceOp>(op))
        for (int64_t axis : reduce.getAxes())
          reduced *= getDims(reduce.getX().getType())[axis];
      if (auto softmax = dyn_cast<SoftmaxOp>(op))
        reduced = getDims(softmax.getX().getType())[softmax.getAxis()];
      if (!few(reduced))
        return false;
    }
    return few(columns);
  }

  /// Only elementwise ops, on tensors of one shape or of one element: the
  /// dimensions do not matter, and a row may be as long as is good.
  bool isFlat(Value root) {
    auto dims = getDims(root.getType());
    for (Operation &op : p.fusion.getBody().front()) {
      if (isa<YieldOp, ConstantOp>(op))
        continue;
      if (!op.hasTrait<Elementwise>())
        return false;
      for (Value operand : op.getOperands()) {
        auto own = getDims(operand.getType());
        if (own != dims && !(product(own) == SymbolicExpr::constant(1)))
          return false;
      }
    }
    return true;
  }

  tile::KernelOp flatWrite(Value root, ArrayRef<SmallVector<SymbolicExpr>> views) {
    SmallVector<SmallVector<SymbolicExpr>> flat(views.begin(), views.end());
    for (auto &view : flat)
      if (view.empty())
        view = {1};
    SymbolicExpr total = flat.back()[0];
    constexpr int64_t block = 8192;
    p.begin(flat, {SymbolicExpr::ceilDiv(total, block)});
    flatStart = p.mul(p.gridId(0), p.index(block));
    std::optional<int64_t> constant = total.isConstant();
    if (constant && (*constant <= block || *constant % block == 0))
      flatExtent = Extent::of(std::min(*constant, block));
    else
      flatExtent = {-1, p.minimum(p.index(block), p.sub(p.indexOf(total), flatStart))};
    Value tile = emitFlat(root);
    if (!tile)
      return {};
    p.store(tile, p.view(flat.size() - 1), {flatStart}, {0}, true);
    return p.finish(total * static_cast<int64_t>(p.fusion.getBody().front().getOperations().size() - 1));
  }

  Value emitFlat(Value value) {
    if (Value known = cache.lookup(value))
      return known;
    return cache[value] = emitFlatNew(value);
  }

  Value emitFlatNew(Value value) {
    bool single = product(getDims(value.getType())) == SymbolicExpr::constant(1) && !flatExtent.isOne();
    if (auto argument = dyn_cast<BlockArgument>(value)) {
      Value view = p.view(argument.getArgNumber());
      if (!single)
        return p.load(view, {flatStart}, {0}, {flatExtent}, true);
      return p.broadcast(p.load(view, {p.index(0)}, {0}, {Extent::of(1)}, true), {flatExtent});
    }
    Operation *op = value.getDefiningOp();
    if (auto constant = dyn_cast<ConstantOp>(op))
      return p.constant(constant, {flatExtent});
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      Value tile = emitFlat(operand);
      if (!tile)
        return {};
      operands.push_back(tile);
    }
    return p.elementwise(op, operands, {flatExtent});
  }

  /// Extents of the tile that answers a request: [last], or [rows, last].
  SmallVector<Extent> extentsOf(Value value, const Request &request) {
    auto dims = getDims(value.getType());
    SmallVector<Extent> extents;
    if (request.rows >= 0)
      extents.push_back(p.extentOf(dims[request.rows]));
    extents.push_back(dims.empty() ? Extent::of(1) : p.extentOf(dims.back()));
    return extents;
  }

  /// The request to an operand that is broadcast to the result.
  Request broadcastRequest(Value from, Value to, const Request &request) {
    auto fromDims = getDims(from.getType()), toDims = getDims(to.getType());
    size_t shift = toDims.size() - fromDims.size();
    Request result;
    for (size_t i = 0; i + 1 < fromDims.size(); ++i) {
      bool one = fromDims[i] == SymbolicExpr::constant(1) && !(toDims[i + shift] == SymbolicExpr::constant(1));
      result.outer.push_back(one ? p.index(0) : request.outer[i + shift]);
      if (request.rows == static_cast<int64_t>(i + shift))
        result.rows = i;
    }
    return result;
  }

  /// A tile for an operand, stretched to the result's extents.
  Value emitBroadcast(Value operand, Value to, const Request &request) {
    SmallVector<Extent> extents = extentsOf(to, request);
    auto dims = getDims(operand.getType());
    if (auto argument = dyn_cast<BlockArgument>(operand); argument && product(dims) == SymbolicExpr::constant(1))
      return scalarSplat(argument, dims.size(), extents);
    Request own = broadcastRequest(operand, to, request);
    Value tile = emit(operand, own);
    if (!tile)
      return {};
    auto type = cast<RankedTensorType>(tile.getType());
    if (type.getRank() < static_cast<int64_t>(extents.size())) {
      // No rows of its own: a tile of one row.
      if (auto load = tile.getDefiningOp<tile::LoadOp>(); !load)
        return {};
      tile = withRow(tile.getDefiningOp<tile::LoadOp>());
    }
    return p.broadcast(tile, extents);
  }

  /// The same load as a tile with one row.
  Value withRow(tile::LoadOp load) {
    auto type = cast<RankedTensorType>(load.getTile().getType());
    auto wide = RankedTensorType::get({1, type.getDimSize(0)}, type.getElementType());
    int64_t last = load.getDims().back();
    auto again = tile::LoadOp::create(b, wide, load.getView(), load.getOffsets(), load.getSizes(),
                                      ArrayRef<int64_t>{last, last});
    again->setAttr("in_bounds", b.getUnitAttr());
    return again;
  }

  Value emit(Value value, const Request &request) {
    for (auto &[v, r, tile] : answers)
      if (v == value && r.outer == request.outer && r.rows == request.rows)
        return tile;
    Value tile = emitNew(value, request);
    if (tile)
      answers.push_back({value, request, tile});
    return tile;
  }

  Value loadInput(BlockArgument argument, const Request &request) {
    auto dims = getDims(argument.getType());
    Value view = p.view(argument.getArgNumber());
    if (dims.empty())
      return scalarSplat(argument, 0, {Extent::of(1)});
    SmallVector<Value> offsets = request.outer;
    offsets.push_back(p.index(0));
    SmallVector<int64_t> tileDims;
    if (request.rows >= 0) {
      offsets[request.rows] = p.index(0);
      tileDims.push_back(request.rows);
    }
    tileDims.push_back(dims.size() - 1);
    return p.load(view, offsets, tileDims, extentsOf(argument, request), true);
  }

  /// A tensor of one element as a tile of that value.
  Value scalarSplat(BlockArgument argument, size_t rank, ArrayRef<Extent> extents) {
    Value view = p.view(argument.getArgNumber());
    Type stored = cast<tile::ViewType>(view.getType()).getElementType();
    Type loaded = stored.isInteger() ? computeType(stored) : stored;
    Value scalar = tile::LoadScalarOp::create(b, loaded, view, SmallVector<Value>(rank, p.index(0)));
    if (loaded != computeType(stored))
      scalar = arith::ExtFOp::create(b, computeType(stored), scalar);
    return p.splat(scalar, extents);
  }

  Value emitNew(Value value, const Request &request) {
    if (auto argument = dyn_cast<BlockArgument>(value))
      return loadInput(argument, request);
    Operation *op = value.getDefiningOp();
    b.setLoc(op->getLoc());
    SmallVector<Extent> extents = extentsOf(value, request);
    int64_t last = extents.size() - 1;
    if (auto constant = dyn_cast<ConstantOp>(op))
      return p.constant(constant, extents);
    if (op->hasTrait<Elementwise>()) {
      SmallVector<Value> operands;
      for (Value operand : op->getOperands()) {
        Value tile = operand.getDefiningOp<ConstantOp>() ? p.constant(operand.getDefiningOp<ConstantOp>(), extents)
                                                         : emitBroadcast(operand, value, request);
        if (!tile)
          return {};
        operands.push_back(tile);
      }
      return p.elementwise(op, operands, extents);
    }
    if (auto broadcast = dyn_cast<BroadcastOp>(op))
      return emitBroadcast(broadcast.getX(), value, request);
    if (auto reduce = dyn_cast<ReduceOp>(op))
      return emitReduce(reduce, request);
    if (auto softmax = dyn_cast<SoftmaxOp>(op)) {
      Value x = emit(softmax.getX(), request);
      if (!x)
        return {};
      Value shifted = arith::SubFOp::create(b, x, p.broadcast(p.reduce("max", x, last), extents)), e;
      // Of a result of 16 bits f32 has digits to spare: exp(x) = 2^(x log2(e)), within 2^-16 of each as the product is
      // rounded, is two instructions on a GPU, where all digits take eight.
      constexpr double log2OfE = 0x1.715476p+0;
      if (p.gpu && getElementTypeOrSelf(value.getType()).getIntOrFloatBitWidth() == 16)
        e = math::Exp2Op::create(
            b,
            arith::MulFOp::create(
                b, shifted, p.constant(log2OfE, cast<RankedTensorType>(shifted.getType()).getElementType(), extents)));
      else
        e = math::ExpOp::create(b, shifted);
      Value sum = p.reduce("sum", e, last);
      if (softmax.getLog())
        return arith::SubFOp::create(b, shifted, p.broadcast(math::LogOp::create(b, sum), extents));
      // One division for a row, not one for each element.
      SmallVector<Extent> rowExtents(ArrayRef<Extent>(extents).drop_back());
      rowExtents.push_back(Extent::of(1));
      Value one = p.constant(1, cast<RankedTensorType>(sum.getType()).getElementType(), rowExtents);
      return arith::MulFOp::create(b, e, p.broadcast(arith::DivFOp::create(b, one, sum), extents));
    }
    if (auto norm = dyn_cast<LayerNormOp>(op)) {
      Value x = emit(norm.getX(), request);
      if (!x)
        return {};
      Value centred = arith::SubFOp::create(b, x, p.broadcast(mean(x, norm.getX(), last), extents));
      Value y = scaled(centred, norm.getX(), norm.getEpsilon().convertToDouble(), extents);
      return affine(y, norm.getScale(), norm.getBias(), value, request);
    }
    if (auto norm = dyn_cast<RmsNormOp>(op)) {
      Value x = emit(norm.getX(), request);
      if (!x)
        return {};
      return affine(scaled(x, norm.getX(), norm.getEpsilon().convertToDouble(), extents), norm.getScale(), {}, value,
                    request);
    }
    if (auto iota = dyn_cast<IotaOp>(op)) {
      int64_t rank = getDims(value.getType()).size();
      Value tile;
      if (int64_t(iota.getAxis()) == rank - 1)
        tile = p.iota(p.index(0), last, extents);
      else if (int64_t(iota.getAxis()) == request.rows)
        tile = p.iota(p.index(0), 0, extents);
      else
        tile = p.splat(arith::IndexCastOp::create(b, b.getI64Type(), request.outer[iota.getAxis()]), extents);
      Type element = computeType(getElementTypeOrSelf(value.getType()));
      if (isa<FloatType>(element))
        return arith::SIToFPOp::create(b, tileType(extents, element), tile);
      if (!element.isInteger(64))
        return arith::TruncIOp::create(b, tileType(extents, element), tile);
      return tile;
    }
    if (request.rows >= 0)
      return {};
    if (auto sum = dyn_cast<SumPartsOp>(op))
      return emitSumParts(sum, request);
    if (auto gather = dyn_cast<GatherOp>(op))
      return emitGather(gather, request);
    if (auto slice = dyn_cast<SliceOp>(op))
      return emitSlice(slice, request);
    if (auto transpose = dyn_cast<TransposeOp>(op))
      return emitTranspose(transpose, request);
    if (auto trilu = dyn_cast<TriluOp>(op))
      return emitTrilu(trilu, request, extents);
    return {};
  }

  Value i64Splat(Value index, ArrayRef<Extent> extents) {
    return p.splat(b.createOrFold<arith::IndexCastOp>(b.getI64Type(), index), extents);
  }

  Value emitTrilu(TriluOp trilu, const Request &request, ArrayRef<Extent> extents) {
    std::optional<SymbolicExpr> k = SymbolicExpr::parse(trilu.getK());
    Value x = emit(trilu.getX(), request);
    if (!k || !x)
      return {};
    Value row = i64Splat(p.add(request.outer.back(), p.indexOf(*k)), extents), column = p.iota(p.index(0), 0, extents);
    auto predicate = trilu.getUpper() ? arith::CmpIPredicate::sge : arith::CmpIPredicate::sle;
    Value keep = arith::CmpIOp::create(b, predicate, column, row);
    return arith::SelectOp::create(b, keep, x, p.constant(0, getElementTypeOrSelf(x.getType()), extents));
  }

  /// The mean along the last dimension of `graphValue`, whose row `tile` is.
  Value mean(Value tile, Value graphValue, int64_t axis) {
    Value sum = p.reduce("sum", tile, axis);
    return arith::DivFOp::create(b, sum, countTile(getDims(graphValue.getType()).back(), sum));
  }

  Value countTile(const SymbolicExpr &count, Value like) {
    auto type = cast<RankedTensorType>(like.getType());
    Value n = arith::IndexCastOp::create(b, b.getI64Type(), p.indexOf(count));
    Value f = arith::SIToFPOp::create(b, type.getElementType(), n);
    SmallVector<Value> sizes;
    for (int64_t i = 0; i < type.getRank(); ++i)
      if (type.isDynamicDim(i))
        sizes.push_back(dynamicSize(like, i));
    return tile::SplatOp::create(b, type, f, sizes);
  }

  Value dynamicSize(Value tile, int64_t dim) {
    while (Operation *op = tile.getDefiningOp()) {
      if (auto load = dyn_cast<tile::LoadOp>(op))
        return load.getSizes()[cast<RankedTensorType>(tile.getType()).getDynamicDimIndex(dim)];
      if (auto broadcast = dyn_cast<tile::BroadcastOp>(op))
        return broadcast.getSizes()[cast<RankedTensorType>(tile.getType()).getDynamicDimIndex(dim)];
      if (auto splat = dyn_cast<tile::SplatOp>(op))
        return splat.getSizes()[cast<RankedTensorType>(tile.getType()).getDynamicDimIndex(dim)];
      if (auto reduce = dyn_cast<tile::ReduceOp>(op);
          reduce &&
          cast<RankedTensorType>(reduce.getX().getType()).getRank() > cast<RankedTensorType>(tile.getType()).getRank())
        dim += 1;
      tile = op->getOperand(0);
    }
    return p.index(1);
  }

  /// x / sqrt(mean(x^2) + epsilon)
  Value scaled(Value x, Value graphValue, double epsilon, ArrayRef<Extent> extents) {
    int64_t last = extents.size() - 1;
    Value square = mean(arith::MulFOp::create(b, x, x), graphValue, last);
    auto type = cast<RankedTensorType>(square.getType());
    SmallVector<Extent> rowExtents(extents.drop_back());
    rowExtents.push_back(Extent::of(1));
    auto c = [&](double v) { return p.constant(v, type.getElementType(), rowExtents); };
    Value root = math::SqrtOp::create(b, arith::AddFOp::create(b, square, c(epsilon)));
    Value factor = arith::DivFOp::create(b, c(1), root);
    return arith::MulFOp::create(b, x, p.broadcast(factor, extents));
  }

  Value affine(Value y, Value scale, Value bias, Value result, const Request &request) {
    Value s = emitBroadcast(scale, result, request);
    if (!s)
      return {};
    y = arith::MulFOp::create(b, y, s);
    if (!bias)
      return y;
    Value shift = emitBroadcast(bias, result, request);
    return shift ? Value(arith::AddFOp::create(b, y, shift)) : Value();
  }

  Value emitReduce(ReduceOp reduce, const Request &request) {
    int64_t rank = getDims(reduce.getX().getType()).size(), axis = reduce.getAxes()[0];
    Request own = request;
    int64_t tileAxis;
    if (axis == rank - 1) {
      tileAxis = request.rows >= 0 ? 1 : 0;
    } else {
      // Along the rows: the tile has all of them. One such level at a time.
      if (request.rows >= 0)
        return {};
      own.rows = axis;
      tileAxis = 0;
    }
    Value x = emit(reduce.getX(), own);
    if (!x)
      return {};
    StringRef kind = reduce.getKind();
    Type graphElement = getElementTypeOrSelf(reduce.getX().getType());
    bool isUnsigned = graphElement.isUnsignedInteger() || graphElement.isInteger(1);
    if (kind == "sum_square" || kind == "l2")
      x = arith::MulFOp::create(b, x, x);
    if (kind == "l1")
      x = math::AbsFOp::create(b, x);
    StringRef combine = kind;
    if (llvm::is_contained({"mean", "sum_square", "l1", "l2"}, kind))
      combine = "sum";
    if (isUnsigned && kind == "max")
      combine = "umax";
    if (isUnsigned && kind == "min")
      combine = "umin";
    // A request without rows wants [columns], not [1, columns].
    Value y = p.reduce(combine, x, tileAxis, /*drop=*/own.rows != request.rows);
    if (!y)
      return {};
    if (kind == "mean")
      y = arith::DivFOp::create(b, y, countTile(getDims(reduce.getX().getType())[axis], y));
    if (kind == "l2")
      y = math::SqrtOp::create(b, y);
    return y;
  }

  /// An index from memory, negative ones counted from the end.
  Value indexFrom(Value indices, ValueRange at, const SymbolicExpr &extent) {
    // One index for all, known: a copied constant.
    if (auto constant = indices.getDefiningOp<ConstantOp>()) {
      auto splat = dyn_cast<SplatElementsAttr>(constant.getValue());
      if (!splat)
        return {};
      int64_t value = splat.getSplatValue<APInt>().getSExtValue();
      return value < 0 ? p.add(p.indexOf(extent), p.index(value)) : p.index(value);
    }
    auto argument = dyn_cast<BlockArgument>(indices);
    if (!argument)
      return {};
    Value view = p.view(argument.getArgNumber());
    Type stored = computeType(cast<tile::ViewType>(view.getType()).getElementType());
    Value raw = arith::IndexCastOp::create(b, b.getIndexType(), tile::LoadScalarOp::create(b, stored, view, at));
    Value size = p.indexOf(extent), zero = p.index(0);
    Value negative = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, raw, zero);
    Value wrapped = arith::SelectOp::create(b, negative, p.add(raw, size), raw);
    // Never outside of the table, whatever the data says: that ends the run.
    Value ok = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, wrapped, size);
    tile::CheckOp::create(b, ok, "index");
    Value most = p.sub(size, p.index(1));
    return arith::MaxSIOp::create(b, zero, arith::MinSIOp::create(b, wrapped, most));
  }

  Value emitGather(GatherOp gather, const Request &request) {
    auto table = dyn_cast<BlockArgument>(gather.getX());
    if (!table)
      return {};
    auto xDims = getDims(gather.getX().getType()), iDims = getDims(gather.getIndices().getType());
    int64_t axis = gather.getAxis(), indexRank = iDims.size();
    SmallVector<Value> at(request.outer.begin() + axis, request.outer.begin() + axis + indexRank);
    Value row = indexFrom(gather.getIndices(), at, xDims[axis]);
    if (!row)
      return {};
    Request own;
    for (int64_t i = 0; i + 1 < static_cast<int64_t>(xDims.size()); ++i)
      own.outer.push_back(i < axis ? request.outer[i] : i == axis ? row : request.outer[i + indexRank - 1]);
    return loadInput(table, own);
  }

  /// The parts of a row, added in their order.
  Value emitSumParts(SumPartsOp sum, const Request &request) {
    auto argument = dyn_cast<BlockArgument>(sum.getX());
    auto dims = getDims(sum.getX().getType());
    std::optional<int64_t> count = dims.front().isConstant();
    if (!argument || !count)
      return {};
    Value total;
    for (int64_t part = 0; part < *count; ++part) {
      Request own;
      own.outer.push_back(p.index(part));
      llvm::append_range(own.outer, request.outer);
      Value tile = loadInput(argument, own);
      total = total ? Value(arith::AddFOp::create(b, total, tile)) : tile;
    }
    return total;
  }

  Value emitSlice(SliceOp slice, const Request &request) {
    auto from = getDims(slice.getX().getType()), to = getDims(slice.getY().getType()),
         offsets = parseDims(slice.getOffsets());
    auto steps = slice.getSteps();
    Request own;
    for (size_t i = 0; i + 1 < from.size(); ++i)
      own.outer.push_back(p.add(p.indexOf(offsets[i]), p.mul(request.outer[i], p.index(steps[i]))));
    size_t last = from.size() - 1;
    if (from[last] == to[last] && steps[last] == 1)
      return emit(slice.getX(), own);
    auto argument = dyn_cast<BlockArgument>(slice.getX());
    if (!argument || steps[last] != 1)
      return {};
    SmallVector<Value> at = own.outer;
    at.push_back(p.indexOf(offsets[last]));
    return p.load(p.view(argument.getArgNumber()), at, {static_cast<int64_t>(last)}, {p.extentOf(to[last])}, true);
  }

  Value emitTranspose(TransposeOp transpose, const Request &request) {
    auto permutation = transpose.getPermutation();
    int64_t rank = permutation.size();
    SmallVector<Value> indices(rank);
    for (int64_t i = 0; i + 1 < rank; ++i)
      indices[permutation[i]] = request.outer[i];
    int64_t last = permutation[rank - 1];
    if (last == rank - 1) {
      Request own;
      own.outer.assign(indices.begin(), indices.end() - 1);
      return emit(transpose.getX(), own);
    }
    auto argument = dyn_cast<BlockArgument>(transpose.getX());
    if (!argument)
      return {};
    indices[last] = p.index(0);
    return p.load(p.view(argument.getArgNumber()), indices, {last},
                  {p.extentOf(getDims(transpose.getY().getType()).back())}, true);
  }

  ProgramBuilder &p;
  ImplicitLocOpBuilder &b;
  Value flatStart;
  Extent flatExtent;
  DenseMap<Value, Value> cache;
  struct Answer {
    Value value;
    Request request;
    Value tile;
  };
  SmallVector<Answer> answers;
};
} // namespace

tile::KernelOp tilegen::writeRowProgram(ProgramBuilder &p) { return RowWriter(p).write(); }
