// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --pass-pipeline='builtin.module(func.func(bessemer-normalize-for-fusion))' %s | FileCheck %s

// CHECK-LABEL: func.func @global_pool
// CHECK: %[[X:.*]] = bess.reshape %arg0 : (tensor<2x8x7x7xf32>) -> tensor<2x8x49xf32>
// CHECK: %[[Y:.*]] = bess.reduce %[[X]] {axes = array<i64: 2>, kind = "mean"} : (tensor<2x8x49xf32>) -> tensor<2x8x1xf32>
// CHECK: bess.reshape %[[Y]] : (tensor<2x8x1xf32>) -> tensor<2x8xf32>
func.func @global_pool(%x: tensor<2x8x7x7xf32>) -> tensor<2x8xf32> {
  %0 = bess.reduce %x {kind = "mean", axes = array<i64: 2, 3>, keepdims = false} : (tensor<2x8x7x7xf32>) -> tensor<2x8xf32>
  return %0 : tensor<2x8xf32>
}

// Axes that are not neighbours are left alone.
// CHECK-LABEL: func.func @apart
// CHECK-NOT: bess.reshape
func.func @apart(%x: tensor<2x8x7xf32>) -> tensor<8xf32> {
  %0 = bess.reduce %x {kind = "sum", axes = array<i64: 0, 2>, keepdims = false} : (tensor<2x8x7xf32>) -> tensor<8xf32>
  return %0 : tensor<8xf32>
}

// Only the dropped dimension needs a reshape: what makes %x can still be fused.
// CHECK-LABEL: func.func @mean_pool
// CHECK-NEXT: %[[Y:.*]] = bess.reduce %arg0 {axes = array<i64: 1>, kind = "sum"} : (tensor<2x5x8xf32>) -> tensor<2x1x8xf32>
// CHECK-NEXT: bess.reshape %[[Y]] : (tensor<2x1x8xf32>) -> tensor<2x8xf32>
func.func @mean_pool(%x: tensor<2x5x8xf32>) -> tensor<2x8xf32> {
  %0 = bess.reduce %x {kind = "sum", axes = array<i64: 1>, keepdims = false} : (tensor<2x5x8xf32>) -> tensor<2x8xf32>
  return %0 : tensor<2x8xf32>
}
