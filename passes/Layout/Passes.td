// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef BESSEMER_LAYOUT_PASSES
#define BESSEMER_LAYOUT_PASSES
include "mlir/Pass/PassBase.td"

def PackWeights : Pass<"bessemer-pack-weights", "::mlir::ModuleOp"> {
  let summary = "give matmuls their constant right operands in panels";
  let description = [{
    A panel is as many columns as a register block has; the loader packs, once, as
    it streams the weight in. The width is the target's.
    ```mlir
    %w = bess.weight "w" ... : tensor<384x1536xf32>
    %y = bess.fusion "matmul"(%x, %w) ...
    // becomes (AVX2)
    %p = bess.pack %w {block = 16 : i64, layout = "panels"} : (tensor<384x1536xf32>) -> tensor<96x384x16xf32>
    %y = bess.fusion "matmul"(%x, %p) ...
    ```
  }];
}

def VerifyLayout : Pass<"bessemer-verify-layout", "::mlir::ModuleOp"> {
  let summary = "state the form that layout leaves";
  let description = [{
    Fails when what `bess.pack` makes is read by anything but a fusion, a call or another move of the loader (no other op
    understands panels), or when a `bess` op has a location without a name. Changes nothing.
    ```mlir
    %p = bess.pack %w {block = 16 : i64, layout = "panels"} : (tensor<4x16xf32>) -> tensor<1x4x16xf32>
    %y = bess.relu %p : ...   // refused
    ```
  }];
}
#endif
