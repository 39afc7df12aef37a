// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rows that take more than a quarter of a multiprocessor's registers are
// computed in pieces: with as many again for what is computed from them no
// second block would be there to read while the first one computes, and with
// half of them ptxas spills. Each reduction, and the stores together, become a
// loop over the row that computes what it needs from the loads again. The row
// was read a moment ago: where a ring in shared memory has room for it, the
// later loops find it there (`kept`, KeptRows.cpp), else in the caches.
//
// The reductions carry a tile of partial results along, one for each place of
// a piece, which is reduced behind the loop. What is left of the row behind the
// last whole piece follows by itself, so that the loop has no masks.
#include "passes/Lower/Passes.h"

#include "dialects/Tile/TargetSchedule.h"
#include "passes/Lower/Gpu/Layouts.h"
#include "passes/Lower/Gpu/RowTiles.h"
#include "passes/Lower/TileParts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace bessemer {
#define GEN_PASS_DEF_CUTLONGROWS
#include "passes/Lower/Passes.h.inc"
} // namespace bessemer

using namespace mlir;
using namespace bessemer;
using bessemer::gpu::accessWidth;
using bessemer::gpu::instructionsOf;
using bessemer::gpu::rowShape;

namespace {
/// Elements of a piece that is not kept: 16 for each lane of 32 warps, and of four where rows are of unknown length and
/// may be short. A block of 32 warps has its multiprocessor to itself: rows of three blocks each would not stay in the
/// L2 cache until they are read again (an H100, 1024 rows of 65536 bf16: every pass came from memory, 48 to 62 % of the
/// copy bandwidth).
constexpr int64_t longPiece = 16384, unknownPiece = 2048;

bool isRow(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getRank() == 1 && type.getDimSize(0) != 1;
}

/// The part of a row that begins at `first`: `count` elements, or `countValue` of them.
struct Piece {
  Value first;
  int64_t count = 0;
  Value countValue = {};
  bool isKept = false; ///< goes by way of the ring
  DenseMap<Value, Value> done = DenseMap<Value, Value>();
};

class LongRow {
public:
  LongRow(tile::KernelOp kernel, const GpuMachine &machine)
      : kernel(kernel), machine(machine), most(machine.registers / 4), b(kernel.getLoc(), kernel.getContext()) {}

  /// Whether the program has such rows, all of one length, and nothing that must see a whole row but reductions.
  bool isLong() {
    bool beyond = false, stored = false;
    for (Operation &op : kernel.getBody().front().without_terminator()) {
      if (op.getNumRegions())
        return false;
      bool hasRow = llvm::any_of(op.getOperands(), isRow) || llvm::any_of(op.getResults(), isRow);
      if (llvm::any_of(op.getOperandTypes(), isOtherTile) || llvm::any_of(op.getResultTypes(), isOtherTile))
        return false;
      if (!hasRow)
        continue;
      if (auto reduce = dyn_cast<tile::ReduceOp>(op)) {
        // Behind a store a row may be gone: results may lie where an input was.
        if (stored || cast<RankedTensorType>(reduce.getTile().getType()).getRank() != 1)
          return false;
      } else if (auto store = dyn_cast<tile::StoreOp>(op)) {
        stored = true;
      } else if (!isa<tile::LoadOp, tile::BroadcastOp, tile::IotaOp, tile::SplatOp>(op) && !isElementwiseTileOp(&op) &&
                 !bessemer::gpu::isSplatConstant(&op)) {
        return false;
      }
      for (Value value : op.getResults())
        if (isRow(value) && !bessemer::gpu::isSplatConstant(&op) && !agrees(value))
          return false;
      for (Value value : op.getResults())
        if (isRow(value)) {
          std::optional<int64_t> bound = bessemer::gpu::extentBound(value, 0);
          beyond |= !bound || *bound > most;
        }
    }
    return beyond && (length || size);
  }

