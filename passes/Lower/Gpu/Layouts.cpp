// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Lower/Gpu/Layouts.h"

#include "bessemer/Algorithms/GpuRowSchedule.h"
#include "passes/Lower/TileParts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;
using namespace bessemer;

namespace {
/// Of short rows, elements that a lane holds: two to four 16-byte accesses on their way at once.
constexpr int64_t elementsPerLane = 16;
/// More warps than the usual number only for rows that would not fit otherwise.
constexpr int64_t usualWarps = 8, mostWarps = 32;
/// A tile's share of the 255 registers of a lane.
constexpr int64_t registersPerTile = 128;

/// `multiple` divides the index, by how it is made.
bool isMultipleOf(Value index, int64_t multiple) {
  APInt constant;
  if (matchPattern(index, m_ConstantInt(&constant)))
    return constant.getSExtValue() % multiple == 0;
  if (auto product = index.getDefiningOp<arith::MulIOp>())
    return isMultipleOf(product.getLhs(), multiple) || isMultipleOf(product.getRhs(), multiple);
  if (auto sum = index.getDefiningOp<arith::AddIOp>())
    return isMultipleOf(sum.getLhs(), multiple) && isMultipleOf(sum.getRhs(), multiple);
  if (auto difference = index.getDefiningOp<arith::SubIOp>()) // x - x % step
    if (auto rest = difference.getRhs().getDefiningOp<arith::RemUIOp>(); rest && rest.getLhs() == difference.getLhs())
      return isMultipleOf(rest.getRhs(), multiple);
  if (auto argument = dyn_cast<BlockArgument>(index))
    if (auto loop = dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp()); loop && argument.getArgNumber() == 0)
      return isMultipleOf(loop.getLowerBound(), multiple) && isMultipleOf(loop.getStep(), multiple);
  return false;
}

std::optional<TileLayout> rowLayout(ArrayRef<int64_t> bounds, int64_t warps, int64_t vector, std::string &error) {
  SmallVector<int64_t> shape(bounds), perThread(bounds.size(), 1), threads(bounds.size(), 1),
      perBlock(bounds.size(), 1);
  SmallVector<unsigned> order;
  for (size_t d = bounds.size(); d-- > 0;)
    order.push_back(d);
  int64_t &last = shape.back(), block = vector * 32 * warps;
  last =
      last < block ? static_cast<int64_t>(llvm::PowerOf2Ceil(last)) : static_cast<int64_t>(llvm::alignTo(last, block));
  perThread.back() = std::min(vector, last);
  threads.back() = 32;
  perBlock.back() = warps;
  return blockedLayout(shape, perThread, threads, perBlock, order, &error);
}
/// Short rows, several in a block: as many lanes along a row as leave the fewest without work (more where that is
/// equal), the other lanes and the warps along the rows.
class GroupedLayouts {
public:
  /// `given`: warps of a block, each with whole rows; 0: as many as the elements keep busy.
  GroupedLayouts(int64_t rows, int64_t columns, int64_t vector, int64_t given)
      : vector(std::min(vector, columns)), warps(std::max<int64_t>(given, 1)) {
    int64_t fewest = std::numeric_limits<int64_t>::max();
    for (int64_t lanes = 32; lanes >= (given ? 32 : 1); lanes /= 2) {
      if (lanes * this->vector < std::min<int64_t>(sectorElements, llvm::PowerOf2Ceil(columns)))
        break;
      if (int64_t padded = llvm::alignTo(columns, lanes * this->vector); padded < fewest) {
        fewest = padded;
        along = lanes;
      }
    }
    while (!given && warps < usualWarps && warps * 32 * elementsPerLane < rows * fewest)
      warps *= 2;
  }
  int64_t warpCount() const { return warps; }

  std::optional<TileLayout> of(ArrayRef<int64_t> bounds, std::string &error) const {
    int64_t across = 32 / along, block = across * warps;
    int64_t perThread[] = {1, bounds[1] == 1 ? 1 : vector}, lanes[] = {across, along}, ofWarps[] = {warps, 1};
    int64_t shape[] = {bounds[0] < block ? int64_t(llvm::PowerOf2Ceil(bounds[0]))
                                         : int64_t(llvm::alignTo(bounds[0], block)),
                       bounds[1] == 1 ? 1 : int64_t(llvm::alignTo(bounds[1], vector * along))};
    unsigned order[] = {1, 0};
    return blockedLayout(shape, perThread, lanes, ofWarps, order, &error);
  }

