// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A block for each short row would leave most lanes without work, and a row
// that is read across the memory's rows (a transposition) would take a sector
// for each element. So a block takes several rows: the last dimension of the
// grid becomes the tiles' rows. Of rows that are long enough for a warp it takes
// them where the model of bessemer/Algorithms/GpuRowSchedule.h expects to gain.
// Where rows are read across, a block takes a
// square of the result, so that reads and writes both run along the memory;
// assign-gpu-layouts turns such a tile around on the chip.
#include "passes/Lower/Passes.h"

#include "dialects/Tile/TargetSchedule.h"
#include "passes/Lower/Gpu/Layouts.h"
#include "passes/Lower/Gpu/RowTiles.h"
#include "passes/Lower/TileParts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/Support/MathExtras.h"

namespace bessemer {
#define GEN_PASS_DEF_GROUPSHORTROWS
#include "passes/Lower/Passes.h.inc"
} // namespace bessemer

using namespace mlir;
using namespace bessemer;
using bessemer::gpu::rowShape;

namespace {
/// Rows of more elements keep a warp busy, eight to a lane: they have blocks of their own, or warps, by the model. Of
/// more than `longestMiddle` a warp cannot hold one.
constexpr int64_t longestShort = 256, longestMiddle = 2048;
/// Elements of a block: 16 for each lane of four warps; and the fewest, four for each lane of a warp.
constexpr int64_t blockElements = 2048, fewestElements = 128;
/// The side of a square that is turned around: whole sectors of either side, 16 elements for each of 256 lanes.
constexpr int64_t squareSide = 64;

/// How many elements a row has; nullopt: no tile of rank 1.
std::optional<int64_t> columnsOf(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getRank() == 1 ? std::optional(type.getDimSize(0)) : std::nullopt;
}

class ShortRows {
public:
  ShortRows(tile::KernelOp kernel, const GpuMachine &machine)
      : kernel(kernel), machine(machine), b(kernel.getLoc(), kernel.getContext()),
        grid(bess::parseDims(kernel.getGrid())) {}

  /// Finds a dimension of the grid of which a block can take several points.
  bool isShort() {
    if (!kernel.getSchedule().empty())
      return false;
    // One along the memory of a row that is read across it; else the last.
    for (auto load : kernel.getBody().getOps<tile::LoadOp>())
      if (auto last = dyn_cast<BlockArgument>(load.getOffsets().back()))
        if (int64_t id = int64_t(last.getArgNumber()) - kernel.getViews() - kernel.getSymbols();
            id >= 0 && canGroup(id) && isTurned)
          return true;
    return !grid.empty() && canGroup(grid.size() - 1);
  }

  void group() {
    Block &body = kernel.getBody().front();
    b.setInsertionPointToStart(&body);
    IRMapping own;
    for (Value argument : body.getArguments())
      own.map(argument, argument);
    auto index = [&](int64_t value) { return Value(arith::ConstantIndexOp::create(b, value)); };
    SymbolicExpr count = grid[axis];
    grid[axis] = SymbolicExpr::ceilDiv(count, rows);
    first = arith::MulIOp::create(b, number, index(rows));
    if (count.isConstant().value_or(1) % rows)
      left =
          arith::MinSIOp::create(b, index(rows), arith::SubIOp::create(b, indexFromExpr(b, kernel, own, count), first));
    if (isTurned && columns > squareSide) {
      Value square = body.addArgument(b.getIndexType(), kernel.getLoc());
      grid.push_back(llvm::divideCeil(columns, squareSide));
      firstColumn = arith::MulIOp::create(b, square, index(squareSide));
      if (columns % squareSide)
        leftColumns =
            arith::MinSIOp::create(b, index(squareSide), arith::SubIOp::create(b, index(columns), firstColumn));
    }
    kernel.setGridAttr(bess::getDimsAttr(b.getContext(), grid));
    NamedAttrList schedule(kernel.getSchedule());
    schedule.set(bessemer::gpu::groupedRowsName, b.getI64IntegerAttr(rows));
    if (warps) {
      schedule.set("warps", b.getI64IntegerAttr(warps));
      bessemer::gpu::addReason(kernel, reason);
    }
    kernel.setScheduleAttr(schedule.getDictionary(b.getContext()));

    SmallVector<Operation *> old;
    for (Operation &op : body.without_terminator())
      if (llvm::any_of(op.getOperands(), columnsOf) || llvm::any_of(op.getResults(), columnsOf))
        old.push_back(&op);
    for (Operation *op : old) {
      b.setInsertionPoint(op);
      b.setLoc(op->getLoc());
      widen(op);
    }
    for (Operation *op : llvm::reverse(old))
      op->erase();
  }

private:
  /// Whether rows are short, or read across, and all that the program does with the point is to read and write there.
  bool canGroup(size_t dim) {
    axis = dim;
    number = kernel.getGridId(axis);
    columns = rows = 1;
    warps = 0;
    isTurned = false;
    if (grid[axis] == SymbolicExpr::constant(1))
      return false;
    for (Operation *user : number.getUsers())
      if (!isa<tile::LoadOp, tile::StoreOp>(user))
        return false;
    bool reduces = false, stores = false;
    for (Operation &op : kernel.getBody().front().without_terminator()) {
      if (op.getNumRegions())
        return false;
      SmallVector<Value> tiles(op.getOperands());
      llvm::append_range(tiles, op.getResults());
      llvm::erase_if(tiles, [](Value value) { return !isa<RankedTensorType>(value.getType()); });
      if (tiles.empty())
        continue;
      for (Value tile : tiles) {
        std::optional<int64_t> own = columnsOf(tile);
        if (!own || ShapedType::isDynamic(*own) || *own < 1 || (*own > 1 && columns > 1 && *own != columns))
          return false;
        columns = std::max(columns, *own);
      }
      if (auto load = dyn_cast<tile::LoadOp>(op)) {
        if (!placeOf(load.getOffsets(), load.getDims()[0]))
          return false;
        isTurned |= isAcross(load);
      } else if (auto store = dyn_cast<tile::StoreOp>(op)) {
        // Each row at a place of its own.
        if (placeOf(store.getOffsets(), store.getDims()[0]).value_or(-1) < 0)
          return false;
        stores = true;
      } else if (auto reduce = dyn_cast<tile::ReduceOp>(op)) {
        reduces = true;
        if (columnsOf(reduce.getTile()) != 1)
          return false;
      } else if (!isa<tile::BroadcastOp, tile::IotaOp, tile::SplatOp>(op) && !isElementwiseTileOp(&op) &&
                 !bessemer::gpu::isSplatConstant(&op)) {
        return false;
      }
    }
    isTurned &= !reduces && columns > 1;
    if (!stores || (!isTurned && columns > longestMiddle))
      return false;
    if (isTurned || columns <= longestShort)
      chooseRows();
    else
      chooseByModel();
    return rows > 1;
  }

