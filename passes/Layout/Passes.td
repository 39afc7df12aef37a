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
#endif