  void cut() {
    piece = length ? longPiece : unknownPiece;
    if (length)
      chooseRing();
    SmallVector<Operation *> rows;
    SmallVector<tile::StoreOp> stores;
    for (Operation &op : llvm::make_early_inc_range(kernel.getBody().front().without_terminator())) {
      auto reduce = dyn_cast<tile::ReduceOp>(op);
      if (reduce && isRow(reduce.getX()))
        cutReduce(reduce);
      else if (auto store = dyn_cast<tile::StoreOp>(op); store && isRow(store.getTile()))
        stores.push_back(store);
      if (llvm::any_of(op.getOperands(), isRow) || llvm::any_of(op.getResults(), isRow))
        rows.push_back(&op);
    }
    if (!stores.empty())
      cutStores(stores);
    for (Operation *op : llvm::reverse(rows))
      op->erase();
  }

private:
  /// What several passes read of a row, and no other row does, may stay on the chip.
  void chooseRing() {
    GpuRowShape shape = rowShape(kernel, [&](Value, ValueRange offsets) { return isOwn(offsets); });
    shape.columns = *length;
    shape.instructions = shape.reductions = 0;
    DenseMap<Operation *, int64_t> passes;
    SetVector<Operation *> ofStores;
    auto count = [&](const SetVector<Operation *> &ops) {
      for (Operation *op : ops) {
        shape.instructions += instructionsOf(op);
        ++passes[op];
      }
    };
    for (Operation &op : kernel.getBody().front().without_terminator()) {
      if (auto load = dyn_cast<tile::LoadOp>(op); load && isRow(load.getTile()))
        shape.vector = accessWidth(load.getView(), load.getOffsets(), load.getDims(), shape.vector);
      auto reduce = dyn_cast<tile::ReduceOp>(op);
      auto store = dyn_cast<tile::StoreOp>(op);
      if (store && isRow(store.getTile())) {
        shape.vector = accessWidth(store.getView(), store.getOffsets(), store.getDims(), shape.vector);
        ofStores.insert(store);
        collect(store.getTile(), ofStores);
      }
      if (reduce && isRow(reduce.getX())) {
        SetVector<Operation *> ops;
        ops.insert(reduce);
        collect(reduce.getX(), ops);
        count(ops);
        ++shape.reductions;
      }
    }
    count(ofStores);
    for (auto [op, times] : passes)
      if (auto load = dyn_cast<tile::LoadOp>(op); load && times > 1 && canKeep(load, shape.vector)) {
        kept.insert(load);
        shape.keptBytes += bytesOf(load);
      }
    ring = chooseRowRing(shape, machine);
    if (!ring)
      return;
    piece = ring->piece();
    Builder builder(kernel.getContext());
    NamedAttrList schedule(kernel.getSchedule());
    for (auto [name, value] : {std::pair<StringRef, int64_t>("warps", ring->warps),
                               {"grid_blocks", machine.multiprocessors * ring->resident},
                               {tile::ringPiecesName, ring->pieces},
                               {tile::keptPiecesName, ring->kept},
                               {tile::residentName, ring->resident}})
      schedule.set(name, builder.getI64IntegerAttr(value));
    kernel.setScheduleAttr(schedule.getDictionary(kernel.getContext()));
    bessemer::gpu::addReason(kernel, ring->reason);
  }

  /// The ops that lead to the row, element by element.
  static void collect(Value row, SetVector<Operation *> &ops) {
    Operation *op = isRow(row) ? row.getDefiningOp() : nullptr;
    if (op && ops.insert(op))
      for (Value operand : op->getOperands())
        collect(operand, ops);
  }
  static int64_t bytesOf(tile::LoadOp load) {
    return storageType(cast<tile::ViewType>(load.getView().getType()).getElementType()).getIntOrFloatBitWidth() / 8;
  }
  /// Offsets that another point of the grid can compute for this one; the arguments that they come from.
  static bool isComputable(Value offset, SmallPtrSetImpl<Value> &arguments) {
    Operation *op = offset.getDefiningOp();
    if (!op)
      return arguments.insert(offset), true;
    return isa<arith::ArithDialect>(op->getDialect()) && isPure(op) &&
           llvm::all_of(op->getOperands(), [&](Value operand) { return isComputable(operand, arguments); });
  }
  /// Whether each point of the grid has a place of its own there.
  bool isOwn(ValueRange offsets) {
    SmallPtrSet<Value, 4> arguments;
    bool computable = llvm::all_of(offsets, [&](Value offset) { return isComputable(offset, arguments); });
    auto grid = bess::parseDims(kernel.getGrid());
    for (unsigned i = 0; i < grid.size(); ++i)
      computable &= grid[i] == SymbolicExpr::constant(1) || arguments.contains(kernel.getGridId(i));
    return computable;
  }
  /// A lane copies 4 to 16 bytes at a time, all within the view.
  bool canKeep(tile::LoadOp load, int64_t vector) {
    return load->hasAttr("in_bounds") && !load.getCondition() && load.getDims().size() == 1 &&
           vector * bytesOf(load) >= 4 && isOwn(load.getOffsets());
  }

