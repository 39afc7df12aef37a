// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --split-input-file --bessemer-narrow-products %s | FileCheck %s

module attributes {bess.target = {name = "cuda", architecture = 80 : i64}} {
  // CHECK-LABEL: func.func @weights
  // CHECK: %[[P:.*]] = bess.matmul %arg0, %arg1 {bess.reason = "float8 {{.*}}", to = f32} : (tensor<16x256xf16>, tensor<256x512xf8E4M3FN>) -> tensor<16x512xf32>
  // CHECK: %[[F:.*]] = bess.cast %arg2 {to = f32}
  // CHECK: %[[M:.*]] = bess.mul %[[P]], %[[F]]
  // CHECK: %[[Y:.*]] = bess.cast %[[M]] {to = f16}
  // CHECK-NOT: dequantize
  // CHECK: return %[[Y]]
  func.func @weights(%x: tensor<16x256xf16>, %q: tensor<256x512xf8E4M3FN>, %s: tensor<512xf16>) -> tensor<16x512xf16> {
    %w = bess.dequantize %q, %s {to = f16, axis = 1 : i64} : (tensor<256x512xf8E4M3FN>, tensor<512xf16>) -> tensor<256x512xf16>
    %y = bess.matmul %x, %w : (tensor<16x256xf16>, tensor<256x512xf16>) -> tensor<16x512xf16>
    return %y : tensor<16x512xf16>
  }
  // One scale, [columns, depth], a zero point of 0; a batch of activations.
  // CHECK-LABEL: func.func @transposed
  // CHECK: bess.matmul %arg0, %arg1 {{.*}}transpose_b} : (tensor<2x16x256xf32>, tensor<512x256xf8E5M2>) -> tensor<2x16x512xf32>
  // CHECK: bess.mul %{{.*}}, %arg2
  // CHECK-NOT: cast
  func.func @transposed(%x: tensor<2x16x256xf32>, %q: tensor<512x256xf8E5M2>, %s: tensor<f32>) -> tensor<2x16x512xf32> {
    %z = bess.constant dense<0.0> : tensor<f8E5M2>
    %w = bess.dequantize %q, %s, %z {to = f32} : (tensor<512x256xf8E5M2>, tensor<f32>, tensor<f8E5M2>) -> tensor<512x256xf32>
    %y = bess.matmul %x, %w {transpose_b} : (tensor<2x16x256xf32>, tensor<512x256xf32>) -> tensor<2x16x512xf32>
    return %y : tensor<2x16x512xf32>
  }
  // Scales along the depth, in blocks, of the left operand alone; a zero point that is not 0; a format that GPUs do not have.
  // CHECK-LABEL: func.func @not
  // CHECK-COUNT-5: bess.dequantize
  // CHECK-NOT: to = f32}
  func.func @not(%x: tensor<16x256xf16>, %q: tensor<256x512xf8E4M3FN>, %s: tensor<256xf16>, %b: tensor<256x16xf16>, %l: tensor<16x256xf8E4M3FN>,
                 %v: tensor<256x512xf16>, %u: tensor<256x512xf8E4M3FNUZ>)
      -> (tensor<16x512xf16>, tensor<16x512xf16>, tensor<16x512xf16>, tensor<16x512xf16>, tensor<16x512xf16>) {
    %one = bess.constant dense<1.0> : tensor<f16>
    %z = bess.constant dense<1.0> : tensor<f8E4M3FN>
    %w0 = bess.dequantize %q, %s {to = f16, axis = 0 : i64} : (tensor<256x512xf8E4M3FN>, tensor<256xf16>) -> tensor<256x512xf16>
    %w1 = bess.dequantize %q, %b {to = f16, axis = 1 : i64, block_size = 32 : i64} : (tensor<256x512xf8E4M3FN>, tensor<256x16xf16>) -> tensor<256x512xf16>
    %x2 = bess.dequantize %l, %one {to = f16} : (tensor<16x256xf8E4M3FN>, tensor<f16>) -> tensor<16x256xf16>
    %w3 = bess.dequantize %q, %one, %z {to = f16} : (tensor<256x512xf8E4M3FN>, tensor<f16>, tensor<f8E4M3FN>) -> tensor<256x512xf16>
    %w4 = bess.dequantize %u, %one {to = f16} : (tensor<256x512xf8E4M3FNUZ>, tensor<f16>) -> tensor<256x512xf16>
    %0 = bess.matmul %x, %w0 : (tensor<16x256xf16>, tensor<256x512xf16>) -> tensor<16x512xf16>
    %1 = bess.matmul %x, %w1 : (tensor<16x256xf16>, tensor<256x512xf16>) -> tensor<16x512xf16>
    %2 = bess.matmul %x2, %v : (tensor<16x256xf16>, tensor<256x512xf16>) -> tensor<16x512xf16>
    %3 = bess.matmul %x, %w3 : (tensor<16x256xf16>, tensor<256x512xf16>) -> tensor<16x512xf16>
    %4 = bess.matmul %x, %w4 : (tensor<16x256xf16>, tensor<256x512xf16>) -> tensor<16x512xf16>
    return %0, %1, %2, %3, %4 : tensor<16x512xf16>, tensor<16x512xf16>, tensor<16x512xf16>, tensor<16x512xf16>, tensor<16x512xf16>
  }
}

// -----

// With wgmma for float8: weights that the loader can turn are [columns, depth].
module attributes {bess.target = {name = "cuda", architecture = 90 : i64}} {
  // CHECK-LABEL: func.func @both
  // CHECK: %[[W:.*]] = bess.transpose %arg1 {permutation = array<i64: 1, 0>} : (tensor<256x512xf8E4M3FN>) -> tensor<512x256xf8E4M3FN>
  // CHECK: %[[P:.*]] = bess.matmul %arg0, %[[W]] {{.*}}to = f32, transpose_b} : (tensor<16x256xf8E4M3FN>, tensor<512x256xf8E4M3FN>) -> tensor<16x512xf32>
  // CHECK: %[[M:.*]] = bess.mul %[[P]], %arg2
  // CHECK: bess.mul %[[M]], %arg3
  func.func @both(%q: tensor<16x256xf8E4M3FN>, %v: tensor<256x512xf8E4M3FN> {bess.weight}, %s: tensor<512xf32>, %t: tensor<f32>) -> tensor<16x512xf32> {
    %w = bess.dequantize %v, %s {to = f32, axis = 1 : i64} : (tensor<256x512xf8E4M3FN>, tensor<512xf32>) -> tensor<256x512xf32>
    %x = bess.dequantize %q, %t {to = f32} : (tensor<16x256xf8E4M3FN>, tensor<f32>) -> tensor<16x256xf32>
    %y = bess.matmul %x, %w : (tensor<16x256xf32>, tensor<256x512xf32>) -> tensor<16x512xf32>
    return %y : tensor<16x512xf32>
  }
}

// -----

// The loader converts for a CPU.
module {
  // CHECK-LABEL: func.func @cpu
  // CHECK: bess.dequantize
  func.func @cpu(%x: tensor<16x256xf16>, %q: tensor<256x512xf8E4M3FN>, %s: tensor<f16>) -> tensor<16x512xf16> {
    %w = bess.dequantize %q, %s {to = f16} : (tensor<256x512xf8E4M3FN>, tensor<f16>) -> tensor<256x512xf16>
    %y = bess.matmul %x, %w : (tensor<16x256xf16>, tensor<256x512xf16>) -> tensor<16x512xf16>
    return %y : tensor<16x512xf16>
  }
}
