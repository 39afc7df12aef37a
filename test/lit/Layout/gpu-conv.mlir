// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --pass-pipeline='builtin.module(bessemer-assign-layouts,bessemer-choose-conv-algorithm,bessemer-pack-weights)' %s | FileCheck %s
module attributes {bess.target = {name = "cuda", architecture = 80 : i64}} {

// Weights of a GPU's convolution: all output channels of a group in one panel, of whole accesses. No Winograd.
// CHECK-LABEL: func.func @window
// CHECK: %[[P:.*]] = bess.pack %{{.*}} {block = 24 : i64, layout = "panels", transposed} : (tensor<1x20x144xf16>) -> tensor<1x1x144x24xf16>
// CHECK: bess.conv %{{.*}}, %[[P]] {{.*}}layout = "channels_last"{{.*}}weight_shape = array<i64: 20, 16, 3, 3>
func.func @window(%x: tensor<1x16x8x8xf16>) -> tensor<1x20x8x8xf16> {
  %w = bess.weight "w" <file = "m.onnx", offset = 0, length = 5760> : tensor<20x16x3x3xf16>
  %0 = bess.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, groups = 1 : i64}
    : (tensor<1x16x8x8xf16>, tensor<20x16x3x3xf16>) -> tensor<1x20x8x8xf16>
  return %0 : tensor<1x20x8x8xf16>
}

// Weights that only the run knows: it turns them, and cannot pad.
// CHECK-LABEL: func.func @given
// CHECK: %[[T:.*]] = bess.transpose %{{.*}} {permutation = array<i64: 0, 3, 2, 1>} : (tensor<2x10x8x9xf32>) -> tensor<2x9x8x10xf32>
// CHECK: %[[W:.*]] = bess.reshape %[[T]] : (tensor<2x9x8x10xf32>) -> tensor<2x1x72x10xf32>
// CHECK: bess.conv %{{.*}}, %[[W]] {{.*}}weight_shape = array<i64: 20, 8, 3, 3>
func.func @given(%x: tensor<1x16x8x8xf32>, %w: tensor<20x8x3x3xf32>) -> tensor<1x20x6x6xf32> {
  %0 = bess.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 2 : i64}
    : (tensor<1x16x8x8xf32>, tensor<20x8x3x3xf32>) -> tensor<1x20x6x6xf32>
  return %0 : tensor<1x20x6x6xf32>
}

// A 1x1 convolution is a matrix product, its bias an addition.
// CHECK-LABEL: func.func @pointwise
// CHECK-NOT: bess.conv
// CHECK: %[[M:.*]] = bess.matmul %{{.*}}, %{{.*}} {{{.*}}transpose_b} : (tensor<1x8x8x16xf16>, tensor<20x16xf16>) -> tensor<1x8x8x20xf16>
// CHECK: bess.add %[[M]], %arg1 : (tensor<1x8x8x20xf16>, tensor<20xf16>) -> tensor<1x8x8x20xf16>
func.func @pointwise(%x: tensor<1x16x8x8xf16>, %b: tensor<20xf16>) -> tensor<1x20x8x8xf16> {
  %w = bess.weight "w" <file = "m.onnx", offset = 0, length = 640> : tensor<20x16x1x1xf16>
  %0 = bess.conv %x, %w, %b {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 1 : i64}
    : (tensor<1x16x8x8xf16>, tensor<20x16x1x1xf16>, tensor<20xf16>) -> tensor<1x20x8x8xf16>
  return %0 : tensor<1x20x8x8xf16>
}
}
