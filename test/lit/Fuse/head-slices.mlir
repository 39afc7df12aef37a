// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --split-input-file --pass-pipeline='builtin.module(func.func(bessemer-fuse))' %s | FileCheck %s

!all = tensor<1x128x36x64xf16>
!part = tensor<1x128x12x64xf16>

module attributes {bess.target = {name = "cuda", architecture = 90 : i64}} {
  // Attention reads heads where they lie; values that something else reads, too, are cut out.
  // CHECK-LABEL: func.func @slices
  // CHECK: %[[V:.*]] = bess.fusion "row"(%arg0)
  // CHECK: bess.fusion "attention"(%[[V]], %arg0) reason "attention reads heads where they lie, through slice, slice"
  // CHECK: %[[Q:.*]] = bess.slice %{{.*}} {offsets = #bess.dims<"0", "0", "0", "0">
  // CHECK: %[[K:.*]] = bess.slice %{{.*}} {offsets = #bess.dims<"0", "0", "12", "0">
  // CHECK: bess.attention %[[Q]], %[[K]], %{{.*}}
  func.func @slices(%x: !all) -> (!part, !part) {
    %q = bess.slice %x {offsets = #bess.dims<"0", "0", "0", "0">, steps = array<i64: 1, 1, 1, 1>} : (!all) -> !part
    %k = bess.slice %x {offsets = #bess.dims<"0", "0", "12", "0">, steps = array<i64: 1, 1, 1, 1>} : (!all) -> !part
    %v = bess.slice %x {offsets = #bess.dims<"0", "0", "24", "0">, steps = array<i64: 1, 1, 1, 1>} : (!all) -> !part
    %y = bess.attention %q, %k, %v {scale = 0.125 : f64, q_layout = "bshd", k_layout = "bshd", v_layout = "bshd", y_layout = "bshd", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (!part, !part, !part) -> !part
    return %y, %v : !part, !part
  }
}

// -----

!all = tensor<1x128x12x128xf16>
!step = tensor<1x128x12x64xf16>

module attributes {bess.target = {name = "cuda", architecture = 90 : i64}} {
  // A slice of each head is none of heads.
  // CHECK-LABEL: func.func @depth
  // CHECK: bess.fusion "row"(%arg0)
  // CHECK: bess.fusion "attention"({{.*}}) reason "attention alone
  func.func @depth(%x: !all, %k: !step) -> !step {
    %q = bess.slice %x {offsets = #bess.dims<"0", "0", "0", "64">, steps = array<i64: 1, 1, 1, 1>} : (!all) -> !step
    %y = bess.attention %q, %k, %k {scale = 0.125 : f64, q_layout = "bshd", k_layout = "bshd", v_layout = "bshd", y_layout = "bshd", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (!step, !step, !step) -> !step
    return %y : !step
  }
}

// -----

!all = tensor<1x128x36x64xf32>
!part = tensor<1x128x12x64xf32>

// A CPU's program reads whole tensors.
// CHECK-LABEL: func.func @cpu
// CHECK: bess.fusion "row"(%arg0)
// CHECK: bess.fusion "attention"({{.*}}) reason "attention alone
func.func @cpu(%x: !all, %k: !part) -> !part {
  %q = bess.slice %x {offsets = #bess.dims<"0", "0", "0", "0">, steps = array<i64: 1, 1, 1, 1>} : (!all) -> !part
  %y = bess.attention %q, %k, %k {scale = 0.125 : f64, q_layout = "bshd", k_layout = "bshd", v_layout = "bshd", y_layout = "bshd", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (!part, !part, !part) -> !part
  return %y : !part
}
