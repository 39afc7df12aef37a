// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --bessemer-lower-tile-to-cpu %s | FileCheck %s

// exp is read by the sum and by the store: the sum's traversal keeps it in
// scratch memory (one row, padded to 32 floats), the store reads it back.
// CHECK: module @kernels
// CHECK: func.func @softmax
// CHECK-SAME: bess.workspace = "128"
// CHECK: vector.reduction <maximumf>
// CHECK: %[[E:.*]] = math.exp
// CHECK: llvm.store %[[E]]
// CHECK: vector.reduction <add>
// CHECK-NOT: math.exp
// CHECK: arith.divf
// CHECK: llvm.store
tile.kernel @softmax grid <"s0"> views 2 outputs 1 symbols 1 kind "row" reason "" schedule {} {
^bb0(%x: !tile.view<<"s0", "16">, f32>, %y: !tile.view<<"s0", "16">, f32>, %n: index, %row: index):
  %zero = arith.constant 0 : index
  %0 = tile.load %x[%row, %zero] dims [1] {in_bounds} : !tile.view<<"s0", "16">, f32> -> tensor<16xf32>
  %1 = tile.reduce max %0 axis 0 : tensor<16xf32> -> tensor<1xf32>
  %2 = tile.broadcast %1 : tensor<1xf32> -> tensor<16xf32>
  %3 = arith.subf %0, %2 : tensor<16xf32>
  %4 = math.exp %3 : tensor<16xf32>
  %5 = tile.reduce sum %4 axis 0 : tensor<16xf32> -> tensor<1xf32>
  %6 = tile.broadcast %5 : tensor<1xf32> -> tensor<16xf32>
  %7 = arith.divf %4, %6 : tensor<16xf32>
  tile.store %7, %y[%row, %zero] dims [1] {in_bounds} : tensor<16xf32>, !tile.view<<"s0", "16">, f32>
  tile.return
}
