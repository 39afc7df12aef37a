// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Dimensions that only the data tells are bound to symbols; what may be
// negative or stand for "the rest" is resolved by ops on the data first.
// RUN: bessemer-opt --bessemer-legalize %s | FileCheck %s

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<2x3x4xf32>, %shape: tensor<2xi64>, %n: tensor<i64>, %repeats: tensor<3xi64>) -> (!onnx.unknown, !onnx.unknown, !onnx.unknown, !onnx.unknown) {
  // CHECK: %[[REST:.*]] = bess.div
  // CHECK: %[[WANTED:.*]] = bess.where %{{.*}}, %[[REST]], %{{.*}} -> tensor<2xi64>
  // CHECK: bess.bind_symbols %[[WANTED]] {symbols = ["reshape_0", "reshape_1"]}
  // CHECK: bess.guard "eq" "24" "reshape_0*reshape_1"
  // CHECK: bess.reshape %arg0 : {{.*}} -> tensor<?x?xf32, #bess.dims<"reshape_0", "reshape_1">>
  %0 = onnx.node "Reshape"(%x, %shape) version 17 outputs ["r"] : (tensor<2x3x4xf32>, tensor<2xi64>) -> !onnx.unknown
  // CHECK: bess.bind_symbols %{{.*}} {symbols = ["range_0"]}
  // CHECK: bess.range %{{.*}} -> tensor<?xi64, #bess.dims<"range_0">>
  %zero = onnx.constant "zero" dense<0> : tensor<i64>
  %one = onnx.constant "one" dense<1> : tensor<i64>
  %1 = onnx.node "Range"(%zero, %n, %one) version 17 outputs ["p"] : (tensor<i64>, tensor<i64>, tensor<i64>) -> !onnx.unknown
  // CHECK: bess.bind_symbols %arg3 {symbols = ["repeats_0", "repeats_1", "repeats_2"]}
  // CHECK: bess.repeat %arg0 : {{.*}} -> tensor<?x?x?xf32, #bess.dims<"2*repeats_0", "3*repeats_1", "4*repeats_2">>
  %2 = onnx.node "Tile"(%x, %repeats) version 17 outputs ["t"] : (tensor<2x3x4xf32>, tensor<3xi64>) -> !onnx.unknown
  // CHECK: bess.nonzero %arg0 : {{.*}} -> tensor<3x?xi64, #bess.dims<"3", "nonzero_0">>
  %3 = onnx.node "NonZero"(%x) version 17 outputs ["nz"] : (tensor<2x3x4xf32>) -> !onnx.unknown
  return %0, %1, %2, %3 : !onnx.unknown, !onnx.unknown, !onnx.unknown, !onnx.unknown
}
