// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --bessemer-move-reshapes --check-numerics %s | FileCheck %s

// A residual block as exporters write it: all of it in the shape of the products.
// CHECK-LABEL: func.func @block
func.func @block(%x: tensor<2x3x4xf32>, %w: tensor<4x8xf32>, %b: tensor<8xf32>, %v: tensor<8x4xf32>, %s: tensor<4xf32>)
    -> tensor<2x3x4xf32> {
  // CHECK: %[[X:.*]] = bess.reshape %arg0 : {{.*}} -> tensor<6x4xf32>
  // CHECK: %[[M:.*]] = bess.matmul %[[X]], %arg1
  // CHECK-NEXT: %[[A:.*]] = bess.add %[[M]], %arg2
  // CHECK-NEXT: %[[G:.*]] = bess.gelu %[[A]] {{.*}} -> tensor<6x8xf32>
  // CHECK-NEXT: %[[N:.*]] = bess.matmul %[[G]], %arg3
  // CHECK-NEXT: %[[HALF:.*]] = bess.reshape {{.*}} -> tensor<f32>
  // CHECK-NEXT: %[[H:.*]] = bess.mul %[[N]], %[[HALF]] {{.*}} -> tensor<6x4xf32>
  // CHECK: %[[R:.*]] = bess.add %{{.*}}, %[[H]] {{.*}} -> tensor<6x4xf32>
  // CHECK-NEXT: %[[L:.*]] = bess.layer_norm %[[R]], %arg4, %arg4 {axis = 1 : i64
  // CHECK-NEXT: %[[Y:.*]] = bess.reshape %[[L]] : {{.*}} -> tensor<2x3x4xf32>
  // CHECK-NEXT: return %[[Y]]
  %half = bess.constant dense<0.5> : tensor<1x1x1xf32>
  %0 = bess.reshape %x : (tensor<2x3x4xf32>) -> tensor<6x4xf32>
  %1 = bess.matmul %0, %w : (tensor<6x4xf32>, tensor<4x8xf32>) -> tensor<6x8xf32>
  %2 = bess.add %1, %b : (tensor<6x8xf32>, tensor<8xf32>) -> tensor<6x8xf32>
  %3 = bess.reshape %2 : (tensor<6x8xf32>) -> tensor<2x3x8xf32>
  %4 = bess.gelu %3 {approximate = "none"} : (tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  %5 = bess.reshape %4 : (tensor<2x3x8xf32>) -> tensor<6x8xf32>
  %6 = bess.matmul %5, %v : (tensor<6x8xf32>, tensor<8x4xf32>) -> tensor<6x4xf32>
  %7 = bess.reshape %6 : (tensor<6x4xf32>) -> tensor<2x3x4xf32>
  %8 = bess.mul %7, %half : (tensor<2x3x4xf32>, tensor<1x1x1xf32>) -> tensor<2x3x4xf32>
  %9 = bess.add %x, %8 : (tensor<2x3x4xf32>, tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %10 = bess.layer_norm %9, %s, %s {axis = 2 : i64, epsilon = 1.0e-5 : f64} : (tensor<2x3x4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<2x3x4xf32>
  return %10 : tensor<2x3x4xf32>
}

// Sizes that only the run knows; a product with a matrix in more dimensions.
// CHECK-LABEL: func.func @dynamic
func.func @dynamic(%x: tensor<?x4xf32, #bess.dims<"b*s", "4">>, %w: tensor<4x8xf32>, %v: tensor<5x8xf32>)
    -> tensor<?x?x5xf32, #bess.dims<"b", "s", "5">> {
  // CHECK-NEXT: %[[M:.*]] = bess.matmul %arg0, %arg1
  // CHECK-NEXT: %[[R:.*]] = bess.relu %[[M]] {{.*}} -> tensor<?x8xf32, #bess.dims<"b*s", "8">>
  // CHECK-NEXT: %[[N:.*]] = bess.matmul %[[R]], %arg2 {transpose_b} {{.*}} -> tensor<?x5xf32, #bess.dims<"b*s", "5">>
  // CHECK-NEXT: %[[Y:.*]] = bess.reshape %[[N]]
  // CHECK-NEXT: return %[[Y]]
  %0 = bess.matmul %x, %w : (tensor<?x4xf32, #bess.dims<"b*s", "4">>, tensor<4x8xf32>) -> tensor<?x8xf32, #bess.dims<"b*s", "8">>
  %1 = bess.reshape %0 : (tensor<?x8xf32, #bess.dims<"b*s", "8">>) -> tensor<?x?x8xf32, #bess.dims<"b", "s", "8">>
  %2 = bess.relu %1 : (tensor<?x?x8xf32, #bess.dims<"b", "s", "8">>) -> tensor<?x?x8xf32, #bess.dims<"b", "s", "8">>
  %3 = bess.matmul %2, %v {transpose_b} : (tensor<?x?x8xf32, #bess.dims<"b", "s", "8">>, tensor<5x8xf32>) -> tensor<?x?x5xf32, #bess.dims<"b", "s", "5">>
  return %3 : tensor<?x?x5xf32, #bess.dims<"b", "s", "5">>
}

// An operand for each of the dimensions that the reshape splits, a normalization over them, a product for each, and what
// is not computed by rows: the op needs the shape.
// CHECK-LABEL: func.func @stays
func.func @stays(%x: tensor<6x4xf32>, %m: tensor<2x1x4xf32>, %s: tensor<3x4xf32>, %w: tensor<2x4x4xf32>)
    -> (tensor<2x3x4xf32>, tensor<2x3x4xf32>, tensor<2x3x4xf32>, tensor<2x1x4xf32>) {
  // CHECK: %[[E:.*]] = bess.exp
  // CHECK-NEXT: %[[R:.*]] = bess.reshape %[[E]] : {{.*}} -> tensor<2x3x4xf32>
  // CHECK-NEXT: bess.add %[[R]]
  // CHECK-NEXT: bess.layer_norm %[[R]]
  // CHECK-NEXT: bess.matmul %[[R]]
  // CHECK-NEXT: bess.reduce %[[R]]
  %0 = bess.exp %x : (tensor<6x4xf32>) -> tensor<6x4xf32>
  %1 = bess.reshape %0 : (tensor<6x4xf32>) -> tensor<2x3x4xf32>
  %2 = bess.add %1, %m : (tensor<2x3x4xf32>, tensor<2x1x4xf32>) -> tensor<2x3x4xf32>
  %3 = bess.layer_norm %1, %s, %s {axis = 1 : i64, epsilon = 1.0e-5 : f64} : (tensor<2x3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<2x3x4xf32>
  %4 = bess.matmul %1, %w : (tensor<2x3x4xf32>, tensor<2x4x4xf32>) -> tensor<2x3x4xf32>
  %5 = bess.reduce %1 {axes = array<i64: 1>, kind = "sum"} : (tensor<2x3x4xf32>) -> tensor<2x1x4xf32>
  return %2, %3, %4, %5 : tensor<2x3x4xf32>, tensor<2x3x4xf32>, tensor<2x3x4xf32>, tensor<2x1x4xf32>
}

// A reshape of an argument stays where it costs nothing; one between an op and the only reader of another would cut them apart.
// CHECK-LABEL: func.func @separates
func.func @separates(%x: tensor<6x4xf32>, %y: tensor<2x3x4xf32>) -> (tensor<2x3x4xf32>, tensor<2x3x4xf32>) {
  // CHECK: %[[A:.*]] = bess.reshape %arg0
  // CHECK-NEXT: bess.relu %[[A]] : (tensor<2x3x4xf32>)
  // CHECK-NEXT: %[[E:.*]] = bess.exp %arg0
  // CHECK-NEXT: %[[R:.*]] = bess.reshape %[[E]]
  // CHECK-NEXT: %[[T:.*]] = bess.tanh %arg1
  // CHECK-NEXT: bess.add %[[R]], %[[T]] : (tensor<2x3x4xf32>
  %0 = bess.reshape %x : (tensor<6x4xf32>) -> tensor<2x3x4xf32>
  %1 = bess.relu %0 : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %2 = bess.exp %x : (tensor<6x4xf32>) -> tensor<6x4xf32>
  %3 = bess.reshape %2 : (tensor<6x4xf32>) -> tensor<2x3x4xf32>
  %4 = bess.tanh %y : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %5 = bess.add %3, %4 : (tensor<2x3x4xf32>, tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  return %1, %5 : tensor<2x3x4xf32>, tensor<2x3x4xf32>
}

// CHECK-LABEL: func.func @transposes
func.func @transposes(%x: tensor<1x1x12xf32>, %y: tensor<2x3x4xf32>) -> (tensor<1x4x1x3xf32>, tensor<3x2x4xf32>) {
  // CHECK-NEXT: %[[A:.*]] = bess.reshape %arg0 : (tensor<1x1x12xf32>) -> tensor<1x4x1x3xf32>
  // CHECK-NEXT: %[[B:.*]] = bess.transpose %arg1
  // CHECK-NEXT: return %[[A]], %[[B]]
  %0 = bess.reshape %x : (tensor<1x1x12xf32>) -> tensor<1x1x4x3xf32>
  %1 = bess.transpose %0 {permutation = array<i64: 0, 2, 1, 3>} : (tensor<1x1x4x3xf32>) -> tensor<1x4x1x3xf32>
  %2 = bess.transpose %y {permutation = array<i64: 1, 0, 2>} : (tensor<2x3x4xf32>) -> tensor<3x2x4xf32>
  return %1, %2 : tensor<1x4x1x3xf32>, tensor<3x2x4xf32>
}

// Keys out of one product for queries, keys and values: whole heads are cut out, so that slice and transpose are one move.
// CHECK-LABEL: func.func @heads
func.func @heads(%x: tensor<2x5x24xf32>) -> (tensor<2x2x5x4xf32>, tensor<2x2x5x4xf32>) {
  // CHECK: %[[R:.*]] = bess.reshape %arg0 : (tensor<2x5x24xf32>) -> tensor<2x5x6x4xf32>
  // CHECK-NEXT: %[[S:.*]] = bess.slice %[[R]] {offsets = #bess.dims<"0", "0", "2", "0">, {{.*}} -> tensor<2x5x2x4xf32>
  // CHECK-NEXT: bess.transpose %[[S]]
  // CHECK-NEXT: bess.slice %arg0 {offsets = #bess.dims<"0", "0", "9">
  %0 = bess.slice %x {offsets = #bess.dims<"0", "0", "8">, steps = array<i64: 1, 1, 1>} : (tensor<2x5x24xf32>) -> tensor<2x5x8xf32>
  %1 = bess.reshape %0 : (tensor<2x5x8xf32>) -> tensor<2x5x2x4xf32>
  %2 = bess.transpose %1 {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x5x2x4xf32>) -> tensor<2x2x5x4xf32>
  %3 = bess.slice %x {offsets = #bess.dims<"0", "0", "9">, steps = array<i64: 1, 1, 1>} : (tensor<2x5x24xf32>) -> tensor<2x5x8xf32>
  %4 = bess.reshape %3 : (tensor<2x5x8xf32>) -> tensor<2x5x2x4xf32>
  %5 = bess.transpose %4 {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x5x2x4xf32>) -> tensor<2x2x5x4xf32>
  return %2, %5 : tensor<2x2x5x4xf32>, tensor<2x2x5x4xf32>
}
