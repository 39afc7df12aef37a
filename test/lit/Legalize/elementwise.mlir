// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One node to one op, and to several; dimensions that must be equal are guarded once.
// RUN: bessemer-opt --bessemer-legalize %s | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK-SAME: %[[X:.*]]: tensor<?x4xf32, #bess.dims<"batch", "4">>, %[[Y:.*]]: tensor<?x4xf32, #bess.dims<"rows", "4">>
func.func @main(%x: tensor<?x4xf32, #bess.dims<"batch", "4">>, %y: tensor<?x4xf32, #bess.dims<"rows", "4">>) -> (!onnx.unknown, !onnx.unknown, !onnx.unknown) {
  // CHECK: %[[R:.*]] = bess.relu %[[X]]
  %0 = onnx.node "Relu"(%x) version 17 name "act" outputs ["r"] : (tensor<?x4xf32, #bess.dims<"batch", "4">>) -> !onnx.unknown
  // CHECK: bess.guard "eq" "batch" "rows"
  // CHECK-NEXT: %[[S:.*]] = bess.add %[[R]], %[[Y]]
  %1 = onnx.node "Add"(%0, %y) version 17 name "sum" outputs ["s"] : (!onnx.unknown, tensor<?x4xf32, #bess.dims<"rows", "4">>) -> !onnx.unknown
  // CHECK-NOT: bess.guard
  // CHECK: %[[M:.*]] = bess.mul %[[S]], %[[Y]]
  %2 = onnx.node "Mul"(%1, %y) version 17 outputs ["m"] : (!onnx.unknown, tensor<?x4xf32, #bess.dims<"rows", "4">>) -> !onnx.unknown
  // CHECK-DAG: %[[SLOPE:.*]] = bess.constant dense<2.{{.*}}e-01> : tensor<f32>
  // CHECK: %[[LOW:.*]] = bess.mul %[[M]], %[[SLOPE]]
  // CHECK: %[[L:.*]] = bess.where %{{.*}}, %[[LOW]], %[[M]]
  %3 = onnx.node "LeakyRelu"(%2) version 17 outputs ["l"] attributes {alpha = 2.0e-01 : f32} : (!onnx.unknown) -> !onnx.unknown
  // CHECK: %[[C:.*]] = bess.cast %[[L]] {to = f16}
  %4 = onnx.node "Cast"(%3) version 17 outputs ["c"] attributes {to = 10 : i64} : (!onnx.unknown) -> !onnx.unknown
  // An absent bound of Clip is no op.
  // CHECK: %[[HIGH:.*]] = bess.constant dense<6.000000e+00> : tensor<f32>
  // CHECK-NOT: bess.max
  // CHECK: bess.min %[[L]], %[[HIGH]]
  %high = onnx.constant "six" dense<6.0> : tensor<f32>
  %none = onnx.absent
  %5 = onnx.node "Clip"(%3, %none, %high) version 17 outputs ["k"] : (!onnx.unknown, !onnx.absent, tensor<f32>) -> !onnx.unknown
  return %1, %4, %5 : !onnx.unknown, !onnx.unknown, !onnx.unknown
}
