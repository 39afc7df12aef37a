// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --pass-pipeline='builtin.module(func.func(bessemer-fuse))' %s | FileCheck %s

// The epilogue of a matmul: ops of its shape, vectors along the columns, scalars.
// CHECK-LABEL: func.func @epilogue
// CHECK: %[[F:.*]] = bess.fusion "matmul"(%arg0, %arg1, %arg2, %arg3) reason "add, gelu, add read what matmul writes, element by element"
// CHECK: return %[[F]]
func.func @epilogue(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>, %b: tensor<16xf32>, %r: tensor<4x16xf32>) -> tensor<4x16xf32> {
  %0 = bess.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %1 = bess.add %0, %b : (tensor<4x16xf32>, tensor<16xf32>) -> tensor<4x16xf32>
  %2 = bess.gelu %1 : (tensor<4x16xf32>) -> tensor<4x16xf32>
  %3 = bess.add %r, %2 : (tensor<4x16xf32>, tensor<4x16xf32>) -> tensor<4x16xf32>
  return %3 : tensor<4x16xf32>
}

// x * sigmoid(x): two readers of the matmul, but one value leaves.
// CHECK-LABEL: func.func @silu
// CHECK: bess.fusion "matmul"
// CHECK-SAME: reason "sigmoid, mul read what matmul writes
// CHECK-NOT: bess.fusion
// CHECK: return
func.func @silu(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>) -> tensor<4x16xf32> {
  %0 = bess.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %1 = bess.sigmoid %0 : (tensor<4x16xf32>) -> tensor<4x16xf32>
  %2 = bess.mul %0, %1 : (tensor<4x16xf32>, tensor<4x16xf32>) -> tensor<4x16xf32>
  return %2 : tensor<4x16xf32>
}

// What two ops outside read cannot be swallowed.
// CHECK-LABEL: func.func @two_readers
// CHECK: %[[M:.*]] = bess.fusion "matmul"(%arg0, %arg1) reason "matmul alone
// CHECK: return %[[M]], %{{.*}}
func.func @two_readers(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>) -> (tensor<4x16xf32>, tensor<4x16xf32>) {
  %0 = bess.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %1 = bess.relu %0 : (tensor<4x16xf32>) -> tensor<4x16xf32>
  return %0, %1 : tensor<4x16xf32>, tensor<4x16xf32>
}

// Rows: a residual joins the normalization behind it.
// CHECK-LABEL: func.func @rows
// CHECK: bess.fusion "row"
// CHECK-SAME: reason "add, layer_norm: each is read only by the next, row by row"
// CHECK-NOT: bess.fusion
// CHECK: return
func.func @rows(%x: tensor<4x8xf32>, %r: tensor<4x8xf32>, %s: tensor<8xf32>) -> tensor<4x8xf32> {
  %0 = bess.add %x, %r : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %1 = bess.layer_norm %0, %s {axis = 1 : i64, epsilon = 1.0e-5 : f64} : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x8xf32>
  return %1 : tensor<4x8xf32>
}

// Read through a broadcast, exp would be computed for each row again: not fused.
// CHECK-LABEL: func.func @dear_broadcast
// CHECK-COUNT-2: bess.fusion "row"
func.func @dear_broadcast(%x: tensor<64x8xf32>, %v: tensor<8xf32>) -> tensor<64x8xf32> {
  %0 = bess.exp %v : (tensor<8xf32>) -> tensor<8xf32>
  %1 = bess.mul %x, %0 : (tensor<64x8xf32>, tensor<8xf32>) -> tensor<64x8xf32>
  return %1 : tensor<64x8xf32>
}

// Integer division stays with lib/Kernels, which answers a zero with a text.
// CHECK-LABEL: func.func @integer_division
// CHECK: bess.div
// CHECK-NOT: bess.fusion
func.func @integer_division(%x: tensor<8xi32>, %y: tensor<8xi32>) -> tensor<8xi32> {
  %0 = bess.div %x, %y : (tensor<8xi32>, tensor<8xi32>) -> tensor<8xi32>
  return %0 : tensor<8xi32>
}

// Heads of a product behind a cache: copied from where they lie. What somebody else reads, too, is there anyway.
// CHECK-LABEL: func.func @appended_heads
// CHECK: bess.fusion "concat"
// CHECK-SAME: reason "concat copies rows from where they come, through transpose, slice"
// CHECK: bess.slice
// CHECK: bess.transpose
// CHECK: bess.concat
// CHECK: bess.fusion "row"
// CHECK: bess.transpose
// CHECK: bess.fusion "concat"
// CHECK-SAME: reason "concat alone
func.func @appended_heads(%x: tensor<1x5x6x8xf32>, %p: tensor<1x2x3x8xf32>, %y: tensor<1x5x2x8xf32>)
    -> (tensor<1x2x8x8xf32>, tensor<1x2x8x8xf32>, tensor<1x2x5x8xf32>) {
  %0 = bess.slice %x {offsets = #bess.dims<"0", "0", "2", "0">, steps = array<i64: 1, 1, 1, 1>} : (tensor<1x5x6x8xf32>) -> tensor<1x5x2x8xf32>
  %1 = bess.transpose %0 {permutation = array<i64: 0, 2, 1, 3>} : (tensor<1x5x2x8xf32>) -> tensor<1x2x5x8xf32>
  %2 = bess.concat %p, %1 {axis = 2 : i64} : (tensor<1x2x3x8xf32>, tensor<1x2x5x8xf32>) -> tensor<1x2x8x8xf32>
  %3 = bess.transpose %y {permutation = array<i64: 0, 2, 1, 3>} : (tensor<1x5x2x8xf32>) -> tensor<1x2x5x8xf32>
  %4 = bess.concat %p, %3 {axis = 2 : i64} : (tensor<1x2x3x8xf32>, tensor<1x2x5x8xf32>) -> tensor<1x2x8x8xf32>
  return %2, %4, %3 : tensor<1x2x8x8xf32>, tensor<1x2x8x8xf32>, tensor<1x2x5x8xf32>
}

// The sum of a product's parts and its normalization, which has to be the first to read it: a kernel of two results.
// CHECK-LABEL: func.func @normalized_sum
// CHECK: bess.fusion "sum_parts"
// CHECK-SAME: reason "add, rms_norm read what sum_parts writes, row by row"
// CHECK: bess.yield %{{.*}}, %{{.*}} : tensor<4x8xf32>, tensor<4x8xf32>
// CHECK: bess.fusion "sum_parts"
// CHECK-SAME: reason "sum_parts alone
func.func @normalized_sum(%p: tensor<2x4x8xf32>, %r: tensor<4x8xf32>, %s: tensor<8xf32>)
    -> (tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<8x4xf32>) {
  %0 = bess.sum_parts %p {to = f32} : (tensor<2x4x8xf32>) -> tensor<4x8xf32>
  %1 = bess.add %0, %r : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %2 = bess.rms_norm %1, %s {axis = 1 : i64, epsilon = 1.0e-5 : f64} : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x8xf32>
  %3 = bess.sum_parts %p {to = f32} : (tensor<2x4x8xf32>) -> tensor<4x8xf32>
  %4 = bess.transpose %3 {permutation = array<i64: 1, 0>} : (tensor<4x8xf32>) -> tensor<8x4xf32>
  %5 = bess.rms_norm %3, %s {axis = 1 : i64, epsilon = 1.0e-5 : f64} : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x8xf32>
  return %1, %2, %5, %4 : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<8x4xf32>
}
