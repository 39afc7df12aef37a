// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --bessemer-choose-conv-algorithm %s | FileCheck %s

// CHECK-LABEL: func.func @wide
// CHECK: %[[U:.*]] = bess.winograd_weights %{{.*}} {tile = 4 : i64} : (tensor<64x64x3x3xf32>) -> tensor<36x64x64xf32>
// CHECK: %[[V:.*]] = bess.winograd_input %arg0 {{.*}}tile = 4 : i64} : (tensor<1x56x54x64xf32>) -> tensor<36x196x64xf32>
// CHECK: %[[M:.*]] = bess.matmul %[[V]], %[[U]]
// CHECK: bess.winograd_output %[[M]] {{.*}}bess.reason = "Winograd F(4,3); estimated millions of cycles: direct
func.func @wide(%x: tensor<1x56x54x64xf32>) -> tensor<1x56x54x64xf32> {
  %w = bess.weight "w" <file = "m.onnx", offset = 0, length = 147456> : tensor<64x64x3x3xf32>
  %0 = bess.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, groups = 1 : i64, layout = "channels_last"}
    : (tensor<1x56x54x64xf32>, tensor<64x64x3x3xf32>) -> tensor<1x56x54x64xf32>
  return %0 : tensor<1x56x54x64xf32>
}

// Too few channels for the transforms to pay.
// CHECK-LABEL: func.func @narrow
// CHECK: bess.conv {{.*}}bess.reason = "direct convolution; estimated millions of cycles
func.func @narrow(%x: tensor<1x16x16x3xf32>) -> tensor<1x16x16x4xf32> {
  %w = bess.weight "w" <file = "m.onnx", offset = 0, length = 432> : tensor<4x3x3x3xf32>
  %0 = bess.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, groups = 1 : i64, layout = "channels_last"}
    : (tensor<1x16x16x3xf32>, tensor<4x3x3x3xf32>) -> tensor<1x16x16x4xf32>
  return %0 : tensor<1x16x16x4xf32>
}

// Another stride has no such form.
// CHECK-LABEL: func.func @strided
// CHECK-NOT: winograd
func.func @strided(%x: tensor<1x56x56x64xf32>) -> tensor<1x28x28x64xf32> {
  %w = bess.weight "w" <file = "m.onnx", offset = 0, length = 147456> : tensor<64x64x3x3xf32>
  %0 = bess.conv %x, %w {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, groups = 1 : i64, layout = "channels_last"}
    : (tensor<1x56x56x64xf32>, tensor<64x64x3x3xf32>) -> tensor<1x28x28x64xf32>
  return %0 : tensor<1x28x28x64xf32>
}

// Sizes that only the run knows: what an image of 224 x 224 makes of them. A quarter of it wants large tiles, a
// 32nd, with many channels, small ones.
// CHECK-LABEL: func.func @free
// CHECK: tile = 4 : i64
func.func @free(%x: tensor<1x?x?x64xf32, #bess.dims<"1", "floordiv(h, 4)", "floordiv(w, 4)", "64">>) -> tensor<1x?x?x64xf32, #bess.dims<"1", "floordiv(h, 4)", "floordiv(w, 4)", "64">> {
  %w = bess.weight "w" <file = "m.onnx", offset = 0, length = 147456> : tensor<64x64x3x3xf32>
  %0 = bess.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, groups = 1 : i64, layout = "channels_last"}
    : (tensor<1x?x?x64xf32, #bess.dims<"1", "floordiv(h, 4)", "floordiv(w, 4)", "64">>, tensor<64x64x3x3xf32>) -> tensor<1x?x?x64xf32, #bess.dims<"1", "floordiv(h, 4)", "floordiv(w, 4)", "64">>
  return %0 : tensor<1x?x?x64xf32, #bess.dims<"1", "floordiv(h, 4)", "floordiv(w, 4)", "64">>
}

// CHECK-LABEL: func.func @free_small
// CHECK: tile = 2 : i64
func.func @free_small(%x: tensor<1x?x?x512xf32, #bess.dims<"1", "floordiv(h, 32)", "floordiv(w, 32)", "512">>) -> tensor<1x?x?x512xf32, #bess.dims<"1", "floordiv(h, 32)", "floordiv(w, 32)", "512">> {
  %w = bess.weight "w" <file = "m.onnx", offset = 0, length = 9437184> : tensor<512x512x3x3xf32>
  %0 = bess.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, groups = 1 : i64, layout = "channels_last"}
    : (tensor<1x?x?x512xf32, #bess.dims<"1", "floordiv(h, 32)", "floordiv(w, 32)", "512">>, tensor<512x512x3x3xf32>) -> tensor<1x?x?x512xf32, #bess.dims<"1", "floordiv(h, 32)", "floordiv(w, 32)", "512">>
  return %0 : tensor<1x?x?x512xf32, #bess.dims<"1", "floordiv(h, 32)", "floordiv(w, 32)", "512">>
}
