// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --bessemer-pack-weights %s | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK: %[[W:.*]] = bess.weight "w"
// CHECK: %[[P:.*]] = bess.pack %[[W]] {block = 16 : i64, layout = "panels"} : (tensor<8x20xf32>) -> tensor<2x8x16xf32>
// CHECK: bess.matmul %arg0, %[[P]] {bess.packed_columns = "20"} : (tensor<4x8xf32>, tensor<2x8x16xf32>) -> tensor<4x20xf32>
func.func @main(%x: tensor<4x8xf32>) -> tensor<4x20xf32> {
  %w = bess.weight "w" <file = "m.onnx", offset = 0, length = 640> : tensor<8x20xf32>
  %0 = bess.matmul %x, %w : (tensor<4x8xf32>, tensor<8x20xf32>) -> tensor<4x20xf32>
  return %0 : tensor<4x20xf32>
}

// An operand that the run computes is read as it is.
// CHECK-LABEL: func.func @computed
// CHECK-NOT: bess.pack
func.func @computed(%x: tensor<4x8xf32>, %w: tensor<8x20xf32>) -> tensor<4x20xf32> {
  %0 = bess.matmul %x, %w : (tensor<4x8xf32>, tensor<8x20xf32>) -> tensor<4x20xf32>
  return %0 : tensor<4x20xf32>
}

// Weights of a convolution: a row for each tap and channel, panels of output channels.
// CHECK-LABEL: func.func @conv
// CHECK: %[[R:.*]] = bess.reshape %{{.*}} : (tensor<40x8x3x3xf32>) -> tensor<2x20x8x9xf32>
// CHECK: %[[T:.*]] = bess.transpose %[[R]] {permutation = array<i64: 0, 1, 3, 2>}
// CHECK: %[[F:.*]] = bess.reshape %[[T]] : (tensor<2x20x9x8xf32>) -> tensor<2x20x72xf32>
// CHECK: %[[P:.*]] = bess.pack %[[F]] {block = 16 : i64, layout = "panels", transposed} : (tensor<2x20x72xf32>) -> tensor<2x2x72x16xf32>
// CHECK: bess.conv %arg0, %[[P]] {{.*}}weight_shape = array<i64: 40, 8, 3, 3>
func.func @conv(%x: tensor<1x6x6x16xf32>) -> tensor<1x4x4x40xf32> {
  %w = bess.weight "w" <file = "m.onnx", offset = 0, length = 11520> : tensor<40x8x3x3xf32>
  %0 = bess.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 2 : i64, layout = "channels_last"}
    : (tensor<1x6x6x16xf32>, tensor<40x8x3x3xf32>) -> tensor<1x4x4x40xf32>
  return %0 : tensor<1x4x4x40xf32>
}

// Of a depthwise one: a row of channels for each tap.
// CHECK-LABEL: func.func @depthwise
// CHECK: %[[P:.*]] = bess.transpose %{{.*}} {permutation = array<i64: 1, 0>} : (tensor<16x9xf32>) -> tensor<9x16xf32>
// CHECK: bess.conv %arg0, %[[P]] {{.*}}weight_shape = array<i64: 16, 1, 3, 3>
func.func @depthwise(%x: tensor<1x6x6x16xf32>) -> tensor<1x4x4x16xf32> {
  %w = bess.weight "w" <file = "m.onnx", offset = 0, length = 576> : tensor<16x1x3x3xf32>
  %0 = bess.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 16 : i64, layout = "channels_last"}
    : (tensor<1x6x6x16xf32>, tensor<16x1x3x3xf32>) -> tensor<1x4x4x16xf32>
  return %0 : tensor<1x4x4x16xf32>
}
