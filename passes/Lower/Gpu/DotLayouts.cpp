// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Layouts of kernels with matrix products.
#include "passes/Lower/Gpu/Layouts.h"

#include "dialects/Tile/GpuMatmulScheduleAttr.h"
#include "passes/Lower/TileParts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace bessemer;

bool bessemer::gpu::isOperandInMemory(Value tile) {
  return !tile.use_empty() && llvm::all_of(tile.getUsers(), [](Operation *user) { return isa<tile::DotOp>(user); });
}

int64_t bessemer::gpu::paddedColumns(int64_t columns, MatmulInstruction instruction) {
  return llvm::alignTo(columns, instruction == MatmulInstruction::Fma ? 32 : 16);
}

namespace {
/// The layout of what is left of a tile along some dimensions; the others have
/// become 1. Registers that hold the same are one.
std::optional<TileLayout> sliced(const TileLayout &layout, ArrayRef<bool> keep) {
  const LinearLayout &atom = layout.atom();
  std::vector<LinearLayout::InputBases> inputs;
  std::vector<std::pair<std::string, int64_t>> outputs;
  std::vector<int64_t> repeats;
  for (auto [d, dim] : llvm::enumerate(atom.outputs())) {
    outputs.push_back({dim.name, keep[d] ? dim.size() : 1});
    repeats.push_back(keep[d] ? layout.repeats()[d] : 1);
  }
  for (const LinearLayout::Dim &in : atom.inputs()) {
    LinearLayout::InputBases &input = inputs.emplace_back();
    input.name = in.name;
    for (unsigned bit = 0; bit < in.bits; ++bit) {
      std::vector<int64_t> basis;
      for (auto [d, dim] : llvm::enumerate(atom.outputs()))
        basis.push_back(keep[d] ? atom.basis(in.name, bit, dim.name) : 0);
      bool isNothing = llvm::all_of(basis, [](int64_t x) { return x == 0; });
      if (in.name != "register" || !isNothing)
        input.bases.push_back(basis);
    }
  }
  std::optional<LinearLayout> part = LinearLayout::fromBases(inputs, outputs);
  return part ? TileLayout::create(std::move(*part), repeats) : std::nullopt;
}

/// Rows in 16-byte accesses: each lane has neighbours, a row is in neighbouring
/// lanes.
std::optional<TileLayout> accessLayout(const TileLayout &tile, int64_t vector, int64_t warps) {
  std::vector<int64_t> shape = tile.shape();
  int64_t groups = std::max<int64_t>(1, shape[1] / vector), perRow = std::min<int64_t>(32, groups & -groups);
  int64_t perThread[] = {1, vector}, lanes[] = {32 / perRow, perRow}, ofWarps[] = {warps, 1};
  unsigned order[] = {1, 0};
  return blockedLayout(shape, perThread, lanes, ofWarps, order);
}

class DotLayouts {
public:
  DotLayouts(tile::KernelOp kernel, const GpuMachine &machine) : kernel(kernel), machine(machine) {}

  LogicalResult assign() {
    FailureOr<GpuMatmulSchedule> read = tile::readGpuMatmulSchedule(kernel, elementBytes(), machine);
    if (failed(read))
      return failure();
    schedule = *read;
    warps = schedule.warps();
    SmallVector<Operation *> ops;
    kernel.getBody().walk([&](Operation *op) {
      ops.push_back(op);
      isLoop |= isa<scf::ForOp>(op);
    });
    for (Operation *op : ops) {
      SmallVector<Value> values(op->getResults());
      for (Region &region : op->getRegions())
        llvm::append_range(values, region.getArguments());
      for (Value value : values)
        if (isa<RankedTensorType>(value.getType()) && failed(assign(op, value)))
          return failure();
    }
    for (Operation *op : ops) {
      if (auto store = dyn_cast<tile::StoreOp>(op))
        widen(store);
      else if (auto dot = dyn_cast<tile::DotOp>(op))
        toOperand(dot);
    }
    Builder b(kernel.getContext());
    NamedAttrList entries(kernel.getSchedule());
    entries.set("warps", b.getI64IntegerAttr(warps));
    kernel.setScheduleAttr(entries.getDictionary(b.getContext()));
    return success();
  }

private:
  /// Of the widest operand of a product.
  int64_t elementBytes() {
    int64_t bytes = 1;
    kernel.getBody().walk([&](tile::DotOp dot) {
      for (Value operand : {dot.getA(), dot.getB()})
        bytes = std::max<int64_t>(bytes, cast<RankedTensorType>(operand.getType()).getElementTypeBitWidth() / 8);
    });
    return bytes;
  }

