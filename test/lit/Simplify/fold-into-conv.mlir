// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rm -rf %t && mkdir %t && cd %t
// RUN: %python -c "import struct; open('w.bin', 'wb').write(struct.pack('<64f', *[(i * 7 % 11 - 5) / 5 for i in range(64)]))"
// RUN: bessemer-opt --bessemer-canonicalize-bess --check-numerics %s | FileCheck %s

// A batch norm: the loader scales the weights; the bias is what is added.
// CHECK-LABEL: func.func @batch_norm
func.func @batch_norm(%x: tensor<1x3x5x5xf32>) -> tensor<1x2x4x4xf32> {
  // CHECK-DAG: %[[W:.*]] = bess.weight "w"
  // CHECK-DAG: %[[S:.*]] = bess.weight "scale"
  // CHECK-DAG: %[[B:.*]] = bess.weight "bias"
  // CHECK-DAG: %[[F:.*]] = bess.reshape %[[S]] : (tensor<2xf32>) -> tensor<2x1x1x1xf32>
  // CHECK-DAG: %[[SW:.*]] = bess.mul %[[W]], %[[F]]
  // CHECK: %[[Y:.*]] = bess.conv %arg0, %[[SW]], %[[B]]
  // CHECK-NEXT: return %[[Y]]
  %w = bess.weight "w" <file = "w.bin", offset = 0, length = 96> : tensor<2x3x2x2xf32>
  %scale = bess.weight "scale" <file = "w.bin", offset = 96, length = 8> : tensor<2xf32>
  %bias = bess.weight "bias" <file = "w.bin", offset = 104, length = 8> : tensor<2xf32>
  %s = bess.reshape %scale : (tensor<2xf32>) -> tensor<2x1x1xf32>
  %b = bess.reshape %bias : (tensor<2xf32>) -> tensor<1x2x1x1xf32>
  %0 = bess.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 1 : i64} : (tensor<1x3x5x5xf32>, tensor<2x3x2x2xf32>) -> tensor<1x2x4x4xf32>
  %1 = bess.mul %0, %s : (tensor<1x2x4x4xf32>, tensor<2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %2 = bess.add %b, %1 : (tensor<1x2x1x1xf32>, tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  return %2 : tensor<1x2x4x4xf32>
}

// With a bias before the factor, in groups.
// CHECK-LABEL: func.func @bias_is_scaled
func.func @bias_is_scaled(%x: tensor<1x4x5xf32>) -> tensor<1x4x4xf32> {
  // CHECK: %[[SB:.*]] = bess.mul %{{.*}}, %{{.*}} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  // CHECK: %[[Y:.*]] = bess.conv %arg0, %{{.*}}, %[[SB]]
  // CHECK-NEXT: return %[[Y]]
  %w = bess.weight "w" <file = "w.bin", offset = 0, length = 64> : tensor<4x2x2xf32>
  %bias = bess.weight "bias" <file = "w.bin", offset = 64, length = 16> : tensor<4xf32>
  %scale = bess.weight "scale" <file = "w.bin", offset = 80, length = 16> : tensor<4x1xf32>
  %0 = bess.conv %x, %w, %bias {strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 0, 0>, groups = 2 : i64} : (tensor<1x4x5xf32>, tensor<4x2x2xf32>, tensor<4xf32>) -> tensor<1x4x4xf32>
  %1 = bess.mul %0, %scale : (tensor<1x4x4xf32>, tensor<4x1xf32>) -> tensor<1x4x4xf32>
  return %1 : tensor<1x4x4xf32>
}

// Factors that are computed, or lie along the width, stay; so does a product that others read.
// CHECK-LABEL: func.func @other_factors
func.func @other_factors(%x: tensor<1x3x5x5xf32>, %s: tensor<2x1x1xf32>) -> (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) {
  // CHECK-COUNT-2: bess.mul
  // CHECK: bess.add
  %w = bess.weight "w" <file = "w.bin", offset = 0, length = 96> : tensor<2x3x2x2xf32>
  %columns = bess.weight "columns" <file = "w.bin", offset = 96, length = 16> : tensor<4xf32>
  %b = bess.weight "b" <file = "w.bin", offset = 96, length = 8> : tensor<2x1x1xf32>
  %0 = bess.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 1 : i64} : (tensor<1x3x5x5xf32>, tensor<2x3x2x2xf32>) -> tensor<1x2x4x4xf32>
  %1 = bess.mul %0, %s : (tensor<1x2x4x4xf32>, tensor<2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %2 = bess.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 1 : i64} : (tensor<1x3x5x5xf32>, tensor<2x3x2x2xf32>) -> tensor<1x2x4x4xf32>
  %3 = bess.mul %2, %columns : (tensor<1x2x4x4xf32>, tensor<4xf32>) -> tensor<1x2x4x4xf32>
  %4 = bess.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 1 : i64} : (tensor<1x3x5x5xf32>, tensor<2x3x2x2xf32>) -> tensor<1x2x4x4xf32>
  %5 = bess.add %4, %b : (tensor<1x2x4x4xf32>, tensor<2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %6 = bess.relu %4 : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %7 = bess.sub %5, %6 : (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  return %1, %3, %7 : tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>
}

// Zeros around the image are the convolution's padding; of the two sides of a dimension each for itself.
// CHECK-LABEL: func.func @zeros_around
func.func @zeros_around(%x: tensor<1x3x5x5xf32>) -> tensor<1x2x3x4xf32> {
  // CHECK-NOT: bess.pad
  // CHECK: bess.conv %arg0, {{.*}}pads = array<i64: 0, 1, 1, 2>
  %w = bess.weight "w" <file = "w.bin", offset = 0, length = 96> : tensor<2x3x2x2xf32>
  %0 = bess.pad %x {low = #bess.dims<"0", "0", "0", "1">} : (tensor<1x3x5x5xf32>) -> tensor<1x3x6x7xf32>
  %1 = bess.conv %0, %w {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 1>, groups = 1 : i64} : (tensor<1x3x6x7xf32>, tensor<2x3x2x2xf32>) -> tensor<1x2x3x4xf32>
  return %1 : tensor<1x2x3x4xf32>
}

// Ones are not, nor is what is cut off, nor other channels.
// CHECK-LABEL: func.func @not_zeros
func.func @not_zeros(%x: tensor<1x3x4x4xf32>, %y: tensor<1x3x6x6xf32>, %z: tensor<1x2x5x5xf32>) -> (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) {
  // CHECK-COUNT-3: bess.pad
  %w = bess.weight "w" <file = "w.bin", offset = 0, length = 96> : tensor<2x3x2x2xf32>
  %one = bess.constant dense<1.0> : tensor<f32>
  %0 = bess.pad %x, %one {low = #bess.dims<"0", "0", "0", "1">} : (tensor<1x3x4x4xf32>, tensor<f32>) -> tensor<1x3x5x5xf32>
  %1 = bess.conv %0, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 1 : i64} : (tensor<1x3x5x5xf32>, tensor<2x3x2x2xf32>) -> tensor<1x2x4x4xf32>
  %2 = bess.pad %y {low = #bess.dims<"0", "0", "-1", "0">} : (tensor<1x3x6x6xf32>) -> tensor<1x3x5x5xf32>
  %3 = bess.conv %2, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 1 : i64} : (tensor<1x3x5x5xf32>, tensor<2x3x2x2xf32>) -> tensor<1x2x4x4xf32>
  %4 = bess.pad %z {low = #bess.dims<"0", "1", "0", "0">} : (tensor<1x2x5x5xf32>) -> tensor<1x3x5x5xf32>
  %5 = bess.conv %4, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 1 : i64} : (tensor<1x3x5x5xf32>, tensor<2x3x2x2xf32>) -> tensor<1x2x4x4xf32>
  return %1, %3, %5 : tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>
}
