// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --bessemer-expose-fusions %s | FileCheck %s
// RUN: bessemer-opt --bessemer-expose-fusions --bessemer-take-fusions-apart %s | FileCheck %s --check-prefix=APART

// CHECK: func.func @main(%{{.*}}) -> (tensor<4xf32> {onnx.name = "row of act"}, tensor<4xf32> {onnx.name = "z"})
// CHECK: %[[Y:.*]] = bess.fusion
// CHECK: %[[Z:.*]] = bess.neg %[[Y]]
// CHECK: return %[[Y]], %[[Z]]
// APART-NOT: bess.fusion
// APART: %[[Y:.*]] = bess.relu
// APART: %[[Z:.*]] = bess.neg %[[Y]]
// APART: return %[[Y]], %[[Z]]
func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32> {onnx.name = "z"}) {
  %y = bess.fusion "row"(%x) reason "alone" : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: tensor<4xf32>):
    %0 = bess.relu %a : (tensor<4xf32>) -> tensor<4xf32>
    bess.yield %0 : tensor<4xf32>
  } loc("act")
  %z = bess.neg %y : (tensor<4xf32>) -> tensor<4xf32>
  return %z : tensor<4xf32>
}
