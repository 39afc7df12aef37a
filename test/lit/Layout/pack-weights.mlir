// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --pass-pipeline='builtin.module(func.func(bessemer-fuse),bessemer-pack-weights)' %s | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK: %[[W:.*]] = bess.weight "w"
// CHECK: %[[P:.*]] = bess.pack %[[W]] {block = 16 : i64, layout = "panels"} : (tensor<8x20xf32>) -> tensor<2x8x16xf32>
// CHECK: bess.fusion "matmul"(%arg0, %[[P]])
// CHECK: bess.matmul {{.*}} {bess.packed_columns = "20"} : (tensor<4x8xf32>, tensor<2x8x16xf32>) -> tensor<4x20xf32>
func.func @main(%x: tensor<4x8xf32>) -> tensor<4x20xf32> {
  %w = bess.weight "w" <file = "m.onnx", offset = 0, length = 640> : tensor<8x20xf32>
  %0 = bess.matmul %x, %w : (tensor<4x8xf32>, tensor<8x20xf32>) -> tensor<4x20xf32>
  return %0 : tensor<4x20xf32>
}

// An operand that the run computes is read as it is.
// CHECK-LABEL: func.func @computed
// CHECK-NOT: bess.pack
func.func @computed(%x: tensor<4x8xf32>, %w: tensor<8x20xf32>) -> tensor<4x20xf32> {
  %0 = bess.matmul %x, %w : (tensor<4x8xf32>, tensor<8x20xf32>) -> tensor<4x20xf32>
  return %0 : tensor<4x20xf32>
}
