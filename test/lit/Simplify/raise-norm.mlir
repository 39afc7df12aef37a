// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --bessemer-raise --check-numerics %s | FileCheck %s

// As torch's exporter writes it below opset 17.
// CHECK-LABEL: func.func @layer_norm
func.func @layer_norm(%x: tensor<2x5x8xf32>, %w: tensor<8xf32>, %b: tensor<8xf32>) -> tensor<2x5x8xf32> {
  // CHECK-NEXT: %[[Y:.*]] = bess.layer_norm %arg0, %arg1, %arg2 {axis = 2 : i64, epsilon = 9.99999{{.*}}E-6 : f64}
  // CHECK-NEXT: return %[[Y]]
  %two = bess.constant dense<2.0> : tensor<f32>
  %eps = bess.constant dense<0.00001> : tensor<f32>
  %m = bess.reduce %x {kind = "mean", axes = array<i64: 2>} : (tensor<2x5x8xf32>) -> tensor<2x5x1xf32>
  %c = bess.sub %x, %m : (tensor<2x5x8xf32>, tensor<2x5x1xf32>) -> tensor<2x5x8xf32>
  %p = bess.pow %c, %two : (tensor<2x5x8xf32>, tensor<f32>) -> tensor<2x5x8xf32>
  %v = bess.reduce %p {kind = "mean", axes = array<i64: 2>} : (tensor<2x5x8xf32>) -> tensor<2x5x1xf32>
  %e = bess.add %v, %eps : (tensor<2x5x1xf32>, tensor<f32>) -> tensor<2x5x1xf32>
  %s = bess.sqrt %e : (tensor<2x5x1xf32>) -> tensor<2x5x1xf32>
  %n = bess.div %c, %s : (tensor<2x5x8xf32>, tensor<2x5x1xf32>) -> tensor<2x5x8xf32>
  %0 = bess.mul %n, %w : (tensor<2x5x8xf32>, tensor<8xf32>) -> tensor<2x5x8xf32>
  %1 = bess.add %0, %b : (tensor<2x5x8xf32>, tensor<8xf32>) -> tensor<2x5x8xf32>
  return %1 : tensor<2x5x8xf32>
}

