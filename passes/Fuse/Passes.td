// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef BESSEMER_FUSE_PASSES
#define BESSEMER_FUSE_PASSES
include "mlir/Pass/PassBase.td"

def NormalizeForFusion : Pass<"bessemer-normalize-for-fusion", "::mlir::func::FuncOp"> {
  let summary = "bring reductions and normalizations to the last axis, with reshapes that cost nothing";
  let description = [{
    ```mlir
    %y = bess.reduce %x {axes = array<i64: 2, 3>, kind = "mean", keepdims = false} : (tensor<1x8x7x7xf32>) -> tensor<1x8xf32>
    // becomes
    %0 = bess.reshape %x : (tensor<1x8x7x7xf32>) -> tensor<8x49xf32>
    %1 = bess.reduce %0 {axes = array<i64: 1>, kind = "mean"} : (tensor<8x49xf32>) -> tensor<8x1xf32>
    %y = bess.reshape %1 : (tensor<8x1xf32>) -> tensor<1x8xf32>
    ```
  }];
}

def Fuse : Pass<"bessemer-fuse", "::mlir::func::FuncOp"> {
  let summary = "group ops that become one kernel, each group with its reason";
  let description = [{
    Matmul and conv take the elementwise ops that read what they write; what is left forms groups of elementwise ops, reductions, normalizations
    and moves that are computed a row at a time. An op joins the group of its only reader unless it would be computed
    again and is not cheap.
    ```mlir
    %0 = bess.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
    %1 = bess.add %0, %b : (tensor<4x16xf32>, tensor<16xf32>) -> tensor<4x16xf32>
    // becomes
    %1 = bess.fusion "matmul"(%x, %w, %b) reason "add reads what matmul writes, element by element" : ... {
    ^bb0(%x: tensor<4x8xf32>, ...):
      ...
      bess.yield %1 : tensor<4x16xf32>
    }
    ```
  }];
}
#endif
