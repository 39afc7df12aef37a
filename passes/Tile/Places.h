// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Places of a window over a channels-last image, one for each point of the
// program: for pooling and depthwise convolution.
#pragma once

#include "passes/Tile/ProgramBuilder.h"

namespace bessemer::tilegen {

class WindowPlaces {
public:
  /// `x` and `y` are dimensions [N, spatial.., C]; of `pads` the low ones are read.
  WindowPlaces(llvm::ArrayRef<SymbolicExpr> x, llvm::ArrayRef<SymbolicExpr> y, llvm::ArrayRef<int64_t> window,
               llvm::ArrayRef<int64_t> strides, llvm::ArrayRef<int64_t> dilations, llvm::ArrayRef<int64_t> pads);

  int64_t taps() const;
  /// A point for each row of places; the program walks along the row.
  llvm::SmallVector<SymbolicExpr> grid() const;
  /// `body` at a place (n, out..).
  void forEachPlace(ProgramBuilder &p, llvm::function_ref<void(llvm::ArrayRef<mlir::Value>)> body) const;
  /// The place's number in row-major order.
  mlir::Value number(ProgramBuilder &p, llvm::ArrayRef<mlir::Value> at) const;
  /// How many taps lie in the image.
  mlir::Value tapsInside(ProgramBuilder &p, llvm::ArrayRef<mlir::Value> at) const;
  /// What the window sees: [taps, channels], in the type that programs compute with;
  /// outside of the image `outside`, or 0.
  mlir::Value gather(ProgramBuilder &p, mlir::Value view, llvm::ArrayRef<mlir::Value> at, const Extent &channels,
                     std::optional<double> outside = std::nullopt) const;

private:
  llvm::SmallVector<SymbolicExpr> in, out; ///< [N, spatial..]
  SymbolicExpr channelCount;
  llvm::SmallVector<int64_t> window, strides, dilations, pads;
};

} // namespace bessemer::tilegen
