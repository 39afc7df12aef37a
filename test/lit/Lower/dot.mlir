// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --bessemer-lower-tile-to-cpu %s | FileCheck %s --check-prefixes=CHECK,AVX2
// RUN: sed 's/bess.target = {}/bess.target = {vector_bytes = 64 : i64, registers = 32 : i64}/' %s | bessemer-opt --bessemer-lower-tile-to-cpu | FileCheck %s --check-prefixes=CHECK,AVX512

// Ten rows are two blocks of five on AVX2, whose blocks have at most six; on
// AVX-512 one block of ten. The bias is added while the sums are in registers.
// CHECK: func.func @dot
// AVX2: iter_args({{.*}}) -> (vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>) {
// AVX512: iter_args({{.*}}) -> (vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>) {
// CHECK: vector.fma
// CHECK: arith.addf
// CHECK: llvm.store
module attributes {bess.target = {}} {
tile.kernel @dot grid <"1"> views 4 outputs 1 symbols 0 kind "matmul" reason "" schedule {} {
^bb0(%x: !tile.view<<"10", "32">, f32>, %w: !tile.view<<"32", "16">, f32>, %c: !tile.view<<"16">, f32>, %y: !tile.view<<"10", "16">, f32>, %point: index):
  %zero = arith.constant 0 : index
  %0 = tile.load %x[%zero, %zero] dims [0, 1] {in_bounds} : !tile.view<<"10", "32">, f32> -> tensor<10x32xf32>
  %1 = tile.load %w[%zero, %zero] dims [0, 1] {in_bounds} : !tile.view<<"32", "16">, f32> -> tensor<32x16xf32>
  %2 = tile.dot %0, %1 : tensor<10x32xf32>, tensor<32x16xf32> -> tensor<10x16xf32>
  %3 = tile.load %c[%zero] dims [0, 0] {in_bounds} : !tile.view<<"16">, f32> -> tensor<1x16xf32>
  %4 = tile.broadcast %3 : tensor<1x16xf32> -> tensor<10x16xf32>
  %5 = arith.addf %2, %4 : tensor<10x16xf32>
  tile.store %5, %y[%zero, %zero] dims [0, 1] {in_bounds} : tensor<10x16xf32>, !tile.view<<"10", "16">, f32>
  tile.return
}
}
