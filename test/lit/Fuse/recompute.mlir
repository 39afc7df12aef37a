// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --pass-pipeline='builtin.module(bessemer-recompute)' -split-input-file %s | FileCheck %s

// The broadcast is not kept over the wide product between its two readers.
// CHECK-LABEL: func.func @main
// CHECK-SAME: bess.recomputed = ["main: a row kernel of 65536 bytes is computed again: at most 589824 bytes live at once instead of 655360"]
func.func @main(%x: tensor<128x128xf32>, %w: tensor<128x1024xf32>, %v: tensor<1024x128xf32>, %s: tensor<128xf32>) -> tensor<128x128xf32> {
  // CHECK: %[[M:.*]] = bess.fusion "row"(%arg3)
  // CHECK: bess.fusion "row"(%arg0, %[[M]])
  // CHECK: bess.fusion "matmul"
  // CHECK: bess.fusion "matmul"
  // CHECK: %[[N:.*]] = bess.fusion "row"(%arg3)
  // CHECK: bess.fusion "row"(%{{.*}}, %[[N]])
  %m = bess.fusion "row"(%s) reason "alone" : (tensor<128xf32>) -> tensor<128x128xf32> {
  ^bb0(%p: tensor<128xf32>):
    %e = bess.exp %p : (tensor<128xf32>) -> tensor<128xf32>
    %b = bess.broadcast %e : (tensor<128xf32>) -> tensor<128x128xf32>
    bess.yield %b : tensor<128x128xf32>
  }
  %0 = bess.fusion "row"(%x, %m) reason "alone" : (tensor<128x128xf32>, tensor<128x128xf32>) -> tensor<128x128xf32> {
  ^bb0(%p: tensor<128x128xf32>, %q: tensor<128x128xf32>):
    %a = bess.add %p, %q : (tensor<128x128xf32>, tensor<128x128xf32>) -> tensor<128x128xf32>
    bess.yield %a : tensor<128x128xf32>
  }
  %1 = bess.fusion "matmul"(%0, %w) reason "alone" : (tensor<128x128xf32>, tensor<128x1024xf32>) -> tensor<128x1024xf32> {
  ^bb0(%p: tensor<128x128xf32>, %q: tensor<128x1024xf32>):
    %a = bess.matmul %p, %q : (tensor<128x128xf32>, tensor<128x1024xf32>) -> tensor<128x1024xf32>
    bess.yield %a : tensor<128x1024xf32>
  }
  %2 = bess.fusion "matmul"(%1, %v) reason "alone" : (tensor<128x1024xf32>, tensor<1024x128xf32>) -> tensor<128x128xf32> {
  ^bb0(%p: tensor<128x1024xf32>, %q: tensor<1024x128xf32>):
    %a = bess.matmul %p, %q : (tensor<128x1024xf32>, tensor<1024x128xf32>) -> tensor<128x128xf32>
    bess.yield %a : tensor<128x128xf32>
  }
  %3 = bess.fusion "row"(%2, %m) reason "alone" : (tensor<128x128xf32>, tensor<128x128xf32>) -> tensor<128x128xf32> {
  ^bb0(%p: tensor<128x128xf32>, %q: tensor<128x128xf32>):
    %a = bess.mul %p, %q : (tensor<128x128xf32>, tensor<128x128xf32>) -> tensor<128x128xf32>
    bess.yield %a : tensor<128x128xf32>
  }
  return %3 : tensor<128x128xf32>
}

// -----

// A product is not cheap.
// CHECK-LABEL: func.func @main
// CHECK-NOT: bess.recomputed
func.func @main(%x: tensor<128x128xf32>, %w: tensor<128x1024xf32>, %v: tensor<1024x128xf32>) -> tensor<128x128xf32> {
  // CHECK-COUNT-4: bess.fusion
  // CHECK-NOT: bess.fusion
  %m = bess.fusion "matmul"(%x, %x) reason "alone" : (tensor<128x128xf32>, tensor<128x128xf32>) -> tensor<128x128xf32> {
  ^bb0(%p: tensor<128x128xf32>, %q: tensor<128x128xf32>):
    %a = bess.matmul %p, %q : (tensor<128x128xf32>, tensor<128x128xf32>) -> tensor<128x128xf32>
    bess.yield %a : tensor<128x128xf32>
  }
  %1 = bess.fusion "matmul"(%m, %w) reason "alone" : (tensor<128x128xf32>, tensor<128x1024xf32>) -> tensor<128x1024xf32> {
  ^bb0(%p: tensor<128x128xf32>, %q: tensor<128x1024xf32>):
    %a = bess.matmul %p, %q : (tensor<128x128xf32>, tensor<128x1024xf32>) -> tensor<128x1024xf32>
    bess.yield %a : tensor<128x1024xf32>
  }
  %2 = bess.fusion "matmul"(%1, %v) reason "alone" : (tensor<128x1024xf32>, tensor<1024x128xf32>) -> tensor<128x128xf32> {
  ^bb0(%p: tensor<128x1024xf32>, %q: tensor<1024x128xf32>):
    %a = bess.matmul %p, %q : (tensor<128x1024xf32>, tensor<1024x128xf32>) -> tensor<128x128xf32>
    bess.yield %a : tensor<128x128xf32>
  }
  %3 = bess.fusion "row"(%2, %m) reason "alone" : (tensor<128x128xf32>, tensor<128x128xf32>) -> tensor<128x128xf32> {
  ^bb0(%p: tensor<128x128xf32>, %q: tensor<128x128xf32>):
    %a = bess.mul %p, %q : (tensor<128x128xf32>, tensor<128x128xf32>) -> tensor<128x128xf32>
    bess.yield %a : tensor<128x128xf32>
  }
  return %3 : tensor<128x128xf32>
}
