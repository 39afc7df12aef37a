// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --pass-pipeline='builtin.module(bessemer-assign-layouts,bessemer-pack-weights,func.func(bessemer-fuse),bessemer-generate-tile-programs)' --split-input-file %s | FileCheck %s

// A 1x1 convolution is a matrix product with the image itself.
// CHECK: tile.kernel @conv_0
// CHECK: %[[A:.*]] = tile.load %arg0[{{.*}}] dims [0, 2] {in_bounds} : <<"64", "1", "8">, f32> -> tensor<64x8xf32>
// CHECK: %[[B:.*]] = tile.load %arg1[{{.*}}] dims [2, 3] {in_bounds} : <<"1", "2", "8", "16">, f32> -> tensor<8x16xf32>
// CHECK: tile.dot %[[A]], %[[B]] : tensor<64x8xf32>, tensor<8x16xf32> -> tensor<64x16xf32>
func.func @pointwise(%x: tensor<1x8x8x8xf32>) -> tensor<1x32x8x8xf32> {
  %w = bess.weight "w" <file = "m.onnx", offset = 0, length = 1024> : tensor<32x8x1x1xf32>
  %0 = bess.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 1 : i64}
    : (tensor<1x8x8x8xf32>, tensor<32x8x1x1xf32>) -> tensor<1x32x8x8xf32>
  return %0 : tensor<1x32x8x8xf32>
}

// -----

// Another window: patches, which do not depend on the panel.
// CHECK: tile.kernel @conv_0
// CHECK: %[[A:.*]] = tile.patches %arg0 at {{.*}}window = array<i64: 3, 3>
// CHECK-SAME: <<"1", "8", "8", "1", "8">, f32> -> tensor<64x72xf32>
// CHECK: %[[B:.*]] = tile.load %arg1[{{.*}}] dims [2, 3] {in_bounds} : <<"1", "2", "72", "16">, f32> -> tensor<72x16xf32>
// CHECK: tile.dot %[[A]], %[[B]] : tensor<64x72xf32>, tensor<72x16xf32> -> tensor<64x16xf32>
// CHECK: arith.maximumf
// CHECK: tile.store
func.func @window(%x: tensor<1x8x8x8xf32>) -> tensor<1x32x8x8xf32> {
  %w = bess.weight "w" <file = "m.onnx", offset = 0, length = 9216> : tensor<32x8x3x3xf32>
  %0 = bess.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, groups = 1 : i64}
    : (tensor<1x8x8x8xf32>, tensor<32x8x3x3xf32>) -> tensor<1x32x8x8xf32>
  %1 = bess.relu %0 : (tensor<1x32x8x8xf32>) -> tensor<1x32x8x8xf32>
  return %1 : tensor<1x32x8x8xf32>
}

// -----

// Rows that only the run knows: even tasks, of as many rows as the cache holds at most.
// CHECK: tile.kernel @conv_0
// CHECK-SAME: grid <"ceildiv(8*s0, ceildiv(max(8*s0, 1), floordiv(max(8*s0, 1) + 143, 144)))", "1", "2">
// CHECK: tile.dot {{.*}} : tensor<?x8xf32>, tensor<8x16xf32> -> tensor<?x16xf32>
func.func @free(%x: tensor<1x8x?x8xf32, #bess.dims<"1", "8", "h", "8">>) -> tensor<1x32x?x8xf32, #bess.dims<"1", "32", "h", "8">> {
  %w = bess.weight "w" <file = "m.onnx", offset = 0, length = 1024> : tensor<32x8x1x1xf32>
  %0 = bess.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 1 : i64}
    : (tensor<1x8x?x8xf32, #bess.dims<"1", "8", "h", "8">>, tensor<32x8x1x1xf32>) -> tensor<1x32x?x8xf32, #bess.dims<"1", "32", "h", "8">>
  return %0 : tensor<1x32x?x8xf32, #bess.dims<"1", "32", "h", "8">>
}

// -----

// Depthwise: rows of channels.
// CHECK: tile.kernel @conv_0
// CHECK: %[[X:.*]] = tile.gather_rows %arg0
// CHECK: %[[W:.*]] = tile.load %arg1
// CHECK: %[[M:.*]] = arith.mulf %[[X]], %[[W]] : tensor<9x8xf32>
// CHECK: tile.reduce sum %[[M]] axis 0 : tensor<9x8xf32> -> tensor<1x8xf32>
func.func @depthwise(%x: tensor<1x8x8x8xf32>) -> tensor<1x8x8x8xf32> {
  %w = bess.weight "w" <file = "m.onnx", offset = 0, length = 288> : tensor<8x1x3x3xf32>
  %0 = bess.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, groups = 8 : i64}
    : (tensor<1x8x8x8xf32>, tensor<8x1x3x3xf32>) -> tensor<1x8x8x8xf32>
  return %0 : tensor<1x8x8x8xf32>
}
