// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --bessemer-mark-constant-views %s | FileCheck %s

// A weight, a reshape of one, what is made of one at load, and an argument that every caller gives as one, but not what
// one launch passes otherwise.
// CHECK: tile.kernel @add {{.*}} attributes {bess.constant_views = array<i64: 1>}
// CHECK: tile.kernel @both
// CHECK-NOT: bess.constant_views
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %w = bess.weight "w" <file = "m.onnx", offset = 0, length = 16> : tensor<4xf32>
  %v = bess.weight "v" <file = "m.onnx", offset = 16, length = 16> : tensor<2x2xf32>
  %r = bess.reshape %v : (tensor<2x2xf32>) -> tensor<4xf32>
  %0 = bess.launch @add(%x, %r) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = call @layer(%0, %w) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %2 = bess.launch @both(%w, %1) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %3 = bess.launch @both(%2, %w) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %p = bess.prepare @prepare(%w) : (tensor<4xf32>) -> tensor<4xf32>
  %4 = bess.launch @add(%3, %p) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %4 : tensor<4xf32>
}
func.func private @prepare(%w: tensor<4xf32>) -> tensor<4xf32> {
  return %w : tensor<4xf32>
}
func.func private @layer(%x: tensor<4xf32>, %w: tensor<4xf32>) -> tensor<4xf32> {
  %0 = bess.launch @add(%x, %w) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
tile.kernel @add grid <"1"> views 3 outputs 1 symbols 0 kind "map" reason "" schedule {} {
^bb0(%x: !tile.view<<"4">, f32>, %w: !tile.view<<"4">, f32>, %y: !tile.view<<"4">, f32>, %point: index):
  tile.return
}
tile.kernel @both grid <"1"> views 3 outputs 1 symbols 0 kind "map" reason "" schedule {} {
^bb0(%x: !tile.view<<"4">, f32>, %w: !tile.view<<"4">, f32>, %y: !tile.view<<"4">, f32>, %point: index):
  tile.return
}
