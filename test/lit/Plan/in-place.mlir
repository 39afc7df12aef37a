// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt %s --bessemer-plan --split-input-file | FileCheck %s

// The operand dies: the result takes its memory over.
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: bess.launch @a({{.*}}bess.placement = [#bess.placement<1, "0">]
  %0 = bess.launch @a(%x) : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: bess.launch @b({{.*}}bess.placement = [#bess.placement<1, "0">]
  %1 = bess.launch @b(%0) {in_place = array<i64: 0>} : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: bess.launch @a({{.*}}bess.placement = [#bess.placement<2, "0">]
  %2 = bess.launch @a(%1) : (tensor<4xf32>) -> tensor<4xf32>
  return %2 : tensor<4xf32>
}

// -----

// The operand is read again; a view of it is read by the same kernel; it is the caller's.
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  // CHECK: bess.launch @a({{.*}}bess.placement = [#bess.placement<1, "0">]
  %0 = bess.launch @a(%x) {in_place = array<i64: 0>} : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: bess.launch @b({{.*}}bess.placement = [#bess.placement<2, "0">]
  %1 = bess.launch @b(%0) {in_place = array<i64: 0>} : (tensor<4xf32>) -> tensor<4xf32>
  %2 = bess.reshape %0 : (tensor<4xf32>) -> tensor<2x2xf32>
  // CHECK: bess.launch @c({{.*}}bess.placement = [#bess.placement<3, "0">]
  %3 = bess.launch @c(%0, %2) {in_place = array<i64: 0>} : (tensor<4xf32>, tensor<2x2xf32>) -> tensor<4xf32>
  return %1, %3 : tensor<4xf32>, tensor<4xf32>
}