  /// Of the same shape with lanes along the rows: for a tile that is read across.
  std::optional<TileLayout> turned(const TileLayout &layout, std::string &error) const {
    int64_t perThread[] = {1, 1}, lanes[] = {32, 1}, ofWarps[] = {1, warps};
    unsigned order[] = {0, 1};
    return blockedLayout(layout.shape(), perThread, lanes, ofWarps, order, &error);
  }

private:
  /// Neighbours in memory that a warp takes at least: 32 bytes of the narrowest usual type.
  static constexpr int64_t sectorElements = 16;
  int64_t vector, along = 32, warps;
};

bool isReadAcross(tile::LoadOp load) {
  auto type = cast<RankedTensorType>(load.getTile().getType());
  return type.getRank() == 2 && type.getDimSize(0) != 1 && type.getDimSize(1) != 1 &&
         load.getDims()[0] == cast<tile::ViewType>(load.getView().getType()).getRank() - 1;
}
} // namespace

int64_t bessemer::gpu::accessWidth(Value view, ValueRange offsets, ArrayRef<int64_t> dims, int64_t wanted) {
  auto type = cast<tile::ViewType>(view.getType());
  SmallVector<SymbolicExpr> extents = bess::parseDims(type.getDims());
  int64_t last = dims.empty() ? -1 : dims.back();
  if (last != type.getRank() - 1)
    return 1;
  std::optional<int64_t> known = extents.back().isConstant();
  for (; wanted > 1; wanted /= 2)
    if (known && *known % wanted == 0 && isMultipleOf(offsets[last], wanted))
      return wanted;
  return 1;
}

std::optional<int64_t> bessemer::gpu::extentBound(Value tile, unsigned dim) {
  auto type = cast<RankedTensorType>(tile.getType());
  if (!type.isDynamicDim(dim))
    return type.getDimSize(dim);
  Value size = tileSizeOperand(tile, dim);
  auto minimum = size ? size.getDefiningOp<arith::MinSIOp>() : arith::MinSIOp();
  APInt constant;
  if (minimum && (matchPattern(minimum.getLhs(), m_ConstantInt(&constant)) ||
                  matchPattern(minimum.getRhs(), m_ConstantInt(&constant))))
    return constant.getSExtValue();
  return {};
}

