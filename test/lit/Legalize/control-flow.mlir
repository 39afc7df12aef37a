// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --bessemer-legalize --split-input-file %s | FileCheck %s

// A known condition leaves one branch.
// CHECK-LABEL: func.func @main
// CHECK-NOT: scf.if
// CHECK: bess.neg %arg0
func.func @main(%x: tensor<?x3xf32, #bess.dims<"n", "3">>) -> !onnx.unknown {
  %shape = onnx.node "Shape"(%x) version 17 outputs ["shape"] : (tensor<?x3xf32, #bess.dims<"n", "3">>) -> !onnx.unknown
  %rank = onnx.node "Size"(%shape) version 17 outputs ["rank"] : (!onnx.unknown) -> !onnx.unknown
  %two = onnx.constant "two" dense<2> : tensor<i64>
  %is = onnx.node "Equal"(%rank, %two) version 17 outputs ["is"] : (!onnx.unknown, tensor<i64>) -> !onnx.unknown
  %0 = onnx.node "If"(%is) version 17 outputs ["y"] : (!onnx.unknown) -> !onnx.unknown subgraphs ["then_branch", "else_branch"] {
    %1 = onnx.node "Neg"(%x) version 17 outputs ["a"] : (tensor<?x3xf32, #bess.dims<"n", "3">>) -> !onnx.unknown
    onnx.return %1 : !onnx.unknown
  }, {
    %1 = onnx.node "Exp"(%x) version 17 outputs ["b"] : (tensor<?x3xf32, #bess.dims<"n", "3">>) -> !onnx.unknown
    onnx.return %1 : !onnx.unknown
  }
  return %0 : !onnx.unknown
}

// -----

// Results of one rank and different extents: each branch binds the extent.
// CHECK-LABEL: func.func @main
// CHECK: %[[C:.*]] = tensor.extract %arg1[] : tensor<i1>
// CHECK: %[[IF:.*]] = scf.if %[[C]] -> (tensor<?xf32, #bess.dims<"branch_0">>)
// CHECK: %[[THEN:.*]] = bess.from_dims <"2*n">
// CHECK: bess.bind_symbols %[[THEN]] {symbols = ["branch_0"]}
// CHECK: scf.yield
// CHECK: } else {
// CHECK: %[[ELSE:.*]] = bess.from_dims <"n">
// CHECK: bess.bind_symbols %[[ELSE]] {symbols = ["branch_0"]}
// CHECK: scf.yield
func.func @main(%x: tensor<?xf32, #bess.dims<"n">>, %c: tensor<i1>) -> !onnx.unknown {
  %0 = onnx.node "If"(%c) version 17 outputs ["y"] : (tensor<i1>) -> !onnx.unknown subgraphs ["then_branch", "else_branch"] {
    %1 = onnx.node "Concat"(%x, %x) version 17 outputs ["a"] attributes {axis = 0 : i64} : (tensor<?xf32, #bess.dims<"n">>, tensor<?xf32, #bess.dims<"n">>) -> !onnx.unknown
    onnx.return %1 : !onnx.unknown
  }, {
    %1 = onnx.node "Exp"(%x) version 17 outputs ["b"] : (tensor<?xf32, #bess.dims<"n">>) -> !onnx.unknown
    onnx.return %1 : !onnx.unknown
  }
  return %0 : !onnx.unknown
}

// -----

// The sizes fit one branch only: it is the program, and a guard says so of the condition.
// CHECK-LABEL: func.func @main
// CHECK: %[[C:.*]] = bess.cast %arg3 {to = i64}
// CHECK: bess.bind_symbols %[[C]] {symbols = ["condition_0"]}
// CHECK: bess.guard "eq" "condition_0" "0" "this branch cannot run: node {{.*}}wide{{.*}} inner dimensions of a matrix product: expected 8, got 9"
// CHECK: bess.matmul %arg0, %arg2
// CHECK-NOT: scf.if
func.func @main(%x: tensor<?x8xf32, #bess.dims<"n", "8">>, %v: tensor<9x4xf32>, %w: tensor<8x4xf32>, %c: tensor<1xi1>) -> !onnx.unknown {
  %0 = onnx.node "If"(%c) version 17 outputs ["y"] : (tensor<1xi1>) -> !onnx.unknown subgraphs ["then_branch", "else_branch"] {
    %1 = onnx.node "Gemm"(%x, %v) version 17 name "wide" outputs ["a"] : (tensor<?x8xf32, #bess.dims<"n", "8">>, tensor<9x4xf32>) -> !onnx.unknown
    onnx.return %1 : !onnx.unknown
  }, {
    %1 = onnx.node "Gemm"(%x, %w) version 17 outputs ["b"] : (tensor<?x8xf32, #bess.dims<"n", "8">>, tensor<8x4xf32>) -> !onnx.unknown
    onnx.return %1 : !onnx.unknown
  }
  return %0 : !onnx.unknown
}

// -----

// Branches of different rank, where only one fits what follows: a guard says
// that the program holds for that one.
// CHECK-LABEL: func.func @main
// CHECK-NOT: scf.if
// CHECK: bess.guard "eq" "t" "1" "only one branch of an If fits what follows it"
// CHECK: %[[S:.*]] = bess.reshape %arg0 : {{.*}} -> tensor<?x8xf32, #bess.dims<"n", "8">>
// CHECK: bess.matmul %[[S]], %arg1
func.func @main(%x: tensor<?x8x?xf32, #bess.dims<"n", "8", "t">>, %w: tensor<8x4xf32>) -> !onnx.unknown {
  %last = onnx.constant "last" dense<2> : tensor<i64>
  %axis = onnx.constant "axis" dense<2> : tensor<1xi64>
  %one = onnx.constant "one" dense<1> : tensor<i64>
  %shape = onnx.node "Shape"(%x) version 17 outputs ["shape"] : (tensor<?x8x?xf32, #bess.dims<"n", "8", "t">>) -> !onnx.unknown
  %t = onnx.node "Gather"(%shape, %last) version 17 outputs ["t"] : (!onnx.unknown, tensor<i64>) -> !onnx.unknown
  %is = onnx.node "Equal"(%t, %one) version 17 outputs ["is"] : (!onnx.unknown, tensor<i64>) -> !onnx.unknown
  %0 = onnx.node "If"(%is) version 17 outputs ["y"] : (!onnx.unknown) -> !onnx.unknown subgraphs ["then_branch", "else_branch"] {
    %1 = onnx.node "Squeeze"(%x, %axis) version 17 outputs ["a"] : (tensor<?x8x?xf32, #bess.dims<"n", "8", "t">>, tensor<1xi64>) -> !onnx.unknown
    onnx.return %1 : !onnx.unknown
  }, {
    %1 = onnx.node "Identity"(%x) version 17 outputs ["b"] : (tensor<?x8x?xf32, #bess.dims<"n", "8", "t">>) -> !onnx.unknown
    onnx.return %1 : !onnx.unknown
  }
  %2 = onnx.node "Gemm"(%0, %w) version 17 outputs ["z"] : (!onnx.unknown, tensor<8x4xf32>) -> !onnx.unknown
  return %2 : !onnx.unknown
}

// -----

// A loop of a constant number of turns is unrolled; a row of its scan output is a part of a concat.
// CHECK-LABEL: func.func @main
// CHECK-NOT: scf.while
// CHECK-COUNT-3: bess.add
// CHECK: bess.concat {{.*}} -> tensor<3x2xf32>
func.func @main(%x: tensor<2xf32>) -> (!onnx.unknown, !onnx.unknown) {
  %trips = onnx.constant "trips" dense<3> : tensor<i64>
  %true = onnx.constant "true" dense<true> : tensor<i1>
  %0:2 = onnx.node "Loop"(%trips, %true, %x) version 17 outputs ["y", "rows"] : (tensor<i64>, tensor<i1>, tensor<2xf32>) -> (!onnx.unknown, !onnx.unknown) subgraphs ["body"] {
  ^bb0(%i: tensor<i64>, %c: tensor<i1>, %s: !onnx.unknown):
    %1 = onnx.node "Add"(%s, %x) version 17 outputs ["a"] : (!onnx.unknown, tensor<2xf32>) -> !onnx.unknown
    onnx.return %c, %1, %1 : tensor<i1>, !onnx.unknown, !onnx.unknown
  }
  return %0#0, %0#1 : !onnx.unknown, !onnx.unknown
}

// -----

// Else it is scf.while; a state that grows has a symbol for its extent.
// CHECK-LABEL: func.func @main
// CHECK: bess.bind_symbols %{{.*}} {symbols = ["loop_0"]}
// CHECK: scf.while {{.*}}tensor<?xf32, #bess.dims<"loop_0">>
// CHECK: scf.condition
// CHECK: } do {
// CHECK: bess.concat
// CHECK: bess.from_dims <"loop_0 + 2">
// CHECK: bess.bind_symbols %{{.*}} {symbols = ["loop_0"]}
// CHECK: scf.yield
func.func @main(%x: tensor<2xf32>, %trips: tensor<i64>) -> !onnx.unknown {
  %true = onnx.constant "true" dense<true> : tensor<i1>
  %0 = onnx.node "Loop"(%trips, %true, %x) version 17 outputs ["y"] : (tensor<i64>, tensor<i1>, tensor<2xf32>) -> !onnx.unknown subgraphs ["body"] {
  ^bb0(%i: tensor<i64>, %c: tensor<i1>, %s: !onnx.unknown):
    %1 = onnx.node "Concat"(%s, %x) version 17 outputs ["a"] attributes {axis = 0 : i64} : (!onnx.unknown, tensor<2xf32>) -> !onnx.unknown
    onnx.return %c, %1 : tensor<i1>, !onnx.unknown
  }
  return %0 : !onnx.unknown
}
