// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --pass-pipeline='builtin.module(bessemer-split-rows{pieces=2})' -split-input-file %s | FileCheck %s

// The wide value between two products is there for half of the rows at a time.
// CHECK-LABEL: func.func @main
// CHECK-SAME: bess.splits = ["main: 2 kernels in 2 pieces of 256 rows, at most 1572864 bytes live at once instead of 3145728"]
func.func @main(%x: tensor<1x512x384xf32>, %a: tensor<384x1536xf32>, %b: tensor<1536x384xf32>) -> tensor<1x512x384xf32> {
  // CHECK: %[[X0:.*]] = bess.slice %{{.*}} {offsets = #bess.dims<"0", "0", "0">, steps = array<i64: 1, 1, 1>} : (tensor<1x512x384xf32>) -> tensor<1x256x384xf32>
  // CHECK: %[[W0:.*]] = bess.fusion "matmul"(%[[X0]], %{{.*}}) {{.*}} -> tensor<1x256x1536xf32>
  // CHECK: bess.matmul %{{.*}} : (tensor<1x256x384xf32>, tensor<384x1536xf32>) -> tensor<1x256x1536xf32>
  // CHECK: %[[R0:.*]] = bess.reshape %[[W0]] : (tensor<1x256x1536xf32>) -> tensor<256x1536xf32>
  // CHECK: %[[Y0:.*]] = bess.fusion "matmul"(%[[R0]], %{{.*}}) {{.*}} -> tensor<256x384xf32>
  // CHECK: bess.slice %{{.*}} {offsets = #bess.dims<"0", "256", "0">
  // CHECK: bess.fusion "matmul"
  // CHECK: %[[Y1:.*]] = bess.fusion "matmul"
  // CHECK: %[[Y:.*]] = bess.concat %[[Y0]], %[[Y1]] {axis = 0 : i64} : (tensor<256x384xf32>, tensor<256x384xf32>) -> tensor<512x384xf32>
  // CHECK: %[[R:.*]] = bess.reshape %[[Y]]
  // CHECK: return %[[R]]
  %0 = bess.fusion "matmul"(%x, %a) reason "alone" : (tensor<1x512x384xf32>, tensor<384x1536xf32>) -> tensor<1x512x1536xf32> {
  ^bb0(%p: tensor<1x512x384xf32>, %q: tensor<384x1536xf32>):
    %m = bess.matmul %p, %q : (tensor<1x512x384xf32>, tensor<384x1536xf32>) -> tensor<1x512x1536xf32>
    %g = bess.gelu %m : (tensor<1x512x1536xf32>) -> tensor<1x512x1536xf32>
    bess.yield %g : tensor<1x512x1536xf32>
  }
  %1 = bess.reshape %0 : (tensor<1x512x1536xf32>) -> tensor<512x1536xf32>
  %2 = bess.fusion "matmul"(%1, %b) reason "alone" : (tensor<512x1536xf32>, tensor<1536x384xf32>) -> tensor<512x384xf32> {
  ^bb0(%p: tensor<512x1536xf32>, %q: tensor<1536x384xf32>):
    %m = bess.matmul %p, %q : (tensor<512x1536xf32>, tensor<1536x384xf32>) -> tensor<512x384xf32>
    bess.yield %m : tensor<512x384xf32>
  }
  %3 = bess.reshape %2 : (tensor<512x384xf32>) -> tensor<1x512x384xf32>
  return %3 : tensor<1x512x384xf32>
}

// -----

// A softmax along the rows needs all of them.
// CHECK-LABEL: func.func @main
// CHECK-NOT: bess.slice
func.func @main(%x: tensor<64x8xf32>, %a: tensor<8x64xf32>) -> tensor<64xf32> {
  %0 = bess.fusion "matmul"(%x, %a) reason "alone" : (tensor<64x8xf32>, tensor<8x64xf32>) -> tensor<64x64xf32> {
  ^bb0(%p: tensor<64x8xf32>, %q: tensor<8x64xf32>):
    %m = bess.matmul %p, %q : (tensor<64x8xf32>, tensor<8x64xf32>) -> tensor<64x64xf32>
    bess.yield %m : tensor<64x64xf32>
  }
  %1 = bess.fusion "row"(%0) reason "alone" : (tensor<64x64xf32>) -> tensor<64x64xf32> {
  ^bb0(%p: tensor<64x64xf32>):
    %m = bess.softmax %p {axis = 0 : i64} : (tensor<64x64xf32>) -> tensor<64x64xf32>
    bess.yield %m : tensor<64x64xf32>
  }
  %2 = bess.fusion "row"(%1) reason "alone" : (tensor<64x64xf32>) -> tensor<64xf32> {
  ^bb0(%p: tensor<64x64xf32>):
    %m = bess.reduce %p {axes = array<i64: 1>, keepdims = false, kind = "sum"} : (tensor<64x64xf32>) -> tensor<64xf32>
    bess.yield %m : tensor<64xf32>
  }
  return %2 : tensor<64xf32>
}

// -----

// Free sizes are left alone.
// CHECK-LABEL: func.func @main
// CHECK-NOT: bess.slice
func.func @main(%x: tensor<?x8xf32, #bess.dims<"n", "8">>) -> tensor<?x8xf32, #bess.dims<"n", "8">> {
  %0 = bess.fusion "row"(%x) reason "alone" : (tensor<?x8xf32, #bess.dims<"n", "8">>) -> tensor<?x8xf32, #bess.dims<"n", "8">> {
  ^bb0(%p: tensor<?x8xf32, #bess.dims<"n", "8">>):
    %m = bess.relu %p : (tensor<?x8xf32, #bess.dims<"n", "8">>) -> tensor<?x8xf32, #bess.dims<"n", "8">>
    bess.yield %m : tensor<?x8xf32, #bess.dims<"n", "8">>
  }
  return %0 : tensor<?x8xf32, #bess.dims<"n", "8">>
}
