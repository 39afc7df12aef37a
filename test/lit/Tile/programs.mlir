// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: bessemer-opt --pass-pipeline='builtin.module(func.func(bessemer-fuse),bessemer-generate-tile-programs)' %s | FileCheck %s

// Two fusions that are the same but for names share one program; a free
// dimension is a symbol of the kernel.
// CHECK-LABEL: func.func @main
// CHECK: bess.launch @row_0(%arg0) {symbol_args = #bess.dims<"n">}
// CHECK: bess.launch @row_0(%arg1) {symbol_args = #bess.dims<"m">}
func.func @main(%x: tensor<?x8xf32, #bess.dims<"n", "8">>, %y: tensor<?x8xf32, #bess.dims<"m", "8">>) -> (tensor<?x8xf32, #bess.dims<"n", "8">>, tensor<?x8xf32, #bess.dims<"m", "8">>) {
  %0 = bess.softmax %x {axis = 1 : i64} : (tensor<?x8xf32, #bess.dims<"n", "8">>) -> tensor<?x8xf32, #bess.dims<"n", "8">>
  %1 = bess.softmax %y {axis = 1 : i64} : (tensor<?x8xf32, #bess.dims<"m", "8">>) -> tensor<?x8xf32, #bess.dims<"m", "8">>
  return %0, %1 : tensor<?x8xf32, #bess.dims<"n", "8">>, tensor<?x8xf32, #bess.dims<"m", "8">>
}

// Short rows: a task has several.
// CHECK: tile.kernel @row_0 grid <"floordiv(s0 + 63, 64)"> views 2 outputs 1 symbols 1 kind "row"
// CHECK: scf.for
// CHECK: %[[X:.*]] = tile.load %{{.*}} dims [1] {in_bounds}
// CHECK: %[[M:.*]] = tile.reduce max %[[X]] axis 0 : tensor<8xf32> -> tensor<1xf32>
// CHECK: %[[E:.*]] = math.exp
// CHECK: tile.reduce sum %[[E]] axis 0
// CHECK: tile.store
// CHECK-NOT: tile.kernel
