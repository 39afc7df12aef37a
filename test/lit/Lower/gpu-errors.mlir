// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: not bessemer-opt --split-input-file --bessemer-assign-gpu-layouts=strict --bessemer-lower-tile-to-gpu=strict %s 2>&1 | FileCheck %s

// CHECK: error: expected a row whose length has a bound, to keep it in registers: bind its dimension with --dim NAME=VALUE
tile.kernel @unbounded grid <"1"> views 2 outputs 1 symbols 1 kind "row" reason "" schedule {} {
^bb0(%x: !tile.view<<"s0">, f32>, %y: !tile.view<<"s0">, f32>, %n: index, %point: index):
  %zero = arith.constant 0 : index
  %0 = tile.load %x[%zero] dims [0] sizes(%n) {in_bounds} : !tile.view<<"s0">, f32> -> tensor<?xf32>
  tile.store %0, %y[%zero] dims [0] {in_bounds} : tensor<?xf32>, !tile.view<<"s0">, f32>
  tile.return
}

// -----

// CHECK: error: expected an integer as 'block_rows' of the schedule of a GPU's matrix product, got {}
tile.kernel @product grid <"1"> views 3 outputs 1 symbols 0 kind "matmul" reason "" schedule {} {
^bb0(%x: !tile.view<<"16", "16">, f32>, %w: !tile.view<<"16", "16">, f32>, %y: !tile.view<<"16", "16">, f32>, %point: index):
  %zero = arith.constant 0 : index
  %0 = tile.load %x[%zero, %zero] dims [0, 1] {in_bounds} : !tile.view<<"16", "16">, f32> -> tensor<16x16xf32>
  %1 = tile.load %w[%zero, %zero] dims [0, 1] {in_bounds} : !tile.view<<"16", "16">, f32> -> tensor<16x16xf32>
  %2 = tile.dot %0, %1 : tensor<16x16xf32>, tensor<16x16xf32> -> tensor<16x16xf32>
  tile.store %2, %y[%zero, %zero] dims [0, 1] {in_bounds} : tensor<16x16xf32>, !tile.view<<"16", "16">, f32>
  tile.return
}
