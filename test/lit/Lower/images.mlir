// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --bessemer-lower-tile-to-cpu --split-input-file %s | FileCheck %s

// Patches go to scratch memory: 4 rows of 3 * 3 * 8 elements, each row behind
// 16 more. Where a row of the window lies inside of the image, its 3 * 8
// neighbours are one copy.
// CHECK: func.func @patches
// CHECK-SAME: bess.workspace = "1536"
// CHECK: scf.if
// CHECK: %[[A:.*]] = llvm.load %{{.*}} : !llvm.ptr -> vector<16xf32>
// CHECK: llvm.store %[[A]]
// CHECK: %[[B:.*]] = llvm.load %{{.*}} : !llvm.ptr -> vector<8xf32>
// CHECK: llvm.store %[[B]]
// CHECK: vector.fma
tile.kernel @patches grid <"4"> views 3 outputs 1 symbols 0 kind "conv" reason "" schedule {} {
^bb0(%x: !tile.view<<"1", "4", "4", "1", "8">, f32>, %w: !tile.view<<"1", "1", "72", "16">, f32>, %y: !tile.view<<"16", "16">, f32>, %i: index):
  %zero = arith.constant 0 : index
  %four = arith.constant 4 : index
  %first = arith.muli %i, %four : index
  %0 = tile.patches %x at %first group %zero out(%four, %four) {window = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1>}
    : !tile.view<<"1", "4", "4", "1", "8">, f32> -> tensor<4x72xf32>
  %1 = tile.load %w[%zero, %zero, %zero, %zero] dims [2, 3] {in_bounds} : !tile.view<<"1", "1", "72", "16">, f32> -> tensor<72x16xf32>
  %2 = tile.dot %0, %1 : tensor<4x72xf32>, tensor<72x16xf32> -> tensor<4x16xf32>
  tile.store %2, %y[%first, %zero] dims [0, 1] {in_bounds} : tensor<4x16xf32>, !tile.view<<"16", "16">, f32>
  tile.return
}

// -----

// Points that differ in the panel alone share the patches: they are copied where
// the workspace does not hold those of the places yet.
// CHECK: func.func @shared
// CHECK-SAME: %[[WORKSPACE:[^ ]*]]: !llvm.ptr)
// CHECK: scf.for %[[POINT:[^ ]*]] =
// CHECK: llvm.getelementptr %[[WORKSPACE]][%{{.*}}]
// CHECK: %[[BLOCK:.*]] = arith.divui %[[POINT]], %c2{{.*}} : index
// CHECK: %[[NEXT:.*]] = arith.addi %[[BLOCK]], %c1{{.*}} : index
// CHECK: %[[NUMBER:.*]] = arith.index_cast %[[NEXT]] : index to i64
// CHECK: %[[PLACE:.*]] = llvm.getelementptr %[[WORKSPACE]][-2] : (!llvm.ptr) -> !llvm.ptr, i64
// CHECK: %[[HELD:.*]] = llvm.load %[[PLACE]]
// CHECK: %[[ABSENT:.*]] = arith.cmpi ne, %[[HELD]], %[[NUMBER]]
// CHECK: scf.if %[[ABSENT]]
// CHECK: llvm.store %[[NUMBER]], %[[PLACE]]
tile.kernel @shared grid <"4", "2"> views 3 outputs 1 symbols 0 kind "conv" reason "" schedule {} {
^bb0(%x: !tile.view<<"1", "4", "4", "1", "8">, f32>, %w: !tile.view<<"1", "2", "72", "16">, f32>, %y: !tile.view<<"16", "32">, f32>, %i: index, %panel: index):
  %zero = arith.constant 0 : index
  %four = arith.constant 4 : index
  %width = arith.constant 16 : index
  %first = arith.muli %i, %four : index
  %column = arith.muli %panel, %width : index
  %0 = tile.patches %x at %first group %zero out(%four, %four) {window = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1>}
    : !tile.view<<"1", "4", "4", "1", "8">, f32> -> tensor<4x72xf32>
  %1 = tile.load %w[%zero, %panel, %zero, %zero] dims [2, 3] {in_bounds} : !tile.view<<"1", "2", "72", "16">, f32> -> tensor<72x16xf32>
  %2 = tile.dot %0, %1 : tensor<4x72xf32>, tensor<72x16xf32> -> tensor<4x16xf32>
  tile.store %2, %y[%first, %column] dims [0, 1] {in_bounds} : tensor<4x16xf32>, !tile.view<<"16", "32">, f32>
  tile.return
}

