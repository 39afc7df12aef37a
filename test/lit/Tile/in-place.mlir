// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt %s --bessemer-generate-tile-programs --cse --bessemer-mark-in-place --split-input-file | FileCheck %s

// A residual that the epilogue adds may be written over; the left operand of the product, which other blocks read, may not.
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<64x64xf32>, %w: tensor<64x64xf32>, %r: tensor<64x64xf32>) -> tensor<64x64xf32> {
  // CHECK: bess.launch @{{.*}} {in_place = array<i64: 2>
  %0 = bess.fusion "matmul"(%x, %w, %r) reason "test" : (tensor<64x64xf32>, tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32> {
  ^bb0(%a: tensor<64x64xf32>, %b: tensor<64x64xf32>, %c: tensor<64x64xf32>):
    %1 = bess.matmul %a, %b : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
    %2 = bess.add %1, %c : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
    bess.yield %2 : tensor<64x64xf32>
  }
  return %0 : tensor<64x64xf32>
}

// -----

// A row is reduced before it is written; a transposed operand is read elsewhere than it is written.
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<8x8xf32>) -> (tensor<8x8xf32>, tensor<8x8xf32>) {
  // CHECK: bess.launch @row_0{{.*}} {in_place = array<i64: 0>
  %0 = bess.fusion "row"(%x) reason "test" : (tensor<8x8xf32>) -> tensor<8x8xf32> {
  ^bb0(%a: tensor<8x8xf32>):
    %1 = bess.softmax %a {axis = 1 : i64} : (tensor<8x8xf32>) -> tensor<8x8xf32>
    bess.yield %1 : tensor<8x8xf32>
  }
  // CHECK: bess.launch @row_1
  // CHECK-NOT: in_place
  %2 = bess.fusion "row"(%x) reason "test" : (tensor<8x8xf32>) -> tensor<8x8xf32> {
  ^bb0(%a: tensor<8x8xf32>):
    %1 = bess.transpose %a {permutation = array<i64: 1, 0>} : (tensor<8x8xf32>) -> tensor<8x8xf32>
    bess.yield %1 : tensor<8x8xf32>
  }
  // CHECK: return
  return %0, %2 : tensor<8x8xf32>, tensor<8x8xf32>
}
