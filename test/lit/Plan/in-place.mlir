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

// -----

// Pieces are written over the pieces they are made of, and lie in order already.
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4xf32>) -> tensor<2xf32> {
  // CHECK: bess.launch @a({{.*}}bess.placement = [#bess.placement<1, "0">]
  %0 = bess.launch @a(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %1 = bess.slice %0 {offsets = #bess.dims<"0">, steps = array<i64: 1>} : (tensor<4xf32>) -> tensor<2xf32>
  // CHECK: bess.launch @b({{.*}}bess.placement = [#bess.placement<1, "0">]
  %2 = bess.launch @b(%1) {in_place = array<i64: 0>} : (tensor<2xf32>) -> tensor<2xf32>
  %3 = bess.slice %0 {offsets = #bess.dims<"2">, steps = array<i64: 1>} : (tensor<4xf32>) -> tensor<2xf32>
  // CHECK: bess.launch @b({{.*}}bess.placement = [#bess.placement<1, "8">]
  %4 = bess.launch @b(%3) {in_place = array<i64: 0>} : (tensor<2xf32>) -> tensor<2xf32>
  // CHECK: bess.concat {{.*}}bess.placement = [#bess.placement<1, "0">], bess.view
  %5 = bess.concat %2, %4 {axis = 0 : i64} : (tensor<2xf32>, tensor<2xf32>) -> tensor<4xf32>
  %6 = bess.launch @c(%5) : (tensor<4xf32>) -> tensor<2xf32>
  return %6 : tensor<2xf32>
}

// -----

// The whole is read after its pieces.
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  // CHECK: bess.launch @a({{.*}}bess.placement = [#bess.placement<[[A:.*]], "0">]
  %0 = bess.launch @a(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %1 = bess.slice %0 {offsets = #bess.dims<"0">, steps = array<i64: 1>} : (tensor<4xf32>) -> tensor<2xf32>
  // CHECK-NOT: bess.launch @b({{.*}}bess.placement = [#bess.placement<[[A]], "0">]
  %2 = bess.launch @b(%1) {in_place = array<i64: 0>} : (tensor<2xf32>) -> tensor<2xf32>
  %3 = bess.slice %0 {offsets = #bess.dims<"2">, steps = array<i64: 1>} : (tensor<4xf32>) -> tensor<2xf32>
  %4 = bess.launch @b(%3) {in_place = array<i64: 0>} : (tensor<2xf32>) -> tensor<2xf32>
  %5 = bess.concat %2, %4 {axis = 0 : i64} : (tensor<2xf32>, tensor<2xf32>) -> tensor<4xf32>
  %6 = bess.launch @c(%0, %5) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %5, %6 : tensor<4xf32>, tensor<4xf32>
}

// -----

// Every caller gives the argument up: the layer writes over it, and its result stays there.
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4xf32>) -> tensor<2xf32> {
  // CHECK: bess.launch @a({{.*}}bess.placement = [#bess.placement<1, "0">]
  %0 = bess.launch @a(%x) : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: call @layer({{.*}}bess.placement = [#bess.placement<1, "0">]
  %1 = call @layer(%0) : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: call @layer({{.*}}bess.placement = [#bess.placement<1, "0">]
  %2 = call @layer(%1) : (tensor<4xf32>) -> tensor<4xf32>
  %3 = bess.launch @c(%2) : (tensor<4xf32>) -> tensor<2xf32>
  return %3 : tensor<2xf32>
}
// CHECK: func.func private @layer({{.*}}#bess.storage<kind = "input"
func.func private @layer(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: bess.launch @b({{.*}}bess.placement = [#bess.placement<0, "0">]
  %0 = bess.launch @b(%x) {in_place = array<i64: 0>} : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// One caller reads it again (through a view that was made before): nobody writes over it.
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<2x2xf32>) {
  %0 = bess.launch @a(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %1 = bess.reshape %0 : (tensor<4xf32>) -> tensor<2x2xf32>
  %2 = call @layer(%0) : (tensor<4xf32>) -> tensor<4xf32>
  %3 = bess.launch @d(%1) : (tensor<2x2xf32>) -> tensor<2x2xf32>
  return %2, %3 : tensor<4xf32>, tensor<2x2xf32>
}
// CHECK: func.func private @layer
func.func private @layer(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK-NOT: bess.launch @b({{.*}}bess.placement = [#bess.placement<0, "0">]
  %0 = bess.launch @b(%x) {in_place = array<i64: 0>} : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
