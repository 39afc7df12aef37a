// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --bessemer-assign-gpu-layouts %s | FileCheck %s --check-prefix=LAYOUT
// RUN: bessemer-opt --bessemer-assign-gpu-layouts --bessemer-lower-tile-to-gpu %s | FileCheck %s

// 1024 elements: two warps of 16 elements a lane, in accesses of four; the
// maximum is the same in all lanes and warps.
// LAYOUT: schedule {vector = 4 : i64, warps = 2 : i64}
// LAYOUT: tile.load {{.*}} -> tensor<1024xf32, #tile.layout<"[4] x {register = {{\[\[}}1], [2]], lane = {{\[\[}}4], [8], [16], [32], [64]], warp = {{\[\[}}128]]} -> {dim0 = 256}">>
// LAYOUT: tile.reduce {{.*}} -> tensor<1xf32, #tile.layout<"{register = [], lane = {{\[\[}}0], [0], [0], [0], [0]], warp = {{\[\[}}0]]} -> {dim0 = 1}">>

// Four accesses of 16 bytes, 15 steps within a lane, five over lanes, one over warps.
// CHECK: llvm.mlir.global internal @subtract_shared_0() {addr_space = 3 : i32, alignment = 16 : i64} : !llvm.array<2 x f32>
// CHECK: func.func @subtract(%{{.*}}: !llvm.ptr<1>, %{{.*}}: !llvm.ptr<1>, %{{.*}}: i64) attributes {bess.block = 64 : i64
// CHECK-COUNT-4: llvm.load {{.*}} -> vector<4xf32>
// CHECK-COUNT-15: arith.maximumf
// CHECK-COUNT-5: nvvm.shfl.sync bfly
// CHECK: nvvm.barrier0
// CHECK-COUNT-2: llvm.load {{.*}} !llvm.ptr<3> -> f32
// CHECK-COUNT-16: arith.subf
// CHECK-COUNT-4: llvm.store {{.*}} vector<4xf32>, !llvm.ptr<1>
tile.kernel @subtract grid <"s0"> views 2 outputs 1 symbols 1 kind "row" reason "" schedule {} {
^bb0(%x: !tile.view<<"s0", "1024">, f32>, %y: !tile.view<<"s0", "1024">, f32>, %n: index, %row: index):
  %zero = arith.constant 0 : index
  %0 = tile.load %x[%row, %zero] dims [1] {in_bounds} : !tile.view<<"s0", "1024">, f32> -> tensor<1024xf32>
  %1 = tile.reduce max %0 axis 0 : tensor<1024xf32> -> tensor<1xf32>
  %2 = tile.broadcast %1 : tensor<1xf32> -> tensor<1024xf32>
  %3 = arith.subf %0, %2 : tensor<1024xf32>
  tile.store %3, %y[%row, %zero] dims [1] {in_bounds} : tensor<1024xf32>, !tile.view<<"s0", "1024">, f32>
  tile.return
}
