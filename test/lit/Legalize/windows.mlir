// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// auto_pad and ceil_mode become pads.
// RUN: bessemer-opt --bessemer-legalize %s | FileCheck %s

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<1x4x5x6xf32>, %w: tensor<8x4x3x3xf32>, %free: tensor<1x4x?x6xf32, #bess.dims<"1", "4", "h", "6">>) -> (!onnx.unknown, !onnx.unknown, !onnx.unknown, !onnx.unknown) {
  // 3 windows over 5 and over 6: 7 - 5 and 7 - 6 rows are missing.
  // CHECK: bess.conv %arg0, %arg1 {{.*}}pads = array<i64: 1, 0, 1, 1>{{.*}} -> tensor<1x8x3x3xf32>
  %0 = onnx.node "Conv"(%x, %w) version 17 outputs ["a"] attributes {auto_pad = "SAME_UPPER", strides = array<i64: 2, 2>} : (tensor<1x4x5x6xf32>, tensor<8x4x3x3xf32>) -> !onnx.unknown
  // CHECK: bess.conv %arg0, %arg1 {{.*}}pads = array<i64: 1, 1, 1, 0>
  %1 = onnx.node "Conv"(%x, %w) version 17 outputs ["b"] attributes {auto_pad = "SAME_LOWER", strides = array<i64: 2, 2>} : (tensor<1x4x5x6xf32>, tensor<8x4x3x3xf32>) -> !onnx.unknown
  // CHECK: bess.pool %arg0 {ceil_pads = array<i64: 0, 1>{{.*}}pads = array<i64: 0, 0, 0, 1>{{.*}} -> tensor<1x4x2x3xf32>
  %2 = onnx.node "MaxPool"(%x) version 17 outputs ["c"] attributes {ceil_mode = 1 : i64, kernel_shape = array<i64: 3, 3>, strides = array<i64: 2, 2>} : (tensor<1x4x5x6xf32>) -> !onnx.unknown
  // A stride of 1 needs no extent.
  // CHECK: bess.pool %arg2 {{.*}} -> tensor<1x4x?x6xf32, #bess.dims<"1", "4", "h", "6">>
  %3 = onnx.node "AveragePool"(%free) version 17 outputs ["d"] attributes {auto_pad = "SAME_UPPER", kernel_shape = array<i64: 3, 3>} : (tensor<1x4x?x6xf32, #bess.dims<"1", "4", "h", "6">>) -> !onnx.unknown
  return %0, %1, %2, %3 : !onnx.unknown, !onnx.unknown, !onnx.unknown, !onnx.unknown
}
