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

// A window of two strides: four residues are channels of one convolution.
// CHECK-LABEL: func.func @upsample
// CHECK: %[[W:.*]] = bess.reverse {{.*}} {axes = array<i64: 2, 3>} : (tensor<24x3x2x2xf32>) -> tensor<24x3x2x2xf32>
// CHECK: %[[S:.*]] = bess.conv %arg0, %[[W]] {{.*}}pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>{{.*}} -> tensor<1x24x6x6xf32>
// CHECK: bess.transpose {{.*}} {permutation = array<i64: 0, 1, 4, 2, 5, 3>} : (tensor<1x6x2x2x6x6xf32>)
// CHECK: bess.slice {{.*}} -> tensor<1x6x10x10xf32>
func.func @upsample(%x: tensor<1x3x5x5xf32>, %w: tensor<3x6x4x4xf32>) -> tensor<1x6x10x10xf32> {
  %0 = bess.conv_transpose %x, %w {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, groups = 1 : i64} : (tensor<1x3x5x5xf32>, tensor<3x6x4x4xf32>) -> tensor<1x6x10x10xf32>
  return %0 : tensor<1x6x10x10xf32>
}
