// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Long rows that stay on the chip: a ring of pieces in shared memory, and blocks that go on to further rows
// (LongRows.cpp marks the loads, bessemer/Algorithms/GpuRowSchedule.h says how large the ring is).
//
//   start the copies of the first pieces, of this row and of those behind it, until the ring is full
//   for each row of the block:
//     first loop: wait for the piece; compute
//     loops behind it: read it again
//     last loop: compute, store, and start the copy of the piece that comes next to the place that is free now
//
// So the memory is read while a row is reduced, where the ring has room for more than one. Each lane copies what it
// reads itself: no barrier orders the ring, and lanes lie side by side in it, without bank conflicts. The copies of a
// thread complete in order. A group is closed for each piece of the first loop (an empty one) and of the last one; then
// between the group of a piece and the piece's first use lie those of the ring's other places, or more.
#include "passes/Lower/Gpu/GpuExpander.h"

#include "passes/Lower/TileParts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::gpu;

/// What `cp.async` copies at least.
static constexpr int64_t leastCopy = 4, mostCopy = 16;

struct GpuExpander::KeptRing {
  struct Input {
    tile::LoadOp load; ///< of the first loop that has it
    TileLayout layout;
    int64_t width = 1, bytes = 0; ///< elements and bytes of a copy
    int64_t place = 0;            ///< within a place of the ring
  };
  SmallVector<Input> inputs;
  scf::ForOp first, last; ///< loops with kept pieces
  int64_t pieces = 0, kept = 0, piece = 0, placeBytes = 0, arena = 0, threads = 0;
  // Of the row that is computed: its number and that of the block's next one beyond it, all rows, place of its first
  // piece.
  Value row, stride, rows, begin;
};

std::shared_ptr<GpuExpander::KeptRing> GpuExpander::findKeptRing() {
  auto ring = std::make_shared<KeptRing>();
  auto entry = [&](StringRef name) { return kernel.getSchedule().getAs<IntegerAttr>(name).getInt(); };
  ring->pieces = entry(tile::ringPiecesName);
  ring->kept = entry(tile::keptPiecesName);
  ring->threads = 32 * entry("warps");
  bool fits = true;
  kernel.getBody().walk([&](tile::LoadOp load) {
    auto number = load->getAttrOfType<IntegerAttr>(keptName);
    auto loop = dyn_cast<scf::ForOp>(load->getParentOp());
    if (!number || !loop)
      return;
    ring->first = ring->first ? ring->first : loop;
    ring->last = loop;
    if (number.getInt() < int64_t(ring->inputs.size()))
      return;
    FailureOr<TileLayout> layout = layoutOf(load, load.getTile());
    if (failed(layout)) {
      fits = false;
      return;
    }
    auto type = cast<RankedTensorType>(load.getTile().getType());
    KeptRing::Input input{load, *layout};
    input.width = loadWidth(load, *layout);
    input.bytes = input.width * storageType(type.getElementType()).getIntOrFloatBitWidth() / 8;
    input.place = ring->placeBytes;
    ring->piece = type.getDimSize(0);
    ring->placeBytes += ring->threads * layout->registers() / input.width * input.bytes;
    fits &= input.bytes >= leastCopy && input.bytes <= mostCopy && layout->shape()[0] == ring->piece;
    ring->inputs.push_back(input);
  });
  return fits && ring->first ? ring : nullptr;
}

Value GpuExpander::keptPointer(int64_t number, int64_t reg, Value place) {
  const KeptRing::Input &input = keptRing->inputs[number];
  Value thread = arith::IndexCastOp::create(b, b.getI32Type(), add(mul(warp, index(32)), lane));
  Value offset = arith::AddIOp::create(b, arith::MulIOp::create(b, place, word(keptRing->placeBytes)),
                                       arith::MulIOp::create(b, thread, word(input.bytes)));
  Value base = sharedBase(0);
  Value pointer = LLVM::GEPOp::create(b, base.getType(), b.getI8Type(), base, ArrayRef<LLVM::GEPArg>{offset});
  return moved(pointer, keptRing->arena + input.place + reg / input.width * keptRing->threads * input.bytes);
}

Value GpuExpander::keptPlace(Value position) {
  Value number = arith::IndexCastOp::create(b, b.getI32Type(), position);
  number = arith::AddIOp::create(b, keptRing->begin, arith::DivUIOp::create(b, number, word(keptRing->piece)));
  Value isBehind = arith::CmpIOp::create(b, arith::CmpIPredicate::uge, number, word(keptRing->pieces));
  return arith::SelectOp::create(b, isBehind, arith::SubIOp::create(b, number, word(keptRing->pieces)), number);
}

