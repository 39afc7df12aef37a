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
  ConcatWriter(ProgramBuilder &p, ConcatOp concat)
      : p(p), concat(concat), axis(concat.getAxis()), dims(getDims(concat.getY().getType())) {}

  tile::KernelOp write() {
    Block &body = p.fusion.getBody().front();
    isPlain = body.getOperations().size() == 2; // nothing is read through
    std::optional<int64_t> known = product(ArrayRef(dims).drop_front(axis + 1)).isConstant();
    bool isLast = axis + 1 == int64_t(dims.size());
    // Copies of rows that are not known, or that lie in no dimension of their own, and on a CPU the longest there are.
    if (isPlain && (!p.gpu || !known || isLast))
      return writeFlat();
    if (!known || *known < 1 || (!isPlain && axis + 2 != int64_t(dims.size())))
      return {};
    inner = *known;
    outer.assign(dims.begin(), dims.begin() + axis);
    SmallVector<SmallVector<SymbolicExpr>> views;
    for (BlockArgument argument : body.getArguments())
      views.push_back(isPlain ? rowsOf(argument) : getDims(argument.getType()));
    views.push_back(rowsOf(concat.getY()));
    SmallVector<SymbolicExpr> grid(outer);
    if (p.gpu)
      grid.push_back(blocks());
    p.begin(views, grid);
    SymbolicExpr offset = 0;
    for (Value x : concat.getXs()) {
      if (!copy(x, offset))
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

  bool copy(Value x, const SymbolicExpr &offset) {
    SymbolicExpr rows = getDims(x.getType())[axis];
    if (!p.gpu)
      return copyRows(x, offset, p.index(0), p.extentOf(rows));
    int64_t some = rowsOfBlock();
    Value block = p.gridId(outer.size()), count = p.indexOf(rows);
    Value step = p.mul(p.indexOf(p.grid.back()), p.index(some));
    auto loop = scf::ForOp::create(p.b, p.mul(block, p.index(some)), count, step);
    loop->setAttr(tile::piecesName, p.b.getUnitAttr());
    OpBuilder::InsertionGuard guard(p.b);
    p.b.setInsertionPointToStart(loop.getBody());
    Value first = loop.getInductionVar();
    return copyRows(x, offset, first, {-1, p.minimum(p.index(some), p.sub(count, first))});
  }

  /// `count` rows of the operand from `first` on.
  bool copyRows(Value x, const SymbolicExpr &offset, Value first, Extent count) {
    SmallVector<Value> at;
    for (size_t d = 0; d < outer.size(); ++d)
      at.push_back(p.gridId(d));
    SmallVector<Value> to = at;
    at.append({first, p.index(0)});
    to.append({p.add(first, p.indexOf(offset)), p.index(0)});
    int64_t rowDim = axis;
    Value source = readThrough(x, at, rowDim);
    if (!source)
      return false;
    SmallVector<Extent> extents = {count, Extent::of(inner)};
    SmallVector<int64_t> from = {rowDim, int64_t(at.size()) - 1}, into = {axis, axis + 1};
    if (p.gpu && !isGrouped()) { // one row, which is long
      extents.erase(extents.begin());
      from.erase(from.begin());
      into.erase(into.begin());
    }
    p.store(p.loadStored(source, at, from, extents, true), p.view(p.kernel.getViews() - 1), to, into, true);
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
  ConcatOp concat;
  int64_t axis;
  SmallVector<SymbolicExpr> dims, outer;
  int64_t inner = 1; ///< elements behind the axis
  bool isPlain = true;
};
} // namespace

tile::KernelOp tilegen::writeConcatProgram(ProgramBuilder &p) {
  auto yield = cast<YieldOp>(p.fusion.getBody().front().getTerminator());
  auto concat = yield.getValues()[0].getDefiningOp<ConcatOp>();
  return concat ? ConcatWriter(p, concat).write() : tile::KernelOp();
}
