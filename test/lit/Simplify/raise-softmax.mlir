// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --bessemer-raise --check-numerics %s | FileCheck %s

// CHECK-LABEL: func.func @softmax
func.func @softmax(%x: tensor<2x8xf32>) -> tensor<2x8xf32> {
  // CHECK-NEXT: %[[Y:.*]] = bess.softmax %arg0 {axis = 1 : i64}
  // CHECK-NEXT: return %[[Y]]
  %m = bess.reduce %x {kind = "max", axes = array<i64: 1>} : (tensor<2x8xf32>) -> tensor<2x1xf32>
  %d = bess.sub %x, %m : (tensor<2x8xf32>, tensor<2x1xf32>) -> tensor<2x8xf32>
  %e = bess.exp %d : (tensor<2x8xf32>) -> tensor<2x8xf32>
  %s = bess.reduce %e {kind = "sum", axes = array<i64: 1>} : (tensor<2x8xf32>) -> tensor<2x1xf32>
  %0 = bess.div %e, %s : (tensor<2x8xf32>, tensor<2x1xf32>) -> tensor<2x8xf32>
  return %0 : tensor<2x8xf32>
}

// CHECK-LABEL: func.func @log_softmax_without_max
func.func @log_softmax_without_max(%x: tensor<2x8xf32>) -> tensor<2x8xf32> {
  // CHECK-NEXT: %[[Y:.*]] = bess.softmax %arg0 {axis = 0 : i64, log = true}
  // CHECK-NEXT: return %[[Y]]
  %e = bess.exp %x : (tensor<2x8xf32>) -> tensor<2x8xf32>
  %s = bess.reduce %e {kind = "sum", axes = array<i64: 0>} : (tensor<2x8xf32>) -> tensor<1x8xf32>
  %0 = bess.div %e, %s : (tensor<2x8xf32>, tensor<1x8xf32>) -> tensor<2x8xf32>
  %1 = bess.log %0 : (tensor<2x8xf32>) -> tensor<2x8xf32>
  return %1 : tensor<2x8xf32>
}

// The sum of something else.
// CHECK-LABEL: func.func @no_softmax
func.func @no_softmax(%x: tensor<2x8xf32>, %z: tensor<2x8xf32>) -> tensor<2x8xf32> {
  // CHECK-NOT: bess.softmax
  // CHECK: return
  %e = bess.exp %x : (tensor<2x8xf32>) -> tensor<2x8xf32>
  %s = bess.reduce %z {kind = "sum", axes = array<i64: 0>} : (tensor<2x8xf32>) -> tensor<1x8xf32>
  %0 = bess.div %e, %s : (tensor<2x8xf32>, tensor<1x8xf32>) -> tensor<2x8xf32>
  return %0 : tensor<2x8xf32>
}
