// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --split-input-file --bessemer-cut-long-rows %s | FileCheck %s
// RUN: bessemer-opt --split-input-file --bessemer-cut-long-rows --bessemer-assign-gpu-layouts=strict --bessemer-lower-tile-to-gpu=strict %s | FileCheck %s --check-prefix=LOWER

// A loop for the sum, one for the stores, and what is left behind the last whole piece. The row goes through a ring in
// shared memory, which the second loop reads; of what follows the loops there is no copy.
// CHECK-LABEL: tile.kernel @scaled
// CHECK-SAME: reason "a ring of 5 pieces of 8192 elements in shared memory keeps 3 of a row's 4;
// CHECK-SAME: schedule {grid_blocks = 108 : i64, kept_pieces = 3 : i64, resident = 1 : i64, ring_pieces = 5 : i64, warps = 32 : i64}
// CHECK: %[[SUMS:.*]] = scf.for %[[I:.*]] = %{{.*}} to %c24576{{.*}} step %c8192{{.*}} iter_args(%[[BEFORE:.*]] = %{{.*}}) -> (tensor<8192xf32>)
// CHECK-NEXT: %[[X:.*]] = tile.load %{{.*}}[%{{.*}}, %[[I]]] dims [1] {in_bounds, kept = 0 : i64} : {{.*}} -> tensor<8192xf32>
// CHECK-NEXT: %[[NEXT:.*]] = arith.addf %[[BEFORE]], %[[X]]
// CHECK-NEXT: scf.yield %[[NEXT]]
// CHECK: {bess.pieces}
// CHECK: tile.load %{{.*}}[%{{.*}}, %c24576{{.*}}] dims [1] {in_bounds} : {{.*}} -> tensor<5424xf32>
// CHECK: tile.reduce sum %[[SUMS]] axis 0 : tensor<8192xf32> -> tensor<1xf32>
// CHECK: scf.for
// CHECK: tile.load {{.*}} {in_bounds, kept = 0 : i64}
// CHECK: tile.store {{.*}} : tensor<8192xf32>
// CHECK: {bess.pieces}
// CHECK: tile.store {{.*}} : tensor<5424xf32>

// 1024 threads, 8 elements a lane, in accesses of four. Five copies of two accesses start before the first row; the first
// loop waits until five groups are left, the last one goes on with the ring.
// LOWER-LABEL: func.func @scaled
// LOWER-SAME: bess.block = 1024
// LOWER-SAME: bess.grid = #bess.dims<"108">
// LOWER-SAME: bess.shared = 163840
// LOWER-COUNT-10: nvvm.cp.async.shared.global
// LOWER: scf.for
// LOWER: scf.for {{.*}} iter_args
// LOWER-NEXT: nvvm.cp.async.commit.group
// LOWER-NEXT: nvvm.cp.async.wait.group 5
// LOWER-COUNT-2: llvm.load {{.*}} : !llvm.ptr<3> -> vector<4xf32>
// LOWER: nvvm.barrier0
// LOWER: nvvm.barrier0
// LOWER: scf.for
// LOWER-COUNT-2: llvm.load {{.*}} : !llvm.ptr<3> -> vector<4xf32>
// LOWER-COUNT-2: llvm.store {{.*}} vector<4xf32>, !llvm.ptr<1>
// LOWER: nvvm.cp.async.shared.global
// LOWER: nvvm.cp.async.commit.group
tile.kernel @scaled grid <"400"> views 2 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%x: !tile.view<<"400", "30000">, f32>, %y: !tile.view<<"400", "30000">, f32>, %row: index):
  %zero = arith.constant 0 : index
  %0 = tile.load %x[%row, %zero] dims [1] {in_bounds} : !tile.view<<"400", "30000">, f32> -> tensor<30000xf32>
  %1 = tile.reduce sum %0 axis 0 : tensor<30000xf32> -> tensor<1xf32>
  %2 = tile.broadcast %1 : tensor<1xf32> -> tensor<30000xf32>
  %3 = arith.mulf %0, %2 : tensor<30000xf32>
  tile.store %3, %y[%row, %zero] dims [1] {in_bounds} : tensor<30000xf32>, !tile.view<<"400", "30000">, f32>
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

// -----

// What all rows share, what one pass alone reads and what has two bytes at odd places are no copies of the ring.
// CHECK-LABEL: tile.kernel @weighted
// CHECK-SAME: ring_pieces
// CHECK-COUNT-2: tile.load {{.*}} kept = 0 : i64
// CHECK-NOT: kept =
// CHECK: tile.kernel @odd
// CHECK-SAME: schedule {} {
// CHECK-NOT: kept
// LOWER-LABEL: func.func @weighted
// LOWER-LABEL: func.func @odd
tile.kernel @weighted grid <"4"> views 4 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%x: !tile.view<<"4", "32768">, f32>, %r: !tile.view<<"4", "32768">, f32>, %s: !tile.view<<"32768">, f32>, %y: !tile.view<<"4", "32768">, f32>, %row: index):
  %zero = arith.constant 0 : index
  %0 = tile.load %x[%row, %zero] dims [1] {in_bounds} : !tile.view<<"4", "32768">, f32> -> tensor<32768xf32>
  %1 = tile.load %s[%zero] dims [0] {in_bounds} : !tile.view<<"32768">, f32> -> tensor<32768xf32>
  %2 = arith.mulf %0, %1 : tensor<32768xf32>
  %3 = tile.reduce sum %2 axis 0 : tensor<32768xf32> -> tensor<1xf32>
  %4 = tile.broadcast %3 : tensor<1xf32> -> tensor<32768xf32>
  %5 = arith.mulf %2, %4 : tensor<32768xf32>
  %6 = tile.load %r[%row, %zero] dims [1] {in_bounds} : !tile.view<<"4", "32768">, f32> -> tensor<32768xf32>
  %7 = arith.addf %5, %6 : tensor<32768xf32>
  tile.store %7, %y[%row, %zero] dims [1] {in_bounds} : tensor<32768xf32>, !tile.view<<"4", "32768">, f32>
  tile.return
}
tile.kernel @odd grid <"4"> views 2 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%x: !tile.view<<"4", "32767">, f16>, %y: !tile.view<<"4", "32767">, f16>, %row: index):
  %zero = arith.constant 0 : index
  %0 = tile.load %x[%row, %zero] dims [1] {in_bounds} : !tile.view<<"4", "32767">, f16> -> tensor<32767xf16>
  %1 = tile.reduce max %0 axis 0 : tensor<32767xf16> -> tensor<1xf16>
  %2 = tile.broadcast %1 : tensor<1xf16> -> tensor<32767xf16>
  %3 = arith.subf %0, %2 : tensor<32767xf16>
  tile.store %3, %y[%row, %zero] dims [1] {in_bounds} : tensor<32767xf16>, !tile.view<<"4", "32767">, f16>
  tile.return
}
