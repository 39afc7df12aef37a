// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --pass-pipeline='builtin.module(bessemer-pack-weights,func.func(bessemer-fuse),bessemer-generate-tile-programs)' %s | FileCheck %s

// Weights in panels, a gate after the other; the loop over time is in the
// kernel, and the first step, without a state, has no product with r.
// CHECK-LABEL: func.func @lstm
// CHECK: %[[W:.*]] = bess.pack {{.*}} transposed} : (tensor<4x32x8xf32>) -> tensor<4x2x8x16xf32>
// CHECK: %[[R:.*]] = bess.pack {{.*}} transposed} : (tensor<4x32x32xf32>) -> tensor<4x2x32x16xf32>
// CHECK: bess.launch @lstm_0(%arg0, %[[W]], %[[R]])
// CHECK: tile.kernel @lstm_0 grid <"1", "1">
// CHECK-COUNT-4: tile.dot
// CHECK-NOT: tile.dot
// CHECK: scf.for
// CHECK-COUNT-8: tile.dot
// CHECK-NOT: tile.dot
func.func @lstm(%x: tensor<?x2x8xf32, #bess.dims<"s", "2", "8">>) -> tensor<1x2x32xf32> {
  %w = bess.weight "w" <file = "m.onnx", offset = 0, length = 4096> : tensor<1x128x8xf32>
  %r = bess.weight "r" <file = "m.onnx", offset = 4096, length = 16384> : tensor<1x128x32xf32>
  %y, %h, %c = bess.lstm %x, %w, %r {activations = ["sigmoid", "tanh", "tanh"], direction = "forward", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0>} : (tensor<?x2x8xf32, #bess.dims<"s", "2", "8">>, tensor<1x128x8xf32>, tensor<1x128x32xf32>) -> (tensor<?x1x2x32xf32, #bess.dims<"s", "1", "2", "32">>, tensor<1x2x32xf32>, tensor<1x2x32xf32>)
  return %h : tensor<1x2x32xf32>
}
