// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A reduction over the rows of a matrix, whose columns lie next to each other in memory, is a program of one tile for
// the whole matrix. A block takes some of the columns (another dimension of the grid), and goes over the rows in pieces
// that a block's lanes hold: each lane adds up what it reads, and what the lanes have of a column is reduced behind the
// loop. Tiles of a row become tiles of one row and the block's columns.
#include "passes/Lower/Passes.h"

#include "dialects/Tile/TargetSchedule.h"
#include "passes/Lower/Gpu/Layouts.h"
#include "passes/Lower/Gpu/RowTiles.h"
#include "passes/Lower/TileParts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"

namespace bessemer {
#define GEN_PASS_DEF_CUTCOLUMNREDUCTIONS
#include "passes/Lower/Passes.h.inc"
} // namespace bessemer

using namespace mlir;
using namespace bessemer;

namespace {
/// Columns of a block: as many as fill a line of the cache for each row, fewer where blocks would not go round, but
/// whole sectors; and elements of a piece, 16 for each lane of eight warps.
constexpr int64_t mostColumns = 128, fewestColumns = 16, pieceElements = 4096;

bool isTile(Value value) { return isa<RankedTensorType>(value.getType()); }
int64_t rankOf(Value value) { return cast<RankedTensorType>(value.getType()).getRank(); }

class ColumnReduction {
public:
  ColumnReduction(tile::KernelOp kernel, const GpuMachine &machine)
      : kernel(kernel), machine(machine), b(kernel.getLoc(), kernel.getContext()),
        grid(bess::parseDims(kernel.getGrid())) {}

  /// Whether all is tiles [rows, columns] that are only reduced over the rows, tiles [columns], and stores of these.
  bool matches() {
    if (!kernel.getSchedule().empty())
      return false;
    bool reduces = false, stores = false;
    for (Operation &op : kernel.getBody().front().without_terminator()) {
      if (op.getNumRegions())
        return false;
      SmallVector<Value> tiles(llvm::make_filter_range(op.getOperands(), isTile));
      llvm::append_range(tiles, llvm::make_filter_range(op.getResults(), isTile));
      if (tiles.empty())
        continue;
      if (!llvm::all_of(tiles, [&](Value tile) { return agrees(tile); }))
        return false;
      if (auto load = dyn_cast<tile::LoadOp>(op)) {
        if (!hasWholeRows(load.getView(), load.getOffsets(), load.getDims()))
          return false;
      } else if (auto store = dyn_cast<tile::StoreOp>(op)) {
        stores = true;
        if (rankOf(store.getTile()) != 1 || !hasWholeRows(store.getView(), store.getOffsets(), store.getDims()))
          return false;
      } else if (auto reduce = dyn_cast<tile::ReduceOp>(op)) {
        reduces = true;
        if (stores || reduce.getAxis() != 0 || reduce.getSkipNan() || rankOf(reduce.getX()) != 2 ||
            rankOf(reduce.getTile()) != 1)
          return false;
      } else if (auto broadcast = dyn_cast<tile::BroadcastOp>(op)) {
        if (rankOf(broadcast.getX()) != rankOf(broadcast.getTile()))
          return false;
      } else if (!isa<tile::SplatOp>(op) && !isElementwiseTileOp(&op) && !bessemer::gpu::isSplatConstant(&op)) {
        return false;
      }
    }
    return reduces && stores && (rows || size);
  }

  void cut() {
    Block &body = kernel.getBody().front();
    chooseColumns();
    Value part = body.addArgument(b.getIndexType(), kernel.getLoc());
    grid.push_back(llvm::divideCeil(columns, width));
    kernel.setGridAttr(bess::getDimsAttr(b.getContext(), grid));
    NamedAttrList schedule(kernel.getSchedule());
    schedule.set(bessemer::gpu::groupedRowsName, b.getI64IntegerAttr(pieceRows));
    kernel.setScheduleAttr(schedule.getDictionary(b.getContext()));
    SmallVector<Operation *> old;
    for (Operation &op : body.without_terminator())
      if (llvm::any_of(op.getOperands(), isTile) || llvm::any_of(op.getResults(), isTile))
        old.push_back(&op);
    b.setInsertionPointToStart(&body);
    first = arith::MulIOp::create(b, part, index(width));
    Piece one{index(0), 1, {}};
    for (Operation *op : old) {
      b.setInsertionPoint(op);
      if (auto reduce = dyn_cast<tile::ReduceOp>(op))
        one.done[reduce.getTile()] = reduced(reduce, one);
      else if (auto store = dyn_cast<tile::StoreOp>(op))
        stored(store, one);
      else if (rankOf(op->getResult(0)) == 1)
        at(one, op->getResult(0));
    }
    for (Operation *op : llvm::reverse(old))
      op->erase();
  }

private:
  /// Rows from `first` on: `count` of them, or `countValue`.
  struct Piece {
    Value first;
    int64_t count = 0;
    Value countValue;
    DenseMap<Value, Value> done = DenseMap<Value, Value>();
  };

