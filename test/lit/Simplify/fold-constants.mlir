// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: rm -rf %t && mkdir %t && cd %t
// RUN: %python -c "import struct; open('w.bin', 'wb').write(struct.pack('<4q', 2, 3, 5, 7) + struct.pack('<32f', *range(32)))"
// RUN: bessemer-opt --bessemer-fold-constants %s | FileCheck %s

// CHECK-LABEL: func.func @arithmetic
func.func @arithmetic() -> tensor<2xf32> {
  // CHECK: bess.constant dense<[3.000000e+00, 6.000000e+00]> : tensor<2xf32>
  // CHECK-NOT: bess.mul
  %0 = bess.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %1 = bess.constant dense<3.0> : tensor<f32>
  %2 = bess.mul %0, %1 : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
  return %2 : tensor<2xf32>
}

// Chains fold in one walk.
// CHECK-LABEL: func.func @chain
func.func @chain() -> tensor<1xi64> {
  // CHECK: %[[C:.*]] = bess.constant dense<12> : tensor<1xi64>
  // CHECK: return %[[C]]
  %0 = bess.constant dense<[3, 4, 5]> : tensor<3xi64>
  %1 = bess.reduce %0 {kind = "sum", axes = array<i64: 0>} : (tensor<3xi64>) -> tensor<1xi64>
  return %1 : tensor<1xi64>
}

// Integers of a weight are read from its file.
// CHECK-LABEL: func.func @integer_weight
func.func @integer_weight() -> tensor<2xi64> {
  // CHECK: bess.constant dense<[3, 7]> : tensor<2xi64>
  %w = bess.weight "shape" <file = "w.bin", offset = 0, length = 32> : tensor<4xi64>
  %i = bess.constant dense<[1, -1]> : tensor<2xi64>
  %0 = bess.gather %w, %i {axis = 0 : i64} : (tensor<4xi64>, tensor<2xi64>) -> tensor<2xi64>
  return %0 : tensor<2xi64>
}

// A bias stays a weight: layers that differ in it alone must be found equal.
// CHECK-LABEL: func.func @bias_stays
func.func @bias_stays() -> tensor<4x8xf32> {
  // CHECK: bess.weight
  // CHECK: bess.reshape
  %w = bess.weight "bias" <file = "w.bin", offset = 32, length = 128> : tensor<32xf32>
  %0 = bess.reshape %w : (tensor<32xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// A file that is not there, or is too short, is no reason to fail here.
// CHECK-LABEL: func.func @missing_file
func.func @missing_file() -> tensor<2x2xi64> {
  // CHECK: bess.reshape
  %w = bess.weight "w" <file = "none.bin", offset = 0, length = 32> : tensor<4xi64>
  %0 = bess.reshape %w : (tensor<4xi64>) -> tensor<2x2xi64>
  return %0 : tensor<2x2xi64>
}

// CHECK-LABEL: func.func @bools_and_small_integers
func.func @bools_and_small_integers() -> (tensor<3xi1>, tensor<3xi4>) {
  // CHECK-DAG: bess.constant dense<[true, false, true]> : tensor<3xi1>
  // CHECK-DAG: bess.constant dense<[-3, 2, 7]> : tensor<3xi4>
  %0 = bess.constant dense<[-3, 2, 7]> : tensor<3xi64>
  %1 = bess.constant dense<2> : tensor<i64>
  %2 = bess.not_equal %0, %1 : (tensor<3xi64>, tensor<i64>) -> tensor<3xi1>
  %3 = bess.cast %0 {to = i4} : (tensor<3xi64>) -> tensor<3xi4>
  return %2, %3 : tensor<3xi1>, tensor<3xi4>
}

// A kernel that refuses (an index out of range) leaves the op for the run.
// CHECK-LABEL: func.func @refused
func.func @refused() -> tensor<1xf32> {
  // CHECK: bess.gather
  %0 = bess.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %1 = bess.constant dense<[7]> : tensor<1xi64>
  %2 = bess.gather %0, %1 {axis = 0 : i64} : (tensor<2xf32>, tensor<1xi64>) -> tensor<1xf32>
  return %2 : tensor<1xf32>
}

// More than 64 KiB are not made.
// CHECK-LABEL: func.func @too_large
func.func @too_large() -> tensor<20000xf32> {
  // CHECK: bess.broadcast
  %0 = bess.constant dense<1.0> : tensor<1xf32>
  %1 = bess.broadcast %0 : (tensor<1xf32>) -> tensor<20000xf32>
  return %1 : tensor<20000xf32>
}
