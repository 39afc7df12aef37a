// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --bessemer-canonicalize-bess --check-numerics %s | FileCheck %s

// Attention reads [B, S, H, D] and writes it.
// CHECK-LABEL: func.func @transposes
func.func @transposes(%q: tensor<2x5x4x8xf32>, %k: tensor<2x7x2x8xf32>, %v: tensor<2x2x7x8xf32>) -> tensor<2x5x4x8xf32> {
  // CHECK-NEXT: %[[Y:.*]] = bess.attention %arg0, %arg1, %arg2 {
  // CHECK-SAME: k_layout = "bshd"
  // CHECK-SAME: q_layout = "bshd"
  // CHECK-SAME: y_layout = "bshd"
  // CHECK-NEXT: return %[[Y]]
  %0 = bess.transpose %q {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x5x4x8xf32>) -> tensor<2x4x5x8xf32>
  %1 = bess.transpose %k {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x7x2x8xf32>) -> tensor<2x2x7x8xf32>
  %2 = bess.attention %0, %1, %v {scale = 0.5 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<2x4x5x8xf32>, tensor<2x2x7x8xf32>, tensor<2x2x7x8xf32>) -> tensor<2x4x5x8xf32>
  %3 = bess.transpose %2 {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x4x5x8xf32>) -> tensor<2x5x4x8xf32>
  return %3 : tensor<2x5x4x8xf32>
}

// The queries are rotated as they lie.
// CHECK-LABEL: func.func @rotated_queries
func.func @rotated_queries(%q: tensor<2x5x4x8xf32>, %k: tensor<2x4x5x8xf32>, %c: tensor<2x1x5x4xf32>, %s: tensor<5x4xf32>) -> tensor<2x4x5x8xf32> {
  // CHECK-DAG: %[[C:.*]] = bess.reshape %arg2 : (tensor<2x1x5x4xf32>) -> tensor<2x5x1x4xf32>
  // CHECK-DAG: %[[S:.*]] = bess.reshape %arg3 : (tensor<5x4xf32>) -> tensor<1x5x1x4xf32>
  // CHECK: %[[R:.*]] = bess.rope %arg0, %[[C]], %[[S]]
  // CHECK-NEXT: bess.attention %[[R]], %arg1, %arg1 {
  // CHECK-SAME: q_layout = "bshd"
  %0 = bess.transpose %q {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x5x4x8xf32>) -> tensor<2x4x5x8xf32>
  %1 = bess.rope %0, %c, %s {rotary = 8 : i64} : (tensor<2x4x5x8xf32>, tensor<2x1x5x4xf32>, tensor<5x4xf32>) -> tensor<2x4x5x8xf32>
  %2 = bess.attention %1, %k, %k {scale = 0.5 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x5x8xf32>
  return %2 : tensor<2x4x5x8xf32>
}
