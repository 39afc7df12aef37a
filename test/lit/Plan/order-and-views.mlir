// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt %s --bessemer-plan=bounds="seq<=512" --split-input-file | FileCheck %s

// What a concat along the outermost dimension joins is made in its memory; an operand that is an input is copied there.
// CHECK-LABEL: func.func @main
// CHECK-SAME: kind = "output", index = 0, bytes = "48"
func.func @main(%x: tensor<1x4xf32>) -> tensor<1x12xf32> {
  // CHECK: bess.exp %{{.*}} {bess.placement = [#bess.placement<1, "0">]}
  %0 = bess.exp %x : (tensor<1x4xf32>) -> tensor<1x4xf32>
  // CHECK: bess.neg %{{.*}} {bess.placement = [#bess.placement<1, "32">]}
  %1 = bess.neg %x : (tensor<1x4xf32>) -> tensor<1x4xf32>
  // CHECK: bess.concat {{.*}}bess.placement = [#bess.placement<1, "0">], bess.view
  %2 = bess.concat %0, %x, %1 {axis = 1 : i64} : (tensor<1x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>) -> tensor<1x12xf32>
  return %2 : tensor<1x12xf32>
}

// -----

// The operand of a concat that is joined twice can be in one place only.
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4xf32>) -> tensor<8xf32> {
  // CHECK: bess.exp %{{.*}} {bess.placement = [#bess.placement<1, "0">]}
  %0 = bess.exp %x : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: bess.concat {{.*}}bess.view
  %1 = bess.concat %0, %0 {axis = 0 : i64} : (tensor<4xf32>, tensor<4xf32>) -> tensor<8xf32>
  return %1 : tensor<8xf32>
}

// -----

// Along an inner dimension the parts lie apart: an op.
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<2x4xf32>) -> tensor<2x8xf32> {
  %0 = bess.exp %x : (tensor<2x4xf32>) -> tensor<2x4xf32>
  // CHECK: bess.concat
  // CHECK-NOT: bess.view
  %1 = bess.concat %x, %0 {axis = 1 : i64} : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x8xf32>
  return %1 : tensor<2x8xf32>
}

// -----

// One branch after the other: two large values are never live together.
// CHECK-LABEL: func.func @main
// CHECK-SAME: bess.order = "reordered: at most 1152 bytes live at once instead of 2112"
func.func @main(%x: tensor<1xf32>) -> tensor<16xf32> {
  // CHECK: bess.broadcast
  // CHECK: bess.reduce
  // CHECK: bess.broadcast
  // CHECK: bess.reduce
  %0 = bess.broadcast %x : (tensor<1xf32>) -> tensor<16x16xf32>
  %1 = bess.broadcast %x : (tensor<1xf32>) -> tensor<16x16xf32>
  %2 = bess.reduce %0 {kind = "sum", axes = array<i64: 1>, keepdims = false} : (tensor<16x16xf32>) -> tensor<16xf32>
  %3 = bess.reduce %1 {kind = "max", axes = array<i64: 1>, keepdims = false} : (tensor<16x16xf32>) -> tensor<16xf32>
  %4 = bess.add %2, %3 : (tensor<16xf32>, tensor<16xf32>) -> tensor<16xf32>
  return %4 : tensor<16xf32>
}

// -----

// Nothing crosses a guard.
// CHECK-LABEL: func.func @main
// CHECK-NOT: bess.order
func.func @main(%x: tensor<1xf32>) -> tensor<16xf32> {
  %0 = bess.broadcast %x : (tensor<1xf32>) -> tensor<16x16xf32>
  %1 = bess.broadcast %x : (tensor<1xf32>) -> tensor<16x16xf32>
  bess.guard "le" "3" "4" "too long"
  %2 = bess.reduce %0 {kind = "sum", axes = array<i64: 1>, keepdims = false} : (tensor<16x16xf32>) -> tensor<16xf32>
  %3 = bess.reduce %1 {kind = "max", axes = array<i64: 1>, keepdims = false} : (tensor<16x16xf32>) -> tensor<16xf32>
  %4 = bess.add %2, %3 : (tensor<16xf32>, tensor<16xf32>) -> tensor<16xf32>
  return %4 : tensor<16xf32>
}

// -----

// A bounded dimension is planned at its bound.
// CHECK-LABEL: func.func @main
// CHECK-SAME: bess.frame_bytes = 2048
// CHECK-SAME: kind = "arena", index = 0, bytes = "4*seq", lower = 0, upper = 2, offset = 0
func.func @main(%x: tensor<?xf32, #bess.dims<"seq">>) -> tensor<?xf32, #bess.dims<"seq">> {
  %0 = bess.relu %x : (tensor<?xf32, #bess.dims<"seq">>) -> tensor<?xf32, #bess.dims<"seq">>
  %1 = bess.exp %0 : (tensor<?xf32, #bess.dims<"seq">>) -> tensor<?xf32, #bess.dims<"seq">>
  return %1 : tensor<?xf32, #bess.dims<"seq">>
}
