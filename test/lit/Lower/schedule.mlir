// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: split-file %s %t
// RUN: bessemer-opt --bessemer-lower-tile-to-cpu %t/ok.mlir | FileCheck %s
// RUN: not bessemer-opt --bessemer-lower-tile-to-cpu %t/lanes.mlir 2>&1 | FileCheck %s --check-prefix=LANES
// RUN: not bessemer-opt --bessemer-lower-tile-to-cpu %t/layout.mlir 2>&1 | FileCheck %s --check-prefix=LAYOUT
// RUN: not bessemer-opt --bessemer-lower-tile-to-cpu %t/unroll.mlir 2>&1 | FileCheck %s --check-prefix=UNROLL

// The register block, the unrolling and the prefetch are the schedule's: three
// rows of at most two are blocks of two and one; the inner loop takes two steps
// and asks for two lines of the next panel (two rows of 16 floats).
//--- ok.mlir
// CHECK: func.func @dot
// CHECK: scf.for {{.*}} step %c2{{.*}} iter_args({{.*}}) -> (vector<16xf32>, vector<16xf32>, !llvm.ptr) {
// CHECK-COUNT-4: vector.fma
// CHECK-NOT: vector.fma
// CHECK-COUNT-1: llvm.intr.prefetch
// CHECK-NOT: llvm.intr.prefetch
// CHECK: scf.for {{.*}} iter_args({{.*}}) -> (vector<16xf32>, !llvm.ptr) {
// CHECK-COUNT-2: vector.fma
module attributes {bess.target = {}} {
tile.kernel @dot grid <"1"> views 3 outputs 1 symbols 0 kind "matmul" reason ""
  schedule {register_block = #tile.layout<"[2, 2] x {register = [], lane = [[0, 1], [0, 2], [0, 4]]} -> {row = 1, col = 8}">, unroll = 2, prefetch_blocks = 2} {
^bb0(%x: !tile.view<<"3", "32">, f32>, %w: !tile.view<<"4", "32", "16">, f32>, %y: !tile.view<<"3", "16">, f32>, %point: index):
  %zero = arith.constant 0 : index
  %0 = tile.load %x[%zero, %zero] dims [0, 1] {in_bounds} : !tile.view<<"3", "32">, f32> -> tensor<3x32xf32>
  %1 = tile.load %w[%zero, %zero, %zero] dims [1, 2] {in_bounds} : !tile.view<<"4", "32", "16">, f32> -> tensor<32x16xf32>
  %2 = tile.dot %0, %1 : tensor<3x32xf32>, tensor<32x16xf32> -> tensor<3x16xf32>
  tile.store %2, %y[%zero, %zero] dims [0, 1] {in_bounds} : tensor<3x16xf32>, !tile.view<<"3", "16">, f32>
  tile.return
}
}

//--- lanes.mlir
// LANES: error: the schedule does not fit the machine: expected a power of two of at most 8 lanes in the register block, got 16
module attributes {bess.target = {}} {
tile.kernel @dot grid <"1"> views 1 outputs 1 symbols 0 kind "matmul" reason ""
  schedule {register_block = #tile.layout<"[2, 2] x {register = [], lane = [[0, 1], [0, 2], [0, 4], [0, 8]]} -> {row = 1, col = 16}">} {
^bb0(%y: !tile.view<<"3", "16">, f32>, %point: index):
  tile.return
}
}

//--- layout.mlir
// LAYOUT: error: expected a #tile.layout as 'register_block' of the schedule, got #tile.layout<"14 x 32">
tile.kernel @dot grid <"1"> views 1 outputs 1 symbols 0 kind "matmul" reason "" schedule {register_block = #tile.layout<"14 x 32">} {
^bb0(%y: !tile.view<<"3", "16">, f32>, %point: index):
  tile.return
}

//--- unroll.mlir
// UNROLL: error: the schedule does not fit the machine: expected a power of two of at most 64 to unroll by, got 3
tile.kernel @dot grid <"1"> views 1 outputs 1 symbols 0 kind "matmul" reason "" schedule {unroll = 3} {
^bb0(%y: !tile.view<<"3", "16">, f32>, %point: index):
  tile.return
}
