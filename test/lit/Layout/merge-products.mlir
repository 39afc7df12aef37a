// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --split-input-file --bessemer-merge-products %s | FileCheck %s

!x = tensor<128x768xf16>
!w = tensor<768x768xf16>
!b = tensor<768xf16>
!heads = tensor<1x128x12x64xf16>

module attributes {bess.target = {name = "cuda", architecture = 90 : i64}} {
  // Queries, keys and values of a layer, whose weights the callers give; the second weight comes last in the order of the function.
  // CHECK-LABEL: func.func private @layer
  // CHECK: %[[W:.*]] = bess.concat %arg1, %arg3, %arg5 {axis = 1 : i64} : ({{.*}}) -> tensor<768x2304xf16>
  // CHECK: %[[P:.*]] = bess.matmul %arg0, %[[W]] {bess.reason = "3 products of one left operand: {{[0-9]+}} cycles expected, {{[0-9]+}} apart"}
  // CHECK: %[[B:.*]] = bess.concat %arg2, %arg4, %arg6 {axis = 0 : i64} : ({{.*}}) -> tensor<2304xf16>
  // CHECK: %[[Y:.*]] = bess.add %[[P]], %[[B]]
  // CHECK: %[[H:.*]] = bess.reshape %[[Y]] : (tensor<128x2304xf16>) -> tensor<1x128x36x64xf16>
  // CHECK-DAG: %[[Q:.*]] = bess.slice %[[H]] {offsets = #bess.dims<"0", "0", "0", "0">, {{.*}} -> tensor<1x128x12x64xf16>
  // CHECK-DAG: %[[K:.*]] = bess.slice %[[H]] {offsets = #bess.dims<"0", "0", "12", "0">, {{.*}} -> tensor<1x128x12x64xf16>
  // CHECK-DAG: %[[V:.*]] = bess.slice %[[H]] {offsets = #bess.dims<"0", "0", "24", "0">, {{.*}} -> tensor<1x128x12x64xf16>
  // CHECK: bess.attention %[[Q]], %[[K]], %[[V]]
  // CHECK-NOT: bess.matmul
  func.func private @layer(%x: !x, %wq: !w {bess.weight}, %bq: !b {bess.weight}, %wk: !w {bess.weight}, %bk: !b {bess.weight},
                           %wv: !w {bess.weight}, %bv: !b {bess.weight}) -> !heads {
    %0 = bess.matmul %x, %wq : (!x, !w) -> !x
    %1 = bess.add %bq, %0 : (!b, !x) -> !x
    %q = bess.reshape %1 : (!x) -> !heads
    %2 = bess.matmul %x, %wk : (!x, !w) -> !x
    %3 = bess.add %2, %bk : (!x, !b) -> !x
    %k = bess.reshape %3 : (!x) -> !heads
    %4 = bess.matmul %x, %wv : (!x, !w) -> !x
    %5 = bess.add %4, %bv : (!x, !b) -> !x
    %v = bess.reshape %5 : (!x) -> !heads
    %y = bess.attention %q, %k, %v {scale = 0.125 : f64, q_layout = "bshd", k_layout = "bshd", v_layout = "bshd", y_layout = "bshd", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (!heads, !heads, !heads) -> !heads
    return %y : !heads
  }
}

// -----

!x = tensor<1x?x64xf32, #bess.dims<"1", "s", "64">>
!q = tensor<1x?x64xf32, #bess.dims<"1", "s", "64">>
!k = tensor<1x?x32xf32, #bess.dims<"1", "s", "32">>
!qh = tensor<1x?x4x16xf32, #bess.dims<"1", "s", "4", "16">>
!kh = tensor<1x?x2x16xf32, #bess.dims<"1", "s", "2", "16">>
!kt = tensor<1x2x?x16xf32, #bess.dims<"1", "2", "s", "16">>
!past = tensor<1x2x?x16xf32, #bess.dims<"1", "2", "p", "16">>
!present = tensor<1x2x?x16xf32, #bess.dims<"1", "2", "p + s", "16">>

module attributes {bess.target = {name = "cuda", architecture = 80 : i64}} {
  // Keys and values that a cache takes, of weights [columns, depth] that are cast when they are loaded; query heads that are rows of a block are not read in slices.
  // CHECK-LABEL: func.func @append
  // CHECK: bess.matmul %arg0, %{{.*}} : ({{.*}}, tensor<64x64xf32>)
  // CHECK: %[[W:.*]] = bess.concat %{{.*}}, %{{.*}} {axis = 0 : i64} : (tensor<32x64xf32>, tensor<32x64xf32>) -> tensor<64x64xf32>
  // CHECK: bess.matmul %arg0, %[[W]] {bess.reason = "2 products of one left operand", transpose_b}
  // CHECK-NOT: bess.matmul
  func.func @append(%x: !x, %pk: !past, %pv: !past) -> (tensor<1x?x4x16xf32, #bess.dims<"1", "s", "4", "16">>, !present, !present) {
    %wq = bess.weight "q" <file = "m.onnx", offset = 0, length = 16384> : tensor<64x64xf32>
    %0 = bess.matmul %x, %wq : (!x, tensor<64x64xf32>) -> !q
    %q = bess.reshape %0 : (!q) -> !qh
    %wk = bess.weight "k" <file = "m.onnx", offset = 0, length = 8192> : tensor<32x64xf32>
    %1 = bess.matmul %x, %wk {transpose_b} : (!x, tensor<32x64xf32>) -> !k
    %2 = bess.reshape %1 : (!k) -> !kh
    %3 = bess.transpose %2 {permutation = array<i64: 0, 2, 1, 3>} : (!kh) -> !kt
    %k = bess.concat %pk, %3 {axis = 2 : i64} : (!past, !kt) -> !present
    %half = bess.weight "v" <file = "m.onnx", offset = 0, length = 4096> : tensor<32x64xf16>
    %wv = bess.cast %half {to = f32} : (tensor<32x64xf16>) -> tensor<32x64xf32>
    %4 = bess.matmul %x, %wv {transpose_b} : (!x, tensor<32x64xf32>) -> !k
    %5 = bess.reshape %4 : (!k) -> !kh
    %6 = bess.transpose %5 {permutation = array<i64: 0, 2, 1, 3>} : (!kh) -> !kt
    %v = bess.concat %pv, %6 {axis = 2 : i64} : (!past, !kt) -> !present
    %y = bess.attention %q, %k, %v {scale = 0.25 : f64, q_layout = "bshd", y_layout = "bshd", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (!qh, !present, !present) -> !qh
    return %y, %k, %v : !qh, !present, !present
  }
}

// -----

!x = tensor<16x64xf16>
!w = tensor<64x64xf16>
!heads = tensor<1x16x4x16xf16>

module attributes {bess.target = {name = "cuda", architecture = 90 : i64}} {
  // Weights that only the run knows, a left operand of its own, and results that something else reads.
  // CHECK-LABEL: func.func @apart
  // CHECK-NOT: bess.concat
  // CHECK-NOT: bess.slice
  func.func @apart(%x: !x, %other: !x, %wv: !w) -> (!heads, !x, !x) {
    %wq = bess.weight "q" <file = "m.onnx", offset = 0, length = 8192> : !w
    %wk = bess.weight "k" <file = "m.onnx", offset = 0, length = 8192> : !w
    %wa = bess.weight "a" <file = "m.onnx", offset = 0, length = 8192> : !w
    %wb = bess.weight "b" <file = "m.onnx", offset = 0, length = 8192> : !w
    %0 = bess.matmul %x, %wq : (!x, !w) -> !x
    %q = bess.reshape %0 : (!x) -> !heads
    %1 = bess.matmul %other, %wk : (!x, !w) -> !x
    %k = bess.reshape %1 : (!x) -> !heads
    %2 = bess.matmul %x, %wv : (!x, !w) -> !x
    %v = bess.reshape %2 : (!x) -> !heads
    %a = bess.matmul %x, %wa : (!x, !w) -> !x
    %b = bess.matmul %x, %wb : (!x, !w) -> !x
    %y = bess.attention %q, %k, %v {scale = 0.25 : f64, q_layout = "bshd", k_layout = "bshd", v_layout = "bshd", y_layout = "bshd", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (!heads, !heads, !heads) -> !heads
    return %y, %a, %b : !heads, !x, !x
  }
}

// -----

// Not on a CPU.
// CHECK-LABEL: func.func @cpu
// CHECK-NOT: bess.concat
func.func @cpu(%x: tensor<16x64xf32>) -> tensor<1x16x4x16xf32> {
  %wq = bess.weight "q" <file = "m.onnx", offset = 0, length = 16384> : tensor<64x64xf32>
  %wk = bess.weight "k" <file = "m.onnx", offset = 0, length = 16384> : tensor<64x64xf32>
  %0 = bess.matmul %x, %wq : (tensor<16x64xf32>, tensor<64x64xf32>) -> tensor<16x64xf32>
  %q = bess.reshape %0 : (tensor<16x64xf32>) -> tensor<1x16x4x16xf32>
  %1 = bess.matmul %x, %wk : (tensor<16x64xf32>, tensor<64x64xf32>) -> tensor<16x64xf32>
  %k = bess.reshape %1 : (tensor<16x64xf32>) -> tensor<1x16x4x16xf32>
  %y = bess.attention %q, %k, %k {scale = 0.25 : f64, q_layout = "bshd", k_layout = "bshd", v_layout = "bshd", y_layout = "bshd", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<1x16x4x16xf32>, tensor<1x16x4x16xf32>, tensor<1x16x4x16xf32>) -> tensor<1x16x4x16xf32>
  return %y : tensor<1x16x4x16xf32>
}
