// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "passes/Lower/Gpu/RowTiles.h"

#include "passes/Lower/TileParts.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace bessemer;

double bessemer::gpu::instructionsOf(Operation *op) {
  constexpr double ofExp = 10, ofDivision = 8, ofFunction = 20;
  if (isa<math::ExpOp>(op))
    return ofExp;
  if (isa<math::MathDialect>(op->getDialect()) && !isa<math::FmaOp, math::AbsFOp, math::Exp2Op>(op))
    return ofFunction;
  if (isa<arith::DivFOp>(op))
    return ofDivision;
  // Broadcasts and constants are registers that are there.
  return isElementwiseTileOp(op) || isa<tile::ReduceOp, tile::LoadOp, tile::StoreOp>(op) ? 1 : 0;
}

void bessemer::gpu::addReason(tile::KernelOp kernel, const std::string &reason) {
  std::string before = kernel.getReason().str();
  kernel.setReason(before + (before.empty() ? "" : "; ") + reason);
}

GpuRowShape bessemer::gpu::rowShape(tile::KernelOp kernel, llvm::function_ref<bool(Value, ValueRange)> isOwn) {
  GpuRowShape shape;
  auto memory = [&](Value view, ValueRange offsets, int64_t columns) {
    if (columns == 1)
      return;
    int64_t bits = storageType(cast<tile::ViewType>(view.getType()).getElementType()).getIntOrFloatBitWidth();
    shape.vector = std::min<int64_t>(shape.vector, std::max<int64_t>(1, 128 / bits));
    while (!ShapedType::isDynamic(columns) && columns % shape.vector)
      shape.vector /= 2;
    if (!isOwn(view, offsets))
      shape.sharedBytes += double(bits) / 8;
    else if (!ShapedType::isDynamic(columns))
      shape.rowBytes += double(columns * bits) / 8;
  };
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    auto columnsOf = [](Value tile) { return cast<RankedTensorType>(tile.getType()).getShape().back(); };
    if (auto load = dyn_cast<tile::LoadOp>(op))
      memory(load.getView(), load.getOffsets(), columnsOf(load.getTile()));
    if (auto store = dyn_cast<tile::StoreOp>(op))
      memory(store.getView(), store.getOffsets(), columnsOf(store.getTile()));
    Value row;
    for (Value value : op.getResults())
      row = isa<RankedTensorType>(value.getType()) ? value : row;
    auto reduce = dyn_cast<tile::ReduceOp>(op);
    if (reduce || isa<tile::StoreOp>(op))
      row = op.getOperand(0);
    if (row && columnsOf(row) != 1) {
      shape.instructions += instructionsOf(&op);
      shape.reductions += bool(reduce);
    }
  }
  return shape;
}