  LogicalResult assign(Operation *op, Value value) {
    if (isa<tile::LoadOp, tile::PatchesOp>(op) && gpu::isOperandInMemory(value))
      return success();
    auto type = cast<RankedTensorType>(value.getType());
    SmallVector<bool> keep;
    // Tiles of one shape lie alike: the sums' layout for as many columns.
    std::vector<int64_t> extents;
    for (int64_t d = 0; d < type.getRank(); ++d) {
      std::optional<int64_t> bound = gpu::extentBound(value, d);
      extents.push_back(bound.value_or(-1));
      keep.push_back(!bound || *bound != 1 || isa<tile::DotOp>(op));
    }
    bool fits = type.getRank() == 2 && extents[0] >= 0 && extents[1] >= 0 && extents[0] <= schedule.blockRows;
    GpuMatmulSchedule own = schedule;
    if (fits && keep[1] && isLoop)
      own.blockColumns = gpu::paddedColumns(extents[1], schedule.instruction);
    fits &= !keep[1] || extents[1] <= own.blockColumns;
    if (!fits)
      return op->emitError("expected a tile of at most ")
             << schedule.blockRows << " x " << schedule.blockColumns << " beside a matrix product, got " << type;
    std::optional<TileLayout> layout = sliced(own.accumulatorLayout(), keep);
    if (!layout)
      return op->emitError("no layout for the tile ") << type;
    value.setType(withLayout(type, *layout));
    return success();
  }

  static RankedTensorType withLayout(RankedTensorType type, const TileLayout &layout) {
    return RankedTensorType::get(type.getShape(), type.getElementType(),
                                 tile::LayoutAttr::get(type.getContext(), layout.str()));
  }

  /// A left operand that was computed: from sums to a fragment. Multiply-adds
  /// read it from shared memory.
  void toOperand(tile::DotOp dot) {
    if (isa_and_nonnull<tile::LoadOp, tile::PatchesOp>(dot.getA().getDefiningOp()) ||
        schedule.instruction == MatmulInstruction::Fma)
      return;
    auto type = cast<RankedTensorType>(dot.getA().getType());
    GpuMatmulSchedule own = schedule;
    own.blockDepth = type.getDimSize(1);
    OpBuilder b(dot);
    dot.getAMutable().assign(
        tile::ConvertOp::create(b, dot.getLoc(), withLayout(type, own.operandALayout()), dot.getA()));
  }

  /// A warp stores two neighbours of a row a lane: 16 bytes of a row with
  /// elements of two bytes, half a sector. Such tiles go to rows first.
  void widen(tile::StoreOp store) {
    auto type = cast<RankedTensorType>(store.getTile().getType());
    int64_t bytes = std::max<int64_t>(1, type.getElementTypeBitWidth() / 8);
    if (bytes >= 4 || type.getDimSize(1) == 1)
      return;
    FailureOr<TileLayout> layout = gpu::layoutOf(store, store.getTile());
    if (failed(layout))
      return;
    int64_t vector = gpu::accessWidth(store.getView(), store.getOffsets(), store.getDims(),
                                      std::min<int64_t>(16 / bytes, layout->shape()[1]));
    std::optional<TileLayout> rows = vector > 2 ? accessLayout(*layout, vector, warps) : std::nullopt;
    if (!rows)
      return;
    OpBuilder b(store);
    store.getTileMutable().assign(tile::ConvertOp::create(b, store.getLoc(), withLayout(type, *rows), store.getTile()));
  }

  tile::KernelOp kernel;
  const GpuMachine &machine;
  GpuMatmulSchedule schedule;
  int64_t warps = 1;
  bool isLoop = false; ///< products of several widths
};
} // namespace

LogicalResult bessemer::gpu::assignDotLayouts(tile::KernelOp kernel, const GpuMachine &machine) {
  return DotLayouts(kernel, machine).assign();
}
