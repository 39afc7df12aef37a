// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --bessemer-assign-gpu-layouts --bessemer-lower-tile-to-gpu %s | FileCheck %s
// RUN: bessemer-opt --bessemer-assign-gpu-layouts --bessemer-lower-tile-to-gpu --bessemer-lower-kernels-to-llvm %s | FileCheck %s --check-prefix=LLVM

// A tile that a loop carries: a register of each thread. Views, symbols, then the workspace, its bytes for a block, and where faults go.
// CHECK-LABEL: func.func @running_sum(
// CHECK-SAME: %[[X:.*]]: !llvm.ptr<1>, %[[Y:.*]]: !llvm.ptr<1>, %{{.*}}: i64, %{{.*}}: !llvm.ptr<1>, %{{.*}}: i64, %{{.*}}: !llvm.ptr<1>)
// CHECK-SAME: bess.block = 64 : i64
// CHECK-SAME: bess.takes_workspace
// Points of the grid: the block's own, and further ones where there are fewer blocks.
// CHECK: %[[BLOCK:.*]] = nvvm.read.ptx.sreg.ctaid.x
// CHECK: %[[BLOCKS:.*]] = nvvm.read.ptx.sreg.nctaid.x
// CHECK: scf.for
// CHECK: scf.for {{.*}} iter_args(%[[BEFORE:.*]] = %{{.*}}) -> (f32)
// CHECK: %[[ELEMENT:.*]] = llvm.load
// CHECK: arith.addf %[[BEFORE]], %[[ELEMENT]] : f32
// CHECK: llvm.store
// No other thread reads what one writes.
// CHECK-NOT: nvvm.barrier
// LLVM: llvm.func @running_sum{{.*}} nvvm.kernel
tile.kernel @running_sum grid <"1"> views 2 outputs 1 symbols 1 kind "cumulate" reason "" schedule {} {
^bb0(%x: !tile.view<<"s0", "64">, f32>, %y: !tile.view<<"s0", "64">, f32>, %n: index, %point: index):
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %none = arith.constant 0.0 : f32
  %first = tile.splat %none : f32 -> tensor<64xf32>
  %sum = scf.for %i = %zero to %n step %one iter_args(%before = %first) -> tensor<64xf32> {
    %0 = tile.load %x[%i, %zero] dims [1] {in_bounds} : !tile.view<<"s0", "64">, f32> -> tensor<64xf32>
    %next = arith.addf %before, %0 : tensor<64xf32>
    tile.store %next, %y[%i, %zero] dims [1] {in_bounds} : tensor<64xf32>, !tile.view<<"s0", "64">, f32>
    scf.yield %next : tensor<64xf32>
  }
  tile.return
}

// What was stored is read again, by other threads: barriers in each step.
// CHECK-LABEL: func.func @reread(
// CHECK: scf.for
// CHECK: scf.for
// CHECK: nvvm.barrier0
// CHECK: llvm.store
tile.kernel @reread grid <"1"> views 2 outputs 1 symbols 1 kind "point" reason "" schedule {} {
^bb0(%x: !tile.view<<"64">, f32>, %y: !tile.view<<"s0", "64">, f32>, %n: index, %point: index):
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  scf.for %i = %one to %n step %one {
    %before = arith.subi %i, %one : index
    %0 = tile.load %y[%before, %zero] dims [1] {in_bounds} : !tile.view<<"s0", "64">, f32> -> tensor<64xf32>
    %1 = tile.load %x[%zero] dims [0] {in_bounds} : !tile.view<<"64">, f32> -> tensor<64xf32>
    %2 = arith.mulf %0, %1 : tensor<64xf32>
    tile.store %2, %y[%i, %zero] dims [1] {in_bounds} : tensor<64xf32>, !tile.view<<"s0", "64">, f32>
  }
  tile.return
}

// Rows of unknown length: a warp for each row, its sum in scratch memory of a size that a symbol gives.
// A long sum is a sum of sums of 128 for each lane.
// CHECK-LABEL: func.func @row_sums(
// CHECK-SAME: bess.workspace = "
// CHECK: %[[TERMS:.*]] = arith.constant 4096 : index
// CHECK: scf.for {{.*}} step %[[TERMS]] iter_args
// CHECK: arith.minsi
// CHECK: scf.for {{.*}} iter_args
// CHECK: nvvm.shfl.sync bfly
// CHECK: nvvm.barrier0
// CHECK: llvm.store
tile.kernel @row_sums grid <"1"> views 2 outputs 1 symbols 1 kind "row" reason "" schedule {} {
^bb0(%x: !tile.view<<"s0", "s0">, f32>, %y: !tile.view<<"s0", "1">, f32>, %n: index, %point: index):
  %zero = arith.constant 0 : index
  %0 = tile.load %x[%zero, %zero] dims [0, 1] sizes(%n, %n) {in_bounds} : !tile.view<<"s0", "s0">, f32> -> tensor<?x?xf32>
  %1 = tile.reduce sum %0 axis 1 : tensor<?x?xf32> -> tensor<?x1xf32>
  tile.store %1, %y[%zero, %zero] dims [0, 1] {in_bounds} : tensor<?x1xf32>, !tile.view<<"s0", "1">, f32>
  tile.return
}

// A sine has no instruction that is exact enough, and there is no library: f64 and a series.
// LLVM-LABEL: llvm.func @sine(
// LLVM: llvm.fpext {{.*}} : f32 to f64
// LLVM: llvm.fptrunc {{.*}} : f64 to f32
// LLVM-NOT: llvm.call
tile.kernel @sine grid <"1"> views 2 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%x: !tile.view<<"64">, f32>, %y: !tile.view<<"64">, f32>, %point: index):
  %zero = arith.constant 0 : index
  %0 = tile.load %x[%zero] dims [0] {in_bounds} : !tile.view<<"64">, f32> -> tensor<64xf32>
  %1 = math.sin %0 : tensor<64xf32>
  tile.store %1, %y[%zero] dims [0] {in_bounds} : tensor<64xf32>, !tile.view<<"64">, f32>
  tile.return
}
