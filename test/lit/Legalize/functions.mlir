// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Local functions are inlined; attributes come from the call, else from the function's defaults.
// RUN: bessemer-opt --bessemer-legalize %s | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK: %[[A:.*]] = bess.constant dense<2.500000e-01>
// CHECK: bess.mul %arg0, %[[A]]
// CHECK: %[[B:.*]] = bess.constant dense<5.000000e-01>
// CHECK: bess.mul %{{.*}}, %[[B]]
// CHECK-NOT: func.func private
func.func @main(%x: tensor<3xf32>) -> !onnx.unknown {
  %0 = onnx.node "Leak"(%x) domain "my" version 1 outputs ["a"] attributes {slope = 2.5e-01 : f32} : (tensor<3xf32>) -> !onnx.unknown
  %1 = onnx.node "Leak"(%0) domain "my" version 1 outputs ["b"] : (!onnx.unknown) -> !onnx.unknown
  return %1 : !onnx.unknown
}
func.func private @"my:Leak:"(%x: !onnx.unknown) -> !onnx.unknown attributes {onnx.function = {domain = "my", name = "Leak", overload = "", attributes = ["slope"], defaults = {slope = 5.0e-01 : f32}}} {
  %0 = onnx.node "LeakyRelu"(%x) version 17 outputs ["y"] refs {alpha = "slope"} : (!onnx.unknown) -> !onnx.unknown
  return %0 : !onnx.unknown
}
