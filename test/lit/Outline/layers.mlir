// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt %s "--bessemer-outline=min-count=2 min-period=2 min-saved=2" --split-input-file | FileCheck %s
// RUN: bessemer-opt %s "--bessemer-outline=min-count=2 min-period=2 min-saved=2" --bessemer-inline-single-calls --split-input-file | FileCheck %s

// Three layers of matmul, add and relu: one function with the weights as arguments.
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %w0 = bess.weight "w0" <file = "m.onnx", offset = 0, length = 64> : tensor<4x4xf32>
  %w1 = bess.weight "w1" <file = "m.onnx", offset = 64, length = 64> : tensor<4x4xf32>
  %w2 = bess.weight "w2" <file = "m.onnx", offset = 128, length = 64> : tensor<4x4xf32>
  %c = bess.constant dense<0.5> : tensor<f32>
  // CHECK: %[[A:.*]] = {{.*}}call @layer_0(%arg0, %[[W0:.*]])
  // CHECK: %[[B:.*]] = {{.*}}call @layer_0(%[[A]], %[[W1:.*]])
  // CHECK: %[[C:.*]] = {{.*}}call @layer_0(%[[B]], %[[W2:.*]])
  // CHECK: return %[[C]]
  %0 = bess.matmul %x, %w0 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = bess.add %0, %c : (tensor<4x4xf32>, tensor<f32>) -> tensor<4x4xf32>
  %2 = bess.relu %1 : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %3 = bess.matmul %2, %w1 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %4 = bess.add %3, %c : (tensor<4x4xf32>, tensor<f32>) -> tensor<4x4xf32>
  %5 = bess.relu %4 : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %6 = bess.matmul %5, %w2 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %7 = bess.add %6, %c : (tensor<4x4xf32>, tensor<f32>) -> tensor<4x4xf32>
  %8 = bess.relu %7 : (tensor<4x4xf32>) -> tensor<4x4xf32>
  return %8 : tensor<4x4xf32>
}
// The small constant is part of the structure, the weight is an argument that says so.
// CHECK: func.func private @layer_0(%{{.*}}: tensor<4x4xf32>, %{{.*}}: tensor<4x4xf32> {bess.weight}) -> tensor<4x4xf32>
// CHECK-DAG: bess.constant
// CHECK-DAG: bess.matmul
// CHECK: return

// -----

// Different constants: no repeat.
// CHECK-LABEL: func.func @main
// CHECK-NOT: call
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c0 = bess.constant dense<0.5> : tensor<f32>
  %c1 = bess.constant dense<0.25> : tensor<f32>
  %0 = bess.add %x, %c0 : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %1 = bess.relu %0 : (tensor<4xf32>) -> tensor<4xf32>
  %2 = bess.add %1, %c1 : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %3 = bess.relu %2 : (tensor<4xf32>) -> tensor<4xf32>
  return %3 : tensor<4xf32>
}

// -----

// A layer ends with the relu that joins its add, although three layers could begin with one.
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %w0 = bess.weight "w0" <file = "m.onnx", offset = 0, length = 64> : tensor<4x4xf32>
  %w1 = bess.weight "w1" <file = "m.onnx", offset = 64, length = 64> : tensor<4x4xf32>
  // CHECK: %[[X:.*]] = bess.relu
  // CHECK: %[[A:.*]] = {{.*}}call @layer_0(%[[X]],
  // CHECK: %[[B:.*]] = {{.*}}call @layer_0(%[[A]],
  // CHECK-NEXT: return %[[B]]
  %0 = bess.neg %x : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = bess.relu %0 : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %2 = bess.matmul %1, %w0 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %3 = bess.add %1, %2 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %4 = bess.relu %3 : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %5 = bess.matmul %4, %w1 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %6 = bess.add %4, %5 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %7 = bess.relu %6 : (tensor<4x4xf32>) -> tensor<4x4xf32>
  return %7 : tensor<4x4xf32>
}
// CHECK: func.func private @layer_0
// CHECK-NEXT: bess.matmul
// CHECK-NEXT: bess.add
// CHECK-NEXT: bess.relu
// CHECK-NEXT: return