// -----

// A row at a computed place is a vector; outside it is zero. A sum of products
// down the rows is a chain of fused multiply-adds.
// CHECK: func.func @depthwise
// CHECK: scf.for
// CHECK: %[[P:.*]] = arith.select %[[M:.*]], %{{.*}}, %{{.*}} : !llvm.ptr
// CHECK: llvm.load %[[P]] {alignment = 4 : i64} : !llvm.ptr -> vector<8xf32>
// CHECK: arith.select
// CHECK: vector.fma
tile.kernel @depthwise grid <"1"> views 3 outputs 1 symbols 0 kind "conv" reason "" schedule {} {
^bb0(%x: !tile.view<<"72">, f32>, %w: !tile.view<<"9", "8">, f32>, %y: !tile.view<<"1", "8">, f32>, %i: index):
  %zero = arith.constant 0 : index
  %0 = tile.iota %zero axis 0 : tensor<9x1xi64>
  %eight = arith.constant dense<8> : tensor<9x1xi64>
  %1 = arith.muli %0, %eight : tensor<9x1xi64>
  %five = arith.constant dense<5> : tensor<9x1xi64>
  %2 = arith.cmpi ult, %0, %five : tensor<9x1xi64>
  %3 = tile.gather_rows %x at %1 mask %2 : (!tile.view<<"72">, f32>, tensor<9x1xi64>, tensor<9x1xi1>) -> tensor<9x8xf32>
  %4 = tile.load %w[%zero, %zero] dims [0, 1] {in_bounds} : !tile.view<<"9", "8">, f32> -> tensor<9x8xf32>
  %5 = arith.mulf %3, %4 : tensor<9x8xf32>
  %6 = tile.reduce sum %5 axis 0 : tensor<9x8xf32> -> tensor<1x8xf32>
  tile.store %6, %y[%zero, %zero] dims [0, 1] {in_bounds} : tensor<1x8xf32>, !tile.view<<"1", "8">, f32>
  tile.return
}

// -----

// Two stores of one shape are one traversal: what they share is computed once.
// A load whose condition is false reads the start of the view and is zero.
// CHECK: func.func @together
// CHECK: %[[P:.*]] = arith.select %[[C:.*]], %{{.*}}, %{{.*}} : !llvm.ptr
// CHECK: %[[X:.*]] = llvm.load
// CHECK: arith.select
// CHECK: %[[E:.*]] = math.exp
// CHECK-NOT: math.exp
// CHECK: llvm.store
// CHECK: scf.if
// CHECK: llvm.store
// CHECK-NOT: math.exp
tile.kernel @together grid <"1"> views 3 outputs 2 symbols 0 kind "row" reason "" schedule {} {
^bb0(%x: !tile.view<<"16">, f32>, %y: !tile.view<<"16">, f32>, %z: !tile.view<<"16">, f32>, %i: index):
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %ok = arith.cmpi ult, %i, %one : index
  %0 = tile.load %x[%zero] dims [0] if %ok {in_bounds} : !tile.view<<"16">, f32> -> tensor<16xf32>
  %1 = math.exp %0 : tensor<16xf32>
  %2 = arith.negf %1 : tensor<16xf32>
  tile.store %1, %y[%zero] dims [0] {in_bounds} : tensor<16xf32>, !tile.view<<"16">, f32>
  tile.store %2, %z[%zero] dims [0] if %ok {in_bounds} : tensor<16xf32>, !tile.view<<"16">, f32>
  tile.return
}
