// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --bessemer-assign-layouts --split-input-file %s | FileCheck %s

// Everything between two convolutions has the channels last; a value for each
// channel becomes a row.
// CHECK-LABEL: func.func @main
// CHECK: %[[X:.*]] = bess.transpose %arg0 {permutation = array<i64: 0, 2, 3, 1>}
// CHECK: %[[A:.*]] = bess.conv %[[X]], {{.*}}layout = "channels_last"{{.*}}-> tensor<1x8x8x16xf32>
// CHECK: %[[S:.*]] = bess.reshape %arg1 : (tensor<16x1x1xf32>) -> tensor<16xf32>
// CHECK: %[[M:.*]] = bess.mul %[[A]], %[[S]] : (tensor<1x8x8x16xf32>, tensor<16xf32>)
// CHECK: %[[P:.*]] = bess.pool %[[M]] {{.*}}layout = "channels_last"
// CHECK: %[[C:.*]] = bess.concat %[[A]], %[[P]] {axis = 3 : i64}
// CHECK: %[[B:.*]] = bess.conv %[[C]],
// CHECK: %[[Y:.*]] = bess.transpose %[[B]] {permutation = array<i64: 0, 3, 1, 2>}
// CHECK-NOT: bess.transpose
// CHECK: return %[[Y]]
func.func @main(%x: tensor<1x4x8x8xf32>, %s: tensor<16x1x1xf32>) -> tensor<1x8x8x8xf32> {
  %w = bess.weight "w" <file = "m.onnx", offset = 0, length = 256> : tensor<16x4x1x1xf32>
  %v = bess.weight "v" <file = "m.onnx", offset = 256, length = 1024> : tensor<8x32x1x1xf32>
  %0 = bess.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 1 : i64}
    : (tensor<1x4x8x8xf32>, tensor<16x4x1x1xf32>) -> tensor<1x16x8x8xf32>
  %1 = bess.mul %0, %s : (tensor<1x16x8x8xf32>, tensor<16x1x1xf32>) -> tensor<1x16x8x8xf32>
  %2 = bess.pool %1 {kind = "max", window = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, ceil_pads = array<i64: 0, 0>}
    : (tensor<1x16x8x8xf32>) -> tensor<1x16x8x8xf32>
  %3 = bess.concat %0, %2 {axis = 1 : i64} : (tensor<1x16x8x8xf32>, tensor<1x16x8x8xf32>) -> tensor<1x32x8x8xf32>
  %4 = bess.conv %3, %v {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 1 : i64}
    : (tensor<1x32x8x8xf32>, tensor<8x32x1x1xf32>) -> tensor<1x8x8x8xf32>
  return %4 : tensor<1x8x8x8xf32>
}

// -----

// An outlined layer takes and gives images as its convolution wants them.
// CHECK-LABEL: func.func @calls
// CHECK: %[[X:.*]] = bess.transpose %arg0
// CHECK: %[[A:.*]] = call @layer(%[[X]]
// CHECK-NOT: bess.transpose
// CHECK: %[[B:.*]] = call @layer(%[[A]]
// CHECK: %[[Y:.*]] = bess.transpose %[[B]]
// CHECK: return %[[Y]]
// CHECK: func.func private @layer(%arg0: tensor<1x8x8x4xf32>, %arg1: tensor<4x4x1x1xf32> {bess.weight}) -> tensor<1x8x8x4xf32>
// CHECK-NOT: bess.transpose
// CHECK: return
func.func @calls(%x: tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32> {
  %w = bess.weight "w" <file = "m.onnx", offset = 0, length = 64> : tensor<4x4x1x1xf32>
  %0 = func.call @layer(%x, %w) : (tensor<1x4x8x8xf32>, tensor<4x4x1x1xf32>) -> tensor<1x4x8x8xf32>
  %1 = func.call @layer(%0, %w) : (tensor<1x4x8x8xf32>, tensor<4x4x1x1xf32>) -> tensor<1x4x8x8xf32>
  return %1 : tensor<1x4x8x8xf32>
}
func.func private @layer(%x: tensor<1x4x8x8xf32>, %w: tensor<4x4x1x1xf32> {bess.weight}) -> tensor<1x4x8x8xf32> {
  %0 = bess.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 1 : i64}
    : (tensor<1x4x8x8xf32>, tensor<4x4x1x1xf32>) -> tensor<1x4x8x8xf32>
  %1 = bess.relu %0 : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  return %1 : tensor<1x4x8x8xf32>
}

// -----