  /// Which dimension of the view the number of the row is an offset of, beside that of the tile; -1: none; nullopt: not
  /// so simple.
  std::optional<int64_t> placeOf(ValueRange offsets, int64_t tileDim) {
    int64_t place = -1;
    for (auto [d, offset] : llvm::enumerate(offsets))
      if (offset == number) {
        if (place >= 0 || int64_t(d) == tileDim)
          return std::nullopt;
        place = d;
      }
    return place;
  }

  /// Neighbours in memory belong to neighbouring rows.
  bool isAcross(tile::LoadOp load) {
    std::optional<int64_t> place = placeOf(load.getOffsets(), load.getDims()[0]);
    return place && *place == cast<tile::ViewType>(load.getView().getType()).getRank() - 1 &&
           *columnsOf(load.getTile()) > 1;
  }

  /// As many as a block of some warps computes; fewer where the blocks would not go round.
  void chooseRows() {
    int64_t own = llvm::PowerOf2Ceil(isTurned ? std::min(columns, squareSide) : columns);
    rows = isTurned ? squareSide : std::max<int64_t>(1, blockElements / own);
    if (std::optional<int64_t> known = grid[axis].isConstant())
      rows = std::min<int64_t>(rows, llvm::PowerOf2Ceil(std::max<int64_t>(*known, 1)));
    SymbolicExpr all = 1;
    for (const SymbolicExpr &dim : grid)
      all *= dim;
    int64_t squares = isTurned ? llvm::divideCeil(columns, squareSide) : 1;
    if (std::optional<int64_t> known = all.isConstant(); known && !isTurned)
      while (rows > 1 && *known * squares / rows < 2 * machine.multiprocessors && rows * own > fewestElements)
        rows /= 2;
  }

  void chooseByModel() {
    GpuRowShape shape =
        rowShape(kernel, [&](Value, ValueRange offsets) { return llvm::is_contained(offsets, number); });
    shape.columns = columns;
    SymbolicExpr all = 1;
    for (const SymbolicExpr &dim : grid)
      all *= dim;
    shape.rows = all.isConstant();
    shape.mostRows = grid[axis].isConstant();
    GpuRowBlock block = chooseRowBlock(shape, machine);
    rows = block.rows;
    warps = block.warps;
    reason = block.reason;
  }

