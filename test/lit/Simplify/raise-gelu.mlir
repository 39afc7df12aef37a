// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --bessemer-raise --check-numerics %s | FileCheck %s

// x * (1 + erf(x / sqrt 2)) * 0.5
// CHECK-LABEL: func.func @erf
func.func @erf(%x: tensor<2x8xf32>) -> tensor<2x8xf32> {
  // CHECK-NEXT: %[[Y:.*]] = bess.gelu %arg0
  // CHECK-NEXT: return %[[Y]]
  %root = bess.constant dense<1.41421354> : tensor<f32>
  %one = bess.constant dense<1.0> : tensor<f32>
  %half = bess.constant dense<0.5> : tensor<f32>
  %0 = bess.div %x, %root : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32>
  %1 = bess.erf %0 : (tensor<2x8xf32>) -> tensor<2x8xf32>
  %2 = bess.add %1, %one : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32>
  %3 = bess.mul %x, %2 : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %4 = bess.mul %3, %half : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32>
  return %4 : tensor<2x8xf32>
}

// (0.5 * x) * (erf(x * 0.7071) + 1), x itself a product.
// CHECK-LABEL: func.func @erf_of_product
func.func @erf_of_product(%a: tensor<2x8xf32>, %b: tensor<8xf32>) -> tensor<2x8xf32> {
  // CHECK-NEXT: %[[X:.*]] = bess.mul %arg0, %arg1
  // CHECK-NEXT: %[[Y:.*]] = bess.gelu %[[X]]
  // CHECK-NEXT: return %[[Y]]
  %root = bess.constant dense<0.707106769> : tensor<1xf32>
  %one = bess.constant dense<1.0> : tensor<2x8xf32>
  %half = bess.constant dense<0.5> : tensor<f32>
  %x = bess.mul %a, %b : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xf32>
  %0 = bess.mul %x, %root : (tensor<2x8xf32>, tensor<1xf32>) -> tensor<2x8xf32>
  %1 = bess.erf %0 : (tensor<2x8xf32>) -> tensor<2x8xf32>
  %2 = bess.add %one, %1 : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %3 = bess.mul %half, %x : (tensor<f32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %4 = bess.mul %3, %2 : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  return %4 : tensor<2x8xf32>
}

// GPT-2's: 0.5 * x * (1 + tanh(0.79788 * (x + 0.044715 * x^3)))
// CHECK-LABEL: func.func @tanh
func.func @tanh(%x: tensor<2x8xf32>) -> tensor<2x8xf32> {
  // CHECK-NEXT: %[[Y:.*]] = bess.gelu %arg0 {approximate = "tanh"}
  // CHECK-NEXT: return %[[Y]]
  %three = bess.constant dense<3.0> : tensor<f32>
  %c = bess.constant dense<0.0447149985> : tensor<f32>
  %r = bess.constant dense<0.797884583> : tensor<f32>
  %one = bess.constant dense<1.0> : tensor<f32>
  %half = bess.constant dense<0.5> : tensor<f32>
  %0 = bess.pow %x, %three : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32>
  %1 = bess.mul %0, %c : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32>
  %2 = bess.add %x, %1 : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %3 = bess.mul %2, %r : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32>
  %4 = bess.tanh %3 : (tensor<2x8xf32>) -> tensor<2x8xf32>
  %5 = bess.add %4, %one : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32>
  %6 = bess.mul %x, %half : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32>
  %7 = bess.mul %6, %5 : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  return %7 : tensor<2x8xf32>
}

// 0.5 * (x * (1 + tanh(x * 0.79788 * (1 + 0.044715 * x * x))))
// CHECK-LABEL: func.func @tanh_factored
func.func @tanh_factored(%x: tensor<2x8xf32>) -> tensor<2x8xf32> {
  // CHECK-NEXT: %[[Y:.*]] = bess.gelu %arg0 {approximate = "tanh"}
  // CHECK-NEXT: return %[[Y]]
  %c = bess.constant dense<0.0447149985> : tensor<f32>
  %r = bess.constant dense<0.797884583> : tensor<f32>
  %one = bess.constant dense<1.0> : tensor<f32>
  %half = bess.constant dense<0.5> : tensor<f32>
  %0 = bess.mul %c, %x : (tensor<f32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %1 = bess.mul %0, %x : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %2 = bess.add %one, %1 : (tensor<f32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %3 = bess.mul %x, %r : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32>
  %4 = bess.mul %3, %2 : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %5 = bess.tanh %4 : (tensor<2x8xf32>) -> tensor<2x8xf32>
  %6 = bess.add %one, %5 : (tensor<f32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %7 = bess.mul %x, %6 : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %8 = bess.mul %half, %7 : (tensor<f32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  return %8 : tensor<2x8xf32>
}

// CHECK-LABEL: func.func @sigmoid
func.func @sigmoid(%x: tensor<2x8xf32>) -> tensor<2x8xf32> {
  // CHECK-NEXT: %[[Y:.*]] = bess.gelu %arg0 {approximate = "sigmoid"}
  // CHECK-NEXT: return %[[Y]]
  %c = bess.constant dense<1.702> : tensor<f32>
  %0 = bess.mul %c, %x : (tensor<f32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %1 = bess.sigmoid %0 : (tensor<2x8xf32>) -> tensor<2x8xf32>
  %2 = bess.mul %x, %1 : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  return %2 : tensor<2x8xf32>
}

// SiLU stays; so do an erf of something else, and another constant.
// CHECK-LABEL: func.func @no_gelu
func.func @no_gelu(%x: tensor<2x8xf32>, %z: tensor<2x8xf32>) -> (tensor<2x8xf32>, tensor<2x8xf32>, tensor<2x8xf32>) {
  // CHECK-NOT: bess.gelu
  // CHECK: return
  %root = bess.constant dense<1.41421354> : tensor<f32>
  %one = bess.constant dense<1.0> : tensor<f32>
  %half = bess.constant dense<0.5> : tensor<f32>
  %0 = bess.sigmoid %x : (tensor<2x8xf32>) -> tensor<2x8xf32>
  %silu = bess.mul %x, %0 : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %1 = bess.div %z, %root : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32>
  %2 = bess.erf %1 : (tensor<2x8xf32>) -> tensor<2x8xf32>
  %3 = bess.add %2, %one : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32>
  %4 = bess.mul %x, %3 : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %other = bess.mul %4, %half : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32>
  %5 = bess.erf %x : (tensor<2x8xf32>) -> tensor<2x8xf32>
  %6 = bess.add %5, %one : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32>
  %7 = bess.mul %x, %6 : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %noroot = bess.mul %7, %half : (tensor<2x8xf32>, tensor<f32>) -> tensor<2x8xf32>
  return %silu, %other, %noroot : tensor<2x8xf32>, tensor<2x8xf32>, tensor<2x8xf32>
}
