// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --pass-pipeline='builtin.module(func.func(bessemer-fuse),bessemer-generate-tile-programs)' -split-input-file %s | FileCheck %s

// The sum goes along in a loop that writes each step.
// CHECK-LABEL: func.func @cumsum
// CHECK: tile.kernel @cumulate_0 grid <"3", "floordiv(s0 + 15, 16)">
// CHECK: scf.for {{.*}} -> (tensor<16xf32>)
// CHECK: tile.store
// CHECK-NEXT: scf.yield
func.func @cumsum(%x: tensor<3x5x?xf32, #bess.dims<"3", "5", "n">>) -> tensor<3x5x?xf32, #bess.dims<"3", "5", "n">> {
  %0 = bess.cumulate %x {axis = 1 : i64, kind = "sum"} : (tensor<3x5x?xf32, #bess.dims<"3", "5", "n">>) -> tensor<3x5x?xf32, #bess.dims<"3", "5", "n">>
  return %0 : tensor<3x5x?xf32, #bess.dims<"3", "5", "n">>
}

// -----

// Both results come from one program.
// CHECK-LABEL: func.func @topk
// CHECK: %[[R:.*]]:2 = bess.launch @topk_0
// CHECK: tile.kernel @topk_0 grid <"4", "1"> views 3 outputs 2
// CHECK: scf.for {{.*}} -> (tensor<1xi32>, tensor<1xi64>)
// CHECK: tile.reduce max
// CHECK: tile.reduce min
func.func @topk(%x: tensor<4x64xf32>) -> tensor<4x2xi64> {
  %0, %1 = bess.topk %x {axis = 1 : i64} : (tensor<4x64xf32>) -> (tensor<4x2xf32>, tensor<4x2xi64>)
  return %1 : tensor<4x2xi64>
}

// -----

// CHECK-LABEL: func.func @scatter_nd
// CHECK: tile.kernel @scatter_nd_0 grid <"1">
// CHECK: scf.for
// CHECK: tile.store
// CHECK: scf.for
// CHECK: tile.check {{.*}} "index" : i1
// CHECK: arith.addf
// CHECK: tile.store
func.func @scatter_nd(%x: tensor<8x16xf32>, %i: tensor<3x1xi64>, %u: tensor<3x16xf32>) -> tensor<8x16xf32> {
  %0 = bess.scatter_nd %x, %i, %u {reduction = "add"} : (tensor<8x16xf32>, tensor<3x1xi64>, tensor<3x16xf32>) -> tensor<8x16xf32>
  return %0 : tensor<8x16xf32>
}
