// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The smallest module on which a command still fails: of four ops, two functions and three results one op is left.
// RUN: bessemer-reduce %s --test='sh %S/Inputs/fails-on-gelu.sh' --message='gelu is bad' | FileCheck %s
// {} says where the file's name goes.
// RUN: bessemer-reduce %s --test='sh %S/Inputs/fails-on-gelu.sh {} again' -o %t && FileCheck %s < %t

// CHECK: module {
// CHECK-NEXT: func.func @main(%arg0: tensor<4x16xf32>) -> tensor<4x16xf32> {
// CHECK-NEXT: %[[Y:.*]] = bess.gelu %arg0
// CHECK-NEXT: return %[[Y]]
// CHECK-NOT: func.func
// CHECK-NOT: bess.
func.func @main(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>, %b: tensor<16xf32>) -> (tensor<4x16xf32>, tensor<4x16xf32>, tensor<4x8xf32>) {
  %0 = bess.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %1 = bess.add %0, %b : (tensor<4x16xf32>, tensor<16xf32>) -> tensor<4x16xf32>
  %2 = bess.gelu %1 : (tensor<4x16xf32>) -> tensor<4x16xf32>
  %3 = bess.relu %2 : (tensor<4x16xf32>) -> tensor<4x16xf32>
  return %3, %1, %x : tensor<4x16xf32>, tensor<4x16xf32>, tensor<4x8xf32>
}
func.func @other(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = bess.relu %x : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
