// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Every node that cannot be legalized is reported, and none that only follows from one.
// RUN: bessemer-opt --bessemer-legalize --split-input-file --verify-diagnostics %s

func.func @main(%x: tensor<2x3xf32>, %axes: tensor<1xi64>) -> (!onnx.unknown, !onnx.unknown) {
  // expected-error @+1 {{node "r" (RandomNormalLike, domain ai.onnx version 22): random numbers are not supported}}
  %0 = onnx.node "RandomNormalLike"(%x) version 22 name "r" outputs ["a"] : (tensor<2x3xf32>) -> !onnx.unknown
  %1 = onnx.node "Relu"(%0) version 22 name "follows" outputs ["b"] : (!onnx.unknown) -> !onnx.unknown
  // expected-error @+1 {{node "u" (Unknown, domain my.ops version 1): there is no such op in this compiler}}
  %2 = onnx.node "Unknown"(%x) domain "my.ops" version 1 name "u" outputs ["c"] : (tensor<2x3xf32>) -> !onnx.unknown
  // expected-error @+1 {{node "old" (Gelu, domain ai.onnx version 19): this version of the op is not supported}}
  %3 = onnx.node "Gelu"(%x) version 19 name "old" outputs ["d"] : (tensor<2x3xf32>) -> !onnx.unknown
  // expected-error @+1 {{node "t" (Transpose, domain ai.onnx version 22): expected perm to be a permutation}}
  %4 = onnx.node "Transpose"(%x) version 22 name "t" outputs ["e"] attributes {perm = array<i64: 0, 0>} : (tensor<2x3xf32>) -> !onnx.unknown
  // expected-error @+1 {{node "s" (Softmax, domain ai.onnx version 22): expected an axis in [-2, 2), got 7}}
  %5 = onnx.node "Softmax"(%x) version 22 name "s" outputs ["f"] attributes {axis = 7 : i64} : (tensor<2x3xf32>) -> !onnx.unknown
  return %1, %2 : !onnx.unknown, !onnx.unknown
}

// -----

func.func @main(%x: tensor<2x3xf32>, %y: tensor<4x3xf32>) -> (!onnx.unknown, !onnx.unknown, !onnx.unknown, !onnx.unknown) {
  // expected-error @+1 {{node "a" (Add, domain ai.onnx version 13): expected shapes that broadcast, got tensor<2x3xf32> and tensor<4x3xf32>}}
  %0 = onnx.node "Add"(%x, %y) version 13 name "a" outputs ["a"] : (tensor<2x3xf32>, tensor<4x3xf32>) -> !onnx.unknown
  // expected-error @+1 {{node "b" (Add, domain ai.onnx version 13): expected an operand that is absent}}
  %1 = onnx.node "Add"(%x) version 13 name "b" outputs ["b"] : (tensor<2x3xf32>) -> !onnx.unknown
  // expected-error @+1 {{node "c" (MatMul, domain ai.onnx version 13): inner dimensions of a matrix product: expected 3, got 4}}
  %2 = onnx.node "MatMul"(%x, %y) version 13 name "c" outputs ["c"] : (tensor<2x3xf32>, tensor<4x3xf32>) -> !onnx.unknown
  %to = onnx.constant "to" dense<[4, -1]> : tensor<2xi64>
  // expected-error @+1 {{node "d" (Reshape, domain ai.onnx version 13): expected 6 elements to be a multiple of 4}}
  %3 = onnx.node "Reshape"(%x, %to) version 13 name "d" outputs ["d"] : (tensor<2x3xf32>, tensor<2xi64>) -> !onnx.unknown
  return %0, %1, %2, %3 : !onnx.unknown, !onnx.unknown, !onnx.unknown, !onnx.unknown
}

// -----

// expected-error @+1 {{graph input "text": expected a tensor of numbers of known rank, got tensor<2x!onnx.string>}}
func.func @main(%x: tensor<2x!onnx.string> {onnx.name = "text"}) -> tensor<2x!onnx.string> {
  return %x : tensor<2x!onnx.string>
}
