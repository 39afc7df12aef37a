// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt %s --bessemer-append-in-place --split-input-file | FileCheck %s

// Through the call of a layer: the kernels that write and read the present take its rows apart, and copy
// the past on demand.
// CHECK-LABEL: func.func @main
// CHECK-SAME: bess.caches = {capacity = "cache.capacity", copied = "cache.copied", pairs = [array<i64: 0, 0, 1>]}
func.func @main(%past: tensor<2x?x4xf32, #bess.dims<"2", "p", "4">>, %x: tensor<2x?x4xf32, #bess.dims<"2", "s", "4">>)
    -> (tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>, tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>) {
  %0:2 = call @layer(%past, %x) : (tensor<2x?x4xf32, #bess.dims<"2", "p", "4">>, tensor<2x?x4xf32, #bess.dims<"2", "s", "4">>)
    -> (tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>, tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>)
  return %0#0, %0#1 : tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>, tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>
}
func.func private @layer(%past: tensor<2x?x4xf32, #bess.dims<"2", "p", "4">>, %x: tensor<2x?x4xf32, #bess.dims<"2", "s", "4">>)
    -> (tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>, tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>) {
  // CHECK: bess.launch @concat_0_cache({{.*}}symbol_args = #bess.dims<"p", "s", "`cache.capacity`", "`cache.copied`">
  %0 = bess.launch @concat_0(%past, %x) {symbol_args = #bess.dims<"p", "s">} : (tensor<2x?x4xf32, #bess.dims<"2", "p", "4">>, tensor<2x?x4xf32, #bess.dims<"2", "s", "4">>) -> tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>
  // CHECK: bess.launch @row_0_cache({{.*}}symbol_args = #bess.dims<"p", "s", "`cache.capacity`">
  %1 = bess.launch @row_0(%0) {symbol_args = #bess.dims<"p", "s">} : (tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>) -> tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>
  return %0, %1 : tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>, tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>
}
// CHECK-NOT: tile.kernel @concat_0 grid
// CHECK: tile.kernel @concat_0_cache {{.*}}symbols 4 {{.*}}bess.strides = [unit, unit, #bess.dims<"4*s2", "1">]
tile.kernel @concat_0 grid <"2"> views 3 outputs 1 symbols 2 kind "concat" reason "concat alone" schedule {} {
^bb0(%a: !tile.view<<"2", "4*s0">, f32>, %b: !tile.view<<"2", "4*s1">, f32>, %y: !tile.view<<"2", "4*s0 + 4*s1">, f32>, %s0: index, %s1: index, %row: index):
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %n = arith.muli %s0, %c4 : index
  // CHECK: scf.if
  // CHECK-NEXT: tile.load %arg0
  // CHECK-NEXT: tile.store
  // CHECK-NEXT: {{^ *}}}
  %t = tile.load %a[%row, %c0] dims [1] sizes(%n) {in_bounds} : <<"2", "4*s0">, f32> -> tensor<?xf32>
  tile.store %t, %y[%row, %c0] dims [1] {in_bounds} : tensor<?xf32>, <<"2", "4*s0 + 4*s1">, f32>
  %m = arith.muli %s1, %c4 : index
  %u = tile.load %b[%row, %c0] dims [1] sizes(%m) {in_bounds} : <<"2", "4*s1">, f32> -> tensor<?xf32>
  tile.store %u, %y[%row, %n] dims [1] {in_bounds} : tensor<?xf32>, <<"2", "4*s0 + 4*s1">, f32>
  tile.return
}
// CHECK: tile.kernel @row_0_cache {{.*}}symbols 3 {{.*}}bess.strides = [#bess.dims<"4*s2", "4", "1">, unit]
tile.kernel @row_0 grid <"2", "s0 + s1"> views 2 outputs 1 symbols 2 kind "row" reason "relu alone" schedule {} {
^bb0(%x: !tile.view<<"2", "s0 + s1", "4">, f32>, %y: !tile.view<<"2", "s0 + s1", "4">, f32>, %s0: index, %s1: index, %i: index, %j: index):
  %c0 = arith.constant 0 : index
  %t = tile.load %x[%i, %j, %c0] dims [2] {in_bounds} : <<"2", "s0 + s1", "4">, f32> -> tensor<4xf32>
  tile.store %t, %y[%i, %j, %c0] dims [2] {in_bounds} : tensor<4xf32>, <<"2", "s0 + s1", "4">, f32>
  tile.return
}

// -----

// The past is read by something else.
// CHECK-LABEL: func.func @main
// CHECK-NOT: bess.caches
func.func @main(%past: tensor<2x?x4xf32, #bess.dims<"2", "p", "4">>, %x: tensor<2x?x4xf32, #bess.dims<"2", "s", "4">>)
    -> (tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>, tensor<2x?x4xf32, #bess.dims<"2", "p", "4">>) {
  // CHECK: bess.launch @concat_0(
  %0 = bess.launch @concat_0(%past, %x) {symbol_args = #bess.dims<"p", "s">} : (tensor<2x?x4xf32, #bess.dims<"2", "p", "4">>, tensor<2x?x4xf32, #bess.dims<"2", "s", "4">>) -> tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>
  %1 = bess.relu %past : (tensor<2x?x4xf32, #bess.dims<"2", "p", "4">>) -> tensor<2x?x4xf32, #bess.dims<"2", "p", "4">>
  return %0, %1 : tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>, tensor<2x?x4xf32, #bess.dims<"2", "p", "4">>
}
tile.kernel @concat_0 grid <"2"> views 3 outputs 1 symbols 2 kind "concat" reason "concat alone" schedule {} {
^bb0(%a: !tile.view<<"2", "4*s0">, f32>, %b: !tile.view<<"2", "4*s1">, f32>, %y: !tile.view<<"2", "4*s0 + 4*s1">, f32>, %s0: index, %s1: index, %row: index):
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %n = arith.muli %s0, %c4 : index
  %t = tile.load %a[%row, %c0] dims [1] sizes(%n) {in_bounds} : <<"2", "4*s0">, f32> -> tensor<?xf32>
  tile.store %t, %y[%row, %c0] dims [1] {in_bounds} : tensor<?xf32>, <<"2", "4*s0 + 4*s1">, f32>
  %m = arith.muli %s1, %c4 : index
  %u = tile.load %b[%row, %c0] dims [1] sizes(%m) {in_bounds} : <<"2", "4*s1">, f32> -> tensor<?xf32>
  tile.store %u, %y[%row, %n] dims [1] {in_bounds} : tensor<?xf32>, <<"2", "4*s0 + 4*s1">, f32>
  tile.return
}

// -----

// A kernel that sees past and present as one piece of memory.
// CHECK-LABEL: func.func @main
// CHECK-NOT: bess.caches
func.func @main(%past: tensor<2x?x4xf32, #bess.dims<"2", "p", "4">>, %x: tensor<2x?x4xf32, #bess.dims<"2", "s", "4">>)
    -> (tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>, tensor<?xf32, #bess.dims<"8*p + 8*s">>) {
  // CHECK: bess.launch @concat_0(
  %0 = bess.launch @concat_0(%past, %x) {symbol_args = #bess.dims<"p", "s">} : (tensor<2x?x4xf32, #bess.dims<"2", "p", "4">>, tensor<2x?x4xf32, #bess.dims<"2", "s", "4">>) -> tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>
  %1 = bess.reshape %0 : (tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>) -> tensor<?xf32, #bess.dims<"8*p + 8*s">>
  %2 = bess.relu %1 : (tensor<?xf32, #bess.dims<"8*p + 8*s">>) -> tensor<?xf32, #bess.dims<"8*p + 8*s">>
  return %0, %2 : tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>, tensor<?xf32, #bess.dims<"8*p + 8*s">>
}
tile.kernel @concat_0 grid <"2"> views 3 outputs 1 symbols 2 kind "concat" reason "concat alone" schedule {} {
^bb0(%a: !tile.view<<"2", "4*s0">, f32>, %b: !tile.view<<"2", "4*s1">, f32>, %y: !tile.view<<"2", "4*s0 + 4*s1">, f32>, %s0: index, %s1: index, %row: index):
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %n = arith.muli %s0, %c4 : index
  %t = tile.load %a[%row, %c0] dims [1] sizes(%n) {in_bounds} : <<"2", "4*s0">, f32> -> tensor<?xf32>
  tile.store %t, %y[%row, %c0] dims [1] {in_bounds} : tensor<?xf32>, <<"2", "4*s0 + 4*s1">, f32>
  %m = arith.muli %s1, %c4 : index
  %u = tile.load %b[%row, %c0] dims [1] sizes(%m) {in_bounds} : <<"2", "4*s1">, f32> -> tensor<?xf32>
  tile.store %u, %y[%row, %n] dims [1] {in_bounds} : tensor<?xf32>, <<"2", "4*s0 + 4*s1">, f32>
  tile.return
}
