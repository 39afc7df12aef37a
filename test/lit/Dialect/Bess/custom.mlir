// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt %s --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @scale
// CHECK: bess.custom %arg0, %arg1 {absent = array<i64: 1>, node_attributes = {by = 2 : i64}, op_type = "com.example.Scale"}
func.func @scale(%x: tensor<4xf32>, %z: tensor<4xf32>) -> tensor<4xf32> {
  %y = bess.custom %x, %z {op_type = "com.example.Scale", node_attributes = {by = 2 : i64}, absent = array<i64: 1>} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

func.func @no_name(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{expected the op's domain and type, got an empty text}}
  %y = bess.custom %x {op_type = "", node_attributes = {}} : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

func.func @absent_outside(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{expected absent operands in [0, 2), got 5}}
  %y = bess.custom %x {op_type = "a.B", node_attributes = {}, absent = array<i64: 5>} : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