  Value index(int64_t value) { return arith::ConstantIndexOp::create(b, value); }
  Value add(Value x, Value y) { return b.createOrFold<arith::AddIOp>(x, y); }

  /// The extents of the tile are those of the others.
  bool agrees(Value tile) {
    auto type = cast<RankedTensorType>(tile.getType());
    int64_t rank = type.getRank();
    if (rank < 1 || rank > 2 || type.isDynamicDim(rank - 1))
      return false;
    int64_t own = type.getDimSize(rank - 1);
    if (own < 2 || (columns && own != columns))
      return false;
    columns = own;
    Operation *op = tile.getDefiningOp();
    if (rank == 1 || !op || bessemer::gpu::isSplatConstant(op))
      return true;
    if (!type.isDynamicDim(0)) {
      rows = rows ? rows : type.getDimSize(0);
      return !size && rows == type.getDimSize(0);
    }
    Value ownSize = tileSizeOperand(tile, 0);
    size = size ? size : ownSize;
    return ownSize && !rows && ownSize == size;
  }

  /// All columns of the view, which are its last dimension.
  bool hasWholeRows(Value view, ValueRange offsets, ArrayRef<int64_t> dims) {
    auto type = cast<tile::ViewType>(view.getType());
    int64_t last = type.getRank() - 1;
    return dims.back() == last && matchPattern(offsets[last], m_Zero()) &&
           bess::parseDims(type.getDims())[last].isConstant() == columns && (dims.size() == 1 || dims[0] != last);
  }

  void chooseColumns() {
    SymbolicExpr all = 1;
    for (const SymbolicExpr &dim : grid)
      all *= dim;
    int64_t blocks = all.isConstant().value_or(1);
    width = std::min<int64_t>(mostColumns, llvm::PowerOf2Ceil(columns));
    while (width > fewestColumns &&
           blocks * static_cast<int64_t>(llvm::divideCeil(columns, width)) < 2 * machine.multiprocessors)
      width /= 2;
    pieceRows = pieceElements / width;
    if (rows)
      pieceRows = std::min<int64_t>(pieceRows, llvm::PowerOf2Ceil(*rows));
  }

  /// The columns of the last block may go beyond the view: nothing is read and written there.
  void copyAttributes(Operation *from, Operation *to) {
    NamedAttrList attributes(from->getDiscardableAttrDictionary());
    if (columns % width)
      attributes.erase("in_bounds");
    to->setDiscardableAttrs(attributes.getDictionary(b.getContext()));
  }

  RankedTensorType typeOf(const Piece &part, Type element) {
    return RankedTensorType::get({part.countValue ? ShapedType::kDynamic : part.count, width}, element);
  }
  SmallVector<Value> sizesOf(const Piece &part) {
    SmallVector<Value> sizes;
    if (part.countValue)
      sizes.push_back(part.countValue);
    return sizes;
  }

