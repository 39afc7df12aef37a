// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --bessemer-raise --check-numerics %s | FileCheck %s

// BERT: heads swapped by transposes, the keys' transpose apart, scores divided, a mask added.
// CHECK-LABEL: func.func @bert
func.func @bert(%q: tensor<2x5x4x8xf32>, %k: tensor<2x5x4x8xf32>, %v: tensor<2x5x4x8xf32>, %mask: tensor<2x1x1x5xf32>) -> tensor<2x5x4x8xf32> {
  // CHECK: %[[Y:.*]] = bess.attention %arg0, %arg1, %arg2, %arg3
  // CHECK-SAME: k_layout = "bshd"
  // CHECK-SAME: q_layout = "bshd"
  // CHECK-SAME: scale = 0.35355{{[0-9]+}} : f64
  // CHECK-SAME: v_layout = "bshd", y_layout = "bshd"
  // CHECK-NEXT: return %[[Y]]
  %root = bess.constant dense<2.82842708> : tensor<f32>
  %0 = bess.transpose %q {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x5x4x8xf32>) -> tensor<2x4x5x8xf32>
  %1 = bess.transpose %k {permutation = array<i64: 0, 2, 3, 1>} : (tensor<2x5x4x8xf32>) -> tensor<2x4x8x5xf32>
  %2 = bess.transpose %v {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x5x4x8xf32>) -> tensor<2x4x5x8xf32>
  %3 = bess.matmul %0, %1 : (tensor<2x4x5x8xf32>, tensor<2x4x8x5xf32>) -> tensor<2x4x5x5xf32>
  %4 = bess.div %3, %root : (tensor<2x4x5x5xf32>, tensor<f32>) -> tensor<2x4x5x5xf32>
  %5 = bess.add %4, %mask : (tensor<2x4x5x5xf32>, tensor<2x1x1x5xf32>) -> tensor<2x4x5x5xf32>
  %6 = bess.softmax %5 {axis = 3 : i64} : (tensor<2x4x5x5xf32>) -> tensor<2x4x5x5xf32>
  %7 = bess.matmul %6, %2 : (tensor<2x4x5x5xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x5x8xf32>
  %8 = bess.transpose %7 {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x4x5x8xf32>) -> tensor<2x5x4x8xf32>
  return %8 : tensor<2x5x4x8xf32>
}

// torch's scaled_dot_product_attention: queries and keys each by the root of the scale, transpose_b, no mask.
// CHECK-LABEL: func.func @scaled_operands
func.func @scaled_operands(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x7x8xf32>, %v: tensor<2x4x7x3xf32>) -> tensor<2x4x5x3xf32> {
  // CHECK: bess.attention %arg0, %arg1, %arg2 {
  // CHECK-SAME: scale = 0.35355{{[0-9]+}} : f64
  // CHECK-NEXT: return
  %root = bess.constant dense<0.594603558> : tensor<f32>
  %0 = bess.mul %q, %root : (tensor<2x4x5x8xf32>, tensor<f32>) -> tensor<2x4x5x8xf32>
  %1 = bess.mul %root, %k : (tensor<f32>, tensor<2x4x7x8xf32>) -> tensor<2x4x7x8xf32>
  %2 = bess.matmul %0, %1 {transpose_b} : (tensor<2x4x5x8xf32>, tensor<2x4x7x8xf32>) -> tensor<2x4x5x7xf32>
  %3 = bess.softmax %2 {axis = 3 : i64} : (tensor<2x4x5x7xf32>) -> tensor<2x4x5x7xf32>
  %4 = bess.matmul %3, %v : (tensor<2x4x5x7xf32>, tensor<2x4x7x3xf32>) -> tensor<2x4x5x3xf32>
  return %4 : tensor<2x4x5x3xf32>
}

// GPT-2: a condition that fills with the smallest float, then a mask that is added; a cache before it.
// CHECK-LABEL: func.func @gpt2
func.func @gpt2(%q: tensor<?x4x?x8xf32, #bess.dims<"b", "4", "s", "8">>, %past: tensor<?x4x?x8xf32, #bess.dims<"b", "4", "p", "8">>,
                %k: tensor<?x4x?x8xf32, #bess.dims<"b", "4", "s", "8">>, %v: tensor<?x4x?x8xf32, #bess.dims<"b", "4", "p + s", "8">>,
                %keep: tensor<1x1x?x?xi1, #bess.dims<"1", "1", "s", "p + s">>, %mask: tensor<?x1x1x?xf32, #bess.dims<"b", "1", "1", "p + s">>)
    -> tensor<?x4x?x8xf32, #bess.dims<"b", "4", "s", "8">> {
  // CHECK: %[[K:.*]] = bess.concat %arg1, %arg2
  // CHECK: %[[W:.*]] = bess.where %arg4
  // CHECK: %[[M:.*]] = bess.add %arg5, %[[W]]
  // CHECK: bess.attention %arg0, %[[K]], %arg3, %[[M]]
  // CHECK-NEXT: return
  %c = bess.constant dense<0.353553385> : tensor<f32>
  %lowest = bess.constant dense<-3.40282347E+38> : tensor<f32>
  %keys = bess.concat %past, %k {axis = 2 : i64} : (tensor<?x4x?x8xf32, #bess.dims<"b", "4", "p", "8">>, tensor<?x4x?x8xf32, #bess.dims<"b", "4", "s", "8">>) -> tensor<?x4x?x8xf32, #bess.dims<"b", "4", "p + s", "8">>
  %0 = bess.matmul %q, %keys {transpose_b} : (tensor<?x4x?x8xf32, #bess.dims<"b", "4", "s", "8">>, tensor<?x4x?x8xf32, #bess.dims<"b", "4", "p + s", "8">>) -> tensor<?x4x?x?xf32, #bess.dims<"b", "4", "s", "p + s">>
  %1 = bess.mul %0, %c : (tensor<?x4x?x?xf32, #bess.dims<"b", "4", "s", "p + s">>, tensor<f32>) -> tensor<?x4x?x?xf32, #bess.dims<"b", "4", "s", "p + s">>
  %2 = bess.where %keep, %1, %lowest : (tensor<1x1x?x?xi1, #bess.dims<"1", "1", "s", "p + s">>, tensor<?x4x?x?xf32, #bess.dims<"b", "4", "s", "p + s">>, tensor<f32>) -> tensor<?x4x?x?xf32, #bess.dims<"b", "4", "s", "p + s">>
  %3 = bess.add %2, %mask : (tensor<?x4x?x?xf32, #bess.dims<"b", "4", "s", "p + s">>, tensor<?x1x1x?xf32, #bess.dims<"b", "1", "1", "p + s">>) -> tensor<?x4x?x?xf32, #bess.dims<"b", "4", "s", "p + s">>
  %4 = bess.softmax %3 {axis = 3 : i64} : (tensor<?x4x?x?xf32, #bess.dims<"b", "4", "s", "p + s">>) -> tensor<?x4x?x?xf32, #bess.dims<"b", "4", "s", "p + s">>
  %5 = bess.matmul %4, %v : (tensor<?x4x?x?xf32, #bess.dims<"b", "4", "s", "p + s">>, tensor<?x4x?x8xf32, #bess.dims<"b", "4", "p + s", "8">>) -> tensor<?x4x?x8xf32, #bess.dims<"b", "4", "s", "8">>
  return %5 : tensor<?x4x?x8xf32, #bess.dims<"b", "4", "s", "8">>
}

// Llama: each head of the cache is repeated by unsqueeze, expand and reshape.
// CHECK-LABEL: func.func @grouped_heads
func.func @grouped_heads(%q: tensor<2x4x5x8xf32>, %k: tensor<2x2x7x8xf32>, %v: tensor<2x2x7x8xf32>) -> tensor<2x4x5x8xf32> {
  // CHECK: bess.attention %arg0, %arg1, %arg2 {
  // CHECK-SAME: (tensor<2x4x5x8xf32>, tensor<2x2x7x8xf32>, tensor<2x2x7x8xf32>) -> tensor<2x4x5x8xf32>
  // CHECK-NEXT: return
  %c = bess.constant dense<0.25> : tensor<f32>
  %k1 = bess.reshape %k : (tensor<2x2x7x8xf32>) -> tensor<2x2x1x7x8xf32>
  %k2 = bess.broadcast %k1 : (tensor<2x2x1x7x8xf32>) -> tensor<2x2x2x7x8xf32>
  %k3 = bess.reshape %k2 : (tensor<2x2x2x7x8xf32>) -> tensor<2x4x7x8xf32>
  %v1 = bess.reshape %v : (tensor<2x2x7x8xf32>) -> tensor<2x2x1x7x8xf32>
  %v2 = bess.broadcast %v1 : (tensor<2x2x1x7x8xf32>) -> tensor<2x2x2x7x8xf32>
  %v3 = bess.reshape %v2 : (tensor<2x2x2x7x8xf32>) -> tensor<2x4x7x8xf32>
  %0 = bess.matmul %q, %k3 {transpose_b} : (tensor<2x4x5x8xf32>, tensor<2x4x7x8xf32>) -> tensor<2x4x5x7xf32>
  %1 = bess.mul %0, %c : (tensor<2x4x5x7xf32>, tensor<f32>) -> tensor<2x4x5x7xf32>
  %2 = bess.softmax %1 {axis = 3 : i64} : (tensor<2x4x5x7xf32>) -> tensor<2x4x5x7xf32>
  %3 = bess.matmul %2, %v3 : (tensor<2x4x5x7xf32>, tensor<2x4x7x8xf32>) -> tensor<2x4x5x8xf32>
  return %3 : tensor<2x4x5x8xf32>
}

// A lower triangle of ones is causal; so is key <= query + past, written with ranges.
// CHECK-LABEL: func.func @causal
func.func @causal(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x5x8xf32>, %v: tensor<2x4x5x8xf32>) -> tensor<2x4x5x8xf32> {
  // CHECK: bess.attention %arg0, %arg1, %arg2 {causal = true
  // CHECK-NEXT: return
  %true = bess.constant dense<true> : tensor<5x5xi1>
  %inf = bess.constant dense<0xFF800000> : tensor<f32>
  %lower = bess.trilu %true {k = "0", upper = false} : (tensor<5x5xi1>) -> tensor<5x5xi1>
  %0 = bess.matmul %q, %k {transpose_b} : (tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x5x5xf32>
  %1 = bess.where %lower, %0, %inf : (tensor<5x5xi1>, tensor<2x4x5x5xf32>, tensor<f32>) -> tensor<2x4x5x5xf32>
  %2 = bess.softmax %1 {axis = 3 : i64} : (tensor<2x4x5x5xf32>) -> tensor<2x4x5x5xf32>
  %3 = bess.matmul %2, %v : (tensor<2x4x5x5xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x5x8xf32>
  return %3 : tensor<2x4x5x8xf32>
}

// The same, folded to a table that is added.
// CHECK-LABEL: func.func @causal_table
func.func @causal_table(%q: tensor<1x2x3x8xf32>, %k: tensor<1x2x4x8xf32>) -> tensor<1x2x3x8xf32> {
  // CHECK: bess.attention %arg0, %arg1, %arg1 {causal = true, causal_bottom_right = true
  // CHECK-NEXT: return
  %mask = bess.constant dense<[[[0.0, 0.0, -1.0e9, -1.0e9], [0.0, 0.0, 0.0, -1.0e9], [0.0, 0.0, 0.0, 0.0]]]> : tensor<1x3x4xf32>
  %0 = bess.matmul %q, %k {transpose_b} : (tensor<1x2x3x8xf32>, tensor<1x2x4x8xf32>) -> tensor<1x2x3x4xf32>
  %1 = bess.add %0, %mask : (tensor<1x2x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x2x3x4xf32>
  %2 = bess.softmax %1 {axis = 3 : i64} : (tensor<1x2x3x4xf32>) -> tensor<1x2x3x4xf32>
  %3 = bess.matmul %2, %k : (tensor<1x2x3x4xf32>, tensor<1x2x4x8xf32>) -> tensor<1x2x3x8xf32>
  return %3 : tensor<1x2x3x8xf32>
}

// One row for all queries is no triangle, though its elements could be one's.
// CHECK-LABEL: func.func @stretched_row
func.func @stretched_row(%q: tensor<1x2x3x8xf32>, %k: tensor<1x2x3x8xf32>) -> tensor<1x2x3x8xf32> {
  // CHECK-NOT: causal
  // CHECK: bess.attention %arg0, %arg1, %arg1, %{{.*}} {
  // CHECK-NOT: causal
  // CHECK: return
  %mask = bess.constant dense<0.0> : tensor<1x1x3x1xf32>
  %0 = bess.matmul %q, %k {transpose_b} : (tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>) -> tensor<1x2x3x3xf32>
  %1 = bess.add %0, %mask : (tensor<1x2x3x3xf32>, tensor<1x1x3x1xf32>) -> tensor<1x2x3x3xf32>
  %2 = bess.softmax %1 {axis = 3 : i64} : (tensor<1x2x3x3xf32>) -> tensor<1x2x3x3xf32>
  %3 = bess.matmul %2, %k : (tensor<1x2x3x3xf32>, tensor<1x2x3x8xf32>) -> tensor<1x2x3x8xf32>
  return %3 : tensor<1x2x3x8xf32>
}

// CHECK-LABEL: func.func @causal_with_cache
func.func @causal_with_cache(%q: tensor<2x4x?x8xf32, #bess.dims<"2", "4", "s", "8">>, %k: tensor<2x4x?x8xf32, #bess.dims<"2", "4", "p + s", "8">>, %past: tensor<?xf32, #bess.dims<"p">>)
    -> tensor<2x4x?x8xf32, #bess.dims<"2", "4", "s", "8">> {
  // CHECK: bess.attention %arg0, %arg1, %arg1 {causal = true, causal_bottom_right = true
  // CHECK-NEXT: return
  %zero = bess.constant dense<0> : tensor<i64>
  %one = bess.constant dense<1> : tensor<i64>
  %fzero = bess.constant dense<0.0> : tensor<f32>
  %lowest = bess.constant dense<-3.40282347E+38> : tensor<f32>
  %p = bess.from_dims <"p"> : tensor<1xi64>
  %j = bess.range %zero, %one : (tensor<i64>, tensor<i64>) -> tensor<?xi64, #bess.dims<"p + s">>
  %i = bess.range %zero, %one : (tensor<i64>, tensor<i64>) -> tensor<?xi64, #bess.dims<"s">>
  %ip = bess.add %i, %p : (tensor<?xi64, #bess.dims<"s">>, tensor<1xi64>) -> tensor<?xi64, #bess.dims<"s">>
  %row = bess.reshape %ip : (tensor<?xi64, #bess.dims<"s">>) -> tensor<1x1x?x1xi64, #bess.dims<"1", "1", "s", "1">>
  %column = bess.reshape %j : (tensor<?xi64, #bess.dims<"p + s">>) -> tensor<1x1x1x?xi64, #bess.dims<"1", "1", "1", "p + s">>
  %keep = bess.less_equal %column, %row : (tensor<1x1x1x?xi64, #bess.dims<"1", "1", "1", "p + s">>, tensor<1x1x?x1xi64, #bess.dims<"1", "1", "s", "1">>) -> tensor<1x1x?x?xi1, #bess.dims<"1", "1", "s", "p + s">>
  %mask = bess.where %keep, %fzero, %lowest : (tensor<1x1x?x?xi1, #bess.dims<"1", "1", "s", "p + s">>, tensor<f32>, tensor<f32>) -> tensor<1x1x?x?xf32, #bess.dims<"1", "1", "s", "p + s">>
  %0 = bess.matmul %q, %k {transpose_b} : (tensor<2x4x?x8xf32, #bess.dims<"2", "4", "s", "8">>, tensor<2x4x?x8xf32, #bess.dims<"2", "4", "p + s", "8">>) -> tensor<2x4x?x?xf32, #bess.dims<"2", "4", "s", "p + s">>
  %1 = bess.add %mask, %0 : (tensor<1x1x?x?xf32, #bess.dims<"1", "1", "s", "p + s">>, tensor<2x4x?x?xf32, #bess.dims<"2", "4", "s", "p + s">>) -> tensor<2x4x?x?xf32, #bess.dims<"2", "4", "s", "p + s">>
  %2 = bess.softmax %1 {axis = 3 : i64} : (tensor<2x4x?x?xf32, #bess.dims<"2", "4", "s", "p + s">>) -> tensor<2x4x?x?xf32, #bess.dims<"2", "4", "s", "p + s">>
  %3 = bess.matmul %2, %k : (tensor<2x4x?x?xf32, #bess.dims<"2", "4", "s", "p + s">>, tensor<2x4x?x8xf32, #bess.dims<"2", "4", "p + s", "8">>) -> tensor<2x4x?x8xf32, #bess.dims<"2", "4", "s", "8">>
  return %3 : tensor<2x4x?x8xf32, #bess.dims<"2", "4", "s", "8">>
}

// Heads folded into the batch; scores capped; a row of NaN guarded against.
// CHECK-LABEL: func.func @rank_3
func.func @rank_3(%q: tensor<6x5x8xf32>, %k: tensor<6x7x8xf32>, %v: tensor<6x7x8xf32>) -> tensor<6x5x8xf32> {
  // CHECK: %[[Y:.*]] = bess.attention
  // CHECK-SAME: scale = 5.000000e-01 : f64, softcap = 3.000000e+01 : f64
  // CHECK-SAME: (tensor<6x1x5x8xf32>, tensor<6x1x7x8xf32>, tensor<6x1x7x8xf32>) -> tensor<6x1x5x8xf32>
  // CHECK-NEXT: %[[R:.*]] = bess.reshape %[[Y]]
  // CHECK-NEXT: return %[[R]]
  %half = bess.constant dense<0.5> : tensor<f32>
  %cap = bess.constant dense<30.0> : tensor<f32>
  %zero = bess.constant dense<0.0> : tensor<f32>
  %t = bess.transpose %k {permutation = array<i64: 0, 2, 1>} : (tensor<6x7x8xf32>) -> tensor<6x8x7xf32>
  %0 = bess.matmul %q, %t : (tensor<6x5x8xf32>, tensor<6x8x7xf32>) -> tensor<6x5x7xf32>
  %1 = bess.mul %0, %half : (tensor<6x5x7xf32>, tensor<f32>) -> tensor<6x5x7xf32>
  %2 = bess.div %1, %cap : (tensor<6x5x7xf32>, tensor<f32>) -> tensor<6x5x7xf32>
  %3 = bess.tanh %2 : (tensor<6x5x7xf32>) -> tensor<6x5x7xf32>
  %4 = bess.mul %3, %cap : (tensor<6x5x7xf32>, tensor<f32>) -> tensor<6x5x7xf32>
  %5 = bess.softmax %4 {axis = 2 : i64} : (tensor<6x5x7xf32>) -> tensor<6x5x7xf32>
  %n = bess.is_nan %5 : (tensor<6x5x7xf32>) -> tensor<6x5x7xi1>
  %6 = bess.where %n, %zero, %5 : (tensor<6x5x7xi1>, tensor<f32>, tensor<6x5x7xf32>) -> tensor<6x5x7xf32>
  %7 = bess.matmul %6, %v : (tensor<6x5x7xf32>, tensor<6x7x8xf32>) -> tensor<6x5x8xf32>
  return %7 : tensor<6x5x8xf32>
}

// f16 with a softmax in f32, between casts.
// CHECK-LABEL: func.func @widened_softmax
func.func @widened_softmax(%q: tensor<1x2x5x8xf16>, %k: tensor<1x2x7x8xf16>) -> tensor<1x2x5x8xf16> {
  // CHECK: bess.attention %arg0, %arg1, %arg1
  // CHECK-NEXT: return
  %0 = bess.matmul %q, %k {transpose_b} : (tensor<1x2x5x8xf16>, tensor<1x2x7x8xf16>) -> tensor<1x2x5x7xf16>
  %1 = bess.cast %0 {to = f32} : (tensor<1x2x5x7xf16>) -> tensor<1x2x5x7xf32>
  %2 = bess.softmax %1 {axis = 3 : i64} : (tensor<1x2x5x7xf32>) -> tensor<1x2x5x7xf32>
  %3 = bess.cast %2 {to = f16} : (tensor<1x2x5x7xf32>) -> tensor<1x2x5x7xf16>
  %4 = bess.matmul %3, %k : (tensor<1x2x5x7xf16>, tensor<1x2x7x8xf16>) -> tensor<1x2x5x8xf16>
  return %4 : tensor<1x2x5x8xf16>
}

// Near misses: a softmax over the queries, a product under it that has no keys.
// CHECK-LABEL: func.func @other_axis
func.func @other_axis(%q: tensor<1x2x5x8xf32>, %k: tensor<1x2x5x8xf32>) -> tensor<1x2x5x8xf32> {
  // CHECK-NOT: bess.attention
  // CHECK: return
  %0 = bess.matmul %q, %k {transpose_b} : (tensor<1x2x5x8xf32>, tensor<1x2x5x8xf32>) -> tensor<1x2x5x5xf32>
  %1 = bess.softmax %0 {axis = 2 : i64} : (tensor<1x2x5x5xf32>) -> tensor<1x2x5x5xf32>
  %2 = bess.matmul %1, %k : (tensor<1x2x5x5xf32>, tensor<1x2x5x8xf32>) -> tensor<1x2x5x8xf32>
  return %2 : tensor<1x2x5x8xf32>
}

// CHECK-LABEL: func.func @no_transposed_keys
func.func @no_transposed_keys(%q: tensor<1x2x5x8xf32>, %k: tensor<1x2x8x5xf32>, %v: tensor<1x2x5x8xf32>) -> tensor<1x2x5x8xf32> {
  // CHECK-NOT: bess.attention
  // CHECK: return
  %0 = bess.matmul %q, %k : (tensor<1x2x5x8xf32>, tensor<1x2x8x5xf32>) -> tensor<1x2x5x5xf32>
  %1 = bess.softmax %0 {axis = 3 : i64} : (tensor<1x2x5x5xf32>) -> tensor<1x2x5x5xf32>
  %2 = bess.matmul %1, %v : (tensor<1x2x5x5xf32>, tensor<1x2x5x8xf32>) -> tensor<1x2x5x8xf32>
  return %2 : tensor<1x2x5x8xf32>
}
