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
#endif