  RankedTensorType typeOf(int64_t count, Type element) {
    bool isPart = firstColumn && count > 1;
    int64_t width = !isPart ? count : leftColumns ? ShapedType::kDynamic : squareSide;
    return RankedTensorType::get({left ? ShapedType::kDynamic : rows, width}, element);
  }
  SmallVector<Value> sizesOf(int64_t count) {
    SmallVector<Value> sizes;
    if (left)
      sizes.push_back(left);
    if (leftColumns && count > 1)
      sizes.push_back(leftColumns);
    return sizes;
  }
  SmallVector<Value> offsetsOf(ValueRange olds, int64_t tileDim, int64_t count) {
    SmallVector<Value> offsets;
    for (auto [d, offset] : llvm::enumerate(olds)) {
      bool isPart = firstColumn && count > 1 && int64_t(d) == tileDim;
      offsets.push_back(offset == number ? first
                        : isPart         ? b.createOrFold<arith::AddIOp>(offset, firstColumn)
                                         : offset);
    }
    return offsets;
  }

  void widen(Operation *op) {
    if (auto store = dyn_cast<tile::StoreOp>(op)) {
      int64_t dim = store.getDims()[0], place = *placeOf(store.getOffsets(), dim);
      SmallVector<Value> offsets = offsetsOf(store.getOffsets(), dim, *columnsOf(store.getTile()));
      auto own = tile::StoreOp::create(b, wide.lookup(store.getTile()), store.getView(), offsets, store.getCondition(),
                                       ArrayRef<int64_t>{place, dim});
      own->setDiscardableAttrs(op->getDiscardableAttrDictionary());
      return;
    }
    Value result = op->getResult(0);
    int64_t count = *columnsOf(result);
    RankedTensorType type = typeOf(count, cast<RankedTensorType>(result.getType()).getElementType());
    SmallVector<Value> sizes = sizesOf(count);
    if (auto load = dyn_cast<tile::LoadOp>(op)) {
      int64_t dim = load.getDims()[0], place = *placeOf(load.getOffsets(), dim);
      bool isSame = place < 0; // for all rows
      auto own = type;
      if (isSame)
        own = RankedTensorType::get({1, type.getDimSize(1)}, type.getElementType());
      auto made = tile::LoadOp::create(b, own, load.getView(), offsetsOf(load.getOffsets(), dim, count),
                                       isSame && left ? ArrayRef<Value>(sizes).drop_front() : ArrayRef<Value>(sizes),
                                       load.getCondition(), ArrayRef<int64_t>{isSame ? dim : place, dim});
      made->setDiscardableAttrs(op->getDiscardableAttrDictionary());
      wide[result] = isSame ? Value(tile::BroadcastOp::create(b, type, made, sizes)) : Value(made);
    } else if (auto broadcast = dyn_cast<tile::BroadcastOp>(op)) {
      Value x = wide.lookup(broadcast.getX());
      wide[result] = x.getType() == type ? x : Value(tile::BroadcastOp::create(b, type, x, sizes));
    } else if (auto splat = dyn_cast<tile::SplatOp>(op)) {
      wide[result] = tile::SplatOp::create(b, type, splat.getValue(), sizes);
    } else if (auto iota = dyn_cast<tile::IotaOp>(op)) {
      Value start = iota.getStart();
      if (firstColumn && count > 1)
        start = b.createOrFold<arith::AddIOp>(start, firstColumn);
      wide[result] = tile::IotaOp::create(b, type, start, sizes, 1);
    } else if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
      wide[result] = bessemer::gpu::splatConstant(b, constant, type, sizes);
    } else if (auto reduce = dyn_cast<tile::ReduceOp>(op)) {
      wide[result] = tile::ReduceOp::create(b, type, reduce.getKindAttr(), wide.lookup(reduce.getX()),
                                            b.getI64IntegerAttr(1), reduce.getSkipNanAttr());
    } else {
      SmallVector<Value> operands;
      for (Value operand : op->getOperands())
        operands.push_back(columnsOf(operand) ? wide.lookup(operand) : operand);
      wide[result] = bessemer::gpu::reshapedElementwise(b, op, operands, type);
    }
  }

  tile::KernelOp kernel;
  const GpuMachine &machine;
  ImplicitLocOpBuilder b;
  SmallVector<SymbolicExpr> grid;
  size_t axis = 0;                ///< of the grid, of which a block takes several points
  Value number;                   ///< of the point
  int64_t columns = 1, rows = 1;  ///< of a block
  int64_t warps = 0;              ///< of a block; 0: as many as its elements keep busy
  std::string reason;             ///< of the model
  bool isTurned = false;          ///< something is read across
  Value first, left;              ///< row of the block; how many there are, where they may be fewer than `rows`
  Value firstColumn, leftColumns; ///< the same of squares; null: the block has whole rows
  DenseMap<Value, Value> wide;    ///< tiles [columns] -> [rows, columns]
};

struct GroupShortRows : bessemer::impl::GroupShortRowsBase<GroupShortRows> {
  void runOnOperation() override {
    GpuMachine machine = tile::getGpuMachine(getOperation()).value_or(GpuMachine());
    for (tile::KernelOp kernel : getOperation().getOps<tile::KernelOp>())
      if (ShortRows rows(kernel, machine); rows.isShort())
        rows.group();
  }
};
} // namespace
