// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Concat: each operand is copied to its place in the result, as it is stored.
// Seen as [outer.., axis, inner], a point of the grid copies rows of `inner`
// elements: on a CPU all that lie one behind the other, on a GPU as many as a
// block takes, then those that lie a grid further. Heads come as a product
// leaves them, [batch, position, head, depth]: slices and transposes that keep
// the last dimension are read through.
//
//   concat(past [1, 12, p, 64], transpose(x [1, 512, 12, 64])) on a GPU: grid <1, 12, 16>, for operand 1
//   for r = %g * 32 to 512 step 16 * 32:  y[0, h, p + r .., ..] = x[0, r .., h, ..]    tiles of [32, 64]
//
// Several of one shape, as keys and values that are appended to their caches, are copied side by side.
#include "passes/Tile/ProgramBuilder.h"

#include "dialects/Tile/RowSchedule.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::bess;
using namespace bessemer::tilegen;

namespace {
class ConcatWriter {
public:
  ConcatWriter(ProgramBuilder &p, ArrayRef<ConcatOp> concats)
      : p(p), concats(concats), concat(concats.front()), axis(concat.getAxis()),
        dims(getDims(concat.getY().getType())) {}

  tile::KernelOp write() {
    Block &body = p.fusion.getBody().front();
    isPlain = body.getOperations().size() == concats.size() + 1; // nothing is read through
    std::optional<int64_t> known = product(ArrayRef(dims).drop_front(axis + 1)).isConstant();
    bool isLast = axis + 1 == int64_t(dims.size());
    // Copies of rows that are not known, or that lie in no dimension of their own, and on a CPU the longest there are.
    if (isPlain && (!p.gpu || !known || isLast))
      return concats.size() == 1 ? writeFlat() : tile::KernelOp();
    if (!known || *known < 1 || (!isPlain && axis + 2 != int64_t(dims.size())))
      return {};
    inner = *known;
    outer.assign(dims.begin(), dims.begin() + axis);
    SmallVector<SmallVector<SymbolicExpr>> views;
    for (BlockArgument argument : body.getArguments())
      views.push_back(isPlain ? rowsOf(argument) : getDims(argument.getType()));
    firstResult = views.size();
    views.append(concats.size(), rowsOf(concat.getY()));
    SmallVector<SymbolicExpr> grid(outer);
    if (p.gpu)
      grid.push_back(blocks());
    p.begin(views, grid);
    SymbolicExpr offset = 0;
    for (auto [operand, x] : llvm::enumerate(concat.getXs())) {
      if (!copy(operand, offset))
        return {};
      offset += getDims(x.getType())[axis];
    }
    if (p.gpu && isGrouped())
      p.kernel.setScheduleAttr(
          p.b.getDictionaryAttr(p.b.getNamedAttr(tile::groupedRowsName, p.b.getI64IntegerAttr(rowsOfBlock()))));
    return p.finish(0);
  }

private:
  /// Every operand is [outer, its part of the row].
  tile::KernelOp writeFlat() {
    Block &body = p.fusion.getBody().front();
    SymbolicExpr points = product(ArrayRef(dims).take_front(axis));
    auto row = [&](Value v) { return product(ArrayRef<SymbolicExpr>(getDims(v.getType())).drop_front(axis)); };
    SmallVector<SmallVector<SymbolicExpr>> views;
    for (BlockArgument argument : body.getArguments())
      views.push_back({points, row(argument)});
    views.push_back({points, row(concat.getY())});
    p.begin(views, {points});
    SymbolicExpr offset = 0;
    for (Value x : concat.getXs()) {
      Value view = p.view(cast<BlockArgument>(x).getArgNumber());
      Value tile = p.loadStored(view, {p.gridId(0), p.index(0)}, {1}, {p.extentOf(row(x))}, true);
      p.store(tile, p.view(views.size() - 1), {p.gridId(0), p.indexOf(offset)}, {1}, true);
      offset += row(x);
    }
    return p.finish(0);
  }

  /// [outer.., axis, inner]
  SmallVector<SymbolicExpr> rowsOf(Value value) {
    auto own = getDims(value.getType());
    own.resize(axis + 1, SymbolicExpr(0));
    own.push_back(inner);
    return own;
  }

  /// Elements of a block's tile: 16 for each lane of four warps.
  static constexpr int64_t blockElements = 2048;
  bool isGrouped() const { return inner < blockElements; }
  int64_t rowsOfBlock() const { return isGrouped() ? blockElements / int64_t(llvm::PowerOf2Ceil(inner)) : 1; }

