// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --split-input-file --bessemer-group-short-rows %s | FileCheck %s
// RUN: bessemer-opt --split-input-file --bessemer-group-short-rows --bessemer-assign-gpu-layouts=strict %s | FileCheck %s --check-prefix=LAYOUT

// 128 rows of 16 in a block of four warps; the last block has fewer.
// CHECK-LABEL: tile.kernel @normalized grid <"floordiv(s0 + 127, 128)">
// CHECK-SAME: rows = 128
// CHECK: %[[FIRST:.*]] = arith.muli %{{.*}}, %c128
// CHECK: %[[LEFT:.*]] = arith.minsi %c128
// CHECK: tile.load %{{.*}}[%[[FIRST]], %{{.*}}] dims [0, 1] sizes(%[[LEFT]]) {in_bounds} : {{.*}} -> tensor<?x16xf32>
// CHECK: tile.reduce sum %{{.*}} axis 1 : tensor<?x16xf32> -> tensor<?x1xf32>
// What is the same for all rows is read once.
// CHECK: %[[SCALE:.*]] = tile.load %{{.*}} dims [0, 0] {in_bounds} : {{.*}} -> tensor<1x16xf32>
// CHECK: tile.broadcast %[[SCALE]] sizes(%[[LEFT]])
// CHECK: tile.store %{{.*}}, %{{.*}}[%[[FIRST]], %{{.*}}] dims [0, 1]

// Four lanes along a row, eight along the rows.
// LAYOUT-LABEL: tile.kernel @normalized
// LAYOUT-SAME: warps = 4
// LAYOUT: tile.load {{.*}} -> tensor<?x16xf32, #tile.layout<"[4, 1] x {register = {{\[\[}}0, 1], [0, 2]], lane = {{\[\[}}0, 4], [0, 8], [1, 0], [2, 0], [4, 0]], warp = {{\[\[}}8, 0], [16, 0]]} -> {dim0 = 32, dim1 = 16}">>
tile.kernel @normalized grid <"s0"> views 3 outputs 1 symbols 1 kind "row" reason "" schedule {} {
^bb0(%x: !tile.view<<"s0", "16">, f32>, %s: !tile.view<<"16">, f32>, %y: !tile.view<<"s0", "16">, f32>, %n: index, %row: index):
  %zero = arith.constant 0 : index
  %0 = tile.load %x[%row, %zero] dims [1] {in_bounds} : !tile.view<<"s0", "16">, f32> -> tensor<16xf32>
  %1 = tile.reduce sum %0 axis 0 : tensor<16xf32> -> tensor<1xf32>
  %2 = tile.broadcast %1 : tensor<1xf32> -> tensor<16xf32>
  %3 = arith.divf %0, %2 : tensor<16xf32>
  %4 = tile.load %s[%zero] dims [0] {in_bounds} : !tile.view<<"16">, f32> -> tensor<16xf32>
  %5 = arith.mulf %3, %4 : tensor<16xf32>
  tile.store %5, %y[%row, %zero] dims [1] {in_bounds} : tensor<16xf32>, !tile.view<<"s0", "16">, f32>
  tile.return
}

// -----

// A row that is read across: a square of the result, turned around on the chip.
// CHECK-LABEL: tile.kernel @turned grid <"2", "4", "3">
// CHECK: tile.load %{{.*}} dims [2, 1] {in_bounds} : {{.*}} -> tensor<64x64xf32>
// CHECK: tile.store %{{.*}} dims [1, 2] {in_bounds}
// LAYOUT-LABEL: tile.kernel @turned
// LAYOUT: tile.load
// LAYOUT: tile.convert
// LAYOUT: tile.store
tile.kernel @turned grid <"2", "256"> views 2 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%x: !tile.view<<"2", "192", "256">, f32>, %y: !tile.view<<"2", "256", "192">, f32>, %b: index, %row: index):
  %zero = arith.constant 0 : index
  %0 = tile.load %x[%b, %zero, %row] dims [1] {in_bounds} : !tile.view<<"2", "192", "256">, f32> -> tensor<192xf32>
  tile.store %0, %y[%b, %row, %zero] dims [2] {in_bounds} : tensor<192xf32>, !tile.view<<"2", "256", "192">, f32>
  tile.return
}

// -----

// The number of the row is a value here: the program stays as it is.
// CHECK-LABEL: tile.kernel @numbered grid <"100">
tile.kernel @numbered grid <"100"> views 1 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%y: !tile.view<<"100", "16">, i64>, %row: index):
  %zero = arith.constant 0 : index
  %0 = arith.index_cast %row : index to i64
  %1 = tile.splat %0 : i64 -> tensor<16xi64>
  tile.store %1, %y[%row, %zero] dims [1] {in_bounds} : tensor<16xi64>, !tile.view<<"100", "16">, i64>
  tile.return
}

// -----

// Rows that a warp can hold, and many: several in a block, a warp for each or for two.
// CHECK-LABEL: tile.kernel @middle grid <"8192">
// CHECK-SAME: reason "8 rows in a block of 4 warps: {{[0-9]+}} % of the memory's bandwidth expected"
// CHECK-SAME: schedule {rows = 8 : i64, warps = 4 : i64}
// CHECK: tile.load {{.*}} dims [0, 1] {in_bounds} : {{.*}} -> tensor<8x1024xf16>
// LAYOUT-LABEL: tile.kernel @middle
// LAYOUT: tile.load {{.*}} -> tensor<8x1024xf16, #tile.layout<"[2, 4] x {register = {{\[\[}}0, 1], [0, 2], [0, 4]], lane = {{\[\[}}0, 8], [0, 16], [0, 32], [0, 64], [0, 128]], warp = {{\[\[}}1, 0], [2, 0]]} -> {dim0 = 4, dim1 = 256}">>
tile.kernel @middle grid <"65536"> views 2 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%x: !tile.view<<"65536", "1024">, f16>, %y: !tile.view<<"65536", "1024">, f16>, %row: index):
  %zero = arith.constant 0 : index
  %0 = tile.load %x[%row, %zero] dims [1] {in_bounds} : !tile.view<<"65536", "1024">, f16> -> tensor<1024xf16>
  %1 = tile.reduce max %0 axis 0 : tensor<1024xf16> -> tensor<1xf16>
  %2 = tile.broadcast %1 : tensor<1xf16> -> tensor<1024xf16>
  %3 = arith.subf %0, %2 : tensor<1024xf16>
  tile.store %3, %y[%row, %zero] dims [1] {in_bounds} : tensor<1024xf16>, !tile.view<<"65536", "1024">, f16>
  tile.return
}

// -----

// Few of them have blocks of their own.
// CHECK-LABEL: tile.kernel @few grid <"16">
// CHECK: -> tensor<1024xf16>
tile.kernel @few grid <"16"> views 2 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%x: !tile.view<<"16", "1024">, f16>, %y: !tile.view<<"16", "1024">, f16>, %row: index):
  %zero = arith.constant 0 : index
  %0 = tile.load %x[%row, %zero] dims [1] {in_bounds} : !tile.view<<"16", "1024">, f16> -> tensor<1024xf16>
  %1 = tile.reduce max %0 axis 0 : tensor<1024xf16> -> tensor<1xf16>
  %2 = tile.broadcast %1 : tensor<1xf16> -> tensor<1024xf16>
  tile.store %2, %y[%row, %zero] dims [1] {in_bounds} : tensor<1024xf16>, !tile.view<<"16", "1024">, f16>
  tile.return
}
