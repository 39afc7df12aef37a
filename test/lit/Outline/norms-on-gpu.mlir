// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --bessemer-outline='min-period=3 min-saved=6' %s | FileCheck %s --check-prefix=CPU
// RUN: sed 's/module {/module attributes {bess.target = {name = "cuda", architecture = 90 : i64}} {/' %s | bessemer-opt --bessemer-outline='min-period=3 min-saved=6' | FileCheck %s --check-prefix=GPU

// A normalization behind each residual: on a GPU it may be in one kernel with what adds up the product's parts, so that a layer ends behind it.
// CPU: func.func private @layer_0
// CPU-NEXT: bess.layer_norm
// CPU-NEXT: bess.matmul
// CPU-NEXT: bess.add
// CPU-NEXT: return
// GPU: func.func private @layer_0
// GPU-NEXT: bess.matmul
// GPU-NEXT: bess.add
// GPU-NEXT: bess.layer_norm
// GPU-NEXT: return
!x = tensor<16x64xf16>
!w = tensor<64x64xf16>
!s = tensor<64xf16>
module {
  func.func @main(%x: !x, %s: !s, %w0: !w, %w1: !w, %w2: !w, %w3: !w) -> !x {
    %e = bess.relu %x : (!x) -> !x
    %n = bess.layer_norm %e, %s, %s {axis = 1 : i64, epsilon = 1.0e-05 : f64} : (!x, !s, !s) -> !x
    %m0 = bess.matmul %n, %w0 : (!x, !w) -> !x
    %a0 = bess.add %m0, %n : (!x, !x) -> !x
    %n0 = bess.layer_norm %a0, %s, %s {axis = 1 : i64, epsilon = 1.0e-05 : f64} : (!x, !s, !s) -> !x
    %m1 = bess.matmul %n0, %w1 : (!x, !w) -> !x
    %a1 = bess.add %m1, %n0 : (!x, !x) -> !x
    %n1 = bess.layer_norm %a1, %s, %s {axis = 1 : i64, epsilon = 1.0e-05 : f64} : (!x, !s, !s) -> !x
    %m2 = bess.matmul %n1, %w2 : (!x, !w) -> !x
    %a2 = bess.add %m2, %n1 : (!x, !x) -> !x
    %n2 = bess.layer_norm %a2, %s, %s {axis = 1 : i64, epsilon = 1.0e-05 : f64} : (!x, !s, !s) -> !x
    %m3 = bess.matmul %n2, %w3 : (!x, !w) -> !x
    %a3 = bess.add %m3, %n2 : (!x, !x) -> !x
    %n3 = bess.layer_norm %a3, %s, %s {axis = 1 : i64, epsilon = 1.0e-05 : f64} : (!x, !s, !s) -> !x
    return %n3 : !x
  }
}
