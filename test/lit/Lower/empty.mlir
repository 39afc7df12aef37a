// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --bessemer-lower-tile-to-cpu %s | FileCheck %s

// A row without columns: no lane is read, the sum is the neutral value.
// CHECK: func.func @empty
// CHECK: vector.reduction <add>
// CHECK: llvm.store
tile.kernel @empty grid <> views 2 outputs 1 symbols 0 kind "row" reason "" schedule {} {
^bb0(%x: !tile.view<<"0">, f32>, %y: !tile.view<<"1">, f32>):
  %zero = arith.constant 0 : index
  %0 = tile.load %x[%zero] dims [0] {in_bounds} : !tile.view<<"0">, f32> -> tensor<0xf32>
  %1 = tile.reduce sum %0 axis 0 : tensor<0xf32> -> tensor<1xf32>
  tile.store %1, %y[%zero] dims [0] {in_bounds} : tensor<1xf32>, !tile.view<<"1">, f32>
  tile.return
}
