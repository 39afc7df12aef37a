// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --bessemer-lower-tile-to-cpu %s | FileCheck %s

// A fault is written 8 bytes before the workspace: where the executor looks.
// CHECK: func.func @checked(%{{.*}}, %[[WORKSPACE:.*]]: !llvm.ptr)
// CHECK: %[[WRONG:.*]] = arith.xori
// CHECK: scf.if %[[WRONG]]
// CHECK: %[[PLACE:.*]] = llvm.getelementptr %[[WORKSPACE]][-1] : (!llvm.ptr) -> !llvm.ptr, i64
// CHECK: llvm.store %c1_i64{{.*}}, %[[PLACE]]
// A tile is checked as a whole.
// CHECK: vector.reduction <and>
// CHECK: scf.if
tile.kernel @checked grid <"1"> views 1 outputs 1 symbols 0 kind "point" reason "" schedule {} {
^bb0(%y: !tile.view<<"8">, i64>, %row: index):
  %zero = arith.constant 0 : index
  %five = arith.constant 5 : index
  %ok = arith.cmpi ult, %row, %five : index
  tile.check %ok "index" : i1
  %lanes = tile.iota %row axis 0 : tensor<8xi64>
  %limit = arith.constant dense<8> : tensor<8xi64>
  %all = arith.cmpi ult, %lanes, %limit : tensor<8xi64>
  tile.check %all "index" : tensor<8xi1>
  tile.store %lanes, %y[%zero] dims [0] {in_bounds} : tensor<8xi64>, !tile.view<<"8">, i64>
  tile.return
}