LogicalResult bessemer::gpu::assignRowLayouts(tile::KernelOp kernel) {
  // How wide accesses may be, and how long rows are.
  int64_t vector = 8, longest = 1;
  bool isCut = false; // into pieces, of which one is enough at a time
  WalkResult walked = kernel.getBody().walk([&](Operation *op) {
    isCut |= op->hasAttr(piecesName);
    if (op->getNumRegions() && !op->hasAttr(piecesName) &&
        llvm::any_of(op->getResultTypes(), llvm::IsaPred<RankedTensorType>)) {
      op->emitError("expected rows without a loop that carries a tile");
      return WalkResult::interrupt();
    }
    for (Value tile : op->getResults()) {
      auto type = dyn_cast<RankedTensorType>(tile.getType());
      if (!type)
        continue;
      if (type.getRank() < 1 || type.getRank() > 2) {
        op->emitError("expected a tile of rank 1 or 2 in a GPU kernel, got rank ") << type.getRank();
        return WalkResult::interrupt();
      }
      for (int64_t d = 0; d < type.getRank(); ++d)
        if (!extentBound(tile, d)) {
          op->emitError("expected a row whose length has a bound, to keep it in "
                        "registers: bind its dimension with --dim NAME=VALUE");
          return WalkResult::interrupt();
        }
      int64_t last = *extentBound(tile, type.getRank() - 1);
      longest = std::max(longest, last);
      // A vector is within the row, or beyond it, as a whole.
      while (last != 1 && (last % vector || type.isDynamicDim(type.getRank() - 1)) && vector > 1)
        vector /= 2;
    }
    auto narrow = [&](Value view, ValueRange offsets, ArrayRef<int64_t> dims, Value tile) {
      Type element = storageType(cast<tile::ViewType>(view.getType()).getElementType());
      vector = std::min<int64_t>(vector, std::max<int64_t>(1, 128 / element.getIntOrFloatBitWidth()));
      if (cast<RankedTensorType>(tile.getType()).getShape().back() != 1) // one element: read alone
        vector = std::min(vector, accessWidth(view, offsets, dims, vector));
    };
    // Where a tile may go beyond its view, an access is within it as a whole or not at all.
    auto keepWhole = [&](Value view) {
      std::optional<int64_t> last = bess::parseDims(cast<tile::ViewType>(view.getType()).getDims()).back().isConstant();
      while (vector > 1 && !op->hasAttr("in_bounds") && (!last || *last % vector))
        vector /= 2;
    };
    if (auto load = dyn_cast<tile::LoadOp>(op)) {
      narrow(load.getView(), load.getOffsets(), load.getDims(), load.getTile());
      keepWhole(load.getView());
    }
    if (auto store = dyn_cast<tile::StoreOp>(op)) {
      narrow(store.getView(), store.getOffsets(), store.getDims(), store.getTile());
      keepWhole(store.getView());
    }
    return WalkResult::advance();
  });
  if (walked.wasInterrupted())
    return failure();
  auto given = kernel.getSchedule().getAs<IntegerAttr>("warps");
  int64_t warps = given ? given.getInt() : warpsOfRow(longest);
  std::optional<GroupedLayouts> grouped;
  if (auto rows = kernel.getSchedule().getAs<IntegerAttr>(groupedRowsName)) {
    grouped.emplace(rows.getInt(), longest, vector, given ? warps : 0);
    warps = grouped->warpCount();
  }
  while (!given && !grouped && warps < mostWarps &&
         warps * 32 * (isCut ? elementsPerLane : registersPerTile / 2) < longest)
    warps *= 2;

  walked = kernel.getBody().walk([&](Operation *op) {
    SmallVector<Value> values(op->getResults());
    if (auto loop = dyn_cast<scf::ForOp>(op))
      llvm::append_range(values, loop.getRegionIterArgs());
    for (Value tile : values) {
      auto type = dyn_cast<RankedTensorType>(tile.getType());
      if (!type)
        continue;
      SmallVector<int64_t> bounds;
      for (int64_t d = 0; d < type.getRank(); ++d)
        bounds.push_back(*extentBound(tile, d));
      std::string error;
      std::optional<TileLayout> layout =
          grouped && bounds.size() == 2 ? grouped->of(bounds, error) : rowLayout(bounds, warps, vector, error);
      if (!layout) {
        op->emitError("no layout for the tile: ") << error;
        return WalkResult::interrupt();
      }
      if (layout->registers() > registersPerTile) {
        op->emitError("expected a tile of at most ")
            << registersPerTile << " registers for each lane, got " << layout->registers();
        return WalkResult::interrupt();
      }
      tile.setType(RankedTensorType::get(type.getShape(), type.getElementType(),
                                         tile::LayoutAttr::get(op->getContext(), layout->str())));
    }
    return WalkResult::advance();
  });
  if (walked.wasInterrupted())
    return failure();
  // What is read across goes from lanes along the rows to the others' lanes.
  SmallVector<tile::LoadOp> across;
  kernel.getBody().walk([&](tile::LoadOp load) {
    if (grouped && isReadAcross(load))
      across.push_back(load);
  });
  for (tile::LoadOp load : across) {
    Value tile = load.getTile();
    std::string error;
    FailureOr<TileLayout> own = layoutOf(load, tile);
    std::optional<TileLayout> layout = succeeded(own) ? grouped->turned(*own, error) : std::nullopt;
    if (!layout)
      return load.emitError("no layout for the tile: ") << error;
    auto type = cast<RankedTensorType>(tile.getType());
    OpBuilder b(load->getBlock(), std::next(load->getIterator()));
    auto convert = tile::ConvertOp::create(b, load.getLoc(), type, tile);
    tile.replaceAllUsesExcept(convert.getTile(), convert);
    tile.setType(RankedTensorType::get(type.getShape(), type.getElementType(),
                                       tile::LayoutAttr::get(kernel.getContext(), layout->str())));
  }
  Builder b(kernel.getContext());
  NamedAttrList schedule(kernel.getSchedule());
  schedule.set("warps", b.getI64IntegerAttr(warps));
  schedule.set("vector", b.getI64IntegerAttr(vector));
  kernel.setScheduleAttr(schedule.getDictionary(b.getContext()));
  return success();
}

FailureOr<TileLayout> bessemer::gpu::layoutOf(Operation *op, Value tile) {
  auto encoding = dyn_cast_or_null<tile::LayoutAttr>(cast<RankedTensorType>(tile.getType()).getEncoding());
  std::string error = "none";
  std::optional<TileLayout> layout = encoding ? TileLayout::parse(encoding.getText().str(), &error) : std::nullopt;
  if (!layout)
    return op->emitError("expected a tile with a #tile.layout, got ") << error;
  return *layout;
}
