// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt %s --bessemer-plan --split-input-file | FileCheck %s

// A view shares the storage of its operand; what is returned is made in the result's memory.
// CHECK-LABEL: func.func @main
// CHECK-SAME: bess.frame_bytes = 16 : i64
// CHECK-SAME: kind = "input", index = 0
// CHECK-SAME: kind = "arena", index = 0, bytes = "16", lower = 0, upper = 3, offset = 0
// CHECK-SAME: kind = "output", index = 0
func.func @main(%x: tensor<4xf32>) -> tensor<2x2xf32> {
  // CHECK: bess.exp %{{.*}} {bess.placement = [#bess.placement<1, "0">]}
  %0 = bess.exp %x : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: bess.reshape %{{.*}} {bess.placement = [#bess.placement<1, "0">]}
  %1 = bess.reshape %0 : (tensor<4xf32>) -> tensor<2x2xf32>
  // CHECK: bess.neg %{{.*}} {bess.placement = [#bess.placement<2, "0">]}
  %2 = bess.neg %1 : (tensor<2x2xf32>) -> tensor<2x2xf32>
  return %2 : tensor<2x2xf32>
}

// -----

// A slice along the outermost dimension is a view; one along an inner dimension is not.
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4x8xf32>) -> (tensor<2x8xf32>, tensor<4x2xf32>) {
  // CHECK: bess.slice {{.*}}bess.placement = [#bess.placement<0, "32">], bess.view
  %0 = bess.slice %x {offsets = #bess.dims<"1", "0">, steps = array<i64: 1, 1>} : (tensor<4x8xf32>) -> tensor<2x8xf32>
  // CHECK: bess.slice
  // CHECK-NOT: bess.view
  %1 = bess.slice %x {offsets = #bess.dims<"0", "1">, steps = array<i64: 1, 1>} : (tensor<4x8xf32>) -> tensor<4x2xf32>
  return %0, %1 : tensor<2x8xf32>, tensor<4x2xf32>
}

// -----

// Sizes over symbols: the runtime plans. A size that only the data tells lies in the pool.
// CHECK-LABEL: func.func @main
// CHECK-SAME: bess.frame_bytes = -1
// CHECK-SAME: kind = "arena", index = 0, bytes = "4*n", lower = 0, upper = 2, offset = -1
// CHECK-SAME: kind = "pool", index = 0, bytes = "8*count"
func.func @main(%x: tensor<?xf32, #bess.dims<"n">>) -> tensor<1xi64> {
  %0 = bess.relu %x : (tensor<?xf32, #bess.dims<"n">>) -> tensor<?xf32, #bess.dims<"n">>
  %1 = bess.nonzero %0 : (tensor<?xf32, #bess.dims<"n">>) -> tensor<1x?xi64, #bess.dims<"1", "count">>
  %2 = bess.reduce %1 {kind = "sum", axes = array<i64: 1>, keepdims = false} : (tensor<1x?xi64, #bess.dims<"1", "count">>) -> tensor<1xi64>
  return %2 : tensor<1xi64>
}
