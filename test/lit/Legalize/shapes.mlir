// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Shape arithmetic becomes dimensions and leaves no op behind.
// RUN: bessemer-opt --bessemer-legalize %s | FileCheck %s

!x = tensor<?x?x384xf32, #bess.dims<"batch", "seq", "384">>
// CHECK-LABEL: func.func @main
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x?x384xf32
func.func @main(%x: !x, %rows: tensor<?xi64, #bess.dims<"past">>) -> (!onnx.unknown, !onnx.unknown, !onnx.unknown, !onnx.unknown, !onnx.unknown) {
  %zero = onnx.constant "zero" dense<0> : tensor<i64>
  %one = onnx.constant "one" dense<1> : tensor<i64>
  %axis0 = onnx.constant "axis0" dense<0> : tensor<1xi64>
  %heads = onnx.constant "heads" dense<[12, -1]> : tensor<2xi64>
  %shape = onnx.node "Shape"(%x) version 17 outputs ["shape"] : (!x) -> !onnx.unknown
  %batch = onnx.node "Gather"(%shape, %zero) version 17 outputs ["batch"] : (!onnx.unknown, tensor<i64>) -> !onnx.unknown
  %seq = onnx.node "Gather"(%shape, %one) version 17 outputs ["seq"] : (!onnx.unknown, tensor<i64>) -> !onnx.unknown
  %b1 = onnx.node "Unsqueeze"(%batch, %axis0) version 17 outputs ["b1"] : (!onnx.unknown, tensor<1xi64>) -> !onnx.unknown
  %s1 = onnx.node "Unsqueeze"(%seq, %axis0) version 17 outputs ["s1"] : (!onnx.unknown, tensor<1xi64>) -> !onnx.unknown
  %to = onnx.node "Concat"(%b1, %s1, %heads) version 17 outputs ["to"] attributes {axis = 0 : i64} : (!onnx.unknown, !onnx.unknown, tensor<2xi64>) -> !onnx.unknown
  // CHECK-NOT: bess.from_dims
  // CHECK: %[[SPLIT:.*]] = bess.reshape %[[X]] : {{.*}} -> tensor<?x?x12x32xf32, #bess.dims<"batch", "seq", "12", "32">>
  %split = onnx.node "Reshape"(%x, %to) version 17 outputs ["split"] : (!x, !onnx.unknown) -> !onnx.unknown
  // CHECK: %[[SCALAR:.*]] = bess.constant dense<1.000000e+00> : tensor<f32>
  // CHECK: bess.broadcast %{{.*}} -> tensor<?x?xf32, #bess.dims<"batch", "seq">>
  %two = onnx.node "Concat"(%b1, %s1) version 17 outputs ["two"] attributes {axis = 0 : i64} : (!onnx.unknown, !onnx.unknown) -> !onnx.unknown
  %ones = onnx.node "ConstantOfShape"(%two) version 17 outputs ["ones"] attributes {value = dense<1.0> : tensor<1xf32>} : (!onnx.unknown) -> !onnx.unknown
  // Where(shape == -1, 1, shape), as exporters write for Expand: a size is never -1.
  // CHECK: bess.broadcast %{{.*}} -> tensor<?x?xf32, #bess.dims<"batch", "seq">>
  %minus = onnx.constant "minus" dense<-1> : tensor<i64>
  %isminus = onnx.node "Equal"(%two, %minus) version 17 outputs ["isminus"] : (!onnx.unknown, tensor<i64>) -> !onnx.unknown
  %size = onnx.node "Where"(%isminus, %one, %two) version 17 outputs ["size"] : (!onnx.unknown, tensor<i64>, !onnx.unknown) -> !onnx.unknown
  %half = onnx.constant "half" dense<0.5> : tensor<1x1xf32>
  %wide = onnx.node "Expand"(%half, %size) version 17 outputs ["wide"] : (tensor<1x1xf32>, !onnx.unknown) -> !onnx.unknown
  // Positions past .. past + seq - 1.
  // CHECK: %[[PAST:.*]] = bess.from_dims <"past">
  // CHECK: bess.range %[[PAST]], %{{.*}} -> tensor<?xi64, #bess.dims<"seq">>
  %pshape = onnx.node "Shape"(%rows) version 17 outputs ["pshape"] : (tensor<?xi64, #bess.dims<"past">>) -> !onnx.unknown
  %past = onnx.node "Squeeze"(%pshape) version 17 outputs ["past"] : (!onnx.unknown) -> !onnx.unknown
  %total = onnx.node "Add"(%past, %seq) version 17 outputs ["total"] : (!onnx.unknown, !onnx.unknown) -> !onnx.unknown
  %positions = onnx.node "Range"(%past, %total, %one) version 17 outputs ["positions"] : (!onnx.unknown, !onnx.unknown, tensor<i64>) -> !onnx.unknown
  // A slice of a table says how long the table has to be, and makes no new dimension.
  // CHECK: bess.guard "le" "seq" "512"
  // CHECK: bess.slice %{{.*}} {offsets = #bess.dims<"0">, steps = array<i64: 1>} : (tensor<512xf32>) -> tensor<?xf32, #bess.dims<"seq">>
  %table = onnx.constant "table" dense<1.0> : tensor<512xf32>
  %row = onnx.node "Slice"(%table, %axis0, %s1, %axis0) version 17 outputs ["row"] : (tensor<512xf32>, tensor<1xi64>, !onnx.unknown, tensor<1xi64>) -> !onnx.unknown
  return %split, %ones, %wide, %positions, %row : !onnx.unknown, !onnx.unknown, !onnx.unknown, !onnx.unknown, !onnx.unknown
}
