// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef BESSEMER_SIMPLIFY_PASSES
#define BESSEMER_SIMPLIFY_PASSES
include "mlir/Pass/PassBase.td"

def BessemerFoldConstants : Pass<"bessemer-fold-constants", "::mlir::ModuleOp"> {
  let summary = "run ops on constants at compile time";
  let description = [{
    An op whose operands are all `bess.constant`s is run on its reference kernel
    when its results have 64 KiB or less. A `bess.weight` counts as a constant
    when the result is integer or bool, or has 64 bytes or less: shape operands
    and scalars are folded, while biases and tables stay weights, so that layers
    which differ in them are still found equal (the loader runs such ops once).

    Before:
    ```mlir
    %0 = bess.constant dense<[1.0, 2.0]> : tensor<2xf32>
    %1 = bess.constant dense<3.0> : tensor<f32>
    %2 = bess.mul %0, %1 : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
    ```
    After:
    ```mlir
    %0 = bess.constant dense<[3.0, 6.0]> : tensor<2xf32>
    ```
  }];
  let dependentDialects = ["::bessemer::bess::BessDialect"];
}

def BessemerCanonicalizeBess : Pass<"bessemer-canonicalize-bess", "::mlir::ModuleOp"> {
  let summary = "remove ops that do nothing, join ops that move elements";
  let description = [{
    x * 1, x + 0, chains of casts, transposes, reshapes and slices, a slice of
    the whole, a concat of one, a broadcast that the elementwise op after it does
    itself, a transpose that matmul does itself, a factor and a summand for each
    channel after a convolution (a batch norm), small integer powers, and ops
    whose results nobody reads.

    Before:
    ```mlir
    %0 = bess.transpose %w {permutation = array<i64: 1, 0>} : (tensor<8x4xf32>) -> tensor<4x8xf32>
    %1 = bess.matmul %x, %0 : (tensor<2x4xf32>, tensor<4x8xf32>) -> tensor<2x8xf32>
    ```
    After:
    ```mlir
    %0 = bess.matmul %x, %w {transpose_b} : (tensor<2x4xf32>, tensor<8x4xf32>) -> tensor<2x8xf32>
    ```
  }];
  let dependentDialects = ["::bessemer::bess::BessDialect"];
}

def BessemerRaise : Pass<"bessemer-raise", "::mlir::ModuleOp"> {
  let summary = "find layer norms, GELU, softmax, attention and rotary embeddings that an exporter has written out";
  let description = [{
    Each matcher takes the forms that real exporters write: any order of
    operands, constants as splats, scalars or small weights, casts to a wider
    float and back. Raised are `bess.layer_norm`, `bess.rms_norm`, `bess.gelu`
    (erf, tanh and sigmoid forms), `bess.softmax`, `bess.rope` (rotated halves)
    and `bess.attention` (scaled scores, added and selected masks, grouped
    heads, transposes around it). What nearly matched is kept as a `NearMiss`
    for `bessemer explain`.

    Before:
    ```mlir
    %0 = bess.sigmoid %t : (tensor<4xf32>) -> tensor<4xf32>   // %t = 1.702 * %x
    %1 = bess.mul %x, %0 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    ```
    After:
    ```mlir
    %0 = bess.gelu %x {approximate = "sigmoid"} : (tensor<4xf32>) -> tensor<4xf32>
    ```
  }];
  let dependentDialects = ["::bessemer::bess::BessDialect"];
}

def BessemerMoveReshapes : Pass<"bessemer-move-reshapes", "::mlir::ModuleOp"> {
  let summary = "compute rows in the shape in which they were made, behind it the reshape to another one";
  let description = [{
    A reshape that keeps the last dimension and splits what lies before it goes behind elementwise ops, normalizations and
    products with a matrix, down to its inverse or to an op that needs the shape: an epilogue is then in its product's
    shape. A transpose that moves dimensions of 1 only becomes a reshape. After raising, whose patterns know exporters'
    shapes.

    Before:
    ```mlir
    %0 = bess.matmul %x, %w : (tensor<6x4xf32>, tensor<4x8xf32>) -> tensor<6x8xf32>
    %1 = bess.reshape %0 : (tensor<6x8xf32>) -> tensor<2x3x8xf32>
    %2 = bess.gelu %1 : (tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
    %3 = bess.reshape %2 : (tensor<2x3x8xf32>) -> tensor<6x8xf32>
    ```
    After:
    ```mlir
    %0 = bess.matmul %x, %w : (tensor<6x4xf32>, tensor<4x8xf32>) -> tensor<6x8xf32>
    %1 = bess.gelu %0 : (tensor<6x8xf32>) -> tensor<6x8xf32>
    ```
  }];
  let dependentDialects = ["::bessemer::bess::BessDialect"];
}

def VerifySimplified : Pass<"bessemer-verify-simplified", "::mlir::ModuleOp"> {
  let summary = "state the form that simplify leaves";
  let description = [{
    Fails when an op of the onnx dialect is left, when an op without side effects computes what nothing reads, or when a
    `bess` op has a location without a name. Changes nothing.
    ```mlir
    %0 = bess.relu %x : (tensor<3xf32>) -> tensor<3xf32>   // refused when nothing reads %0
    ```
  }];
}
#endif
