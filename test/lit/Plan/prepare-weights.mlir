// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt %s --bessemer-prepare-weights --split-input-file | FileCheck %s

// What depends on a weight alone is made when the program is loaded; two weights share the function.
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  // CHECK: %[[W0:.*]] = bess.weight "a"
  // CHECK: %[[W1:.*]] = bess.weight "b"
  %w0 = bess.weight "a" <file = "m.onnx", offset = 0, length = 64> : tensor<4x4xf32>
  %w1 = bess.weight "b" <file = "m.onnx", offset = 64, length = 64> : tensor<4x4xf32>
  // CHECK: %[[P0:.*]] = bess.prepare @[[F:.*]](%[[W0]])
  // CHECK: %[[P1:.*]] = bess.prepare @[[F]](%[[W1]])
  %t0 = bess.transpose %w0 {permutation = array<i64: 1, 0>} : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %t1 = bess.transpose %w1 {permutation = array<i64: 1, 0>} : (tensor<4x4xf32>) -> tensor<4x4xf32>
  // CHECK: bess.matmul %{{.*}}, %[[P0]]
  %0 = bess.matmul %x, %t0 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = bess.matmul %0, %t1 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  return %1 : tensor<4x4xf32>
}
// CHECK: func.func private @[[F]](%{{.*}}: tensor<4x4xf32>) -> tensor<4x4xf32> attributes {bess.prepare}
// CHECK: bess.transpose

// -----

// In an outlined layer the op moves to the callers; the plain weight is no argument any more.
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %w0 = bess.weight "a" <file = "m.onnx", offset = 0, length = 64> : tensor<4x4xf32>
  %w1 = bess.weight "b" <file = "m.onnx", offset = 64, length = 64> : tensor<4x4xf32>
  // CHECK: %[[P0:.*]] = bess.prepare
  // CHECK: call @layer(%{{.*}}, %[[P0]])
  %0 = func.call @layer(%x, %w0) : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = func.call @layer(%0, %w1) : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  return %1 : tensor<4x4xf32>
}
// CHECK: func.func private @layer(%[[X:.*]]: tensor<4x4xf32>, %[[W:.*]]: tensor<4x4xf32>)
func.func private @layer(%x: tensor<4x4xf32>, %w: tensor<4x4xf32>) -> tensor<4x4xf32> {
  // CHECK-NEXT: bess.matmul %[[X]], %[[W]]
  %t = bess.transpose %w {permutation = array<i64: 1, 0>} : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %0 = bess.matmul %x, %t : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  return %0 : tensor<4x4xf32>
}

// -----

// A large broadcast costs more memory than time: it stays.
// CHECK-LABEL: func.func @main
// CHECK: bess.broadcast
func.func @main() -> tensor<1024x1024x4xf32> {
  %w = bess.weight "a" <file = "m.onnx", offset = 0, length = 16> : tensor<4xf32>
  %0 = bess.broadcast %w : (tensor<4xf32>) -> tensor<1024x1024x4xf32>
  return %0 : tensor<1024x1024x4xf32>
}
