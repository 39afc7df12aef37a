// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --bessemer-cut-column-reductions %s | FileCheck %s

// Two blocks of 16 columns and one with 8, beyond which nothing is read; a loop over the whole pieces of 256 rows, and the 44 rows behind them.
module attributes {bess.target = {name = "cuda", architecture = 80 : i64}} {
  // CHECK-LABEL: tile.kernel @sum grid <"1", "3">
  // CHECK-SAME: schedule {rows = 256 : i64}
  // CHECK: %[[FIRST:.*]] = arith.muli %{{.*}}, %c16
  // CHECK: scf.for %[[I:.*]] = %{{.*}} iter_args(%[[BEFORE:.*]] = %{{.*}}) -> (tensor<256x16xf32>)
  // CHECK: tile.load %{{.*}}[%[[I]], %[[FIRST]]] dims [0, 1] : {{.*}} -> tensor<256x16xf32>
  // CHECK: arith.addf %[[BEFORE]]
  // CHECK: tile.reduce {{ *}}sum %{{.*}} axis 0 : tensor<256x16xf32> -> tensor<1x16xf32>
  // CHECK: tile.load %{{.*}} dims [0, 1] : {{.*}} -> tensor<44x16xf32>
  // CHECK: tile.reduce {{ *}}sum %{{.*}} axis 0 : tensor<44x16xf32> -> tensor<1x16xf32>
  // CHECK: tile.store %{{.*}}[%{{.*}}, %[[FIRST]]] dims [0, 1] :
  tile.kernel @sum grid <"1"> views 2 outputs 1 symbols 0 kind "row" reason "" schedule {} {
  ^bb0(%x: !tile.view<<"300", "40">, f32>, %y: !tile.view<<"1", "40">, f32>, %point: index):
    %zero = arith.constant 0 : index
    %0 = tile.load %x[%zero, %zero] dims [0, 1] {in_bounds} : !tile.view<<"300", "40">, f32> -> tensor<300x40xf32>
    %1 = tile.reduce sum %0 axis 0 : tensor<300x40xf32> -> tensor<40xf32>
    tile.store %1, %y[%point, %zero] dims [1] {in_bounds} : tensor<40xf32>, !tile.view<<"1", "40">, f32>
    tile.return
  }
  // Something is done with the matrix itself: it stays as it is.
  // CHECK-LABEL: tile.kernel @whole grid <"1"> {{.*}} schedule {}
  tile.kernel @whole grid <"1"> views 3 outputs 2 symbols 0 kind "row" reason "" schedule {} {
  ^bb0(%x: !tile.view<<"300", "40">, f32>, %z: !tile.view<<"300", "40">, f32>, %y: !tile.view<<"1", "40">, f32>, %point: index):
    %zero = arith.constant 0 : index
    %0 = tile.load %x[%zero, %zero] dims [0, 1] {in_bounds} : !tile.view<<"300", "40">, f32> -> tensor<300x40xf32>
    %1 = tile.reduce sum %0 axis 0 : tensor<300x40xf32> -> tensor<40xf32>
    tile.store %0, %z[%zero, %zero] dims [0, 1] {in_bounds} : tensor<300x40xf32>, !tile.view<<"300", "40">, f32>
    tile.store %1, %y[%point, %zero] dims [1] {in_bounds} : tensor<40xf32>, !tile.view<<"1", "40">, f32>
    tile.return
  }
}
