// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --split-input-file --bessemer-cut-long-rows %s | FileCheck %s
// RUN: bessemer-opt --split-input-file --bessemer-cut-long-rows --bessemer-assign-gpu-layouts=strict --bessemer-lower-tile-to-gpu=strict %s | FileCheck %s --check-prefix=LOWER

// A loop for the sum, one for the stores, and what is left behind the last whole piece.
// CHECK-LABEL: tile.kernel @scaled
// CHECK: %[[SUMS:.*]] = scf.for %[[I:.*]] = %{{.*}} to %c16384{{.*}} step %c16384{{.*}} iter_args(%[[BEFORE:.*]] = %{{.*}}) -> (tensor<16384xf32>)
// CHECK-NEXT: %[[X:.*]] = tile.load %{{.*}}[%{{.*}}, %[[I]]] dims [1] {in_bounds} : {{.*}} -> tensor<16384xf32>
// CHECK-NEXT: %[[NEXT:.*]] = arith.addf %[[BEFORE]], %[[X]]
// CHECK-NEXT: scf.yield %[[NEXT]]
// CHECK: {bess.pieces}
// CHECK: tile.load %{{.*}}[%{{.*}}, %c16384{{.*}}] dims [1] {in_bounds} : {{.*}} -> tensor<13616xf32>
// CHECK: tile.reduce sum %[[SUMS]] axis 0 : tensor<16384xf32> -> tensor<1xf32>
// CHECK: scf.for
// CHECK: tile.store {{.*}} : tensor<16384xf32>
// CHECK: {bess.pieces}
// CHECK: tile.store {{.*}} : tensor<13616xf32>

// 1024 threads, 16 elements a lane, in accesses of four; the two parts of the sum each go over lanes and warps.
// LOWER-LABEL: func.func @scaled
// LOWER-SAME: bess.block = 1024
// LOWER: scf.for {{.*}} iter_args
// LOWER-COUNT-4: llvm.load {{.*}} -> vector<4xf32>
// LOWER: nvvm.barrier0
// LOWER: nvvm.barrier0
// LOWER: scf.for
// LOWER-COUNT-4: llvm.store {{.*}} vector<4xf32>, !llvm.ptr<1>
tile.kernel @scaled grid <"4"> views 2 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%x: !tile.view<<"4", "30000">, f32>, %y: !tile.view<<"4", "30000">, f32>, %row: index):
  %zero = arith.constant 0 : index
  %0 = tile.load %x[%row, %zero] dims [1] {in_bounds} : !tile.view<<"4", "30000">, f32> -> tensor<30000xf32>
  %1 = tile.reduce sum %0 axis 0 : tensor<30000xf32> -> tensor<1xf32>
  %2 = tile.broadcast %1 : tensor<1xf32> -> tensor<30000xf32>
  %3 = arith.mulf %0, %2 : tensor<30000xf32>
  tile.store %3, %y[%row, %zero] dims [1] {in_bounds} : tensor<30000xf32>, !tile.view<<"4", "30000">, f32>
  tile.return
}

// -----

// A row that registers hold stays whole.
// CHECK-LABEL: tile.kernel @short
// CHECK-NOT: scf.for
// LOWER-LABEL: func.func @short
tile.kernel @short grid <"4"> views 2 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%x: !tile.view<<"4", "16384">, f32>, %y: !tile.view<<"4", "16384">, f32>, %row: index):
  %zero = arith.constant 0 : index
  %0 = tile.load %x[%row, %zero] dims [1] {in_bounds} : !tile.view<<"4", "16384">, f32> -> tensor<16384xf32>
  %1 = tile.reduce sum %0 axis 0 : tensor<16384xf32> -> tensor<1xf32>
  %2 = tile.broadcast %1 : tensor<1xf32> -> tensor<16384xf32>
  tile.store %2, %y[%row, %zero] dims [1] {in_bounds} : tensor<16384xf32>, !tile.view<<"4", "16384">, f32>
  tile.return
}
