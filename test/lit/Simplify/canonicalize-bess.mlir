// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --bessemer-canonicalize-bess --check-numerics %s | FileCheck %s

// CHECK-LABEL: func.func @neutral
func.func @neutral(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  // CHECK-NEXT: return %arg0
  %zero = bess.constant dense<0.0> : tensor<f32>
  %one = bess.constant dense<1.0> : tensor<1xf32>
  %0 = bess.add %zero, %x : (tensor<f32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  %1 = bess.mul %0, %one : (tensor<2x3xf32>, tensor<1xf32>) -> tensor<2x3xf32>
  %2 = bess.div %1, %one : (tensor<2x3xf32>, tensor<1xf32>) -> tensor<2x3xf32>
  %3 = bess.sub %2, %zero : (tensor<2x3xf32>, tensor<f32>) -> tensor<2x3xf32>
  return %3 : tensor<2x3xf32>
}

// 0 - x is not x, and neither is x * 1 where the 1 makes it larger.
// CHECK-LABEL: func.func @not_neutral
func.func @not_neutral(%x: tensor<3xf32>) -> (tensor<3xf32>, tensor<2x3xf32>) {
  // CHECK: bess.sub
  // CHECK: bess.mul
  %zero = bess.constant dense<0.0> : tensor<f32>
  %ones = bess.constant dense<1.0> : tensor<2x3xf32>
  %0 = bess.sub %zero, %x : (tensor<f32>, tensor<3xf32>) -> tensor<3xf32>
  %1 = bess.mul %x, %ones : (tensor<3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  return %0, %1 : tensor<3xf32>, tensor<2x3xf32>
}

// CHECK-LABEL: func.func @casts
func.func @casts(%x: tensor<3xf32>, %m: tensor<3xi1>) -> (tensor<3xf32>, tensor<3xf16>, tensor<3xi1>) {
  // CHECK: %[[H:.*]] = bess.cast %arg0 {to = f16}
  // CHECK-NEXT: return %arg0, %[[H]], %arg1
  %0 = bess.cast %x {to = f64} : (tensor<3xf32>) -> tensor<3xf64>
  %1 = bess.cast %0 {to = f32} : (tensor<3xf64>) -> tensor<3xf32>
  %2 = bess.cast %0 {to = f16} : (tensor<3xf64>) -> tensor<3xf16>
  %3 = bess.cast %m {to = f32} : (tensor<3xi1>) -> tensor<3xf32>
  %4 = bess.cast %3 {to = i1} : (tensor<3xf32>) -> tensor<3xi1>
  return %1, %2, %4 : tensor<3xf32>, tensor<3xf16>, tensor<3xi1>
}

// A cast that loses bits stays.
// CHECK-LABEL: func.func @narrowing_casts
func.func @narrowing_casts(%x: tensor<3xf32>) -> tensor<3xf32> {
  // CHECK: bess.cast
  // CHECK: bess.cast
  %0 = bess.cast %x {to = i32} : (tensor<3xf32>) -> tensor<3xi32>
  %1 = bess.cast %0 {to = f32} : (tensor<3xi32>) -> tensor<3xf32>
  return %1 : tensor<3xf32>
}

// CHECK-LABEL: func.func @moves
func.func @moves(%x: tensor<2x3x4xf32>) -> (tensor<2x3x4xf32>, tensor<4x6xf32>, tensor<2x3x4xf32>, tensor<2x3x4xf32>) {
  // CHECK: %[[R:.*]] = bess.reshape %arg0 : (tensor<2x3x4xf32>) -> tensor<4x6xf32>
  // CHECK-NEXT: return %arg0, %[[R]], %arg0, %arg0
  %0 = bess.transpose %x {permutation = array<i64: 2, 0, 1>} : (tensor<2x3x4xf32>) -> tensor<4x2x3xf32>
  %1 = bess.transpose %0 {permutation = array<i64: 1, 2, 0>} : (tensor<4x2x3xf32>) -> tensor<2x3x4xf32>
  %2 = bess.reshape %x : (tensor<2x3x4xf32>) -> tensor<24xf32>
  %3 = bess.reshape %2 : (tensor<24xf32>) -> tensor<4x6xf32>
  %4 = bess.slice %x {offsets = #bess.dims<"0", "0", "0">, steps = array<i64: 1, 1, 1>} : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %5 = bess.concat %x {axis = 1 : i64} : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  return %1, %3, %4, %5 : tensor<2x3x4xf32>, tensor<4x6xf32>, tensor<2x3x4xf32>, tensor<2x3x4xf32>
}

// 1 + (2 + 3 * i) * 2 = 5 + 6 * i
// CHECK-LABEL: func.func @slice_of_slice
func.func @slice_of_slice(%x: tensor<32xf32>) -> tensor<3xf32> {
  // CHECK-NEXT: bess.slice %arg0 {offsets = #bess.dims<"5">, steps = array<i64: 6>}
  %0 = bess.slice %x {offsets = #bess.dims<"1">, steps = array<i64: 2>} : (tensor<32xf32>) -> tensor<12xf32>
  %1 = bess.slice %0 {offsets = #bess.dims<"2">, steps = array<i64: 3>} : (tensor<12xf32>) -> tensor<3xf32>
  return %1 : tensor<3xf32>
}

// What was appended to a cache is read without the cache.
// CHECK-LABEL: func.func @slice_of_concat
func.func @slice_of_concat(%a: tensor<?x4xf32, #bess.dims<"past", "4">>, %b: tensor<?x4xf32, #bess.dims<"seq", "4">>) -> tensor<?x4xf32, #bess.dims<"seq", "4">> {
  // CHECK-NEXT: return %arg1
  %0 = bess.concat %a, %b {axis = 0 : i64} : (tensor<?x4xf32, #bess.dims<"past", "4">>, tensor<?x4xf32, #bess.dims<"seq", "4">>) -> tensor<?x4xf32, #bess.dims<"past + seq", "4">>
  %1 = bess.slice %0 {offsets = #bess.dims<"past", "0">, steps = array<i64: 1, 1>} : (tensor<?x4xf32, #bess.dims<"past + seq", "4">>) -> tensor<?x4xf32, #bess.dims<"seq", "4">>
  return %1 : tensor<?x4xf32, #bess.dims<"seq", "4">>
}

// CHECK-LABEL: func.func @broadcast_by_the_op
func.func @broadcast_by_the_op(%x: tensor<2x3xf32>, %b: tensor<3xf32>) -> tensor<2x3xf32> {
  // CHECK-NEXT: bess.add %arg0, %arg1 : (tensor<2x3xf32>, tensor<3xf32>)
  %0 = bess.broadcast %b : (tensor<3xf32>) -> tensor<2x3xf32>
  %1 = bess.add %x, %0 : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  return %1 : tensor<2x3xf32>
}

// The shape that only the broadcasts make is made last.
// CHECK-LABEL: func.func @broadcast_that_makes_the_shape
func.func @broadcast_that_makes_the_shape(%x: tensor<1xf32>, %b: tensor<3xf32>) -> tensor<2x3xf32> {
  // CHECK-NEXT: %[[A:.*]] = bess.add %arg0, %arg1 : (tensor<1xf32>, tensor<3xf32>) -> tensor<3xf32>
  // CHECK-NEXT: bess.broadcast %[[A]]
  %0 = bess.broadcast %x : (tensor<1xf32>) -> tensor<2x3xf32>
  %1 = bess.broadcast %b : (tensor<3xf32>) -> tensor<2x3xf32>
  %2 = bess.add %0, %1 : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  return %2 : tensor<2x3xf32>
}

// A mask is made for one head and one row, and stretched after that.
// CHECK-LABEL: func.func @broadcast_sinks
func.func @broadcast_sinks(%m: tensor<2x1x5xi1>) -> tensor<2x4x5xf32> {
  // CHECK: %[[W:.*]] = bess.where %arg0, %{{.*}}, %{{.*}} : (tensor<2x1x5xi1>, tensor<f32>, tensor<f32>) -> tensor<2x1x5xf32>
  // CHECK: %[[N:.*]] = bess.neg %[[W]]
  // CHECK: bess.broadcast %[[N]] : (tensor<2x1x5xf32>) -> tensor<2x4x5xf32>
  %zero = bess.constant dense<0.0> : tensor<f32>
  %large = bess.constant dense<1.0e9> : tensor<f32>
  %0 = bess.broadcast %m : (tensor<2x1x5xi1>) -> tensor<2x4x5xi1>
  %1 = bess.where %0, %zero, %large : (tensor<2x4x5xi1>, tensor<f32>, tensor<f32>) -> tensor<2x4x5xf32>
  %2 = bess.neg %1 : (tensor<2x4x5xf32>) -> tensor<2x4x5xf32>
  return %2 : tensor<2x4x5xf32>
}

// CHECK-LABEL: func.func @matmul_of_transposes
func.func @matmul_of_transposes(%a: tensor<4x2xf32>, %b: tensor<8x4xf32>) -> tensor<2x8xf32> {
  // CHECK-NEXT: bess.matmul %arg0, %arg1 {transpose_a, transpose_b}
  %0 = bess.transpose %a {permutation = array<i64: 1, 0>} : (tensor<4x2xf32>) -> tensor<2x4xf32>
  %1 = bess.transpose %b {permutation = array<i64: 1, 0>} : (tensor<8x4xf32>) -> tensor<4x8xf32>
  %2 = bess.matmul %0, %1 : (tensor<2x4xf32>, tensor<4x8xf32>) -> tensor<2x8xf32>
  return %2 : tensor<2x8xf32>
}

// CHECK-LABEL: func.func @powers
func.func @powers(%x: tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>) {
  // CHECK: %[[S:.*]] = bess.mul %arg0, %arg0
  // CHECK: %[[R:.*]] = bess.reciprocal %arg0
  // CHECK: return %[[S]], %[[R]]
  %two = bess.constant dense<2.0> : tensor<f32>
  %minus = bess.constant dense<-1.0> : tensor<f32>
  %0 = bess.pow %x, %two : (tensor<3xf32>, tensor<f32>) -> tensor<3xf32>
  %1 = bess.pow %x, %minus : (tensor<3xf32>, tensor<f32>) -> tensor<3xf32>
  return %0, %1 : tensor<3xf32>, tensor<3xf32>
}

// CHECK-LABEL: func.func @conditions
func.func @conditions(%m: tensor<3xi1>, %x: tensor<3xf32>) -> (tensor<3xi1>, tensor<3xf32>) {
  // CHECK-NEXT: return %arg0, %arg1
  %true = bess.constant dense<true> : tensor<i1>
  %zero = bess.constant dense<0.0> : tensor<f32>
  %0 = bess.and %true, %m : (tensor<i1>, tensor<3xi1>) -> tensor<3xi1>
  %1 = bess.not %0 : (tensor<3xi1>) -> tensor<3xi1>
  %2 = bess.not %1 : (tensor<3xi1>) -> tensor<3xi1>
  %3 = bess.where %true, %x, %zero : (tensor<i1>, tensor<3xf32>, tensor<f32>) -> tensor<3xf32>
  return %2, %3 : tensor<3xi1>, tensor<3xf32>
}
