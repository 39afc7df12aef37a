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

// -----

// Keys and values that one kernel appends: both, or neither.
// CHECK-LABEL: func.func @main
// CHECK-SAME: bess.caches = {capacity = "cache.capacity", copied = "cache.copied", pairs = [array<i64: 0, 0, 1>, array<i64: 1, 1, 1>]}
// CHECK: bess.launch @concat_0_cache(%arg0, %arg2, %arg1) {symbol_args = #bess.dims<"p", "s", "`cache.capacity`", "`cache.copied`">
func.func @main(%k: tensor<2x?x4xf32, #bess.dims<"2", "p", "4">>, %v: tensor<2x?x4xf32, #bess.dims<"2", "p", "4">>, %x: tensor<2x?x4xf32, #bess.dims<"2", "s", "4">>)
    -> (tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>, tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>) {
  %0:2 = bess.launch @concat_0(%k, %x, %v) {symbol_args = #bess.dims<"p", "s">}
    : (tensor<2x?x4xf32, #bess.dims<"2", "p", "4">>, tensor<2x?x4xf32, #bess.dims<"2", "s", "4">>, tensor<2x?x4xf32, #bess.dims<"2", "p", "4">>)
    -> (tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>, tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>)
  return %0#0, %0#1 : tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>, tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>
}
// CHECK: tile.kernel @concat_0_cache {{.*}}symbols 4 {{.*}}bess.strides = [unit, unit, unit, #bess.dims<"4*s2", "1">, #bess.dims<"4*s2", "1">], bytes = "128*s0*s3 + 128*s1"
tile.kernel @concat_0 grid <"2"> views 5 outputs 2 symbols 2 kind "concat" reason "two" schedule {} {
^bb0(%a: !tile.view<<"2", "4*s0">, f32>, %b: !tile.view<<"2", "4*s1">, f32>, %c: !tile.view<<"2", "4*s0">, f32>, %y: !tile.view<<"2", "4*s0 + 4*s1">, f32>, %z: !tile.view<<"2", "4*s0 + 4*s1">, f32>, %s0: index, %s1: index, %row: index):
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %n = arith.muli %s0, %c4 : index
  // CHECK: scf.if
  // CHECK-NEXT: tile.load %arg0
  // CHECK-NEXT: tile.store %{{.*}}, %arg3
  // CHECK-NEXT: {{^ *}}}
  // CHECK: scf.if
  // CHECK-NEXT: tile.load %arg2
  // CHECK-NEXT: tile.store %{{.*}}, %arg4
  // CHECK-NEXT: {{^ *}}}
  %t0 = tile.load %a[%row, %c0] dims [1] sizes(%n) {in_bounds} : <<"2", "4*s0">, f32> -> tensor<?xf32>
  %t1 = tile.load %c[%row, %c0] dims [1] sizes(%n) {in_bounds} : <<"2", "4*s0">, f32> -> tensor<?xf32>
  tile.store %t0, %y[%row, %c0] dims [1] {in_bounds} : tensor<?xf32>, <<"2", "4*s0 + 4*s1">, f32>
  tile.store %t1, %z[%row, %c0] dims [1] {in_bounds} : tensor<?xf32>, <<"2", "4*s0 + 4*s1">, f32>
  %m = arith.muli %s1, %c4 : index
  %u0 = tile.load %b[%row, %c0] dims [1] sizes(%m) {in_bounds} : <<"2", "4*s1">, f32> -> tensor<?xf32>
  %u1 = tile.load %b[%row, %c0] dims [1] sizes(%m) {in_bounds} : <<"2", "4*s1">, f32> -> tensor<?xf32>
  tile.store %u0, %y[%row, %n] dims [1] {in_bounds} : tensor<?xf32>, <<"2", "4*s0 + 4*s1">, f32>
  tile.store %u1, %z[%row, %n] dims [1] {in_bounds} : tensor<?xf32>, <<"2", "4*s0 + 4*s1">, f32>
  tile.return
}

// -----

// The values are returned twice: then one of them would be a copy, and the keys stay apart as well.
// CHECK-LABEL: func.func @main
// CHECK-NOT: bess.caches
func.func @main(%k: tensor<2x?x4xf32, #bess.dims<"2", "p", "4">>, %v: tensor<2x?x4xf32, #bess.dims<"2", "p", "4">>, %x: tensor<2x?x4xf32, #bess.dims<"2", "s", "4">>)
    -> (tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>, tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>, tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>) {
  // CHECK: bess.launch @concat_0(
  %0:2 = bess.launch @concat_0(%k, %x, %v) {symbol_args = #bess.dims<"p", "s">}
    : (tensor<2x?x4xf32, #bess.dims<"2", "p", "4">>, tensor<2x?x4xf32, #bess.dims<"2", "s", "4">>, tensor<2x?x4xf32, #bess.dims<"2", "p", "4">>)
    -> (tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>, tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>)
  return %0#0, %0#1, %0#1 : tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>, tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>, tensor<2x?x4xf32, #bess.dims<"2", "p + s", "4">>
}
tile.kernel @concat_0 grid <"2"> views 5 outputs 2 symbols 2 kind "concat" reason "two" schedule {} {
^bb0(%a: !tile.view<<"2", "4*s0">, f32>, %b: !tile.view<<"2", "4*s1">, f32>, %c: !tile.view<<"2", "4*s0">, f32>, %y: !tile.view<<"2", "4*s0 + 4*s1">, f32>, %z: !tile.view<<"2", "4*s0 + 4*s1">, f32>, %s0: index, %s1: index, %row: index):
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %n = arith.muli %s0, %c4 : index
  %m = arith.muli %s1, %c4 : index
  %t0 = tile.load %a[%row, %c0] dims [1] sizes(%n) {in_bounds} : <<"2", "4*s0">, f32> -> tensor<?xf32>
  tile.store %t0, %y[%row, %c0] dims [1] {in_bounds} : tensor<?xf32>, <<"2", "4*s0 + 4*s1">, f32>
  %t1 = tile.load %c[%row, %c0] dims [1] sizes(%n) {in_bounds} : <<"2", "4*s0">, f32> -> tensor<?xf32>
  tile.store %t1, %z[%row, %c0] dims [1] {in_bounds} : tensor<?xf32>, <<"2", "4*s0 + 4*s1">, f32>
  %u = tile.load %b[%row, %c0] dims [1] sizes(%m) {in_bounds} : <<"2", "4*s1">, f32> -> tensor<?xf32>
  tile.store %u, %y[%row, %n] dims [1] {in_bounds} : tensor<?xf32>, <<"2", "4*s0 + 4*s1">, f32>
  tile.store %u, %z[%row, %n] dims [1] {in_bounds} : tensor<?xf32>, <<"2", "4*s0 + 4*s1">, f32>
  tile.return
}
