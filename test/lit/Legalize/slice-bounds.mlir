// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Bounds of a slice at the ends of int64: "from the first" and "to the last", as exporters write them.
// RUN: bessemer-opt --bessemer-legalize %s | FileCheck %s

!x = tensor<?x16xf32, #bess.dims<"n", "16">>
// CHECK-LABEL: func.func @main
func.func @main(%x: !x) -> (!onnx.unknown, !onnx.unknown) {
  %first = onnx.constant "first" dense<-9223372036854775808> : tensor<1xi64>
  %last = onnx.constant "last" dense<9223372036854775807> : tensor<1xi64>
  %minus2 = onnx.constant "minus2" dense<-2> : tensor<1xi64>
  %zero = onnx.constant "zero" dense<0> : tensor<1xi64>
  %one = onnx.constant "one" dense<1> : tensor<1xi64>
  // CHECK: bess.slice %{{.*}} {offsets = #bess.dims<"0", "0">, steps = array<i64: 1, 1>} : {{.*}} -> tensor<?x14xf32, #bess.dims<"n", "14">>
  %front = onnx.node "Slice"(%x, %first, %minus2, %one) version 17 outputs ["front"] : (!x, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> !onnx.unknown
  // Of a shape, too: n is the size of what follows.
  // CHECK: bess.broadcast %{{.*}} -> tensor<?xf32, #bess.dims<"n">>
  %shape = onnx.node "Shape"(%x) version 17 outputs ["shape"] : (!x) -> !onnx.unknown
  %minus1 = onnx.constant "minus1" dense<-1> : tensor<1xi64>
  %n = onnx.node "Slice"(%shape, %first, %minus1, %zero) version 17 outputs ["n"] : (!onnx.unknown, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> !onnx.unknown
  %zeros = onnx.node "ConstantOfShape"(%n) version 17 outputs ["zeros"] attributes {value = dense<1.0> : tensor<1xf32>} : (!onnx.unknown) -> !onnx.unknown
  return %front, %zeros : !onnx.unknown, !onnx.unknown
}
