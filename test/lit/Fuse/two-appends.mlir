// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --split-input-file --pass-pipeline='builtin.module(func.func(bessemer-fuse))' %s | FileCheck %s

!past = tensor<1x2x?x64xf16, #bess.dims<"1", "2", "p", "64">>
!new = tensor<1x2x9x64xf16>
!present = tensor<1x2x?x64xf16, #bess.dims<"1", "2", "p + 9", "64">>

module attributes {bess.target = {name = "cuda", architecture = 90 : i64}} {
  // Keys and values are appended by one kernel.
  // CHECK-LABEL: func.func @layer
  // CHECK: %[[Y:.*]]:2 = bess.fusion "concat"(%arg0, %arg2, %arg1, %arg3) reason "appends to two caches: concat, concat"
  // CHECK: bess.yield
  // CHECK-NOT: bess.fusion
  // CHECK: return %[[Y]]#0, %[[Y]]#1
  func.func @layer(%k: !past, %v: !past, %x: !new, %z: !new) -> (!present, !present) {
    %0 = bess.concat %k, %x {axis = 2 : i64} : (!past, !new) -> !present
    %1 = bess.concat %v, %z {axis = 2 : i64} : (!past, !new) -> !present
    return %0, %1 : !present, !present
  }
  // What comes behind the values depends on the keys.
  // CHECK-LABEL: func.func @depends
  // CHECK: bess.fusion "concat"(%arg0, %arg2) reason "concat alone
  // CHECK: bess.fusion "concat"({{.*}}) reason "concat copies rows from where they come, through slice"
  func.func @depends(%k: !past, %v: !past, %x: !new) -> (!present, !present) {
    %0 = bess.concat %k, %x {axis = 2 : i64} : (!past, !new) -> !present
    %1 = bess.slice %0 {offsets = #bess.dims<"0", "0", "p", "0">, steps = array<i64: 1, 1, 1, 1>} : (!present) -> !new
    %2 = bess.concat %v, %1 {axis = 2 : i64} : (!past, !new) -> !present
    return %0, %2 : !present, !present
  }
  // What is no cache of the caller stays apart.
  // CHECK-LABEL: func.func @computed
  // CHECK: bess.fusion "row"
  // CHECK: bess.fusion "concat"({{.*}}) reason "concat alone
  // CHECK: bess.fusion "concat"({{.*}}) reason "concat alone
  func.func @computed(%g: !new, %x: !new) -> (tensor<1x2x18x64xf16>, tensor<1x2x18x64xf16>) {
    %k = bess.relu %g : (!new) -> !new
    %0 = bess.concat %k, %x {axis = 2 : i64} : (!new, !new) -> tensor<1x2x18x64xf16>
    %1 = bess.concat %k, %k {axis = 2 : i64} : (!new, !new) -> tensor<1x2x18x64xf16>
    return %0, %1 : tensor<1x2x18x64xf16>, tensor<1x2x18x64xf16>
  }
}
