// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// An operand of attention as its programs see it.
#pragma once

#include "passes/Tile/ProgramBuilder.h"

namespace bessemer::tilegen {

/// A [B, H, S, D] operand, which may lie in memory as [B, S, H, D].
struct HeadView {
  SymbolicExpr batch, heads, length, depth;
  bool lengthFirst = false;

  static HeadView of(mlir::Type type, llvm::StringRef layout) {
    auto d = bess::getDims(type);
    bool lengthFirst = layout == "bshd";
    return {d[0], lengthFirst ? d[2] : d[1], lengthFirst ? d[1] : d[2], d[3], lengthFirst};
  }
  llvm::SmallVector<mlir::Value> at(mlir::Value b, mlir::Value h, mlir::Value s, mlir::Value d) const {
    return lengthFirst ? llvm::SmallVector<mlir::Value>{b, s, h, d} : llvm::SmallVector<mlir::Value>{b, h, s, d};
  }
  llvm::SmallVector<int64_t> tileDims() const { return {lengthFirst ? 1 : 2, 3}; }
};

/// The programs for a GPU: the latter by wgmma, where that is cheaper.
tile::KernelOp writeFlashAttentionProgram(ProgramBuilder &p);
tile::KernelOp writeWgmmaAttentionProgram(ProgramBuilder &p);

} // namespace bessemer::tilegen