  static bool isOtherTile(Type type) {
    auto tile = dyn_cast<RankedTensorType>(type);
    return tile && tile.getRank() != 1;
  }
  /// Remembers the length of the first row and compares the others with it.
  bool agrees(Value value) {
    auto type = cast<RankedTensorType>(value.getType());
    if (!type.isDynamicDim(0)) {
      length = length ? length : type.getDimSize(0);
      return !size && *length == type.getDimSize(0);
    }
    Value own = tileSizeOperand(value, 0);
    size = size ? size : own;
    return own && !length && own == size;
  }

  Value index(int64_t value) { return arith::ConstantIndexOp::create(b, value); }
  Value add(Value x, Value y) { return b.createOrFold<arith::AddIOp>(x, y); }

  Value at(Piece &part, Value row) {
    if (!isRow(row))
      return row;
    if (Value known = part.done.lookup(row))
      return known;
    Operation *op = row.getDefiningOp();
    auto type = RankedTensorType::get({part.countValue ? ShapedType::kDynamic : part.count},
                                      cast<RankedTensorType>(row.getType()).getElementType());
    SmallVector<Value> sizes;
    if (part.countValue)
      sizes.push_back(part.countValue);
    Value result;
    b.setLoc(op->getLoc());
    if (auto load = dyn_cast<tile::LoadOp>(op)) {
      SmallVector<Value> offsets(load.getOffsets());
      offsets[load.getDims()[0]] = add(offsets[load.getDims()[0]], part.first);
      auto own = tile::LoadOp::create(b, type, load.getView(), offsets, sizes, load.getCondition(), load.getDims());
      own->setDiscardableAttrs(load->getDiscardableAttrDictionary());
      if (part.isKept && kept.contains(load))
        own->setAttr(tile::keptName,
                     b.getI64IntegerAttr(keptNumbers.try_emplace(load, int64_t(keptNumbers.size())).first->second));
      result = own;
    } else if (auto broadcast = dyn_cast<tile::BroadcastOp>(op)) {
      result = isRow(broadcast.getX()) ? at(part, broadcast.getX())
                                       : Value(tile::BroadcastOp::create(b, type, broadcast.getX(), sizes));
    } else if (auto splat = dyn_cast<tile::SplatOp>(op)) {
      result = tile::SplatOp::create(b, type, splat.getValue(), sizes);
    } else if (auto iota = dyn_cast<tile::IotaOp>(op)) {
      result = tile::IotaOp::create(b, type, add(iota.getStart(), part.first), sizes, 0);
    } else if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
      result = bessemer::gpu::splatConstant(b, constant, type, sizes);
    } else {
      SmallVector<Value> operands;
      for (Value operand : op->getOperands())
        operands.push_back(at(part, operand));
      b.setLoc(op->getLoc());
      result = bessemer::gpu::reshapedElementwise(b, op, operands, type);
    }
    return part.done[row] = result;
  }

  /// A loop over the whole pieces, marked as one that assign-gpu-layouts knows; then what is left.
  template <typename Body>
  SmallVector<Value> overPieces(ValueRange initial, Body body, llvm::function_ref<void(Piece &, ValueRange)> rest) {
    Value step = index(piece), whole;
    if (length)
      whole = index(*length / piece * piece);
    else
      whole = arith::SubIOp::create(b, size, arith::RemUIOp::create(b, size, step));
    SmallVector<Value> carried(initial);
    auto over = [&](Value begin, Value end, bool isKept) {
      auto loop = scf::ForOp::create(b, begin, end, step, carried);
      loop->setAttr(bessemer::gpu::piecesName, b.getUnitAttr());
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(loop.getBody());
      Piece part{loop.getInductionVar(), piece};
      part.isKept = isKept;
      SmallVector<Value> results = body(part, loop.getRegionIterArgs());
      if (!initial.empty())
        scf::YieldOp::create(b, results);
      carried.assign(loop.getResults().begin(), loop.getResults().end());
    };
    Value begin = index(0);
    if (ring) {
      Value end = index(ring->kept * piece);
      over(begin, end, true);
      begin = end;
    }
    if (!ring || ring->kept < *length / piece)
      over(begin, whole, false);
    Piece part{whole, length ? *length % piece : 0};
    if (!length)
      part.countValue = arith::MinSIOp::create(b, step, arith::SubIOp::create(b, size, whole));
    if (!length || part.count)
      rest(part, carried);
    return carried;
  }

