// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --split-input-file --bessemer-split-keys %s | FileCheck %s

!q = tensor<1x12x1x64xf16>
!k = tensor<1x12x1024x64xf16>
!grown = tensor<1x12x?x64xf16, #bess.dims<"1", "12", "past + 1", "64">>
!some = tensor<1x12x?x64xf16, #bess.dims<"1", "12", "n", "64">>
!cache = tensor<1x2x?x128xbf16, #bess.dims<"1", "2", "t", "128">>

module attributes {bess.target = {name = "cuda", architecture = 90 : i64}} {
  // A step of a decoder.
  // CHECK-LABEL: func.func @step
  // CHECK: %[[P:.*]], %[[M:.*]], %[[S:.*]] = bess.attention_parts %arg0, %arg1, %arg2 {bess.reason = "keys in 16 parts of multiples of 64: {{.*}} cycles expected for 1024 keys{{.*}}", {{.*}}parts = 16 : i64, scale = 1.250000e-01 : f64, unit = 64 : i64}
  // CHECK-SAME: -> (tensor<16x1x12x1x64xf32>, tensor<16x1x12x1xf32>, tensor<16x1x12x1xf32>)
  // CHECK: %[[Y:.*]] = bess.combine_parts %[[P]], %[[M]], %[[S]] {{.*}}to = f16} : (tensor<16x1x12x1x64xf32>, tensor<16x1x12x1xf32>, tensor<16x1x12x1xf32>) -> tensor<1x12x1x64xf16>
  // CHECK: return %[[Y]]
  func.func @step(%q: !q, %k: !k, %v: !k) -> !q {
    %0 = bess.attention %q, %k, %v {scale = 0.125 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (!q, !k, !k) -> !q
    return %0 : !q
  }
  // A cache that grows up to a bound: as many parts as at the bound.
  // CHECK-LABEL: func.func @bounded
  // CHECK: bess.attention_parts {{.*}}cycles expected for 1024 keys{{.*}}parts = 16 : i64
  func.func @bounded(%q: !q, %k: !grown, %v: !grown) -> !q {
    bess.guard "le" "past" "1023" "past is bounded"
    %0 = bess.attention %q, %k, %v {scale = 0.125 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (!q, !grown, !grown) -> !q
    return %0 : !q
  }
  // Without a bound; query heads that share a key head, valid lengths, a result with the length first.
  // CHECK-LABEL: func.func @unbounded
  // CHECK: bess.attention_parts %arg0, %arg1, %arg2, %arg3 {{.*}}cycles expected for 4096 keys{{.*}}y_layout = "bshd"}
  // CHECK-SAME: -> (tensor<[[P:[0-9]+]]x1x1x8x128xf32>, tensor<[[P]]x1x1x8xf32>, tensor<[[P]]x1x1x8xf32>)
  // CHECK: bess.combine_parts {{.*}} -> tensor<1x1x8x128xbf16>
  func.func @unbounded(%q: tensor<1x8x1x128xbf16>, %k: !cache, %v: !cache, %n: tensor<1xi64>) -> tensor<1x1x8x128xbf16> {
    %0 = bess.attention %q, %k, %v, %n {scale = 0.125 : f64, y_layout = "bshd", operandSegmentSizes = array<i32: 1, 1, 1, 0, 1>}
      : (tensor<1x8x1x128xbf16>, !cache, !cache, tensor<1xi64>) -> tensor<1x1x8x128xbf16>
    return %0 : tensor<1x1x8x128xbf16>
  }
  // One program for prompts and steps: parts where the run has one query.
  // CHECK-LABEL: func.func @prompt_or_step
  // CHECK: bess.attention_parts %arg0, %arg1, %arg2 {bess.reason = "of one query: keys in {{.*}}", {{.*}}of_one_query
  // CHECK-SAME: -> (tensor<?x1x12x?x64xf32, #bess.dims<"7*min(max(0, -n + 2), 1) + 1", "1", "12", "n", "64">>
  // CHECK: bess.combine_parts {{.*}}most_parts = [[MOST:[0-9]+]] : i64
  func.func @prompt_or_step(%q: !some, %k: !k, %v: !k) -> !some {
    %0 = bess.attention %q, %k, %v {scale = 0.125 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (!some, !k, !k) -> !some
    return %0 : !some
  }
  // A prompt has blocks enough; of an encoder keys and queries are the same tokens.
  // CHECK-LABEL: func.func @not
  // CHECK-NOT: parts
  func.func @not(%x: tensor<1x12x512x64xf16>, %s: !some) -> (tensor<1x12x512x64xf16>, !some) {
    %0 = bess.attention %x, %x, %x {scale = 0.125 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<1x12x512x64xf16>, tensor<1x12x512x64xf16>, tensor<1x12x512x64xf16>) -> tensor<1x12x512x64xf16>
    %1 = bess.attention %s, %s, %s {scale = 0.125 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (!some, !some, !some) -> !some
    return %0, %1 : tensor<1x12x512x64xf16>, !some
  }
}

// -----

// A CPU shares heads out.
module {
  // CHECK-LABEL: func.func @cpu
  // CHECK-NOT: parts
  func.func @cpu(%q: tensor<1x12x1x64xf16>, %k: tensor<1x12x1024x64xf16>, %v: tensor<1x12x1024x64xf16>) -> tensor<1x12x1x64xf16> {
    %0 = bess.attention %q, %k, %v {scale = 0.125 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<1x12x1x64xf16>, tensor<1x12x1024x64xf16>, tensor<1x12x1024x64xf16>) -> tensor<1x12x1x64xf16>
    return %0 : tensor<1x12x1x64xf16>
  }
}
