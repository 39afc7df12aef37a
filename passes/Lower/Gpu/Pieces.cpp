// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What follows a product, in pieces: a few registers of a tile at a time, each with all that leads to it (loads of a
// bias or a residual, functions), so that no tile is in flight as a whole beside the sums. A GELU of 128 sums computed
// op by op keeps several tiles of temporaries alive, and ptxas spills kilobytes.
//
//   op by op            in pieces, of what is stored
//   t0 = bias[0..127]   for each piece p of 8 registers:
//   t1 = sums + t0        t0 = bias[p], t1 = sums[p] + t0, t2 = gelu(t1)
//   t2 = gelu(t1)
//
// Ops without an effect of their own wait until an op that has one (a store, a conversion) asks for their registers.
#include "passes/Lower/Gpu/GpuExpander.h"

#include "passes/Lower/TileParts.h"

using namespace mlir;
using namespace bessemer;
using namespace bessemer::gpu;

/// Registers of a piece: enough for the latency of one chain of instructions to hide behind the others.
static constexpr int64_t pieceRegisters = 8;

bool GpuExpander::canWait(Operation &op) const {
  if (auto load = dyn_cast<tile::LoadOp>(op))
    return !isOperandInMemory(load.getTile());
  return isa<tile::SplatOp, tile::BroadcastOp, tile::IotaOp>(op) || isElementwiseTileOp(&op);
}

LogicalResult GpuExpander::ensureTile(Value tile) {
  Operation *op = tile.getDefiningOp();
  if (!op || !canWait(*op))
    return success(); // it is there
  FailureOr<TileLayout> layout = layoutOf(op, tile);
  if (failed(layout))
    return failure();
  int64_t count = layout->registers(), piece = std::min(count, pieceRegisters);
  for (int64_t first = 0; first < count; first += piece)
    if (failed(ensureRegisters(tile, llvm::to_vector(llvm::seq(first, std::min(count, first + piece))))))
      return failure();
  return success();
}

LogicalResult GpuExpander::ensureRegisters(Value tile, ArrayRef<int64_t> wanted) {
  Operation *op = tile.getDefiningOp();
  if (!op || !canWait(*op))
    return success();
  FailureOr<TileLayout> layout = layoutOf(op, tile);
  if (failed(layout))
    return failure();
  // Not by reference: what it needs may add tiles, and move the others.
  SmallVector<int64_t> missing;
  {
    Registers &known = tiles[tile];
    known.resize(layout->registers());
    for (int64_t reg : wanted)
      if (!known[reg])
        missing.push_back(reg);
  }
  if (missing.empty())
    return success();
  if (auto broadcast = dyn_cast<tile::BroadcastOp>(op)) {
    FailureOr<SmallVector<int64_t>> sources = broadcastRegisters(broadcast);
    if (failed(sources))
      return failure();
    SmallVector<int64_t> from;
    for (int64_t reg : missing)
      from.push_back((*sources)[reg]);
    if (failed(ensureRegisters(broadcast.getX(), from)))
      return failure();
    for (auto [reg, source] : llvm::zip(missing, from)) {
      Value value = tiles[broadcast.getX()][source];
      tiles[tile][reg] = value;
    }
    return success();
  }
  if (isElementwiseTileOp(op))
    for (Value operand : op->getOperands())
      if (isa<RankedTensorType>(operand.getType()) && failed(ensureRegisters(operand, missing)))
        return failure();
  b.setLoc(op->getLoc());
  for (int64_t reg : missing) {
    if (tiles[tile][reg])
      continue; // with the neighbours that an access reads
    if (auto load = dyn_cast<tile::LoadOp>(op)) {
      int64_t width = loadWidth(load, *layout), first = reg / width * width;
      Registers values = loadRegisters(load, *layout, first, width);
      llvm::copy(values, tiles[tile].begin() + first);
    } else if (auto splat = dyn_cast<tile::SplatOp>(op)) {
      tiles[tile][reg] = mapped(splat.getValue());
    } else if (auto iota = dyn_cast<tile::IotaOp>(op)) {
      Value value = iotaRegister(iota, *layout, reg);
      tiles[tile][reg] = value;
    } else {
      Value value = elementwiseRegister(*op, reg);
      tiles[tile][reg] = value;
    }
  }
  return success();
}