// Other orders of operands, mul for pow, rsqrt for sqrt and div, named dimensions, no bias.
// CHECK-LABEL: func.func @layer_norm_rsqrt
func.func @layer_norm_rsqrt(%x: tensor<?x8xf32, #bess.dims<"n", "8">>, %w: tensor<8xf32>) -> tensor<?x8xf32, #bess.dims<"n", "8">> {
  // CHECK-NEXT: bess.layer_norm %arg0, %arg1 {axis = 1 : i64
  %eps = bess.constant dense<0.00001> : tensor<1xf32>
  %m = bess.reduce %x {kind = "mean", axes = array<i64: 1>} : (tensor<?x8xf32, #bess.dims<"n", "8">>) -> tensor<?x1xf32, #bess.dims<"n", "1">>
  %c = bess.sub %x, %m : (tensor<?x8xf32, #bess.dims<"n", "8">>, tensor<?x1xf32, #bess.dims<"n", "1">>) -> tensor<?x8xf32, #bess.dims<"n", "8">>
  %p = bess.mul %c, %c : (tensor<?x8xf32, #bess.dims<"n", "8">>, tensor<?x8xf32, #bess.dims<"n", "8">>) -> tensor<?x8xf32, #bess.dims<"n", "8">>
  %v = bess.reduce %p {kind = "mean", axes = array<i64: 1>} : (tensor<?x8xf32, #bess.dims<"n", "8">>) -> tensor<?x1xf32, #bess.dims<"n", "1">>
  %e = bess.add %eps, %v : (tensor<1xf32>, tensor<?x1xf32, #bess.dims<"n", "1">>) -> tensor<?x1xf32, #bess.dims<"n", "1">>
  %r = bess.rsqrt %e : (tensor<?x1xf32, #bess.dims<"n", "1">>) -> tensor<?x1xf32, #bess.dims<"n", "1">>
  %n = bess.mul %r, %c : (tensor<?x1xf32, #bess.dims<"n", "1">>, tensor<?x8xf32, #bess.dims<"n", "8">>) -> tensor<?x8xf32, #bess.dims<"n", "8">>
  %0 = bess.mul %w, %n : (tensor<8xf32>, tensor<?x8xf32, #bess.dims<"n", "8">>) -> tensor<?x8xf32, #bess.dims<"n", "8">>
  return %0 : tensor<?x8xf32, #bess.dims<"n", "8">>
}

// Over two dimensions, with nothing behind it.
// CHECK-LABEL: func.func @layer_norm_two_axes
func.func @layer_norm_two_axes(%x: tensor<2x5x8xf32>) -> tensor<2x5x8xf32> {
  // CHECK: %[[ONES:.*]] = bess.constant dense<1.000000e+00> : tensor<5x8xf32>
  // CHECK: bess.layer_norm %arg0, %[[ONES]] {axis = 1 : i64
  %eps = bess.constant dense<0.00001> : tensor<f32>
  %m = bess.reduce %x {kind = "mean", axes = array<i64: 1, 2>} : (tensor<2x5x8xf32>) -> tensor<2x1x1xf32>
  %c = bess.sub %x, %m : (tensor<2x5x8xf32>, tensor<2x1x1xf32>) -> tensor<2x5x8xf32>
  %p = bess.mul %c, %c : (tensor<2x5x8xf32>, tensor<2x5x8xf32>) -> tensor<2x5x8xf32>
  %v = bess.reduce %p {kind = "mean", axes = array<i64: 1, 2>} : (tensor<2x5x8xf32>) -> tensor<2x1x1xf32>
  %e = bess.add %v, %eps : (tensor<2x1x1xf32>, tensor<f32>) -> tensor<2x1x1xf32>
  %s = bess.sqrt %e : (tensor<2x1x1xf32>) -> tensor<2x1x1xf32>
  %n = bess.div %c, %s : (tensor<2x5x8xf32>, tensor<2x1x1xf32>) -> tensor<2x5x8xf32>
  return %n : tensor<2x5x8xf32>
}

// Near misses: the mean of another tensor, axes that are not the last.
// CHECK-LABEL: func.func @other_mean
func.func @other_mean(%x: tensor<5x8xf32>, %z: tensor<5x8xf32>) -> tensor<5x8xf32> {
  // CHECK-NOT: bess.layer_norm
  // CHECK: return
  %eps = bess.constant dense<0.00001> : tensor<f32>
  %m = bess.reduce %z {kind = "mean", axes = array<i64: 1>} : (tensor<5x8xf32>) -> tensor<5x1xf32>
  %c = bess.sub %x, %m : (tensor<5x8xf32>, tensor<5x1xf32>) -> tensor<5x8xf32>
  %p = bess.mul %z, %z : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  %v = bess.reduce %p {kind = "mean", axes = array<i64: 1>} : (tensor<5x8xf32>) -> tensor<5x1xf32>
  %e = bess.add %v, %eps : (tensor<5x1xf32>, tensor<f32>) -> tensor<5x1xf32>
  %s = bess.sqrt %e : (tensor<5x1xf32>) -> tensor<5x1xf32>
  %n = bess.div %c, %s : (tensor<5x8xf32>, tensor<5x1xf32>) -> tensor<5x8xf32>
  return %n : tensor<5x8xf32>
}

// CHECK-LABEL: func.func @first_axis
func.func @first_axis(%x: tensor<5x8xf32>) -> tensor<5x8xf32> {
  // CHECK-NOT: bess.rms_norm
  // CHECK: return
  %eps = bess.constant dense<0.00001> : tensor<f32>
  %p = bess.mul %x, %x : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  %v = bess.reduce %p {kind = "mean", axes = array<i64: 0>} : (tensor<5x8xf32>) -> tensor<1x8xf32>
  %e = bess.add %v, %eps : (tensor<1x8xf32>, tensor<f32>) -> tensor<1x8xf32>
  %s = bess.sqrt %e : (tensor<1x8xf32>) -> tensor<1x8xf32>
  %n = bess.div %x, %s : (tensor<5x8xf32>, tensor<1x8xf32>) -> tensor<5x8xf32>
  return %n : tensor<5x8xf32>
}

// Llama: 1 / sqrt by div, the weight at the left.
// CHECK-LABEL: func.func @rms_norm
func.func @rms_norm(%x: tensor<5x8xf32>, %w: tensor<8xf32>) -> tensor<5x8xf32> {
  // CHECK-NEXT: %[[Y:.*]] = bess.rms_norm %arg0, %arg1 {axis = 1 : i64, epsilon = 9.9999999747524271E-7 : f64}
  // CHECK-NEXT: return %[[Y]]
  %two = bess.constant dense<2.0> : tensor<f32>
  %one = bess.constant dense<1.0> : tensor<f32>
  %eps = bess.constant dense<0.000001> : tensor<f32>
  %p = bess.pow %x, %two : (tensor<5x8xf32>, tensor<f32>) -> tensor<5x8xf32>
  %v = bess.reduce %p {kind = "mean", axes = array<i64: 1>} : (tensor<5x8xf32>) -> tensor<5x1xf32>
  %e = bess.add %v, %eps : (tensor<5x1xf32>, tensor<f32>) -> tensor<5x1xf32>
  %s = bess.sqrt %e : (tensor<5x1xf32>) -> tensor<5x1xf32>
  %r = bess.div %one, %s : (tensor<f32>, tensor<5x1xf32>) -> tensor<5x1xf32>
  %n = bess.mul %x, %r : (tensor<5x8xf32>, tensor<5x1xf32>) -> tensor<5x8xf32>
  %0 = bess.mul %w, %n : (tensor<8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  return %0 : tensor<5x8xf32>
}

// f16 models widen, normalize, narrow, and scale in f16; reciprocal for div.
// CHECK-LABEL: func.func @rms_norm_f16
func.func @rms_norm_f16(%x: tensor<5x8xf16>, %w: tensor<8xf16>) -> tensor<5x8xf16> {
  // CHECK-NEXT: %[[Y:.*]] = bess.rms_norm %arg0, %arg1
  // CHECK-SAME: (tensor<5x8xf16>, tensor<8xf16>) -> tensor<5x8xf16>
  // CHECK-NEXT: return %[[Y]]
  %eps = bess.constant dense<0.00001> : tensor<f32>
  %wide = bess.cast %x {to = f32} : (tensor<5x8xf16>) -> tensor<5x8xf32>
  %p = bess.mul %wide, %wide : (tensor<5x8xf32>, tensor<5x8xf32>) -> tensor<5x8xf32>
  %v = bess.reduce %p {kind = "mean", axes = array<i64: 1>} : (tensor<5x8xf32>) -> tensor<5x1xf32>
  %e = bess.add %v, %eps : (tensor<5x1xf32>, tensor<f32>) -> tensor<5x1xf32>
  %s = bess.sqrt %e : (tensor<5x1xf32>) -> tensor<5x1xf32>
  %r = bess.reciprocal %s : (tensor<5x1xf32>) -> tensor<5x1xf32>
  %n = bess.mul %wide, %r : (tensor<5x8xf32>, tensor<5x1xf32>) -> tensor<5x8xf32>
  %h = bess.cast %n {to = f16} : (tensor<5x8xf32>) -> tensor<5x8xf16>
  %0 = bess.mul %h, %w : (tensor<5x8xf16>, tensor<8xf16>) -> tensor<5x8xf16>
  return %0 : tensor<5x8xf16>
}