// A residual of a layer: what the convolution reads is transposed in any case, and so can be the add.
// CHECK-LABEL: func.func private @residual(%arg0: tensor<1x8x8x4xf32>, %arg1: tensor<4x4x1x1xf32> {bess.weight}) -> tensor<1x8x8x4xf32>
// CHECK-NOT: bess.transpose
// CHECK: return
func.func @residuals(%x: tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32> {
  %w = bess.weight "w" <file = "m.onnx", offset = 0, length = 64> : tensor<4x4x1x1xf32>
  %0 = func.call @residual(%x, %w) : (tensor<1x4x8x8xf32>, tensor<4x4x1x1xf32>) -> tensor<1x4x8x8xf32>
  %1 = func.call @residual(%0, %w) : (tensor<1x4x8x8xf32>, tensor<4x4x1x1xf32>) -> tensor<1x4x8x8xf32>
  return %1 : tensor<1x4x8x8xf32>
}
func.func private @residual(%x: tensor<1x4x8x8xf32>, %w: tensor<4x4x1x1xf32> {bess.weight}) -> tensor<1x4x8x8xf32> {
  %0 = bess.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 1 : i64}
    : (tensor<1x4x8x8xf32>, tensor<4x4x1x1xf32>) -> tensor<1x4x8x8xf32>
  %1 = bess.add %0, %x : (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %2 = bess.relu %1 : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  return %2 : tensor<1x4x8x8xf32>
}

// -----

// The mean over a plane has the same order in both layouts, and a plane of one
// place needs no transpose.
// CHECK-LABEL: func.func @mean
// CHECK: %[[A:.*]] = bess.conv
// CHECK: bess.reduce %[[A]] {axes = array<i64: 1, 2>, {{.*}}} : (tensor<1x8x8x16xf32>) -> tensor<1x16xf32>
// CHECK-NOT: bess.transpose
// CHECK: return
func.func @mean(%x: tensor<1x1x8x8xf32>) -> tensor<1x16xf32> {
  %w = bess.weight "w" <file = "m.onnx", offset = 0, length = 64> : tensor<16x1x1x1xf32>
  %0 = bess.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 1 : i64}
    : (tensor<1x1x8x8xf32>, tensor<16x1x1x1xf32>) -> tensor<1x16x8x8xf32>
  %1 = bess.reduce %0 {kind = "mean", axes = array<i64: 2, 3>, keepdims = false} : (tensor<1x16x8x8xf32>) -> tensor<1x16xf32>
  return %1 : tensor<1x16xf32>
}

// -----

// Weights that the run computes cannot be packed.
// CHECK-LABEL: func.func @computed
// CHECK-NOT: channels_last
func.func @computed(%x: tensor<1x4x8x8xf32>, %w: tensor<4x4x1x1xf32>) -> tensor<1x4x8x8xf32> {
  %0 = bess.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 1 : i64}
    : (tensor<1x4x8x8xf32>, tensor<4x4x1x1xf32>) -> tensor<1x4x8x8xf32>
  return %0 : tensor<1x4x8x8xf32>
}

// -----

// Resize, slice and pad go with the channels wherever those are.
// CHECK-LABEL: func.func @moves
// CHECK: %[[A:.*]] = bess.conv
// CHECK: %[[R:.*]] = bess.resize %[[A]] {axes = array<i64: 1, 2>, {{.*}} -> tensor<1x16x16x8xf32>
// CHECK: %[[S:.*]] = bess.slice %[[R]] {offsets = #bess.dims<"0", "1", "2", "3">, steps = array<i64: 1, 2, 1, 1>} {{.*}} -> tensor<1x7x14x4xf32>
// CHECK: %[[P:.*]] = bess.pad %[[S]] {low = #bess.dims<"0", "1", "2", "0">, mode = "reflect"} {{.*}} -> tensor<1x8x16x4xf32>
// CHECK: bess.conv %[[P]]
// CHECK: bess.transpose
// CHECK-NOT: bess.transpose
func.func @moves(%x: tensor<1x4x8x8xf32>) -> tensor<1x4x8x16xf32> {
  %w = bess.weight "w" <file = "m.onnx", offset = 0, length = 128> : tensor<8x4x1x1xf32>
  %v = bess.weight "v" <file = "m.onnx", offset = 128, length = 64> : tensor<4x4x1x1xf32>
  %0 = bess.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 1 : i64}
    : (tensor<1x4x8x8xf32>, tensor<8x4x1x1xf32>) -> tensor<1x8x8x8xf32>
  %1 = bess.resize %0 {axes = array<i64: 2, 3>, scales = array<f64: 2.0, 2.0>, roi = array<f64>, mode = "linear", coordinate_transformation_mode = "half_pixel", nearest_mode = "floor"}
    : (tensor<1x8x8x8xf32>) -> tensor<1x8x16x16xf32>
  %2 = bess.slice %1 {offsets = #bess.dims<"0", "3", "1", "2">, steps = array<i64: 1, 1, 2, 1>} : (tensor<1x8x16x16xf32>) -> tensor<1x4x7x14xf32>
  %3 = bess.pad %2 {low = #bess.dims<"0", "0", "1", "2">, mode = "reflect"} : (tensor<1x4x7x14xf32>) -> tensor<1x4x8x16xf32>
  %4 = bess.conv %3, %v {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 1 : i64}
    : (tensor<1x4x8x16xf32>, tensor<4x4x1x1xf32>) -> tensor<1x4x8x16xf32>
  return %4 : tensor<1x4x8x16xf32>
}
