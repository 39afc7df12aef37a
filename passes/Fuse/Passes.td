// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef BESSEMER_FUSE_PASSES
#define BESSEMER_FUSE_PASSES
include "mlir/Pass/PassBase.td"

def NormalizeForFusion : Pass<"bessemer-normalize-for-fusion", "::mlir::func::FuncOp"> {
  let summary = "bring reductions and normalizations to the last axis, with reshapes that cost nothing, and decompose what has no program";
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

def Decompose : Pass<"bessemer-decompose", "::mlir::func::FuncOp"> {
  let summary = "put structured ops in the place of every composite one that has a decomposition";
  let description = [{
    To look at, and to test decompositions against the reference kernels (`--check-numerics`). Composite ops without a tile
    program for their form are decomposed by `bessemer-normalize-for-fusion`.
    ```mlir
    %y = bess.softmax %x {axis = 1 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
    // becomes
    %0 = bess.reduce %x {axes = array<i64: 1>, kind = "max"} : (tensor<4x8xf32>) -> tensor<4x1xf32>
    %1 = bess.sub %x, %0 : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
    %2 = bess.exp %1 : (tensor<4x8xf32>) -> tensor<4x8xf32>
    %3 = bess.reduce %2 {axes = array<i64: 1>, kind = "sum"} : (tensor<4x8xf32>) -> tensor<4x1xf32>
    %y = bess.div %2, %3 : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
    ```
  }];
}

def Fuse : Pass<"bessemer-fuse", "::mlir::func::FuncOp"> {
  let summary = "group ops that become one kernel, each group with its reason";
  let description = [{
    Matmul and conv take the elementwise ops that read what they write, concat the slices and transposes of whole rows that it reads, on a GPU attention the slices of heads,
    and two appends to caches are one; what is left forms groups of elementwise ops, reductions, normalizations
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

def ExposeFusions : Pass<"bessemer-expose-fusions", "::mlir::ModuleOp"> {
  let summary = "make what each fusion of @main computes an output, too";
  let description = [{
    For `bessemer run --check`, which compares these outputs with those that the reference kernels give. The new outputs
    precede the model's own, in the order of the program, named by kind and ONNX nodes. Fusions in branches and loops are not
    exposed.
    ```mlir
    // before
    %y = bess.fusion "row"(%x) ...
    return %z : tensor<4xf32>
    // after
    %y = bess.fusion "row"(%x) ...
    return %y, %z : tensor<4xf32>, tensor<4xf32>
    ```
  }];
}

def TakeFusionsApart : Pass<"bessemer-take-fusions-apart", "::mlir::ModuleOp"> {
  let summary = "put the ops of every fusion back in its place";
  let description = [{
    ```mlir
    // before
    %y = bess.fusion "row"(%x) ... { bess.relu ... }
    // after
    %y = bess.relu %x : (tensor<4xf32>) -> tensor<4xf32>
    ```
    What is in no fusion runs on `lib/Kernels`: the answer that a kernel is compared with.
  }];
}

def SplitRows : Pass<"bessemer-split-rows", "::mlir::ModuleOp"> {
  let summary = "compute runs of fusions in pieces of their rows";
  let description = [{
    Under a memory limit. Where the widest values lie between fusions that compute row by row, the fusions run for some of the rows,
    then for the next (bessemer/Algorithms/RowSplit.h chooses which). Slices of rows and the concat of the pieces move no bytes. Only
    where the sizes are constant. `bess.splits` of a function says what was split.
    ```mlir
    // before
    %0 = bess.fusion "matmul"(%x, %a) ... -> tensor<512x1536xf32>
    %1 = bess.fusion "matmul"(%0, %b) ... -> tensor<512x384xf32>
    // after, for 2 pieces
    %x0 = bess.slice %x {offsets = #bess.dims<"0", "0">, ...} -> tensor<256x384xf32>
    %2 = bess.fusion "matmul"(%x0, %a) ... -> tensor<256x1536xf32>
    %3 = bess.fusion "matmul"(%2, %b) ... -> tensor<256x384xf32>
    ...
    %1 = bess.concat %3, %5 {axis = 0 : i64} -> tensor<512x384xf32>
    ```
  }];
  let options = [Option<"pieces", "pieces", "int64_t", "2", "how many pieces">];
}

def Recompute : Pass<"bessemer-recompute", "::mlir::ModuleOp"> {
  let summary = "compute what is cheap again instead of keeping it";
  let description = [{
    Under a memory limit. A fusion of elementwise ops and broadcasts whose operands are there in any case (weights, arguments) is computed
    again behind the place where most bytes are live, when its result is not read there and that lowers the peak.
    `bess.recomputed` of a function says what was.
    ```mlir
    // before
    %m = bess.fusion "row"(%mask) ...
    %0 = bess.fusion "row"(%x, %m) ...
    %1 = bess.fusion "matmul"(%0, %w) ...      // the peak
    %2 = bess.fusion "row"(%1, %m) ...
    // after
    %m = bess.fusion "row"(%mask) ...
    %0 = bess.fusion "row"(%x, %m) ...
    %1 = bess.fusion "matmul"(%0, %w) ...
    %n = bess.fusion "row"(%mask) ...
    %2 = bess.fusion "row"(%1, %n) ...
    ```
  }];
}

def VerifyFused : Pass<"bessemer-verify-fused", "::mlir::ModuleOp"> {
  let summary = "state the form that fuse leaves";
  let description = [{
    Fails when a `bess.fusion` gives no reason, holds another fusion, a weight or an op with side effects, or when a `bess`
    op has a location without a name. Changes nothing.
    ```mlir
    %y = bess.fusion "row"(%x) reason "" ...   // refused: what explain prints is missing
    ```
  }];
}
#endif
