// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// An ONNX graph with a node that nothing knows: that node is left.
// RUN: bessemer-reduce %s --test='bessemer-opt --bessemer-legalize' --message='NoSuchOp' | FileCheck %s
// CHECK: func.func @main
// CHECK-NEXT: onnx.node "NoSuchOp"
// CHECK-NOT: onnx.node
// CHECK: return
module attributes {onnx.ir_version = 9 : i64, onnx.opsets = [{domain = "", version = 17 : i64}]} {
  func.func @main(%x: tensor<4xf32> {onnx.name = "x"}) -> (tensor<4xf32> {onnx.name = "y"}) attributes {onnx.graph = {inputs = ["x"], name = "g", outputs = ["y"]}} {
    %0 = "onnx.node"(%x) <{domain = "", node_name = "a", onnx_attributes = {}, op_type = "Relu", output_names = ["a"], overload = "", subgraph_names = [], version = 14 : i64}> : (tensor<4xf32>) -> tensor<4xf32>
    %1 = "onnx.node"(%0) <{domain = "my", node_name = "b", onnx_attributes = {}, op_type = "NoSuchOp", output_names = ["b"], overload = "", subgraph_names = [], version = 1 : i64}> : (tensor<4xf32>) -> tensor<4xf32>
    %2 = "onnx.node"(%1) <{domain = "", node_name = "c", onnx_attributes = {}, op_type = "Exp", output_names = ["y"], overload = "", subgraph_names = [], version = 13 : i64}> : (tensor<4xf32>) -> tensor<4xf32>
    return %2 : tensor<4xf32>
  }
}
