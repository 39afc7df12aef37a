// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --bessemer-raise --check-numerics %s | FileCheck %s

// Llama: cos and sin of concat(f, f), unsqueezed over the heads.
// CHECK-LABEL: func.func @rotated_halves
func.func @rotated_halves(%x: tensor<2x4x5x8xf32>, %f: tensor<2x5x4xf32>) -> tensor<2x4x5x8xf32> {
  // CHECK: %[[COS:.*]] = bess.cos %arg1
  // CHECK: %[[C:.*]] = bess.reshape %[[COS]] : (tensor<2x5x4xf32>) -> tensor<2x1x5x4xf32>
  // CHECK: %[[SIN:.*]] = bess.sin %arg1
  // CHECK: %[[S:.*]] = bess.reshape %[[SIN]]
  // CHECK: %[[Y:.*]] = bess.rope %arg0, %[[C]], %[[S]] {rotary = 8 : i64}
  // CHECK-NEXT: return %[[Y]]
  %ff = bess.concat %f, %f {axis = 2 : i64} : (tensor<2x5x4xf32>, tensor<2x5x4xf32>) -> tensor<2x5x8xf32>
  %cos = bess.cos %ff : (tensor<2x5x8xf32>) -> tensor<2x5x8xf32>
  %sin = bess.sin %ff : (tensor<2x5x8xf32>) -> tensor<2x5x8xf32>
  %c = bess.reshape %cos : (tensor<2x5x8xf32>) -> tensor<2x1x5x8xf32>
  %s = bess.reshape %sin : (tensor<2x5x8xf32>) -> tensor<2x1x5x8xf32>
  %0 = bess.mul %x, %c : (tensor<2x4x5x8xf32>, tensor<2x1x5x8xf32>) -> tensor<2x4x5x8xf32>
  %low = bess.slice %x {offsets = #bess.dims<"0", "0", "0", "0">, steps = array<i64: 1, 1, 1, 1>} : (tensor<2x4x5x8xf32>) -> tensor<2x4x5x4xf32>
  %high = bess.slice %x {offsets = #bess.dims<"0", "0", "0", "4">, steps = array<i64: 1, 1, 1, 1>} : (tensor<2x4x5x8xf32>) -> tensor<2x4x5x4xf32>
  %neg = bess.neg %high : (tensor<2x4x5x4xf32>) -> tensor<2x4x5x4xf32>
  %rot = bess.concat %neg, %low {axis = 3 : i64} : (tensor<2x4x5x4xf32>, tensor<2x4x5x4xf32>) -> tensor<2x4x5x8xf32>
  %1 = bess.mul %rot, %s : (tensor<2x4x5x8xf32>, tensor<2x1x5x8xf32>) -> tensor<2x4x5x8xf32>
  %2 = bess.add %0, %1 : (tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x5x8xf32>
  return %2 : tensor<2x4x5x8xf32>
}

// Only the first 4 of 8 elements are rotated; cos and sin carry a factor.
// CHECK-LABEL: func.func @partial
func.func @partial(%x: tensor<1x2x3x8xf32>, %f: tensor<1x1x3x2xf32>) -> tensor<1x2x3x8xf32> {
  // CHECK: bess.rope %arg0, %{{.*}}, %{{.*}} {rotary = 4 : i64} : (tensor<1x2x3x8xf32>, tensor<1x1x3x2xf32>, tensor<1x1x3x2xf32>)
  // CHECK-NEXT: return
  %factor = bess.constant dense<1.5> : tensor<f32>
  %ff = bess.concat %f, %f {axis = 3 : i64} : (tensor<1x1x3x2xf32>, tensor<1x1x3x2xf32>) -> tensor<1x1x3x4xf32>
  %cos = bess.cos %ff : (tensor<1x1x3x4xf32>) -> tensor<1x1x3x4xf32>
  %sin = bess.sin %ff : (tensor<1x1x3x4xf32>) -> tensor<1x1x3x4xf32>
  %c = bess.mul %cos, %factor : (tensor<1x1x3x4xf32>, tensor<f32>) -> tensor<1x1x3x4xf32>
  %s = bess.mul %factor, %sin : (tensor<f32>, tensor<1x1x3x4xf32>) -> tensor<1x1x3x4xf32>
  %turn = bess.slice %x {offsets = #bess.dims<"0", "0", "0", "0">, steps = array<i64: 1, 1, 1, 1>} : (tensor<1x2x3x8xf32>) -> tensor<1x2x3x4xf32>
  %rest = bess.slice %x {offsets = #bess.dims<"0", "0", "0", "4">, steps = array<i64: 1, 1, 1, 1>} : (tensor<1x2x3x8xf32>) -> tensor<1x2x3x4xf32>
  %low = bess.slice %turn {offsets = #bess.dims<"0", "0", "0", "0">, steps = array<i64: 1, 1, 1, 1>} : (tensor<1x2x3x4xf32>) -> tensor<1x2x3x2xf32>
  %high = bess.slice %turn {offsets = #bess.dims<"0", "0", "0", "2">, steps = array<i64: 1, 1, 1, 1>} : (tensor<1x2x3x4xf32>) -> tensor<1x2x3x2xf32>
  %neg = bess.neg %high : (tensor<1x2x3x2xf32>) -> tensor<1x2x3x2xf32>
  %rot = bess.concat %neg, %low {axis = 3 : i64} : (tensor<1x2x3x2xf32>, tensor<1x2x3x2xf32>) -> tensor<1x2x3x4xf32>
  %0 = bess.mul %turn, %c : (tensor<1x2x3x4xf32>, tensor<1x1x3x4xf32>) -> tensor<1x2x3x4xf32>
  %1 = bess.mul %rot, %s : (tensor<1x2x3x4xf32>, tensor<1x1x3x4xf32>) -> tensor<1x2x3x4xf32>
  %2 = bess.add %1, %0 : (tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>) -> tensor<1x2x3x4xf32>
  %3 = bess.concat %2, %rest {axis = 3 : i64} : (tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>) -> tensor<1x2x3x8xf32>
  return %3 : tensor<1x2x3x8xf32>
}

// Tables whose halves may differ.
// CHECK-LABEL: func.func @unknown_tables
func.func @unknown_tables(%x: tensor<1x2x3x4xf32>, %c: tensor<1x1x3x4xf32>, %s: tensor<1x1x3x4xf32>) -> tensor<1x2x3x4xf32> {
  // CHECK-NOT: bess.rope
  // CHECK: return
  %low = bess.slice %x {offsets = #bess.dims<"0", "0", "0", "0">, steps = array<i64: 1, 1, 1, 1>} : (tensor<1x2x3x4xf32>) -> tensor<1x2x3x2xf32>
  %high = bess.slice %x {offsets = #bess.dims<"0", "0", "0", "2">, steps = array<i64: 1, 1, 1, 1>} : (tensor<1x2x3x4xf32>) -> tensor<1x2x3x2xf32>
  %neg = bess.neg %high : (tensor<1x2x3x2xf32>) -> tensor<1x2x3x2xf32>
  %rot = bess.concat %neg, %low {axis = 3 : i64} : (tensor<1x2x3x2xf32>, tensor<1x2x3x2xf32>) -> tensor<1x2x3x4xf32>
  %0 = bess.mul %x, %c : (tensor<1x2x3x4xf32>, tensor<1x1x3x4xf32>) -> tensor<1x2x3x4xf32>
  %1 = bess.mul %rot, %s : (tensor<1x2x3x4xf32>, tensor<1x1x3x4xf32>) -> tensor<1x2x3x4xf32>
  %2 = bess.add %0, %1 : (tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>) -> tensor<1x2x3x4xf32>
  return %2 : tensor<1x2x3x4xf32>
}