  /// Blocks along the axis: as many as there is work for, but not more than what keeps the memory busy. The past of a
  /// cache is as long as its past, and as a rule nothing of it is copied.
  SymbolicExpr blocks() {
    int64_t others = 1;
    for (const SymbolicExpr &dim : outer)
      others *= std::max<int64_t>(1, dim.isConstant().value_or(1));
    constexpr int64_t blocksOfMultiprocessor = 4;
    int64_t most = llvm::divideCeil(blocksOfMultiprocessor * p.gpu->multiprocessors, others);
    return SymbolicExpr::min(SymbolicExpr::ceilDiv(dims[axis], rowsOfBlock()), most);
  }

  /// Operand `operand` of all concats, to `offset` along the axis.
  bool copy(size_t operand, const SymbolicExpr &offset) {
    SymbolicExpr rows = getDims(concat.getXs()[operand].getType())[axis];
    if (!p.gpu)
      return copyRows(operand, offset, p.index(0), p.extentOf(rows));
    int64_t some = rowsOfBlock();
    Value block = p.gridId(outer.size()), count = p.indexOf(rows);
    Value step = p.mul(p.indexOf(p.grid.back()), p.index(some));
    auto loop = scf::ForOp::create(p.b, p.mul(block, p.index(some)), count, step);
    loop->setAttr(tile::piecesName, p.b.getUnitAttr());
    OpBuilder::InsertionGuard guard(p.b);
    p.b.setInsertionPointToStart(loop.getBody());
    Value first = loop.getInductionVar();
    return copyRows(operand, offset, first, {-1, p.minimum(p.index(some), p.sub(count, first))});
  }

  /// `count` rows of the operand from `first` on; the loads of all before the stores, which they need not wait for.
  bool copyRows(size_t operand, const SymbolicExpr &offset, Value first, Extent count) {
    SmallVector<Value> start, tiles;
    for (size_t d = 0; d < outer.size(); ++d)
      start.push_back(p.gridId(d));
    SmallVector<Value> to = start;
    start.append({first, p.index(0)});
    to.append({p.add(first, p.indexOf(offset)), p.index(0)});
    SmallVector<int64_t> into = {axis, axis + 1};
    bool isOneRow = p.gpu && !isGrouped(); // which is long
    if (isOneRow)
      into.erase(into.begin());
    for (ConcatOp each : concats) {
      int64_t rowDim = axis;
      SmallVector<Value> at = start;
      Value source = readThrough(each->getOperand(operand), at, rowDim);
      if (!source)
        return false;
      SmallVector<Extent> extents = {count, Extent::of(inner)};
      SmallVector<int64_t> from = {rowDim, int64_t(at.size()) - 1};
      if (isOneRow) {
        extents.erase(extents.begin());
        from.erase(from.begin());
      }
      tiles.push_back(p.loadStored(source, at, from, extents, true));
    }
    for (auto [result, tile] : llvm::enumerate(tiles))
      p.store(tile, p.view(firstResult + result), to, into, true);
    return true;
  }

  /// Where in an argument of the fusion the place `at` of `value` lies, and which of its dimensions `rowDim` is.
  Value readThrough(Value value, SmallVector<Value> &at, int64_t &rowDim) {
    while (Operation *op = value.getDefiningOp()) {
      if (auto transpose = dyn_cast<TransposeOp>(op)) {
        auto permutation = transpose.getPermutation();
        SmallVector<Value> own(at.size());
        for (size_t d = 0; d < at.size(); ++d)
          own[permutation[d]] = at[d];
        at = own;
        rowDim = permutation[rowDim];
      } else if (auto slice = dyn_cast<SliceOp>(op)) {
        if (slice.getSteps()[rowDim] != 1)
          return {};
        auto offsets = parseDims(slice.getOffsets());
        for (size_t d = 0; d + 1 < at.size(); ++d)
          at[d] = p.add(p.indexOf(offsets[d]), p.mul(at[d], p.index(slice.getSteps()[d])));
      } else {
        return {};
      }
      value = op->getOperand(0);
    }
    return p.view(cast<BlockArgument>(value).getArgNumber());
  }

  ProgramBuilder &p;
  ArrayRef<ConcatOp> concats;
  ConcatOp concat; ///< the first; the others have its shape, and their operands those of its operands
  int64_t axis;
  size_t firstResult = 0; ///< the number of its view
  SmallVector<SymbolicExpr> dims, outer;
  int64_t inner = 1; ///< elements behind the axis
  bool isPlain = true;
};
} // namespace

tile::KernelOp tilegen::writeConcatProgram(ProgramBuilder &p) {
  auto yield = cast<YieldOp>(p.fusion.getBody().front().getTerminator());
  SmallVector<ConcatOp> concats;
  for (Value result : yield.getValues()) {
    auto concat = result.getDefiningOp<ConcatOp>();
    if (!concat)
      return {};
    concats.push_back(concat);
  }
  return ConcatWriter(p, concats).write();
}