GpuExpander::Registers GpuExpander::readKept(tile::LoadOp op, const TileLayout &layout) {
  int64_t number = op->getAttrOfType<IntegerAttr>(keptName).getInt();
  const KeptRing::Input &input = keptRing->inputs[number];
  Value place = keptPlace(mapped(cast<scf::ForOp>(op->getParentOp()).getInductionVar()));
  Type element = cast<tile::ViewType>(op.getView().getType()).getElementType();
  Registers results;
  for (int64_t reg = 0; reg < layout.registers(); reg += input.width)
    llvm::append_range(results, read(keptPointer(number, reg, place), element, input.width, {}));
  return results;
}

void GpuExpander::startKept(Value row, Value position, Value place) {
  Value exists = below(row, keptRing->rows);
  IRMapping before = mapping;
  guarded(exists, [&] {
    mapBlock(row);
    for (auto [number, input] : llvm::enumerate(keptRing->inputs)) {
      tile::LoadOp load = input.load;
      mapping.map(cast<scf::ForOp>(load->getParentOp()).getInductionVar(), position);
      // What leads to the offsets, of that row.
      std::function<void(Value)> renew = [&](Value value) {
        Operation *op = value.getDefiningOp();
        if (!op)
          return;
        for (Value operand : op->getOperands())
          renew(operand);
        b.clone(*op, mapping);
      };
      for (Value offset : load.getOffsets())
        renew(offset);
      for (int64_t reg = 0; reg < input.layout.registers(); reg += input.width)
        NVVM::CpAsyncOp::create(
            b, keptPointer(int64_t(number), reg, place),
            pointer(load.getView(), load.getOffsets(), load.getDims(), coordinates(input.layout, reg)), input.bytes,
            input.bytes == mostCopy ? NVVM::LoadCacheModifierKind::CG : NVVM::LoadCacheModifierKind::CA, Value());
    }
  });
  mapping = before;
}

void GpuExpander::waitForKept(scf::ForOp loop) {
  if (!keptRing || loop != keptRing->first)
    return;
  NVVM::CpAsyncCommitGroupOp::create(b);
  NVVM::CpAsyncWaitGroupOp::create(b, keptRing->pieces);
}

void GpuExpander::refillKept(scf::ForOp loop) {
  if (!keptRing || loop != keptRing->last)
    return;
  Value position = mapped(loop.getInductionVar());
  // So many pieces further on: of one of the next rows.
  Value number = add(b.createOrFold<arith::DivUIOp>(position, index(keptRing->piece)), index(keptRing->pieces));
  Value further = b.createOrFold<arith::DivUIOp>(number, index(keptRing->kept));
  Value inRow = b.createOrFold<arith::RemUIOp>(number, index(keptRing->kept));
  startKept(add(keptRing->row, mul(keptRing->stride, further)), mul(inRow, index(keptRing->piece)),
            keptPlace(position));
  NVVM::CpAsyncCommitGroupOp::create(b);
}

LogicalResult GpuExpander::expandKeptRows(Value firstBlock) {
  Value rows = index(1);
  for (const SymbolicExpr &extent : bess::parseDims(kernel.getGrid()))
    rows = mul(rows, fromExpr(extent));
  // Not the grid's size: a launch may have more blocks than work, which leave at once.
  auto most = kernel.getSchedule().getAs<IntegerAttr>("grid_blocks");
  Value stride = b.createOrFold<arith::MinUIOp>(rows, index(most.getInt()));
  keptRing = findKeptRing();
  goesOnToRows = true;
  if (keptRing) {
    keptRing->rows = rows;
    keptRing->stride = stride;
    keptRing->arena = takeShared(keptRing->pieces * keptRing->placeBytes);
    for (int64_t place = 0; place < keptRing->pieces; ++place) {
      startKept(add(firstBlock, mul(stride, index(place / keptRing->kept))),
                index(place % keptRing->kept * keptRing->piece), word(place));
      NVVM::CpAsyncCommitGroupOp::create(b);
    }
    auto resident = kernel.getSchedule().getAs<IntegerAttr>(tile::residentName);
    function->setAttr("bess.least_resident", b.getI32IntegerAttr(resident ? resident.getInt() : 1));
  }
  auto loop = scf::ForOp::create(b, firstBlock, rows, stride, ValueRange{word(0)});
  b.setInsertionPointToStart(loop.getBody());
  mapBlock(loop.getInductionVar());
  Value begin = loop.getRegionIterArgs()[0];
  if (keptRing) {
    keptRing->row = loop.getInductionVar();
    keptRing->begin = begin;
  }
  if (failed(expandBody()))
    return failure();
  b.setLoc(kernel.getLoc());
  if (keptRing)
    begin = keptPlace(index(keptRing->kept * keptRing->piece));
  scf::YieldOp::create(b, ValueRange{begin});
  return success();
}
