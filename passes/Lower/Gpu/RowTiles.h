// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the passes that give the tiles of a row another shape (LongRows.cpp, ShortRows.cpp) share.
#pragma once

#include "bessemer/Algorithms/GpuRowSchedule.h"
#include "dialects/Tile/Tile.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace bessemer::gpu {

/// A tile of one value.
inline bool isSplatConstant(mlir::Operation *op) {
  auto constant = mlir::dyn_cast<mlir::arith::ConstantOp>(op);
  return constant && mlir::isa<mlir::SplatElementsAttr>(constant.getValue());
}

/// The same value in a tile of another type; `sizes` gives its `?` extents.
inline mlir::Value splatConstant(mlir::ImplicitLocOpBuilder &b, mlir::arith::ConstantOp constant,
                                 mlir::RankedTensorType type, mlir::ValueRange sizes) {
  auto value = mlir::cast<mlir::SplatElementsAttr>(constant.getValue()).getSplatValue<mlir::Attribute>();
  mlir::Value scalar = mlir::arith::ConstantOp::create(b, mlir::cast<mlir::TypedAttr>(value));
  return tile::SplatOp::create(b, type, scalar, sizes);
}

/// An elementwise op on operands of another shape.
inline mlir::Value reshapedElementwise(mlir::ImplicitLocOpBuilder &b, mlir::Operation *op, mlir::ValueRange operands,
                                       mlir::RankedTensorType type) {
  mlir::Operation *own = b.clone(*op);
  own->setOperands(operands);
  own->getResult(0).setType(type);
  return own->getResult(0);
}

/// What the model must know of a program on rows, all but their number and length. `isOwn`: a view is read or written
/// at these offsets by one row alone.
GpuRowShape rowShape(tile::KernelOp kernel, llvm::function_ref<bool(mlir::Value view, mlir::ValueRange offsets)> isOwn);

/// What `bessemer explain` prints, behind what is there.
void addReason(tile::KernelOp kernel, const std::string &reason);

/// What a lane takes for one element of the op's result; about what ptxas makes of it.
double instructionsOf(mlir::Operation *op);

} // namespace bessemer::gpu
