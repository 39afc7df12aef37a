// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --split-input-file --bessemer-move-reshapes --check-numerics %s | FileCheck %s

module attributes {bess.target = {name = "cuda", architecture = 90 : i64}} {
  // Attention on a GPU reads heads out of a slice, so that queries of one product for all three are cut out as heads.
  // CHECK-LABEL: func.func @heads
  // CHECK: %[[R:.*]] = bess.reshape %arg0 : (tensor<2x5x24xf32>) -> tensor<2x5x6x4xf32>
  // CHECK-NEXT: %[[S:.*]] = bess.slice %[[R]] {offsets = #bess.dims<"0", "0", "2", "0">, {{.*}} -> tensor<2x5x2x4xf32>
  // CHECK-NEXT: bess.attention %[[S]], %arg1, %arg1
  func.func @heads(%x: tensor<2x5x24xf32>, %k: tensor<2x2x7x4xf32>) -> tensor<2x5x2x4xf32> {
    %0 = bess.slice %x {offsets = #bess.dims<"0", "0", "8">, steps = array<i64: 1, 1, 1>} : (tensor<2x5x24xf32>) -> tensor<2x5x8xf32>
    %1 = bess.reshape %0 : (tensor<2x5x8xf32>) -> tensor<2x5x2x4xf32>
    %2 = bess.attention %1, %k, %k {scale = 0.5 : f64, q_layout = "bshd", y_layout = "bshd", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<2x5x2x4xf32>, tensor<2x2x7x4xf32>, tensor<2x2x7x4xf32>) -> tensor<2x5x2x4xf32>
    return %2 : tensor<2x5x2x4xf32>
  }
}

// -----

// On a CPU the slice copies longer rows.
// CHECK-LABEL: func.func @cpu
// CHECK-NEXT: bess.slice %arg0 {offsets = #bess.dims<"0", "0", "8">
func.func @cpu(%x: tensor<2x5x24xf32>, %k: tensor<2x2x7x4xf32>) -> tensor<2x5x2x4xf32> {
  %0 = bess.slice %x {offsets = #bess.dims<"0", "0", "8">, steps = array<i64: 1, 1, 1>} : (tensor<2x5x24xf32>) -> tensor<2x5x8xf32>
  %1 = bess.reshape %0 : (tensor<2x5x8xf32>) -> tensor<2x5x2x4xf32>
  %2 = bess.attention %1, %k, %k {scale = 0.5 : f64, q_layout = "bshd", y_layout = "bshd", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<2x5x2x4xf32>, tensor<2x2x7x4xf32>, tensor<2x2x7x4xf32>) -> tensor<2x5x2x4xf32>
  return %2 : tensor<2x5x2x4xf32>
}
