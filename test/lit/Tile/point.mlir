// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --pass-pipeline='builtin.module(func.func(bessemer-fuse),bessemer-generate-tile-programs)' -split-input-file %s | FileCheck %s

// The lanes choose elements of a row: a gather, in blocks of two registers.
// An index outside of the row ends the run.
// CHECK-LABEL: func.func @gather_columns
// CHECK: bess.launch @point_0
// CHECK: tile.kernel @point_0 grid <"3", "floordiv(s0 + 4095, 4096)">
// CHECK: scf.for
// CHECK: %[[I:.*]] = tile.load {{.*}} dims [0]
// CHECK: tile.check {{.*}} "index" : tensor<16xi1>
// CHECK: tile.gather
// CHECK: tile.store
func.func @gather_columns(%x: tensor<3x8xf32>, %i: tensor<?xi64, #bess.dims<"n">>) -> tensor<3x?xf32, #bess.dims<"3", "n">> {
  %0 = bess.gather %x, %i {axis = 1 : i64} : (tensor<3x8xf32>, tensor<?xi64, #bess.dims<"n">>) -> tensor<3x?xf32, #bess.dims<"3", "n">>
  return %0 : tensor<3x?xf32, #bess.dims<"3", "n">>
}

// -----

// The row that is reduced is a loop; the lanes are the other dimension, read
// along it.
// CHECK-LABEL: func.func @argmax
// CHECK: tile.kernel @point_0 grid <"1">
// CHECK: scf.for {{.*}} -> (tensor<16xf32>, tensor<16xi64>)
// CHECK: tile.load {{.*}} dims [0] {in_bounds}
// CHECK: arith.cmpf ogt
// CHECK: tile.store
func.func @argmax(%x: tensor<16x100xf32>) -> tensor<16xi64> {
  %0 = bess.arg_reduce %x {axis = 1 : i64, keepdims = false, kind = "max"} : (tensor<16x100xf32>) -> tensor<16xi64>
  return %0 : tensor<16xi64>
}

// -----

// What is the same for all lanes is read once; only the last dimension is gathered.
// CHECK-LABEL: func.func @upsample
// CHECK: tile.kernel @point_0 grid <"2", "2*s0", "floordiv(s1 + 2047, 2048)">
// CHECK: scf.for
// CHECK: arith.fptosi {{.*}} : f64 to i64
// CHECK: arith.fptosi {{.*}} : tensor<16xf64> to tensor<16xi64>
// CHECK: tile.gather
// CHECK-NOT: tile.gather
func.func @upsample(%x: tensor<2x?x?xf32, #bess.dims<"2", "h", "w">>) -> tensor<2x?x?xf32, #bess.dims<"2", "2*h", "2*w">> {
  %0 = bess.resize %x {axes = array<i64: 1, 2>, scales = array<f64: 2.0, 2.0>, roi = array<f64>, mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor"} : (tensor<2x?x?xf32, #bess.dims<"2", "h", "w">>) -> tensor<2x?x?xf32, #bess.dims<"2", "2*h", "2*w">>
  return %0 : tensor<2x?x?xf32, #bess.dims<"2", "2*h", "2*w">>
}

// -----

// Of a group that no program is for, each op has one of its own.
// CHECK-LABEL: func.func @apart
// CHECK-DAG: bess.launch @point_0
// CHECK-DAG: bess.launch @row_0
func.func @apart(%x: tensor<4x8xf32>) -> tensor<4x12xf32> {
  %0 = bess.pad %x {low = #bess.dims<"0", "2">, mode = "constant"} : (tensor<4x8xf32>) -> tensor<4x12xf32>
  %1 = bess.softmax %0 {axis = 1 : i64} : (tensor<4x12xf32>) -> tensor<4x12xf32>
  return %1 : tensor<4x12xf32>
}

// -----

// float8 is its bits: what moves it computes nothing.
// CHECK-LABEL: func.func @float8_moves
// CHECK: tile.kernel @point_0
// CHECK: %[[BITS:.*]] = tile.load {{.*}} dims [0] {{.*}} -> tensor<8xi8>
// CHECK-NEXT: tile.store %[[BITS]]
func.func @float8_moves(%x: tensor<8x3xf8E4M3FN>) -> tensor<3x8xf8E4M3FN> {
  %0 = bess.transpose %x {permutation = array<i64: 1, 0>} : (tensor<8x3xf8E4M3FN>) -> tensor<3x8xf8E4M3FN>
  return %0 : tensor<3x8xf8E4M3FN>
}

// -----

// Elements that share a byte: a view of bytes, of which a lane makes both halves.
// CHECK-LABEL: func.func @int4_result
// CHECK: tile.kernel @point_0
// CHECK: ^bb0(%{{.*}}: !tile.view<<"s0", "15">, i32>, %{{.*}}: !tile.view<<"7*s0 + floordiv(s0 + 1, 2)">, i8>
// CHECK: scf.for
// CHECK: tile.gather
// CHECK: tile.gather
// CHECK: arith.ori {{.*}} : tensor<16xi8>
// CHECK: tile.store {{.*}} dims [0]
func.func @int4_result(%x: tensor<?x15xi32, #bess.dims<"n", "15">>) -> tensor<?x15xi4, #bess.dims<"n", "15">> {
  %0 = bess.cast %x {to = i4} : (tensor<?x15xi32, #bess.dims<"n", "15">>) -> tensor<?x15xi4, #bess.dims<"n", "15">>
  return %0 : tensor<?x15xi4, #bess.dims<"n", "15">>
}
