// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef BESSEMER_TILE_PASSES
#define BESSEMER_TILE_PASSES
include "mlir/Pass/PassBase.td"

def GenerateTilePrograms : Pass<"bessemer-generate-tile-programs", "::mlir::ModuleOp"> {
  let summary = "write one tile program for each different fusion";
  let description = [{
    Each `bess.fusion` becomes a `bess.launch` of a `tile.kernel`; fusions that
    are the same up to names share one. A fusion that no program can be written
    for is taken apart again, its ops run on `lib/Kernels`, and the report says so.
  }];
  let dependentDialects = ["::bessemer::tile::TileDialect", "::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::scf::SCFDialect"];
}

def MarkInPlace : Pass<"bessemer-mark-in-place", "::mlir::ModuleOp"> {
  let summary = "say which operand's memory a kernel may write its result to";
  let description = [{
    A kernel with one store may write over an operand when the only op on that operand's view is a load of exactly the elements that
    the store writes, and each of them is used element by element (or reduced along its row) before it is written. It is read off the tile program, so a
    residual that a matmul adds in its epilogue qualifies, and the matmul's left operand does not. `bess.launch` gets `in_place`:
    for each result the number of the operand, or -1; the plan uses it when the operand dies there.

    ```mlir
    // before
    %1 = bess.launch @row_0(%0, %b) ...
    // after: %1 may lie where %0 lies
    %1 = bess.launch @row_0(%0, %b) {in_place = array<i64: 0>, ...} ...
    ```
  }];
}

def VerifyTiled : Pass<"bessemer-verify-tiled", "::mlir::ModuleOp"> {
  let summary = "state the form that tile leaves";
  let description = [{
    Fails when a `bess.fusion` is left, when a `bess.launch` names no `tile.kernel` or gives it other operands, results or
    symbols than its views and symbols ask for, when a kernel is never launched, or when an op has a location without a
    name. Changes nothing.
    ```mlir
    %y = bess.launch @row_0(%x) {symbol_args = #bess.dims<"n">} : ...   // @row_0: views 2 outputs 1 symbols 1
    ```
  }];
}
#endif