  void cutReduce(tile::ReduceOp reduce) {
    b.setInsertionPoint(reduce);
    b.setLoc(reduce.getLoc());
    Type element = cast<RankedTensorType>(reduce.getX().getType()).getElementType();
    auto type = RankedTensorType::get({piece}, element);
    Value initial = tile::SplatOp::create(b, type, neutralValue(b, reduce.getKind(), element), ValueRange());
    auto reduced = [&](Value tile) {
      auto own = tile::ReduceOp::create(b, reduce.getTile().getType(), reduce.getKindAttr(), tile, reduce.getAxisAttr(),
                                        reduce.getSkipNanAttr());
      return Value(own);
    };
    Value left;
    SmallVector<Value> sums = overPieces(
        initial,
        [&](Piece &part, ValueRange before) -> SmallVector<Value> {
          Value x = at(part, reduce.getX());
          b.setLoc(reduce.getLoc());
          // A sum of products: one instruction, and rounded once.
          if (auto product = x.getDefiningOp<arith::MulFOp>(); product && reduce.getKind() == tile::ReductionKind::Sum)
            return {math::FmaOp::create(b, product.getLhs(), product.getRhs(), before[0])};
          return {combineValues(b, reduce.getKind(), before[0], x)};
        },
        [&](Piece &part, ValueRange) {
          Value x = at(part, reduce.getX());
          b.setLoc(reduce.getLoc());
          left = reduced(x);
        });
    Value total = reduced(sums[0]);
    if (left)
      total = combineValues(b, reduce.getKind(), total, left);
    reduce.getTile().replaceAllUsesWith(total);
  }

  void cutStores(ArrayRef<tile::StoreOp> stores) {
    b.setInsertionPoint(stores.back());
    b.setLoc(stores.back()->getLoc());
    auto store = [&](Piece &part) {
      // All is read before anything is written.
      SmallVector<Value> values;
      for (tile::StoreOp op : stores)
        values.push_back(at(part, op.getTile()));
      for (auto [number, value] : llvm::enumerate(values)) {
        tile::StoreOp op = stores[number];
        b.setLoc(op->getLoc());
        SmallVector<Value> offsets(op.getOffsets());
        offsets[op.getDims()[0]] = add(offsets[op.getDims()[0]], part.first);
        auto own = tile::StoreOp::create(b, value, op.getView(), offsets, op.getCondition(), op.getDims());
        own->setDiscardableAttrs(op->getDiscardableAttrDictionary());
      }
    };
    overPieces(
        {},
        [&](Piece &part, ValueRange) -> SmallVector<Value> {
          store(part);
          return {};
        },
        [&](Piece &part, ValueRange) { store(part); });
  }

  tile::KernelOp kernel;
  const GpuMachine &machine;
  std::optional<GpuRowRing> ring; ///< nullopt: what was read is read again
  DenseSet<Operation *> kept;     ///< loads that go by way of it
  DenseMap<Operation *, int64_t> keptNumbers;
  int64_t most; ///< elements of a row that stays in registers
  int64_t piece = 0;
  std::optional<int64_t> length; ///< of the rows, or
  Value size;
  ImplicitLocOpBuilder b;
};

struct CutLongRows : bessemer::impl::CutLongRowsBase<CutLongRows> {
  void getDependentDialects(DialectRegistry &registry) const override {
    bessemer::impl::CutLongRowsBase<CutLongRows>::getDependentDialects(registry);
    registry.insert<math::MathDialect>();
  }

  void runOnOperation() override {
    GpuMachine machine = tile::getGpuMachine(getOperation()).value_or(GpuMachine());
    for (tile::KernelOp kernel : getOperation().getOps<tile::KernelOp>())
      if (LongRow rows(kernel, machine); rows.isLong())
        rows.cut();
  }
};
} // namespace