  /// The block's columns of the tile, and of a matrix these rows.
  Value at(Piece &part, Value tile) {
    if (Value known = part.done.lookup(tile))
      return known;
    Operation *op = tile.getDefiningOp();
    RankedTensorType type = typeOf(part, cast<RankedTensorType>(tile.getType()).getElementType());
    SmallVector<Value> sizes = sizesOf(part);
    b.setLoc(op->getLoc());
    Value result;
    if (auto load = dyn_cast<tile::LoadOp>(op)) {
      SmallVector<Value> offsets(load.getOffsets());
      offsets.back() = first;
      SmallVector<int64_t> dims(load.getDims());
      if (dims.size() == 2)
        offsets[dims[0]] = add(offsets[dims[0]], part.first);
      else // one row, at its place
        dims.insert(dims.begin(), dims[0] ? dims[0] - 1 : 0);
      auto own = tile::LoadOp::create(b, type, load.getView(), offsets, sizes, load.getCondition(), dims);
      copyAttributes(load, own);
      result = own;
    } else if (auto broadcast = dyn_cast<tile::BroadcastOp>(op)) {
      result = at(part, broadcast.getX());
    } else if (auto splat = dyn_cast<tile::SplatOp>(op)) {
      result = tile::SplatOp::create(b, type, splat.getValue(), sizes);
    } else if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
      result = bessemer::gpu::splatConstant(b, constant, type, sizes);
    } else {
      SmallVector<Value> operands;
      for (Value operand : op->getOperands())
        operands.push_back(isTile(operand) ? at(part, operand) : operand);
      b.setLoc(op->getLoc());
      result = bessemer::gpu::reshapedElementwise(b, op, operands, type);
    }
    return part.done[tile] = result;
  }

  /// A loop over the whole pieces, and what is left behind it.
  Value reduced(tile::ReduceOp reduce, const Piece &one) {
    b.setLoc(reduce.getLoc());
    Type element = cast<RankedTensorType>(reduce.getX().getType()).getElementType();
    Value step = index(pieceRows),
          whole = rows ? index(*rows / pieceRows * pieceRows)
                       : Value(arith::SubIOp::create(b, size, arith::RemUIOp::create(b, size, step)));
    auto down = [&](Value tile) {
      return Value(tile::ReduceOp::create(b, typeOf(one, element), reduce.getKindAttr(), tile, b.getI64IntegerAttr(0),
                                          reduce.getSkipNanAttr()));
    };
    Piece piece{{}, pieceRows, {}};
    Value none =
        tile::SplatOp::create(b, typeOf(piece, element), neutralValue(b, reduce.getKind(), element), sizesOf(piece));
    auto loop = scf::ForOp::create(b, index(0), whole, step, none);
    loop->setAttr(bessemer::gpu::piecesName, b.getUnitAttr());
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(loop.getBody());
      piece.first = loop.getInductionVar();
      Value x = at(piece, reduce.getX());
      b.setLoc(reduce.getLoc());
      Value sum = combineValues(b, reduce.getKind(), loop.getRegionIterArgs()[0], x);
      scf::YieldOp::create(b, sum);
    }
    Value total = down(loop.getResult(0));
    if (rows && *rows % pieceRows == 0)
      return total;
    Piece rest{whole, rows ? *rows % pieceRows : 0, {}};
    if (!rows)
      rest.countValue = arith::MinSIOp::create(b, step, arith::SubIOp::create(b, size, whole));
    Value x = at(rest, reduce.getX());
    b.setLoc(reduce.getLoc());
    return combineValues(b, reduce.getKind(), total, down(x));
  }

  void stored(tile::StoreOp store, Piece &one) {
    Value tile = at(one, store.getTile());
    b.setLoc(store.getLoc());
    SmallVector<Value> offsets(store.getOffsets());
    offsets.back() = first;
    int64_t last = store.getDims()[0];
    auto own = tile::StoreOp::create(b, tile, store.getView(), offsets, store.getCondition(),
                                     ArrayRef<int64_t>{last ? last - 1 : 0, last});
    copyAttributes(store, own);
  }

  tile::KernelOp kernel;
  const GpuMachine &machine;
  ImplicitLocOpBuilder b;
  SmallVector<SymbolicExpr> grid;
  int64_t columns = 0;         ///< of the matrix
  std::optional<int64_t> rows; ///< or
  Value size;
  int64_t width = 0, pieceRows = 0; ///< columns of a block, rows of a piece
  Value first;                      ///< column of the block
};

struct CutColumnReductions : bessemer::impl::CutColumnReductionsBase<CutColumnReductions> {
  void runOnOperation() override {
    GpuMachine machine = tile::getGpuMachine(getOperation()).value_or(GpuMachine());
    for (tile::KernelOp kernel : getOperation().getOps<tile::KernelOp>())
      if (ColumnReduction reduction(kernel, machine); reduction.matches())
        reduction.cut();
  }
};
} // namespace
